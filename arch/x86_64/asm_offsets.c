/* SPDX-License-Identifier: MIT */
/*
 * asm_offsets.c: numbers that assembly code needs from C structures. Never linked: the Makefile
 * compiles it to assembly and turns the marked lines into gen/asm_offsets.h, so the two cannot
 * disagree.
 */
#include <asm/quire_ptrace.h>
#include <kernel/task.h>

#undef current /* a field's name here */

#define DEFINE(name, value) __asm__ volatile("\n#DEFINE " #name " %c0" : : "i"(value))

void asm_offsets(void);
void asm_offsets(void)
{
    DEFINE(TASK_SIGPENDING, offsetof(struct task, sigpending_flag));
    DEFINE(CPU_CURRENT, offsetof(struct cpu, current));
    DEFINE(CPU_KSTACK_TOP, offsetof(struct cpu, kstack_top));
    DEFINE(CPU_SCRATCH, offsetof(struct cpu, scratch));
    DEFINE(CPU_NEED_RESCHED, offsetof(struct cpu, need_resched));
    DEFINE(PT_R15, offsetof(struct pt_regs, r15));
    DEFINE(PT_RBP, offsetof(struct pt_regs, rbp));
    DEFINE(PT_R10, offsetof(struct pt_regs, r10));
    DEFINE(PT_R9, offsetof(struct pt_regs, r9));
    DEFINE(PT_R8, offsetof(struct pt_regs, r8));
    DEFINE(PT_RAX, offsetof(struct pt_regs, rax));
    DEFINE(PT_RDX, offsetof(struct pt_regs, rdx));
    DEFINE(PT_RSI, offsetof(struct pt_regs, rsi));
    DEFINE(PT_RDI, offsetof(struct pt_regs, rdi));
    DEFINE(PT_ORIG_RAX, offsetof(struct pt_regs, orig_rax));
    DEFINE(PT_RIP, offsetof(struct pt_regs, rip));
    DEFINE(PT_CS, offsetof(struct pt_regs, cs));
    DEFINE(PT_RFLAGS, offsetof(struct pt_regs, rflags));
    DEFINE(PT_RSP, offsetof(struct pt_regs, rsp));
    DEFINE(PT_SIZE, sizeof(struct pt_regs));
}
