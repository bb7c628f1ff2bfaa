/* SPDX-License-Identifier: MIT */
/*
 * migrate.h: the contents of a frame move to another one, and all that maps it or finds it follows.
 *
 * A page is moved only when nobody but its leaf entries and its object holds it: a pin says that
 * somebody uses the frame by its address, a reference that somebody is about to. There is no entry
 * that says "being moved", so nobody has to know of moves. What stands still instead:
 *
 *   shared copy-on-write  nothing: no process may write it while there is another reference, and
 *                         the mover has one. Its leaf entries follow one by one
 *   a process' own        (PG_EXCLUSIVE) its only leaf: a base page's under the lock of its table,
 *                         for the time of the copy; a huge page's under mmap_lock
 *   an object's           the page lock: its leaf entries go and come back by faults, which wait
 *                         for that lock (page_cache.h, mapping_replace)
 *
 * The caller has a reference to the old page (huge.h: to the whole), of which it knows that it is
 * the only one of that kind. May sleep. Where it says "try", the caller may hold locks, and what
 * they would have to be waited for is given up.
 */
#pragma once
#include <mm/buddy.h>

struct mm;

/* Small pages that are moved together: so many share a flush, and are copied under one lock. */
#define MIGRATE_BATCH 32u
struct migration {
    struct page *from, *to;
    int err;     /* out */
    bool copied; /* migrate.c's own */
};
/*
 * Each small page of kind PAGE_ANON or PAGE_FILE moves to its @to, a page of the same kind that
 * nobody knows, with one reference, which stays the caller's; MIGRATE_BATCH at most. How many have;
 * err says which. 0: all leaf entries and the object now have @to. -EBUSY: pinned, or referenced
 * otherwise, or in too many areas of a file that are locked in memory. -EAGAIN: somebody was in the
 * way. -EINVAL: no such page. On errors the page is where it was, but for some of the leaf entries
 * of a page shared copy-on-write, perhaps. Only tries.
 */
unsigned int migrate_batch(struct migration *m, unsigned int n);
/* A huge page of kind PAGE_ANON, with two references to the wholes. Holds no locks. */
int __must_check migrate_huge(struct page *from, struct page *to);
/* A page of a pool that is an object's: to a free one of its pool, or -ENOMEM. Only tries. */
int __must_check migrate_pool(struct page *from);
/* A private page of a pool, mapped at @va of @mm: likewise, when it is the process' own. Holds no
 * locks. */
int __must_check migrate_private(struct mm *mm, vaddr_t va, struct page *from);

/* Could @p, found by its number, be moved by migrate_batch? A glance. */
bool migrate_is_movable(const struct page *p);
/* The pages of [start, end) of @mm, each to a new frame. How many moved, in base pages. No locks
 * held; for tests: /sys/kernel/debug/migrate_pages. */
unsigned long migrate_range(struct mm *mm, vaddr_t start, vaddr_t end);
/* Boot. */
void migrate_init(void);
