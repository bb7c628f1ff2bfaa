/* SPDX-License-Identifier: MIT */
/*
 * entry.S: the ways into the kernel and back: exceptions, interrupts, system calls; the context
 * switch. Segment faults and the reset have entries of their own, in real mode: entry_real.S.
 *
 * Each entry leaves a struct pt_regs on the kernel stack, below it a frame header
 * with a marker, so that backtraces see it. The vectors in boot/ppc64/boot.S have put this CPU's
 * save area into r13 and the vector's number into r12; SPRG1 holds the interrupted r13. In C code
 * r13 is this CPU's struct cpu.
 * I1: interrupts are off from an entry until the C handler turns them on, and from the last look at
 *     the work flags to the return.
 * I2: until the frame is complete nothing is touched that could raise an exception: kernel stacks
 *     have a segment and entries at all times.
 * I3: regs->trap is 0xc00 exactly while the registers are those of a system call that nobody
 *     changed.
 * I4: a return to the kernel does not load r13: the thread may have moved to another CPU.
 * I5: a program's r14 to r31 stay in the CPU: C code keeps them, so that they are the program's
 *     again when it returns here. They are stored into the frame before anybody looks for them
 *     there: on the way to exit_to_user_work, and before fork and its like (full_frame_call).
 * I6: of a program's frame, which lies at the top of the stack, softe, result, the back chain and
 *     the marker are never changed: arch_copy_thread and arch_start_user have set them.
 * Source: Power ISA 3.0B Book III, chapter 6; OpenPOWER ELFv2 ABI 1.5 section 2.2 (registers,
 * stack frames); LoPAR and Linux's powerpc system call convention for sc.
 * Read next: traps.c, irq.c, syscall.c.
 */
#include <asm/quire_asm.h>
#include <asm/quire_cpu.h>
#include <asm_offsets.h>

#define FRAME_BYTES (FRAME_OVERHEAD + PT_SIZE)
#define REGS(field) (FRAME_OVERHEAD + (field))
#define GPR(n)      (FRAME_OVERHEAD + 8 * (n))

#define CR0_SO_HIGH 0x1000 /* CR0.SO in the upper half of the CR image */
#define TRAP_SYSTEM_CALL 0xc00
#define NR_SYSCALLS 512
#define ENOSYS      38

    .text

.macro CALL function
    bl \function
    nop
.endm

/*
 * For code that a vector branched to: with translation off it runs below the link address, and C
 * code must not.
 */
.macro CALL_LINKED function
    LI64 12, \function
    mtctr 12
    bctrl
.endm

.macro STORE_GPRS from, to
    .set n, \from
    .rept \to - \from + 1
    std n, FRAME_OVERHEAD + 8 * n(1)
    .set n, n + 1
    .endr
.endm

.macro LOAD_GPRS from, to
    .set n, \from
    .rept \to - \from + 1
    ld n, FRAME_OVERHEAD + 8 * n(1)
    .set n, n + 1
    .endr
.endm

/*
 * r1 = frame, r11 = SRR1, r12 = vector. All registers but r14 to r31 (I5); r1, r10 to r12 and r13
 * are in the save area and SPRG1.
 */
.macro STORE_COMMON
    std 0, GPR(0)(1)
    ld 0, SAVE_R1(13)
    std 0, GPR(1)(1)
    STORE_GPRS 2, 9
    ld 0, SAVE_R10(13)
    std 0, GPR(10)(1)
    ld 0, SAVE_R11(13)
    std 0, GPR(11)(1)
    ld 0, SAVE_R12(13)
    std 0, GPR(12)(1)
    mfsprg 0, 1
    std 0, GPR(13)(1)
    std 11, REGS(PT_MSR)(1)
    std 12, REGS(PT_TRAP)(1)
    std 3, REGS(PT_ORIG_GPR3)(1)
    mfsrr0 0
    std 0, REGS(PT_NIP)(1)
    mfctr 0
    std 0, REGS(PT_CTR)(1)
    mflr 0
    std 0, REGS(PT_LINK)(1)
    mfxer 0
    std 0, REGS(PT_XER)(1)
    ld 0, SAVE_CR(13)
    std 0, REGS(PT_CCR)(1)
    mfspr 0, SPR_DAR
    std 0, REGS(PT_DAR)(1)
    mfspr 0, SPR_DSISR
    std 0, REGS(PT_DSISR)(1)
.endm

/* Debugging: whoever takes r14 to r31 from a frame that has none finds this. Uses r9. */
.macro POISON_KEPT
#ifdef CONFIG_DEBUG
    LI64C 9, FRAME_POISON
    .set n, 14
    .rept 18
    std 9, FRAME_OVERHEAD + 8 * n(1)
    .set n, n + 1
    .endr
#endif
.endm

/* r9 = 0: registers that a system call does not keep, for those who look at its frame. */
.macro STORE_NO_REGISTERS
    std 9, GPR(9)(1)
    std 9, GPR(10)(1)
    std 9, GPR(11)(1)
    std 9, GPR(12)(1)
    std 9, REGS(PT_CTR)(1)
    std 9, REGS(PT_XER)(1)
.endm

FUNCTION exception_entry
    std 10, SAVE_R10(13)
    std 11, SAVE_R11(13)
    std 1, SAVE_R1(13)
    mfsrr1 11
    ld 10, SAVE_CPU(13)
    andi. 1, 11, MSR_PR
    ld 1, CPU_KSTACK_TOP(10)
    beq from_kernel
    addi 1, 1, -FRAME_BYTES
    STORE_COMMON
    POISON_KEPT
    mr 13, 10
    ld 2, CPU_TOC(13)
    li 10, MSR_RI
    mtmsrd 10, 1
    addi 3, 1, FRAME_OVERHEAD
    CALL handle_exception
    b return_kept

/* The interrupted stack must be the one that this CPU's thread has, with room for the frame. */
from_kernel:
    mr 10, 1
    ld 1, SAVE_R1(13)
    addi 1, 1, -(RED_ZONE + FRAME_BYTES)
    subf 10, 1, 10
    cmpldi 10, KSTACK_BYTES
    blt 1f
    ld 1, SAVE_EMERGENCY_STACK(13)
    ld 10, SAVE_CPU(13)
    std 1, CPU_KSTACK_TOP(10) /* for faults inside the report */
    ori 12, 12, 1 /* tells handle_exception */
    addi 1, 1, -FRAME_BYTES
1:  STORE_COMMON
    STORE_GPRS 14, 31
    li 0, 1
    std 0, REGS(PT_SOFTE)(1)
    li 0, 0
    std 0, REGS(PT_RESULT)(1)
    LI64C 10, FRAME_MARKER
    std 10, FRAME_MARKER_OFFSET(1)
    ld 10, GPR(1)(1)
    std 10, 0(1)
    ld 13, SAVE_CPU(13)
    ld 2, CPU_TOC(13)
    li 10, MSR_RI
    mtmsrd 10, 1
    addi 3, 1, FRAME_OVERHEAD
    CALL_LINKED handle_exception
    b return_to_kernel
END_FUNCTION exception_entry

/* ---- system calls ---- */

/*
 * From the vector: r13 = this CPU, r1 = top of its kernel stack, r9 and r10 = the caller's r13 and
 * r1. The number is in r0, the arguments in r3 to r8, where the C ABI wants them. What the caller
 * keeps over a call is r1, r2, r13 to r31, LR and CR but its first field; r0 and r4 to r8 come
 * back, too, as Linux does it, the rest is zero.
 */
FUNCTION system_call_entry
    mfcr 11
    mfsrr1 12
    mtocrf 0x08, 12 /* CR4 = EE, PR, FP, ME */
    bf 4 * 4 + 1, 8f
    addi 1, 1, -FRAME_BYTES
    std 10, GPR(1)(1)
    std 2, GPR(2)(1)
    std 9, GPR(13)(1)
    std 11, REGS(PT_CCR)(1)
    std 12, REGS(PT_MSR)(1)
    mfsrr0 9
    mflr 10
    std 9, REGS(PT_NIP)(1)
    std 10, REGS(PT_LINK)(1)
    std 0, GPR(0)(1)
    std 3, REGS(PT_ORIG_GPR3)(1)
    STORE_GPRS 4, 8
    li 9, TRAP_SYSTEM_CALL
    std 9, REGS(PT_TRAP)(1)
    POISON_KEPT
    ld 2, CPU_TOC(13)
    li 9, (MSR_EE | MSR_RI) - 0x10000 /* no other bit counts */
    mtmsrd 9, 1
    cmpldi 0, NR_SYSCALLS
    bge 7f
    addis 11, 2, syscall_table@toc@ha
    addi 11, 11, syscall_table@toc@l
    sldi 10, 0, 3
    ldx 12, 11, 10
    mtctr 12
    bctrl
1:  ld 10, REGS(PT_TRAP)(1)
    cmpldi 10, TRAP_SYSTEM_CALL
    bne return_to_user /* execve, sigreturn: the registers are complete */
    ld 12, REGS(PT_CCR)(1)
    rlwinm 12, 12, 0, 4, 2 /* SO off */
    li 11, -4095
    cmpld 3, 11
    bge 6f
2:
#ifdef CONFIG_DEBUG
    std 3, GPR(3)(1)
    std 12, REGS(PT_CCR)(1)
    li 10, MSR_RI
    mtmsrd 10, 1
    addi 3, 1, FRAME_OVERHEAD
    CALL fail_syscall_return
    CALL lockcheck_user_return
    CALL fail_user_return
    ld 3, GPR(3)(1)
    ld 12, REGS(PT_CCR)(1)
#endif
    li 9, 0
    mtmsrd 9, 1 /* interrupts off; RI, too: SRR0 and SRR1 are in use */
    ld 11, CPU_CURRENT(13)
    lwz 10, CPU_NEED_RESCHED(13)
    lbz 11, TASK_SIGPENDING(11)
    or. 10, 10, 11
    bne 5f
    stdcx. 9, 0, 1 /* the caller's reservation ends; where it succeeds, 0 is there */
    ld 10, REGS(PT_NIP)(1)
    ld 11, REGS(PT_MSR)(1)
    mtsrr0 10
    mtsrr1 11
    ld 10, REGS(PT_LINK)(1)
    mtlr 10
    mtctr 9
    mtxer 9
    mtcr 12
    li 10, 0
    li 11, 0
    li 12, 0
    ld 0, GPR(0)(1)
    ld 2, GPR(2)(1)
    LOAD_GPRS 4, 8
    ld 13, GPR(13)(1)
    ld 1, GPR(1)(1)
    rfid
/* Somebody will look at the registers: the frame becomes complete. r9 = 0. */
5:  std 3, GPR(3)(1)
    std 12, REGS(PT_CCR)(1)
    STORE_NO_REGISTERS
    STORE_GPRS 14, 31
    b return_work
6:  neg 3, 3
    oris 12, 12, CR0_SO_HIGH
    b 2b
7:  li 3, -ENOSYS
    b 1b
/* sc in the kernel: as any other exception that it should not have. r9 to r12 are lost. */
8:  mr 1, 10
    mtsprg 1, 9
    mfsprg 13, 0
    std 11, SAVE_CR(13)
    li 12, TRAP_SYSTEM_CALL
    b exception_entry
END_FUNCTION system_call_entry

/* In front of fork and its like, which copy all registers: goes on to ppc_full_frame_calls[r0]. */
FUNCTION full_frame_call
    STORE_GPRS 14, 31
    li 9, 0
    STORE_NO_REGISTERS
    addis 11, 2, ppc_full_frame_calls@toc@ha
    addi 11, 11, ppc_full_frame_calls@toc@l
    sldi 10, 0, 3
    ldx 12, 11, 10
    mtctr 12
    bctr
END_FUNCTION full_frame_call

/*
 * First code of a new thread: switch_stack returns here with the previous task in r3;
 * arch_copy_thread made the frame.
 */
FUNCTION ret_from_fork
    CALL sched_finish_switch
    cmpdi 14, 0
    beq return_to_user
    mr 12, 14
    mtctr 12
    mr 3, 15
    bctrl
    b return_to_user
END_FUNCTION ret_from_fork

/* What rfid and the code after it need besides general registers. r1 = frame, RI off; uses r0. */
.macro LOAD_SPECIAL
    ld 0, REGS(PT_CTR)(1)
    mtctr 0
    ld 0, REGS(PT_LINK)(1)
    mtlr 0
    ld 0, REGS(PT_XER)(1)
    mtxer 0
    ld 0, REGS(PT_CCR)(1)
    mtcr 0
    ld 0, REGS(PT_NIP)(1)
    mtsrr0 0
    ld 0, REGS(PT_MSR)(1)
    mtsrr1 0
.endm

/*
 * Branches to @work when there is some. Ends with r9 = 0, interrupts off, and RI off: SRR0 and SRR1
 * are in use.
 */
.macro LOOK_FOR_WORK work
#ifdef CONFIG_DEBUG
    li 10, MSR_RI
    mtmsrd 10, 1
    CALL lockcheck_user_return
    CALL fail_user_return
#endif
    li 9, 0
    mtmsrd 9, 1
    ld 11, CPU_CURRENT(13)
    lwz 10, CPU_NEED_RESCHED(13)
    lbz 11, TASK_SIGPENDING(11)
    or. 10, 10, 11
    bne \work
    stdcx. 9, 0, 1 /* the program's reservation ends; where it succeeds, 0 is there */
.endm

/* r1 = frame, complete. Interrupts may be on here. */
FUNCTION return_to_user
    LOOK_FOR_WORK return_work
    LOAD_SPECIAL
    LOAD_GPRS 2, 31
    ld 0, GPR(0)(1)
    ld 1, GPR(1)(1)
    rfid
return_work:
    li 10, (MSR_EE | MSR_RI) - 0x10000
    mtmsrd 10, 1
    addi 3, 1, FRAME_OVERHEAD
    CALL exit_to_user_work
    b return_to_user
END_FUNCTION return_to_user

/* The same where r14 to r31 are the program's own and not in the frame. */
FUNCTION return_kept
    LOOK_FOR_WORK 1f
    LOAD_SPECIAL
    LOAD_GPRS 2, 13
    ld 0, GPR(0)(1)
    ld 1, GPR(1)(1)
    rfid
1:  STORE_GPRS 14, 31
    b return_work
END_FUNCTION return_kept

/* r1 = frame, interrupts off. C code has kept r14 to r31. */
FUNCTION return_to_kernel
    addi 10, 1, REGS(PT_RESULT)
    stdcx. 10, 0, 10
    li 10, 0
    mtmsrd 10, 1
    LOAD_SPECIAL
    LOAD_GPRS 2, 12
    ld 0, GPR(0)(1)
    ld 1, GPR(1)(1)
    rfid
END_FUNCTION return_to_kernel

/* ---- context switch ---- */

#define SWITCH_BYTES (32 + 8 * 18)

/*
 * struct task *switch_stack(unsigned long *save_sp, unsigned long load_sp, struct task *prev,
 *                           unsigned long top): @top becomes this CPU's kstack_top.
 */
FUNCTION switch_stack
    mflr 0
    std 0, 16(1)
    mfcr 0
    stw 0, 8(1)
    stdu 1, -SWITCH_BYTES(1)
    .set n, 14
    .rept 18
    std n, 32 + 8 * (n - 14)(1)
    .set n, n + 1
    .endr
    std 1, 0(3)
    std 6, CPU_KSTACK_TOP(13)
    mr 1, 4
    .set n, 14
    .rept 18
    ld n, 32 + 8 * (n - 14)(1)
    .set n, n + 1
    .endr
    addi 1, 1, SWITCH_BYTES
    lwz 0, 8(1)
    mtcrf 0x38, 0 /* CR2 to CR4 are the caller's */
    ld 0, 16(1)
    mtlr 0
    mr 3, 5
    blr
END_FUNCTION switch_stack

/* void arch_continue_on_stack(unsigned long top, void (*fn)(void)) */
FUNCTION arch_continue_on_stack
    li 0, 0
    std 3, CPU_KSTACK_TOP(13)
    std 3, CPU_IDLE_TOP(13)
    mr 1, 3
    stdu 0, -FRAME_OVERHEAD(1)
    mr 12, 4
    mtctr 12
    bctrl
    trap
END_FUNCTION arch_continue_on_stack
