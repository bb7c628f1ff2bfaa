/* SPDX-License-Identifier: MIT */
/*
 * lock.c: locks for programs made of kernel files. Who has to wait yields. Each acquisition is
 * checked against the rank of what its CPU already holds, as kernel/lock/lockcheck.c does in the
 * kernel.
 */
#include <arch/cpu.h>
#include <kernel/mutex.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <sched.h>
#include "host.h"

#define MAX_HELD 16

static const struct {
    const char *name;
    unsigned int rank;
} class_info[] = {
#define LOCK_CLASS(name, rank, kind, what) [LOCK_##name] = { #name, rank },
#include <kernel/lock_classes.h>
#undef LOCK_CLASS
};

static _Thread_local struct {
    const void *lock;
    enum lock_class class;
} held[MAX_HELD];
static _Thread_local unsigned int nr_held;

void lockcheck_acquire(const void *lock, enum lock_class c, bool nested, bool trylock)
{
    for (unsigned int i = 0; i < nr_held; i++) {
        unsigned int rank = class_info[held[i].class].rank;

        if (held[i].lock == lock)
            panic("lock %s taken twice", class_info[c].name);
        if (!trylock && (rank > class_info[c].rank || (rank == class_info[c].rank && !nested)))
            panic("lock %s taken while %s is held", class_info[c].name,
                  class_info[held[i].class].name);
    }
    REQUIRE(nr_held < MAX_HELD);
    held[nr_held].lock = lock;
    held[nr_held++].class = c;
}

void lockcheck_release(const void *lock, enum lock_class c)
{
    for (unsigned int i = nr_held; i-- > 0;) {
        if (held[i].lock != lock)
            continue;
        for (nr_held--; i < nr_held; i++)
            held[i] = held[i + 1];
        return;
    }
    panic("lock %s released but not held", class_info[c].name);
}

bool lockcheck_is_held(const void *lock)
{
    for (unsigned int i = 0; i < nr_held; i++)
        if (held[i].lock == lock)
            return true;
    return false;
}

void lockcheck_assert_held(const void *lock, const char *name)
{
    if (!lockcheck_is_held(lock))
        panic("%s is not held", name);
}

/* Now and then another CPU's thread runs here, as it may in the kernel: races that need it become
 * likely. */
void might_sleep(void)
{
    if (!irqs_enabled() || arch_preempt_count() != 0)
        panic("may sleep here with interrupts or preemption off");
    if (nr_cpus_online > 1 && host_random_below(8) == 0)
        cpu_relax();
}

void sched_yield_current(void)
{
    (void)sched_yield();
}

void preempt_schedule(void)
{
}

void spin_lock_slow(spinlock_t *l)
{
    do {
        while (READ_ONCE(l->locked) != 0)
            cpu_relax();
    } while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE) != 0);
}

void mutex_init(struct mutex *m, enum lock_class c)
{
    atomic_set(&m->state, 0);
    m->class = (u8)c;
}

/* The fast paths are the kernel's own, inline in mutex.h; nobody ever queues, so an unlock has
 * nobody to wake. */
void mutex_lock_slow(struct mutex *m)
{
    while (!mutex_try_word(m))
        cpu_relax();
}

void mutex_unlock_slow(struct mutex *m)
{
    (void)m;
    panic("a mutex that was not held is unlocked");
}

void rwsem_init(struct rwsem *s, enum lock_class c)
{
    atomic_long_set(&s->count, 0);
    s->class = (u8)c;
}

void rwsem_read_slow(struct rwsem *s)
{
    for (;;) {
        (void)atomic_long_dec_return(&s->count);
        while (atomic_long_read(&s->count) & ~RWSEM_READERS)
            cpu_relax();
        if (!(atomic_long_inc_return(&s->count) & ~RWSEM_READERS))
            return;
    }
}

int rwsem_write_slow(struct rwsem *s, bool killable)
{
    (void)killable;
    while (!rwsem_write_word(s))
        cpu_relax();
    return 0;
}

int rwsem_write_lock_killable(struct rwsem *s)
{
    rwsem_write_lock(s);
    return 0;
}

void rwsem_wake(struct rwsem *s)
{
    (void)s;
}

void rwsem_downgrade(struct rwsem *s)
{
    (void)atomic_long_add_return(&s->count, 1 - RWSEM_WRITER);
}

/* A sleeper tests its condition again and again: nobody has to wake it. */
void wait_queue_init(struct wait_queue *wq)
{
    spin_init(&wq->lock, LOCK_WAITQ);
    list_init(&wq->waiters);
}

void wait_prepare(struct wait_queue *wq, struct wait_entry *e, unsigned int state)
{
    (void)wq, (void)e, (void)state;
    might_sleep();
}

void wait_finish(struct wait_queue *wq, struct wait_entry *e)
{
    (void)wq, (void)e;
}

int wait_step(unsigned int state, u64 deadline_ns)
{
    (void)state, (void)deadline_ns;
    cpu_relax();
    return 0;
}

void wake_up_key(struct wait_queue *wq, unsigned int nr, unsigned long key)
{
    (void)wq, (void)nr, (void)key;
}
