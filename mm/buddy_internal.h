/* SPDX-License-Identifier: MIT */
/* buddy_internal.h: the free lists, for buddy.c and buddy_check.c. */
#pragma once
#include <arch/mmu.h>
#include "internal.h"

#define NR_ORDERS (BUDDY_MAX_ORDER + 1)

/* Of frames, and so of the blocks of 2^block_order that they come from. */
enum { SORT_KERNEL, SORT_MOVABLE, NR_SORTS };

struct free_area {
    struct list_head list; /* heads, through page->link */
    u64 nr;                /* blocks */
};

struct zone {
    spinlock_t lock;
    u64 nr_free;  /* frames on the lists */
    u64 nr_total; /* frames ever added */
    u64 reserve;  /* frames that ordinary allocations leave alone */
    struct sort {
        u32 nonempty; /* bit per order: O(1) search */
        struct free_area area[NR_ORDERS];
    } sort[NR_SORTS];
    unsigned int block_order; /* of a huge page, whether the MMU has them or not */
    u64 *kernel_blocks;       /* bit per block: its free frames are the kernel's */
};

extern struct zone zone;

static inline bool is_kernel_block(const struct page *p)
{
    pfn_t block = page_to_pfn(p) >> zone.block_order;

    return (zone.kernel_blocks[block / 64] >> block % 64 & 1) != 0;
}

static inline void set_kernel_block(const struct page *p, bool kernel)
{
    pfn_t block = page_to_pfn(p) >> zone.block_order;
    u64 bit = 1ULL << block % 64, *word = &zone.kernel_blocks[block / 64];

    *word = kernel ? *word | bit : *word & ~bit;
}

/* Whose list a free block of 2^@order frames is on. */
static inline unsigned int sort_of(const struct page *p, unsigned int order)
{
    return order < zone.block_order && is_kernel_block(p) ? SORT_KERNEL : SORT_MOVABLE;
}
