/* SPDX-License-Identifier: MIT */
/*
 * power.c: the ways the machine ends: an exit status for test runners, power off, restart, halt.
 *
 * QEMU's isa-debug-exit device turns a value v written to port 0xf4 into its own exit status 2v +
 * 1; where the device is missing the write goes nowhere and the next way is tried. No locks: the
 * last code that runs.
 * Source: ACPI specification 6.4, sections 4.8.3 (PM1 control), 4.8.4.6 (reset register); Intel
 * ICH9 datasheet 13.1.13 (PMBASE).
 */
#include "internal.h"
#include <arch/debug.h>
#include <arch/task.h>
#include <kernel/printk.h>

#define DEBUG_EXIT_PORT 0xf4
#define EXIT_VALUE(status) (((status) - 1) / 2)

#define PM1_SLP_EN      (1u << 13)
#define PM1_SLP_TYPE(t) ((t) << 10)

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc
#define ICH9_LPC    (0x80000000u | 31u << 11)
#define ICH9_LPC_ID 0x29188086u
#define ICH9_PMBASE    0x40
#define ICH9_ACPI_CTRL 0x44

__noreturn void arch_halt(void)
{
    irq_disable();
    for (;;)
        __asm__ volatile("hlt" : : : "memory");
}

__noreturn void arch_machine_exit(enum machine_exit how)
{
    static const u32 status[] = { [MACHINE_PASS] = 33, [MACHINE_FAIL] = 35, [MACHINE_PANIC] = 37 };

    outl(DEBUG_EXIT_PORT, EXIT_VALUE(status[how]));
    pr_err("The machine stops here.\n");
    arch_halt();
}

static u32 pci_read(u32 device, u32 reg)
{
    outl(PCI_ADDRESS, device | reg);
    return inl(PCI_DATA);
}

static void pci_write(u32 device, u32 reg, u32 v)
{
    outl(PCI_ADDRESS, device | reg);
    outl(PCI_DATA, v);
}

/*
 * Small firmware (qboot) leaves the power management block switched off although its ACPI tables
 * name the ports.
 */
static void enable_pm_block(void)
{
    if (acpi.pm1a_event == 0 || pci_read(ICH9_LPC, 0) != ICH9_LPC_ID)
        return;
    if ((pci_read(ICH9_LPC, ICH9_PMBASE) & 0xff80) != 0)
        return;
    pci_write(ICH9_LPC, ICH9_PMBASE, acpi.pm1a_event | 1);
    pci_write(ICH9_LPC, ICH9_ACPI_CTRL, pci_read(ICH9_LPC, ICH9_ACPI_CTRL) | 0x80);
}

__noreturn void arch_poweroff(int status)
{
    if (status != 0) {
        outl(DEBUG_EXIT_PORT, EXIT_VALUE((u32)status | 1));
        arch_machine_exit(MACHINE_FAIL);
    }
    irq_disable();
    if (acpi.pm1a_control != 0) {
        enable_pm_block();
        outw(acpi.pm1a_control, PM1_SLP_TYPE(acpi.s5_type_a) | PM1_SLP_EN);
        if (acpi.pm1b_control != 0)
            outw(acpi.pm1b_control, PM1_SLP_TYPE(acpi.s5_type_b) | PM1_SLP_EN);
    }
    delay_us(3000000); /* the machine may take its time */
    pr_err("Power off is not possible on this machine; it is safe to switch it off now.\n");
    arch_halt();
}

__noreturn void arch_restart(void)
{
    irq_disable();
    if (acpi.reset_addr != 0 && acpi.reset_space == 1)
        outb((u16)acpi.reset_addr, acpi.reset_value);
    delay_us(500000);
    outb(0x64, 0xfe); /* keyboard controller: pulse the reset line */
    delay_us(500000);
    /* An exception without an IDT shuts the CPU down, which resets the machine. */
    struct {
        u16 limit;
        u64 base;
    } __packed none = { 0, 0 };

    __asm__ volatile("lidt %0; int3" : : "m"(none));
    arch_halt();
}
