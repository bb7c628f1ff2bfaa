/* SPDX-License-Identifier: MIT */
/*
 * syscall.c: the MSRs behind the syscall instruction, and the calls that only x86-64 has.
 * Source: SDM volume 2, SYSCALL; arch_prctl(2). No locks. Read next: entry.S, kernel/syscall.c.
 */
#include "internal.h"
#include <arch/mmu_const.h>
#include <arch/task.h>
#include <asm/errno.h>
#include <asm/prctl.h>
#include <kernel/signal.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>

void syscall_init_cpu(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE);
    /* syscall: CS, SS = KERNEL_CS, +8. sysret: SS = base + 8, CS = base + 16. */
    wrmsr(MSR_STAR, (u64)KERNEL_CS << 32 | (u64)(USER_DS - 8) << 48);
    wrmsr(MSR_LSTAR, (u64)syscall_entry);
    wrmsr(MSR_SYSCALL_MASK, X86_EFLAGS_IF | X86_EFLAGS_DF | X86_EFLAGS_TF | X86_EFLAGS_NT |
                                X86_EFLAGS_AC | X86_EFLAGS_IOPL | X86_EFLAGS_RF);
}

bool arch_in_syscall(const struct pt_regs *regs)
{
    return regs->orig_rax >= 0;
}

long arch_syscall_result(const struct pt_regs *regs)
{
    return (long)regs->rax;
}

void arch_set_syscall_result(struct pt_regs *regs, long result)
{
    regs->rax = (unsigned long)result;
}

/* The user program executes the two-byte syscall instruction again. */
void arch_syscall_restart(struct pt_regs *regs, bool use_restart_syscall)
{
    regs->rax = use_restart_syscall ? __NR_restart_syscall : (unsigned long)regs->orig_rax;
    regs->rip -= 2;
    regs->orig_rax = -1;
}

/* The user's bases while the thread runs: FS in its MSR, GS in the one that swapgs exchanges. */
SYSCALL2(arch_prctl, int, option, unsigned long, addr)
{
    switch (option) {
    case ARCH_SET_FS:
        if (addr >= user_top())
            return -EPERM;
        current->arch.fs_base = addr;
        wrmsr(MSR_FS_BASE, addr);
        return 0;
    case ARCH_SET_GS:
        if (addr >= user_top())
            return -EPERM;
        current->arch.gs_base = addr;
        wrmsr(MSR_KERNEL_GS_BASE, addr);
        return 0;
    case ARCH_GET_FS:
        return put_user_u64(rdmsr(MSR_FS_BASE), (void __user *)addr);
    case ARCH_GET_GS:
        return put_user_u64(rdmsr(MSR_KERNEL_GS_BASE), (void __user *)addr);
    default:
        return -EINVAL;
    }
}
