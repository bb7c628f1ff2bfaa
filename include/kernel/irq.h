/* SPDX-License-Identifier: MIT */
/*
 * irq.h: device interrupts. Handlers run with interrupts off, on the stack of what they
 * interrupted, and may not sleep; cpu->irq_depth counts their nesting and preemption is off
 * meanwhile.
 */
#pragma once
#include <kernel/cpu.h>

struct pt_regs;

typedef void (*irq_handler_t)(void *arg);

/*
 * Routes interrupt line @irq (the machine's own numbering) to @fn and opens it. 0, -EBUSY, -EINVAL.
 */
int __must_check irq_register(unsigned int irq, irq_handler_t fn, void *arg, const char *name);
/* For /proc/interrupts: name of line @irq and its count; NULL when nobody has registered it. */
const char *irq_name(unsigned int irq, u64 *count);
#define NR_IRQS 32

/* For the machine's interrupt entry. */
/* Runs the handler of line @irq; of lines that nobody has nothing comes. */
void irq_device(unsigned int irq);
/* Registers a line from @first on that nobody has and that needs no opening. Its number or -EBUSY.
 */
int __must_check irq_register_any(unsigned int first, irq_handler_t fn, void *arg,
                                  const char *name);
/* Around everything that an interrupt does: irq_begin's result is irq_end's @outer; @was_on: the
 * code that was interrupted ran with interrupts on. irq_end may switch to another task. */
const struct pt_regs *irq_begin(const struct pt_regs *regs);
void irq_end(const struct pt_regs *regs, const struct pt_regs *outer, bool was_on);

/*
 * The registers that the innermost interrupt handler of this CPU interrupted; NULL outside of one.
 */
const struct pt_regs *irq_regs(void);
/* Did the interrupt that is being handled come from user mode? */
bool irq_from_user(void);
