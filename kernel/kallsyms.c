/* SPDX-License-Identifier: MIT */
/*
 * kallsyms.c: looks addresses up in the kernel's own symbol table.
 *
 * The table is linked in by the second pass of the link (Makefile, tools/gen-kallsyms.py); in the
 * first pass it is empty. Read-only after the link: no locks, any context.
 * I1: kallsyms_offsets is strictly ascending (gen-kallsyms.py sees to it). Checked by
 *     tests/kernel/lib/.
 */
#include <kernel/kallsyms.h>
#include <kernel/sections.h>
#include <kernel/string.h>

extern const u64 kallsyms_count;
extern const u32 kallsyms_offsets[], kallsyms_names[];
extern const char kallsyms_strings[];

bool kernel_text_address(unsigned long addr)
{
    return addr >= (unsigned long)__text_start && addr < (unsigned long)__text_end;
}

const char *kallsyms_lookup(unsigned long addr, unsigned long *offset, unsigned long *size)
{
    unsigned long at = addr - (unsigned long)__text_start, low = 0, high = kallsyms_count;

    if (!kernel_text_address(addr) || high == 0 || at < kallsyms_offsets[0])
        return NULL;
    while (high - low > 1) {
        unsigned long middle = (low + high) / 2;

        if (kallsyms_offsets[middle] <= at)
            low = middle;
        else
            high = middle;
    }
    unsigned long end = low + 1 < kallsyms_count
                            ? kallsyms_offsets[low + 1]
                            : (unsigned long)__text_end - (unsigned long)__text_start;

    *offset = at - kallsyms_offsets[low];
    *size = end - kallsyms_offsets[low];
    return kallsyms_strings + kallsyms_names[low];
}

unsigned long kallsyms_address(const char *name)
{
    for (u64 i = 0; i < kallsyms_count; i++)
        if (strcmp(kallsyms_strings + kallsyms_names[i], name) == 0)
            return (unsigned long)__text_start + kallsyms_offsets[i];
    return 0;
}
