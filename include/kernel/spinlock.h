/* SPDX-License-Identifier: MIT */
/*
 * spinlock.h: spinning locks with a rank. Source of the ranks: lock_classes.h; the checker is
 * kernel/lockcheck.c.
 *
 * A holder runs with preemption off. Classes of kind SPIN_IRQ are taken with spin_lock_irqsave (or
 * with interrupts already off). Contended waiting uses cpu_relax(). Acquire on lock, release on
 * unlock (POWER: isync/lwsync).
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/preempt.h>
#include <arch/cpu.h>

enum lock_class {
#define LOCK_CLASS(name, rank, kind, what) LOCK_##name,
#include <kernel/lock_classes.h>
#undef LOCK_CLASS
    NR_LOCK_CLASSES
};

const char *lock_class_name(enum lock_class c);

typedef struct spinlock {
    u32 locked;    /* 0 free, 1 held */
    u8 class;      /* enum lock_class */
    u8 reserved;
    u16 owner_cpu; /* holder's CPU + 1, debug kernels only */
} spinlock_t;

#define SPINLOCK_INIT(c) { .class = (c) }

static inline void spin_init(spinlock_t *l, enum lock_class c)
{
    *l = (spinlock_t)SPINLOCK_INIT(c);
}

#ifdef CONFIG_DEBUG
/*
 * Checker hooks: panic on a wrong order, a recursive acquire, an irq-unsafe acquire, an unlock of
 * what is not held.
 */
void lockcheck_acquire(const void *lock, enum lock_class c, bool nested, bool trylock);
void lockcheck_release(const void *lock, enum lock_class c);
bool lockcheck_is_held(const void *lock);
/* What the checker found. */
enum lockcheck_kind {
    LOCKCHECK_ORDER,       /* taken below a lock of the same or a higher rank */
    LOCKCHECK_RECURSION,   /* taken by a context that holds it */
    /* released, or asserted to be held, by a context that does not hold it */
    LOCKCHECK_NOT_HELD,
    /* SPIN_IRQ with interrupts on, or another kind in an interrupt handler */
    LOCKCHECK_IRQ_UNSAFE,
    LOCKCHECK_SLEEP,       /* might sleep where that is not allowed */
    LOCKCHECK_USER_RETURN, /* still held on the way to user mode */
    LOCKCHECK_TOO_MANY     /* more than MAX_HELD_LOCKS */
};
/*
 * Tests see violations instead of dying: @fn gets the kind and the text, any context, and returns
 * true when it expected that one; otherwise the kernel panics as usual. NULL takes the handler
 * away.
 */
void lockcheck_set_handler(bool (*fn)(enum lockcheck_kind kind, const char *text));
/* Locks that the current context (task, or interrupt handler) holds. */
unsigned int lockcheck_nr_held(void);
/* Panics if a sleeping call is made under a spinlock, with preemption or interrupts off. */
void might_sleep(void);
/* Panics if the current task holds any lock; called on return to user mode. */
void lockcheck_user_return(void);
#define lock_assert_held(l) lockcheck_assert_held(l, #l)
void lockcheck_assert_held(const void *lock, const char *name);
#else
static inline void lockcheck_acquire(const void *l, enum lock_class c, bool n, bool t)
{
    (void)l, (void)c, (void)n, (void)t;
}
static inline void lockcheck_release(const void *l, enum lock_class c)
{
    (void)l, (void)c;
}
static inline bool lockcheck_is_held(const void *l)
{
    (void)l;
    return true;
}
static inline unsigned int lockcheck_nr_held(void)
{
    return 0;
}
static inline void might_sleep(void)
{
}
static inline void lockcheck_user_return(void)
{
}
#define lock_assert_held(l) ((void)(l))
#endif

/*
 * Waits for the lock word; the uncontended case is inline. Test-and-test-and-set: with more virtual
 * CPUs than real ones a queue of waiters in fixed order would wait for a CPU that does not run.
 */
void spin_lock_slow(spinlock_t *l);

/* Who holds it, for the report about a lock that never comes free. */
static inline void spin_note_owner(spinlock_t *l, unsigned int owner)
{
#ifdef CONFIG_DEBUG
    WRITE_ONCE(l->owner_cpu, (u16)owner);
#else
    (void)l, (void)owner;
#endif
}

static inline void spin_acquire_word(spinlock_t *l)
{
    if (unlikely(__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE) != 0))
        spin_lock_slow(l);
    spin_note_owner(l, smp_processor_id() + 1);
}

static inline void spin_release_word(spinlock_t *l)
{
    lockcheck_release(l, l->class);
    spin_note_owner(l, 0);
    __atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

static inline void spin_lock(spinlock_t *l)
{
    preempt_disable();
    lockcheck_acquire(l, l->class, false, false);
    spin_acquire_word(l);
}

/* Second lock of the class already held; the caller orders the two by address. */
static inline void spin_lock_nested(spinlock_t *l)
{
    preempt_disable();
    lockcheck_acquire(l, l->class, true, false);
    spin_acquire_word(l);
}

static inline bool spin_trylock(spinlock_t *l)
{
    preempt_disable();
    if (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE) == 0) {
        lockcheck_acquire(l, l->class, false, true);
        spin_note_owner(l, smp_processor_id() + 1);
        return true;
    }
    preempt_enable();
    return false;
}

static inline void spin_unlock(spinlock_t *l)
{
    spin_release_word(l);
    preempt_enable();
}

static inline unsigned long spin_lock_irqsave(spinlock_t *l)
{
    unsigned long flags = irq_save();
    spin_lock(l);
    return flags;
}

static inline void spin_unlock_irqrestore(spinlock_t *l, unsigned long flags)
{
    spin_release_word(l);
    irq_restore(flags);
    preempt_enable();
}

static inline bool spin_is_locked(const spinlock_t *l)
{
    return READ_ONCE(l->locked) != 0;
}
