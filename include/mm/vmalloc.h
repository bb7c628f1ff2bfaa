/* SPDX-License-Identifier: MIT */
/*
 * vmalloc.h: kernel memory that is contiguous only in virtual addresses, with a guard page behind
 * each area, and kernel stacks, with one below. All but kstack_free may sleep.
 */
#pragma once
#include <mm/buddy.h>

void vmalloc_init(void); /* after slab_init and mmu_boot_map */
void *vmalloc(size_t len) __must_check; /* zeroed; NULL when out of memory or space */
/* what vmalloc or ioremap returned; NULL is fine. Unmapped later, many areas in one go */
void vfree(void *p);
/* Kernel stack with an unmapped guard page below; returns the lowest usable address or NULL. Cached
 * per CPU: fork is hot. */
void *kstack_alloc(void);
void kstack_free(void *stack); /* any context, but not while running on it */
u64 kstack_nr_used(void);      /* stacks, for /proc/meminfo */
/* Is @va the guard page of a stack or area? For the panic report. Takes no lock that it would have
 * to wait for. */
bool vmalloc_is_guard(vaddr_t va);
/* Maps device memory, uncached; @pa need not be page-aligned. */
void *ioremap(paddr_t pa, size_t len) __must_check;
/* Gives cached stacks and areas that were freed but are still mapped back to the page allocator. */
void vmalloc_shrink(void);
u64 vmalloc_nr_pages(void); /* mapped now, stacks and freed areas included */
int vmalloc_check(void);    /* invariant walker */
