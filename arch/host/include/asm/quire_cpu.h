/* SPDX-License-Identifier: MIT */
/*
 * quire_cpu.h: the host's side of <arch/cpu.h>. A thread of the test program plays a CPU;
 * "interrupts off" means that it holds its CPU's mutex, which whoever plays an inter-processor
 * interrupt takes, too. tests/host/fake/cpu.c implements.
 */
#pragma once
#include <kernel/types.h>

unsigned long irq_save(void);
void irq_restore(unsigned long flags);
void irq_enable(void);
void irq_disable(void);
bool irqs_enabled(void);
/* Gives the processor to another thread: the holder of the lock may be waiting for it. */
void cpu_relax(void);
void cpu_idle_wait(void);
u64 cycle_counter(void);
