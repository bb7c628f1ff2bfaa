/* SPDX-License-Identifier: MIT */
/*
 * timeval.c: the time structures of user programs to nanoseconds and back. Both kinds have two
 * words of 64 bits.
 *
 * A time too far ahead for 64 bits of nanoseconds becomes the farthest that is not, as a sleep
 * cannot tell. No locks, no state. Source: POSIX.1-2017 <time.h>, <sys/time.h>; negative seconds
 * are malformed everywhere here. Read next: posix_clock.c.
 */
#include "internal.h"
#include <kernel/uaccess.h>
#include <linux/errno.h>

#define MAX_SECONDS ((s64)(INT64_MAX / (s64)NSEC_PER_SEC) - 1)

static u64 saturate(s64 seconds, u64 ns)
{
    return seconds > MAX_SECONDS ? (u64)INT64_MAX : (u64)seconds * NSEC_PER_SEC + ns;
}

bool timespec_to_ns(u64 *ns, const struct timespec *ts)
{
    if (ts->tv_sec < 0 || ts->tv_nsec < 0 || ts->tv_nsec >= (long)NSEC_PER_SEC)
        return false;
    *ns = saturate(ts->tv_sec, (u64)ts->tv_nsec);
    return true;
}

bool timeval_to_ns(u64 *ns, const struct timeval *tv)
{
    if (tv->tv_sec < 0 || tv->tv_usec < 0 || tv->tv_usec >= 1000000)
        return false;
    *ns = saturate(tv->tv_sec, (u64)tv->tv_usec * NSEC_PER_USEC);
    return true;
}

struct timespec ns_to_timespec(u64 ns)
{
    return (struct timespec){ .tv_sec = (long)(ns / NSEC_PER_SEC),
                              .tv_nsec = (long)(ns % NSEC_PER_SEC) };
}

struct timeval ns_to_timeval(u64 ns)
{
    return (struct timeval){ .tv_sec = (long)(ns / NSEC_PER_SEC),
                             .tv_usec = (long)(ns % NSEC_PER_SEC / NSEC_PER_USEC) };
}

int timespec_get(u64 *ns, const void __user *p)
{
    struct timespec ts;

    if (copy_from_user(&ts, p, sizeof(ts)))
        return -EFAULT;
    return timespec_to_ns(ns, &ts) ? 0 : -EINVAL;
}

int timespec_put(u64 ns, void __user *p)
{
    struct timespec ts = ns_to_timespec(ns);

    return copy_to_user(p, &ts, sizeof(ts));
}

int timeval_get(u64 *ns, const void __user *p)
{
    struct timeval tv;

    if (copy_from_user(&tv, p, sizeof(tv)))
        return -EFAULT;
    return timeval_to_ns(ns, &tv) ? 0 : -EINVAL;
}
