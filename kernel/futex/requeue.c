/* SPDX-License-Identifier: MIT */
/*
 * requeue.c: the operations on two words, and the system call. Source: futex(2), "Fuss, Futexes and
 * Furwocks" (Franke, Russell, Kirkwood, OLS 2002).
 *
 * Locks: FUTEX, two buckets.
 * Invariants: I1 a waiter that moves changes its key and its bucket under the locks of both.
 * Read next: robust.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/time_types.h>

struct two_keys {
    struct futex_key from, to;
    struct futex_bucket *from_bucket, *to_bucket;
};

static int get_two_keys(struct two_keys *k, const struct futex_pair *pair)
{
    int err = futex_get_key(&k->from, pair->from, pair->flags);

    if (err == 0)
        err = futex_get_key(&k->to, pair->to, pair->flags);
    if (err != 0)
        return err;
    k->from_bucket = futex_bucket_of(&k->from);
    k->to_bucket = futex_bucket_of(&k->to);
    return 0;
}

static int requeue_locked(const struct two_keys *k, const struct futex_pair *pair)
{
    struct futex_waiter *w, *tmp;
    int woken = 0, moved = 0;

    list_for_each_entry_safe(w, tmp, &k->from_bucket->waiters, link) {
        if (woken >= pair->nr_wake && moved >= pair->nr_second)
            break;
        if (!futex_key_equal(&w->key, &k->from))
            continue;
        if (woken < pair->nr_wake) {
            futex_wake_waiter(w);
            woken++;
            continue;
        }
        moved++;
        if (futex_key_equal(&k->from, &k->to))
            continue;
        w->key = k->to;
        if (k->from_bucket != k->to_bucket) {
            list_move_tail(&w->link, &k->to_bucket->waiters);
            smp_store_release(&w->bucket, k->to_bucket);
        }
    }
    return woken + moved;
}

int futex_requeue(const struct futex_pair *pair, const u32 *expected)
{
    struct two_keys k;
    int result;

    if (pair->nr_wake < 0 || pair->nr_second < 0)
        return -EINVAL;
    for (;;) {
        u32 value = 0;

        result = get_two_keys(&k, pair);
        if (result != 0)
            return result;
        futex_lock_two(k.from_bucket, k.to_bucket);
        if (expected == NULL)
            break;
        result = futex_read_locked(&value, pair->from);
        if (result == 0 && value == *expected)
            break;
        futex_unlock_two(k.from_bucket, k.to_bucket);
        if (result == 0)
            return -EAGAIN;
        if (get_user_u32(&value, pair->from) != 0)
            return -EFAULT;
    }
    result = requeue_locked(&k, pair);
    futex_unlock_two(k.from_bucket, k.to_bucket);
    return result;
}

/* ---- FUTEX_WAKE_OP --------------------------------------------------------------------------- */

static s32 sign_extend_12(u32 v)
{
    return (s32)(v << 20) >> 20;
}

static int compare(u32 encoded, u32 old)
{
    s32 arg = sign_extend_12(encoded & 0xfff), value = (s32)old;

    switch ((encoded >> 24) & 15) {
    case FUTEX_OP_CMP_EQ: return value == arg;
    case FUTEX_OP_CMP_NE: return value != arg;
    case FUTEX_OP_CMP_LT: return value < arg;
    case FUTEX_OP_CMP_GE: return value >= arg;
    case FUTEX_OP_CMP_LE: return value <= arg;
    case FUTEX_OP_CMP_GT: return value > arg;
    default: return -ENOSYS;
    }
}

static int change_word(u32 __user *uaddr, u32 encoded, u32 *old)
{
    u32 arg = (u32)sign_extend_12((encoded >> 12) & 0xfff);
    int err;

    if ((encoded & ((u32)FUTEX_OP_OPARG_SHIFT << 28)) != 0)
        arg = 1u << (arg & 31);
    current->pagefault_disabled++;
    barrier();
    err = user_atomic_op_u32(uaddr, (int)((encoded >> 28) & 7), arg, old);
    barrier();
    current->pagefault_disabled--;
    return err;
}

/* Makes the page present and writable, as a store would, without changing the word. */
static int fault_in_writable(u32 __user *uaddr)
{
    u32 value, found;

    if (get_user_u32(&value, uaddr) != 0)
        return -EFAULT;
    return user_cmpxchg_u32(uaddr, value, value, &found);
}

int futex_wake_op(const struct futex_pair *pair, u32 op)
{
    struct two_keys k;
    int result, cmp;
    u32 old = 0;

    for (;;) {
        result = get_two_keys(&k, pair);
        if (result != 0)
            return result;
        futex_lock_two(k.from_bucket, k.to_bucket);
        result = change_word(pair->to, op, &old);
        if (result == 0)
            break;
        futex_unlock_two(k.from_bucket, k.to_bucket);
        if (result != -EFAULT)
            return result;
        if (fault_in_writable(pair->to) != 0)
            return -EFAULT;
    }
    cmp = compare(op, old);
    if (cmp < 0) {
        result = cmp;
    } else {
        result = futex_wake_bucket(k.from_bucket, &k.from, pair->nr_wake, FUTEX_ANY_BIT);
        if (cmp > 0)
            result += futex_wake_bucket(k.to_bucket, &k.to, pair->nr_second, FUTEX_ANY_BIT);
    }
    futex_unlock_two(k.from_bucket, k.to_bucket);
    return result;
}

/* ---- the call -------------------------------------------------------------------------------- */

int futex_get_deadline(u64 *deadline_ns, const void __user *utime, bool relative, bool realtime)
{
    struct __kernel_timespec ts;
    u64 ns, now = clock_monotonic_ns();

    if (copy_from_user(&ts, utime, sizeof(ts)) != 0)
        return -EFAULT;
    if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (s64)NSEC_PER_SEC)
        return -EINVAL;
    if ((u64)ts.tv_sec >= (1ULL << 33)) {
        *deadline_ns = ~0ULL; /* further than any clock reaches */
        return 0;
    }
    ns = (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
    if (relative) {
        ns += now;
    } else if (realtime) {
        u64 wall = clock_realtime_ns();

        ns = ns > wall ? now + (ns - wall) : now;
    }
    *deadline_ns = max(ns, (u64)1);
    return 0;
}

static long wait_restart(struct task *t);

static long wait_or_prepare_restart(u32 __user *uaddr, unsigned int flags, u32 expected,
                                    u64 deadline_ns, u32 bitset)
{
    long err = futex_wait(uaddr, flags, expected, deadline_ns, bitset);

    if (err != -ERESTARTSYS || deadline_ns == 0)
        return err;
    current->restart = (struct restart_block){
        .fn = wait_restart,
        .deadline_ns = deadline_ns,
        .arg = { (unsigned long)uaddr, flags, expected, bitset },
    };
    return -ERESTART_RESTARTBLOCK;
}

static long wait_restart(struct task *t)
{
    const struct restart_block r = t->restart;

    return wait_or_prepare_restart((u32 __user *)r.arg[0], (unsigned int)r.arg[1], (u32)r.arg[2],
                                   r.deadline_ns, (u32)r.arg[3]);
}

static bool takes_timeout(int cmd)
{
    return cmd == FUTEX_WAIT || cmd == FUTEX_WAIT_BITSET;
}

SYSCALL6(futex, u32 __user *, uaddr, int, op, u32, val, void __user *, utime, u32 __user *, uaddr2,
         u32, val3)
{
    int cmd = op & FUTEX_CMD_MASK;
    unsigned int flags = (op & FUTEX_PRIVATE_FLAG) != 0 ? 0 : FUTEX_SHARED;
    struct futex_pair pair = { uaddr, uaddr2, flags, (int)val, (int)(unsigned long)utime };
    u64 deadline_ns = 0;
    int err;

    if ((op & FUTEX_CLOCK_REALTIME) != 0 && !takes_timeout(cmd))
        return -ENOSYS;
    if (utime != NULL && takes_timeout(cmd)) {
        err = futex_get_deadline(&deadline_ns, utime, cmd == FUTEX_WAIT,
                                 (op & FUTEX_CLOCK_REALTIME) != 0);
        if (err != 0)
            return err;
    }
    switch (cmd) {
    case FUTEX_WAIT: return wait_or_prepare_restart(uaddr, flags, val, deadline_ns, FUTEX_ANY_BIT);
    case FUTEX_WAIT_BITSET: return wait_or_prepare_restart(uaddr, flags, val, deadline_ns, val3);
    case FUTEX_WAKE: return futex_wake(uaddr, flags, (int)val, FUTEX_ANY_BIT);
    case FUTEX_WAKE_BITSET: return futex_wake(uaddr, flags, (int)val, val3);
    case FUTEX_REQUEUE: return futex_requeue(&pair, NULL);
    case FUTEX_CMP_REQUEUE: return futex_requeue(&pair, &val3);
    case FUTEX_WAKE_OP: return futex_wake_op(&pair, val3);
    default: return -ENOSYS;
    }
}
