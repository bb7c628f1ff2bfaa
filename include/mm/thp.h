/* SPDX-License-Identifier: MIT */
/* thp.h: transparent huge pages: policy and numbers, for those outside mm/. */
#pragma once
#include <mm/mm.h>

/* Boot: the words of huge frames, knobs below /sys/kernel/mm/transparent_hugepage. */
void thp_init(void);
/* May an area like this have huge pages at all, by flags and knobs? For smaps: THPeligible. */
bool thp_eligible(const struct vma *v);
/* Huge pages that are mapped now, whole system, in base pages. */
u64 thp_nr_mapped(void);
void thp_count_mapped(long huge_pages);
/* The huge zero page, when nobody maps it, goes back. */
void thp_shrink(void);
