/* SPDX-License-Identifier: MIT */
/*
 * fair_ktest.c: CPU time goes by weight, sleepers are served soon, and cannot take more than their
 * share.
 */
#include "kernel/sched/internal.h"
#include "tests/kernel/team.h"
#include <linux/sched.h>

struct shares {
    int nice[TEAM_MAX];
    u64 ns[TEAM_MAX];
    atomic_t ready;
    u64 end_ns;
};

/* All members burn CPU 0 until the same moment. */
static void burn(struct team *team, unsigned int nr)
{
    struct shares *s = team->arg;
    cpumask_t mask = { 1 };
    u64 start;

    EXPECT_EQ(sched_set_affinity(current, mask), 0);
    sched_set_nice(current, s->nice[nr]);
    atomic_inc(&s->ready);
    while (READ_ONCE(s->end_ns) == 0)
        test_sleep_ms(1);
    start = sched_task_ns(current);
    while (clock_monotonic_ns() < s->end_ns)
        cpu_relax();
    s->ns[nr] = sched_task_ns(current) - start;
}

static void measure(struct shares *s, unsigned int n, unsigned int ms)
{
    struct team team = { .arg = s };

    team_start(&team, n, burn, false);
    while (atomic_read(&s->ready) < (int)n)
        test_sleep_ms(1);
    WRITE_ONCE(s->end_ns, clock_monotonic_ns() + ms * NSEC_PER_MSEC);
    team_join(&team);
}

/* Is a : b within 15 % of x : y? */
static bool is_ratio(u64 a, u64 b, u64 x, u64 y)
{
    u64 left = a * y, right = b * x;

    return left * 100 >= right * 85 && left * 85 <= right * 100;
}

/*
 * Time that an emulator's host takes away counts for whoever ran; a chunk of it weighs less in a
 * longer measurement. So a ratio must come out within 15 % in one of a few tries.
 */
static bool comes_out(int nice_a, int nice_b, u64 x, u64 y)
{
    for (unsigned int ms = 250; ms <= 2000; ms *= 2) {
        struct shares s = { .nice = { nice_a, nice_b } };

        measure(&s, 2, ms);
        if (is_ratio(s.ns[0], s.ns[1], x, y))
            return true;
    }
    return false;
}

KTEST(fair, equal_shares)
{
    EXPECT(comes_out(0, 0, 1, 1));
    EXPECT(comes_out(7, 7, 1, 1));
}

KTEST(fair, nice_is_a_ratio)
{
    EXPECT(comes_out(0, 5, 1024, 335)); /* 1.25^5 = 3.05 */
    EXPECT(comes_out(-5, 0, 3125, 1024));
    EXPECT(comes_out(3, 4, 524, 419));
}

#define NR_NAPS 41u
#define NR_BURNERS 3u

/*
 * A thread naps among burners on CPU 0. How much these got done between the timer and the thread
 * shows how long it waited.
 */
struct nap {
    struct timer timer;
    struct task *task;
    bool over;
    unsigned long done[NR_BURNERS + 1]; /* per burner: loops */
    unsigned long done_at_timer;
    unsigned int prompt; /* naps after which the thread ran first */
};

static unsigned long loops_done(const struct nap *n)
{
    unsigned long sum = 0;

    for (unsigned int i = 1; i <= NR_BURNERS; i++)
        sum += READ_ONCE(n->done[i]);
    return sum;
}

static void end_nap(struct timer *t)
{
    struct nap *n = container_of(t, struct nap, timer);

    n->done_at_timer = loops_done(n);
    WRITE_ONCE(n->over, true);
    wake_up_task(n->task);
}

static void take_nap(struct nap *n)
{
    n->over = false;
    timer_start(&n->timer, clock_monotonic_ns() + 6 * NSEC_PER_MSEC);
    for (;;) {
        task_set_state(TASK_UNINTERRUPTIBLE);
        if (READ_ONCE(n->over))
            break;
        schedule();
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
    n->prompt += loops_done(n) == n->done_at_timer;
}

static void nap_or_burn(struct team *team, unsigned int nr)
{
    struct nap *n = team->arg;
    cpumask_t mask = { 1 };

    EXPECT_EQ(sched_set_affinity(current, mask), 0);
    if (nr != 0) {
        while (!team_stopped(team))
            WRITE_ONCE(n->done[nr], n->done[nr] + 1);
        return;
    }
    n->task = current;
    timer_init(&n->timer, end_nap);
    for (unsigned int i = 0; i < NR_NAPS; i++)
        take_nap(n);
    timer_cancel(&n->timer);
    WRITE_ONCE(team->stop, true);
}

KTEST(fair, sleeper_preempts)
{
    struct nap n = { .over = false };
    struct team team = { .arg = &n };

    team_run(&team, 1 + NR_BURNERS, nap_or_burn, false);
    EXPECT(n.prompt > NR_NAPS * 3 / 4);
}

struct doze {
    unsigned int ms;
    u64 run_ns, hog_ns;
};

/* A task that sleeps a little now and then gets no more than one that never does. */
static void doze_or_burn(struct team *team, unsigned int nr)
{
    struct doze *n = team->arg;
    cpumask_t mask = { 1 };
    u64 start = sched_task_ns(current), end = clock_monotonic_ns() + n->ms * NSEC_PER_MSEC;

    EXPECT_EQ(sched_set_affinity(current, mask), 0);
    while (clock_monotonic_ns() < end) {
        if (nr != 0) {
            cpu_relax();
            continue;
        }
        test_spin_us(500);
        nanosleep_until(clock_monotonic_ns() + 10 * NSEC_PER_USEC, false, NULL);
    }
    if (nr == 0)
        n->run_ns = sched_task_ns(current) - start;
    else
        n->hog_ns = sched_task_ns(current) - start;
}

KTEST(fair, sleeping_earns_no_extra)
{
    bool no_more = false;

    for (unsigned int ms = 400; ms <= 1600 && !no_more; ms *= 2) { /* as in comes_out() */
        struct doze n = { .ms = ms };
        struct team team = { .arg = &n };

        team_run(&team, 2, doze_or_burn, false);
        no_more = n.run_ns * 100 < n.hog_ns * 130;
    }
    EXPECT(no_more);
}

static void yield_loop(struct team *team, unsigned int nr)
{
    atomic_t *ready = team->arg;
    cpumask_t mask = { 1 };

    EXPECT_EQ(sched_set_affinity(current, mask), 0);
    (void)nr;
    atomic_inc_return(ready);
    while (atomic_read(ready) < 2)
        sched_yield_current();
    for (unsigned int i = 0; i < 500; i++)
        sched_yield_current();
}

KTEST(fair, yield_lets_others_run)
{
    atomic_t ready = ATOMIC_INIT(0);
    struct team team = { .arg = &ready };
    u64 before = sched_nr_switches();

    team_run(&team, 2, yield_loop, false);
    EXPECT(sched_nr_switches() - before >= 500);
}

/* A thread that is about to end is let go on, however long the one that it wakes has waited. */
KTEST(fair, who_ends_is_not_preempted)
{
    static struct task waker, woken; /* not on any queue */
    struct rq rq = { .curr = &waker };

    waker = (struct task){ .on_rq = true, .vruntime = NSEC_PER_SEC };
    woken = (struct task){ .vruntime = 0 };
    EXPECT(fair_should_preempt(&rq, &woken));
    waker.flags = TF_EXITING;
    EXPECT(!fair_should_preempt(&rq, &woken));
    woken.policy = SCHED_FIFO;
    woken.rt_priority = 1;
    EXPECT(fair_should_preempt(&rq, &woken)); /* real time does not wait */
    waker.on_rq = false;
    woken.policy = SCHED_NORMAL;
    woken.rt_priority = 0;
    EXPECT(fair_should_preempt(&rq, &woken)); /* it has left already */
}
