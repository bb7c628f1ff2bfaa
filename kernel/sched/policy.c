/* SPDX-License-Identifier: MIT */
/*
 * policy.c: changing how and where a task is scheduled: nice, policy and priority, affinity.
 *
 * Does not check permissions; kernel/sched/syscalls.c does. Locks: RUNQ of the task. Invariants of
 * core.c and fair.c hold before and after each change; a queued task leaves the tree while its
 * place in the order changes. Checked by tests/kernel/sched/policy_ktest.c. Read next: stats.c.
 */
#include "internal.h"
#include <arch/cpu.h>
#include <linux/errno.h>
#include <linux/sched.h>

static bool in_tree(const struct rq *rq, const struct task *t)
{
    return t->on_rq && t != rq->curr;
}

void sched_set_nice(struct task *t, int nice)
{
    unsigned long flags = irq_save();
    struct rq *rq = task_rq_lock(t);

    if (rq->curr == t)
        fair_update_curr(rq, arch_clock_ns()); /* what it ran so far counts at the old weight */
    t->nice = nice;
    rq_unlock(rq);
    irq_restore(flags);
}

static bool policy_is_valid(unsigned int policy, unsigned int priority)
{
    switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return priority >= 1 && priority <= 99;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return priority == 0;
    default:
        return false;
    }
}

int sched_set_policy(struct task *t, unsigned int policy, unsigned int priority)
{
    unsigned long flags;
    bool queued, moving;
    struct rq *rq;
    u64 now;

    if (!policy_is_valid(policy, priority))
        return -EINVAL;
    flags = irq_save();
    rq = task_rq_lock(t);
    now = arch_clock_ns();
    fair_update_curr(rq, now);
    queued = in_tree(rq, t);
    if (queued)
        rq_deactivate(rq, t);
    moving = t->moving;
    if (!moving)
        fair_leave(rq, t);
    if (task_is_rt(t))
        t->vruntime = 0; /* was a number of arrival: starts level with the queue */
    t->policy = (u8)policy;
    t->rt_priority = (u8)priority;
    if (!moving)
        fair_join(rq, t);
    if (queued)
        rq_activate(rq, t, now);
    else if (rq->curr == t)
        resched_cpu(rq->cpu); /* others may have to go first now */
    rq_unlock(rq);
    irq_restore(flags);
    return 0;
}

/*
 * Sets the mask; returns whether @t sits or runs where it may not be any more. A queued one is
 * moved here.
 */
static bool change_mask(struct task *t, cpumask_t mask)
{
    bool must_leave = false, place = false;
    unsigned long flags = irq_save();
    struct rq *rq = task_rq_lock(t);

    while (in_tree(rq, t) && smp_load_acquire(&t->on_cpu)) {
        rq_unlock(rq); /* it is being switched out at this moment */
        cpu_relax();
        rq = task_rq_lock(t);
    }
    t->affinity = mask;
    if (!cpumask_test(&mask, rq->cpu)) {
        if (in_tree(rq, t)) {
            rq_deactivate(rq, t);
            fair_leave(rq, t);
            t->moving = place = true;
            t->cpu = balance_select(t, rq->cpu);
        } else if (READ_ONCE(t->on_cpu)) {
            must_leave = true; /* runs, or is on its way out but not yet off this CPU */
            if (rq->curr == t)
                resched_cpu(rq->cpu);
        }
    }
    rq_unlock(rq);
    if (place)
        sched_place(t);
    irq_restore(flags);
    return must_leave;
}

static bool has_left(struct task *t)
{
    return cpumask_test(&t->affinity, READ_ONCE(t->cpu)) || !READ_ONCE(t->on_cpu);
}

int sched_set_affinity(struct task *t, cpumask_t mask)
{
    mask.bits &= (1UL << nr_cpus_online) - 1;
    if (mask.bits == 0)
        return -EINVAL;
    if (!change_mask(t, mask))
        return 0;
    if (t == current) {
        schedule();
        return 0;
    }
    while (!has_left(t)) /* a few instructions, unless it runs with preemption off */
        sched_yield_current();
    return 0;
}
