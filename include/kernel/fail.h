/* SPDX-License-Identifier: MIT */
/*
 * fail.h: deterministic fault injection. Each allocation (page, slab object, page table, VMA) and
 * each user copy that can fail asks should_fail(). /proc/self/fail-nth (per task, as Linux's) or
 * `fail_nth=` (global) makes the n-th one fail.
 */
#pragma once
#include <kernel/types.h>

enum fail_site { FAIL_PAGE, FAIL_SLAB, FAIL_USERCOPY, NR_FAIL_SITES };
#ifdef CONFIG_DEBUG
/* True once, when the current task's (or the global) counter reaches zero. */
bool should_fail(enum fail_site site);
/*
 * Makes the @n-th call of should_fail by @t from now on return true; 0 takes that back. t->fail_nth
 * tells what is left.
 */
struct task;
void fail_set_nth(struct task *t, long n);
/* For the sweep: how often should_fail was asked while a counter was set, since fail_set_nth. */
u64 fail_nr_asked(void);
#else
static inline bool should_fail(enum fail_site site)
{
    (void)site;
    return false;
}
#endif
