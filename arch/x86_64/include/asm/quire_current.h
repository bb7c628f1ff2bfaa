/* SPDX-License-Identifier: MIT */
/*
 * quire_current.h: x86-64's side of <arch/current.h>. In the kernel GS.base is the address of this
 * CPU's struct cpu.
 *
 * One instruction with a %gs operand reads or changes a field: it cannot be split by an interrupt
 * that migrates the task, which is why the preemption count is never changed through a pointer.
 */
#pragma once
#include <kernel/types.h>
#include <kernel/cpu.h>

_Static_assert(offsetof(struct cpu, self) == 0, "entry code reads it");
_Static_assert(offsetof(struct cpu, current) == 8, "entry code reads it");
_Static_assert(offsetof(struct cpu, kstack_top) == 16, "entry code reads it");
_Static_assert(offsetof(struct cpu, scratch) == 24, "entry code writes it");
_Static_assert(offsetof(struct cpu, preempt_count) == 32, "entry code reads it");
_Static_assert(offsetof(struct cpu, need_resched) == 36, "entry code reads it");
_Static_assert(offsetof(struct cpu, id) == 44, "smp_processor_id reads it");

/* Stable only while the caller cannot migrate. */
static inline struct cpu *this_cpu(void)
{
    struct cpu *c;

    __asm__ volatile("movq %%gs:0, %0" : "=r"(c));
    return c;
}

/* The same value on every CPU on which the caller may run, so the compiler may reuse it. */
static inline struct task *current_task(void)
{
    struct task *t;

    __asm__("movq %%gs:8, %0" : "=r"(t));
    return t;
}

/* Interrupts are off. */
static inline void set_current_task(struct task *t)
{
    __asm__ volatile("movq %0, %%gs:8" : : "r"(t) : "memory");
}

static inline unsigned int smp_processor_id(void)
{
    unsigned int id;

    __asm__ volatile("movl %%gs:44, %0" : "=r"(id));
    return id;
}

static inline void arch_preempt_count_inc(void)
{
    __asm__ volatile("incl %%gs:32" : : : "memory", "cc");
}

static inline void arch_preempt_count_dec(void)
{
    __asm__ volatile("decl %%gs:32" : : : "memory", "cc");
}

static inline int arch_preempt_count(void)
{
    int n;

    __asm__ volatile("movl %%gs:32, %0" : "=r"(n) : : "memory");
    return n;
}

static inline bool arch_preempt_count_dec_and_resched(void)
{
    bool zero, need;

    __asm__ volatile("decl %%gs:32" : "=@ccz"(zero) : : "memory");
    if (likely(!zero))
        return false;
    __asm__ volatile("cmpl $0, %%gs:36" : "=@ccne"(need) : : "memory");
    return need;
}
