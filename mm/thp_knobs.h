/* SPDX-License-Identifier: MIT */
/* thp_knobs.h: what can be set for transparent huge pages. Source: Linux,
 * Documentation/admin-guide/mm/transhuge.rst. */
#pragma once
#include <kernel/types.h>

enum { THP_ALWAYS, THP_MADVISE, THP_NEVER };
enum {
    THP_DEFRAG_ALWAYS,
    THP_DEFRAG_DEFER,
    THP_DEFRAG_DEFER_MADVISE,
    THP_DEFRAG_MADVISE,
    THP_DEFRAG_NEVER
};
enum { GIB_ALWAYS, GIB_INHERIT, GIB_MADVISE, GIB_NEVER };
extern struct thp_knobs {
    unsigned int enabled, defrag, gib; /* THP_*, THP_DEFRAG_*, GIB_* */
    bool use_zero_page;
} thp_knobs;
/* khugepaged.c: its knobs. */
void khugepaged_init(void);
