/* SPDX-License-Identifier: MIT */
/*
 * extable.h: the exception table: pairs of an instruction that may fault and where to go on then.
 * <kernel/linkage.h> has the macros that make entries.
 */
#pragma once
#include <kernel/types.h>

struct pt_regs;

/* Boot, while the image can be written, before the first fault of which somebody shall recover. */
void exception_table_init(void);
/* Is the interrupted instruction in the table? */
bool exception_has_fixup(const struct pt_regs *regs);
/* If it is, makes @regs go on at its fixup. */
bool exception_fixup(struct pt_regs *regs);
