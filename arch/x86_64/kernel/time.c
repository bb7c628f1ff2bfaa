/* SPDX-License-Identifier: MIT */
/*
 * time.c: the clock (time stamp counter) and the timer (local APIC, one-shot).
 *
 * Both are measured once at boot against the PIT, whose frequency is fixed, unless CPUID tells the
 * counter's. A point of the measurement is the tightest of several counter-PIT-counter readings, so
 * that a pause of the emulator between two reads does not bend the result. Conversions multiply by
 * a 32.32 fixed-point factor. The counters of all CPUs are taken to run alike, which QEMU and every
 * CPU with an invariant TSC guarantee.
 * No locks: written at boot. Source: Intel 8254 data sheet (mode 0, latch command); SDM volume 3,
 * 17.17 and 10.5.4.
 * Read next: kernel/time/.
 */
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/time.h>

#define PIT_HZ 1193182u
#define PIT_CHANNEL2 0x42
#define PIT_COMMAND  0x43
#define PIT_GATE     0x61

#define MEASURE_PIT_TICKS 1800u /* 1.5 ms */
#define POINT_READINGS 5
#define MIN_DELTA_NS 500u

static u64 tsc_base __ro_after_init;
static u64 ns_per_tick __ro_after_init;   /* 32.32 */
static u64 timer_per_ns __ro_after_init;  /* 32.32 */
static u32 tsc_khz __ro_after_init;

u64 arch_clock_ns(void)
{
    return (u64)(((unsigned __int128)(cycle_counter() - tsc_base) * ns_per_tick) >> 32);
}

void delay_us(unsigned int us)
{
    u64 start = cycle_counter(), ticks = (u64)us * tsc_khz / 1000;

    while (cycle_counter() - start < ticks)
        cpu_relax();
}

static u16 pit_read(void)
{
    u8 low;

    outb(PIT_COMMAND, 0x80); /* latch channel 2 */
    low = inb(PIT_CHANNEL2);
    return (u16)(inb(PIT_CHANNEL2) << 8 | low);
}

/* Counts down from 65535, no speaker. */
static void pit_start(void)
{
    outb(PIT_GATE, (inb(PIT_GATE) & ~2) | 1);
    outb(PIT_COMMAND, 0xb0);
    outb(PIT_CHANNEL2, 0xff);
    outb(PIT_CHANNEL2, 0xff);
}

struct point {
    u64 tsc;
    u16 pit;
    u32 timer; /* APIC count, when it runs */
};

static struct point take_point(void)
{
    struct point best = { 0 };
    u64 best_width = ~0ULL;

    for (unsigned int i = 0; i < POINT_READINGS; i++) {
        u64 before = cycle_counter();
        u16 pit = pit_read();
        u32 timer = apic_ready() ? apic_timer_current() : 0;
        u64 after = cycle_counter();

        if (after - before < best_width) {
            best_width = after - before;
            best = (struct point){ before + (after - before) / 2, pit, timer };
        }
    }
    return best;
}

/* Two points at least MEASURE_PIT_TICKS apart. */
static void measure(struct point *a, struct point *b)
{
    pit_start();
    *a = take_point();
    do
        cpu_relax();
    while ((u16)(a->pit - pit_read()) < MEASURE_PIT_TICKS);
    *b = take_point();
}

void time_init_early(void)
{
    struct point a, b;

    if (cpu_features.tsc_khz != 0) {
        tsc_khz = cpu_features.tsc_khz;
    } else {
        measure(&a, &b);
        tsc_khz = (u32)((b.tsc - a.tsc) * PIT_HZ / (u16)(a.pit - b.pit) / 1000);
        if (tsc_khz == 0)
            panic("the time stamp counter does not run");
    }
    ns_per_tick = (1000000ULL << 32) / tsc_khz;
    tsc_base = cycle_counter();
}

void time_init(void)
{
    struct point a, b;
    u64 timer_ticks, ns;

    apic_timer_start(~0u);
    measure(&a, &b);
    apic_timer_start(0);
    timer_ticks = a.timer - b.timer;
    ns = (b.tsc - a.tsc) * 1000000 / tsc_khz;
    if (timer_ticks == 0)
        panic("the local APIC timer does not run");
    timer_per_ns = (timer_ticks << 32) / ns;
    pr_info("time: TSC %u.%03u MHz, timer %llu kHz\n", tsc_khz / 1000, tsc_khz % 1000,
            (unsigned long long)(timer_ticks * 1000000 / ns));
}

void arch_timer_program(u64 expires_ns)
{
    u64 now = arch_clock_ns();
    u64 delta = expires_ns > now + MIN_DELTA_NS ? expires_ns - now : MIN_DELTA_NS;
    unsigned __int128 ticks = ((unsigned __int128)delta * timer_per_ns) >> 32;

    /* Too far away for the counter: the interrupt comes early and programs the rest. */
    apic_timer_start(ticks > ~0u ? ~0u : ticks == 0 ? 1 : (u32)ticks);
}

/* ---- real-time clock: MC146818A data sheet; read at boot only ---- */

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

static u8 cmos_read(u8 reg)
{
    outb(CMOS_INDEX, reg);
    return inb(CMOS_DATA);
}

static unsigned int from_bcd(u8 v, bool binary)
{
    return binary ? v : (v >> 4) * 10u + (v & 15u);
}

/*
 * Days from 1970-01-01 to the date in the proleptic Gregorian calendar; the year starts in March,
 * so leap days come last.
 */
static u64 days_since_1970(unsigned int year, unsigned int month, unsigned int day)
{
    unsigned int y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

    return 365ULL * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

u64 arch_rtc_seconds(void)
{
    u8 t[6], again[6];
    static const u8 reg[6] = { 0, 2, 4, 7, 8, 9 }; /* second minute hour day month year */
    bool binary, same;

    /* Twice the same while no update is under way: the registers belong together. */
    for (unsigned int tries = 0; tries < 100; tries++) {
        while (cmos_read(10) & 0x80)
            cpu_relax();
        same = true;
        for (unsigned int i = 0; i < 6; i++)
            t[i] = cmos_read(reg[i]);
        for (unsigned int i = 0; i < 6; i++) {
            again[i] = cmos_read(reg[i]);
            same = same && again[i] == t[i];
        }
        if (same)
            break;
    }
    binary = cmos_read(11) & 4;
    u64 days = days_since_1970(2000 + from_bcd(t[5], binary), from_bcd(t[4], binary),
                               from_bcd(t[3], binary));

    return ((days * 24 + from_bcd(t[2], binary)) * 60 + from_bcd(t[1], binary)) * 60 +
           from_bcd(t[0], binary);
}
