/* SPDX-License-Identifier: MIT */
/*
 * page.c: the end of a frame's reference count: the last put.
 *
 * Does not know what a page holds. Whoever puts the last reference has already taken the page out
 * of every place where it could be found; a speculative page_try_get that comes later sees the word
 * 0 and fails.
 *
 * Locks: none. Invariants: see include/mm/page.h, I1 to I3; tests/kernel/mm/page_ktest.c.
 * Read next: page_cache.c for the reader that needs page_try_get.
 */
#include <kernel/printk.h>
#include <mm/buddy.h>
#include <mm/hugetlb.h>

void page_free_last(struct page *p)
{
    if (p->kind == PAGE_HUGETLB || (p->kind == PAGE_ZERO && p->order != 0)) {
        huge_page_free(p);
        return;
    }
    if (unlikely(p->kind == PAGE_ZERO || p->kind == PAGE_RESERVED || p->kind == PAGE_FREE ||
                 p->kind == PAGE_PCP))
        panic("frame 0x%lx of kind %u lost its last reference", page_to_pfn(p), p->kind);
    free_pages(p, p->order);
}
