/* SPDX-License-Identifier: MIT */
/*
 * entry_real.S: segment faults and the hypervisor's reset interrupt, handled in real mode:
 * registers into slots of this CPU's save area, C code on a stack in the image.
 *
 * They can hit anywhere in entry.S, so each has slots and an SPRG of its own; the vectors in
 * boot/ppc64/boot.S have saved r12 and CR there. A segment that does not exist goes on in
 * exception_entry as if its vector had led there.
 * I1: nothing here or in what it calls touches a page that may fault.
 * Source: Power ISA 3.0B Book III, chapter 6. Read next: entry.S, arch/ppc64/mm/slb.c, smp.c.
 */
#include <asm/quire_asm.h>
#include <asm/quire_cpu.h>
#include <asm_offsets.h>

    .text

/* Loads or stores r0 to r11. */
.macro EACH_GPR insn, slots
    .set n, 0
    .rept 12
    \insn n, \slots + SLOT_GPR + 8 * n(13)
    .set n, n + 1
    .endr
.endm

/* r13 = save area; r12 and CR are in their slots, r12 = vector. */
.macro SAVE_VOLATILE slots
    EACH_GPR std, \slots
    mfctr 0
    std 0, \slots + SLOT_CTR(13)
    mflr 0
    std 0, \slots + SLOT_LR(13)
    mfxer 0
    std 0, \slots + SLOT_XER(13)
    mfsrr0 3
    std 3, \slots + SLOT_SRR0(13)
    mfsrr1 4
    std 4, \slots + SLOT_SRR1(13)
    std 12, \slots + SLOT_VECTOR(13)
.endm

/* All but r13, which keeps pointing to the save area, r12 and CR. */
.macro RESTORE_VOLATILE slots
    ld 0, \slots + SLOT_CTR(13)
    mtctr 0
    ld 0, \slots + SLOT_LR(13)
    mtlr 0
    ld 0, \slots + SLOT_XER(13)
    mtxer 0
    ld 0, \slots + SLOT_SRR0(13)
    mtsrr0 0
    ld 0, \slots + SLOT_SRR1(13)
    mtsrr1 0
    EACH_GPR ld, \slots
.endm

/* C code on the stack whose top is at \stack of the save area; it wants the CPU in r13. */
.macro CALL_ON stack, function
    LI64 2, .TOC.
    ld 1, \stack(13)
    std 13, -16(1)
    li 0, 0
    stdu 0, -(FRAME_OVERHEAD + 16)(1)
    ld 13, SAVE_CPU(13)
    bl \function
    nop
    ld 13, FRAME_OVERHEAD(1)
.endm

/* All registers again, and back to what was interrupted. SPRG \sprg has its r13. */
.macro RETURN slots, sprg
    RESTORE_VOLATILE \slots
    ld 12, \slots + SLOT_CR(13)
    mtcr 12
    ld 12, \slots + SLOT_GPR + 96(13)
    mfsprg 13, \sprg
    rfid
.endm

/*
 * The faulting address is in DAR or is SRR0. DAR and DSISR of an exception that was under way are
 * lost, which is why exception_entry reads them first.
 */
FUNCTION segment_entry
    SAVE_VOLATILE SAVE_SLB
    cmpldi 12, 0x480
    beq 1f
    mfspr 3, SPR_DAR
1:  LI64 5, 2f
    mtsrr0 5
    LI64C 5, MSR_REAL_NO_RI
    mtsrr1 5
    rfid
2:  CALL_ON SAVE_SLB_STACK, ppc_slb_miss
    cmpdi 3, 0
    bne 3f
    RETURN SAVE_SLB, 2
/* No such segment: as if the vector had led to exception_entry, translation on again. */
3:  LI64 5, 4f
    mtsrr0 5
    LI64C 5, MSR_KERNEL_NO_RI
    mtsrr1 5
    rfid
4:  RESTORE_VOLATILE SAVE_SLB
    mfsprg 12, 2
    mtsprg 1, 12
    ld 12, SAVE_SLB + SLOT_CR(13)
    std 12, SAVE_CR(13)
    ld 12, SAVE_SLB + SLOT_GPR + 96(13)
    std 12, SAVE_R12(13)
    ld 12, SAVE_SLB + SLOT_VECTOR(13)
    b exception_entry
END_FUNCTION segment_entry

/* The hypervisor's reset interrupt, from the vector at 0x100, in real mode. It hits anywhere. */
FUNCTION nmi_entry
    mtsprg 3, 13
    mfsprg 13, 0
    std 12, SAVE_NMI + SLOT_GPR + 96(13)
    mfcr 12
    std 12, SAVE_NMI + SLOT_CR(13)
    li 12, 0x100
    SAVE_VOLATILE SAVE_NMI
    LI64 5, 1f
    mtctr 5
    bctr
1:  CALL_ON SAVE_NMI_STACK, smp_handle_nmi
    RETURN SAVE_NMI, 3
END_FUNCTION nmi_entry
