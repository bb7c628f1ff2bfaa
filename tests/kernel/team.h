/* SPDX-License-Identifier: MIT */
/*
 * team.h: N kernel threads that run one function and are waited for. For tests in tests/kernel/.
 */
#pragma once
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/types.h>

#define TEAM_MAX 16
#define TEAM_NS  (400 * NSEC_PER_MSEC)

struct team;
typedef void (*team_fn)(struct team *team, unsigned int nr);

struct team {
    team_fn fn;
    void *arg;            /* the test's */
    bool pinned;          /* member nr runs on CPU nr % nr_cpus_online only */
    bool stop;            /* for members that run until told */
    /* for members that repeat: an emulator's speed varies, so time bounds them, too */
    u64 end_ns;
    unsigned long rounds[TEAM_MAX]; /* what each did */
    atomic_t next, left;
    struct task *captain; /* who waits */
    struct task *member[TEAM_MAX]; /* valid while the member cannot have ended */
};

static inline int team_main(void *arg)
{
    struct team *team = arg;
    unsigned int nr = (unsigned int)atomic_inc_return(&team->next) - 1;
    struct task *captain = team->captain;
    cpumask_t mask = { 1UL << nr % nr_cpus_online };

    WRITE_ONCE(team->member[nr], current);
    if (team->pinned && sched_set_affinity(current, mask) != 0)
        ktest_fail(__FILE__, __LINE__, "affinity", (long)mask.bits, 0);
    team->fn(team, nr);
    task_get(captain); /* the team is gone once left is 0 */
    if (atomic_dec_and_test(&team->left))
        wake_up_task(captain);
    task_put(captain);
    return 0;
}

/* Returns when all have started. */
static inline void team_start(struct team *team, unsigned int n, team_fn fn, bool pinned)
{
    unsigned int started = 0;

    team->fn = fn;
    team->pinned = pinned;
    team->stop = false;
    team->end_ns = clock_monotonic_ns() + TEAM_NS;
    team->captain = current;
    memset(team->member, 0, sizeof(team->member));
    memset(team->rounds, 0, sizeof(team->rounds));
    atomic_set(&team->next, 0);
    atomic_set(&team->left, (int)n);
    for (unsigned int i = 0; i < n; i++) {
        struct task *t = kernel_thread(team_main, team, "team");

        if (IS_ERR(t)) {
            ktest_fail(__FILE__, __LINE__, "a thread", PTR_ERR(t), (long)i);
            atomic_dec(&team->left);
        } else {
            started++;
        }
    }
    for (unsigned int i = 0; i < started; i++)
        while (!READ_ONCE(team->member[i]))
            nanosleep_until(clock_monotonic_ns() + NSEC_PER_MSEC, false, NULL);
}

static inline void team_join(struct team *team)
{
    for (;;) {
        task_set_state(TASK_UNINTERRUPTIBLE);
        if (atomic_read(&team->left) == 0)
            break;
        schedule();
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
}

static inline void team_run(struct team *team, unsigned int n, team_fn fn, bool pinned)
{
    team_start(team, n, fn, pinned);
    team_join(team);
}

static inline bool team_stopped(const struct team *team)
{
    return READ_ONCE(team->stop);
}

/* May member @nr go on? Counts its rounds, @max at most. */
static inline bool team_round(struct team *team, unsigned int nr, unsigned long max)
{
    if (team->rounds[nr] >= max || clock_monotonic_ns() >= team->end_ns)
        return false;
    team->rounds[nr]++;
    return true;
}

static inline unsigned long team_total(const struct team *team)
{
    unsigned long sum = 0;

    for (unsigned int i = 0; i < TEAM_MAX; i++)
        sum += team->rounds[i];
    return sum;
}

/* Small deterministic generator, one state per thread. */
static inline u32 test_random(u64 *state)
{
    *state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (u32)(*state >> 33);
}

static inline void test_sleep_ms(unsigned int ms)
{
    nanosleep_until(clock_monotonic_ns() + ms * NSEC_PER_MSEC, false, NULL);
}

static inline void test_spin_us(unsigned int us)
{
    u64 end = clock_monotonic_ns() + us * NSEC_PER_USEC;

    while (clock_monotonic_ns() < end)
        cpu_relax();
}
