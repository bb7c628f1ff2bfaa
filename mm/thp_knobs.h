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
extern struct thp_knobs {
    unsigned int enabled, defrag; /* THP_*, THP_DEFRAG_* */
    bool use_zero_page;
} thp_knobs;
/* thp_sysfs.c: one word of several, as sysfs shows it. */
struct seq;
struct thp_choice {
    unsigned int *value;
    unsigned int nr;
    const char *names[5];
};
int thp_show_choice(struct seq *s, void *choice);
ssize_t thp_store_choice(const char *buf, size_t n, void *choice);
/* gib_collapse.c: its knob. */
void gib_init(void);
/* khugepaged.c: its knobs. */
void khugepaged_init(void);
