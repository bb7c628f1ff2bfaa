/* SPDX-License-Identifier: MIT */
/*
 * rwsem_ktest.c: readers share, writers exclude, newcomers queue behind a waiting writer,
 * downgrading leaves no gap.
 */
#include "tests/kernel/team.h"

struct shared {
    struct rwsem s;
    atomic_t readers;
    int writers;
    unsigned long count, max_readers;
    bool writer_waits, reader_in;
};

#define ROUNDS 3000u

static void read_once(struct shared *sh, bool linger)
{
    int n;

    rwsem_read_lock(&sh->s);
    n = atomic_inc_return(&sh->readers);
    EXPECT_EQ(READ_ONCE(sh->writers), 0);
    if ((unsigned long)n > READ_ONCE(sh->max_readers))
        WRITE_ONCE(sh->max_readers, n);
    if (linger)
        sched_yield_current();
    EXPECT_EQ(READ_ONCE(sh->writers), 0);
    atomic_dec(&sh->readers);
    rwsem_read_unlock(&sh->s);
}

static void write_once(struct shared *sh, bool linger, bool downgrade)
{
    rwsem_write_lock(&sh->s);
    EXPECT_EQ(sh->writers++, 0);
    EXPECT_EQ(atomic_read(&sh->readers), 0);
    EXPECT(rwsem_is_write_locked(&sh->s));
    sh->count++;
    if (linger)
        sched_yield_current();
    EXPECT_EQ(atomic_read(&sh->readers), 0);
    sh->writers--;
    if (downgrade) {
        unsigned long seen = sh->count;

        rwsem_downgrade(&sh->s);
        EXPECT(!rwsem_is_write_locked(&sh->s));
        sched_yield_current();
        EXPECT_EQ(READ_ONCE(sh->count), seen);
        rwsem_read_unlock(&sh->s);
    } else {
        rwsem_write_unlock(&sh->s);
    }
}

static void mix(struct team *team, unsigned int nr)
{
    struct shared *sh = team->arg;
    u64 random = nr + 77;

    while (team_round(team, nr, ROUNDS)) {
        u32 r = test_random(&random);
        bool linger = r % 32 == 0;

        switch (r >> 8 & 3) {
        case 0: write_once(sh, linger, r % 5 == 0); break;
        case 1:
            if (rwsem_read_trylock(&sh->s)) {
                EXPECT_EQ(READ_ONCE(sh->writers), 0);
                rwsem_read_unlock(&sh->s);
            }
            break;
        default: read_once(sh, linger); break;
        }
        if (r % 101 == 0 && rwsem_write_trylock(&sh->s)) {
            EXPECT_EQ(sh->writers, 0);
            rwsem_write_unlock(&sh->s);
        }
    }
}

KTEST(rwsem, mixed_use)
{
    struct shared sh = { 0 };
    struct team team = { .arg = &sh };

    rwsem_init(&sh.s, LOCK_MAPPING);
    team_run(&team, min(3 * nr_cpus_online, TEAM_MAX + 0u), mix, false);
    EXPECT_EQ(atomic_long_read(&sh.s.count), 0);
    EXPECT(list_empty(&sh.s.wq.waiters));
}

static void reader_stays(struct team *team, unsigned int nr)
{
    struct shared *sh = team->arg;

    (void)nr;
    rwsem_read_lock(&sh->s);
    atomic_inc(&sh->readers);
    while (atomic_read(&sh->readers) < 3 && !team_stopped(team))
        test_sleep_ms(1);
    rwsem_read_unlock(&sh->s);
}

KTEST(rwsem, readers_share)
{
    struct shared sh = { 0 };
    struct team team = { .arg = &sh };

    rwsem_init(&sh.s, LOCK_MAPPING);
    team_run(&team, 3, reader_stays, false);
    EXPECT_EQ(atomic_read(&sh.readers), 3);
}

static void waiting_writer(struct team *team, unsigned int nr)
{
    struct shared *sh = team->arg;

    if (nr == 0) {
        WRITE_ONCE(sh->writer_waits, true);
        rwsem_write_lock(&sh->s);
        EXPECT(!READ_ONCE(sh->reader_in));
        sh->count++;
        rwsem_write_unlock(&sh->s);
        return;
    }
    while (!READ_ONCE(sh->writer_waits))
        test_sleep_ms(1);
    test_sleep_ms(10); /* the writer is in the queue by now */
    rwsem_read_lock(&sh->s);
    WRITE_ONCE(sh->reader_in, true);
    EXPECT_EQ(sh->count, 1);
    rwsem_read_unlock(&sh->s);
}

KTEST(rwsem, newcomers_queue_behind_writer)
{
    struct shared sh = { 0 };
    struct team team = { .arg = &sh };

    rwsem_init(&sh.s, LOCK_MAPPING);
    rwsem_read_lock(&sh.s);
    team_start(&team, 2, waiting_writer, false);
    test_sleep_ms(40);
    EXPECT(!READ_ONCE(sh.reader_in));
    EXPECT(!rwsem_read_trylock(&sh.s));
    EXPECT_EQ(sh.count, 0);
    rwsem_read_unlock(&sh.s);
    team_join(&team);
    EXPECT_EQ(sh.count, 1);
    EXPECT_EQ(atomic_long_read(&sh.s.count), 0);
}

static void hog_or_write(struct team *team, unsigned int nr)
{
    struct shared *sh = team->arg;

    if (nr == 0) {
        while (team_round(team, nr, 30))
            write_once(sh, false, false);
        WRITE_ONCE(team->stop, true);
        return;
    }
    while (!team_stopped(team))
        read_once(sh, nr % 2 == 0);
}

KTEST(rwsem, readers_do_not_starve_a_writer)
{
    struct shared sh = { 0 };
    struct team team = { .arg = &sh };

    rwsem_init(&sh.s, LOCK_MAPPING);
    team_run(&team, 4, hog_or_write, false);
    EXPECT_EQ(sh.count, team.rounds[0]);
    EXPECT(sh.count >= 3);
}

/* Each holds the lock until all do: readers that wait for a writer get it together. */
static void read_with_all(struct team *team, unsigned int nr)
{
    struct shared *sh = team->arg;

    (void)nr;
    rwsem_read_lock(&sh->s);
    atomic_inc(&sh->readers);
    while (atomic_read(&sh->readers) < 3)
        test_sleep_ms(1);
    rwsem_read_unlock(&sh->s);
}

KTEST(rwsem, waiting_readers_enter_together)
{
    struct shared sh = { 0 };
    struct team team = { .arg = &sh };

    rwsem_init(&sh.s, LOCK_MAPPING);
    rwsem_write_lock(&sh.s);
    team_start(&team, 3, read_with_all, false);
    test_sleep_ms(20); /* they queue up */
    EXPECT_EQ(atomic_read(&sh.readers), 0);
    rwsem_write_unlock(&sh.s);
    team_join(&team);
    EXPECT_EQ(atomic_long_read(&sh.s.count), 0);
}
