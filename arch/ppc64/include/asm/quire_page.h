/* SPDX-License-Identifier: MIT */
/*
 * quire_page.h: clearing and copying whole frames. dcbz makes a whole cache block zero without
 * reading it. Source: Power ISA 3.0B Book II section 4.3.2 (dcbz); the block of POWER8 and POWER9
 * has 128 bytes.
 */
#pragma once
#include <kernel/types.h>

#define PPC_CACHE_BLOCK 128u

/* @page and the rest: aligned to PAGE_SIZE, memory that is not uncached. */
static inline void clear_page(void *page)
{
    char *at = page;

    for (; at < (char *)page + PAGE_SIZE; at += 8 * PPC_CACHE_BLOCK) {
#pragma GCC unroll 8
        for (unsigned int i = 0; i < 8; i++)
            __asm__ volatile("dcbz %0, %1"
                             :
                             : "b"(at), "r"((unsigned long)i * PPC_CACHE_BLOCK)
                             : "memory");
    }
}

/* vsx_copy.S: through the vector registers. Not in interrupts. */
void copy_page(void *to, const void *from);
