/* SPDX-License-Identifier: MIT */
/*
 * time.h: clocks and one-shot timers. All times are nanoseconds; monotonic time starts at boot.
 */
#pragma once
#include <kernel/list.h>
#include <kernel/spinlock.h>

u64 clock_monotonic_ns(void);
u64 clock_realtime_ns(void);
void clock_set_realtime_ns(u64 ns);

struct timer {
    struct list_head link; /* or the implementation's own links; under the CPU's timer lock */
    u64 expires_ns;        /* monotonic */
    void (*func)(struct timer *); /* interrupt context, no timer lock held */
    unsigned int cpu;
    bool queued;
};
void timer_init(struct timer *t, void (*func)(struct timer *));
/* (Re)arms on this CPU. */
void timer_start(struct timer *t, u64 expires_ns);
/* Disarms; returns true when it was queued. After return func is not running anywhere (may spin). */
bool timer_cancel(struct timer *t);

/* Called by arch from the timer interrupt: runs expired timers, charges the tick, programs the next event. */
void timer_interrupt(void);
/* arch: programs this CPU's timer for an absolute monotonic time (clamped to >= now). arch/ implements. */
void arch_timer_program(u64 expires_ns);
/* arch: monotonic nanoseconds since boot. arch/ implements. */
u64 arch_clock_ns(void);

/* Sleeps; returns 0 or -EINTR with the rest in *@left_ns (may be NULL). @deadline_ns is absolute monotonic. */
int nanosleep_until(u64 deadline_ns, bool interruptible, u64 *left_ns);
