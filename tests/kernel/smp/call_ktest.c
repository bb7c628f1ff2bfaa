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
#include "../team.h"

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

/* An emulator whose CPUs wait for their host's takes long for a round of calls: each CPU does the
 * least, and goes on to the most while there is time. */
#define STORM_MOST  300
#define STORM_LEAST 20

static bool storm_goes_on(struct team *team, unsigned int nr)
{
    if (team_round(team, nr, STORM_MOST))
        return true;
    if (team->rounds[nr] >= STORM_LEAST)
        return false;
    team->rounds[nr]++;
    return true;
}

static void storm(struct team *team, unsigned int nr)
{
    while (storm_goes_on(team, nr)) {
        unsigned long flags = irq_save();

        smp_call_on((cpumask_t){ ~0UL }, count, hits);
        irq_restore(flags);
    }
}

KTEST(smp, storm)
{
    struct team team = { .arg = NULL };

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    clear_hits();
    team_run(&team, min(nr_cpus_online, (unsigned int)TEAM_MAX), storm, true);
    for_each_online_cpu(n)
        EXPECT_EQ(atomic_read(&hits[n]), team_total(&team));
}

/* Certainly at the same time: all wait with interrupts off until the last is there, then call. */
#define MEETINGS 20

static void meet_and_call(struct team *team, unsigned int nr)
{
    atomic_t *there = team->arg;

    atomic_inc(there);
    while (atomic_read(there) < (int)nr_cpus_online)
        cpu_relax(); /* each is on its own CPU, before anybody keeps one for himself */
    for (int i = 2; i <= MEETINGS + 1; i++) {
        unsigned long flags = irq_save();

        atomic_inc(there);
        while (atomic_read(there) < i * (int)nr_cpus_online)
            smp_handle_call(); /* who has not come yet may wait for us elsewhere */
        smp_call_on((cpumask_t){ ~0UL }, count, hits);
        irq_restore(flags);
        team->rounds[nr]++;
    }
}

KTEST(smp, callers_with_interrupts_off_serve_each_other)
{
    atomic_t there = { 0 };
    struct team team = { .arg = &there };

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    clear_hits();
    team_run(&team, nr_cpus_online, meet_and_call, true);
    for_each_online_cpu(n)
        EXPECT_EQ(atomic_read(&hits[n]), (int)nr_cpus_online * MEETINGS);
}
