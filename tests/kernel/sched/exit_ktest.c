/* SPDX-License-Identifier: MIT */
/*
 * exit_ktest.c: what the scheduler does with a thread that has ended but not yet left its CPU.
 */
#include "tests/kernel/team.h"
#include <kernel/preempt.h>
#include <kernel/sched.h>

struct ending {
    int refs_before, refs_after;
    bool preempted;
};

/* Member 0 is preempted by member 1, on the same CPU, between "dead" and its last schedule(). */
static void end_and_be_preempted(struct team *team, unsigned int nr)
{
    struct ending *e = team->arg;
    cpumask_t mask = {1UL << (nr_cpus_online - 1)};
    unsigned long switches;

    if (sched_set_affinity(current, mask) != 0)
        return;
    if (nr == 1) {
        while (!team_stopped(team) && team_round(team, nr, ~0UL))
            test_spin_us(100);
        return;
    }
    switches = current->nivcsw;
    e->refs_before = atomic_read(&current->refs);
    while (current->nivcsw == switches && team_round(team, nr, ~0UL)) {
        WRITE_ONCE(current->state, TASK_DEAD);
        preempt_schedule();
        WRITE_ONCE(current->state, TASK_RUNNING);
    }
    e->preempted = current->nivcsw != switches;
    e->refs_after = atomic_read(&current->refs);
    while (atomic_read(&current->refs) < e->refs_before)
        task_get(current); /* the test fails, the kernel lives */
    WRITE_ONCE(team->stop, true);
}

KTEST(exit, preempted_before_the_last_switch)
{
    struct ending e = {0};
    struct team team = {.arg = &e};

    team_run(&team, 2, end_and_be_preempted, false);
    EXPECT(e.preempted);
    EXPECT_EQ(e.refs_after, e.refs_before);
}
