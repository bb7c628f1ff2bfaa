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

/*
 * The sweep: one fault for all tasks with make_it_fail together, at the @n-th place they ask at,
 * or, with @n = FAIL_SWEEP_NEW, at the first whose callers, back to the entry of the kernel, no
 * fault of the sweep had before. 0 takes it back.
 */
#define FAIL_SWEEP_NEW (-1L)
void fail_sweep_set(long n);
bool fail_sweep_is_armed(void);
void fail_sweep_forget(void); /* all callers are new again; nothing is armed, no task asks */
u64 fail_sweep_nr_places(void);
/* For should_fail: does the sweep's fault fall here? */
bool fail_sweep_asks(enum fail_site site);
void fail_sweep_record(enum fail_site site);
/* Writes the callers of the last fault, innermost first, "name < name"; returns the length. */
size_t fail_show_last(char *buf, size_t n);
/* A fatal signal for a page fault: a violation if an injected lack of memory led to it. */
void fail_check_signal(int sig);
/* Violations since the last look: answers that injected faults do not explain. Each once. */
int fail_take_violations(void);
/* The allocation or user copy that just failed, if a test made it fail, does no harm: the call goes
 * on, and what it answers has other reasons. */
void fail_tolerated(void);
/* Entry code: a call returns with its result in @regs; any other way back to user mode. */
struct pt_regs;
void fail_syscall_return(const struct pt_regs *regs);
void fail_user_return(void);
/* May call @nr answer @err (positive) when the fault was at @site? */
bool fail_errno_is_allowed(enum fail_site site, long nr, int err);
#else
static inline void fail_check_signal(int sig)
{
    (void)sig;
}
static inline void fail_tolerated(void)
{
}
static inline bool should_fail(enum fail_site site)
{
    (void)site;
    return false;
}
#endif
