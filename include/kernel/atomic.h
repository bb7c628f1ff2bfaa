/* SPDX-License-Identifier: MIT */
/*
 * atomic.h: atomic words and memory barriers, on the compiler's C11 builtins.
 *
 * Ordering follows the field's convention: read-modify-write that returns a value is fully ordered
 * unless its name says _relaxed, _acquire or _release; the void ones and atomic_read/atomic_set are
 * relaxed. On POWER the compiler emits sync/lwsync/isync for these orders; a sequentially
 * consistent read-modify-write ends with an isync there, behind which a relaxed load may still
 * overtake its store, so smp_mb_after_rmw() (<asm/quire_atomic.h>) completes what "fully ordered"
 * promises.
 */
#pragma once
#include <asm/quire_atomic.h>
#include <kernel/types.h>

typedef struct {
    int v;
} atomic_t;
typedef struct {
    long v;
} atomic_long_t;
#define ATOMIC_INIT(n)                                                                             \
    {                                                                                              \
        (n)                                                                                        \
    }

#define smp_mb()                __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()               __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()               __atomic_thread_fence(__ATOMIC_RELEASE)
#define smp_load_acquire(p)     arch_load_acquire(p)
#define smp_store_release(p, v) __atomic_store_n(p, v, __ATOMIC_RELEASE)

#define xchg(p, v)                                                                                 \
    ({                                                                                             \
        __typeof__(*(p)) was_ = __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);                       \
        smp_mb_after_rmw();                                                                        \
        was_;                                                                                      \
    })
/* Returns the value found; the store happened when that equals @old. */
#define cmpxchg(p, old, new)                                                                       \
    ({                                                                                             \
        __typeof__(*(p)) expected_ = (old);                                                        \
        __atomic_compare_exchange_n(p, &expected_, new, false, __ATOMIC_SEQ_CST,                   \
                                    __ATOMIC_SEQ_CST);                                             \
        smp_mb_after_rmw();                                                                        \
        expected_;                                                                                 \
    })

#define ATOMIC_OPS(type, prefix, val)                                                              \
    static inline val prefix##_read(const type *a)                                                 \
    {                                                                                              \
        return __atomic_load_n(&a->v, __ATOMIC_RELAXED);                                           \
    }                                                                                              \
    static inline void prefix##_set(type *a, val n)                                                \
    {                                                                                              \
        __atomic_store_n(&a->v, n, __ATOMIC_RELAXED);                                              \
    }                                                                                              \
    static inline void prefix##_add(type *a, val n)                                                \
    {                                                                                              \
        (void)__atomic_fetch_add(&a->v, n, __ATOMIC_RELAXED);                                      \
    }                                                                                              \
    static inline void prefix##_inc(type *a)                                                       \
    {                                                                                              \
        prefix##_add(a, 1);                                                                        \
    }                                                                                              \
    static inline void prefix##_dec(type *a)                                                       \
    {                                                                                              \
        prefix##_add(a, -1);                                                                       \
    }                                                                                              \
    static inline val prefix##_add_return(type *a, val n)                                          \
    {                                                                                              \
        val now = __atomic_add_fetch(&a->v, n, __ATOMIC_SEQ_CST);                                  \
        smp_mb_after_rmw();                                                                        \
        return now;                                                                                \
    }                                                                                              \
    static inline val prefix##_inc_return(type *a)                                                 \
    {                                                                                              \
        return prefix##_add_return(a, 1);                                                          \
    }                                                                                              \
    static inline val prefix##_dec_return(type *a)                                                 \
    {                                                                                              \
        return prefix##_add_return(a, -1);                                                         \
    }                                                                                              \
    static inline bool prefix##_dec_and_test(type *a)                                              \
    {                                                                                              \
        return prefix##_add_return(a, -1) == 0;                                                    \
    }                                                                                              \
    static inline val prefix##_cmpxchg(type *a, val old, val new)                                  \
    {                                                                                              \
        return cmpxchg(&a->v, old, new);                                                           \
    }                                                                                              \
    static inline bool prefix##_inc_not_zero(type *a)                                              \
    {                                                                                              \
        val n = prefix##_read(a);                                                                  \
        while (n != 0)                                                                             \
            if (__atomic_compare_exchange_n(&a->v, &n, n + 1, true, __ATOMIC_SEQ_CST,              \
                                            __ATOMIC_RELAXED)) {                                   \
                smp_mb_after_rmw();                                                                \
                return true;                                                                       \
            }                                                                                      \
        return false;                                                                              \
    }

ATOMIC_OPS(atomic_t, atomic, int)
ATOMIC_OPS(atomic_long_t, atomic_long, long)

/* Bit operations on a u32 flag word, atomic, relaxed unless they return a value. */
static inline void atomic_or_u32(u32 *p, u32 bits)
{
    (void)__atomic_fetch_or(p, bits, __ATOMIC_RELAXED);
}
static inline void atomic_and_u32(u32 *p, u32 bits)
{
    (void)__atomic_fetch_and(p, bits, __ATOMIC_RELAXED);
}
