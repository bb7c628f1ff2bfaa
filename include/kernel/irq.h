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

/*
 * The registers that the innermost interrupt handler of this CPU interrupted; NULL outside of one.
 */
const struct pt_regs *irq_regs(void);
/* Did the interrupt that is being handled come from user mode? */
bool irq_from_user(void);
