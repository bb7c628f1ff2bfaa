/* SPDX-License-Identifier: MIT */
/* wait_ktest.c: wait queues lose no wake-up, count exclusive waiters, and end at deadlines. */
#include "tests/kernel/team.h"
#include <linux/errno.h>

#define ROUNDS 5000u

struct ball {
    struct wait_queue wq[2];
    unsigned int turn; /* whose turn it is */
    bool last;
};

/* Every wake-up is needed: one that is lost stops the game, and the test's budget ends it. */
static void play(struct team *team, unsigned int nr)
{
    struct ball *b = team->arg;

    bool last;

    do {
        wait_event(&b->wq[nr], READ_ONCE(b->turn) == nr);
        if (nr == 0)
            b->last = !team_round(team, nr, ROUNDS);
        last = b->last;
        WRITE_ONCE(b->turn, 1 - nr);
        wake_up(&b->wq[1 - nr]);
    } while (!last);
}

KTEST(wait, ping_pong_loses_nothing)
{
    struct ball b = { .turn = 0 };
    struct team team = { .arg = &b };

    wait_queue_init(&b.wq[0]);
    wait_queue_init(&b.wq[1]);
    team_run(&team, 2, play, false);
    EXPECT_EQ(b.turn, 0);
    team_run(&team, 2, play, true);
    EXPECT_EQ(b.turn, 0);
}

struct tokens {
    struct wait_queue wq;
    atomic_t available, taken, producers;
};

static bool take(struct tokens *t)
{
    int n = atomic_read(&t->available);

    while (n > 0) {
        int found = atomic_cmpxchg(&t->available, n, n - 1);

        if (found == n)
            return true;
        n = found;
    }
    return false;
}

/*
 * Producers and consumers; wake-ups from a thread that is itself about to sleep on the same queue.
 */
static void trade(struct team *team, unsigned int nr)
{
    struct tokens *t = team->arg;

    bool got = true;

    if (nr % 2 == 0) {
        while (team_round(team, nr, ROUNDS)) {
            atomic_inc_return(&t->available);
            wake_up(&t->wq);
        }
        if (atomic_dec_and_test(&t->producers))
            wake_up_all(&t->wq);
        return;
    }
    while (got) {
        wait_event(&t->wq, (got = take(t)) || atomic_read(&t->producers) == 0);
        if (got)
            atomic_inc(&t->taken);
    }
}

KTEST(wait, many_to_many)
{
    struct tokens t = { .available = ATOMIC_INIT(0) };
    struct team team = { .arg = &t };
    unsigned int pairs = min(2 * nr_cpus_online, TEAM_MAX / 2u);

    wait_queue_init(&t.wq);
    atomic_set(&t.producers, (int)pairs);
    team_run(&team, 2 * pairs, trade, false);
    EXPECT_EQ(atomic_read(&t.taken) + atomic_read(&t.available), team_total(&team));
    EXPECT_EQ(atomic_read(&t.available), 0);
    EXPECT(list_empty(&t.wq.waiters));
}

KTEST(wait, deadline)
{
    struct wait_queue wq;
    u64 begin = clock_monotonic_ns();

    wait_queue_init(&wq);
    EXPECT_EQ(wait_event_timeout(&wq, false, begin + 5 * NSEC_PER_MSEC), -ETIME);
    EXPECT(clock_monotonic_ns() - begin >= 5 * NSEC_PER_MSEC);
    EXPECT_EQ(wait_event_timeout(&wq, false, begin), -ETIME);
    EXPECT_EQ(wait_event_timeout(&wq, true, begin), 0);
    EXPECT(list_empty(&wq.waiters));
    EXPECT_EQ(current->state, TASK_RUNNING);
}

/* What users write there is "now and so much more": it is computed once, or it would never come. */
KTEST(wait, deadline_is_computed_once)
{
    struct wait_queue wq;
    int computed = 0;

    wait_queue_init(&wq);
    EXPECT_EQ(wait_event_timeout(&wq, computed == 3,
                                 (computed++, clock_monotonic_ns() + 2 * NSEC_PER_MSEC)),
              -ETIME);
    EXPECT_EQ(computed, 1);
}

struct gate {
    struct wait_queue wq;
    atomic_t asleep, through;
};

static void pass(struct gate *g, unsigned int flags)
{
    struct wait_entry e = { .link = LIST_HEAD_INIT(e.link), .flags = flags };

    wait_prepare(&g->wq, &e, TASK_UNINTERRUPTIBLE);
    atomic_inc(&g->asleep);
    schedule();
    wait_finish(&g->wq, &e);
    atomic_inc(&g->through);
}

static void pass_exclusively(struct team *team, unsigned int nr)
{
    (void)nr;
    pass(team->arg, WAIT_EXCLUSIVE);
}

static void pass_either_way(struct team *team, unsigned int nr)
{
    pass(team->arg, nr < 3 ? 0 : WAIT_EXCLUSIVE);
}

static void expect_through(struct gate *g, int n)
{
    for (int i = 0; i < 100 && atomic_read(&g->through) < n; i++)
        test_sleep_ms(2);
    test_sleep_ms(5);
    EXPECT_EQ(atomic_read(&g->through), n);
}

KTEST(wait, exclusive_waiters_are_counted)
{
    struct gate g = { .asleep = ATOMIC_INIT(0) };
    struct team team = { .arg = &g };

    wait_queue_init(&g.wq);
    team_start(&team, 5, pass_exclusively, false);
    while (atomic_read(&g.asleep) < 5)
        test_sleep_ms(1);
    test_sleep_ms(5);
    wake_up(&g.wq);
    expect_through(&g, 1);
    wake_up_key(&g.wq, 2, 0);
    expect_through(&g, 3);
    wake_up_all(&g.wq);
    expect_through(&g, 5);
    team_join(&team);
}

/* Waking one wakes all who did not ask to be counted, too. */
KTEST(wait, others_are_not_counted)
{
    struct gate g = { .asleep = ATOMIC_INIT(0) };
    struct team team = { .arg = &g };

    wait_queue_init(&g.wq);
    team_start(&team, 5, pass_either_way, false);
    while (atomic_read(&g.asleep) < 5)
        test_sleep_ms(1);
    test_sleep_ms(5);
    wake_up(&g.wq);
    expect_through(&g, 4);
    wake_up(&g.wq);
    expect_through(&g, 5);
    team_join(&team);
}

static bool count_calls(struct wait_entry *e, unsigned long key)
{
    *(unsigned long *)e->private += key;
    return true;
}

KTEST(wait, function_entries_stay)
{
    unsigned long sum = 0;
    struct wait_queue wq;
    struct wait_entry e = { .func = count_calls, .private = &sum };

    wait_queue_init(&wq);
    wait_add(&wq, &e);
    wake_up_key(&wq, 1, 5);
    wake_up_key(&wq, 0, 7);
    EXPECT_EQ(sum, 12);
    wait_remove(&wq, &e);
    wake_up_key(&wq, 0, 1);
    EXPECT_EQ(sum, 12);
}

#define DEATHS 200

/* One that is preempted between setting TASK_DEAD and its last schedule() is not gone yet. */
static void preempted_while_dying(struct team *team, unsigned int nr)
{
    u64 before;

    EXPECT_EQ(sched_set_affinity(current, (cpumask_t){ 1 }), 0);
    if (nr == 1) {
        while (!team_stopped(team))
            cpu_relax();
        return;
    }
    before = current->nivcsw;
    atomic_add(&current->refs, DEATHS); /* what a scheduler that is mistaken would take */
    while (current->nivcsw - before < 10 && clock_monotonic_ns() < team->end_ns) {
        int refs = atomic_read(&current->refs);

        WRITE_ONCE(current->state, TASK_DEAD);
        preempt_schedule();
        WRITE_ONCE(current->state, TASK_RUNNING);
        EXPECT_EQ(atomic_read(&current->refs), refs);
        test_spin_us(500);
    }
    EXPECT(current->nivcsw > before);
    atomic_add(&current->refs, -DEATHS);
    WRITE_ONCE(team->stop, true);
}

KTEST(wait, preempted_on_the_way_out)
{
    struct team team = { 0 };

    team_run(&team, 2, preempted_while_dying, false);
}
