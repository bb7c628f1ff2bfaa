/* SPDX-License-Identifier: MIT */
/*
 * spinlock.c: waiting for a spinlock, and the names of the lock classes.
 *
 * Does not queue waiters: who sees the word free first gets it. Test-and-test-and-set spins on a
 * shared cache line and is blind to the order of arrival, which suits virtual CPUs that may not be
 * running when their turn comes.
 *
 * I1: locked == 1 exactly while one context is between acquire and release. Checked by
 *     tests/kernel/lock/spinlock_ktest.c.
 * I2: a word that does not come free within STUCK_NS of guest time is a deadlock: panic names class
 *     and holder.
 * Read next: lockcheck.c.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <kernel/time.h>

#define STUCK_NS (20 * NSEC_PER_SEC)
#define SPINS_PER_LOOK 0x10000u

const char *lock_class_name(enum lock_class c)
{
    static const char *const names[NR_LOCK_CLASSES] = {
#define LOCK_CLASS(name, rank, kind, what) #name,
#include <kernel/lock_classes.h>
#undef LOCK_CLASS
    };

    return c < NR_LOCK_CLASSES ? names[c] : "?";
}

/*
 * @since is 0 at the first look. The panicking CPU waits for locks of CPUs that it has stopped: not
 * a new failure.
 */
static void look_for_deadlock(const spinlock_t *l, u64 *since)
{
    u64 now = arch_clock_ns();

    if (*since == 0)
        *since = now;
    if (now - *since < STUCK_NS || panic_in_progress())
        return;
    panic("spinlock %s at %p does not come free; holder CPU %d (-1: not kept)",
          lock_class_name(l->class), l, (int)l->owner_cpu - 1);
}

void spin_lock_slow(spinlock_t *l)
{
    unsigned int spins = 0;
    u64 since = 0;

    do {
        while (READ_ONCE(l->locked) != 0) {
            cpu_relax();
            if (++spins % SPINS_PER_LOOK == 0)
                look_for_deadlock(l, &since);
        }
    } while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE) != 0);
}
