/* SPDX-License-Identifier: MIT */
/*
 * irq.c: from an interrupt vector to what handles it: a device's line, the timer, another CPU.
 *
 * No locks. Source: SDM volume 3, chapter 10. Read next: kernel/irq.c, apic.c, ioapic.c.
 */
#include "internal.h"
#include <arch/irq.h>
#include <kernel/irq.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/time.h>

/* Lines from here on belong to no I/O APIC, QEMU's has 24: they are for messages. */
#define FIRST_MESSAGE_LINE 24

int arch_irq_open(unsigned int irq)
{
    return ioapic_route(irq, VECTOR_DEVICE + irq, cpus[0].hw_id);
}

int irq_register_message(irq_handler_t fn, void *arg, const char *name)
{
    int line = irq_register_any(FIRST_MESSAGE_LINE, fn, arg, name);

    return line < 0 ? line : VECTOR_DEVICE + line;
}

static void dispatch(unsigned int vector)
{
    switch (vector) {
    case VECTOR_SPURIOUS: /* no end of interrupt: SDM volume 3, 10.9 */
        return;
    case VECTOR_TIMER:
        apic_eoi();
        timer_interrupt();
        return;
    case VECTOR_CALL:
        apic_eoi();
        smp_handle_call();
        return;
    case VECTOR_RESCHED: /* the sender has set need_resched; the way out of here looks at it */
        apic_eoi();
        return;
    default:
        if (vector >= VECTOR_DEVICE && vector < VECTOR_TIMER)
            irq_device(vector - VECTOR_DEVICE);
        apic_eoi();
        return;
    }
}

void handle_interrupt(struct pt_regs *regs, unsigned long vector)
{
    const struct pt_regs *outer = irq_begin(regs);

    dispatch((unsigned int)vector);
    irq_end(regs, outer, (regs->rflags & X86_EFLAGS_IF) != 0);
}

void arch_send_resched_ipi(unsigned int cpu)
{
    apic_send_ipi(cpu, VECTOR_RESCHED);
}

void arch_send_call_ipi(unsigned long targets, bool all_others)
{
    if (all_others) {
        apic_send_ipi_all_others(VECTOR_CALL);
        return;
    }
    for (unsigned long t = targets; t != 0; t &= t - 1)
        apic_send_ipi((unsigned int)__builtin_ctzl(t), VECTOR_CALL);
}
