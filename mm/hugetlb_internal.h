/* SPDX-License-Identifier: MIT */
/* hugetlb_internal.h: what the files of the pools of huge pages say to each other only. */
#pragma once
#include <kernel/printk.h>
#include <mm/hugetlb.h>

#define GFP_POOL (GFP_KERNEL | GFP_NOOOM)

/* hugetlb_pool.c: blocks of the page allocator. */
/* The frames of a fresh block become one page of kind @kind without references. */
void huge_block_prepare(struct page *head, unsigned int order, enum page_kind kind);
/* A block without references goes back to the page allocator. */
void huge_block_release(struct page *head);
struct page *huge_block_alloc(const struct huge_pool *pool, gfp_t gfp);

/* hugetlb.c; pool->lock held. */
void huge_list_push(struct huge_pool *pool, struct page *p);
/* Not on return: surplus pages that nobody needs leave the pool. */
void huge_unlock_and_trim(struct huge_pool *pool);
/* Free pages that nobody was promised; may be short while kept ones are on their way. */
static inline u64 huge_available(const struct huge_pool *pool)
{
    u64 left = pool->nr_free + pool->nr_kept;

    ASSERT(left >= pool->nr_reserved);
    return left - pool->nr_reserved;
}
