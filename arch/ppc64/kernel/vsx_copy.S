/* SPDX-License-Identifier: MIT */
/*
 * vsx_copy.S: the loop that copies through VSX registers, eight of 16 bytes per step. Saves and
 * restores those that it uses: they may be a program's.
 *
 * The caller (vsx.c) has switched the units on and preemption off; a fault ends the loop.
 * Source: Power ISA 3.0B Book I section 7.6 (lxvd2x, stxvd2x: any alignment).
 * Checked as vsx.c. Read next: vsx.c.
 */
#include <asm/quire_asm.h>

#define SAVE_BYTES 128

/* An instruction at which a fault ends the copy. */
.macro TRY insn:vararg
991:
    \insn
    EXCEPTION 991b, 9f
.endm

    .text
    .machine push
    .machine power8
/*
 * size_t vsx_copy(void *to, const void *from, size_t n): @n is a multiple of 128, not 0. Returns
 * the bytes that were not done, a multiple of 128, too. CTR counts steps that are not finished.
 */
FUNCTION vsx_copy
    srdi 0, 5, 7
    mtctr 0
    stdu 1, -(FRAME_OVERHEAD + SAVE_BYTES)(1)
    addi 5, 1, FRAME_OVERHEAD
    li 6, 16
    li 7, 32
    li 8, 48
    li 9, 64
    li 10, 80
    li 11, 96
    li 12, 112
    stxvd2x 0, 0, 5
    stxvd2x 1, 5, 6
    stxvd2x 2, 5, 7
    stxvd2x 3, 5, 8
    stxvd2x 4, 5, 9
    stxvd2x 5, 5, 10
    stxvd2x 6, 5, 11
    stxvd2x 7, 5, 12
1:  TRY lxvd2x 0, 0, 4
    TRY lxvd2x 1, 4, 6
    TRY lxvd2x 2, 4, 7
    TRY lxvd2x 3, 4, 8
    TRY lxvd2x 4, 4, 9
    TRY lxvd2x 5, 4, 10
    TRY lxvd2x 6, 4, 11
    TRY lxvd2x 7, 4, 12
    TRY stxvd2x 0, 0, 3
    TRY stxvd2x 1, 3, 6
    TRY stxvd2x 2, 3, 7
    TRY stxvd2x 3, 3, 8
    TRY stxvd2x 4, 3, 9
    TRY stxvd2x 5, 3, 10
    TRY stxvd2x 6, 3, 11
    TRY stxvd2x 7, 3, 12
    addi 4, 4, 128
    addi 3, 3, 128
    bdnz 1b
9:  lxvd2x 0, 0, 5
    lxvd2x 1, 5, 6
    lxvd2x 2, 5, 7
    lxvd2x 3, 5, 8
    lxvd2x 4, 5, 9
    lxvd2x 5, 5, 10
    lxvd2x 6, 5, 11
    lxvd2x 7, 5, 12
    addi 1, 1, FRAME_OVERHEAD + SAVE_BYTES
    mfctr 3
    sldi 3, 3, 7
    blr
END_FUNCTION vsx_copy
    .machine pop
