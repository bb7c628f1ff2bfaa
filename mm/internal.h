/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of physical memory (memblock, buddy, pcp, slab, vmalloc) say to each
 * other only. */
#pragma once
#include <mm/buddy.h>

static inline cpumask_t online_cpus(void)
{
    return (cpumask_t){ (1UL << READ_ONCE(nr_cpus_online)) - 1 }; /* NR_CPUS is less than a word */
}

/* buddy.c: blocks under the zone lock. @keep is how many free frames must stay behind; @movable:
 * the frames can be moved. */
struct page *buddy_alloc_block(unsigned int order, bool movable, u64 keep);
/* Takes up to @n single frames, kind PAGE_PCP; pages[] gets them in falling address order within a
 * block. How many; 0 only when there are none. */
unsigned int buddy_alloc_bulk(struct page **pages, unsigned int n, bool movable, u64 keep);
void buddy_free_block(struct page *p, unsigned int order);
/* Neighbours in pages[] that are neighbours in memory are freed together, as blocks. */
void buddy_free_bulk(struct page **pages, unsigned int n);
/* The free blocks inside the aligned block of 2^@order frames that begins with @first, as single
 * frames of kind PAGE_KERNEL in address order on @list, through page->link. How many. Not a block
 * that is free as a whole. */
unsigned long buddy_take_range(struct page *first, unsigned int order, struct list_head *list);
/* Frames [start, end) that were never in the allocator become free. */
void buddy_add_range(pfn_t start, pfn_t end);
/* Frames of the reserve that an allocation with @gfp must leave alone. */
u64 buddy_keep(gfp_t gfp);

/* pcp.c */
/* buddy_take_range, counted as an allocation. The frames are given back with free_pages. */
unsigned long take_free_range(struct page *first, unsigned int order, struct list_head *list);
u64 pcp_nr_free(void);
int pcp_check(void);

/* vmalloc.c: not zeroed, with a page of guard below it as well; for vfree. */
void *vmalloc_guarded(size_t len) __must_check;
/* kstack.c: all CPUs' free stacks go to the pool; and out of that, one by one, NULL at its end. */
void kstack_empty_caches(void);
void *kstack_pool_take(void);

/* page_poison.c: a free frame is filled with a pattern, which must still be there when it is
 * allocated. */
#define PG_POISONED (1u << 31)
#ifdef CONFIG_DEBUG
void page_poison(struct page *p, unsigned int order);
/* Panics, naming the frame and the first wrong byte, when the pattern is damaged. */
void page_unpoison(struct page *p, unsigned int order);
/* Offset of the first byte of @p that is not the pattern, or -1. */
long page_poison_damage(const struct page *p);
#else
static inline void page_poison(struct page *p, unsigned int order)
{
    (void)p, (void)order;
}
static inline void page_unpoison(struct page *p, unsigned int order)
{
    (void)p, (void)order;
}
#endif
