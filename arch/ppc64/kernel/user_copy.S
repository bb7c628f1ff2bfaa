/* SPDX-License-Identifier: MIT */
/*
 * user_copy.S: the loops that touch user memory. Each instruction that may fault has an entry in
 * the exception table; the callers in kernel/uaccess.c have checked that the range lies in the user
 * half. All return the number of bytes that were not done. Long copies go to vsx_copy.S first. Four
 * words per step, then words, then bytes; a fault in a larger step is retried in smaller ones, so
 * that a copy ends exactly at the border of what is mapped.
 */
#include <asm/quire_asm.h>

#define LARGE 512

/* An instruction at which a fault continues at \to. */
.macro TRY to, insn:vararg
991:
    \insn
    EXCEPTION 991b, \to
.endm

    .text
/* size_t user_copy(void *to, const void *from, size_t n): r5 counts what is left. */
FUNCTION user_copy
    cmpldi 5, LARGE
    blt user_copy_words
    b user_copy_large
END_FUNCTION user_copy
/* The same, word by word. */
FUNCTION user_copy_words
    srdi. 7, 5, 5
    beq 2f
    mtctr 7
1:  TRY 2f, ld 8, 0(4)
    TRY 2f, ld 9, 8(4)
    TRY 2f, ld 10, 16(4)
    TRY 2f, ld 11, 24(4)
    TRY 2f, std 8, 0(3)
    TRY 2f, std 9, 8(3)
    TRY 2f, std 10, 16(3)
    TRY 2f, std 11, 24(3)
    addi 4, 4, 32
    addi 3, 3, 32
    addi 5, 5, -32
    bdnz 1b
2:  srdi. 7, 5, 3
    beq 4f
    mtctr 7
3:  TRY 4f, ld 8, 0(4)
    TRY 4f, std 8, 0(3)
    addi 4, 4, 8
    addi 3, 3, 8
    addi 5, 5, -8
    bdnz 3b
4:  cmpdi 5, 0
    beq 6f
    mtctr 5
5:  TRY 6f, lbz 8, 0(4)
    TRY 6f, stb 8, 0(3)
    addi 4, 4, 1
    addi 3, 3, 1
    addi 5, 5, -1
    bdnz 5b
6:  mr 3, 5
    blr
END_FUNCTION user_copy_words

/* size_t user_clear(void *to, size_t n) */
FUNCTION user_clear
    li 8, 0
    srdi. 7, 4, 5
    beq 2f
    mtctr 7
1:  TRY 2f, std 8, 0(3)
    TRY 2f, std 8, 8(3)
    TRY 2f, std 8, 16(3)
    TRY 2f, std 8, 24(3)
    addi 3, 3, 32
    addi 4, 4, -32
    bdnz 1b
2:  srdi. 7, 4, 3
    beq 4f
    mtctr 7
3:  TRY 4f, std 8, 0(3)
    addi 3, 3, 8
    addi 4, 4, -8
    bdnz 3b
4:  cmpdi 4, 0
    beq 6f
    mtctr 4
5:  TRY 6f, stb 8, 0(3)
    addi 3, 3, 1
    addi 4, 4, -1
    bdnz 5b
6:  mr 3, 4
    blr
END_FUNCTION user_clear
