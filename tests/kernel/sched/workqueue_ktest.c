/* SPDX-License-Identifier: MIT */
/* workqueue_ktest.c: work runs once per queueing, in order, and cancel and flush wait. */
#include "tests/kernel/team.h"
#include <kernel/workqueue.h>

struct job {
    struct work work;
    unsigned int *log;
    atomic_t *next;
    unsigned int nr, runs;
    bool slow, running;
};

static void run_job(struct work *w)
{
    struct job *j = container_of(w, struct job, work);

    WRITE_ONCE(j->running, true);
    if (j->slow)
        test_sleep_ms(20);
    j->runs++;
    if (j->log)
        j->log[atomic_inc_return(j->next) - 1] = j->nr;
    WRITE_ONCE(j->running, false);
}

KTEST(workqueue, in_order_and_flush)
{
    static struct job jobs[50];
    static unsigned int log[50];
    atomic_t next = ATOMIC_INIT(0);

    for (unsigned int i = 0; i < 50; i++) {
        jobs[i] = (struct job){ .log = log, .next = &next, .nr = i };
        work_init(&jobs[i].work, run_job);
        EXPECT(work_queue(&jobs[i].work));
    }
    work_flush();
    EXPECT_EQ(atomic_read(&next), 50);
    for (unsigned int i = 0; i < 50; i++)
        EXPECT_EQ(log[i], i);
}

KTEST(workqueue, pending_is_queued_once)
{
    struct job slow = { .slow = true }, j = { .nr = 0 };

    work_init(&slow.work, run_job);
    work_init(&j.work, run_job);
    EXPECT(work_queue(&slow.work)); /* keeps the thread busy */
    EXPECT(work_queue(&j.work));
    EXPECT(!work_queue(&j.work));
    work_flush();
    EXPECT_EQ(j.runs, 1);
    EXPECT_EQ(slow.runs, 1);
}

KTEST(workqueue, cancel_waits)
{
    struct job slow = { .slow = true }, j = { .nr = 0 };

    work_init(&slow.work, run_job);
    work_init(&j.work, run_job);
    work_queue(&slow.work);
    work_queue(&j.work);
    EXPECT(work_cancel(&j.work));
    EXPECT_EQ(j.runs, 0);
    while (!READ_ONCE(slow.running))
        test_sleep_ms(1);
    EXPECT(!work_cancel(&slow.work));
    EXPECT(!READ_ONCE(slow.running));
    EXPECT_EQ(slow.runs, 1);
}
