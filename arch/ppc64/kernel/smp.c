/* SPDX-License-Identifier: MIT */
/*
 * smp.c: starts the other CPUs, calls functions on them, stops them for a panic.
 *
 * A cross-CPU call needs no lock. Each CPU owns one call slot (it cannot have two calls under way:
 * it waits with interrupts off) and each CPU has a word with one bit per caller. The caller fills
 * its slot, sets its bit at every target, sends the interrupt and waits until the targets have
 * cleared themselves from the slot; meanwhile it serves calls to itself, so two callers with
 * interrupts off cannot wait for each other.
 * I1: slot->fn and slot->arg do not change while slot->pending is not 0.
 * I2: a bit in incoming[t] for caller c implies that slot c has t in pending.
 * Checked by tests/kernel/smp/. Source: LoPAR 7.3.9.1 (start-cpu), 14.5.4.8 (H_SIGNAL_SYS_RESET).
 * Read next: boot/ppc64/boot.S (secondary_entry), xics.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/mmu.h>
#include <arch/setup.h>
#include <boot/ppc64/boot.h>
#include <kernel/panic.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/time.h>
#include <mm/vmalloc.h>

#define ALL_OTHERS (~1UL) /* H_SIGNAL_SYS_RESET: -2 */

struct cpu cpus[NR_CPUS];
unsigned int nr_cpus_online = 1;

struct save_area save_areas[NR_CPUS];
u8 emergency_stacks[NR_CPUS][EMERGENCY_STACK_SIZE] __aligned(4096);
static u8 small_stacks[NR_CPUS][2][SMALL_STACK_SIZE] __aligned(4096); /* segment fault, reset */

static struct call_slot {
    void (*fn)(void *);
    void *arg;
    unsigned long pending; /* targets that have not finished */
} __aligned(128) slots[NR_CPUS];
static unsigned long incoming[NR_CPUS]; /* bit c: slot c has work for this CPU */

static unsigned int max_cpus = NR_CPUS;
static unsigned int nr_stopped;

static void set_max_cpus(const char *value)
{
    u64 n = parse_u64(value, NULL);

    if (n >= 1 && n < NR_CPUS)
        max_cpus = (unsigned int)n;
}
KPARAM("maxcpus", set_max_cpus, "number of CPUs to start at most");

void smp_init_save_area(unsigned int cpu)
{
    struct save_area *s = &save_areas[cpu];

    s->cpu = &cpus[cpu];
    s->slb_stack = (unsigned long)small_stacks[cpu][0] + SMALL_STACK_SIZE;
    s->nmi_stack = (unsigned long)small_stacks[cpu][1] + SMALL_STACK_SIZE;
    s->emergency_stack = (unsigned long)emergency_stacks[cpu] + EMERGENCY_STACK_SIZE;
}

static __noreturn void secondary_on_stack(void)
{
    struct cpu *c = this_cpu();

    xics_init_cpu();
    time_stop_decrementer();
    sched_init_cpu(c->id);
    __atomic_store_n(&c->online, true, __ATOMIC_RELEASE);
    sched_idle_loop();
}

/* First C code of a started CPU, in real mode, on a stack in the image. */
__noreturn void start_secondary(void)
{
    struct cpu *c = this_cpu();

    mmu_init_cpu();
    arch_continue_on_stack(c->arch[CPU_ARCH_IDLE_TOP], secondary_on_stack);
}

/*
 * False when the CPU does not answer within ten seconds; its stack is lost then, since it may still
 * wake up.
 */
static bool start_one(unsigned int id, u32 hw_id)
{
    struct cpu *c = &cpus[id];
    u32 args[3] = { hw_id, (u32)(virt_to_phys(secondary_entry)), id };
    void *stack = kstack_alloc();
    u64 deadline;

    if (!stack)
        return false;
    c->self = c;
    c->id = id;
    c->hw_id = hw_id;
    c->arch[CPU_ARCH_IDLE_TOP] = (unsigned long)stack + KIB(16);
    smp_init_save_area(id);
    c->kstack_top = save_areas[id].emergency_stack;
    smp_mb();
    if (rtas_call(ppc_platform.rtas.start_cpu, 3, args, 1, NULL) != 0)
        return false;
    deadline = arch_clock_ns() + 10 * NSEC_PER_SEC;
    while (!__atomic_load_n(&c->online, __ATOMIC_ACQUIRE) && arch_clock_ns() < deadline)
        cpu_relax();
    return c->online;
}

void smp_start_cpus(void)
{
    for (unsigned int i = 1; i < ppc_platform.nr_cpus && nr_cpus_online < max_cpus; i++) {
        if (!start_one(nr_cpus_online, ppc_platform.cpu_ids[i])) {
            pr_warn("smp: CPU %u does not start\n", ppc_platform.cpu_ids[i]);
            break;
        }
        WRITE_ONCE(nr_cpus_online, nr_cpus_online + 1);
    }
    pr_info("smp: %u CPU%s\n", nr_cpus_online, nr_cpus_online == 1 ? "" : "s");
}

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

static void send_call(unsigned long targets, unsigned int me)
{
    for (unsigned long t = targets; t != 0; t &= t - 1)
        __atomic_fetch_or(&incoming[__builtin_ctzl(t)], 1UL << me, __ATOMIC_SEQ_CST);
    for (unsigned long t = targets; t != 0; t &= t - 1)
        xics_send_ipi((unsigned int)__builtin_ctzl(t));
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
        send_call(targets, me);
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

void smp_handle_nmi(void)
{
    if (!panic_in_progress())
        return; /* nobody else sends them; a stray one from the monitor is no reason to stop */
    __atomic_fetch_add(&nr_stopped, 1, __ATOMIC_SEQ_CST);
    arch_halt();
}

void arch_stop_other_cpus(void)
{
    unsigned int others = nr_cpus_online - 1;
    u64 deadline = cycle_counter() + ppc_platform.timebase_hz;

    if (others == 0 || hcall(H_SIGNAL_SYS_RESET, ALL_OTHERS, 0, 0, 0) != H_SUCCESS)
        return;
    while (__atomic_load_n(&nr_stopped, __ATOMIC_SEQ_CST) < others && cycle_counter() < deadline)
        cpu_relax();
}
