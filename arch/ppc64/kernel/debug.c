/* SPDX-License-Identifier: MIT */
/*
 * debug.c: what a panic shows of the machine: registers, callers, the last fault.
 *
 * Everything is read with care: the state may be the reason for the panic. No locks, any context.
 * Source: OpenPOWER ELFv2 ABI 1.5, section 2.2.3 (the back chain; the caller's frame holds the
 * return address). Read next: kernel/panic.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <asm/quire_asm.h>
#include <kernel/kallsyms.h>
#include <kernel/printk.h>
#include <kernel/trap.h>
#include <kernel/uaccess.h>

#define LR_OFFSET 16

void arch_show_regs(const struct pt_regs *r)
{
    pr_err("NIP %016lx %pS\n", r->nip, (void *)r->nip);
    pr_err("LR  %016lx %pS\n", r->link, (void *)r->link);
    pr_err("MSR %016lx CTR %016lx XER %08lx CR %08lx TRAP %04lx\n", r->msr, r->ctr, r->xer, r->ccr,
           r->trap);
    pr_err("DAR %016lx DSISR %08lx ORIG_GPR3 %016lx\n", r->dar, r->dsisr, r->orig_gpr3);
    /* A program's r14 to r31 are not in its frame (entry.S, I5). */
    for (unsigned int i = 0; i < (user_mode(r) ? 12 : 32); i += 4)
        pr_err("R%-2u %016lx %016lx %016lx %016lx\n", i, r->gpr[i], r->gpr[i + 1], r->gpr[i + 2],
               r->gpr[i + 3]);
    pr_err("PVR %08lx SPRG0 %016lx now: MSR %016lx\n", mfspr(SPR_PVR), mfspr(SPR_SPRG0), mfmsr());
}

void arch_show_last_fault(void)
{
    unsigned long trap = current ? current->trap.number : 0;
    vaddr_t addr = mfspr(SPR_DAR);

    trap_show_last_fault(trap == PPC_DATA_STORAGE || trap == PPC_INSN_STORAGE, addr,
                         addr >= KERNEL_BASE && (mfmsr() & MSR_DR));
}

/*
 * From the frame at *@sp to its caller's; *@pc becomes the address to which the frame's function
 * returns. An exception's frame tells where it interrupted.
 */
static bool step(unsigned long *sp, unsigned long *pc)
{
    unsigned long next, marker;

    if (*sp < KERNEL_BASE || !IS_ALIGNED(*sp, 16) || !kernel_peek((void *)*sp, &next))
        return false;
    if (kernel_peek((void *)(*sp + FRAME_MARKER_OFFSET), &marker) && marker == FRAME_MARKER) {
        const struct pt_regs *regs = (const void *)(*sp + FRAME_OVERHEAD);

        if (!kernel_peek(&regs->nip, pc))
            return false;
    } else if (next <= *sp || !kernel_peek((void *)(next + LR_OFFSET), pc)) {
        return false;
    }
    /* Frames lie ever higher on one stack; anything else is a loop or garbage. */
    if (!kernel_text_address(*pc) || next <= *sp)
        return false;
    *sp = next;
    return true;
}

unsigned int arch_backtrace(const struct pt_regs *regs, unsigned long *pc, unsigned int max)
{
    unsigned long sp, at;
    unsigned int n = 0;

    if (regs) {
        if (user_mode(regs))
            return 0;
        sp = regs->gpr[1];
        if (n < max)
            pc[n++] = regs->nip;
        /*
         * A leaf function, or one whose prologue had not run, is known by LR only; so is a call
         * through a bad pointer. A stale LR repeats what the chain says.
         */
        if (n < max && kernel_text_address(regs->link))
            pc[n++] = regs->link;
        at = 0;
        if (n < max && step(&sp, &at) && at != regs->link)
            pc[n++] = at;
    } else {
        sp = (unsigned long)__builtin_frame_address(0);
    }
    while (n < max && step(&sp, &at))
        pc[n++] = at;
    return n;
}
