/* SPDX-License-Identifier: MIT */
/* policy_ktest.c: real-time policies and affinity. */
#include "tests/kernel/team.h"
#include <linux/errno.h>
#include <linux/sched.h>

struct rt {
    bool ready[TEAM_MAX];
    bool release;
    unsigned int order[TEAM_MAX];
    atomic_t next;
};

static void pin_to_cpu0(void)
{
    cpumask_t mask = { 1 };

    EXPECT_EQ(sched_set_affinity(current, mask), 0);
}

/* Members are released together and note in which order they get CPU 0. */
static void run_in_order(struct team *team, unsigned int nr)
{
    struct rt *rt = team->arg;

    pin_to_cpu0();
    EXPECT_EQ(sched_set_policy(current, SCHED_FIFO, 10 + nr), 0);
    WRITE_ONCE(rt->ready[nr], true);
    task_set_state(TASK_UNINTERRUPTIBLE);
    if (!READ_ONCE(rt->release))
        schedule();
    WRITE_ONCE(current->state, TASK_RUNNING);
    rt->order[atomic_inc_return(&rt->next) - 1] = nr;
    test_spin_us(300);
}

KTEST(policy, priorities_order)
{
    struct rt rt = { .release = false };
    struct team team = { .arg = &rt };

    pin_to_cpu0();
    EXPECT_EQ(sched_set_policy(current, SCHED_FIFO, 50), 0);
    team_start(&team, 4, run_in_order, false);
    for (unsigned int i = 0; i < 4; i++)
        while (!READ_ONCE(rt.ready[i]))
            test_sleep_ms(1);
    test_sleep_ms(5);
    WRITE_ONCE(rt.release, true);
    for (unsigned int i = 0; i < 4; i++)
        wake_up_task(team.member[i]); /* none runs yet: the caller's priority is higher */
    EXPECT_EQ(atomic_read(&rt.next), 0);
    team_join(&team);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT_EQ(rt.order[i], 3 - i);
}

KTEST(policy, arguments)
{
    EXPECT_EQ(sched_set_policy(current, SCHED_FIFO, 0), -EINVAL);
    EXPECT_EQ(sched_set_policy(current, SCHED_RR, 100), -EINVAL);
    EXPECT_EQ(sched_set_policy(current, SCHED_NORMAL, 1), -EINVAL);
    EXPECT_EQ(sched_set_policy(current, 77, 0), -EINVAL);
    EXPECT_EQ(sched_set_policy(current, SCHED_BATCH, 0), 0);
    EXPECT_EQ(sched_set_policy(current, SCHED_NORMAL, 0), 0);
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 0 }), -EINVAL);
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1UL << (NR_CPUS + 1) }), -EINVAL);
}

/* A real-time burner leaves nothing; back at normal, others run again. */
static void burn_rt(struct team *team, unsigned int nr)
{
    unsigned long *counts = team->arg;
    u64 end;

    pin_to_cpu0();
    if (nr == 1) {
        while (!team_stopped(team)) {
            WRITE_ONCE(counts[1], counts[1] + 1);
            cpu_relax();
        }
        return;
    }
    test_sleep_ms(5);
    EXPECT_EQ(sched_set_policy(current, SCHED_FIFO, 20), 0);
    counts[0] = READ_ONCE(counts[1]);
    end = clock_monotonic_ns() + 50 * NSEC_PER_MSEC;
    while (clock_monotonic_ns() < end)
        cpu_relax();
    EXPECT_EQ(READ_ONCE(counts[1]), counts[0]);
    EXPECT_EQ(sched_set_policy(current, SCHED_NORMAL, 0), 0);
    test_sleep_ms(20);
    EXPECT(READ_ONCE(counts[1]) > counts[0]);
    WRITE_ONCE(team->stop, true);
}

KTEST(policy, fifo_keeps_the_cpu)
{
    unsigned long counts[2] = { 0 };
    struct team team = { .arg = counts };

    team_run(&team, 2, burn_rt, false);
}

KTEST(affinity, self)
{
    for_each_online_cpu(cpu) {
        EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1UL << cpu }), 0);
        EXPECT_EQ(smp_processor_id(), cpu);
        sched_yield_current();
        EXPECT_EQ(smp_processor_id(), cpu);
        test_sleep_ms(1);
        EXPECT_EQ(smp_processor_id(), cpu);
    }
}

static void be_moved(struct team *team, unsigned int nr)
{
    u64 random = nr + 5;

    while (!team_stopped(team)) {
        switch (test_random(&random) % 4) {
        case 0: sched_yield_current(); break;
        case 1: nanosleep_until(clock_monotonic_ns() + 50 * NSEC_PER_USEC, false, NULL); break;
        default: test_spin_us(30); break;
        }
    }
}

/* After the call returned, the thread never runs outside of the mask, whatever it was doing. */
KTEST(affinity, others_running_queued_sleeping)
{
    struct team team = { .arg = NULL };
    unsigned int n = min(2 * nr_cpus_online, TEAM_MAX + 0u);
    u64 random = 99;

    team_start(&team, n, be_moved, false);
    test_sleep_ms(20);
    for (unsigned int i = 0; i < 600 && clock_monotonic_ns() < team.end_ns; i++) {
        struct task *t = team.member[test_random(&random) % n];
        unsigned long bits = test_random(&random) & ((1UL << nr_cpus_online) - 1);

        if (bits == 0)
            continue;
        EXPECT_EQ(sched_set_affinity(t, (cpumask_t){ bits }), 0);
        for (unsigned int k = 0; k < 3; k++) {
            EXPECT(!READ_ONCE(t->on_cpu) || (bits >> READ_ONCE(t->cpu) & 1));
            cpu_relax();
        }
    }
    WRITE_ONCE(team.stop, true);
    team_join(&team);
}

/* Three CPUs: one task says that it sleeps, one takes its CPU away, one wakes it at that moment. */
struct departure {
    struct team team;
    struct task *sleeper;
    unsigned int round;  /* odd: the sleeper says it sleeps */
    unsigned long moved;
};

static void be_sent_away(struct departure *d)
{
    while (!team_stopped(&d->team)) {
        unsigned int round = READ_ONCE(d->round) + 1;

        task_set_state(TASK_INTERRUPTIBLE);
        WRITE_ONCE(d->round, round);
        while (READ_ONCE(d->round) == round && !team_stopped(&d->team))
            cpu_relax();
        task_set_state(TASK_RUNNING);
    }
}

static void wake_when_it_leaves(struct departure *d)
{
    struct task *t = d->sleeper;

    while (!team_stopped(&d->team)) {
        if (!cpumask_test(&t->affinity, READ_ONCE(t->cpu)))
            wake_up_task(t);
        cpu_relax();
    }
    wake_up_task(t);
}

static void send_away(struct departure *d)
{
    while (clock_monotonic_ns() < d->team.end_ns) {
        unsigned int round = READ_ONCE(d->round), cpu = READ_ONCE(d->sleeper->cpu);

        if (round % 2 == 0)
            continue;
        EXPECT_EQ(sched_set_affinity(d->sleeper, (cpumask_t){ 1UL << (cpu ^ 1) }), 0);
        d->moved++;
        WRITE_ONCE(d->round, round + 1);
        wake_up_task(d->sleeper);
    }
    WRITE_ONCE(d->team.stop, true);
    wake_up_task(d->sleeper);
}

static void depart(struct team *team, unsigned int nr)
{
    static void (*const roles[])(struct departure *) = { be_sent_away, wake_when_it_leaves,
                                                         send_away };
    struct departure *d = container_of(team, struct departure, team);

    if (nr > 0)
        EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 2UL << nr }), 0);
    while (!READ_ONCE(d->sleeper))
        sched_yield_current();
    roles[nr](d);
}

/*
 * A task that says it sleeps, is preempted and may not stay on its CPU is on no queue for a moment.
 * A waker must not queue it then: whoever moves it does. sched_check sees one that is queued twice.
 */
KTEST(affinity, woken_while_it_leaves)
{
    struct departure d = { .round = 0 };

    if (nr_cpus_online < 4) {
        ktest_skip("needs 4 CPUs");
        return;
    }
    team_start(&d.team, 3, depart, false);
    task_get(d.team.member[0]);
    WRITE_ONCE(d.sleeper, d.team.member[0]);
    team_join(&d.team);
    EXPECT(d.moved > 0);
    task_put(d.sleeper);
}

/* Sleeps and wakes all the time, so that it is mostly on its way off a CPU or onto one. */
static void doze(struct team *team, unsigned int nr)
{
    while (!team_stopped(team)) {
        task_set_state(TASK_UNINTERRUPTIBLE);
        if (!team_stopped(team))
            schedule();
        WRITE_ONCE(current->state, TASK_RUNNING);
        team->rounds[nr]++;
    }
}

/* Wakes @t and waits some time up to 32 us: somewhere in it @t runs and goes back to sleep. */
static void wake_and_wait(struct task *t, u64 *random)
{
    u64 end = clock_monotonic_ns() + (test_random(random) & 0x7fff);

    wake_up_task(t);
    while (clock_monotonic_ns() < end)
        cpu_relax();
}

/*
 * When sched_set_affinity is back the task is on no CPU that it may not use: not running there, nor
 * asleep with its registers still there.
 */
KTEST(policy, affinity_waits_until_the_task_has_left)
{
    unsigned int me, late = 0, moves = 0;
    struct team team = { 0 };
    u64 random = 4711;

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    team_start(&team, 1, doze, false);
    me = smp_processor_id();
    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1UL << me }), 0);
    while (clock_monotonic_ns() < team.end_ns) {
        struct task *t = team.member[0];
        unsigned int other = (me + 1) % nr_cpus_online;

        EXPECT_EQ(sched_set_affinity(t, (cpumask_t){ 1UL << other }), 0);
        wake_and_wait(t, &random);
        EXPECT_EQ(sched_set_affinity(t, (cpumask_t){ 1UL << me }), 0);
        /* It may be queued here, where we run: so it is on no CPU now. */
        late += READ_ONCE(t->on_cpu);
        moves++;
        wake_up_task(t);
        if (moves % 16 == 0)
            sched_yield_current();
    }
    EXPECT_EQ(late, 0);
    EXPECT(moves > 10);
    WRITE_ONCE(team.stop, true);
    wake_up_task(team.member[0]);
    team_join(&team);
}

static void end_the_switch(struct team *team, unsigned int nr)
{
    struct task *t = team->arg;

    test_sleep_ms(5);
    smp_store_release(&t->on_cpu, false);
}

/* The same, for a task that sleeps already and is not curr any more; the switch is drawn out. */
KTEST(policy, affinity_waits_for_a_switch_in_progress)
{
    static struct task t; /* on no queue */
    struct team team = { .arg = &t };

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    t = (struct task){ .state = TASK_UNINTERRUPTIBLE, .cpu = 1, .on_cpu = true };
    t.affinity = (cpumask_t){ 2 };
    team_start(&team, 1, end_the_switch, false);
    EXPECT_EQ(sched_set_affinity(&t, (cpumask_t){ 1 }), 0);
    EXPECT(!READ_ONCE(t.on_cpu));
    team_join(&team);
}
