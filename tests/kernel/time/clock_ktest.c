/* SPDX-License-Identifier: MIT */
/*
 * clock_ktest.c: monotonic time does not go back from one CPU to another; sleeps are not too short;
 * the wall clock can be set.
 */
#include "kernel/time/internal.h"
#include "tests/kernel/team.h"
#include <linux/errno.h>

struct latest {
    spinlock_t lock;
    u64 ns;
};

static void look(struct team *team, unsigned int nr)
{
    struct latest *l = team->arg;

    (void)nr;
    for (unsigned int i = 0; i < 20000; i++) {
        u64 now;

        spin_lock(&l->lock);
        now = clock_monotonic_ns();
        EXPECT(now >= l->ns);
        l->ns = now;
        spin_unlock(&l->lock);
    }
}

KTEST(clock, monotonic_on_all_cpus)
{
    struct latest l = { .lock = SPINLOCK_INIT(LOCK_FILES) };
    struct team team = { .arg = &l };

    team_run(&team, nr_cpus_online, look, true);
}

KTEST(clock, sleep_is_not_too_short)
{
    for (unsigned int us = 1; us < 5000; us = us * 3 + 1) {
        u64 due = clock_monotonic_ns() + us * NSEC_PER_USEC, left = 1;

        EXPECT_EQ(nanosleep_until(due, true, &left), 0);
        EXPECT(clock_monotonic_ns() >= due);
        EXPECT_EQ(left, 0);
    }
}

KTEST(clock, wall_clock_is_monotonic_plus_offset)
{
    u64 wall = clock_realtime_ns(), later = wall + 1000 * NSEC_PER_SEC, now;

    EXPECT(wall >= clock_monotonic_ns());
    clock_set_realtime_ns(later);
    now = clock_realtime_ns();
    EXPECT(now >= later && now < later + 10 * NSEC_PER_SEC);
    clock_set_realtime_ns(clock_realtime_ns() - 1000 * NSEC_PER_SEC);
    EXPECT(clock_realtime_ns() >= wall);
}

static void sleep_for_an_hour(struct team *team, unsigned int nr)
{
    (void)nr;
    EXPECT_EQ(clock_sleep_until_realtime(*(u64 *)team->arg), 0);
}

/* Who sleeps until a time of day wakes when the clock is set past it. */
KTEST(clock, setting_it_wakes_sleepers)
{
    u64 end = clock_realtime_ns() + 3600 * NSEC_PER_SEC;
    struct team team = { .arg = &end };

    team_start(&team, 2, sleep_for_an_hour, false);
    test_sleep_ms(20);
    EXPECT_EQ(atomic_read(&team.left), 2);
    clock_set_realtime_ns(clock_realtime_ns() + 1800 * NSEC_PER_SEC); /* not yet */
    test_sleep_ms(20);
    EXPECT_EQ(atomic_read(&team.left), 2);
    clock_set_realtime_ns(end + NSEC_PER_SEC);
    team_join(&team);
    clock_set_realtime_ns(clock_realtime_ns() - 3601 * NSEC_PER_SEC);
}
