/* SPDX-License-Identifier: MIT */
/* internal.h: run queues, for the files of kernel/sched only. */
#pragma once
#include <kernel/sched.h>
#include <kernel/task.h>
#include <kernel/time.h>

/* Times of the policy, ns. */
#define SCHED_SLICE_NS       (4 * NSEC_PER_MSEC)   /* before an equal one gets the CPU */
#define SCHED_RR_SLICE_NS    (100 * NSEC_PER_MSEC) /* SCHED_RR */
#define SCHED_WAKE_GRAIN_NS  (1 * NSEC_PER_MSEC)   /* a waker less far ahead goes on */
#define SCHED_SLEEP_BONUS_NS (2 * NSEC_PER_MSEC)   /* what a sleeper keeps of time it did not use */
#define SCHED_BALANCE_NS     (50 * NSEC_PER_MSEC)
#define SCHED_LOCKUP_NS      (20 * NSEC_PER_SEC)   /* a due switch that does not come is reported */
#define SCHED_LOAD_NS        (5 * NSEC_PER_SEC)    /* samples of the load average */

struct rq {
    spinlock_t lock;          /* LOCK_RUNQ: everything below and the [R] fields of its tasks */
    unsigned int cpu;
    struct rb_root tree;      /* runnable tasks that do not run, by rq_before() */
    struct rb_node *leftmost;
    struct task *curr, *idle;
    unsigned int nr_running;  /* the tree, and curr unless it is idle */
    u64 min_vruntime;         /* grows only; what newcomers are placed by */
    u64 rt_seq;               /* order of arrival of real-time tasks */
    u64 exec_start_ns;        /* curr is charged up to here */
    u64 tick_ns;              /* sched_tick is requested for then; 0 = not */
    u64 balance_ns;           /* next periodic balancing */
    u64 last_schedule_ns;     /* for the watch against lock-ups */
    bool lockup_told;
    bool curr_retired;        /* curr sleeps, its successor is being looked for elsewhere */
    struct task *leaving;     /* curr must go to another CPU once it is switched out */
    u64 nr_switches;
    /* sleepers of that kind that went from here, minus those woken here; only the sum counts */
    long nr_uninterruptible;
} __aligned(64);

extern struct rq runqueues[NR_CPUS];

static inline struct rq *this_rq(void)
{
    return &runqueues[smp_processor_id()];
}

static inline bool task_is_rt(const struct task *t)
{
    return t->rt_priority != 0;
}

/* The run queue lock of @t's CPU; interrupts are off. */
struct rq *task_rq_lock(struct task *t);
static inline void rq_unlock(struct rq *rq)
{
    spin_unlock(&rq->lock);
}

/* fair.c: order and accounting within one run queue; its lock is held. */
void fair_enqueue(struct rq *rq, struct task *t);
void fair_dequeue(struct rq *rq, struct task *t);
struct task *fair_first(const struct rq *rq);
bool rq_before(const struct task *a, const struct task *b);
void fair_update_curr(struct rq *rq, u64 now);
void fair_place_woken(struct rq *rq, struct task *t);
u64 fair_new_vruntime(const struct task *t); /* of a task that never ran, relative */
/* Between two queues a task's virtual time is relative to the queue's. */
void fair_leave(const struct rq *rq, struct task *t);
void fair_join(struct rq *rq, struct task *t);
void fair_to_tail(struct rq *rq, struct task *t);
bool fair_should_preempt(const struct rq *rq, const struct task *t);
u64 fair_slice_end(const struct rq *rq);

/* core.c; interrupts off. */
/*
 * Puts runnable @t, which is on no queue, on @rq, whose lock is held and whose curr is charged up
 * to @now.
 */
void rq_activate(struct rq *rq, struct task *t, u64 now);
/* Takes queued @t, which is on no CPU, off @rq. */
void rq_deactivate(struct rq *rq, struct task *t);
/*
 * Puts @t, which is moving: off every queue and with relative virtual time, on t->cpu or, if it
 * may not run there, elsewhere.
 */
void sched_place(struct task *t);

/* balance.c; interrupts off. */
unsigned int balance_select(const struct task *t, unsigned int prev_cpu);
/* lock of @rq held, dropped and taken again; true when @rq has a task now */
bool balance_pull_idle(struct rq *rq);
void balance_tick(struct rq *rq, u64 now); /* no run queue lock held */

/* stats.c */
void stats_tick(u64 now);
