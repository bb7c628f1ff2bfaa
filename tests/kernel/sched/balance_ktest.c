/* SPDX-License-Identifier: MIT */
/*
 * balance_ktest.c: work spreads over the CPUs, each task runs on one at a time, and none is lost on
 * the way.
 */
#include "tests/kernel/team.h"

struct spread {
    unsigned long per_cpu[NR_CPUS];
    u64 ns[TEAM_MAX];
};

static void burn(struct team *team, unsigned int nr)
{
    struct spread *s = team->arg;
    u64 start = sched_task_ns(current);

    while (!team_stopped(team)) {
        __atomic_fetch_add(&s->per_cpu[smp_processor_id()], 1, __ATOMIC_RELAXED);
        test_spin_us(50);
    }
    s->ns[nr] = sched_task_ns(current) - start;
}

KTEST(balance, work_spreads)
{
    struct spread s = { .ns = { 0 } };
    struct team team = { .arg = &s };
    u64 idle_before = 0, idle_after = 0;

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    team_start(&team, nr_cpus_online, burn, false);
    test_sleep_ms(200); /* two rounds of balancing and more */
    for_each_online_cpu(cpu)
        idle_before += sched_idle_ns(cpu);
    test_sleep_ms(300);
    for_each_online_cpu(cpu) {
        idle_after += sched_idle_ns(cpu);
        EXPECT(s.per_cpu[cpu] > 0);
    }
    /* No CPU idles while another has two: at most a tenth of the time. */
    EXPECT(idle_after - idle_before < nr_cpus_online * 300 * NSEC_PER_MSEC / 10);
    WRITE_ONCE(team.stop, true);
    team_join(&team);
}

/* All start on one CPU and are then let go. True: each CPU has had one 300 ms later. */
static bool spread_in_time(unsigned int n)
{
    struct spread s = { .ns = { 0 } };
    struct team team = { .arg = &s };
    bool all = true;

    team_start(&team, n, burn, false);
    test_sleep_ms(50);
    for_each_online_cpu(cpu)
        if (cpu != 0)
            EXPECT_EQ(s.per_cpu[cpu], 0);
    for (unsigned int i = 0; i < n; i++)
        EXPECT_EQ(sched_set_affinity(team.member[i], (cpumask_t){ ~0UL }), 0);
    test_sleep_ms(300);
    for_each_online_cpu(cpu)
        all = all && s.per_cpu[cpu] > 0;
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    return all;
}

/* In one of a few tries, since the host of an emulator may take all of such a time away. */
KTEST(balance, released_tasks_spread)
{
    unsigned int n = 2 * nr_cpus_online;
    bool spread = false;

    if (nr_cpus_online == 1 || n > TEAM_MAX) {
        ktest_skip("needs 2 to 8 CPUs");
        return;
    }
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1 }), 0);
    for (int tries = 0; tries < 4 && !spread; tries++)
        spread = spread_in_time(n);
    EXPECT(spread);
}

struct claim {
    u32 runs_on[TEAM_MAX]; /* CPU + 1 while between two marks with preemption off */
    atomic_long_t rounds;
};

static void claim_cpu(struct team *team, unsigned int nr)
{
    struct claim *c = team->arg;
    u64 random = nr + 3;

    while (!team_stopped(team)) {
        preempt_disable();
        EXPECT_EQ(xchg(&c->runs_on[nr], smp_processor_id() + 1), 0);
        EXPECT_EQ(current->cpu, smp_processor_id());
        EXPECT(current->on_cpu);
        EXPECT_EQ(xchg(&c->runs_on[nr], 0), smp_processor_id() + 1);
        preempt_enable();
        atomic_long_inc(&c->rounds);
        switch (test_random(&random) % 8) {
        case 0: sched_yield_current(); break;
        case 1: nanosleep_until(clock_monotonic_ns() + 20 * NSEC_PER_USEC, false, NULL); break;
        case 2: wake_up_task(team->captain); break;
        default: break;
        }
    }
}

KTEST(balance, nobody_runs_twice)
{
    struct claim c = { .rounds = ATOMIC_INIT(0) };
    struct team team = { .arg = &c };

    team_start(&team, min(4 * nr_cpus_online, TEAM_MAX + 0u), claim_cpu, false);
    for (unsigned int i = 0; i < 20; i++) {
        test_sleep_ms(15);
        EXPECT_EQ(sched_check(), 0);
    }
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    EXPECT(atomic_long_read(&c.rounds) > 0);
}
