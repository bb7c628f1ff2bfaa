/* SPDX-License-Identifier: MIT */
/*
 * quire_ptrace.h: the registers of an interrupted context as entry.S leaves them on the kernel
 * stack, in the order of Linux's struct pt_regs (asm/ptrace.h of the UAPI), which debuggers and
 * signal frames know.
 */
#pragma once
#include <kernel/types.h>

struct pt_regs {
    unsigned long r15, r14, r13, r12, rbp, rbx;      /* callee-saved */
    unsigned long r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi;
    long orig_rax; /* system call number; -1 when the registers are not a system call's */
    unsigned long rip, cs, rflags, rsp, ss;          /* pushed by the CPU */
};

#define PT_REGS_SIZE 168
_Static_assert(sizeof(struct pt_regs) == PT_REGS_SIZE, "entry.S builds it");
_Static_assert(offsetof(struct pt_regs, rax) == 80, "entry.S");
_Static_assert(offsetof(struct pt_regs, orig_rax) == 120, "entry.S");
_Static_assert(offsetof(struct pt_regs, rip) == 128, "entry.S");

#define KERNEL_CS 0x08
#define KERNEL_DS 0x10
/* sysret takes SS from STAR[63:48]+8 and CS from +16: user data lies before user code. */
#define USER_DS   0x2b
#define USER_CS   0x33

static inline bool user_mode(const struct pt_regs *regs)
{
    return (regs->cs & 3) != 0;
}

/* The machine-independent names that debugging code uses. */
static inline unsigned long regs_pc(const struct pt_regs *regs)
{
    return regs->rip;
}

static inline void regs_set_pc(struct pt_regs *regs, unsigned long pc)
{
    regs->rip = pc;
}

static inline unsigned long regs_sp(const struct pt_regs *regs)
{
    return regs->rsp;
}

static inline long regs_syscall_nr(const struct pt_regs *regs)
{
    return regs->orig_rax;
}
