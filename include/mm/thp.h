/* SPDX-License-Identifier: MIT */
/* thp.h: transparent huge pages: policy and numbers, for those outside mm/. */
#pragma once
#include <mm/buddy.h>
#include <mm/mm.h>

/* Boot: the words of huge frames, knobs below /sys/kernel/mm/transparent_hugepage. */
void thp_init(void);
/* In-kernel tests count base pages, so they must ask for huge ones. */
void thp_only_on_advice(void);
/* May an area like this have huge pages at all, by flags and knobs? For smaps: THPeligible. */
bool thp_eligible(const struct vma *v);
/* Huge pages that are mapped now, whole system, in base pages. */
u64 thp_nr_mapped(void);
void thp_count_mapped(long huge_pages);

/* collapse.c: the small pages of the span at @va become a huge page. No locks held; takes mmap_lock
 * for writing. */
enum collapse {
    COLLAPSE_OK,
    COLLAPSE_IS_HUGE,
    COLLAPSE_NO,   /* area, or what is mapped, does not allow it */
    COLLAPSE_BUSY, /* pages are pinned */
    COLLAPSE_NO_MEMORY,
};
struct collapse_limits {
    unsigned int none, shared; /* entries without a page of their own, pages others map, too */
    gfp_t gfp;
};
enum collapse thp_collapse(struct mm *mm, vaddr_t va, const struct collapse_limits *limits);
/* MADV_COLLAPSE: 0 or -errno. */
int thp_collapse_range(struct mm *mm, vaddr_t start, vaddr_t end);
/* khugepaged.c: the thread; and a round of it: false when memory for a huge page is missing. */
void khugepaged_start(void);
bool khugepaged_scan(unsigned long pages);

/* For who changes leaves of a run without BUSY of their frames: has one a split at work? True: it
 * was waited for, the lock is dropped, and the cursor is back at the run's begin. */
struct pt_cursor;
struct pt_run;
bool thp_wait_run(struct pt_cursor *c, const struct pt_run *r);

/* The huge zero page, when nobody maps it, goes back. */
void thp_shrink(void);
