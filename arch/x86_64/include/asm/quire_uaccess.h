/* SPDX-License-Identifier: MIT */
/*
 * quire_uaccess.h: x86-64's side of <arch/uaccess.h>. SMAP is lifted around each access only.
 * Source: Intel SDM volume 2, CLAC, STAC, CMPXCHG.
 */
#pragma once
#include <asm/errno.h>
#include <asm/quire_asm.h>

/* One access of @insn; when it faults, @err becomes -EFAULT and @cleanup is done. */
#define USER_ACCESS(insn, cleanup, err, ...)                                                       \
    __asm__ volatile(STAC "1: " insn "\n"                                                          \
                          "   xorl %0, %0\n"                                                       \
                          "   jmp 3f\n"                                                            \
                          "2: movl %[efault], %0\n"                                                \
                          "   " cleanup "\n"                                                       \
                          "3: " CLAC EXCEPTION_ENTRY("1b", "2b")                                   \
                     : "=&r"(err), __VA_ARGS__)

/* The register's name says how wide the access is. */
#define user_load(type, v, p, err)                                                                 \
    USER_ACCESS("mov %[mem], %[to]", "xorl %k[to], %k[to]", err, [to] "=&r"(v)                     \
                : [mem] "m"(*(const type *)(p)), [efault] "i"(-EFAULT)                             \
                : "memory", "cc")

#define user_store(type, v, p, err)                                                                \
    USER_ACCESS("mov %[from], %[mem]", "", err, [mem] "=m"(*(type *)(p))                           \
                : [from] "r"(v), [efault] "i"(-EFAULT)                                             \
                : "memory")

static inline int user_cmpxchg(u32 *p, u32 old, u32 new, u32 *found)
{
    int err;

    USER_ACCESS("lock cmpxchgl %[new], %[mem]", "", err, [mem] "+m"(*p), "+a"(old)
                : [new] "r"(new), [efault] "i"(-EFAULT)
                : "memory", "cc");
    *found = old;
    return err;
}

static inline unsigned int word_strlen(u64 v)
{
    const u64 ones = 0x0101010101010101ULL, highs = 0x8080808080808080ULL;
    u64 zero = (v - ones) & ~v & highs; /* its lowest bit marks the first zero byte */

    return zero != 0 ? (unsigned int)__builtin_ctzll(zero) / 8 : 8;
}
