/* SPDX-License-Identifier: MIT */
/*
 * syscall.c: how a system call's result looks to its caller, and the calls that only ppc64 has.
 *
 * An error is CR0.SO set and a positive errno in r3. No locks. Source: syscall(2), "Architecture
 * calling conventions"; the UAPI header asm/unistd_64.h. Read next: entry.S, kernel/syscall.c.
 */
#include "internal.h"
#include <arch/setup.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>

#define CR0_SO 0x10000000UL

syscall_fn ppc_full_frame_calls[NR_SYSCALLS] __ro_after_init;

/* They copy their caller's registers, of which an ordinary call's frame has only some. */
void arch_setup_syscalls(void)
{
    static const u16 copiers[] = {__NR_fork, __NR_vfork, __NR_clone, __NR_clone3};

    for (unsigned int i = 0; i < ARRAY_SIZE(copiers); i++) {
        ppc_full_frame_calls[copiers[i]] = syscall_table[copiers[i]];
        syscall_table[copiers[i]] = full_frame_call;
    }
}

bool arch_in_syscall(const struct pt_regs *regs)
{
    return regs->trap == TRAP_SYSCALL;
}

long arch_syscall_result(const struct pt_regs *regs)
{
    return regs->ccr & CR0_SO ? -(long)regs->gpr[3] : (long)regs->gpr[3];
}

void arch_set_syscall_result(struct pt_regs *regs, long result)
{
    if ((unsigned long)result >= (unsigned long)-MAX_ERRNO) {
        regs->ccr |= CR0_SO;
        regs->gpr[3] = (unsigned long)-result;
    } else {
        regs->ccr &= ~CR0_SO;
        regs->gpr[3] = (unsigned long)result;
    }
}

/* The user program executes the sc instruction again. */
void arch_syscall_restart(struct pt_regs *regs, bool use_restart_syscall)
{
    if (use_restart_syscall)
        regs->gpr[0] = __NR_restart_syscall;
    regs->gpr[3] = regs->orig_gpr3;
    regs->ccr &= ~CR0_SO;
    regs->nip -= 4;
    regs->trap = 0;
}
