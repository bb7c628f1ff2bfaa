/* SPDX-License-Identifier: MIT */
/*
 * arch/current.h: contract for finding the running CPU and task.
 *
 * <asm/quire_current.h> (arch/ARCH/include/asm) provides, as static inlines:
 *   struct cpu *this_cpu(void)             this CPU's block (see kernel/cpu.h)
 *   struct task *current_task(void)        the running task
 *   void set_current_task(struct task *)   the context switch, and the scheduler for a CPU's first
 *   unsigned smp_processor_id(void)
 *   int arch_preempt_count(void)
 *   void arch_preempt_count_inc(void), arch_preempt_count_dec(void)
 *                                          safe against interrupts and migration
 *   bool arch_preempt_count_dec_and_resched(void)
 *                                          decrements; true when now 0 and need_resched is set
 */
#pragma once
#include <kernel/types.h>
#include <kernel/cpu.h>
#include <asm/quire_current.h>

#define current current_task()
