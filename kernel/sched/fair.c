/* SPDX-License-Identifier: MIT */
/*
 * fair.c: the order of tasks within one run queue: real-time tasks by priority, then all others by
 * virtual run time.
 *
 * Virtual run time grows by the real time a task ran, scaled by 1024 / weight; the task with the
 * least runs next, so each gets CPU time in proportion to its weight. One nice level is a factor of
 * 1.25. A sleeper comes back at most SCHED_SLEEP_BONUS_NS behind the queue's clock (min_vruntime):
 * it is served soon, but cannot save up a claim. Real-time tasks use the same field as a number of
 * arrival. Does not choose CPUs (balance.c) and does not switch (core.c). Source: the idea is
 * weighted fair queueing (Demers, Keshav, Shenker, 1989) on CPU time.
 *
 * Locks: everything here runs under the run queue's lock. Invariants, checked by sched_check:
 *   I1  the tree holds exactly the tasks with on_rq set that are not curr, in the order of
 *       rq_before
 *   I2  leftmost is the first of the tree; min_vruntime never goes back
 *   I3  a task on a queue has that queue's absolute virtual time; off all queues and moving, a
 *       relative one
 * Read next: core.c.
 */
#include "internal.h"
#include <linux/sched.h>

#define WEIGHT_UNIT 1024u
#define WEIGHT_IDLE 3u /* SCHED_IDLE: runs when nobody else wants to, nearly */

/* 1024 * 1.25^-nice. */
static const u32 nice_weight[40] = {
    88818, 71054, 56843, 45475, 36380, 29104, 23283, 18626, /* -20 */
    14901, 11921, 9537,  7629,  6104,  4883,  3906,  3125,  /* -12 */
    2500,  2000,  1600,  1280,  1024,  819,   655,   524,   /* -4 */
    419,   336,   268,   215,   172,   137,   110,   88,    /* 4 */
    70,    56,    45,    36,    29,    23,    18,    15,    /* 12 */
};

static unsigned int weight_of(const struct task *t)
{
    return t->policy == SCHED_IDLE ? WEIGHT_IDLE : nice_weight[t->nice + 20];
}

static u64 scale(const struct task *t, u64 ns)
{
    if (t->nice == 0 && t->policy != SCHED_IDLE)
        return ns;
    return ns * WEIGHT_UNIT / weight_of(t);
}

/* Equal ones run in the order of arrival. */
bool rq_before(const struct task *a, const struct task *b)
{
    if (a->rt_priority != b->rt_priority)
        return a->rt_priority > b->rt_priority;
    return (s64)(a->vruntime - b->vruntime) < 0;
}

struct task *fair_first(const struct rq *rq)
{
    return rq->leftmost ? rb_entry(rq->leftmost, struct task, rq_node) : NULL;
}

void fair_enqueue(struct rq *rq, struct task *t)
{
    struct rb_node **link = &rq->tree.node, *parent = NULL;
    bool first = true;

    while (*link) {
        parent = *link;
        if (rq_before(t, rb_entry(parent, struct task, rq_node))) {
            link = &parent->left;
        } else {
            link = &parent->right;
            first = false;
        }
    }
    if (first)
        rq->leftmost = &t->rq_node;
    rb_insert_at(&t->rq_node, parent, link);
    rb_insert_color(&t->rq_node, &rq->tree);
}

void fair_dequeue(struct rq *rq, struct task *t)
{
    if (rq->leftmost == &t->rq_node)
        rq->leftmost = rb_next(&t->rq_node);
    rb_erase(&t->rq_node, &rq->tree);
}

/* The clock follows the task that is furthest behind. */
static void advance_clock(struct rq *rq)
{
    const struct task *first = fair_first(rq), *curr = rq->curr;
    u64 v;

    if (curr != rq->idle && !task_is_rt(curr) && curr->on_rq) {
        v = curr->vruntime;
        if (first && !task_is_rt(first) && (s64)(first->vruntime - v) < 0)
            v = first->vruntime;
    } else if (first && !task_is_rt(first)) {
        v = first->vruntime;
    } else {
        return;
    }
    if ((s64)(v - rq->min_vruntime) > 0)
        rq->min_vruntime = v;
}

void fair_update_curr(struct rq *rq, u64 now)
{
    struct task *t = rq->curr;
    u64 delta = now - rq->exec_start_ns;

    if ((s64)delta <= 0)
        return;
    rq->exec_start_ns = now;
    t->run_ns += delta;
    if (t->ticked_user)
        t->user_ns += delta;
    else
        t->sys_ns += delta;
    /* One that was woken into the tree on its way out must not change its place there. */
    if (t == rq->idle || task_is_rt(t) || rq->curr_retired)
        return;
    t->vruntime += scale(t, delta);
    advance_clock(rq);
}

void fair_place_woken(struct rq *rq, struct task *t)
{
    u64 earliest = rq->min_vruntime - (t->policy == SCHED_IDLE ? 0 : SCHED_SLEEP_BONUS_NS);

    if (task_is_rt(t))
        t->vruntime = rq->rt_seq++;
    else if ((s64)(t->vruntime - earliest) < 0)
        t->vruntime = earliest;
}

/* Behind those that are there, so that forking is no way to more CPU time. */
u64 fair_new_vruntime(const struct task *t)
{
    return scale(t, SCHED_SLICE_NS);
}

void fair_leave(const struct rq *rq, struct task *t)
{
    if (!task_is_rt(t))
        t->vruntime -= rq->min_vruntime;
}

void fair_join(struct rq *rq, struct task *t)
{
    if (task_is_rt(t))
        t->vruntime = rq->rt_seq++;
    else
        t->vruntime += rq->min_vruntime;
}

/* @t, which is not in the tree, lets all its equals go first. */
void fair_to_tail(struct rq *rq, struct task *t)
{
    struct rb_node *n = rb_last(&rq->tree);
    const struct task *last;

    if (task_is_rt(t)) {
        t->vruntime = rq->rt_seq++;
        return;
    }
    if (!n)
        return;
    last = rb_entry(n, struct task, rq_node);
    if (!task_is_rt(last) && (s64)(last->vruntime - t->vruntime) >= 0)
        t->vruntime = last->vruntime + 1;
}

bool fair_should_preempt(const struct rq *rq, const struct task *t)
{
    const struct task *curr = rq->curr;

    if (curr == rq->idle || !curr->on_rq)
        return true;
    if (task_is_rt(t) || task_is_rt(curr))
        return t->rt_priority > curr->rt_priority;
    if (t->policy == SCHED_IDLE || curr->policy == SCHED_IDLE)
        return t->policy != SCHED_IDLE;
    if (t->policy == SCHED_BATCH)
        return false;
    /* A thread that ends leaves by itself soon, and others wait for what it gives up on the way. */
    if (curr->flags & TF_EXITING)
        return false;
    return (s64)(curr->vruntime - t->vruntime) > (s64)SCHED_WAKE_GRAIN_NS;
}

/* When curr has to give way to an equal; ~0 = never. */
u64 fair_slice_end(const struct rq *rq)
{
    const struct task *curr = rq->curr;

    if (curr->policy == SCHED_FIFO)
        return ~0ULL;
    return curr->slice_start_ns + (curr->policy == SCHED_RR ? SCHED_RR_SLICE_NS : SCHED_SLICE_NS);
}
