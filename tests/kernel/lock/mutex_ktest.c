/* SPDX-License-Identifier: MIT */
/*
 * mutex_ktest.c: exclusion, no lost wake-up, no starvation of sleepers by a thread that hogs the
 * mutex.
 */
#include "tests/kernel/team.h"

struct shared {
    struct mutex m;
    unsigned long count;
    int inside;
    atomic_long_t taken;
};

#define ROUNDS 4000u

static void count_up(struct team *team, unsigned int nr)
{
    struct shared *s = team->arg;
    u64 random = nr + 1;

    while (team_round(team, nr, ROUNDS)) {
        mutex_lock(&s->m);
        EXPECT_EQ(s->inside++, 0);
        EXPECT(s->m.owner == current);
        s->count++;
        if (test_random(&random) % 64 == 0)
            sched_yield_current(); /* others pile up behind */
        EXPECT_EQ(--s->inside, 0);
        mutex_unlock(&s->m);
    }
}

KTEST(mutex, excludes)
{
    struct shared s = { 0 };
    struct team team = { .arg = &s };
    unsigned int n = min(3 * nr_cpus_online, TEAM_MAX + 0u);

    mutex_init(&s.m, LOCK_PIPE);
    team_run(&team, n, count_up, false);
    EXPECT_EQ(s.count, team_total(&team));
    EXPECT(!mutex_is_locked(&s.m));
    EXPECT_EQ(atomic_read(&s.m.state), 0);
}

static void try_while_held(struct team *team, unsigned int nr)
{
    struct shared *s = team->arg;

    (void)nr;
    EXPECT(!mutex_trylock(&s->m));
}

KTEST(mutex, trylock)
{
    struct shared s = { 0 };
    struct team team = { .arg = &s };

    mutex_init(&s.m, LOCK_PIPE);
    EXPECT_OR_RETURN(mutex_trylock(&s.m));
    team_run(&team, 1, try_while_held, false);
    mutex_unlock(&s.m);
    EXPECT_OR_RETURN(mutex_trylock(&s.m));
    mutex_unlock(&s.m);
}

/* The hog takes the mutex again at once after each unlock. */
static void hog_or_wait(struct team *team, unsigned int nr)
{
    struct shared *s = team->arg;

    if (nr == 0) {
        while (!team_stopped(team)) {
            mutex_lock(&s->m);
            test_spin_us(20);
            mutex_unlock(&s->m);
            atomic_long_inc(&s->taken);
        }
        return;
    }
    while (team_round(team, nr, 50)) {
        mutex_lock(&s->m);
        s->count++;
        mutex_unlock(&s->m);
    }
    WRITE_ONCE(team->stop, true);
}

KTEST(mutex, sleeper_is_not_starved)
{
    struct shared s = { 0 };
    struct team team = { .arg = &s };

    mutex_init(&s.m, LOCK_PIPE);
    team_run(&team, 2, hog_or_wait, false);
    EXPECT_EQ(s.count, team.rounds[1]);
    EXPECT(s.count >= 5);
}
