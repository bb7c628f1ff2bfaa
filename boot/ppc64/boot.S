/* SPDX-License-Identifier: MIT */
/*
 * boot.S: the first bytes of the image: entry from the loader, exception vectors, entry of the
 * other CPUs.
 *
 * Two ways lead here. As a flat image in place of a firmware the kernel lies at 0 and starts at the
 * reset vector. Behind a shim QEMU has put the ELF file at 4 MiB and starts at its first byte;
 * then the image first copies itself to 0, where its vectors must be. Both come in real mode
 * with r3 = device tree; as firmware also in 32-bit mode (MSR.SF = 0). Real mode ignores the top
 * four address bits, so that the code jumps to its link address at once.
 * Source: Power ISA 3.0B Book III, chapter 6.5 (interrupt vectors), 5.7.3 (real mode); LoPAR
 * B.6.1 (client entry state). Read next: start.c, arch/ppc64/kernel/entry.S.
 */
#include <asm/quire_asm.h>
#include <asm/quire_cpu.h>
#include <asm_offsets.h>
#include <boot/ppc64/boot.h>

    .section .boot.header, "ax"
    .balign 256
head:
    .globl boot_entry
boot_entry:
    b boot_any

    . = head + 0x100
    .globl reset_vector
reset_vector:
    b boot_any

/*
 * What every vector does: r13 = this CPU's save area, r12 = the vector's number. SPRG1 keeps the
 * interrupted r13. Eight instructions at most: some vectors lie that close.
 */
.macro VECTOR number, target
    mtsprg 1, 13
    mfsprg 13, 0
    std 12, SAVE_R12(13)
    mfcr 12
    std 12, SAVE_CR(13)
    li 12, \number
    b \target
.endm

/*
 * A system call's: r9 to r12 are its caller's to lose, and it comes with translation on. r13 = this
 * CPU, r1 = the kernel stack; r9 and r10 keep the caller's two.
 */
.macro SYSTEM_CALL_VECTOR
    mr 9, 13
    mfsprg 13, 0
    mr 10, 1
    ld 13, SAVE_CPU(13)
    ld 1, CPU_KSTACK_TOP(13)
    b system_call_entry
.endm

/* A segment fault can hit the first instructions of any other exception: its own SPRG and slots. */
.macro SEGMENT_VECTOR number
    mtsprg 2, 13
    mfsprg 13, 0
    std 12, SAVE_SLB + SLOT_GPR + 96(13)
    mfcr 12
    std 12, SAVE_SLB + SLOT_CR(13)
    li 12, \number
    b segment_entry
.endm

.macro VECTORS base
    . = \base + 0x200
    VECTOR 0x200, exception_entry
    .irp number, 0x300, 0x400, 0x500, 0x600, 0x700, 0x800, 0x900, 0x980, 0xa00, 0xb00, 0xc00, \
                 0xd00, 0xe00, 0xe40, 0xe80, 0xf00, 0xf20, 0xf40, 0xf60, 0xf80, 0x1300, 0x1700
    .if \number == 0x400
    . = \base + 0x380
    SEGMENT_VECTOR 0x380
    .endif
    .if \number == 0x500
    . = \base + 0x480
    SEGMENT_VECTOR 0x480
    .endif
    . = \base + \number
    .if \number == 0xc00
    SYSTEM_CALL_VECTOR
    .else
    VECTOR \number, exception_entry
    .endif
    .endr
.endm

    VECTORS head
    VECTORS head + AIL_OFFSET

    . = head + 0x6000
boot_any:
    li 12, 1
    sldi 12, 12, 63
    mfmsr 11
    or 11, 11, 12
    mtmsrd 11
    isync
    mr 31, 3
    mr 30, 5
    bcl 20, 31, 1f
1:  mflr 29
    addi 29, 29, head - 1b
    clrldi 29, 29, 4
    cmpdi 29, 0
    beq at_home

    /* First these bytes, so that the loop below does not overwrite itself, then the rest. */
    li 10, 0
    li 9, BOOT_HEAD_BYTES / 8
    mtctr 9
2:  ldx 8, 29, 10
    stdx 8, 0, 10
    addi 10, 10, 8
    bdnz 2b
    bl sync_code
    li 9, copy_rest - head
    mtctr 9
    bctr
copy_rest:
    LI64 9, __bss_start
    clrldi 9, 9, 4
    subf 9, 10, 9
    srdi 9, 9, 3
    mtctr 9
3:  ldx 8, 29, 10
    stdx 8, 0, 10
    addi 10, 10, 8
    bdnz 3b
    bl sync_code

at_home:
    LI64 9, boot_home
    mtctr 9
    bctr

/* Makes the r10 bytes at 0 visible to instruction fetch. Block size 128 on every POWER. */
sync_code:
    li 8, 0
4:  dcbst 0, 8
    addi 8, 8, 128
    cmpd 8, 10
    blt 4b
    sync
    li 8, 0
5:  icbi 0, 8
    addi 8, 8, 128
    cmpd 8, 10
    blt 5b
    sync
    isync
    blr

/* At the link address from here on. */
boot_home:
    LI64 3, __bss_start
    LI64 4, __bss_end
    subf 4, 3, 4
    srdi 4, 4, 3
    mtctr 4
    li 0, 0
6:  std 0, 0(3)
    addi 3, 3, 8
    bdnz 6b
    LI64 1, boot_stack_top
    LI64 13, cpus
    std 1, CPU_KSTACK_TOP(13)
    LI64 3, save_areas
    mtsprg 0, 3
    std 13, SAVE_CPU(3)
    std 13, 0(13)
    LI64 4, emergency_stacks + EMERGENCY_STACK_BYTES
    std 4, SAVE_EMERGENCY_STACK(3)
    LI64 2, .TOC.
    std 2, CPU_TOC(13)
    stdu 0, -FRAME_OVERHEAD(1)
    LI64C 3, MSR_REAL
    mtmsrd 3
    isync
    mr 3, 31
    mr 4, 30
    mr 5, 29
    bl boot_start
    trap

/* r3: number of the CPU. Its struct cpu and save area were filled by the one that starts it. */
FUNCTION secondary_entry
    LI64 9, 7f
    mtctr 9
    bctr
7:  mulli 4, 3, SAVE_BYTES
    LI64 5, save_areas
    add 5, 5, 4
    mtsprg 0, 5
    ld 13, SAVE_CPU(5)
    ld 1, CPU_KSTACK_TOP(13)
    li 0, 0
    LI64 2, .TOC.
    std 2, CPU_TOC(13)
    stdu 0, -FRAME_OVERHEAD(1)
    LI64C 3, MSR_REAL
    mtmsrd 3
    isync
    bl start_secondary
    trap
END_FUNCTION secondary_entry

    . = head + BOOT_HEAD_BYTES

    .section .bss.page_aligned, "aw", @nobits
    .balign 4096
    .globl boot_stack, boot_stack_top
boot_stack:
    .skip BOOT_STACK_SIZE
boot_stack_top:
