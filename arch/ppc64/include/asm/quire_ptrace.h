/* SPDX-License-Identifier: MIT */
/*
 * quire_ptrace.h: the registers of an interrupted context as entry.S leaves them on the kernel
 * stack, in the order of Linux's struct pt_regs (asm/ptrace.h of the UAPI), which debuggers and
 * signal frames know.
 */
#pragma once
#include <kernel/types.h>

struct pt_regs {
    unsigned long gpr[32];
    unsigned long nip, msr;
    unsigned long orig_gpr3; /* first argument of the system call */
    unsigned long ctr, link, xer, ccr;
    unsigned long softe;     /* always 1: interrupts are not masked by software here */
    /*
     * Vector; 0 when the registers were loaded by software (new program, signal). 0xc00 exactly
     * while they are those of a system call that nobody changed.
     */
    unsigned long trap;
    unsigned long dar, dsisr, result;
};

#define PT_REGS_SIZE 352
_Static_assert(sizeof(struct pt_regs) == PT_REGS_SIZE, "entry.S builds it");
_Static_assert(offsetof(struct pt_regs, nip) == 256, "Linux's PT_NIP");
_Static_assert(offsetof(struct pt_regs, trap) == 320, "Linux's PT_TRAP");

#define TRAP_SYSCALL 0xc00UL

static inline bool user_mode(const struct pt_regs *regs)
{
    return (regs->msr & 0x4000) != 0;
}

/* The machine-independent names that debugging code uses. */
static inline unsigned long regs_pc(const struct pt_regs *regs)
{
    return regs->nip;
}

static inline void regs_set_pc(struct pt_regs *regs, unsigned long pc)
{
    regs->nip = pc;
}

static inline unsigned long regs_sp(const struct pt_regs *regs)
{
    return regs->gpr[1];
}

static inline long regs_syscall_nr(const struct pt_regs *regs)
{
    return regs->trap == TRAP_SYSCALL ? (long)regs->gpr[0] : -1;
}
