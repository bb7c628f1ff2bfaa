/* SPDX-License-Identifier: MIT */
/*
 * call_ktest.c: smp_call_on: everybody in the mask runs the function once, before the call returns,
 * also when all CPUs call each other with interrupts off at the same time.
 */
#include <arch/cpu.h>
#include <kernel/ktest.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/task.h>
#include <kernel/wait.h>

static atomic_t hits[NR_CPUS];

static void count(void *arg)
{
    atomic_inc(&hits[smp_processor_id()]);
    EXPECT(!irqs_enabled());
    EXPECT(arg == hits);
}

static void clear_hits(void)
{
    for (unsigned int i = 0; i < NR_CPUS; i++)
        atomic_set(&hits[i], 0);
}

KTEST(smp, call_everyone)
{
    clear_hits();
    for (int i = 0; i < 100; i++)
        smp_call_on((cpumask_t){ ~0UL }, count, hits);
    for_each_online_cpu(n)
        EXPECT_EQ(atomic_read(&hits[n]), 100);
}

KTEST(smp, call_each)
{
    clear_hits();
    for_each_online_cpu(n) {
        smp_call_on((cpumask_t){ 1UL << n }, count, hits);
        EXPECT_EQ(atomic_read(&hits[n]), 1);
    }
    smp_call_on((cpumask_t){ 0 }, count, hits);
    for_each_online_cpu(n)
        EXPECT_EQ(atomic_read(&hits[n]), 1);
}

#define STORM_CALLS 300
static atomic_t running;
static bool go;

static int storm(void *arg)
{
    while (!READ_ONCE(go))
        sched_yield_current();
    for (int i = 0; i < STORM_CALLS; i++) {
        unsigned long flags = irq_save();

        smp_call_on((cpumask_t){ ~0UL }, count, hits);
        irq_restore(flags);
    }
    atomic_dec(&running);
    return 0;
}

KTEST(smp, storm)
{
    unsigned int cpus_online = nr_cpus_online;

    if (cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    clear_hits();
    WRITE_ONCE(go, false);
    atomic_set(&running, (int)cpus_online);
    for_each_online_cpu(n) {
        struct task *t = kernel_thread(storm, NULL, "storm");

        EXPECT_OR_RETURN(!IS_ERR(t));
        (void)sched_set_affinity(t, (cpumask_t){ 1UL << n });
    }
    WRITE_ONCE(go, true); /* only now may they end: their structures are used above */
    while (atomic_read(&running) != 0)
        sched_yield_current();
    for_each_online_cpu(n)
        EXPECT_EQ(atomic_read(&hits[n]), STORM_CALLS * (int)cpus_online);
}
