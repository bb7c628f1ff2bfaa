/* SPDX-License-Identifier: MIT */
/*
 * cpu.h: struct cpu, the block of data that each CPU owns and reaches through one register.
 * Only its own CPU writes it, except need_resched (any CPU, atomically) and online (boot).
 */
#pragma once
#include <kernel/types.h>

struct task;
struct mm;

struct cpu {
    struct cpu *self;        /* offset 0: arch code loads the block's address from here */
    struct task *current;    /* offset 8 */
    unsigned long kstack_top;/* offset 16: where entry from user mode starts its stack */
    unsigned long scratch;   /* offset 24: entry code's spill slot */
    int preempt_count;       /* offset 32 */
    int need_resched;        /* offset 36: 1 when the scheduler should run */
    int irq_depth;           /* offset 40: nesting of interrupt handlers */
    unsigned int id;         /* offset 44: 0 .. NR_CPUS-1 */
    struct task *idle;
    struct mm *active_mm;    /* whose tables the MMU uses; kernel threads borrow it */
    u64 irq_count;           /* interrupts taken, for /proc */
    bool online;
    unsigned int hw_id;      /* APIC id or POWER thread server number */
    unsigned long arch[8];   /* arch's own: TSS address and the like */
} __aligned(64);

extern struct cpu cpus[NR_CPUS];
extern unsigned int nr_cpus_online; /* CPUs 0 .. nr_cpus_online-1 run after boot */

/*
 * Data with one instance per CPU: DEFINE_PER_CPU(int, x); use this_cpu_var(x) with preemption off,
 * or per_cpu(x, n).
 */
#define DEFINE_PER_CPU(type, name) __typeof__(type) name[NR_CPUS]
#define DECLARE_PER_CPU(type, name) extern __typeof__(type) name[NR_CPUS]
#define per_cpu(name, n) ((name)[n])
#define this_cpu_var(name) ((name)[smp_processor_id()])

#define for_each_online_cpu(n) for (unsigned int n = 0; n < nr_cpus_online; n++)

/* A set of CPUs; NR_CPUS fits one word. Atomic single-bit changes. */
typedef struct { unsigned long bits; } cpumask_t;
static inline void cpumask_set(cpumask_t *m, unsigned int n)
{
    (void)__atomic_fetch_or(&m->bits, 1UL << n, __ATOMIC_SEQ_CST);
}
static inline void cpumask_clear(cpumask_t *m, unsigned int n)
{
    (void)__atomic_fetch_and(&m->bits, ~(1UL << n), __ATOMIC_SEQ_CST);
}
static inline bool cpumask_test(const cpumask_t *m, unsigned int n)
{
    return (__atomic_load_n(&m->bits, __ATOMIC_RELAXED) >> n) & 1;
}
