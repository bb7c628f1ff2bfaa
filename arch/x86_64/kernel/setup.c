/* SPDX-License-Identifier: MIT */
/*
 * setup.c: the machine's part of the boot order. Boot CPU only. The order of the calls is
 * kernel/main.c's.
 * Read next: kernel/main.c, cpu.c, apic.c, smp.c.
 */
#include "internal.h"
#include <arch/setup.h>
#include <boot/bootinfo.h>
#include <boot/x86_64/boot.h>
#include <kernel/printk.h>
#include <kernel/serial.h>

#define COM1_PORT 0x3f8
#define COM1_IRQ  4

static u8 port_read(unsigned long base, unsigned int reg)
{
    return inb((u16)(base + reg));
}

static void port_write(unsigned long base, unsigned int reg, u8 v)
{
    outb((u16)(base + reg), v);
}

static bool have_serial;

void arch_setup_early(const struct bootinfo *bi)
{
    static const struct serial_port com1 = { port_read, port_write, COM1_PORT };

    have_serial = serial_init(&com1);
    cpu_features_detect();
    cpu_setup_control_registers();
    gdt_init_cpu(0);
    /*
     * Loading the segments left GS.base alone (GS itself was not loaded), so this_cpu() still
     * works.
     */
    idt_init();
    idt_load();
    time_init_early();
}

void arch_setup_firmware(const struct bootinfo *bi)
{
    acpi_parse(bi);
    smp_prepare(bi);
}

void arch_setup_devices(void)
{
    fpu_init();
    syscall_init_cpu();
    apic_init();
    apic_init_cpu();
    cpus[0].hw_id = apic_id();
    cpus[0].online = true;
    ioapic_init();
    time_init();
}

void arch_setup_syscalls(void)
{
}

void arch_setup_console_input(void)
{
    int err = have_serial ? serial_start_input(COM1_IRQ) : 0;

    if (err)
        pr_warn("serial: no interrupt (error %d), typed bytes will not arrive\n", err);
}

paddr_t arch_first_usable(void)
{
    return MIB(1);
}

paddr_t arch_early_limit(void)
{
    return BOOT_MAPPED;
}

const char *arch_name(void)
{
    return "x86-64";
}
