/* SPDX-License-Identifier: MIT */
/*
 * quire_uaccess.h: ppc64's side of <arch/uaccess.h>. Source: Power ISA 3.0B, Book II section 4.6.2
 * (lwarx, stwcx.), Book I section 3.3.13 (cmpb).
 */
#pragma once
#include <asm/errno.h>
#include <asm/quire_asm.h>

/* One access of @insn; when it faults, @err becomes -EFAULT and @cleanup is done. */
#define USER_ACCESS(insn, cleanup, err, ...)                                                       \
    __asm__ volatile("1: " insn "\n"                                                               \
                     "   li %0, 0\n"                                                               \
                     "   b 3f\n"                                                                   \
                     "2: li %0, %[efault]\n"                                                       \
                     "   " cleanup "\n"                                                            \
                     "3:\n" EXCEPTION_ENTRY("1b", "2b")                                            \
                     : "=&r"(err), __VA_ARGS__)

#define LOAD_u8   "lbz"
#define LOAD_u16  "lhz"
#define LOAD_u32  "lwz"
#define LOAD_u64  "ld"
#define STORE_u8  "stb"
#define STORE_u16 "sth"
#define STORE_u32 "stw"
#define STORE_u64 "std"

#define user_load(type, v, p, err)                                                                 \
    USER_ACCESS(LOAD_##type " %[to], 0(%[at])", "li %[to], 0", err, [to] "=&r"(v)                  \
                : [at] "b"(p), [efault] "i"(-EFAULT)                                               \
                : "memory")

#define user_store(type, v, p, err)                                                                \
    USER_ACCESS(STORE_##type " %[from], 0(%[at])", "", err, "+m"(*(type *)(p))                     \
                : [from] "r"(v), [at] "b"(p), [efault] "i"(-EFAULT)                                \
                : "memory")

/*
 * The load and the store-conditional may fault each; an address that is not a multiple of four
 * raises an alignment interrupt, which has the same fixup.
 */
static inline int user_cmpxchg(u32 *p, u32 old, u32 new, u32 *found)
{
    unsigned long v = 0;
    int err;

    __asm__ volatile("   sync\n"
                     "1: lwarx %[v], 0, %[p]\n"
                     "   cmplw %[v], %[old]\n"
                     "   bne 5f\n"
                     "4: stwcx. %[new], 0, %[p]\n"
                     "   bne- 1b\n"
                     "5: sync\n"
                     "   li %[err], 0\n"
                     "   b 3f\n"
                     "2: li %[err], %[efault]\n"
                     "3:\n" EXCEPTION_ENTRY("1b", "2b") EXCEPTION_ENTRY("4b", "2b")
                     : [err] "=&r"(err), [v] "+&r"(v)
                     : [p] "r"(p), [old] "r"(old), [new] "r"(new), [efault] "i"(-EFAULT)
                     : "memory", "cr0");
    *found = (u32)v;
    return err;
}

static inline unsigned int word_strlen(u64 v)
{
    u64 zero;

    __asm__("cmpb %0, %1, %2" : "=r"(zero) : "r"(v), "r"(0UL)); /* 0xff where a byte is zero */
    return zero != 0 ? (unsigned int)__builtin_clzll(zero) / 8 : 8;
}
