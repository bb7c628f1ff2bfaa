/* SPDX-License-Identifier: MIT */
/*
 * user_word.h: single words of user memory, an instruction each, where many are accessed one after
 * another. The caller has asked access_ok for the whole range; a fault that cannot be answered
 * continues at the label @fault of its function. Source: GCC manual, "Goto labels". See also
 * uaccess.c.
 */
#pragma once
#include <asm/quire_asm.h>

/* @to is an lvalue of 64 bits. */
#define user_get_word(to, p, fault)                                                               \
    __asm__ goto("1: ld%U1%X1 %0, %1\n" EXCEPTION_ENTRY("1b", "%l2")                              \
                 : "=r"(to)                                                                       \
                 : "m<>"(*(const u64 *)(p))                                                       \
                 :                                                                                \
                 : fault)

#define user_put_word(v, p, fault)                                                                \
    __asm__ goto("1: std%U1%X1 %0, %1\n" EXCEPTION_ENTRY("1b", "%l2")                             \
                 :                                                                                \
                 : "r"((u64)(v)), "m<>"(*(u64 *)(p))                                              \
                 : "memory"                                                                       \
                 : fault)
