/* SPDX-License-Identifier: MIT */
/*
 * rcu.c: read-copy-update: freeing what readers without locks may still look at, when none of them
 * can any more.
 *
 * A reader runs with preemption off. So a CPU that has switched tasks, was in user mode, idled, or
 * took a tick while preemption was on has no reader from before. Each CPU counts these quiescent
 * states; a grace period notes all counts, then waits until each has changed or its CPU was seen
 * idle. One thread runs grace periods and the callbacks of those that queued before. Source:
 * McKenney and Slingwine, "Read-Copy Update", PDCS 1998; this is their simplest form.
 *
 * Why a change of a count is enough. Updater: unlink, full barrier (gp_begin), read count c. CPU:
 * count c + 1, full barrier (rcu_note_quiescent), later reads. If the updater read c, the CPU's
 * later reads see the unlinking; if it read c + 1, it waits for one more. Idle: a CPU leaves idle
 * by a switch, or takes an interrupt, with a full barrier before it can read (core.c switch_away,
 * and the interrupt entry's raise of irq_depth), so one look at (curr is idle, irq_depth is 0)
 * after gp_begin is enough.
 *
 * Locks: RCU, for the list of new callbacks. Invariants:
 *   I1  a callback runs after a grace period that began after it was queued, in the order of
 *       queueing
 *   I2  the thread sleeps without a timeout only when no callback is queued
 * Checked by tests/kernel/rcu/rcu_ktest.c. Read next: workqueue.c.
 */
#include <arch/cpu.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/rcu.h>
#include <kernel/sched.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <linux/errno.h>
#include <mm/slab.h>

#define BATCH_DELAY_NS (5 * NSEC_PER_MSEC)  /* callbacks gather that long */
#define POLL_NS        (1 * NSEC_PER_MSEC)
#define POLLS_BEFORE_KICK 20                /* then CPUs that hold it up are asked to reschedule */
#define STALL_NS       (20 * NSEC_PER_SEC)
#define MANY_CALLBACKS 2000u                /* no gathering: memory waits */

static struct rcu_cpu {
    unsigned long quiescent; /* its own CPU writes */
} __aligned(64) rcu_cpus[NR_CPUS];

static spinlock_t rcu_lock = SPINLOCK_INIT(LOCK_RCU);
static struct rcu_head *new_first, **new_tail = &new_first; /* rcu_lock */
static unsigned int nr_new;                                 /* rcu_lock */
static atomic_t nr_waiters; /* sleepers until a grace period ends: no gathering, no patience */
static struct task *rcu_thread;

void rcu_note_quiescent(void)
{
    struct rcu_cpu *c = &rcu_cpus[smp_processor_id()];

    /* Release: what readers read comes before. The barrier: see above. */
    smp_store_release(&c->quiescent, c->quiescent + 1);
    smp_mb();
}

void rcu_tick(bool from_user)
{
    /* The handler itself accounts for one level. */
    if (from_user || (this_cpu()->irq_depth == 1 && arch_preempt_count() == 1))
        rcu_note_quiescent();
}

static bool is_idle(unsigned int cpu)
{
    return sched_cpu_runs_idle(cpu) && smp_load_acquire(&cpus[cpu].irq_depth) == 0;
}

static bool in_hurry(void)
{
    return atomic_read(&nr_waiters) != 0;
}

/* ---- grace periods, in the thread ---- */

struct grace_period {
    unsigned long seen[NR_CPUS];
    unsigned long waiting; /* CPUs, a bit each */
};

static void gp_begin(struct grace_period *gp)
{
    smp_mb();
    gp->waiting = 0;
    for_each_online_cpu(cpu) {
        gp->seen[cpu] = smp_load_acquire(&rcu_cpus[cpu].quiescent);
        gp->waiting |= BIT(cpu);
    }
}

/* Crosses off CPUs; true when none is left. */
static bool gp_look(struct grace_period *gp)
{
    for_each_online_cpu(cpu) {
        if (!(gp->waiting & BIT(cpu)))
            continue;
        if (smp_load_acquire(&rcu_cpus[cpu].quiescent) != gp->seen[cpu] || is_idle(cpu))
            gp->waiting &= ~BIT(cpu);
    }
    return gp->waiting == 0;
}

static void gp_kick(const struct grace_period *gp)
{
    for_each_online_cpu(cpu)
        if (gp->waiting & BIT(cpu))
            resched_cpu(cpu);
}

static void wait_for_readers(void)
{
    u64 begin = clock_monotonic_ns();
    struct grace_period gp;
    unsigned int polls = 0;
    bool told = false;

    gp_begin(&gp);
    schedule(); /* this CPU's own quiescent state, also when nobody else wants to run */
    while (!gp_look(&gp)) {
        if (in_hurry() || ++polls > POLLS_BEFORE_KICK)
            gp_kick(&gp);
        (void)nanosleep_until(clock_monotonic_ns() + POLL_NS, true, NULL);
        if (!told && clock_monotonic_ns() - begin > STALL_NS) {
            told = true;
            pr_err("RCU: no quiescent state for 20 s on CPUs %#lx\n", gp.waiting);
        }
    }
    smp_mb();
}

static struct rcu_head *take_new(void)
{
    unsigned long flags = spin_lock_irqsave(&rcu_lock);
    struct rcu_head *first = new_first;

    new_first = NULL;
    new_tail = &new_first;
    nr_new = 0;
    spin_unlock_irqrestore(&rcu_lock, flags);
    return first;
}

/* Sleeps until there is something to do, and then a little longer so that more comes together. */
static void wait_for_callbacks(void)
{
    u64 deadline;

    for (;;) {
        task_set_state(TASK_INTERRUPTIBLE);
        if (READ_ONCE(new_first))
            break;
        schedule();
    }
    deadline = clock_monotonic_ns() + BATCH_DELAY_NS;
    for (;;) {
        task_set_state(TASK_INTERRUPTIBLE);
        if (in_hurry() || READ_ONCE(nr_new) >= MANY_CALLBACKS ||
            wait_step(TASK_INTERRUPTIBLE, deadline) != 0)
            break;
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
}

static int rcu_main(void *arg)
{
    struct rcu_head *h, *next;

    (void)arg;
    for (;;) {
        wait_for_callbacks();
        h = take_new();
        wait_for_readers();
        for (; h; h = next) {
            unsigned long offset = (unsigned long)h->func;

            next = h->next;
            if (offset < RCU_KFREE_SPAN)
                kfree((char *)h - offset);
            else
                h->func(h);
        }
    }
    return 0;
}

void rcu_start(void)
{
    struct task *t = kernel_thread(rcu_main, NULL, "rcu");

    if (IS_ERR(t))
        panic("no memory for the RCU thread");
    __atomic_store_n(&rcu_thread, t, __ATOMIC_RELEASE);
}

/* ---- callers ---- */

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *))
{
    unsigned long flags;
    struct task *wake;
    bool first;

    head->func = func;
    head->next = NULL;
    flags = spin_lock_irqsave(&rcu_lock);
    first = new_first == NULL || nr_new == MANY_CALLBACKS;
    *new_tail = head;
    new_tail = &head->next;
    nr_new++;
    spin_unlock_irqrestore(&rcu_lock, flags);
    wake = __atomic_load_n(&rcu_thread, __ATOMIC_ACQUIRE);
    if (first && wake)
        wake_up_task(wake);
}

void call_rcu_kfree(struct rcu_head *head, void *ptr)
{
    unsigned long offset = (unsigned long)head - (unsigned long)ptr;

    ASSERT(offset < RCU_KFREE_SPAN);
    call_rcu(head, (void (*)(struct rcu_head *))offset);
}

struct rcu_wait {
    struct rcu_head head;
    struct task *task;
    bool done;
};

/* The waiter's stack may be gone once done is set. */
static void wake_waiter(struct rcu_head *head)
{
    struct rcu_wait *w = container_of(head, struct rcu_wait, head);
    struct task *t = w->task;

    task_get(t);
    smp_store_release(&w->done, true);
    wake_up_task(t);
    task_put(t);
}

void rcu_barrier(void)
{
    struct rcu_wait w = { .task = current };

    atomic_inc_return(&nr_waiters);
    call_rcu(&w.head, wake_waiter);
    wake_up_task(rcu_thread); /* it may be gathering */
    for (;;) {
        task_set_state(TASK_UNINTERRUPTIBLE);
        if (smp_load_acquire(&w.done))
            break;
        schedule();
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
    atomic_dec(&nr_waiters);
}

void synchronize_rcu(void)
{
    might_sleep();
    if (nr_cpus_online == 1)
        smp_mb(); /* the caller may be preempted, so no reader is active on the only CPU */
    else
        rcu_barrier();
}
