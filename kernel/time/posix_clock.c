/* SPDX-License-Identifier: MIT */
/*
 * posix_clock.c: the system calls that read and set clocks.
 *
 * Clocks: REALTIME and TAI (no leap seconds, so equal), MONOTONIC, MONOTONIC_RAW, BOOTTIME (the
 * machine never suspends, so equal), the COARSE ones (as fine as the others), and the CPU clocks of
 * cpu_clock.c. The ALARM clocks need a clock device that can wake the machine: EINVAL as on Linux
 * without one. Source: POSIX.1-2017 clock_gettime, gettimeofday, times; clock_getres(2),
 * settimeofday(2). Read next: nanosleep.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/errno.h>
#include <linux/times.h>

#define USER_HZ 100 /* the unit of times(2) */

/* stored for settimeofday, given back by gettimeofday, used for nothing */
static struct timezone timezone;

static int read_cpu_clock(int clock, u64 *ns)
{
    struct cpu_clock c;
    int err = cpu_clock_get(&c, clock);

    if (err)
        return err;
    *ns = cpu_clock_read(&c);
    cpu_clock_put(&c);
    return 0;
}

static int read_clock(int clock, u64 *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
        *ns = clock_realtime_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = clock_monotonic_ns();
        return 0;
    default:
        return clock_is_cpu(clock) ? read_cpu_clock(clock, ns) : -EINVAL;
    }
}

SYSCALL2(clock_gettime, int, clock, void __user *, out)
{
    u64 ns;
    int err = read_clock(clock, &ns);

    return err ? err : timespec_put(ns, out);
}

SYSCALL2(clock_getres, int, clock, void __user *, out)
{
    u64 ns;
    int err = read_clock(clock, &ns);

    if (err || !out)
        return err;
    return timespec_put(1, out);
}

SYSCALL2(clock_settime, int, clock, const void __user *, in)
{
    u64 ns;
    int err;

    if (clock != CLOCK_REALTIME)
        return -EINVAL;
    err = timespec_get(&ns, in);
    if (err)
        return err;
    if (!has_capability())
        return -EPERM;
    if (ns < clock_monotonic_ns())
        return -EINVAL; /* Linux: the boot would lie before 1970 */
    clock_set_realtime_ns(ns);
    return 0;
}

SYSCALL2(gettimeofday, void __user *, tv_out, void __user *, tz_out)
{
    struct timeval tv = ns_to_timeval(clock_realtime_ns());

    if (tv_out && copy_to_user(tv_out, &tv, sizeof(tv)))
        return -EFAULT;
    if (tz_out && copy_to_user(tz_out, &timezone, sizeof(timezone)))
        return -EFAULT;
    return 0;
}

SYSCALL2(settimeofday, const void __user *, tv_in, const void __user *, tz_in)
{
    struct timezone tz = timezone;
    u64 ns = 0;
    int err = tv_in ? timeval_get(&ns, tv_in) : 0;

    if (err)
        return err;
    if (tz_in && copy_from_user(&tz, tz_in, sizeof(tz)))
        return -EFAULT;
    if (!has_capability())
        return -EPERM;
    if (tz.tz_minuteswest > 15 * 60 || tz.tz_minuteswest < -15 * 60)
        return -EINVAL;
    if (tv_in && ns < clock_monotonic_ns())
        return -EINVAL;
    timezone = tz;
    if (tv_in)
        clock_set_realtime_ns(ns);
    return 0;
}

SYSCALL1(time, u64 __user *, out)
{
    u64 seconds = clock_realtime_ns() / NSEC_PER_SEC;

    if (out && put_user_u64(seconds, out))
        return -EFAULT;
    return (long)seconds;
}

SYSCALL1(times, void __user *, out)
{
    struct process *p = current->proc;
    u64 user, sys, tick = NSEC_PER_SEC / USER_HZ;
    struct tms tms;

    if (out) {
        process_times(p, &user, &sys);
        tms.tms_utime = (long)(user / tick);
        tms.tms_stime = (long)(sys / tick);
        tms.tms_cutime = (long)(READ_ONCE(p->cuser_ns) / tick);
        tms.tms_cstime = (long)(READ_ONCE(p->csys_ns) / tick);
        if (copy_to_user(out, &tms, sizeof(tms)))
            return -EFAULT;
    }
    return (long)(clock_monotonic_ns() / tick);
}
