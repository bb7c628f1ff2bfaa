/* SPDX-License-Identifier: MIT */
/*
 * asm_offsets.c: numbers that assembly code needs from C structures. Never linked: the Makefile
 * compiles it to assembly and turns the marked lines into gen/asm_offsets.h, so the two cannot
 * disagree.
 */
#include <asm/quire_ptrace.h>
#include <kernel/task.h>
#include "kernel/internal.h"

#undef current /* a field's name here */

#define DEFINE(name, value) __asm__ volatile("\n#DEFINE " #name " %c0" : : "i"(value))

void asm_offsets(void);
void asm_offsets(void)
{
    DEFINE(TASK_SIGPENDING, offsetof(struct task, sigpending_flag));
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
    DEFINE(CPU_KSTACK_TOP, offsetof(struct cpu, kstack_top));
    DEFINE(CPU_PREEMPT_COUNT, offsetof(struct cpu, preempt_count));
    DEFINE(CPU_IRQ_DEPTH, offsetof(struct cpu, irq_depth));
    DEFINE(CPU_NEED_RESCHED, offsetof(struct cpu, need_resched));
    DEFINE(CPU_IDLE_TOP, offsetof(struct cpu, arch) + CPU_ARCH_IDLE_TOP * sizeof(long));
    DEFINE(CPU_TOC, offsetof(struct cpu, arch) + CPU_ARCH_TOC * sizeof(long));
    DEFINE(SAVE_R1, offsetof(struct save_area, r1));
    DEFINE(SAVE_R10, offsetof(struct save_area, r10));
    DEFINE(SAVE_R11, offsetof(struct save_area, r11));
    DEFINE(SAVE_R12, offsetof(struct save_area, r12));
    DEFINE(SAVE_CR, offsetof(struct save_area, cr));
    DEFINE(SAVE_CPU, offsetof(struct save_area, cpu));
    DEFINE(SAVE_SLB_STACK, offsetof(struct save_area, slb_stack));
    DEFINE(SAVE_NMI_STACK, offsetof(struct save_area, nmi_stack));
    DEFINE(SAVE_EMERGENCY_STACK, offsetof(struct save_area, emergency_stack));
    DEFINE(SAVE_SLB, offsetof(struct save_area, slb));
    DEFINE(SAVE_NMI, offsetof(struct save_area, nmi));
    DEFINE(SAVE_BYTES, sizeof(struct save_area));
    DEFINE(SLOT_GPR, offsetof(struct save_slots, gpr));
    DEFINE(SLOT_CR, offsetof(struct save_slots, cr));
    DEFINE(SLOT_CTR, offsetof(struct save_slots, ctr));
    DEFINE(SLOT_LR, offsetof(struct save_slots, lr));
    DEFINE(SLOT_XER, offsetof(struct save_slots, xer));
    DEFINE(SLOT_SRR0, offsetof(struct save_slots, srr0));
    DEFINE(SLOT_SRR1, offsetof(struct save_slots, srr1));
    DEFINE(SLOT_VECTOR, offsetof(struct save_slots, vector));
    DEFINE(EMERGENCY_STACK_BYTES, EMERGENCY_STACK_SIZE);
    DEFINE(FPU_FPSCR, offsetof(struct fpu_state, fpscr));
    DEFINE(FPU_VSCR, offsetof(struct fpu_state, vscr));
    DEFINE(FPU_VRSAVE, offsetof(struct fpu_state, vrsave));
    DEFINE(KSTACK_BYTES, KSTACK_SIZE);
    DEFINE(PT_NIP, offsetof(struct pt_regs, nip));
    DEFINE(PT_MSR, offsetof(struct pt_regs, msr));
    DEFINE(PT_ORIG_GPR3, offsetof(struct pt_regs, orig_gpr3));
    DEFINE(PT_CTR, offsetof(struct pt_regs, ctr));
    DEFINE(PT_LINK, offsetof(struct pt_regs, link));
    DEFINE(PT_XER, offsetof(struct pt_regs, xer));
    DEFINE(PT_CCR, offsetof(struct pt_regs, ccr));
    DEFINE(PT_SOFTE, offsetof(struct pt_regs, softe));
    DEFINE(PT_TRAP, offsetof(struct pt_regs, trap));
    DEFINE(PT_DAR, offsetof(struct pt_regs, dar));
    DEFINE(PT_DSISR, offsetof(struct pt_regs, dsisr));
    DEFINE(PT_RESULT, offsetof(struct pt_regs, result));
    DEFINE(PT_SIZE, sizeof(struct pt_regs));
}
