/* SPDX-License-Identifier: MIT */
/*
 * mutex.c: what a mutex does when somebody must wait. The fast paths are inline in kernel/mutex.h.
 *
 * Waiters queue first come, first served. An unlock wakes the first one, which then competes with
 * newcomers: a thread that is running gets the lock without a switch. A waiter that lost once after
 * it was woken is owed the lock: the next unlock hands it over while it sleeps, so nobody waits for
 * more than one turn of a barger. Not interruptible, not recursive, no priority inheritance.
 *
 * Locks: wq.lock (WAITQ) guards the list of waiters. Invariants:
 *   I1  state != 0 exactly while somebody owns the mutex or it is being handed to a waiter
 *   I2  while the list is not empty and state is not 2, the first waiter has been woken and will
 *       set it to 2
 *   I3  a waiter leaves the list only under wq.lock, by its own hand or by the one that hands the
 *       lock over
 * Checked by tests/kernel/lock/mutex_ktest.c. Read next: rwsem.c.
 */
#include <kernel/mutex.h>
#include <kernel/printk.h>
#include <kernel/task.h>

struct mutex_waiter {
    struct list_head link;
    struct task *task;
    bool owed;    /* lost to a barger once: hand over */
    bool granted; /* the lock is this waiter's */
};

void mutex_init(struct mutex *m, enum lock_class c)
{
    atomic_set(&m->state, 0);
    m->class = (u8)c;
    m->owner = NULL;
    wait_queue_init(&m->wq);
}

/*
 * Sleeps until woken. Called and returns with wq.lock held; the state is set before the lock is
 * dropped.
 */
static unsigned long wait_unlocked(struct wait_queue *wq, unsigned long flags)
{
    task_set_state(TASK_UNINTERRUPTIBLE);
    spin_unlock_irqrestore(&wq->lock, flags);
    schedule();
    return spin_lock_irqsave(&wq->lock);
}

void mutex_lock_slow(struct mutex *m)
{
    struct mutex_waiter w = { .task = current };
    unsigned long flags = spin_lock_irqsave(&m->wq.lock);
    bool woken = false;

    list_add_tail(&w.link, &m->wq.waiters);
    /* From here on the word says 2 whenever it is not free, so an unlock looks at the list. */
    while (xchg(&m->state.v, 2) != 0) {
        w.owed = woken;
        flags = wait_unlocked(&m->wq, flags);
        woken = true;
        if (w.granted)
            break;
    }
    if (!w.granted)
        list_del(&w.link);
    if (list_empty(&m->wq.waiters))
        atomic_set(&m->state, 1); /* the owner's right: newcomers need wq.lock to wait */
    spin_unlock_irqrestore(&m->wq.lock, flags);
}

/* The word is 2 and stays so until it is decided here who is next. */
void mutex_unlock_slow(struct mutex *m)
{
    unsigned long flags = spin_lock_irqsave(&m->wq.lock);
    struct mutex_waiter *w = NULL;

    if (!list_empty(&m->wq.waiters))
        w = list_first_entry(&m->wq.waiters, struct mutex_waiter, link);
    if (w && w->owed) {
        list_del(&w->link);
        w->granted = true;
    } else {
        __atomic_store_n(&m->state.v, 0, __ATOMIC_RELEASE);
    }
    if (w)
        wake_up_task(w->task);
    spin_unlock_irqrestore(&m->wq.lock, flags);
}
