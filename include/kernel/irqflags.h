/* SPDX-License-Identifier: MIT */
/*
 * irqflags.h: the half of a CPU's interrupt switch that is the same everywhere. For the end of a
 * machine's <asm/quire_cpu.h>, which has defined irq_flags(), the register that says whether
 * interrupts are on, IRQ_FLAG_ON, its bit, irq_disable() and irq_enable(). The host has its own.
 */
#pragma once
#include <kernel/types.h>

#ifndef IRQ_FLAG_ON
#error "for <asm/quire_cpu.h>, which defines IRQ_FLAG_ON and the functions below it"
#endif

static inline unsigned long irq_save(void)
{
    unsigned long flags = irq_flags();

    irq_disable();
    return flags;
}

static inline void irq_restore(unsigned long flags)
{
    if (flags & IRQ_FLAG_ON)
        irq_enable();
}

static inline bool irqs_enabled(void)
{
    return (irq_flags() & IRQ_FLAG_ON) != 0;
}
