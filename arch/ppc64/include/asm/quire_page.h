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
    for (unsigned int i = 0; i < PAGE_SIZE; i += PPC_CACHE_BLOCK)
        __asm__ volatile("dcbz %0, %1" : : "b"(page), "r"((unsigned long)i) : "memory");
}

static inline void copy_page(void *to, const void *from)
{
    u64 *t = to;
    const u64 *f = from;

    for (unsigned int i = 0; i < PAGE_SIZE / 8; i += 4) {
        u64 a = f[i], b = f[i + 1], c = f[i + 2], d = f[i + 3];

        t[i] = a, t[i + 1] = b, t[i + 2] = c, t[i + 3] = d;
    }
}
