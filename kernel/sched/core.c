/* SPDX-License-Identifier: MIT */
/*
 * core.c: switching between tasks, waking them, the tick.
 *
 * Each CPU runs the first task of its own run queue (order: fair.c), or its idle task. Tasks go to
 * another CPU when they wake (balance_select), when a CPU runs dry or the load is uneven
 * (balance.c), or when their affinity says so.
 *
 * A task is switched out in two steps. Under the run queue's lock curr changes; then, without the
 * lock but with interrupts off, arch_switch_to saves the registers, and sched_finish_switch, in the
 * next task's context, clears on_cpu with release order. Until then nobody may run or move it: a
 * waker that finds on_cpu set queues it where it is, a balancer passes it by.
 *
 * Locks: RUNQ, one per CPU; two are taken in the order of CPU numbers. A task's [R] fields belong
 * to the lock of the queue of t->cpu, which changes only under that lock and while on_cpu is clear.
 * Invariants (I1-I3 are in fair.c):
 *   I4  nr_running counts the tree, and curr when it is on_rq and not the idle task; while
 *       curr_retired is set curr is counted only if it is in the tree again
 *   I5  a task is current on at most one CPU: on_cpu is set under the lock by the CPU that will run
 *       it
 *   I6  a queued task may run on its queue's CPU (affinity)
 *   I7  with two runnable tasks a tick is requested no later than curr's slice ends; alone,
 *       tick_ns ahead; idle, none
 *   I8  moving means: on no queue, but somebody is about to sched_place it; a waker only sets its
 *       state
 * Checked by sched_check after every test and by tests/kernel/sched/. Read next: balance.c,
 * policy.c.
 */
#include "internal.h"
#include <arch/cpu.h>
#include <kernel/irq.h>
#include <kernel/panic.h>
#include <kernel/param.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/process_timers.h>
#include <kernel/rcu.h>
#include <kernel/string.h>
#include <kernel/workqueue.h>
#include <linux/sched.h>
#include <mm/mm.h>
#include <mm/vmalloc.h>

struct rq runqueues[NR_CPUS];

struct rq *task_rq_lock(struct task *t)
{
    for (;;) {
        struct rq *rq = &runqueues[READ_ONCE(t->cpu)];

        spin_lock(&rq->lock);
        if (likely(t->cpu == rq->cpu))
            return rq;
        rq_unlock(rq);
    }
}

/* ---- need to reschedule, ticks ---- */

static u64 tick_ns = 10 * NSEC_PER_MSEC; /* while a task runs alone: accounting, RCU */

static void set_tick(const char *value)
{
    u64 ms = parse_u64(value, NULL);

    if (ms >= 1 && ms <= 100)
        tick_ns = ms * NSEC_PER_MSEC;
}
KPARAM("tick_ms", set_tick, "milliseconds between ticks of a CPU with one task: 1 to 100 (10)");

void resched_cpu(unsigned int cpu)
{
    /*
     * Set already: whoever set it has sent the interrupt, and the CPU has not been through its
     * queue since.
     */
    if (xchg(&cpus[cpu].need_resched, 1) == 0 && cpu != smp_processor_id())
        arch_send_resched_ipi(cpu);
}

/* Asks for the next sched_tick on this CPU, whose run queue lock is held. */
static void rq_request_tick(struct rq *rq, u64 now)
{
    u64 want = now + tick_ns;

    if (rq->nr_running > 1) {
        u64 end = fair_slice_end(rq);

        if (end > now && end < want)
            want = end; /* a slice that has ended is a switch that is due already */
    }
    if (rq->tick_ns != 0 && rq->tick_ns <= want)
        return;
    rq->tick_ns = want;
    timer_request_tick(want);
}

/*
 * Reports a CPU on which a switch has been due for long and does not come: preemption off, or an
 * endless interrupt.
 */
static void watch_lockup(struct rq *rq, u64 now)
{
    if (!this_cpu()->need_resched || rq->lockup_told)
        return;
    if (now - rq->last_schedule_ns < SCHED_LOCKUP_NS)
        return;
    rq->lockup_told = true;
    pr_err("CPU %u has not rescheduled for %llu s although due; task %d (%s)\n", rq->cpu,
           (unsigned long long)((now - rq->last_schedule_ns) / NSEC_PER_SEC), rq->curr->tid,
           rq->curr->comm);
    show_backtrace(NULL);
}

static void charge_tick(struct rq *rq, u64 now, bool from_user)
{
    struct task *t = rq->curr;

    rq->tick_ns = 0;
    if (t == rq->idle)
        return;
    t->ticked_user = from_user;
    fair_update_curr(rq, now);
    watch_lockup(rq, now);
    if (rq->nr_running > 1 && now >= fair_slice_end(rq)) {
        if (task_is_rt(t))
            fair_to_tail(rq, t);
        this_cpu()->need_resched = 1;
    } else if (rq->leftmost && fair_should_preempt(rq, fair_first(rq))) {
        this_cpu()->need_resched = 1;
    }
    rq_request_tick(rq, now);
}

void sched_tick(void)
{
    struct rq *rq = this_rq();
    bool from_user = irq_from_user();
    u64 now = arch_clock_ns();

    spin_lock(&rq->lock);
    charge_tick(rq, now, from_user);
    rq_unlock(rq);
    rcu_tick(from_user);
    stats_tick(now);
    balance_tick(rq, now);
    if (rq->curr != rq->idle)
        process_timers_tick(rq->curr);
}

/* ---- waking ---- */

void rq_activate(struct rq *rq, struct task *t, u64 now)
{
    t->cpu = rq->cpu;
    t->on_rq = true;
    fair_enqueue(rq, t);
    rq->nr_running++;
    if (fair_should_preempt(rq, t)) {
        resched_cpu(rq->cpu);
    } else if (rq->nr_running == 2) {
        /* curr was alone: from now on its slices count, which needs a tick on its CPU. */
        if (now >= fair_slice_end(rq))
            rq->curr->slice_start_ns = now;
        if (rq->cpu == smp_processor_id())
            rq_request_tick(rq, now);
        else
            resched_cpu(rq->cpu);
    }
}

void rq_deactivate(struct rq *rq, struct task *t)
{
    fair_dequeue(rq, t);
    t->on_rq = false;
    rq->nr_running--;
}

void sched_place(struct task *t)
{
    struct rq *rq;
    u64 now;

    for (;;) {
        rq = task_rq_lock(t);
        if (likely(cpumask_test(&t->affinity, rq->cpu)))
            break;
        t->cpu = balance_select(t, rq->cpu);
        rq_unlock(rq);
    }
    now = arch_clock_ns();
    fair_update_curr(rq, now);
    ASSERT(t->moving && !t->on_rq);
    t->moving = false;
    fair_join(rq, t);
    rq_activate(rq, t, now);
    rq_unlock(rq);
}

/*
 * Makes sleeping @t, whose state is RUNNING now, compete again. Called with the lock of @rq,
 * returns without.
 */
static void wake_sleeper(struct rq *rq, struct task *t)
{
    unsigned int cpu = rq->cpu;
    u64 now;

    if (nr_cpus_online > 1 && !smp_load_acquire(&t->on_cpu))
        cpu = balance_select(t, cpu);
    if (cpu != rq->cpu) {
        fair_place_woken(rq, t);
        fair_leave(rq, t);
        t->moving = true;
        t->cpu = cpu;
        rq_unlock(rq);
        sched_place(t);
        return;
    }
    now = arch_clock_ns();
    fair_update_curr(rq, now);
    fair_place_woken(rq, t);
    rq_activate(rq, t, now);
    rq_unlock(rq);
}

/*
 * The run queue of @t, once @t can be queued: not while it is being switched out on a CPU that it
 * may not use any more.
 */
static struct rq *lock_for_wake(struct task *t)
{
    struct rq *rq = task_rq_lock(t);

    while (unlikely(!t->on_rq && !t->moving && !cpumask_test(&t->affinity, rq->cpu) &&
                    smp_load_acquire(&t->on_cpu))) {
        rq_unlock(rq);
        cpu_relax();
        rq = task_rq_lock(t);
    }
    return rq;
}

bool wake_up_state(struct task *t, unsigned int states)
{
    unsigned long flags = irq_save();
    unsigned int was;
    struct rq *rq;

    smp_mb(); /* the caller's change of the condition, before the look at the state */
    rq = lock_for_wake(t);
    was = READ_ONCE(t->state);
    if (!(was & states)) {
        rq_unlock(rq);
        irq_restore(flags);
        return false;
    }
    WRITE_ONCE(t->state, TASK_RUNNING);
    if (t->on_rq || t->moving) {
        rq_unlock(rq); /* it has not gone to sleep yet, or stands in line elsewhere soon */
    } else {
        if (was == TASK_UNINTERRUPTIBLE)
            rq->nr_uninterruptible--;
        wake_sleeper(rq, t);
    }
    irq_restore(flags);
    return true;
}

void sched_fork(struct task *child)
{
    struct task *parent = current;

    child->state = TASK_NEW;
    child->cpu = smp_processor_id();
    child->on_rq = child->on_cpu = child->ticked_user = child->reset_on_fork = false;
    child->moving = true; /* sched_start places it */
    child->run_ns = child->user_ns = child->sys_ns = 0;
    child->nvcsw = child->nivcsw = 0;
    child->slice_start_ns = 0;
    child->affinity = parent->affinity;
    if (parent == this_rq()->idle)
        child->affinity.bits = ~0UL; /* made by the boot code */
    child->nice = parent->nice;
    child->policy = parent->policy;
    child->rt_priority = parent->rt_priority;
    if (parent->reset_on_fork) {
        child->nice = max(parent->nice, 0);
        if (child->rt_priority != 0)
            child->policy = SCHED_NORMAL;
        child->rt_priority = 0;
    }
    child->vruntime = fair_new_vruntime(child);
}

void sched_start(struct task *t)
{
    unsigned long flags = irq_save();
    struct rq *rq = task_rq_lock(t);

    WRITE_ONCE(t->state, TASK_RUNNING);
    t->cpu = balance_select(t, rq->cpu);
    rq_unlock(rq);
    sched_place(t);
    irq_restore(flags);
    /* The CPU may have been asked to switch; a caller with preemption on notices here. */
    preempt_disable();
    preempt_enable();
}

/* ---- switching ---- */

/* curr gives up the CPU: off the queue when it sleeps or must leave this CPU. */
static void retire_curr(struct rq *rq, struct task *prev, bool preempted)
{
    if (prev == rq->idle)
        return;
    if (!preempted && prev->state != TASK_RUNNING) {
        prev->nvcsw++;
        if (prev->state == TASK_UNINTERRUPTIBLE)
            rq->nr_uninterruptible++;
    } else {
        prev->nivcsw++;
        if (likely(cpumask_test(&prev->affinity, rq->cpu)))
            return;
        fair_leave(rq, prev);
        prev->moving = true;
        rq->leaving = prev;
    }
    prev->on_rq = false;
    rq->nr_running--;
}

/* Chooses who runs next and takes it out of the tree. */
static struct task *pick_next(struct rq *rq, struct task *prev)
{
    bool prev_can_run = prev != rq->idle && prev->on_rq, pulled;
    struct task *first = fair_first(rq);

    if (!first) {
        if (prev_can_run)
            return prev;
        if (nr_cpus_online == 1)
            return rq->idle;
        /* The lock is dropped meanwhile; prev may be woken into the tree. */
        rq->curr_retired = true;
        pulled = balance_pull_idle(rq);
        rq->curr_retired = false;
        if (!pulled)
            return rq->idle;
        first = fair_first(rq);
    } else if (prev_can_run) {
        if (!rq_before(first, prev))
            return prev;
        fair_dequeue(rq, first);
        fair_enqueue(rq, prev);
        return first;
    }
    fair_dequeue(rq, first);
    return first;
}

/* Runs in the context that was switched to, interrupts off. */
static void finish_switch(struct task *prev)
{
    struct rq *rq = this_rq();
    struct task *leaving = rq->leaving;
    /* One that was preempted on its way into its last schedule() runs once more. */
    bool dead = prev->state == TASK_DEAD && !prev->on_rq && !leaving;

    rq->leaving = NULL;
    smp_store_release(&prev->on_cpu, false);
    /* From here on prev may run elsewhere. */
    if (leaving)
        sched_place(leaving);
    if (dead)
        task_put(prev);
}

void sched_finish_switch(struct task *prev)
{
    finish_switch(prev);
    irq_enable();
    preempt_enable();
}

static void switch_away(bool preempted)
{
    unsigned long flags = irq_save();
    struct task *prev = current, *next;
    struct rq *rq = this_rq();
    u64 now;

    preempt_disable();
    rcu_note_quiescent();
    spin_lock(&rq->lock);
    this_cpu()->need_resched = 0;
    now = arch_clock_ns();
    rq->last_schedule_ns = now;
    rq->lockup_told = false;
    fair_update_curr(rq, now);
    retire_curr(rq, prev, preempted);
    next = pick_next(rq, prev);
    next->slice_start_ns = now;
    rq->curr = next;
    if (next != rq->idle)
        rq_request_tick(rq, now);
    if (next == prev) {
        rq_unlock(rq);
    } else {
        rq->nr_switches++;
        next->on_cpu = true;
        rq_unlock(rq);
        if (prev == rq->idle)
            smp_mb(); /* RCU: curr says "not idle" before anything that the task reads */
        if (next->mm != prev->mm)
            mm_switch(prev->mm, next->mm); /* a kernel thread borrows what is loaded: mm/tlb.c */
        finish_switch(arch_switch_to(prev, next));
    }
    preempt_enable_no_resched();
    irq_restore(flags);
}

void schedule(void)
{
    might_sleep();
    ASSERT(current->state == TASK_RUNNING || current != this_rq()->idle);
    do {
        switch_away(false);
    } while (unlikely(this_cpu()->need_resched));
}

void preempt_schedule(void)
{
    if (!irqs_enabled())
        return; /* the interrupt's exit or the next enabling of preemption looks again */
    do {
        switch_away(true);
    } while (this_cpu()->need_resched);
}

void sched_irq_exit(void)
{
    while (arch_preempt_count() == 0 && this_cpu()->need_resched)
        switch_away(true);
}

void sched_user_return(void)
{
    if (this_cpu()->need_resched)
        schedule();
}

void sched_yield_current(void)
{
    unsigned long flags;
    struct rq *rq;

    if (READ_ONCE(this_rq()->nr_running) <= 1) {
        preempt_disable();
        rcu_note_quiescent();
        preempt_enable();
        return;
    }
    flags = irq_save();
    rq = this_rq();
    spin_lock(&rq->lock);
    fair_update_curr(rq, arch_clock_ns());
    fair_to_tail(rq, rq->curr);
    rq_unlock(rq);
    irq_restore(flags);
    schedule();
}

/* ---- CPUs ---- */

void sched_idle_loop(void)
{
    BUG_ON(arch_preempt_count() != 0);
    for (;;) {
        irq_disable();
        if (!this_cpu()->need_resched)
            cpu_idle_wait();
        irq_enable();
        if (this_cpu()->need_resched)
            schedule();
    }
}

bool sched_cpu_runs_idle(unsigned int cpu)
{
    return smp_load_acquire(&runqueues[cpu].curr) == runqueues[cpu].idle;
}

void sched_init(void)
{
    for (unsigned int n = 0; n < NR_CPUS; n++) {
        struct rq *rq = &runqueues[n];

        spin_init(&rq->lock, LOCK_RUNQ);
        rq->cpu = n;
    }
}

/*
 * The stack that the CPU boots on becomes the idle task's; the one that comes with a task is not
 * needed.
 */
void sched_init_cpu(unsigned int cpu)
{
    struct rq *rq = &runqueues[cpu];
    struct task *t = task_alloc();

    if (!t)
        panic("no memory for the idle task of CPU %u", cpu);
    kstack_free(t->kstack);
    t->kstack = NULL;
    t->state = TASK_RUNNING;
    t->cpu = cpu;
    t->on_cpu = true;
    t->affinity.bits = 1UL << cpu;
    snprintf(t->comm, sizeof(t->comm), "idle/%u", cpu);
    rq->idle = rq->curr = t;
    rq->exec_start_ns = rq->last_schedule_ns = arch_clock_ns();
    cpus[cpu].idle = t;
    set_current_task(t);
}

void sched_start_services(void)
{
    rcu_start();
    workqueue_start();
}
