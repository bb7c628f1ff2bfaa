/* SPDX-License-Identifier: MIT */
/*
 * smp.c: starts the other CPUs: the way of each from real mode to its idle task.
 *
 * No locks: CPUs start one after another. Source: SDM volume 3, section 8.4 (MP initialisation).
 * Read next: trampoline.S, apic.c, kernel/smp.c.
 */
#include "internal.h"
#include <arch/irq.h>
#include <arch/mmu.h>
#include <boot/x86_64/boot.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/time.h>
#include <mm/vmalloc.h>

static paddr_t start_page; /* 0: there is none */

extern char trampoline_start[], trampoline_end[];
extern char trampoline_cr3[], trampoline_cr4[], trampoline_efer[];
extern char trampoline_root[], trampoline_stack[], trampoline_cpu[], trampoline_entry[];

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
    *(u64 *)low(page, trampoline_root) = read_cr(3);
    *(u64 *)low(page, trampoline_stack) = (u64)stack + KIB(16);
    *(u64 *)low(page, trampoline_cpu) = (u64)c;
    *(u64 *)low(page, trampoline_entry) = (u64)start_secondary;
}

/* False when the CPU does not answer; its stack is lost then. */
static bool start_one(unsigned int id, u32 hw_id)
{
    struct cpu *c = &cpus[id];
    void *stack = kstack_alloc(), *page;
    bool online;

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
    online = smp_wait_online(c);
    vfree(page);
    return online;
}

void smp_start_cpus(void)
{
    unsigned int me = cpus[0].hw_id;

    if (start_page == 0 && acpi.nr_cpus > 1)
        pr_warn("smp: no free page below 1 MiB, the other CPUs stay off\n");
    for (unsigned int i = 0; start_page != 0 && i < acpi.nr_cpus; i++) {
        if (acpi.apic_ids[i] == me || nr_cpus_online >= smp_max_cpus)
            continue;
        if (!start_one(nr_cpus_online, acpi.apic_ids[i])) {
            pr_warn("smp: CPU with APIC id %u does not start\n", acpi.apic_ids[i]);
            break;
        }
        WRITE_ONCE(nr_cpus_online, nr_cpus_online + 1);
    }
    pr_info("smp: %u CPU%s\n", nr_cpus_online, nr_cpus_online == 1 ? "" : "s");
}

bool arch_send_stop(void)
{
    if (!apic_ready())
        return false;
    apic_send_nmi_all_others();
    return true;
}
