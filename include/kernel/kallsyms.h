/* SPDX-License-Identifier: MIT */
/*
 * kallsyms.h: from an address in the kernel's text to the function that contains it. The table is
 * made from the linked kernel itself by tools/gen-kallsyms.py. Read-only, any context.
 */
#pragma once
#include <kernel/types.h>

/*
 * Name of the function that contains @addr, with the offset in it and its size; NULL outside the
 * text.
 */
const char *kallsyms_lookup(unsigned long addr, unsigned long *offset, unsigned long *size);
/* Address of a function by its name, 0 when there is none. Linear search: for debugging. */
unsigned long kallsyms_address(const char *name);
/* Is @addr in the kernel's own text? */
bool kernel_text_address(unsigned long addr);
