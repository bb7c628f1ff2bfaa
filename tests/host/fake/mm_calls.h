/* SPDX-License-Identifier: MIT */
/* mm_calls.h: the part of <arch/mmu.h> that memory.c plays, for a file that cannot include the
 * kernel's headers whole. */
#pragma once
#include <kernel/types.h>

int kernel_map(vaddr_t va, paddr_t pa, size_t len, u32 prot);
void kernel_unmap(vaddr_t va, size_t len);
extern unsigned long host_nr_maps, host_nr_unmaps; /* calls so far: an unmap is one flush round */
