/* SPDX-License-Identifier: MIT */
/*
 * panic.h: the ways a kernel dies besides panic() of printk.h, and the backtrace.
 */
#pragma once
#include <kernel/types.h>

struct pt_regs;

/* panic() for a context that was interrupted: prints its registers and its backtrace. */
__noreturn void panic_regs(const struct pt_regs *regs, const char *fmt, ...) __printf(2, 3);
/* Prints the callers, innermost first; NULL: of the calling function. */
void show_backtrace(const struct pt_regs *regs);
/* True from the first panic on. */
bool panic_in_progress(void);
