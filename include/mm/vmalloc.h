/* SPDX-License-Identifier: MIT */
/* vmalloc.h: kernel memory that is contiguous only in virtual addresses, with a guard page behind each area. */
#pragma once
#include <mm/buddy.h>

void vmalloc_init(void);
void *vmalloc(size_t len) __must_check; /* zeroed; NULL when out of memory or space */
void vfree(void *p);
/* Kernel stack with an unmapped guard page below; returns the lowest usable address or NULL. Cached per CPU: fork is hot. */
void *kstack_alloc(void);
void kstack_free(void *stack);
/* Is @va the guard page of a stack or area? For the panic report: names it. */
bool vmalloc_is_guard(vaddr_t va);
/* Maps device memory, uncached. */
void *ioremap(paddr_t pa, size_t len);
