/* SPDX-License-Identifier: MIT */
/*
 * clock.c: the two clocks: monotonic time since boot, which the machine gives, and wall time, which
 * is that plus an offset.
 *
 * The offset is one word, read and written whole, so readers need no lock. Setting the clock
 * changes the offset and nothing else; who sleeps until a wall time is woken to compute its
 * deadline anew. No leap seconds, no slewing.
 * I1: monotonic time never goes back, on one CPU and from one CPU to another (the machine's
 *     promise, tests/kernel/time/clock_ktest.c).
 * Read next: posix_clock.c.
 */
#include "internal.h"
#include <kernel/atomic.h>
#include <linux/errno.h>

static u64 realtime_offset_ns;
static struct wait_queue clock_set_queue = WAIT_QUEUE_INIT(clock_set_queue);

void clock_init(void)
{
    WRITE_ONCE(realtime_offset_ns, arch_rtc_seconds() * NSEC_PER_SEC - arch_clock_ns());
}

u64 clock_monotonic_ns(void)
{
    return arch_clock_ns();
}

u64 clock_realtime_ns(void)
{
    return arch_clock_ns() + READ_ONCE(realtime_offset_ns);
}

u64 clock_realtime_offset(void)
{
    return READ_ONCE(realtime_offset_ns);
}

void clock_set_realtime_ns(u64 ns)
{
    u64 old = xchg(&realtime_offset_ns, ns - arch_clock_ns());

    wake_up_all(&clock_set_queue);
    posix_timers_clock_was_set(old);
}

/* Sleeps until wall time @ns. 0 or -EINTR. */
int clock_sleep_until_realtime(u64 ns)
{
    while (clock_realtime_ns() < ns) {
        u64 offset = clock_realtime_offset(), deadline = ns > offset ? ns - offset : 1;
        int err = wait_event_timeout(&clock_set_queue, clock_realtime_offset() != offset, deadline);

        if (err == -EINTR)
            return err;
    }
    return 0;
}
