/* SPDX-License-Identifier: MIT */
/*
 * user_word.h: single words of user memory, an instruction each, where many are accessed one after
 * another. The caller has asked access_ok for the whole range; a fault that cannot be answered
 * continues at the label @fault of its function. Source: GCC manual, "Goto labels". See also
 * kernel/uaccess.c.
 */
#pragma once
#include <asm/quire_asm.h>

/* Programs choose the alignment, too. */
typedef u64 __attribute__((may_alias, aligned(1))) user_word_t;

/* @to is an lvalue of 64 bits. Behind a fault it is what it was: the register that was to be loaded
 * then has something of the kernel's, which must not get where programs see it. */
#define user_get_word(to, p, fault)                                                               \
    do {                                                                                          \
        u64 word_;                                                                                \
                                                                                                  \
        __asm__ goto("1: ld%U1%X1 %0, %1\n" EXCEPTION_ENTRY("1b", "%l2")                          \
                     : "=r"(word_)                                                                \
                     : "m<>"(*(const user_word_t *)(p))                                           \
                     :                                                                            \
                     : fault);                                                                    \
        (to) = word_;                                                                             \
    } while (0)

#define user_put_word(v, p, fault)                                                                \
    __asm__ goto("1: std%U1%X1 %0, %1\n" EXCEPTION_ENTRY("1b", "%l2")                             \
                 :                                                                                \
                 : "r"((u64)(v)), "m<>"(*(user_word_t *)(p))                                      \
                 : "memory"                                                                       \
                 : fault)
