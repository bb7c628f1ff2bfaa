/* SPDX-License-Identifier: MIT */
/*
 * irq.c: the table of device interrupt lines, and what every interrupt begins and ends with.
 *
 * Does not know interrupt controllers: the machine opens a line, and calls irq_device when one
 * is raised. Lock: irq_lock (LOCK_LEAF) for registering; handlers are looked up without it,
 * since a line is opened after its entry is complete and is never closed. I1: preempt_count and
 * irq_depth are the same before and after a handler. Checked by the lock checker (a handler that
 * sleeps, a lock kept). Read next: arch/ARCH/kernel/irq.c, kernel/time/.
 */
#include <arch/irq.h>
#include <arch/ptrace.h>
#include <asm/errno.h>
#include <kernel/irq.h>
#include <kernel/preempt.h>
#include <kernel/sched.h>
#include <kernel/spinlock.h>

static struct line {
    irq_handler_t fn;
    void *arg;
    const char *name;
    u64 count;
} lines[NR_IRQS];
static spinlock_t irq_lock = SPINLOCK_INIT(LOCK_LEAF);
static DEFINE_PER_CPU(const struct pt_regs *, interrupted);

/* ---- lines ---- */

int irq_register(unsigned int irq, irq_handler_t fn, void *arg, const char *name)
{
    unsigned long flags;
    int err = -EBUSY;

    if (irq >= NR_IRQS)
        return -EINVAL;
    flags = spin_lock_irqsave(&irq_lock);
    if (!lines[irq].fn) {
        lines[irq] = (struct line){.fn = fn, .arg = arg, .name = name};
        err = arch_irq_open(irq);
        if (err)
            lines[irq].fn = NULL;
    }
    spin_unlock_irqrestore(&irq_lock, flags);
    return err;
}

int irq_register_any(unsigned int first, irq_handler_t fn, void *arg, const char *name)
{
    unsigned long flags = spin_lock_irqsave(&irq_lock);
    unsigned int irq = first;

    while (irq < NR_IRQS && lines[irq].fn)
        irq++;
    if (irq < NR_IRQS)
        lines[irq] = (struct line){.fn = fn, .arg = arg, .name = name};
    spin_unlock_irqrestore(&irq_lock, flags);
    return irq < NR_IRQS ? (int)irq : -EBUSY;
}

const char *irq_name(unsigned int irq, u64 *count)
{
    if (irq >= NR_IRQS || !lines[irq].fn)
        return NULL;
    *count = READ_ONCE(lines[irq].count);
    return lines[irq].name;
}

void irq_device(unsigned int irq)
{
    if (irq < NR_IRQS && lines[irq].fn) {
        lines[irq].count++;
        lines[irq].fn(lines[irq].arg);
    }
}

/* ---- an interrupt ---- */

const struct pt_regs *irq_regs(void)
{
    return this_cpu_var(interrupted);
}

bool irq_from_user(void)
{
    const struct pt_regs *regs = irq_regs();

    return regs && user_mode(regs);
}

const struct pt_regs *irq_begin(const struct pt_regs *regs)
{
    struct cpu *c = this_cpu();
    const struct pt_regs *outer = interrupted[c->id];

    interrupted[c->id] = regs;
    /*
     * A full barrier: RCU may take an idle CPU with depth 0 for one without readers (kernel/rcu.c).
     */
    (void)__atomic_fetch_add(&c->irq_depth, 1, __ATOMIC_SEQ_CST);
    smp_mb();
    c->irq_count++;
    preempt_disable();
    return outer;
}

void irq_end(const struct pt_regs *regs, const struct pt_regs *outer, bool was_on)
{
    struct cpu *c = this_cpu();

    preempt_enable_no_resched();
    smp_store_release(&c->irq_depth, c->irq_depth - 1);
    interrupted[c->id] = outer;
    /* The way back to user mode looks at need_resched itself. */
    if (!user_mode(regs) && c->irq_depth == 0 && was_on)
        sched_irq_exit();
}
