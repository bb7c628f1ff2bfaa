/* SPDX-License-Identifier: MIT */
/*
 * nanosleep.c: sleeping for a time. A signal ends the sleep; a relative one goes on with the rest
 * when the signal had no handler, through restart_syscall, an absolute one by making the call
 * again.
 *
 * No locks. Source: POSIX.1-2017 nanosleep, clock_nanosleep; restart_syscall(2). Read next:
 * itimer.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/errno.h>

int nanosleep_until(u64 deadline_ns, bool interruptible, u64 *left_ns)
{
    unsigned int state = interruptible ? TASK_INTERRUPTIBLE : TASK_UNINTERRUPTIBLE;
    u64 now;
    int err;

    do {
        task_set_state(state);
        err = wait_step(state, deadline_ns ? deadline_ns : 1);
    } while (err == 0);
    WRITE_ONCE(current->state, TASK_RUNNING);
    if (left_ns) {
        now = clock_monotonic_ns();
        *left_ns = deadline_ns > now ? deadline_ns - now : 0;
    }
    return err == -ETIME ? 0 : err;
}

static long sleep_relative(u64 deadline_ns, void __user *rmtp);

static long sleep_restart(struct task *t)
{
    return sleep_relative(t->restart.deadline_ns, (void __user *)t->restart.arg[0]);
}

/* The deadline is kept, so that signals do not lengthen the sleep. */
static long sleep_relative(u64 deadline_ns, void __user *rmtp)
{
    u64 left;

    if (nanosleep_until(deadline_ns, true, &left) == 0)
        return 0;
    if (left == 0)
        return 0;
    if (rmtp && timespec_put(left, rmtp))
        return -EFAULT;
    current->restart.fn = sleep_restart;
    current->restart.deadline_ns = deadline_ns;
    current->restart.arg[0] = (unsigned long)rmtp;
    return -ERESTART_RESTARTBLOCK;
}

static u64 deadline_after(u64 ns)
{
    u64 now = clock_monotonic_ns();

    return now + ns < now ? ~0ULL - 1 : now + ns;
}

SYSCALL2(nanosleep, const void __user *, rqtp, void __user *, rmtp)
{
    u64 ns;
    int err = timespec_get(&ns, rqtp);

    return err ? err : sleep_relative(deadline_after(ns), rmtp);
}

/*
 * Sleeps until @c has reached @target. CPU time grows at most as fast as its threads run together,
 * so the time that is missing divided by their number is never too long a nap.
 */
static int sleep_on_cpu_clock(struct cpu_clock *c, u64 target)
{
    u64 now;

    while ((now = cpu_clock_read(c)) < target) {
        u64 nap = (target - now) / (u64)max(READ_ONCE(c->process->nr_threads), 1);

        if (nanosleep_until(deadline_after(max(nap, NSEC_PER_MSEC)), true, NULL))
            return -EINTR;
    }
    return 0;
}

static long sleep_cpu(int clock, bool absolute, u64 ns, void __user *rmtp)
{
    struct cpu_clock c;
    u64 target, now;
    int err;

    if (clock == CLOCK_THREAD_CPUTIME_ID)
        return -EINVAL; /* POSIX: the caller would wait for itself */
    err = cpu_clock_get(&c, clock);
    if (err)
        return err;
    if (!c.process) {
        cpu_clock_put(&c);
        return -EINVAL;
    }
    target = absolute ? ns : cpu_clock_read(&c) + ns;
    err = sleep_on_cpu_clock(&c, target);
    now = cpu_clock_read(&c);
    cpu_clock_put(&c);
    if (!err || now >= target)
        return 0;
    if (absolute)
        return -ERESTARTNOHAND;
    if (rmtp && timespec_put(target - now, rmtp))
        return -EFAULT;
    return -EINTR;
}

/* 0 for a clock that one can sleep by. */
static int judge_clock(int clock)
{
    if (clock_is_cpu(clock))
        return 0;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_TAI:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    default:
        return -EINVAL;
    }
}

SYSCALL4(clock_nanosleep, int, clock, int, flags, const void __user *, rqtp, void __user *, rmtp)
{
    bool absolute = (flags & TIMER_ABSTIME) != 0;
    int err = judge_clock(clock);
    u64 ns;

    if (!err)
        err = timespec_get(&ns, rqtp);
    if (err)
        return err;
    if (clock_is_cpu(clock))
        return sleep_cpu(clock, absolute, ns, rmtp);
    if (!absolute)
        return sleep_relative(deadline_after(ns), rmtp);
    if (clock == CLOCK_REALTIME || clock == CLOCK_TAI)
        err = clock_sleep_until_realtime(ns);
    else
        err = nanosleep_until(ns, true, NULL);
    return err ? -ERESTARTNOHAND : 0;
}
