/* SPDX-License-Identifier: MIT */
/*
 * ordering_ktest.c: litmus tests of the primitives of kernel/atomic.h and of the locks, run many
 * times on two CPUs. On a strongly ordered host only the store-buffering one can fail; the others
 * guard the compiler's part.
 */
#include "tests/kernel/team.h"

#define ROUNDS 20000u

struct litmus {
    u32 x __aligned(64);
    u32 y __aligned(64);
    u32 r[2] __aligned(64);
    atomic_t arrived, done;
    unsigned int forbidden;
    bool last;
};

/* All members meet: @n-th meeting of two. */
static void meet(atomic_t *a, unsigned int n)
{
    atomic_inc_return(a);
    while ((unsigned int)atomic_read(a) < 2 * n)
        cpu_relax();
}

/* SB: each stores, full barrier, reads the other's. Both reading 0 is forbidden. */
static void store_buffering(struct team *team, unsigned int nr)
{
    struct litmus *l = team->arg;

    for (unsigned int i = 1; !READ_ONCE(l->last); i++) {
        WRITE_ONCE(*(nr ? &l->y : &l->x), 0);
        meet(&l->arrived, i);
        WRITE_ONCE(*(nr ? &l->y : &l->x), 1);
        smp_mb();
        l->r[nr] = READ_ONCE(*(nr ? &l->x : &l->y));
        meet(&l->done, 2 * i - 1);
        if (nr == 0 && l->r[0] == 0 && l->r[1] == 0)
            l->forbidden++;
        if (nr == 0 && !team_round(team, nr, ROUNDS))
            WRITE_ONCE(l->last, true);
        meet(&l->done, 2 * i);
    }
}

/*
 * MP: data, then flag with release; flag with acquire, then data. Flag without data is forbidden.
 */
static void message_passing(struct team *team, unsigned int nr)
{
    struct litmus *l = team->arg;

    for (u32 i = 1; i <= ROUNDS; i++) {
        if (nr == 0) {
            WRITE_ONCE(l->x, i);
            smp_store_release(&l->y, i);
        } else {
            u32 flag = smp_load_acquire(&l->y);

            if (READ_ONCE(l->x) < flag)
                l->forbidden++;
        }
    }
}

static void run_litmus(team_fn fn)
{
    static struct litmus l;
    struct team team = { .arg = &l };

    l = (struct litmus){ 0 };
    if (nr_cpus_online == 1) {
        ktest_skip("one CPU");
        return;
    }
    team_run(&team, 2, fn, true);
    EXPECT_EQ(l.forbidden, 0);
}

KTEST(ordering, store_buffering)
{
    run_litmus(store_buffering);
}

KTEST(ordering, message_passing)
{
    run_litmus(message_passing);
}

/* Atomic read-modify-write loses no update. */
static void add_up(struct team *team, unsigned int nr)
{
    atomic_long_t *sum = team->arg;

    for (unsigned int i = 0; i < ROUNDS; i++) {
        if ((i + nr) % 2)
            atomic_long_inc(sum);
        else
            atomic_long_add_return(sum, 3);
    }
}

KTEST(ordering, no_lost_update)
{
    atomic_long_t sum = ATOMIC_INIT(0);
    struct team team = { .arg = &sum };
    unsigned int n = 2 * nr_cpus_online;

    team_run(&team, min(n, TEAM_MAX + 0u), add_up, false);
    EXPECT_EQ(atomic_long_read(&sum), min(n, TEAM_MAX + 0u) * ROUNDS * 2);
}
