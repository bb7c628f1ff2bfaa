/* SPDX-License-Identifier: MIT */
/*
 * buddy_check.c: the invariants I1 to I5 of buddy.c, by a walk over all lists and all frames.
 *
 * Locks: zone.lock for all of it; IPI for the stacks of the CPUs (pcp_check). Checked by
 * tests/host/mm/buddy_test.c. Read next: pcp.c.
 */
#include <kernel/printk.h>
#include "buddy_internal.h"

/* Zone lock held. One head: I1 and I2. */
static int check_head(struct page *p, unsigned int order, unsigned int sort)
{
    pfn_t pfn = page_to_pfn(p), buddy = pfn ^ (1UL << order);
    struct page *b = pfn_to_page(buddy);
    int bad = 0;

    if (p->kind != PAGE_FREE || p->order != order || p->word != 0 ||
        !IS_ALIGNED(pfn, 1UL << order) || sort_of(p, order) != sort) {
        pr_err("buddy: frame 0x%lx on list %u: kind %u, order %u, word 0x%llx\n", pfn, order,
               p->kind, p->order, (unsigned long long)p->word);
        bad++;
    }
    if (order < BUDDY_MAX_ORDER && pfn_valid(buddy) && b->kind == PAGE_FREE && b->order == order) {
        pr_err("buddy: blocks 0x%lx and 0x%lx of order %u are both free\n", pfn, buddy, order);
        bad++;
    }
    return bad;
}

/* Zone lock held. The lists of a sort against their counts: I4. */
static int check_lists(unsigned int sort, u64 *nr_heads, u64 *frames)
{
    const struct sort *s = &zone.sort[sort];
    int bad = 0;

    for (unsigned int o = 0; o < NR_ORDERS; o++) {
        struct page *p;
        u64 n = 0;

        list_for_each_entry (p, &s->area[o].list, link) {
            bad += check_head(p, o, sort);
            n++;
        }
        if (n != s->area[o].nr || (n != 0) != ((s->nonempty >> o) & 1)) {
            pr_err("buddy: list %u has %llu blocks, its count says %llu\n", o,
                   (unsigned long long)n, (unsigned long long)s->area[o].nr);
            bad++;
        }
        *nr_heads += n;
        *frames += n << o;
    }
    return bad;
}

/* Zone lock held. Every frame in order: a head inside a block is an overlap, I3; one on no list
 * breaks I1. */
static int check_frames(u64 nr_heads)
{
    pfn_t block_end = 0;
    int bad = 0;

    for (pfn_t pfn = mem_map_first; pfn < mem_map_end; pfn++) {
        struct page *p = pfn_to_page(pfn);

        if (p->kind != PAGE_FREE)
            continue;
        if (pfn < block_end) {
            pr_err("buddy: free block 0x%lx lies inside another one\n", pfn);
            bad++;
        }
        if (p->order >= zone.block_order && is_kernel_block(p)) {
            pr_err("buddy: block 0x%lx is free and the kernel's\n", pfn);
            bad++;
        }
        block_end = max(block_end, pfn + (1UL << p->order));
        nr_heads--;
    }
    if (nr_heads != 0) {
        pr_err("buddy: frames marked free and blocks on lists differ by %lld\n",
               (long long)nr_heads);
        bad++;
    }
    return bad;
}

int buddy_check(void)
{
    unsigned long flags = spin_lock_irqsave(&zone.lock);
    u64 nr_heads = 0, frames = 0;
    int bad = 0;

    for (unsigned int sort = 0; sort < NR_SORTS; sort++)
        bad += check_lists(sort, &nr_heads, &frames);
    if (frames != zone.nr_free) {
        pr_err("buddy: %llu frames on the lists, %llu counted\n", (unsigned long long)frames,
               (unsigned long long)zone.nr_free);
        bad++;
    }
    bad += check_frames(nr_heads);
    spin_unlock_irqrestore(&zone.lock, flags);
    return bad + pcp_check();
}
