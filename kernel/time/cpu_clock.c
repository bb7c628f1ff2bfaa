/* SPDX-License-Identifier: MIT */
/*
 * cpu_clock.c: clocks that count the CPU time of a thread or a process.
 *
 * CLOCK_PROCESS_CPUTIME_ID and CLOCK_THREAD_CPUTIME_ID name the caller's. clock_getcpuclockid(3)
 * and pthread_getcpuclockid(3) encode others in a negative number: ~id in the upper bits, bit 2 set
 * for a thread, and the kind in the lower two: 0 user and system time, 1 user time, 2 CPU time. A
 * timer on such a clock is checked by ticks.
 *
 * Locks: none here; the sums take TASKLIST. Read next: itimer.c, posix_timer.c.
 */
#include "internal.h"
#include <linux/errno.h>

#define CPU_CLOCK_THREAD 4

bool clock_is_cpu(int clock)
{
    return clock < 0 || clock == CLOCK_PROCESS_CPUTIME_ID || clock == CLOCK_THREAD_CPUTIME_ID;
}

/* @id 0 is the caller. A thread's clock can be read within its process only. */
static int find_task(struct cpu_clock *c, pid_t id)
{
    struct task *t = id == 0 ? current : task_find_get(id);

    if (!t)
        return -EINVAL;
    if (id == 0)
        task_get(t);
    c->task = t;
    return t->proc == current->proc ? 0 : -EINVAL;
}

static int find_process(struct cpu_clock *c, pid_t id)
{
    if (id == 0) {
        process_get(current->proc);
        c->process = current->proc;
        return 0;
    }
    c->process = process_find_get(id);
    return c->process ? 0 : -EINVAL;
}

int cpu_clock_get(struct cpu_clock *c, int clock)
{
    pid_t id = clock < 0 ? ~(clock >> 3) : 0;
    bool thread = clock < 0 ? (clock & CPU_CLOCK_THREAD) != 0 : clock == CLOCK_THREAD_CPUTIME_ID;
    int err;

    *c = (struct cpu_clock){ .kind = CPU_CLOCK_SCHED };
    if (clock < 0)
        c->kind = (enum cpu_clock_kind)(clock & 3);
    if (c->kind > CPU_CLOCK_SCHED)
        return -EINVAL;
    err = thread ? find_task(c, id) : find_process(c, id);
    if (err)
        cpu_clock_put(c);
    return err;
}

void cpu_clock_put(struct cpu_clock *c)
{
    if (c->task)
        task_put(c->task);
    if (c->process)
        process_put(c->process);
    *c = (struct cpu_clock){ 0 };
}

u64 process_cpu_ns(struct process *p, enum cpu_clock_kind kind)
{
    u64 user, sys;

    process_times(p, &user, &sys);
    return kind == CPU_CLOCK_VIRT ? user : user + sys;
}

u64 cpu_clock_read(const struct cpu_clock *c)
{
    u64 user, sys;

    if (c->process)
        return process_cpu_ns(c->process, c->kind);
    if (c->kind == CPU_CLOCK_SCHED)
        return sched_task_ns(c->task);
    sched_task_times(c->task, &user, &sys);
    return c->kind == CPU_CLOCK_VIRT ? user : user + sys;
}
