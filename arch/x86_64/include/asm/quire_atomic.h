/* SPDX-License-Identifier: MIT */
/*
 * quire_atomic.h: the full barrier behind a sequentially consistent read-modify-write on
 * x86-64: a locked instruction is a full barrier, only the compiler must be held back.
 * Source: Intel SDM volume 3 section 8.2.3.9.
 */
#pragma once

static inline void smp_mb_after_rmw(void)
{
    __asm__ volatile("" : : : "memory");
}
