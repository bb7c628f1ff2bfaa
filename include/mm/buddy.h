/* SPDX-License-Identifier: MIT */
/*
 * buddy.h: page frames in blocks of 2^order, with per-CPU lists for order 0. Locks: BUDDY (spin,
 * irq off). Any context may free, and allocate with GFP_ATOMIC; all other allocation may sleep.
 * Source: Knuth, TAOCP 1, 2.5 (buddy system).
 */
#pragma once
#include <mm/page.h>

#define BUDDY_MAX_ORDER 18 /* 1 GiB blocks */

/* Allocation flags. */
typedef u32 gfp_t;
#define GFP_KERNEL 0u       /* may sleep, may run the OOM killer */
#define GFP_ATOMIC (1u << 0)/* must not sleep; may take half of the reserve */
#define GFP_ZERO   (1u << 1)
#define GFP_NOFAIL_INJECT (1u << 2) /* fault injection skips this call (boot, test harness) */
#define GFP_NOOOM  (1u << 3)/* fail rather than call the OOM killer */
#define GFP_USER   (1u << 4)/* user memory: counted, killable when memory is short */
#define GFP_NORECLAIM (1u << 5) /* what is free now, or nothing; may sleep, hence not ATOMIC */

void buddy_init(void); /* builds mem_map and takes over memblock's free ranges */
/* A block of 2^order frames, kind PAGE_KERNEL, word 0 (the caller makes it referenced if it wants),
 * or NULL. */
struct page *alloc_pages(unsigned int order, gfp_t gfp);
void free_pages(struct page *p, unsigned int order);
/* 2^order frames that will be freed one by one or as a block: kind @kind, each with word @word. */
struct page *alloc_frames(unsigned int order, enum page_kind kind, u64 word, gfp_t gfp);
/* Up to @n single frames, kind @kind, word 0: how many. Does not try hard: 0 says little. */
unsigned int alloc_frames_bulk(struct page **pages, unsigned int n, enum page_kind kind, gfp_t gfp);
/* One frame with one reference (word == PAGE_REF) and kind @kind; NULL when out of memory. */
struct page *page_alloc(enum page_kind kind, gfp_t gfp);
/* Frees many order-0 frames in one go: used by the TLB gather. Words already 0. */
void free_pages_bulk(struct page **pages, unsigned int n);
/* Exact range, for gigantic pages: 2^order frames, boot or run time. */
static inline void *page_alloc_virt(gfp_t gfp)
{
    struct page *p = alloc_pages(0, gfp);
    return p ? page_to_virt(p) : NULL;
}
static inline void page_free_virt(void *v)
{
    free_pages(virt_to_page(v), 0);
}

/* Frames allocated and freed since boot, for /proc/vmstat (pgalloc, pgfree). */
void page_counts(u64 *nr_allocated, u64 *nr_freed);
u64 buddy_nr_free(void);   /* frames, including per-CPU lists */
u64 buddy_nr_total(void);  /* frames ever given to the allocator */
u64 buddy_nr_free_order(unsigned int order);
/* Those of them that frames which can be moved come from first. */
u64 buddy_nr_movable_order(unsigned int order);
void buddy_drain_pcp(void); /* all CPUs' lists back to the free lists; may sleep */
/* Everything that only keeps free memory at hand (stacks, empty slabs, per-CPU lists) goes back;
 * may sleep. After it, and after rcu_barrier, buddy_nr_free is exact: leak checks compare it. */
void page_shrink_caches(void);
int buddy_check(void);      /* invariant walker: prints and counts violations */
/* Called when an allocation that may sleep finds no memory: true when it is worth another try
 * (mm/oom.c). */
bool oom_out_of_memory(unsigned int order, gfp_t gfp);
