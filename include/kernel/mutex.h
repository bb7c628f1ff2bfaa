/* SPDX-License-Identifier: MIT */
/*
 * mutex.h: sleeping locks with a rank: mutex and reader-writer semaphore (first come, first served
 * between readers and writers, so a stream of readers cannot starve mmap). Neither may be taken in
 * interrupt context or under a spinlock.
 *
 * The uncontended paths are inline: one atomic instruction each. The rest is in kernel/lock/mutex.c
 * and rwsem.c.
 */
#pragma once
#include <kernel/wait.h>

struct mutex {
    atomic_t state; /* 0 free, 1 held, 2 held and somebody may wait */
    u8 class;
    struct task *owner;
    struct wait_queue wq; /* its lock guards the list of waiters (struct mutex_waiter) */
};

/* For static ones. */
#define MUTEX_INIT(name, c) { .class = (c), .wq = WAIT_QUEUE_INIT((name).wq) }
void mutex_init(struct mutex *m, enum lock_class c);
void mutex_lock_slow(struct mutex *m);
void mutex_unlock_slow(struct mutex *m);

static inline bool mutex_try_word(struct mutex *m)
{
    int expected = 0;

    return __atomic_compare_exchange_n(&m->state.v, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

static inline void mutex_lock_common(struct mutex *m, bool nested)
{
    might_sleep();
    lockcheck_acquire(m, m->class, nested, false);
    if (unlikely(!mutex_try_word(m)))
        mutex_lock_slow(m);
    WRITE_ONCE(m->owner, current);
}

static inline void mutex_lock(struct mutex *m)
{
    mutex_lock_common(m, false);
}

/* Second of its class, ordered by address by the caller. */
static inline void mutex_lock_nested(struct mutex *m)
{
    mutex_lock_common(m, true);
}

static inline bool mutex_trylock(struct mutex *m)
{
    if (!mutex_try_word(m))
        return false;
    lockcheck_acquire(m, m->class, false, true);
    WRITE_ONCE(m->owner, current);
    return true;
}

static inline void mutex_unlock(struct mutex *m)
{
    int expected = 1;

    lockcheck_release(m, m->class);
    WRITE_ONCE(m->owner, NULL);
    if (unlikely(!__atomic_compare_exchange_n(&m->state.v, &expected, 0, false, __ATOMIC_RELEASE,
                                              __ATOMIC_RELAXED)))
        mutex_unlock_slow(m);
}

static inline bool mutex_is_locked(const struct mutex *m)
{
    return atomic_read(&m->state) != 0;
}

/* rwsem.count: low 32 bits count readers, and for an instant a reader that is about to wait. */
#define RWSEM_READERS 0xffffffffL
#define RWSEM_WRITER  (1L << 32) /* a writer holds it */
#define RWSEM_WAITING (1L << 33) /* the queue is not empty: newcomers queue behind it */

struct rwsem {
    atomic_long_t count;
    u8 class;
    struct task *owner;   /* the writer */
    /* its lock guards the list of waiters (struct rwsem_waiter) and RWSEM_WAITING */
    struct wait_queue wq;
};

void rwsem_init(struct rwsem *s, enum lock_class c);
void rwsem_read_slow(struct rwsem *s);
int rwsem_write_slow(struct rwsem *s, bool killable);
void rwsem_wake(struct rwsem *s);

static inline void rwsem_read_lock_common(struct rwsem *s, bool nested)
{
    might_sleep();
    lockcheck_acquire(s, s->class, nested, false);
    if (unlikely(__atomic_fetch_add(&s->count.v, 1, __ATOMIC_ACQUIRE) & ~RWSEM_READERS))
        rwsem_read_slow(s);
}

static inline void rwsem_read_lock(struct rwsem *s)
{
    rwsem_read_lock_common(s, false);
}

/* Second of its class; the caller says why the order is always the same. */
static inline void rwsem_read_lock_nested(struct rwsem *s)
{
    rwsem_read_lock_common(s, true);
}

static inline bool rwsem_read_trylock(struct rwsem *s)
{
    long n = atomic_long_read(&s->count);

    while (!(n & ~RWSEM_READERS)) {
        if (__atomic_compare_exchange_n(&s->count.v, &n, n + 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            lockcheck_acquire(s, s->class, false, true);
            return true;
        }
    }
    return false;
}

static inline void rwsem_read_unlock(struct rwsem *s)
{
    lockcheck_release(s, s->class);
    if (unlikely(__atomic_sub_fetch(&s->count.v, 1, __ATOMIC_RELEASE) == RWSEM_WAITING))
        rwsem_wake(s);
}

static inline bool rwsem_write_word(struct rwsem *s)
{
    long expected = 0;

    return __atomic_compare_exchange_n(&s->count.v, &expected, RWSEM_WRITER, false,
                                       __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void rwsem_write_lock_common(struct rwsem *s, bool nested)
{
    might_sleep();
    lockcheck_acquire(s, s->class, nested, false);
    if (unlikely(!rwsem_write_word(s)))
        (void)rwsem_write_slow(s, false);
    WRITE_ONCE(s->owner, current);
}

static inline void rwsem_write_lock(struct rwsem *s)
{
    rwsem_write_lock_common(s, false);
}

/* Second of its class, ordered by address by the caller. */
static inline void rwsem_write_lock_nested(struct rwsem *s)
{
    rwsem_write_lock_common(s, true);
}

/* 0, or -EINTR when a fatal signal is pending and the lock could not be had at once. */
int __must_check rwsem_write_lock_killable(struct rwsem *s);

static inline bool rwsem_write_trylock(struct rwsem *s)
{
    if (!rwsem_write_word(s))
        return false;
    lockcheck_acquire(s, s->class, false, true);
    WRITE_ONCE(s->owner, current);
    return true;
}

static inline void rwsem_write_unlock(struct rwsem *s)
{
    lockcheck_release(s, s->class);
    WRITE_ONCE(s->owner, NULL);
    if (unlikely(__atomic_sub_fetch(&s->count.v, RWSEM_WRITER, __ATOMIC_RELEASE) & RWSEM_WAITING))
        rwsem_wake(s);
}

/* Writer becomes reader without a gap. */
void rwsem_downgrade(struct rwsem *s);

static inline bool rwsem_is_write_locked(const struct rwsem *s)
{
    return (atomic_long_read(&s->count) & RWSEM_WRITER) != 0;
}
