/* SPDX-License-Identifier: MIT */
/*
 * stats.c: what /proc and getrusage show of the scheduler, and the walker over its invariants.
 *
 * The load average is the number of tasks that run, want to run or sleep uninterruptibly, averaged
 * exponentially over 1, 5 and 15 minutes; a sample is due every SCHED_LOAD_NS and is taken by the
 * first tick or reader after that. Sleeping CPUs take no ticks: samples that nobody took are made
 * up with the count of the next one.
 *
 * Locks: LEAF for the averages; RUNQ in the walker. Read next: wait.c.
 */
#include "internal.h"
#include <kernel/ktest.h>
#include <kernel/printk.h>

/* exp(-5 s / 1, 5, 15 min) in units of 1/2048. */
static const unsigned long load_decay[3] = { 1884, 2014, 2037 };

static spinlock_t load_lock = SPINLOCK_INIT(LOCK_LEAF);
static unsigned long load_avg[3];
static u64 load_next_ns = SCHED_LOAD_NS;

static unsigned long active_tasks(void)
{
    long n = 0;

    for_each_online_cpu(cpu)
        n += (long)READ_ONCE(runqueues[cpu].nr_running) +
             READ_ONCE(runqueues[cpu].nr_uninterruptible);
    return n > 0 ? (unsigned long)n : 0;
}

static void sample_load(unsigned long active)
{
    for (unsigned int i = 0; i < 3; i++)
        load_avg[i] = (load_avg[i] * load_decay[i] + (active << 11) * (2048 - load_decay[i])) >> 11;
}

void stats_tick(u64 now)
{
    unsigned long flags, active;

    if (likely(now < READ_ONCE(load_next_ns)))
        return;
    active = active_tasks();
    flags = spin_lock_irqsave(&load_lock);
    if (now - load_next_ns > 60 * 60 * NSEC_PER_SEC && now > load_next_ns)
        load_next_ns = now - 60 * 60 * NSEC_PER_SEC; /* more samples change nothing */
    for (; load_next_ns <= now; load_next_ns += SCHED_LOAD_NS)
        sample_load(active);
    spin_unlock_irqrestore(&load_lock, flags);
}

void sched_loadavg(unsigned long avg[3])
{
    unsigned long flags;

    stats_tick(arch_clock_ns());
    flags = spin_lock_irqsave(&load_lock);
    for (unsigned int i = 0; i < 3; i++)
        avg[i] = load_avg[i];
    spin_unlock_irqrestore(&load_lock, flags);
}

u64 sched_nr_switches(void)
{
    u64 n = 0;

    for_each_online_cpu(cpu)
        n += READ_ONCE(runqueues[cpu].nr_switches);
    return n;
}

unsigned int sched_nr_running(void)
{
    unsigned int n = 0;

    for_each_online_cpu(cpu)
        n += READ_ONCE(runqueues[cpu].nr_running);
    return n;
}

/* Charges @t up to now when it runs; its CPU's run queue lock is held afterwards. */
static struct rq *lock_charged(struct task *t)
{
    struct rq *rq = task_rq_lock(t);

    if (rq->curr == t)
        fair_update_curr(rq, arch_clock_ns());
    return rq;
}

u64 sched_idle_ns(unsigned int cpu)
{
    struct task *idle = runqueues[cpu].idle;

    return idle ? sched_task_ns(idle) : 0;
}

u64 sched_task_ns(struct task *t)
{
    unsigned long flags = irq_save();
    struct rq *rq = lock_charged(t);
    u64 ns = t->run_ns;

    rq_unlock(rq);
    irq_restore(flags);
    return ns;
}

void sched_task_times(struct task *t, u64 *user_ns, u64 *sys_ns)
{
    unsigned long flags = irq_save();
    struct rq *rq = lock_charged(t);

    *user_ns = t->user_ns;
    *sys_ns = t->sys_ns;
    rq_unlock(rq);
    irq_restore(flags);
}

static int check_task(const struct rq *rq, const struct task *t, const struct task *before)
{
    int bad = !t->on_rq || t->cpu != rq->cpu || !cpumask_test(&t->affinity, rq->cpu) ||
              (before && rq_before(t, before));

    if (bad)
        pr_err("sched_check: CPU %u queues task %d (%s) wrongly: on_rq %d, cpu %u\n", rq->cpu,
               t->tid, t->comm, t->on_rq, t->cpu);
    return bad;
}

static int check_rq(struct rq *rq)
{
    const struct task *before = NULL;
    unsigned int n = 0;
    int bad = rb_check(&rq->tree) + (rq->leftmost != rb_first(&rq->tree));

    for (struct rb_node *p = rb_first(&rq->tree); p; p = rb_next(p), n++) {
        const struct task *t = rb_entry(p, struct task, rq_node);

        bad += check_task(rq, t, before);
        before = t;
    }
    n += rq->curr != rq->idle && rq->curr->on_rq && !rq->curr_retired;
    if (n != rq->nr_running || !rq->curr->on_cpu) {
        pr_err("sched_check: CPU %u has %u runnable, counts %u\n", rq->cpu, n, rq->nr_running);
        bad++;
    }
    return bad;
}

int sched_check(void)
{
    int bad = 0;

    for_each_online_cpu(cpu) {
        struct rq *rq = &runqueues[cpu];
        unsigned long flags = spin_lock_irqsave(&rq->lock);

        bad += check_rq(rq);
        spin_unlock_irqrestore(&rq->lock, flags);
    }
    return bad;
}
KCHECK("sched", sched_check);
