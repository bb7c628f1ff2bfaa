/* SPDX-License-Identifier: MIT */
/*
 * kernel_pt.h: the tree of the kernel's half, for arch's kernel_map() and its like. Nothing here
 * flushes, or tells a cache of the tree: that is arch's part.
 */
#pragma once
#include <arch/mmu.h>

extern pte_t *kernel_root; /* of the top level; made by kernel_pt_init */
extern paddr_t kernel_root_pa;

/* An empty root, from memblock. */
void kernel_pt_init(void);
/* A zeroed table of @level for the kernel's half, or 0: from memblock while that is open, then from
 * the buddy allocator. */
paddr_t kernel_table_alloc(unsigned int level);
/* Maps [va, va+len) to [pa, …) with the largest leaves that fit and are at most @max_level. 0 or
 * -ENOMEM (part may be mapped). */
int __must_check kernel_pt_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot,
                               unsigned int max_level);
/* Takes the leaves that start in [va, va+len) out. */
void kernel_pt_unmap(vaddr_t va, size_t len);
/* Changes the permissions of what is mapped in [va, va+len); a leaf that reaches over the range is
 * not expected. */
void kernel_pt_protect(vaddr_t va, size_t len, pt_prot_t prot);
