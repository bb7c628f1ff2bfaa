/* SPDX-License-Identifier: MIT */
/*
 * memblock.h: the allocator of early boot: two sorted lists of ranges, memory and reserved. Boot
 * CPU only, no lock. Order: add and reserve everything the firmware told, then alloc; buddy_init
 * takes over the rest and closes it.
 */
#pragma once
#include <kernel/types.h>

void memblock_add(paddr_t base, u64 len);     /* usable RAM */
void memblock_reserve(paddr_t base, u64 len); /* kernel, initramfs, tables */
/* takes a reservation back (also after buddy_init: gives the frames to the buddy) */
void memblock_free_reserved(paddr_t base, u64 len);
/* Nothing at or above @end is handed out by memblock_alloc: what the boot page tables map so far.
 * Default: no limit. */
void memblock_set_limit(paddr_t end);
/* Zeroed memory; panics with the numbers when there is none. align is a power of two. Returns
 * physical address. */
paddr_t memblock_alloc(u64 len, u64 align);
/* The same, neither cleared nor mapped, and 0 when there is none: for blocks that go to the page
 * allocator later (memblock_free_reserved). */
paddr_t memblock_try_reserve(u64 len, u64 align);
u64 memblock_total(void);
paddr_t memblock_start(void); /* lowest address of RAM */
paddr_t memblock_end(void);   /* first address behind the highest RAM */
/* Walks free ranges; used once by buddy_init, after which memblock_alloc panics. fn(start_pfn,
 * end_pfn). */
void memblock_for_each_free(void (*fn)(pfn_t, pfn_t));
/* Invariant walker: both lists sorted, disjoint, not touching; number of violations. */
int memblock_check(void);
/* For /proc/iomem-like listings and tests: the @i-th range of RAM; false behind the last. */
bool memblock_memory_range(unsigned int i, paddr_t *base, paddr_t *end);
