/* SPDX-License-Identifier: MIT */
/*
 * rcu_ktest.c: readers never see an object after its grace period; callbacks run in order, after
 * rcu_barrier all have.
 */
#include "tests/kernel/team.h"
#include <arch/cpu.h>
#include <kernel/rcu.h>
#include <mm/slab.h>

#define ALIVE 0x600dULL
#define DEAD  0xdeadULL

struct object {
    u64 mark;
    u64 pad[5];
    struct rcu_head rcu;
};

struct world {
    struct object *shared;
    atomic_long_t reads, frees;
};

static struct world world;

static void bury(struct rcu_head *h)
{
    struct object *o = container_of(h, struct object, rcu);

    WRITE_ONCE(o->mark, DEAD);
    atomic_long_inc(&world.frees);
    kfree(o);
}

static struct object *make(void)
{
    struct object *o = kmalloc(sizeof(*o));

    if (o)
        o->mark = ALIVE;
    return o;
}

static void read_loop(struct team *team, u64 random)
{
    while (!team_stopped(team)) {
        struct object *o;

        rcu_read_lock();
        o = rcu_dereference(world.shared);
        if (o) {
            EXPECT_EQ(READ_ONCE(o->mark), ALIVE);
            if (test_random(&random) % 16 == 0)
                test_spin_us(20);
            EXPECT_EQ(READ_ONCE(o->mark), ALIVE);
        }
        rcu_read_unlock();
        atomic_long_inc(&world.reads);
        if (test_random(&random) % 64 == 0)
            nanosleep_until(clock_monotonic_ns() + 100 * NSEC_PER_USEC, false, NULL);
    }
}

static void replace_loop(struct team *team)
{
    while (team_round(team, 0, 3000)) {
        unsigned long i = team->rounds[0];
        struct object *o = make(), *old;

        if (!o)
            continue;
        old = xchg(&world.shared, o);
        if (!old)
            continue;
        if (i % 100 == 0) {
            synchronize_rcu();
            bury(&old->rcu);
        } else {
            call_rcu(&old->rcu, bury);
        }
        if (i % 16 == 0)
            sched_yield_current();
    }
    WRITE_ONCE(team->stop, true);
}

static void read_or_replace(struct team *team, unsigned int nr)
{
    if (nr == 0)
        replace_loop(team);
    else
        read_loop(team, nr);
}

KTEST(rcu, readers_never_see_freed)
{
    struct team team = { .arg = NULL };

    world = (struct world){ .shared = make() };
    team_run(&team, min(2 * nr_cpus_online + 1, TEAM_MAX + 0u), read_or_replace, false);
    kfree(world.shared);
    rcu_barrier();
    EXPECT(atomic_long_read(&world.reads) > 0);
    EXPECT_EQ(atomic_long_read(&world.frees), team.rounds[0]);
}

/* Readers in interrupt handlers, which also run while their CPU idles. */
struct irq_reader {
    struct timer timer;
    bool stop;
    unsigned long reads;
};

static void read_in_interrupt(struct timer *t)
{
    struct irq_reader *r = container_of(t, struct irq_reader, timer);
    struct object *o;

    rcu_read_lock();
    o = rcu_dereference(world.shared);
    if (o) {
        u64 end = clock_monotonic_ns() + 10 * NSEC_PER_USEC;

        while (clock_monotonic_ns() < end)
            cpu_relax();
        EXPECT_EQ(READ_ONCE(o->mark), ALIVE);
        r->reads++;
    }
    rcu_read_unlock();
    if (!READ_ONCE(r->stop))
        timer_start(t, clock_monotonic_ns() + 50 * NSEC_PER_USEC);
}

static struct irq_reader irq_readers[NR_CPUS];

static void arm_reader(struct team *team, unsigned int nr)
{
    struct irq_reader *r = &irq_readers[nr];

    (void)team;
    *r = (struct irq_reader){ .stop = false };
    timer_init(&r->timer, read_in_interrupt);
    timer_start(&r->timer, clock_monotonic_ns());
}

KTEST(rcu, readers_in_interrupts_of_idle_cpus)
{
    struct team team = { .arg = NULL };
    unsigned long reads = 0;

    world = (struct world){ .shared = make() };
    team_run(&team, nr_cpus_online, arm_reader, true);
    for (unsigned int i = 0; i < 40; i++) {
        struct object *o = make(), *old;

        if (!o)
            continue;
        old = xchg(&world.shared, o);
        synchronize_rcu();
        bury(&old->rcu);
        test_sleep_ms(1);
    }
    for_each_online_cpu(cpu) {
        WRITE_ONCE(irq_readers[cpu].stop, true);
        timer_cancel(&irq_readers[cpu].timer);
        reads += irq_readers[cpu].reads;
    }
    kfree(world.shared);
    EXPECT(reads > 0);
}

struct numbered {
    struct rcu_head rcu;
    unsigned int nr;
};

static unsigned int last_nr, nr_out_of_order;

static void note_order(struct rcu_head *h)
{
    unsigned int nr = container_of(h, struct numbered, rcu)->nr;

    if (nr != last_nr + 1)
        nr_out_of_order++;
    last_nr = nr;
}

KTEST(rcu, barrier_waits_for_all_in_order)
{
    static struct numbered n[100];

    last_nr = nr_out_of_order = 0;
    for (unsigned int i = 0; i < 100; i++) {
        unsigned long flags = irq_save(); /* queueing is allowed with interrupts off */

        n[i].nr = i + 1;
        call_rcu(&n[i].rcu, note_order);
        irq_restore(flags);
    }
    rcu_barrier();
    EXPECT_EQ(last_nr, 100);
    EXPECT_EQ(nr_out_of_order, 0);
}

KTEST(rcu, kfree_rcu)
{
    for (unsigned int i = 0; i < 50; i++) {
        struct object *o = make();

        if (o)
            kfree_rcu(o, rcu);
    }
    rcu_barrier(); /* the runner's leak check counts the objects */
}

/* A reader that spins with preemption off holds the grace period up, and no longer than that. */
static void hold_up(struct team *team, unsigned int nr)
{
    u64 *until = team->arg;

    (void)nr;
    rcu_read_lock();
    WRITE_ONCE(*until, clock_monotonic_ns() + 30 * NSEC_PER_MSEC);
    while (clock_monotonic_ns() < *until)
        cpu_relax();
    rcu_read_unlock();
}

KTEST(rcu, waits_for_a_reader)
{
    u64 until = 0;
    struct team team = { .arg = &until };

    if (nr_cpus_online == 1) {
        ktest_skip("one CPU: nobody can wait beside a reader");
        return;
    }
    team_start(&team, 1, hold_up, false);
    while (READ_ONCE(until) == 0)
        cpu_relax();
    synchronize_rcu();
    EXPECT(clock_monotonic_ns() >= until);
    team_join(&team);
}
