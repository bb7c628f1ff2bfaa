/* SPDX-License-Identifier: MIT */
/*
 * time.c: the clock (time base) and the timer (decrementer).
 *
 * Both count with the frequency that the device tree tells, the same on all CPUs. The decrementer
 * interrupts while it is negative, so the handler first sets it to its largest value. Conversions
 * multiply by a 32.32 fixed-point factor.
 * No locks: written at boot. Source: Power ISA 3.0B Book II chapter 6 (time base), Book III section
 * 7.3 (decrementer); LoPAR 7.3.8 (get-time-of-day).
 * Read next: kernel/time/.
 */
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/time.h>

#define DECREMENTER_MAX 0x7fffffffUL

static u64 base __ro_after_init;
static u64 ns_per_tick __ro_after_init;  /* 32.32 */
static u64 ticks_per_ns __ro_after_init; /* 32.32 */

void time_init(void)
{
    u64 hz = ppc_platform.timebase_hz;

    ns_per_tick = (NSEC_PER_SEC << 32) / hz;
    ticks_per_ns = (hz << 32) / NSEC_PER_SEC;
    base = cycle_counter();
    time_stop_decrementer();
}

u64 arch_clock_ns(void)
{
    return (u64)(((unsigned __int128)(cycle_counter() - base) * ns_per_tick) >> 32);
}

void time_stop_decrementer(void)
{
    mtspr(SPR_DEC, DECREMENTER_MAX);
}

void arch_timer_program(u64 expires_ns)
{
    u64 now = arch_clock_ns();
    u64 delta = expires_ns > now ? expires_ns - now : 0;
    unsigned __int128 ticks = ((unsigned __int128)delta * ticks_per_ns) >> 32;

    /* Too far away for the counter: the interrupt comes early and programs the rest. */
    mtspr(SPR_DEC, ticks >= DECREMENTER_MAX ? DECREMENTER_MAX : (u64)ticks + 1);
}

/*
 * Days from 1970-01-01 to the date in the proleptic Gregorian calendar; the year starts in March,
 * so leap days come last.
 */
static u64 days_since_1970(u32 year, u32 month, u32 day)
{
    u32 y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return 365ULL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

u64 arch_rtc_seconds(void)
{
    u32 t[7]; /* year month day hour minute second nanosecond */

    if (rtas_call(ppc_platform.rtas.get_time_of_day, 0, NULL, 8, t) != 0)
        return 0;
    return ((days_since_1970(t[0], t[1], t[2]) * 24 + t[3]) * 60 + t[4]) * 60 + t[5];
}
