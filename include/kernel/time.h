/* SPDX-License-Identifier: MIT */
/*
 * time.h: clocks and one-shot timers. All times are nanoseconds; monotonic time starts at boot.
 */
#pragma once
#include <kernel/rbtree.h>
#include <kernel/spinlock.h>

u64 clock_monotonic_ns(void);
u64 clock_realtime_ns(void);
void clock_set_realtime_ns(u64 ns); /* may sleep */

struct timer {
    struct rb_node node;   /* the fields up to queued: under the timer lock of @cpu */
    u64 expires_ns;        /* monotonic */
    unsigned int cpu;
    bool queued;
    void (*func)(struct timer *); /* interrupt context, no timer lock held; may re-arm its timer */
};
void timer_init(struct timer *t, void (*func)(struct timer *));
/* (Re)arms on this CPU, or on the one where func runs just now. Any context below rank TIMER. */
void timer_start(struct timer *t, u64 expires_ns);
/*
 * Disarms; returns true when it was queued. After return func is not running anywhere (may spin),
 * unless the caller is func itself. The caller holds no lock that func takes.
 */
bool timer_cancel(struct timer *t);

/*
 * When @t expires, 0 when it is not armed; known to be so only while nobody arms or cancels it and
 * func does not run.
 */
u64 timer_expires(struct timer *t);

/*
 * Called by arch from the timer interrupt: runs expired timers, charges the tick, programs the next
 * event.
 */
void timer_interrupt(void);
/*
 * arch: programs this CPU's timer for an absolute monotonic time (clamped to >= now). arch/
 * implements.
 */
void arch_timer_program(u64 expires_ns);
/* arch: monotonic nanoseconds since boot. arch/ implements. */
u64 arch_clock_ns(void);
/* arch: seconds since 1970 from the machine's clock; 0 when it has none. Called once at boot. */
u64 arch_rtc_seconds(void);
/* Boot CPU, once arch_clock_ns works: sets the wall clock. */
void clock_init(void);
/* The scheduler's tick: no later than @deadline_ns sched_tick runs on this CPU. Interrupts off. */
void timer_request_tick(u64 deadline_ns);

/*
 * Sleeps; returns 0 or -EINTR with the rest in *@left_ns (may be NULL). @deadline_ns is absolute
 * monotonic.
 */
int nanosleep_until(u64 deadline_ns, bool interruptible, u64 *left_ns);
