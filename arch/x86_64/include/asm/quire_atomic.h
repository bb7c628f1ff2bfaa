/* SPDX-License-Identifier: MIT */
/*
 * quire_atomic.h: the full barrier behind a sequentially consistent read-modify-write on
 * x86-64: a locked instruction is a full barrier, only the compiler must be held back. And the
 * load that nothing behind it overtakes, which is any. Source: Intel SDM volume 3 section 8.2.3.
 */
#pragma once

#define arch_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)

static inline void smp_mb_after_rmw(void)
{
    __asm__ volatile("" : : : "memory");
}
