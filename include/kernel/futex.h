/* SPDX-License-Identifier: MIT */
/*
 * futex.h: sleeping on a word of user memory, for the rest of the kernel. Source: futex(2).
 */
#pragma once
#include <kernel/types.h>

struct task;

void futex_init(void);
/* Wakes one waiter of the word (CLONE_CHILD_CLEARTID). Errors are nobody's business. */
void futex_wake_user(u32 __user *uaddr);
/* Robust futexes of a thread that ends or execs, while its address space is still there. Forgets
 * the list. */
void futex_exit_robust(struct task *t);
