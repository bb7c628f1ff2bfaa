/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of kernel/futex say to each other only. */
#pragma once
#include <kernel/list.h>
#include <kernel/spinlock.h>
#include <kernel/types.h>

/*
 * What a word is called: an object and a place in it. Memory that several processes can map is
 * named by the mapping and the page's index, so that all of them mean the same word; other memory
 * by the address space and the page's address.
 */
struct futex_key {
    const void *object; /* struct mm or struct mapping; only compared */
    u64 page;
    u32 offset;
};

struct futex_bucket {
    spinlock_t lock; /* LOCK_FUTEX */
    struct list_head waiters;
} __aligned(64);

struct futex_waiter {
    struct list_head link;
    struct task *task;
    struct futex_key key;
    u32 bitset;
    struct futex_bucket *bucket; /* NULL: woken. Changes under the lock of the bucket it names */
};

#define FUTEX_SHARED  1u /* the word may be in memory that other processes map */
#define FUTEX_ANY_BIT 0xffffffffu

/* 0, -EINVAL (not aligned), -EFAULT. */
int futex_get_key(struct futex_key *key, u32 __user *uaddr, unsigned int flags);
struct futex_bucket *futex_bucket_of(const struct futex_key *key);
static inline bool futex_key_equal(const struct futex_key *a, const struct futex_key *b)
{
    return a->object == b->object && a->page == b->page && a->offset == b->offset;
}
/* Both, in order of address; one when they are the same. */
void futex_lock_two(struct futex_bucket *a, struct futex_bucket *b);
void futex_unlock_two(struct futex_bucket *a, struct futex_bucket *b);

/* Reads the word under a bucket's lock: -EFAULT also when the page is merely not there. */
int futex_read_locked(u32 *value, u32 __user *uaddr);
/* Takes @w off its bucket, whose lock is held, and wakes its thread; @w is gone afterwards. */
void futex_wake_waiter(struct futex_waiter *w);
/* Wakes up to @nr waiters of @key in the locked bucket @b that wait for a bit of @bitset; returns
 * how many. */
int futex_wake_bucket(struct futex_bucket *b, const struct futex_key *key, int nr, u32 bitset);
/* The word still has @expected: @w is on its bucket's list. 0, -EAGAIN, -EFAULT, -EINVAL. */
int futex_enqueue(struct futex_waiter *w, u32 __user *uaddr, unsigned int flags, u32 expected);
/* Takes it off its bucket unless it was woken; returns whether it was still there. */
bool futex_unqueue(struct futex_waiter *w);

int futex_wake(u32 __user *uaddr, unsigned int flags, int nr, u32 bitset);
/* @deadline_ns monotonic, 0 = none. 0, -EAGAIN, -ETIMEDOUT, -ERESTARTSYS, -EFAULT, -EINVAL. */
int futex_wait(u32 __user *uaddr, unsigned int flags, u32 expected, u64 deadline_ns, u32 bitset);
/* The time at @utime as monotonic ns, never 0, which means none. 0, -EFAULT, -EINVAL. */
int futex_get_deadline(u64 *deadline_ns, const void __user *utime, bool relative, bool realtime);
struct futex_pair {
    u32 __user *from, *to;
    unsigned int flags;
    int nr_wake, nr_second; /* second: to be requeued, or to be woken at @to */
};
/* @expected NULL: no comparison. Returns how many were woken or moved. */
int futex_requeue(const struct futex_pair *pair, const u32 *expected);
int futex_wake_op(const struct futex_pair *pair, u32 op);
