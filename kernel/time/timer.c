/* SPDX-License-Identifier: MIT */
/*
 * timer.c: one-shot timers and the timer interrupt.
 *
 * Each CPU has a tree of armed timers by expiry, and a wish of the scheduler for its next tick; the
 * hardware is set to the earlier of the two. It is set anew only when something earlier is armed:
 * cancelling leaves it, and an interrupt that finds nothing to do sets the next. So a timeout that
 * rarely expires costs no access to the device, and an idle CPU without timers sleeps on.
 *
 * Locks: TIMER, one per CPU. Functions run without it, in the interrupt. Invariants, checked by
 * tests/kernel/time/timer_ktest.c:
 *   I1  a queued timer is in the tree of its CPU; t->cpu changes only under the lock of that CPU
 *       and while func does not run
 *   I2  the hardware of a CPU expires no later than its first timer and its requested tick, except
 *       that after an interrupt it stays quiet for as long as that took: tasks get at least half of
 *       the CPU, however fast functions arm their timers again
 *   I3  running names the timer whose function runs on this CPU; cancel waits for it to change
 * Read next: clock.c, nanosleep.c.
 */
#include <arch/cpu.h>
#include <kernel/cpu.h>
#include <kernel/preempt.h>
#include <kernel/sched.h>
#include <kernel/time.h>

#define NEVER (~0ULL)

struct timer_base {
    /* LOCK_TIMER: all but tick_ns and hardware_ns, which only this CPU uses, interrupts off */
    spinlock_t lock;
    struct rb_root tree;
    struct rb_node *first;
    struct timer *running;
    unsigned int nr;
    u64 tick_ns;     /* when the scheduler wants its tick */
    u64 hardware_ns; /* what the device is set to */
} __aligned(64);

static struct timer_base timer_bases[NR_CPUS] = {
    [0 ... NR_CPUS - 1] = { .lock = SPINLOCK_INIT(LOCK_TIMER),
                            .tick_ns = NEVER,
                            .hardware_ns = NEVER },
};

static struct timer *timer_of(struct rb_node *n)
{
    return rb_entry(n, struct timer, node);
}

/* This CPU's device, interrupts off. */
static void program(struct timer_base *b, u64 ns)
{
    if (ns >= b->hardware_ns)
        return;
    b->hardware_ns = ns;
    arch_timer_program(ns);
}

static void enqueue(struct timer_base *b, struct timer *t)
{
    struct rb_node **link = &b->tree.node, *parent = NULL;
    bool first = true;

    while (*link) {
        parent = *link;
        if (t->expires_ns < timer_of(parent)->expires_ns) {
            link = &parent->left;
        } else {
            link = &parent->right;
            first = false;
        }
    }
    if (first)
        b->first = &t->node;
    rb_insert_at(&t->node, parent, link);
    rb_insert_color(&t->node, &b->tree);
    t->queued = true;
    b->nr++;
}

static void dequeue(struct timer_base *b, struct timer *t)
{
    if (b->first == &t->node)
        b->first = rb_next(&t->node);
    rb_erase(&t->node, &b->tree);
    t->queued = false;
    b->nr--;
}

/* Interrupts are off. */
static struct timer_base *lock_base(const struct timer *t)
{
    for (;;) {
        unsigned int cpu = READ_ONCE(t->cpu);
        struct timer_base *b = &timer_bases[cpu];

        spin_lock(&b->lock);
        if (likely(t->cpu == cpu))
            return b;
        spin_unlock(&b->lock);
    }
}

void timer_init(struct timer *t, void (*func)(struct timer *))
{
    t->func = func;
    t->queued = false;
    t->cpu = 0;
    t->expires_ns = 0;
}

void timer_start(struct timer *t, u64 expires_ns)
{
    unsigned long flags = irq_save();
    struct timer_base *b = lock_base(t), *here = &timer_bases[smp_processor_id()];

    if (t->queued)
        dequeue(b, t);
    if (b != here && b->running != t) {
        /* nobody but the caller arms it: two starters are the caller's mistake */
        t->cpu = smp_processor_id();
        spin_unlock(&b->lock);
        b = here;
        spin_lock(&b->lock);
    }
    t->expires_ns = expires_ns;
    enqueue(b, t);
    if (b == here && b->first == &t->node)
        program(b, expires_ns);
    spin_unlock(&b->lock);
    irq_restore(flags);
}

/* @t's function runs on @b's CPU, and not because it is the caller. */
static bool runs_elsewhere(const struct timer_base *b, const struct timer *t)
{
    return b->running == t && b != &timer_bases[smp_processor_id()];
}

bool timer_cancel(struct timer *t)
{
    bool was_queued = false, running;

    do {
        unsigned long flags = irq_save();
        struct timer_base *b = lock_base(t);

        if (t->queued) {
            dequeue(b, t);
            was_queued = true;
        }
        running = runs_elsewhere(b, t);
        spin_unlock(&b->lock);
        irq_restore(flags);
        if (running)
            cpu_relax(); /* the function may arm the timer again: look again */
    } while (running);
    return was_queued;
}

u64 timer_expires(struct timer *t)
{
    unsigned long flags = irq_save();
    struct timer_base *b = lock_base(t);
    u64 ns = t->queued ? t->expires_ns : 0;

    spin_unlock(&b->lock);
    irq_restore(flags);
    return ns;
}

/* Those due at @now: what functions arm meanwhile waits for the next interrupt. */
static void run_expired(struct timer_base *b, u64 now)
{
    spin_lock(&b->lock);
    while (b->first && timer_of(b->first)->expires_ns <= now) {
        struct timer *t = timer_of(b->first);
        void (*func)(struct timer *) = t->func;

        dequeue(b, t);
        b->running = t;
        spin_unlock(&b->lock);
        func(t); /* may end the life of t */
        spin_lock(&b->lock);
        b->running = NULL;
    }
    spin_unlock(&b->lock);
}

void timer_interrupt(void)
{
    struct timer_base *b = &timer_bases[smp_processor_id()];
    u64 start = arch_clock_ns(), next, now;

    b->hardware_ns = 0; /* nobody need program it meanwhile: that happens below */
    run_expired(b, start);
    if (b->tick_ns <= arch_clock_ns()) {
        b->tick_ns = NEVER;
        sched_tick();
    }
    spin_lock(&b->lock);
    next = b->first ? timer_of(b->first)->expires_ns : NEVER;
    spin_unlock(&b->lock);
    next = min(next, b->tick_ns);
    now = arch_clock_ns();
    b->hardware_ns = NEVER;
    program(b, max(next, now + (now - start))); /* I2; NEVER stays NEVER */
}

void timer_request_tick(u64 deadline_ns)
{
    struct timer_base *b = &timer_bases[smp_processor_id()];

    if (deadline_ns >= b->tick_ns)
        return;
    b->tick_ns = deadline_ns;
    program(b, deadline_ns);
}
