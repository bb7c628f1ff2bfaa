/* SPDX-License-Identifier: MIT */
/*
 * arch/cpu.h: contract for what a CPU can do besides memory management. <asm/quire_cpu.h> provides
 * as static inlines, where it can with the help of <kernel/irqflags.h>:
 *   unsigned long irq_save(void)          turns interrupts off, returns the old state
 *   void irq_restore(unsigned long)
 *   void irq_enable(void), irq_disable(void)
 *   bool irqs_enabled(void)
 *   void cpu_relax(void)                  inside a spin loop
 *   void cpu_idle_wait(void)              enables interrupts and halts until one comes, without
 *                                         losing a wake-up
 *   u64 cycle_counter(void)               rdtsc / mftb, for statistics
 */
#pragma once
#include <kernel/types.h>
#include <asm/quire_cpu.h>
