/* SPDX-License-Identifier: MIT */
/*
 * vsx_copy.S: large copies through eight VSX registers, 16 bytes at a time.
 *
 * The registers are the current thread's, when its MSR in the frame at the top of the kernel stack
 * has the units on (fpu.c); then they are saved and restored, else nobody's contents are lost. A
 * switch in between would lose what is copied, so preemption is off, and a page fault that would
 * sleep may not happen: it ends the loop (may_fault_in), and the rest goes word by word.
 * I1: no switch of threads, and no other copy in here, while MSR.VSX is on in the kernel; so no
 * copy in an interrupt, which may have come in the middle of one.
 * No locks, no frame: what does not fit into registers lies below r1.
 * Source: Power ISA 3.0B Book I section 7.6 (lxvd2x, stxvd2x: any alignment); ABI 2.2.3.4.
 * Checked by tests/kernel/arch/uaccess_ktest.c (bytes, faults), tests/user/ppc64/vsx_copy_test.c
 * (registers). Read next: user_copy.S, fpu.c.
 */
#include <asm/quire_asm.h>
#include <asm/quire_cpu.h>
#include <asm_offsets.h>

#define PAGE_BYTES  4096
#define STEP_SHIFT  8 /* bytes per turn of the loop */
#define STEP        (1 << STEP_SHIFT)
#define THREAD_MSR  (PT_MSR - PT_SIZE) /* from the top of the kernel stack */
#define BELOW_MSR   -8
#define BELOW_REST  -16
#define BELOW_LEFT  -24
#define BELOW_VSX   -160 /* 128 bytes, within RED_ZONE */

/* @op VSX 0 to 7 and 128 bytes at @base. r0, r7 to r12 = 16, 32 and so on. */
.macro EIGHT op, base
    \op 0, 0, \base
    \op 1, \base, 0
    \op 2, \base, 7
    \op 3, \base, 8
    \op 4, \base, 9
    \op 5, \base, 10
    \op 6, \base, 11
    \op 7, \base, 12
.endm

/* The same; a fault ends the copy. */
.macro TRY_EIGHT op, base
991:
    EIGHT \op, \base
    .set n, 0
    .rept 8
    EXCEPTION "991b + 4 * n", 3f
    .set n, n + 1
    .endr
.endm

    .text
    .machine push
    .machine power8
/*
 * size_t user_copy_large(void *to, const void *from, size_t n): @n is STEP at least. Returns the
 * bytes that were not done. CTR counts turns that are not finished.
 */
FUNCTION user_copy_large
    lwz 6, CPU_PREEMPT_COUNT(13)
    addi 6, 6, 1
    stw 6, CPU_PREEMPT_COUNT(13)
    mfmsr 6
#ifdef CONFIG_DEBUG
    andis. 0, 6, MSR_VSX >> 16 /* I1 */
    tdnei 0, 0
    lwz 0, CPU_IRQ_DEPTH(13)
    tdnei 0, 0
#endif
    std 6, BELOW_MSR(1)
    oris 6, 6, (MSR_VEC | MSR_VSX) >> 16
    ori 6, 6, MSR_FP
    mtmsrd 6
    isync
    srdi 0, 5, STEP_SHIFT
    mtctr 0
    clrldi 5, 5, 64 - STEP_SHIFT
    std 5, BELOW_REST(1)
    li 0, 16
    li 7, 32
    li 8, 48
    li 9, 64
    li 10, 80
    li 11, 96
    li 12, 112
    ld 6, CPU_KSTACK_TOP(13)
    ld 6, THREAD_MSR(6)
    andi. 6, 6, MSR_FP
    bne 5f
1:  addi 5, 4, 128
    addi 6, 3, 128
2:  TRY_EIGHT lxvd2x, 4
    TRY_EIGHT stxvd2x, 3
    TRY_EIGHT lxvd2x, 5
    TRY_EIGHT stxvd2x, 6
    addi 4, 4, STEP
    addi 5, 5, STEP
    addi 3, 3, STEP
    addi 6, 6, STEP
    bdnz 2b
3:  bne 6f /* as above */
4:  ld 6, BELOW_MSR(1)
    ld 5, BELOW_REST(1)
    mtmsrd 6
    mfctr 0
    sldi 0, 0, STEP_SHIFT
    lwz 6, CPU_PREEMPT_COUNT(13)
    addi 6, 6, -1
    stw 6, CPU_PREEMPT_COUNT(13)
    lwz 7, CPU_NEED_RESCHED(13)
    cmpwi 7, 0
    bne 7f
    add. 5, 5, 0
    bne user_copy_words
    li 3, 0
    blr

    /* The thread's registers are live. */
5:  addi 5, 1, BELOW_VSX
    EIGHT stxvd2x, 5
    b 1b
6:  addi 5, 1, BELOW_VSX
    EIGHT lxvd2x, 5
    b 4b

    /* Schedules, if this was the outermost count. */
7:  cmpwi 6, 0
    add 5, 5, 0
    bne user_copy_words
    mflr 0
    std 0, 16(1)
    stdu 1, -(FRAME_OVERHEAD + 32)(1)
    std 3, FRAME_OVERHEAD(1)
    std 4, FRAME_OVERHEAD + 8(1)
    std 5, FRAME_OVERHEAD + 16(1)
    bl preempt_schedule
    nop
    ld 3, FRAME_OVERHEAD(1)
    ld 4, FRAME_OVERHEAD + 8(1)
    ld 5, FRAME_OVERHEAD + 16(1)
    addi 1, 1, FRAME_OVERHEAD + 32
    ld 0, 16(1)
    mtlr 0
    b user_copy_words
END_FUNCTION user_copy_large

/* void copy_page(void *to, const void *from) */
FUNCTION copy_page
    mflr 0
    std 0, 16(1)
    stdu 1, -FRAME_OVERHEAD(1)
    li 5, PAGE_BYTES
    bl user_copy_large
    tdnei 3, 0
    addi 1, 1, FRAME_OVERHEAD
    ld 0, 16(1)
    mtlr 0
    blr
END_FUNCTION copy_page
    .machine pop
