/* SPDX-License-Identifier: MIT */
/*
 * quire_atomic.h: the full barrier behind a sequentially consistent read-modify-write on
 * the build machine, whichever it is.
 */
#pragma once

#define arch_load_acquire(p) __atomic_load_n(p, __ATOMIC_ACQUIRE)

static inline void smp_mb_after_rmw(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}
