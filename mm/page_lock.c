/* SPDX-License-Identifier: MIT */
/*
 * page_lock.c: sleeping for PG_LOCKED. The lock is a bit in page->flags; those who find it taken
 * sleep on one of a few wait queues, chosen by the page's address, since a queue per page would
 * cost memory that is hardly ever used.
 *
 * A waiter sets PG_WAITERS before it tests the bit again, the unlocker clears both in one atomic
 * step and wakes the queue when it saw PG_WAITERS: no wake-up is lost. All waiters of the queue
 * wake; those that lose set PG_WAITERS again.
 *
 * Does not hand the lock over in order. Locks: class PAGE for the checker; the queues' own.
 * Invariants: I1 PG_WAITERS set => PG_LOCKED set or an unlocker is about to wake. Checked by
 * tests/kernel/mm/page_cache_ktest.c.
 * Read next: kernel/sched/wait.c.
 */
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/wait.h>
#include <mm/page_cache.h>

#define QUEUE_BITS 6

static struct wait_queue queues[1 << QUEUE_BITS];

/* Fibonacci hashing: Knuth, TAOCP 3, 6.4. */
static struct wait_queue *queue_of(const struct page *p)
{
    return &queues[(u64)page_to_pfn(p) * 0x9e3779b97f4a7c15ULL >> (64 - QUEUE_BITS)];
}

void page_lock_init(void)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(queues); i++)
        wait_queue_init(&queues[i]);
}

/* Takes the bit, or leaves word that somebody waits. */
static bool lock_or_mark(struct page *p)
{
    u32 old = __atomic_fetch_or(&p->flags, PG_LOCKED | PG_WAITERS, __ATOMIC_ACQUIRE);

    /* Having taken it with PG_WAITERS set costs one wake-up too many at unlock: others may be
     * waiting. */
    return !(old & PG_LOCKED);
}

void page_lock_slow(struct page *p)
{
    ASSERT(page_refs(p) > 0); /* who waits for a page has one of its references */
    wait_event(queue_of(p), lock_or_mark(p));
    ASSERT(page_test(p, PG_LOCKED));
}

void page_unlock_slow(struct page *p)
{
    wake_up_all(queue_of(p));
}
