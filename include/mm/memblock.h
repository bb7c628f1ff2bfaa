/* SPDX-License-Identifier: MIT */
/* memblock.h: the allocator of early boot: two sorted lists of ranges, memory and reserved. Boot CPU only. */
#pragma once
#include <kernel/types.h>

void memblock_add(paddr_t base, u64 len);     /* usable RAM */
void memblock_reserve(paddr_t base, u64 len); /* kernel, initramfs, tables */
void memblock_free_reserved(paddr_t base, u64 len); /* takes a reservation back (also after buddy_init: gives the frames to the buddy) */
/* Zeroed memory; panics with the numbers when there is none. align is a power of two. Returns physical address. */
paddr_t memblock_alloc(u64 len, u64 align);
u64 memblock_total(void);
paddr_t memblock_end(void);
/* Walks free ranges; used once by buddy_init. fn(start_pfn, end_pfn). */
void memblock_for_each_free(void (*fn)(pfn_t, pfn_t));
