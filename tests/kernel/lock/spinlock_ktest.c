/* SPDX-License-Identifier: MIT */
/* spinlock_ktest.c: I1 of kernel/lock/spinlock.c, among threads and against interrupt handlers. */
#include "tests/kernel/team.h"

struct shared {
    spinlock_t lock;
    unsigned long count; /* not atomic: a lost update shows */
    int inside;
};

#define ROUNDS    20000u
#define HELD_LONG 100u /* turns of a loop: others come meanwhile, and wait */

static void count_up(struct team *team, unsigned int nr)
{
    struct shared *s = team->arg;

    while (team_round(team, nr, ROUNDS)) {
        spin_lock(&s->lock);
        EXPECT_EQ(s->inside++, 0);
        WRITE_ONCE(s->count, READ_ONCE(s->count) + 1);
        for (unsigned int i = 0; i < HELD_LONG; i++)
            cpu_relax();
        EXPECT_EQ(--s->inside, 0);
        spin_unlock(&s->lock);
    }
}

KTEST(spinlock, excludes_threads)
{
    struct shared s = { .lock = SPINLOCK_INIT(LOCK_FILES) };
    struct team team = { .arg = &s };
    unsigned int n = min(2 * nr_cpus_online, TEAM_MAX + 0u);

    team_run(&team, n, count_up, false);
    EXPECT_EQ(s.count, team_total(&team));
}

KTEST(spinlock, trylock_fails_while_held)
{
    struct shared s = { .lock = SPINLOCK_INIT(LOCK_FILES) };

    spin_lock(&s.lock);
    EXPECT(spin_is_locked(&s.lock));
    EXPECT(!spin_trylock(&s.lock));
    spin_unlock(&s.lock);
    EXPECT(!spin_is_locked(&s.lock));
    EXPECT_OR_RETURN(spin_trylock(&s.lock));
    EXPECT(spin_is_locked(&s.lock));
    spin_unlock(&s.lock);
    EXPECT_EQ(arch_preempt_count(), 0);
}

/* A timer on each CPU takes the lock in its interrupt while threads take it with interrupts off. */
struct irq_shared {
    struct shared s;
    atomic_t irq_count;
    struct irq_timer {
        struct timer timer;
        struct irq_shared *shared;
    } timers[NR_CPUS];
    bool stop;
};

static void count_in_interrupt(struct timer *t)
{
    struct irq_timer *it = container_of(t, struct irq_timer, timer);
    struct irq_shared *is = it->shared;
    unsigned long flags = spin_lock_irqsave(&is->s.lock);

    EXPECT_EQ(is->s.inside++, 0);
    is->s.count++;
    is->s.inside--;
    spin_unlock_irqrestore(&is->s.lock, flags);
    atomic_inc(&is->irq_count);
    if (!READ_ONCE(is->stop))
        timer_start(t, clock_monotonic_ns() + 200 * NSEC_PER_USEC);
}

static void count_irqsave(struct team *team, unsigned int nr)
{
    struct irq_shared *is = team->arg;
    struct irq_timer *it = &is->timers[nr];

    it->shared = is;
    timer_init(&it->timer, count_in_interrupt);
    timer_start(&it->timer, clock_monotonic_ns());
    while (team_round(team, nr, ROUNDS)) {
        unsigned long flags = spin_lock_irqsave(&is->s.lock);

        EXPECT_EQ(is->s.inside++, 0);
        is->s.count++;
        is->s.inside--;
        spin_unlock_irqrestore(&is->s.lock, flags);
    }
    test_sleep_ms(2);
    WRITE_ONCE(is->stop, true);
    timer_cancel(&it->timer);
}

KTEST(spinlock, excludes_interrupts)
{
    struct irq_shared is = { .s.lock = SPINLOCK_INIT(LOCK_CONSOLE_IN) };
    struct team team = { .arg = &is };

    team_run(&team, nr_cpus_online, count_irqsave, true);
    EXPECT(atomic_read(&is.irq_count) > 0);
    EXPECT_EQ(is.s.count, team_total(&team) + (unsigned int)atomic_read(&is.irq_count));
}
