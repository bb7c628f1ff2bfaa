/* SPDX-License-Identifier: MIT */
/*
 * workqueue.c: one kernel thread that calls queued functions in order.
 *
 * For what an interrupt handler or the holder of a spinlock wants done but may not do itself. Work
 * that sleeps long holds up what is queued behind it.
 *
 * Lock: work_lock (LEAF). Invariants: I1 work is on the list exactly while pending is set. I2
 * running_work names the work whose function runs; it is compared, never followed, since the
 * function may free it. Checked by tests/kernel/sched/workqueue_ktest.c. Read next: fail.c.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/workqueue.h>

static spinlock_t work_lock = SPINLOCK_INIT(LOCK_LEAF);
static LIST_HEAD(work_list);
static struct work *running_work;
static struct task *work_thread;
static struct wait_queue work_done = WAIT_QUEUE_INIT(work_done);

bool work_queue(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    bool queued = !w->pending;
    struct task *t;

    if (queued) {
        w->pending = true;
        list_add_tail(&w->link, &work_list);
    }
    spin_unlock_irqrestore(&work_lock, flags);
    t = __atomic_load_n(&work_thread, __ATOMIC_ACQUIRE);
    if (queued && t)
        wake_up_task(t);
    return queued;
}

static struct work *take_first(void)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    struct work *w = NULL;

    if (!list_empty(&work_list)) {
        w = list_first_entry(&work_list, struct work, link);
        list_del_init(&w->link);
        w->pending = false;
    }
    running_work = w;
    spin_unlock_irqrestore(&work_lock, flags);
    return w;
}

static int work_main(void *arg)
{
    struct work *w;

    (void)arg;
    for (;;) {
        task_set_state(TASK_INTERRUPTIBLE);
        w = take_first();
        if (!w) {
            wake_up_all(&work_done);
            schedule();
            continue;
        }
        WRITE_ONCE(current->state, TASK_RUNNING);
        w->fn(w);
        wake_up_all(&work_done);
    }
    return 0;
}

static bool is_running(const struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    bool running = running_work == w;

    spin_unlock_irqrestore(&work_lock, flags);
    return running;
}

bool work_cancel(struct work *w)
{
    unsigned long flags = spin_lock_irqsave(&work_lock);
    bool was_pending = w->pending;

    if (was_pending) {
        list_del_init(&w->link);
        w->pending = false;
    }
    spin_unlock_irqrestore(&work_lock, flags);
    if (current != work_thread) /* a function may take its own work back */
        wait_event(&work_done, !is_running(w));
    return was_pending;
}

struct flush {
    struct work work;
    bool done;
};

static void mark_done(struct work *w)
{
    smp_store_release(&container_of(w, struct flush, work)->done, true);
}

void work_flush(void)
{
    struct flush f = { .done = false };

    work_init(&f.work, mark_done);
    work_queue(&f.work);
    wait_event(&work_done, smp_load_acquire(&f.done) && !is_running(&f.work));
}

void workqueue_start(void)
{
    struct task *t = kernel_thread(work_main, NULL, "kworker");

    if (IS_ERR(t))
        panic("no memory for the work thread");
    __atomic_store_n(&work_thread, t, __ATOMIC_RELEASE);
}
