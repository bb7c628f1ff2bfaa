/* SPDX-License-Identifier: MIT */
/* irq.h: what kernel/irq.c and kernel/smp.c need of a machine. arch/ARCH/kernel implements. */
#pragma once
#include <kernel/cpu.h>

/* Leads line @irq to irq_device(@irq) and opens it. irq_lock held. 0 or -errno. */
int __must_check arch_irq_open(unsigned int irq);

/* Interrupts the CPUs of @targets, which then run smp_handle_call; @all_others: these are all but
 * the caller's. Interrupts are off. */
void arch_send_call_ipi(unsigned long targets, bool all_others);

/* Interrupts that cannot be turned off, to all CPUs but the caller's, which then run
 * smp_handle_nmi. False when the machine has none, or there is nobody. */
bool arch_send_stop(void);
