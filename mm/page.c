/* SPDX-License-Identifier: MIT */
/*
 * page.c: what happens at the two ends of a frame's reference count: a speculative first look, and the last put.
 *
 * Does not know what a page holds. Whoever puts the last reference has already taken the page out of every place
 * where it could be found; a speculative page_try_get that comes later sees the word 0 and fails.
 *
 * Locks: none. Invariants: see include/mm/page.h, I1 to I3; tests/kernel/mm/page_ktest.c.
 * Read next: page_cache.c for the reader that needs page_try_get.
 */
#include <kernel/printk.h>
#include <mm/buddy.h>

/*
 * Acquire: what the caller reads from the page after success is at least as new as what made the word non-zero.
 * A TAIL word is refused: its references belong to the head of a huge page.
 */
bool page_try_get(struct page *p)
{
    u64 w = __atomic_load_n(&p->word, __ATOMIC_RELAXED);

    while (likely(w != 0 && !(w & PAGE_TAIL)))
        if (__atomic_compare_exchange_n(&p->word, &w, w + PAGE_REF, true, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
            return true;
    return false;
}

void page_free_last(struct page *p)
{
    if (unlikely(p->kind == PAGE_ZERO || p->kind == PAGE_RESERVED || p->kind == PAGE_FREE || p->kind == PAGE_PCP))
        panic("frame 0x%lx of kind %u lost its last reference", page_to_pfn(p), p->kind);
    ASSERT(page_mapcount(p) == 0);
    ASSERT(!page_test(p, PG_LOCKED));
    free_pages(p, p->order);
}
