/* SPDX-License-Identifier: MIT */
/*
 * lockcheck_ktest.c: provokes each violation I1-I5 of kernel/lock/lockcheck.c and sees it reported;
 * and legal uses not.
 */
#include "tests/kernel/team.h"
#include <kernel/string.h>

static struct task *suspect; /* violations of others are real */
static bool suspect_irq;     /* the violation comes from an interrupt handler */
static unsigned int seen[LOCKCHECK_TOO_MANY + 1], total_seen;
static char last_text[512];

static bool note(enum lockcheck_kind kind, const char *text)
{
    if (current != suspect && !suspect_irq)
        return false;
    seen[kind]++;
    total_seen++;
    strscpy(last_text, text, sizeof(last_text));
    return true;
}

static void watch_begin(void)
{
    memset(seen, 0, sizeof(seen));
    total_seen = 0;
    suspect = current;
    suspect_irq = false;
    lockcheck_set_handler(note);
}

/* Exactly @n violations, all of @kind, since watch_begin. */
static void watch_end(enum lockcheck_kind kind, unsigned int n)
{
    lockcheck_set_handler(NULL);
    EXPECT_EQ(seen[kind], n);
    EXPECT_EQ(total_seen, n);
}

KTEST(lockcheck, wrong_order)
{
    spinlock_t low = SPINLOCK_INIT(LOCK_FILES), high = SPINLOCK_INIT(LOCK_PAGE_CACHE);

    watch_begin();
    spin_lock(&low);
    spin_lock(&high);
    spin_unlock(&high);
    spin_unlock(&low);
    watch_end(LOCKCHECK_ORDER, 0);

    watch_begin();
    spin_lock(&high);
    spin_lock(&low);
    spin_unlock(&low);
    spin_unlock(&high);
    watch_end(LOCKCHECK_ORDER, 1);
    EXPECT(strstr(last_text, "FILES") != NULL);
    EXPECT(strstr(last_text, "PAGE_CACHE") != NULL);
}

KTEST(lockcheck, sleeping_lock_orders)
{
    struct mutex outer, inner;

    mutex_init(&outer, LOCK_PIPE);
    mutex_init(&inner, LOCK_MISC_SLEEP);
    watch_begin();
    mutex_lock(&inner);
    mutex_lock(&outer);
    mutex_unlock(&outer);
    mutex_unlock(&inner);
    watch_end(LOCKCHECK_ORDER, 1);
}

KTEST(lockcheck, same_rank_needs_nested)
{
    spinlock_t a = SPINLOCK_INIT(LOCK_PT), b = SPINLOCK_INIT(LOCK_PT);

    watch_begin();
    spin_lock(&a);
    spin_lock_nested(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    watch_end(LOCKCHECK_ORDER, 0);

    watch_begin();
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    watch_end(LOCKCHECK_ORDER, 1);
}

KTEST(lockcheck, trylock_is_not_ordered_but_counts)
{
    spinlock_t low = SPINLOCK_INIT(LOCK_FILES), high = SPINLOCK_INIT(LOCK_PT);
    spinlock_t mid = SPINLOCK_INIT(LOCK_DENTRY);

    watch_begin();
    spin_lock(&high);
    EXPECT(spin_trylock(&low));
    watch_end(LOCKCHECK_ORDER, 0);
    watch_begin();
    spin_lock(&mid); /* below high */
    spin_unlock(&mid);
    spin_unlock(&low);
    spin_unlock(&high);
    watch_end(LOCKCHECK_ORDER, 1);
}

KTEST(lockcheck, recursion)
{
    spinlock_t a = SPINLOCK_INIT(LOCK_PT);

    watch_begin();
    spin_lock(&a);
    /* what a second spin_lock would ask, without waiting for ever */
    lockcheck_acquire(&a, LOCK_PT, true, false);
    lockcheck_release(&a, LOCK_PT);
    spin_unlock(&a);
    watch_end(LOCKCHECK_RECURSION, 1);
}

KTEST(lockcheck, release_of_what_is_not_held)
{
    spinlock_t a = SPINLOCK_INIT(LOCK_PT);

    watch_begin();
    lockcheck_release(&a, LOCK_PT);
    watch_end(LOCKCHECK_NOT_HELD, 1);

    watch_begin();
    lock_assert_held(&a);
    watch_end(LOCKCHECK_NOT_HELD, 1);

    watch_begin();
    spin_lock(&a);
    lock_assert_held(&a);
    spin_unlock(&a);
    watch_end(LOCKCHECK_NOT_HELD, 0);
}

KTEST(lockcheck, interrupts_on)
{
    spinlock_t a = SPINLOCK_INIT(LOCK_SLAB);

    watch_begin();
    spin_lock(&a);
    spin_unlock(&a);
    watch_end(LOCKCHECK_IRQ_UNSAFE, 1);

    watch_begin();
    unsigned long flags = spin_lock_irqsave(&a);
    spin_unlock_irqrestore(&a, flags);
    watch_end(LOCKCHECK_IRQ_UNSAFE, 0);
}

struct irq_take {
    struct timer timer;
    spinlock_t *lock;
    bool done;
};

static void take_in_interrupt(struct timer *t)
{
    struct irq_take *it = container_of(t, struct irq_take, timer);

    spin_lock(it->lock);
    spin_unlock(it->lock);
    smp_store_release(&it->done, true);
}

static void take_in_timer(spinlock_t *lock)
{
    struct irq_take it = { .lock = lock };

    timer_init(&it.timer, take_in_interrupt);
    timer_start(&it.timer, clock_monotonic_ns());
    while (!smp_load_acquire(&it.done))
        cpu_relax();
    timer_cancel(&it.timer);
}

KTEST(lockcheck, interrupt_handler_takes_plain_lock)
{
    spinlock_t plain = SPINLOCK_INIT(LOCK_FILES);

    watch_begin();
    suspect_irq = true;
    take_in_timer(&plain);
    watch_end(LOCKCHECK_IRQ_UNSAFE, 1);
}

/* The handler's locks have no order towards the interrupted thread's. */
KTEST(lockcheck, interrupt_has_its_own_stack)
{
    spinlock_t high = SPINLOCK_INIT(LOCK_MM_LIST), irq = SPINLOCK_INIT(LOCK_SIGHAND);

    watch_begin();
    suspect_irq = true;
    spin_lock(&high);
    take_in_timer(&irq);
    EXPECT_EQ(lockcheck_nr_held(), 1);
    spin_unlock(&high);
    watch_end(LOCKCHECK_ORDER, 0);
}

KTEST(lockcheck, sleep_where_it_is_forbidden)
{
    spinlock_t a = SPINLOCK_INIT(LOCK_PT);
    unsigned long flags;

    watch_begin();
    spin_lock(&a);
    might_sleep();
    spin_unlock(&a);
    preempt_disable();
    might_sleep();
    preempt_enable();
    flags = irq_save();
    might_sleep();
    irq_restore(flags);
    watch_end(LOCKCHECK_SLEEP, 3);

    watch_begin();
    might_sleep();
    watch_end(LOCKCHECK_SLEEP, 0);
}

KTEST(lockcheck, held_at_return_to_user)
{
    struct mutex m;

    mutex_init(&m, LOCK_PIPE);
    watch_begin();
    mutex_lock(&m);
    lockcheck_user_return();
    mutex_unlock(&m);
    lockcheck_user_return();
    watch_end(LOCKCHECK_USER_RETURN, 1);
}

KTEST(lockcheck, too_many)
{
    static u8 locks[MAX_HELD_LOCKS + 1];

    watch_begin();
    for (unsigned int i = 0; i <= MAX_HELD_LOCKS; i++)
        lockcheck_acquire(&locks[i], LOCK_PT, true, false);
    for (unsigned int i = 0; i < MAX_HELD_LOCKS; i++)
        lockcheck_release(&locks[i], LOCK_PT);
    watch_end(LOCKCHECK_TOO_MANY, 1);
    EXPECT_EQ(lockcheck_nr_held(), 0);
}
