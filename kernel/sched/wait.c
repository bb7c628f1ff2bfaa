/* SPDX-License-Identifier: MIT */
/*
 * wait.c: wait queues: lists of sleepers, and waking them.
 *
 * Waking takes an entry off the list when its task was really asleep, so that the next exclusive
 * wake-up finds the next sleeper. Entries with a function (poll) stay until removed. A sleeper
 * leaves by itself after a signal or a timeout.
 *
 * Locks: the queue's (WAITQ); RUNQ is taken inside it. Invariants:
 *   I1  an entry is on its queue, or its link is an empty list; both under the queue's lock
 *   I2  the sleeper sets its state before it tests the condition, the waker changes the condition
 *       before it looks at the queue, and a full barrier lies between on both sides: one of them
 *       sees the other
 *   I3  a waker does not touch an entry after its link was emptied, so the sleeper may return
 *       without the lock
 * Checked by tests/kernel/sched/wait_ktest.c. Read next: core.c (wake_up_state).
 */
#include <kernel/task.h>
#include <kernel/wait.h>
#include <linux/errno.h>

void wait_queue_init(struct wait_queue *wq)
{
    spin_init(&wq->lock, LOCK_WAITQ);
    list_init(&wq->waiters);
}

/* Exclusive waiters lie behind the others, in the order of arrival. */
static void add_entry(struct wait_queue *wq, struct wait_entry *e)
{
    if (e->flags & WAIT_EXCLUSIVE)
        list_add_tail(&e->link, &wq->waiters);
    else
        list_add(&e->link, &wq->waiters);
}

void wait_prepare(struct wait_queue *wq, struct wait_entry *e, unsigned int state)
{
    unsigned long flags = spin_lock_irqsave(&wq->lock);

    e->task = current;
    if (list_empty(&e->link))
        add_entry(wq, e);
    task_set_state(state);
    spin_unlock_irqrestore(&wq->lock, flags);
}

/*
 * The acquire pairs with the release in detach: an empty link means that the waker is done with the
 * entry.
 */
static bool is_detached(const struct wait_entry *e)
{
    return smp_load_acquire(&e->link.next) == &e->link;
}

static void detach(struct wait_entry *e)
{
    list_del(&e->link);
    e->link.prev = &e->link;
    smp_store_release(&e->link.next, &e->link);
}

void wait_finish(struct wait_queue *wq, struct wait_entry *e)
{
    WRITE_ONCE(current->state, TASK_RUNNING);
    if (!is_detached(e))
        wait_remove(wq, e);
}

void wait_add(struct wait_queue *wq, struct wait_entry *e)
{
    unsigned long flags = spin_lock_irqsave(&wq->lock);

    add_entry(wq, e);
    spin_unlock_irqrestore(&wq->lock, flags);
}

void wait_remove(struct wait_queue *wq, struct wait_entry *e)
{
    unsigned long flags = spin_lock_irqsave(&wq->lock);

    list_del_init(&e->link);
    spin_unlock_irqrestore(&wq->lock, flags);
}

/* Returns whether a sleeper was woken. The entry may be gone afterwards. */
static bool wake_entry(struct wait_entry *e, unsigned long key)
{
    if (e->func)
        return e->func(e, key);
    if (!wake_up_task(e->task))
        return false;
    detach(e);
    return true;
}

void wake_up_key(struct wait_queue *wq, unsigned int nr, unsigned long key)
{
    unsigned long flags = spin_lock_irqsave(&wq->lock);
    struct wait_entry *e, *next;

    list_for_each_entry_safe(e, next, &wq->waiters, link) {
        bool exclusive = e->flags & WAIT_EXCLUSIVE;

        if (wake_entry(e, key) && exclusive && nr > 0 && --nr == 0)
            break;
    }
    spin_unlock_irqrestore(&wq->lock, flags);
}

static bool must_stop_waiting(unsigned int state)
{
    if (state == TASK_INTERRUPTIBLE)
        return signal_pending();
    return state == TASK_KILLABLE && fatal_signal_pending();
}

struct sleep_timer {
    struct timer timer;
    struct task *task;
};

static void deadline_expired(struct timer *t)
{
    wake_up_task(container_of(t, struct sleep_timer, timer)->task);
}

/* Sleeps in the state that is set until woken or until @deadline_ns has passed. */
static void sleep_until(u64 deadline_ns)
{
    struct sleep_timer s = { .task = current };

    timer_init(&s.timer, deadline_expired);
    timer_start(&s.timer, deadline_ns);
    schedule();
    timer_cancel(&s.timer);
}

int wait_step(unsigned int state, u64 deadline_ns)
{
    if (must_stop_waiting(state))
        return -EINTR;
    if (deadline_ns == 0) {
        schedule();
        return 0;
    }
    if (arch_clock_ns() >= deadline_ns)
        return -ETIME;
    sleep_until(deadline_ns);
    return 0;
}
