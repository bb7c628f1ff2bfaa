/* SPDX-License-Identifier: MIT */
/*
 * irq.c: from an interrupt vector to the code that handles it, and what is due when the handler is
 * done.
 *
 * Lock: irq_lock (LOCK_LEAF) for registering; handlers are looked up without it, since a line is
 * opened after its entry is complete and is never closed. I1: preempt_count and irq_depth are the
 * same before and after a handler.
 * Read next: entry.S, apic.c, kernel/time/.
 */
#include "internal.h"
#include <asm/errno.h>
#include <kernel/irq.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/spinlock.h>
#include <kernel/time.h>

static struct line {
    irq_handler_t fn;
    void *arg;
    const char *name;
    u64 count;
} lines[NR_IRQS];
static spinlock_t irq_lock = SPINLOCK_INIT(LOCK_LEAF);
static DEFINE_PER_CPU(const struct pt_regs *, interrupted);

int irq_register(unsigned int irq, irq_handler_t fn, void *arg, const char *name)
{
    unsigned long flags;
    int err = -EBUSY;

    if (irq >= NR_IRQS)
        return -EINVAL;
    flags = spin_lock_irqsave(&irq_lock);
    if (!lines[irq].fn) {
        lines[irq] = (struct line){ .fn = fn, .arg = arg, .name = name };
        err = ioapic_route(irq, VECTOR_DEVICE + irq, cpus[0].hw_id);
        if (err)
            lines[irq].fn = NULL;
    }
    spin_unlock_irqrestore(&irq_lock, flags);
    return err;
}

/* Lines from here on belong to no I/O APIC: QEMU's has 24. */
#define FIRST_MESSAGE_LINE 24

int irq_register_message(irq_handler_t fn, void *arg, const char *name)
{
    unsigned long flags = spin_lock_irqsave(&irq_lock);
    int vector = -EBUSY;

    for (unsigned int irq = FIRST_MESSAGE_LINE; irq < NR_IRQS && vector < 0; irq++)
        if (!lines[irq].fn) {
            lines[irq] = (struct line){ .fn = fn, .arg = arg, .name = name };
            vector = VECTOR_DEVICE + (int)irq;
        }
    spin_unlock_irqrestore(&irq_lock, flags);
    return vector;
}

const char *irq_name(unsigned int irq, u64 *count)
{
    if (irq >= NR_IRQS || !lines[irq].fn)
        return NULL;
    *count = READ_ONCE(lines[irq].count);
    return lines[irq].name;
}

const struct pt_regs *irq_regs(void)
{
    return this_cpu_var(interrupted);
}

bool irq_from_user(void)
{
    const struct pt_regs *regs = irq_regs();

    return regs && user_mode(regs);
}

static void device_interrupt(unsigned int irq)
{
    if (irq < NR_IRQS && lines[irq].fn) {
        lines[irq].count++;
        lines[irq].fn(lines[irq].arg);
    }
}

void irq_dispatch(struct pt_regs *regs, unsigned int vector)
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
            device_interrupt(vector - VECTOR_DEVICE);
        apic_eoi();
        return;
    }
}

void handle_interrupt(struct pt_regs *regs, unsigned long vector)
{
    struct cpu *c = this_cpu();
    const struct pt_regs *outer = interrupted[c->id];

    interrupted[c->id] = regs;
    /*
     * A full barrier: RCU may take an idle CPU with depth 0 for one without readers (kernel/rcu.c).
     */
    (void)__atomic_fetch_add(&c->irq_depth, 1, __ATOMIC_SEQ_CST);
    c->irq_count++;
    preempt_disable();
    irq_dispatch(regs, (unsigned int)vector);
    preempt_enable_no_resched();
    smp_store_release(&c->irq_depth, c->irq_depth - 1);
    interrupted[c->id] = outer;

    /* The way back to user mode looks at need_resched itself. */
    if (!user_mode(regs) && c->irq_depth == 0 && (regs->rflags & X86_EFLAGS_IF))
        sched_irq_exit();
}

void arch_send_resched_ipi(unsigned int cpu)
{
    apic_send_ipi(cpu, VECTOR_RESCHED);
}
