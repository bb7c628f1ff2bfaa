/* SPDX-License-Identifier: MIT */
/*
 * quire_atomic.h: the full barrier behind a sequentially consistent read-modify-write on
 * ppc64: only sync orders a store before a later load. And the load that nothing behind it
 * overtakes: lwsync is one instruction, where the compiler has a compare, a branch and an isync.
 * Source: Power ISA 3.0B Book II section 1.7.1, 4.6.3, B.2.2.1 (lwsync as import barrier).
 */
#pragma once

#define arch_load_acquire(p)                                                                      \
    ({                                                                                            \
        __typeof__(*(p)) loaded_ = __atomic_load_n(p, __ATOMIC_RELAXED);                          \
        __asm__ volatile("lwsync" : : : "memory");                                                \
        loaded_;                                                                                  \
    })

static inline void smp_mb_after_rmw(void)
{
    __asm__ volatile("sync" : : : "memory");
}
