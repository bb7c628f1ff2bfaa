/* SPDX-License-Identifier: MIT */
/*
 * apic.c: the local APIC of each CPU: interrupts between CPUs, end of interrupt, the timer.
 *
 * xAPIC with registers in memory; x2APIC is not used (QEMU's TCG has none). Each CPU reaches its
 * own through the same address. No locks: each CPU writes its own; the two halves of the command
 * register are written with interrupts off.
 * Source: SDM volume 3, chapter 10. Read next: ioapic.c, irq.c, time.c.
 */
#include "internal.h"
#include <kernel/printk.h>
#include <mm/vmalloc.h>

enum {
    REG_ID = 0x20, REG_TPR = 0x80, REG_EOI = 0xb0, REG_SPURIOUS = 0xf0, REG_ICR_LOW = 0x300,
    REG_ICR_HIGH = 0x310, REG_LVT_TIMER = 0x320, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360,
    REG_LVT_ERROR = 0x370, REG_TIMER_INITIAL = 0x380, REG_TIMER_CURRENT = 0x390,
    REG_TIMER_DIVIDE = 0x3e0,
};

#define SPURIOUS_ENABLE 0x100
#define LVT_MASKED      0x10000
#define ICR_NMI         0x00400
#define ICR_INIT        0x00500
#define ICR_STARTUP     0x00600
#define ICR_PENDING     0x01000
#define ICR_ASSERT      0x04000
#define ICR_ALL_OTHERS  0xc0000
#define TIMER_DIVIDE_1  0xb

#define APIC_BASE_ENABLE 0x800

static volatile u8 *registers __ro_after_init;

static u32 read_reg(unsigned int reg)
{
    return *(volatile u32 *)(registers + reg);
}

static void write_reg(unsigned int reg, u32 v)
{
    *(volatile u32 *)(registers + reg) = v;
}

bool apic_ready(void)
{
    return registers != NULL;
}

void apic_init(void)
{
    paddr_t base = rdmsr(MSR_APIC_BASE) & 0xffffff000ULL;

    if (acpi.lapic != 0 && acpi.lapic != base)
        pr_warn("apic: the MADT says %#llx, the CPU %#llx; the CPU is right\n",
                (unsigned long long)acpi.lapic, (unsigned long long)base);
    registers = ioremap(base, PAGE_SIZE);
    if (!registers)
        panic("no memory to map the local APIC");
    /* The two 8259s: moved away from the exception vectors and masked. 8259A data sheet, ICW1-4. */
    static const u8 setup[][2] = {
        { 0x20, 0x11 }, { 0xa0, 0x11 }, { 0x21, 0x20 }, { 0xa1, 0x28 }, { 0x21, 4 },
        { 0xa1, 2 }, { 0x21, 1 }, { 0xa1, 1 }, { 0x21, 0xff }, { 0xa1, 0xff },
    };

    for (unsigned int i = 0; i < ARRAY_SIZE(setup); i++)
        outb(setup[i][0], setup[i][1]);
}

void apic_init_cpu(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
    write_reg(REG_SPURIOUS, SPURIOUS_ENABLE | VECTOR_SPURIOUS);
    write_reg(REG_LVT_LINT0, LVT_MASKED);
    write_reg(REG_LVT_LINT1, LVT_MASKED);
    write_reg(REG_LVT_ERROR, LVT_MASKED);
    write_reg(REG_TPR, 0);
    write_reg(REG_TIMER_DIVIDE, TIMER_DIVIDE_1);
    write_reg(REG_LVT_TIMER, VECTOR_TIMER); /* one-shot */
}

unsigned int apic_id(void)
{
    return registers ? read_reg(REG_ID) >> 24 : cpuid(1, 0).ebx >> 24;
}

void apic_eoi(void)
{
    write_reg(REG_EOI, 0);
}

static void send(u32 destination, u32 command)
{
    unsigned long flags = irq_save();

    while (read_reg(REG_ICR_LOW) & ICR_PENDING)
        cpu_relax();
    write_reg(REG_ICR_HIGH, destination << 24);
    write_reg(REG_ICR_LOW, command);
    irq_restore(flags);
}

void apic_send_ipi(unsigned int cpu, unsigned int vector)
{
    send(cpus[cpu].hw_id, ICR_ASSERT | vector);
}

void apic_send_ipi_all_others(unsigned int vector)
{
    send(0, ICR_ALL_OTHERS | ICR_ASSERT | vector);
}

void apic_send_nmi_all_others(void)
{
    send(0, ICR_ALL_OTHERS | ICR_ASSERT | ICR_NMI);
}

void apic_start_cpu(unsigned int hw_id, paddr_t start_page)
{
    u32 startup = ICR_ASSERT | ICR_STARTUP | (u32)(start_page >> PAGE_SHIFT);

    /*
     * SDM volume 3, 8.4.4.1: INIT, 10 ms, SIPI, 200 us, SIPI. Emulators start at once; real ones
     * want the pauses.
     */
    send(hw_id, ICR_ASSERT | ICR_INIT);
    delay_us(cpu_features.tsc_invariant ? 10000 : 10);
    send(hw_id, startup);
    delay_us(cpu_features.tsc_invariant ? 200 : 1);
    send(hw_id, startup);
}

void apic_timer_start(u32 ticks)
{
    write_reg(REG_TIMER_INITIAL, ticks);
}

u32 apic_timer_current(void)
{
    return read_reg(REG_TIMER_CURRENT);
}
