/* SPDX-License-Identifier: MIT */
/*
 * quire_current.h: ppc64's side of <arch/current.h>. In the kernel r13 is the address of this CPU's
 * struct cpu; the compiler leaves r13 alone, SPRG0 holds the same for exception entries.
 *
 * An interrupt can migrate the task between two instructions, and r13 changes with the CPU. A read
 * or a store through r13 is one instruction. The count's read-modify-write is three, which is safe:
 * the task can be migrated only while its count is 0, and then the count is 0 on the CPU where it
 * goes on, too; the store goes to that CPU, since it is made through r13.
 */
#pragma once
#include <kernel/types.h>
#include <kernel/cpu.h>

_Static_assert(offsetof(struct cpu, current) == 8, "instructions below");
_Static_assert(offsetof(struct cpu, preempt_count) == 32, "instructions below");
_Static_assert(offsetof(struct cpu, need_resched) == 36, "instructions below");
_Static_assert(offsetof(struct cpu, id) == 44, "instructions below");

/* Stable only while the caller cannot migrate. */
static inline struct cpu *this_cpu(void)
{
    struct cpu *c;

    __asm__ volatile("mr %0, 13" : "=r"(c));
    return c;
}

/* The same value on every CPU on which the caller may run, so the compiler may reuse it. */
static inline struct task *current_task(void)
{
    struct task *t;

    __asm__("ld %0, 8(13)" : "=r"(t));
    return t;
}

/* Interrupts are off. */
static inline void set_current_task(struct task *t)
{
    __asm__ volatile("std %0, 8(13)" : : "r"(t) : "memory");
}

static inline unsigned int smp_processor_id(void)
{
    unsigned int id;

    __asm__ volatile("lwz %0, 44(13)" : "=r"(id));
    return id;
}

static inline void arch_preempt_count_inc(void)
{
    unsigned int n;

    __asm__ volatile("lwz %0, 32(13); addi %0, %0, 1; stw %0, 32(13)" : "=&b"(n) : : "memory");
}

static inline void arch_preempt_count_dec(void)
{
    unsigned int n;

    __asm__ volatile("lwz %0, 32(13); addi %0, %0, -1; stw %0, 32(13)" : "=&b"(n) : : "memory");
}

static inline int arch_preempt_count(void)
{
    int n;

    __asm__ volatile("lwz %0, 32(13)" : "=r"(n) : : "memory");
    return n;
}

static inline bool arch_preempt_count_dec_and_resched(void)
{
    unsigned int n, need;

    __asm__ volatile("lwz %0, 32(13); addi %0, %0, -1; stw %0, 32(13)" : "=&b"(n) : : "memory");
    if (likely(n != 0))
        return false;
    __asm__ volatile("lwz %0, 36(13)" : "=r"(need) : : "memory");
    return need != 0;
}
