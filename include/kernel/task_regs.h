/* SPDX-License-Identifier: MIT */
/*
 * task_regs.h: where a thread's user registers lie: a struct pt_regs at the top of its kernel
 * stack, where the entry from user mode stores them.
 */
#pragma once
#include <arch/current.h>
#include <arch/ptrace.h>
#include <kernel/task.h>

static inline struct pt_regs *task_regs(const struct task *t)
{
    return (struct pt_regs *)((char *)t->kstack + KSTACK_SIZE) - 1;
}

static inline struct pt_regs *current_regs(void)
{
    return task_regs(current);
}
