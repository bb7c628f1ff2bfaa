/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of x86-64's MMU say to each other only. */
#pragma once
#include <arch/mmu.h>

extern pte_t *kernel_root;    /* the tables of CPUs without an address space */
extern paddr_t kernel_root_pa;

/* The kernel's half: maps [va, va+len) to [pa, …) with the largest leaves that fit and are at most
 * @max_level. Tables come from memblock before the buddy allocator is up, then from it. 0 or
 * -ENOMEM (part may be mapped). */
int __must_check kernel_map_level(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot,
                                  unsigned int max_level);
/* Changes the permissions of what is mapped in [va, va+len); a leaf that reaches over the range is
 * not expected. No flush. */
void kernel_protect(vaddr_t va, size_t len, pt_prot_t prot);
/* tlb.c: every CPU forgets [start, end) of the kernel's half. */
void kernel_flush(vaddr_t start, vaddr_t end);

/* Entries of the root that belong to the kernel's half: copied into each new root, constant after
 * boot. */
#define X86_MAX_KERNEL_LINKS 16
extern unsigned int x86_nr_kernel_links;
extern u16 x86_kernel_links[X86_MAX_KERNEL_LINKS];
