/* SPDX-License-Identifier: MIT */
/*
 * quire_page.h: clearing and copying whole frames. The string instructions move eight bytes per
 * step and need no loop of their own. Source: Intel SDM volume 2, REP STOS, REP MOVS (direction
 * flag clear, as the ABI keeps it).
 */
#pragma once
#include <kernel/types.h>

/* @page and the rest: aligned to PAGE_SIZE. */
static inline void clear_page(void *page)
{
    unsigned long n = PAGE_SIZE / 8;

    __asm__ volatile("rep stosq" : "+D"(page), "+c"(n) : "a"(0UL) : "memory");
}

static inline void copy_page(void *to, const void *from)
{
    unsigned long n = PAGE_SIZE / 8;

    __asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(n) : : "memory");
}
