/* SPDX-License-Identifier: MIT */
/*
 * wait.h: wait queues. A sleeper puts itself on the queue, sets its state, tests its condition,
 * then schedules; a waker changes the condition first and wakes after. The queue's lock orders the
 * two, so no wake-up is lost.
 */
#pragma once
#include <kernel/list.h>
#include <kernel/spinlock.h>

struct task;

struct wait_queue {
    spinlock_t lock;
    struct list_head waiters;
};

/*
 * wake_up_key counts these; other waiters are always all woken. A waiter that leaves for a signal
 * or a timeout after it was woken (its link is empty) passes the wake-up on.
 */
#define WAIT_EXCLUSIVE 1

struct wait_entry {
    struct list_head link;
    struct task *task;
    unsigned int flags;
    /*
     * Called under the queue lock instead of waking @task when set (poll); returns true when it
     * counts as woken.
     */
    bool (*func)(struct wait_entry *e, unsigned long key);
    void *private;
};

#define WAIT_QUEUE_INIT(name) { SPINLOCK_INIT(LOCK_WAITQ), LIST_HEAD_INIT((name).waiters) }
void wait_queue_init(struct wait_queue *wq);

/*
 * Puts the current task on @wq and sets its state to @state (TASK_INTERRUPTIBLE ...). Repeat before
 * each test.
 */
void wait_prepare(struct wait_queue *wq, struct wait_entry *e, unsigned int state);
/* Takes the entry off and sets the state to running. */
void wait_finish(struct wait_queue *wq, struct wait_entry *e);
/* Raw list operations for poll. */
void wait_add(struct wait_queue *wq, struct wait_entry *e);
void wait_remove(struct wait_queue *wq, struct wait_entry *e);

/*
 * Wakes all non-exclusive waiters and up to @nr exclusive ones; nr 0 means all. @key goes to func
 * (poll events).
 */
void wake_up_key(struct wait_queue *wq, unsigned int nr, unsigned long key);
static inline bool wait_queue_active(struct wait_queue *wq)
{
    smp_mb(); /* pairs with the full barrier in wait_prepare: condition store before this load */
    return !list_empty(&wq->waiters);
}
static inline void wake_up(struct wait_queue *wq)
{
    if (wait_queue_active(wq))
        wake_up_key(wq, 1, 0);
}
static inline void wake_up_all(struct wait_queue *wq)
{
    if (wait_queue_active(wq))
        wake_up_key(wq, 0, 0);
}

/*
 * One step of a wait loop, after the state was set to @state: sleeps. Returns 0, -EINTR (a signal
 * that ends a sleep in @state is pending) or -ETIME at @deadline_ns (0 = none); the last two
 * without sleeping, and the state is left as it is.
 */
int wait_step(unsigned int state, u64 deadline_ns);

#define wait_event_common(wq, cond, state, deadline)                                              \
    ({                                                                                            \
        int ret_ = 0;                                                                             \
        if (!(cond)) {                                                                            \
            struct wait_entry e_ = { .link = LIST_HEAD_INIT(e_.link) };                           \
            u64 deadline_ = (deadline);                                                           \
            for (;;) {                                                                            \
                wait_prepare(wq, &e_, state);                                                     \
                if (cond) {                                                                       \
                    ret_ = 0;                                                                     \
                    break;                                                                        \
                }                                                                                 \
                if (ret_ != 0)                                                                    \
                    break;                                                                        \
                ret_ = wait_step(state, deadline_);                                               \
            }                                                                                     \
            wait_finish(wq, &e_);                                                                 \
        }                                                                                         \
        ret_;                                                                                     \
    })

/*
 * Sleeps until @cond is true. The interruptible forms return -EINTR on a signal; callers turn it
 * into -ERESTARTSYS.
 */
#define wait_event(wq, cond) ((void)wait_event_common(wq, cond, TASK_UNINTERRUPTIBLE, 0))
#define wait_event_interruptible(wq, cond) wait_event_common(wq, cond, TASK_INTERRUPTIBLE, 0)
#define wait_event_killable(wq, cond) wait_event_common(wq, cond, TASK_KILLABLE, 0)
#define wait_event_timeout(wq, cond, deadline_ns)                                                 \
    wait_event_common(wq, cond, TASK_INTERRUPTIBLE, deadline_ns)
