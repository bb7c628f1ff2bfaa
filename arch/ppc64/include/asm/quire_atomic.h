/* SPDX-License-Identifier: MIT */
/*
 * quire_atomic.h: the full barrier behind a sequentially consistent read-modify-write on
 * ppc64: only sync orders a store before a later load. Source: Power ISA 3.0B Book II section
 * 1.7.1, 4.6.3.
 */
#pragma once

static inline void smp_mb_after_rmw(void)
{
    __asm__ volatile("sync" : : : "memory");
}
