/* SPDX-License-Identifier: MIT */
/* debug_range.h: see debug_range.c. */
#pragma once
#include <mm/mm.h>

struct debug_range {
    bool all;       /* "1": every process */
    struct mm *mm;  /* else: "pid,0xstart,0xend"; with a users reference */
    u64 start, end; /* start <= end, both page-aligned */
    u64 order;      /* "pid,0xstart,0xend,order"; 0 when it is not given */
};
/* 0, -EINVAL, -ESRCH. The caller calls debug_range_put in the end. */
int __must_check debug_range_parse(const char *buf, struct debug_range *r);
void debug_range_put(struct debug_range *r);
