/* SPDX-License-Identifier: MIT */
/*
 * preempt.h: the per-CPU preemption count. While it is not zero the scheduler does not switch on
 * this CPU. An interrupt that makes another task runnable sets cpu->need_resched; preempt_enable
 * acts on it.
 */
#pragma once
#include <arch/current.h>

static inline void preempt_disable(void)
{
    arch_preempt_count_inc();
    barrier();
}

/* Schedules when the count reaches zero, interrupts are on and a reschedule is pending. */
void preempt_schedule(void);

static inline void preempt_enable(void)
{
    barrier();
    if (unlikely(arch_preempt_count_dec_and_resched()))
        preempt_schedule();
}

/* For the scheduler and interrupt exit only: no check for a pending reschedule. */
static inline void preempt_enable_no_resched(void)
{
    barrier();
    arch_preempt_count_dec();
}
