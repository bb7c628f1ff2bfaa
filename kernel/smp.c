/* SPDX-License-Identifier: MIT */
/*
 * smp.c: the CPUs that run, calling functions on them, stopping them for a panic.
 *
 * A cross-CPU call needs no lock. Each CPU owns one call slot (it cannot have two calls under way:
 * it waits with interrupts off) and each CPU has a word with one bit per caller. The caller fills
 * its slot, sets its bit at every target, sends the interrupt and waits until the targets have
 * cleared themselves from the slot; meanwhile it serves calls to itself, so two callers with
 * interrupts off cannot wait for each other.
 * I1: slot->fn and slot->arg do not change while slot->pending is not 0.
 * I2: a bit in incoming[t] for caller c implies that slot c has t in pending.
 * Checked by tests/kernel/smp/. Read next: arch/ARCH/kernel/smp.c, irq.c.
 */
#include <arch/cpu.h>
#include <arch/debug.h>
#include <arch/irq.h>
#include <kernel/panic.h>
#include <kernel/param.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/time.h>

struct cpu cpus[NR_CPUS];
unsigned int nr_cpus_online = 1;
unsigned int smp_max_cpus = NR_CPUS;

static struct call_slot {
    void (*fn)(void *);
    void *arg;
    unsigned long pending; /* targets that have not finished */
} __aligned(128) slots[NR_CPUS]; /* the larger of the machines' cache lines */
static unsigned long incoming[NR_CPUS]; /* bit c: slot c has work for this CPU */
static unsigned int nr_stopped;

static void set_max_cpus(const char *value)
{
    u64 n = parse_u64(value, NULL);

    if (n >= 1 && n < NR_CPUS)
        smp_max_cpus = (unsigned int)n;
}
KPARAM("maxcpus", set_max_cpus, "number of CPUs to start at most");

bool smp_wait_online(const struct cpu *c)
{
    u64 deadline = arch_clock_ns() + 10 * NSEC_PER_SEC;

    while (!__atomic_load_n(&c->online, __ATOMIC_ACQUIRE) && arch_clock_ns() < deadline)
        cpu_relax();
    return c->online;
}

/* ---- calls ---- */

void smp_handle_call(void)
{
    unsigned int me = smp_processor_id();
    unsigned long from = __atomic_exchange_n(&incoming[me], 0, __ATOMIC_ACQUIRE);

    while (from != 0) {
        struct call_slot *s = &slots[__builtin_ctzl(from)];

        from &= from - 1;
        s->fn(s->arg);
        __atomic_fetch_and(&s->pending, ~(1UL << me), __ATOMIC_RELEASE);
    }
}

static void send_call(unsigned long targets, unsigned int me, unsigned long all_others)
{
    for (unsigned long t = targets; t != 0; t &= t - 1)
        __atomic_fetch_or(&incoming[__builtin_ctzl(t)], 1UL << me, __ATOMIC_SEQ_CST);
    arch_send_call_ipi(targets, targets == all_others);
}

void smp_call_on(cpumask_t mask, void (*fn)(void *), void *arg)
{
    unsigned long flags = irq_save();
    unsigned int me = smp_processor_id();
    unsigned long self = 1UL << me, all = (1UL << READ_ONCE(nr_cpus_online)) - 1;
    unsigned long targets = mask.bits & all & ~self;
    struct call_slot *s = &slots[me];

    smp_mb();
    if (targets != 0) {
        s->fn = fn;
        s->arg = arg;
        __atomic_store_n(&s->pending, targets, __ATOMIC_RELAXED);
        send_call(targets, me, all & ~self);
    }
    if (mask.bits & self)
        fn(arg);
    while (__atomic_load_n(&s->pending, __ATOMIC_ACQUIRE) != 0) {
        if (READ_ONCE(incoming[me]) != 0)
            smp_handle_call();
        cpu_relax();
    }
    smp_mb();
    irq_restore(flags);
}

/* ---- panic ---- */

void smp_handle_nmi(void)
{
    if (!panic_in_progress())
        return; /* nobody else sends them; a stray one from the platform is no reason to stop */
    __atomic_fetch_add(&nr_stopped, 1, __ATOMIC_SEQ_CST);
    arch_halt();
}

void arch_stop_other_cpus(void)
{
    unsigned int others = nr_cpus_online - 1;
    u64 deadline = arch_clock_ns() + NSEC_PER_SEC;

    if (others == 0 || !arch_send_stop())
        return;
    while (__atomic_load_n(&nr_stopped, __ATOMIC_SEQ_CST) < others && arch_clock_ns() < deadline)
        cpu_relax();
}
