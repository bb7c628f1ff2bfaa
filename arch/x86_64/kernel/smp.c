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
 * Checked by tests/kernel/smp/. Source: SDM volume 3, section 8.4 (MP initialisation).
 * Read next: trampoline.S, apic.c.
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/mmu.h>
#include <boot/x86_64/boot.h>
#include <kernel/panic.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/time.h>
#include <mm/vmalloc.h>

struct cpu cpus[NR_CPUS];
unsigned int nr_cpus_online = 1;

static struct call_slot {
    void (*fn)(void *);
    void *arg;
    unsigned long pending; /* targets that have not finished */
} __aligned(64) slots[NR_CPUS];
static unsigned long incoming[NR_CPUS]; /* bit c: slot c has work for this CPU */

static paddr_t start_page; /* 0: there is none */
static unsigned int max_cpus = NR_CPUS;
static unsigned int nr_stopped;

extern char trampoline_start[], trampoline_end[];
extern char trampoline_cr3[], trampoline_cr4[], trampoline_efer[];
extern char trampoline_root[], trampoline_stack[], trampoline_cpu[], trampoline_entry[];

static void set_max_cpus(const char *value)
{
    u64 n = parse_u64(value, NULL);

    if (n >= 1 && n < NR_CPUS)
        max_cpus = (unsigned int)n;
}
KPARAM("maxcpus", set_max_cpus, "number of CPUs to start at most");

void smp_prepare(const struct bootinfo *bi)
{
    for (unsigned int i = 0; i < bi->nr_ranges; i++) {
        const struct boot_range *r = &bi->map[i];
        paddr_t base = max(r->base, (paddr_t)PAGE_SIZE); /* page 0 holds the BIOS' vectors */

        if (r->kind == BOOT_RAM && base + PAGE_SIZE <= min(r->base + r->len, (paddr_t)MIB(1))) {
            start_page = base;
            return;
        }
    }
}

/* First C code of a started CPU, on its idle stack. */
static __noreturn void start_secondary(struct cpu *c)
{
    cpu_setup_control_registers();
    mmu_init_cpu();
    gdt_init_cpu(c->id);
    /* Loading segments may have cleared the base. */
    wrmsr(MSR_GS_BASE, (u64)c);
    idt_load();
    fpu_init_cpu();
    syscall_init_cpu();
    apic_init_cpu();
    sched_init_cpu(c->id);
    __atomic_store_n(&c->online, true, __ATOMIC_RELEASE);
    sched_idle_loop();
}

static void *low(void *page, const char *label)
{
    return (char *)page + (label - trampoline_start);
}

static void fill_trampoline(void *page, struct cpu *c, void *stack)
{
    bool la57 = cpu_features.la57;

    memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
    *(u32 *)low(page, trampoline_cr3) =
        (u32)((unsigned long)(la57 ? boot_pml5 : boot_pml4) - KERNEL_LINK_OFFSET);
    *(u32 *)low(page, trampoline_cr4) = la57 ? CR4_LA57 : 0;
    *(u32 *)low(page, trampoline_efer) = EFER_LME | (cpu_features.nx ? EFER_NXE : 0);
    /* No user address space exists yet, so these are the kernel's own tables. */
    *(u64 *)low(page, trampoline_root) = read_cr3();
    *(u64 *)low(page, trampoline_stack) = (u64)stack + KIB(16);
    *(u64 *)low(page, trampoline_cpu) = (u64)c;
    *(u64 *)low(page, trampoline_entry) = (u64)start_secondary;
}

/*
 * False when the CPU does not answer within a second; its stack is lost then, since it may still
 * wake up.
 */
static bool start_one(unsigned int id, u32 hw_id)
{
    struct cpu *c = &cpus[id];
    void *stack = kstack_alloc(), *page;
    u64 deadline;

    if (!stack)
        return false;
    page = ioremap(start_page, PAGE_SIZE);
    if (!page)
        panic("no memory to map the start page");
    c->self = c;
    c->id = id;
    c->hw_id = hw_id;
    c->kstack_top = (unsigned long)stack + KIB(16);
    fill_trampoline(page, c, stack);
    apic_start_cpu(hw_id, start_page);
    deadline = arch_clock_ns() + 10 * NSEC_PER_SEC;
    while (!__atomic_load_n(&c->online, __ATOMIC_ACQUIRE) && arch_clock_ns() < deadline)
        cpu_relax();
    vfree(page);
    return c->online;
}

void smp_start_cpus(void)
{
    unsigned int me = cpus[0].hw_id;

    if (start_page == 0 && acpi.nr_cpus > 1)
        pr_warn("smp: no free page below 1 MiB, the other CPUs stay off\n");
    for (unsigned int i = 0; start_page != 0 && i < acpi.nr_cpus; i++) {
        if (acpi.apic_ids[i] == me || nr_cpus_online >= max_cpus)
            continue;
        if (!start_one(nr_cpus_online, acpi.apic_ids[i])) {
            pr_warn("smp: CPU with APIC id %u does not start\n", acpi.apic_ids[i]);
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

static void send_call(unsigned long targets, unsigned int me, unsigned long all_others)
{
    for (unsigned long t = targets; t != 0; t &= t - 1)
        __atomic_fetch_or(&incoming[__builtin_ctzl(t)], 1UL << me, __ATOMIC_SEQ_CST);
    if (targets == all_others) {
        apic_send_ipi_all_others(VECTOR_CALL);
        return;
    }
    for (unsigned long t = targets; t != 0; t &= t - 1)
        apic_send_ipi((unsigned int)__builtin_ctzl(t), VECTOR_CALL);
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
    u64 deadline = cycle_counter() + 1000000000ULL;

    if (others == 0 || !apic_ready())
        return;
    apic_send_nmi_all_others();
    while (__atomic_load_n(&nr_stopped, __ATOMIC_SEQ_CST) < others && cycle_counter() < deadline)
        cpu_relax();
}
