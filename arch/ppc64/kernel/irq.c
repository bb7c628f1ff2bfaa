/* SPDX-License-Identifier: MIT */
/*
 * irq.c: from an external or decrementer interrupt to what handles it.
 *
 * No locks. Read next: kernel/irq.c, entry.S, xics.c, time.c.
 */
#include "internal.h"
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/sched.h>
#include <kernel/time.h>

int arch_irq_open(unsigned int irq)
{
    return xics_route(irq);
}

void handle_interrupt(struct pt_regs *regs)
{
    const struct pt_regs *outer = irq_begin(regs);

    if (regs->trap == PPC_DECREMENTER) {
        time_stop_decrementer();
        timer_interrupt();
    } else {
        xics_interrupt();
    }
    irq_end(regs, outer, (regs->msr & MSR_EE) != 0);
}

/* One interrupt for both: the CPU looks for calls and at need_resched. */
void arch_send_resched_ipi(unsigned int cpu)
{
    xics_send_ipi(cpu);
}

void arch_send_call_ipi(unsigned long targets, bool all_others)
{
    (void)all_others;
    for (unsigned long t = targets; t != 0; t &= t - 1)
        xics_send_ipi((unsigned int)__builtin_ctzl(t));
}
