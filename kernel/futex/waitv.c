/* SPDX-License-Identifier: MIT */
/*
 * waitv.c: futex_waitv: sleeping on several words at once. Source: futex(2), futex_waitv(2).
 *
 * Each word gets a waiter of its own, queued as futex_wait would queue it, one after the other; no
 * two buckets are locked at a time. A wake-up may come for the first while the last is still being
 * queued: then that is the result. All names are made before the first waiter is queued, so that a
 * bad argument is told before a word that has changed.
 *
 * Locks: FUTEX, one bucket at a time. Invariants: those of futex.c; I3 when the array of waiters is
 * freed none of them is queued. Checked by tests/user/futex_test.c. Read next: robust.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <mm/slab.h>
#include <asm/errno.h>
#include <linux/futex.h>
#include <linux/time.h>

struct vector {
    struct futex_waiter *waiters;
    struct futex_waitv *words;
    unsigned int nr, queued; /* waiters [0, queued) were queued, and may have been woken */
};

static unsigned int word_flags(const struct futex_waitv *word)
{
    return (word->flags & FUTEX_PRIVATE_FLAG) != 0 ? 0 : FUTEX_SHARED;
}

static u32 __user *word_address(const struct futex_waitv *word)
{
    return (u32 __user *)(unsigned long)word->uaddr;
}

/* Copies and looks at all words. 0, -EFAULT, -EINVAL. */
static int get_words(struct vector *v, const void __user *uwords)
{
    if (copy_from_user(v->words, uwords, v->nr * sizeof(v->words[0])) != 0)
        return -EFAULT;
    for (unsigned int i = 0; i < v->nr; i++) {
        const struct futex_waitv *word = &v->words[i];

        if ((word->flags & ~(u32)(FUTEX_32 | FUTEX_PRIVATE_FLAG)) != 0 || word->__reserved != 0 ||
            (word->flags & FUTEX_32) == 0)
            return -EINVAL;
        v->waiters[i] = (struct futex_waiter){.task = current, .bitset = FUTEX_ANY_BIT};
    }
    for (unsigned int i = 0; i < v->nr; i++) {
        int err =
            futex_get_key(&v->waiters[i].key, word_address(&v->words[i]), word_flags(&v->words[i]));

        if (err != 0)
            return err;
    }
    return 0;
}

/* Takes all that are queued off again; returns the first that was woken, or -1. */
static int unqueue_all(struct vector *v)
{
    int woken = -1;

    for (unsigned int i = 0; i < v->queued; i++)
        if (!futex_unqueue(&v->waiters[i]) && woken < 0)
            woken = (int)i;
    v->queued = 0;
    return woken;
}

static bool is_any_woken(const struct vector *v)
{
    for (unsigned int i = 0; i < v->nr; i++)
        if (smp_load_acquire(&v->waiters[i].bucket) == NULL)
            return true;
    return false;
}

/* 0 when all are queued; else as futex_wait. */
static int queue_all(struct vector *v)
{
    for (; v->queued < v->nr; v->queued++) {
        const struct futex_waitv *word = &v->words[v->queued];
        int err = futex_enqueue(&v->waiters[v->queued], word_address(word), word_flags(word),
                                (u32)word->val);

        if (err != 0)
            return err;
    }
    return 0;
}

static int sleep_on_all(const struct vector *v, u64 deadline_ns)
{
    int err = 0;

    while (err == 0) {
        task_set_state(TASK_INTERRUPTIBLE);
        if (is_any_woken(v))
            break;
        err = wait_step(TASK_INTERRUPTIBLE, deadline_ns);
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
    return err == -ETIME ? -ETIMEDOUT : err == 0 ? 0 : -ERESTARTSYS;
}

static long wait_vector(struct vector *v, const void __user *uwords, u64 deadline_ns)
{
    int err = get_words(v, uwords), woken;

    if (err != 0)
        return err;
    do {
        err = queue_all(v);
        if (err == 0)
            err = sleep_on_all(v, deadline_ns);
        woken = unqueue_all(v);
    } while (err == 0 && woken < 0);
    return woken >= 0 ? woken : err;
}

SYSCALL5(futex_waitv, const void __user *, uwords, unsigned int, nr, unsigned int, flags,
         const void __user *, utime, int, clock)
{
    struct vector v = {.nr = nr};
    u64 deadline_ns = 0;
    long ret;

    if (flags != 0 || nr == 0 || nr > FUTEX_WAITV_MAX || uwords == NULL)
        return -EINVAL;
    if (utime != NULL) {
        if (clock != CLOCK_MONOTONIC && clock != CLOCK_REALTIME)
            return -EINVAL;
        ret = futex_get_deadline(&deadline_ns, utime, false, clock == CLOCK_REALTIME);
        if (ret != 0)
            return ret;
    }
    v.waiters = kmalloc(nr * sizeof(v.waiters[0]));
    v.words = kmalloc(nr * sizeof(v.words[0]));
    ret = v.waiters != NULL && v.words != NULL ? wait_vector(&v, uwords, deadline_ns) : -ENOMEM;
    kfree(v.words);
    kfree(v.waiters);
    return ret;
}
