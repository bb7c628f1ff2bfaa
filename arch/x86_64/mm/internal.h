/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of x86-64's MMU say to each other only. */
#pragma once
#include <arch/mmu.h>

/* tlb.c: every CPU forgets [start, end) of the kernel's half. */
void kernel_flush(vaddr_t start, vaddr_t end);

/* Entries of the root that belong to the kernel's half: copied into each new root, constant after
 * boot. */
#define X86_MAX_KERNEL_LINKS 16
extern unsigned int x86_nr_kernel_links;
extern u16 x86_kernel_links[X86_MAX_KERNEL_LINKS];
