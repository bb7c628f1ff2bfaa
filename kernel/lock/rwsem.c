/* SPDX-License-Identifier: MIT */
/*
 * rwsem.c: what a reader-writer semaphore does when somebody must wait. The fast paths are inline
 * in kernel/mutex.h.
 *
 * One queue for readers and writers, first come, first served: once somebody waits, newcomers queue
 * behind. Readers at the head get the lock together and asleep. A writer at the head is woken and
 * competes with writers that happen to be running; when it lost once it is owed the lock and gets
 * it asleep, as in mutex.c. No upgrade, no recursion.
 *
 * The fast path of a reader adds 1 before it looks, so for an instant the count holds readers that
 * are about to wait; each takes its 1 back under wq.lock and then does what the unlock that was
 * misled by it would have done.
 *
 * Locks: wq.lock (WAITQ) guards the list of waiters and RWSEM_WAITING. Invariants:
 *   I1  RWSEM_WAITING is set exactly while the list is not empty
 *   I2  RWSEM_WRITER excludes readers, those about to wait apart
 *   I3  count == RWSEM_WAITING (free, somebody waits) is seen by the one who made it so, who calls
 *       rwsem_wake
 * Checked by tests/kernel/lock/rwsem_ktest.c. Read next: kernel/sched/wait.c.
 */
#include <kernel/mutex.h>
#include <kernel/task.h>
#include <linux/errno.h>

struct rwsem_waiter {
    struct list_head link;
    struct task *task;
    bool writer;
    bool owed;    /* a writer that lost to a barger once: hand over */
    bool granted; /* the lock is this waiter's, and it is off the list */
};

void rwsem_init(struct rwsem *s, enum lock_class c)
{
    atomic_long_set(&s->count, 0);
    s->class = (u8)c;
    s->owner = NULL;
    wait_queue_init(&s->wq);
}

static struct rwsem_waiter *first_waiter(struct rwsem *s)
{
    if (list_empty(&s->wq.waiters))
        return NULL;
    return list_first_entry(&s->wq.waiters, struct rwsem_waiter, link);
}

static void grant(struct rwsem_waiter *w)
{
    list_del(&w->link);
    w->granted = true;
    wake_up_task(w->task);
}

static void clear_waiting_if_empty(struct rwsem *s)
{
    if (list_empty(&s->wq.waiters))
        atomic_long_add(&s->count, -RWSEM_WAITING);
}

/* The readers at the head of the queue get the lock together. No writer holds it. */
static void grant_readers(struct rwsem *s)
{
    struct rwsem_waiter *w;

    while ((w = first_waiter(s)) && !w->writer) {
        (void)__atomic_fetch_add(&s->count.v, 1, __ATOMIC_ACQUIRE);
        grant(w);
    }
    clear_waiting_if_empty(s);
}

/* Takes the lock for a writer when nobody holds it, whoever waits. wq.lock held. */
static bool take_for_writer(struct rwsem *s)
{
    long n = atomic_long_read(&s->count);

    while (!(n & (RWSEM_WRITER | RWSEM_READERS)))
        if (__atomic_compare_exchange_n(&s->count.v, &n, n | RWSEM_WRITER, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    return false;
}

/* Gives the lock to, or wakes, whoever is first; does nothing while it is held. wq.lock held. */
static void wake_locked(struct rwsem *s)
{
    struct rwsem_waiter *w = first_waiter(s);

    if (!w || (atomic_long_read(&s->count) & RWSEM_WRITER))
        return;
    if (!w->writer) {
        grant_readers(s);
    } else if (!w->owed) {
        wake_up_task(w->task);
    } else if (take_for_writer(s)) {
        grant(w);
        clear_waiting_if_empty(s);
    }
}

void rwsem_wake(struct rwsem *s)
{
    unsigned long flags = spin_lock_irqsave(&s->wq.lock);

    wake_locked(s);
    spin_unlock_irqrestore(&s->wq.lock, flags);
}

static void enqueue(struct rwsem *s, struct rwsem_waiter *w)
{
    if (list_empty(&s->wq.waiters))
        atomic_long_add(&s->count, RWSEM_WAITING);
    list_add_tail(&w->link, &s->wq.waiters);
}

static void dequeue(struct rwsem *s, struct rwsem_waiter *w)
{
    list_del(&w->link);
    clear_waiting_if_empty(s);
}

/* wq.lock held on entry and return, dropped while asleep. The state is set already. */
static unsigned long sleep_unlocked(struct rwsem *s, unsigned long flags)
{
    spin_unlock_irqrestore(&s->wq.lock, flags);
    schedule();
    return spin_lock_irqsave(&s->wq.lock);
}

/*
 * Newcomers may pass a writer that was woken and has not lost yet; nobody else. @w is on the list.
 */
static bool may_take(struct rwsem *s, const struct rwsem_waiter *w)
{
    const struct rwsem_waiter *first = first_waiter(s);

    return first == w || (first->writer && !first->owed);
}

/* The caller's 1 is in the count already. */
void rwsem_read_slow(struct rwsem *s)
{
    struct rwsem_waiter w = { .task = current };
    unsigned long flags = spin_lock_irqsave(&s->wq.lock);

    if (list_empty(&s->wq.waiters) && !(atomic_long_read(&s->count) & RWSEM_WRITER)) {
        __atomic_thread_fence(__ATOMIC_ACQUIRE); /* the writer left meanwhile: the 1 counts */
        spin_unlock_irqrestore(&s->wq.lock, flags);
        return;
    }
    enqueue(s, &w);
    if (!(atomic_long_add_return(&s->count, -1) & (RWSEM_WRITER | RWSEM_READERS)))
        wake_locked(s);
    while (!w.granted) {
        task_set_state(TASK_UNINTERRUPTIBLE);
        flags = sleep_unlocked(s, flags);
    }
    spin_unlock_irqrestore(&s->wq.lock, flags);
}

/* 0 with the lock held for writing; -EINTR without, only when @killable. */
int rwsem_write_slow(struct rwsem *s, bool killable)
{
    struct rwsem_waiter w = { .task = current, .writer = true };
    unsigned long flags = spin_lock_irqsave(&s->wq.lock);
    bool woken = false;
    int err = 0;

    enqueue(s, &w);
    while (!w.granted) {
        task_set_state(killable ? TASK_KILLABLE : TASK_UNINTERRUPTIBLE);
        if (may_take(s, &w) && take_for_writer(s)) {
            dequeue(s, &w);
            break;
        }
        if (killable && fatal_signal_pending()) {
            dequeue(s, &w);
            if (!(atomic_long_read(&s->count) & RWSEM_WRITER))
                wake_locked(s); /* readers behind us need not wait any more */
            err = -EINTR;
            break;
        }
        w.owed = woken;
        flags = sleep_unlocked(s, flags);
        woken = true;
    }
    task_set_state(TASK_RUNNING);
    spin_unlock_irqrestore(&s->wq.lock, flags);
    return err;
}

int rwsem_write_lock_killable(struct rwsem *s)
{
    might_sleep();
    lockcheck_acquire(s, s->class, false, false);
    if (!rwsem_write_word(s) && rwsem_write_slow(s, true) != 0) {
        lockcheck_release(s, s->class);
        return -EINTR;
    }
    WRITE_ONCE(s->owner, current);
    return 0;
}

void rwsem_downgrade(struct rwsem *s)
{
    WRITE_ONCE(s->owner, NULL);
    if (__atomic_add_fetch(&s->count.v, 1 - RWSEM_WRITER, __ATOMIC_RELEASE) & RWSEM_WAITING)
        rwsem_wake(s);
}
