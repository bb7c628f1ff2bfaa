/* SPDX-License-Identifier: MIT */
/*
 * debug.c: what a panic shows of the machine: registers, callers, the last fault.
 *
 * Everything is read with care: the state may be the reason for the panic. No locks, any context.
 * Source: System V ABI, AMD64 supplement 3.2.2 (frame pointer convention). Read next:
 * kernel/panic.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <kernel/kallsyms.h>
#include <kernel/printk.h>
#include <kernel/trap.h>
#include <kernel/uaccess.h>

void arch_show_regs(const struct pt_regs *r)
{
    pr_err("RIP %016lx %pS\n", r->rip, (void *)r->rip);
    pr_err("RSP %016lx CS %02lx SS %02lx RFLAGS %08lx\n", r->rsp, r->cs, r->ss, r->rflags);
    pr_err("RAX %016lx RBX %016lx RCX %016lx RDX %016lx\n", r->rax, r->rbx, r->rcx, r->rdx);
    pr_err("RSI %016lx RDI %016lx RBP %016lx R8  %016lx\n", r->rsi, r->rdi, r->rbp, r->r8);
    pr_err("R9  %016lx R10 %016lx R11 %016lx R12 %016lx\n", r->r9, r->r10, r->r11, r->r12);
    pr_err("R13 %016lx R14 %016lx R15 %016lx ORIG_RAX %ld\n", r->r13, r->r14, r->r15, r->orig_rax);
    pr_err("CR0 %08lx CR2 %016lx CR3 %016lx CR4 %08lx\n", read_cr(0), read_cr(2), read_cr(3),
           read_cr(4));
}

void arch_show_last_fault(void)
{
    trap_show_last_fault(current && current->trap.number == X86_PF, read_cr(2), true);
}

/* The saved frame pointer and return address at @fp, when they make sense. */
static bool step(unsigned long *fp, unsigned long *pc)
{
    unsigned long next;

    if (*fp < user_top() || !IS_ALIGNED(*fp, sizeof(long)))
        return false;
    if (!kernel_peek((void *)*fp, &next) || !kernel_peek((void *)(*fp + sizeof(long)), pc))
        return false;
    if (!kernel_text_address(*pc))
        return false;
    /* Frames lie ever higher on one stack; anything else is a loop or garbage. */
    *fp = next > *fp ? next : 0;
    return true;
}

unsigned int arch_backtrace(const struct pt_regs *regs, unsigned long *pc, unsigned int max)
{
    unsigned long fp, at;
    unsigned int n = 0;

    if (regs) {
        if (user_mode(regs))
            return 0;
        fp = regs->rbp;
        if (n < max)
            pc[n++] = regs->rip;
        /* A call through a bad pointer has left nothing but its return address. */
        if (n < max && !kernel_text_address(regs->rip) && kernel_peek((void *)regs->rsp, &at) &&
            kernel_text_address(at))
            pc[n++] = at;
    } else {
        fp = (unsigned long)__builtin_frame_address(0);
    }
    while (n < max && step(&fp, &at))
        pc[n++] = at;
    return n;
}
