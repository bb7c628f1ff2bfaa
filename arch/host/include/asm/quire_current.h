/* SPDX-License-Identifier: MIT */
/* quire_current.h: the host's side of <arch/current.h>. Each thread is one CPU for all its life
 * (see host_cpu_enter). */
#pragma once
#include <kernel/cpu.h>
#include <kernel/types.h>

extern _Thread_local struct cpu *host_this_cpu;

static inline struct cpu *this_cpu(void)
{
    return host_this_cpu;
}

/* NULL unless a test gives its thread a task. */
static inline struct task *current_task(void)
{
    return host_this_cpu->current;
}

static inline void set_current_task(struct task *t)
{
    host_this_cpu->current = t;
}

static inline unsigned int smp_processor_id(void)
{
    return host_this_cpu->id;
}

/* The count belongs to the thread, not to the CPU that it plays while it runs another CPU's
 * interrupt handler. It is also what the fake RCU looks at: 0 is a quiescent state. */
extern _Thread_local struct cpu *host_own_cpu;

static inline int arch_preempt_count(void)
{
    return host_own_cpu->preempt_count;
}

static inline void arch_preempt_count_inc(void)
{
    __atomic_store_n(&host_own_cpu->preempt_count, host_own_cpu->preempt_count + 1,
                     __ATOMIC_SEQ_CST);
}

static inline void arch_preempt_count_dec(void)
{
    if (host_own_cpu->preempt_count == 1)
        host_own_cpu->arch[0]++; /* a read-side section ended */
    __atomic_store_n(&host_own_cpu->preempt_count, host_own_cpu->preempt_count - 1,
                     __ATOMIC_SEQ_CST);
}

static inline bool arch_preempt_count_dec_and_resched(void)
{
    arch_preempt_count_dec();
    return false;
}
