/* SPDX-License-Identifier: MIT */
/*
 * fpu_regs.S: all floating point and vector registers to memory and back. The caller has turned the
 * units on. r3 = struct fpu_state. Source: Power ISA 3.0B Book I chapters 4, 6, 7 (FPR n is the
 * first half of VSR n, VR n is VSR 32 + n).
 */
#include <asm/quire_asm.h>
#include <asm/quire_cpu.h>
#include <asm_offsets.h>

    .text
/* void fpu_regs_save(struct fpu_state *) */
FUNCTION fpu_regs_save
    li 4, 0
    .set n, 0
    .rept 64
    stxvd2x n, 3, 4
    addi 4, 4, 16
    .set n, n + 1
    .endr
    mffs 0
    stfd 0, FPU_FPSCR(3)
    mfvscr 0
    li 4, FPU_VSCR
    stvx 0, 3, 4
    mfspr 4, SPR_VRSAVE
    stw 4, FPU_VRSAVE(3)
    /* FPR 0 and VR 0 are the thread's still. */
    li 4, 0
    lxvd2x 0, 3, 4
    li 4, 32 * 16
    lxvd2x 32, 3, 4
    blr
END_FUNCTION fpu_regs_save

/* void fpu_regs_load(const struct fpu_state *) */
FUNCTION fpu_regs_load
    lfd 0, FPU_FPSCR(3)
    mtfsf 0xff, 0, 1, 0
    li 4, FPU_VSCR
    lvx 0, 3, 4
    mtvscr 0
    lwz 4, FPU_VRSAVE(3)
    mtspr SPR_VRSAVE, 4
    li 4, 0
    .set n, 0
    .rept 64
    lxvd2x n, 3, 4
    addi 4, 4, 16
    .set n, n + 1
    .endr
    blr
END_FUNCTION fpu_regs_load
