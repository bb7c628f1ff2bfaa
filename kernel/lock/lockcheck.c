/* SPDX-License-Identifier: MIT */
/*
 * lockcheck.c: checks every acquire and release against lock_classes.h. Debug kernels only.
 *
 * Each context has a stack of the locks it holds: a task its own (struct task.held, it moves with
 * the task), interrupt handlers one per CPU, the code before a CPU's first task one per CPU. A
 * handler's locks have no order towards those of the task it interrupts: what orders them is that a
 * lock taken by handlers is held with interrupts off everywhere. It does not find wrong orders that
 * no run shows, and does not say whether a rank is well chosen.
 *
 * Locks: none; each stack belongs to one context and is touched with interrupts off. Silent once a
 * panic is in progress. Invariants, each a violation when broken:
 *   I1  a lock is taken only above all held ranks; at the same rank only by a _nested call within
 *       one class
 *   I2  no context takes what it holds, or releases what it does not hold
 *   I3  SPIN_IRQ is taken with interrupts off; interrupt handlers take nothing else
 *   I4  nothing sleeps in a handler, with preemption or with interrupts off
 *   I5  nothing is held on return to user mode
 * Checked by tests/kernel/lock/lockcheck_ktest.c, which provokes each. Read next: mutex.c.
 */
#include <arch/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <kernel/task.h>

#ifdef CONFIG_DEBUG

enum lock_kind { KIND_MUTEX, KIND_RWSEM, KIND_SPIN, KIND_SPIN_IRQ };

static const struct lock_class_info {
    u8 rank, kind;
} classes[NR_LOCK_CLASSES] = {
#define LOCK_CLASS(name, rank, kind, what) { rank, KIND_##kind },
#include <kernel/lock_classes.h>
#undef LOCK_CLASS
};

struct held_stack {
    struct held_lock lock[MAX_HELD_LOCKS];
    unsigned int nr;
};

static struct held_stack irq_stacks[NR_CPUS], boot_stacks[NR_CPUS];

/* The stack of the running context, as two pointers because a task keeps the parts as fields. */
struct held {
    struct held_lock *lock;
    unsigned int *nr;
};

static bool (*violation_handler)(enum lockcheck_kind kind, const char *text);

void lockcheck_set_handler(bool (*fn)(enum lockcheck_kind kind, const char *text))
{
    __atomic_store_n(&violation_handler, fn, __ATOMIC_RELEASE);
}

/* Interrupts are off. */
static struct held held_here(void)
{
    struct cpu *cpu = this_cpu();
    struct task *t = current;
    struct held_stack *s;

    if (cpu->irq_depth == 0 && t)
        return (struct held){ t->held, &t->nr_held };
    s = cpu->irq_depth ? &irq_stacks[cpu->id] : &boot_stacks[cpu->id];
    return (struct held){ s->lock, &s->nr };
}

static size_t append_held(char *buf, size_t n, const struct held *h)
{
    size_t len = 0;

    for (unsigned int i = 0; i < *h->nr; i++)
        len += scnprintf(buf + len, n - len, " %s(%u)@%p", lock_class_name(h->lock[i].class),
                         classes[h->lock[i].class].rank, h->lock[i].lock);
    if (*h->nr == 0)
        len += scnprintf(buf + len, n - len, " none");
    return len;
}

static void violation(enum lockcheck_kind kind, const char *what, const void *lock, int class)
{
    bool (*handler)(enum lockcheck_kind, const char *) =
        __atomic_load_n(&violation_handler, __ATOMIC_ACQUIRE);
    char text[512];
    size_t len = scnprintf(text, sizeof(text), "lock check: %s", what);
    struct held h = held_here();

    if (class >= 0)
        len += scnprintf(text + len, sizeof(text) - len, ": %s(%u)@%p",
                         lock_class_name((enum lock_class)class), classes[class].rank, lock);
    len += scnprintf(text + len, sizeof(text) - len, "; held:");
    append_held(text + len, sizeof(text) - len, &h);
    if (handler && handler(kind, text))
        return;
    panic("%s", text);
}

static void check_context(const void *lock, enum lock_class c, bool irqs_on)
{
    if (classes[c].kind == KIND_SPIN_IRQ) {
        if (irqs_on)
            violation(LOCKCHECK_IRQ_UNSAFE, "interrupts are on at an acquire of", lock, c);
    } else if (this_cpu()->irq_depth > 0) {
        violation(LOCKCHECK_IRQ_UNSAFE, "an interrupt handler acquires", lock, c);
    }
}

static void check_order(const struct held *h, const void *lock, enum lock_class c, bool nested)
{
    unsigned int rank = classes[c].rank;

    for (unsigned int i = 0; i < *h->nr; i++) {
        const struct held_lock *l = &h->lock[i];
        unsigned int held_rank = classes[l->class].rank;

        if (l->lock == lock) {
            violation(LOCKCHECK_RECURSION, "recursive acquire of", lock, c);
            return;
        }
        if (held_rank > rank || (held_rank == rank && !(nested && l->class == c))) {
            violation(LOCKCHECK_ORDER, "wrong order at an acquire of", lock, c);
            return;
        }
    }
}

/*
 * trylock: the lock is held already; it cannot have deadlocked, so its rank is not compared, but
 * later ones are with it.
 */
void lockcheck_acquire(const void *lock, enum lock_class c, bool nested, bool trylock)
{
    bool irqs_on = irqs_enabled();
    unsigned long flags;
    struct held h;

    if (panic_in_progress())
        return;
    flags = irq_save();
    h = held_here();
    check_context(lock, c, irqs_on);
    if (!trylock)
        check_order(&h, lock, c, nested);
    if (*h.nr == MAX_HELD_LOCKS)
        violation(LOCKCHECK_TOO_MANY, "too many locks at an acquire of", lock, c);
    else
        h.lock[(*h.nr)++] = (struct held_lock){ lock, (u8)c };
    irq_restore(flags);
}

void lockcheck_release(const void *lock, enum lock_class c)
{
    unsigned long flags;
    unsigned int i;
    struct held h;

    if (panic_in_progress())
        return;
    flags = irq_save();
    h = held_here();
    for (i = *h.nr; i > 0 && h.lock[i - 1].lock != lock; i--)
        ;
    if (i == 0) {
        violation(LOCKCHECK_NOT_HELD, "release without acquire of", lock, c);
    } else {
        for (; i < *h.nr; i++)
            h.lock[i - 1] = h.lock[i];
        (*h.nr)--;
    }
    irq_restore(flags);
}

bool lockcheck_is_held(const void *lock)
{
    unsigned long flags = irq_save();
    struct held h = held_here();
    bool found = false;

    for (unsigned int i = 0; i < *h.nr; i++)
        found |= h.lock[i].lock == lock;
    irq_restore(flags);
    return found;
}

unsigned int lockcheck_nr_held(void)
{
    unsigned long flags = irq_save();
    unsigned int nr = *held_here().nr;

    irq_restore(flags);
    return nr;
}

void lockcheck_assert_held(const void *lock, const char *name)
{
    if (!panic_in_progress() && !lockcheck_is_held(lock))
        violation(LOCKCHECK_NOT_HELD, name, lock, -1);
}

/*
 * The context that boots a CPU becomes its idle task and takes sleeping locks that nobody can hold:
 * not checked.
 */
void might_sleep(void)
{
    bool irqs_on = irqs_enabled();
    unsigned long flags;
    struct cpu *cpu;

    if (panic_in_progress())
        return;
    flags = irq_save();
    cpu = this_cpu();
    if (cpu->irq_depth > 0)
        violation(LOCKCHECK_SLEEP, "an interrupt handler may sleep", NULL, -1);
    else if (current && current != cpu->idle && (cpu->preempt_count > 0 || !irqs_on))
        violation(LOCKCHECK_SLEEP,
                  irqs_on ? "sleep with preemption off" : "sleep with interrupts off", NULL, -1);
    irq_restore(flags);
}

void lockcheck_user_return(void)
{
    if (panic_in_progress())
        return;
    if (current->nr_held > 0)
        violation(LOCKCHECK_USER_RETURN, "locks held on return to user mode", NULL, -1);
    if (arch_preempt_count() != 0)
        violation(LOCKCHECK_USER_RETURN, "preemption off on return to user mode", NULL, -1);
}

#endif /* CONFIG_DEBUG */
