/* SPDX-License-Identifier: MIT */
/*
 * balance.c: which CPU a task goes to, and moving queued tasks between CPUs.
 *
 * Three occasions: a task wakes (its last CPU if idle, else an idle one, else its last); a CPU runs
 * out of tasks and pulls one; a busy CPU looks around every SCHED_BALANCE_NS, pulls when it has two
 * tasks fewer than the busiest, and gives one to an idle CPU, which sleeps without ticks and would
 * not notice. Counts tasks, not weights, and knows no cache topology.
 *
 * Locks: two RUNQ locks in the order of CPU numbers. What it reads of other queues without their
 * lock is a hint; the decision is made again under the locks. Invariants I5 and I6 of core.c: only
 * queued tasks with on_cpu clear move, to CPUs that they may use. Checked by
 * tests/kernel/sched/balance_ktest.c. Read next: policy.c.
 */
#include "internal.h"
#include <linux/sched.h>

static bool cpu_is_idle(unsigned int cpu)
{
    const struct rq *rq = &runqueues[cpu];

    return READ_ONCE(rq->curr) == rq->idle && READ_ONCE(rq->nr_running) == 0;
}

static unsigned int idle_cpu_for(const struct task *t, unsigned int first)
{
    for (unsigned int i = 0; i < nr_cpus_online; i++) {
        unsigned int cpu = (first + i) % nr_cpus_online;

        if (cpumask_test(&t->affinity, cpu) && cpu_is_idle(cpu))
            return cpu;
    }
    return NR_CPUS;
}

static unsigned int least_loaded_cpu_for(const struct task *t)
{
    unsigned int best = NR_CPUS;

    for_each_online_cpu(cpu) {
        if (!cpumask_test(&t->affinity, cpu))
            continue;
        if (best == NR_CPUS ||
            READ_ONCE(runqueues[cpu].nr_running) < READ_ONCE(runqueues[best].nr_running))
            best = cpu;
    }
    return best;
}

unsigned int balance_select(const struct task *t, unsigned int prev_cpu)
{
    unsigned int cpu;

    if (nr_cpus_online == 1)
        return 0;
    cpu = idle_cpu_for(t, prev_cpu);
    if (cpu != NR_CPUS)
        return cpu;
    if (cpumask_test(&t->affinity, prev_cpu) && prev_cpu < nr_cpus_online)
        return prev_cpu;
    /* exists: sched_set_affinity keeps one online CPU in the mask */
    return least_loaded_cpu_for(t);
}

static void lock_pair(struct rq *a, struct rq *b)
{
    struct rq *low = a < b ? a : b, *high = a < b ? b : a;

    spin_lock(&low->lock);
    spin_lock_nested(&high->lock);
}

static void unlock_pair(struct rq *a, struct rq *b)
{
    struct rq *low = a < b ? a : b, *high = a < b ? b : a;

    spin_unlock(&high->lock);
    spin_unlock(&low->lock);
}

/* The last in order that may go: it would have waited longest. Both locks held. */
static struct task *movable_task(const struct rq *from, const struct rq *to)
{
    for (struct rb_node *n = rb_last(&from->tree); n; n = rb_prev(n)) {
        struct task *t = rb_entry(n, struct task, rq_node);

        if (cpumask_test(&t->affinity, to->cpu) && !smp_load_acquire(&t->on_cpu))
            return t;
    }
    return NULL;
}

/* Moves up to @nr tasks while that evens out; returns how many went. Both locks held. */
static unsigned int move_tasks(struct rq *from, struct rq *to, unsigned int nr, u64 now)
{
    unsigned int moved = 0;

    fair_update_curr(to, now);
    while (moved < nr && from->nr_running > to->nr_running + 1) {
        struct task *t = movable_task(from, to);

        if (!t)
            break;
        rq_deactivate(from, t);
        fair_leave(from, t);
        fair_join(to, t);
        rq_activate(to, t, now);
        moved++;
    }
    return moved;
}

static struct rq *busiest_rq(const struct rq *than)
{
    struct rq *best = NULL;

    for_each_online_cpu(cpu) {
        struct rq *rq = &runqueues[cpu];

        if (rq == than || READ_ONCE(rq->nr_running) < 2)
            continue;
        if (!best || READ_ONCE(rq->nr_running) > READ_ONCE(best->nr_running))
            best = rq;
    }
    return best;
}

bool balance_pull_idle(struct rq *rq)
{
    struct rq *busiest = busiest_rq(rq);

    if (!busiest)
        return false;
    rq_unlock(rq);
    lock_pair(rq, busiest);
    if (!rq->leftmost)
        move_tasks(busiest, rq, 1, arch_clock_ns());
    spin_unlock(&busiest->lock);
    return rq->leftmost != NULL;
}

static void push_to_idle(struct rq *rq, u64 now)
{
    for_each_online_cpu(cpu) {
        struct rq *other = &runqueues[cpu];
        unsigned int moved;

        if (other == rq || !cpu_is_idle(cpu))
            continue;
        lock_pair(rq, other);
        moved = move_tasks(rq, other, 1, now);
        unlock_pair(rq, other);
        if (moved)
            return;
    }
}

void balance_tick(struct rq *rq, u64 now)
{
    struct rq *busiest;
    unsigned int mine = READ_ONCE(rq->nr_running);

    if (nr_cpus_online == 1 || now < rq->balance_ns)
        return;
    rq->balance_ns = now + SCHED_BALANCE_NS;
    if (mine >= 2)
        push_to_idle(rq, now);
    busiest = busiest_rq(rq);
    if (!busiest || READ_ONCE(busiest->nr_running) < mine + 2)
        return;
    lock_pair(rq, busiest);
    move_tasks(busiest, rq, (busiest->nr_running - mine) / 2, now);
    unlock_pair(rq, busiest);
}
