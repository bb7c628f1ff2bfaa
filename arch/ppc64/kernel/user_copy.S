/* SPDX-License-Identifier: MIT */
/*
 * user_copy.S: the loops that touch user memory. Each instruction that may fault has an entry in
 * the exception table; the callers in uaccess.c have checked that the range lies in the user half.
 * All return the number of bytes that were not done. A fault inside a word is retried by bytes, so
 * that a copy ends exactly at the border of what is mapped.
 */
#include <asm/quire_asm.h>

    .text
/* size_t user_copy(void *to, const void *from, size_t n): r5 counts what is left. */
FUNCTION user_copy
    li 6, 0
    srdi. 7, 5, 3
    beq 3f
    mtctr 7
1:  ldx 8, 4, 6
2:  stdx 8, 3, 6
    addi 6, 6, 8
    addi 5, 5, -8
    bdnz 1b
3:  cmpdi 5, 0
    beq 6f
    mtctr 5
4:  lbzx 8, 4, 6
5:  stbx 8, 3, 6
    addi 6, 6, 1
    addi 5, 5, -1
    bdnz 4b
6:  mr 3, 5
    blr
    EXCEPTION 1b, 3b
    EXCEPTION 2b, 3b
    EXCEPTION 4b, 6b
    EXCEPTION 5b, 6b
END_FUNCTION user_copy

/* size_t user_clear(void *to, size_t n) */
FUNCTION user_clear
    li 6, 0
    li 8, 0
    srdi. 7, 4, 3
    beq 2f
    mtctr 7
1:  stdx 8, 3, 6
    addi 6, 6, 8
    addi 4, 4, -8
    bdnz 1b
2:  cmpdi 4, 0
    beq 4f
    mtctr 4
3:  stbx 8, 3, 6
    addi 6, 6, 1
    addi 4, 4, -1
    bdnz 3b
4:  mr 3, 4
    blr
    EXCEPTION 1b, 2b
    EXCEPTION 3b, 4b
END_FUNCTION user_clear
