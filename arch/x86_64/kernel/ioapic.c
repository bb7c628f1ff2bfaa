/* SPDX-License-Identifier: MIT */
/*
 * ioapic.c: routes device interrupt lines to vectors of a CPU.
 *
 * ISA lines go where the MADT's overrides say. All lines start masked; one is opened by
 * ioapic_route().
 * Lock: routing happens at boot and from irq_register, which serialises. Source: Intel 82093AA data
 * sheet; ACPI 5.2.12.5.
 */
#include "internal.h"
#include <asm/errno.h>
#include <kernel/printk.h>
#include <mm/vmalloc.h>

#define REG_VERSION 1
#define REG_TABLE   0x10
#define ENTRY_MASKED     (1u << 16)
#define ENTRY_LEVEL      (1u << 15)
#define ENTRY_ACTIVE_LOW (1u << 13)

static struct ioapic {
    volatile u32 *regs; /* index at 0, data at 16 */
    u32 first_gsi, nr_lines;
} ioapics[MAX_IOAPICS];

static u32 read_reg(struct ioapic *io, u32 reg)
{
    io->regs[0] = reg;
    return io->regs[4];
}

static void write_reg(struct ioapic *io, u32 reg, u32 v)
{
    io->regs[0] = reg;
    io->regs[4] = v;
}

void ioapic_init(void)
{
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        struct ioapic *io = &ioapics[i];

        io->regs = ioremap(acpi.ioapic[i].base, PAGE_SIZE);
        if (!io->regs)
            panic("no memory to map the I/O APIC");
        io->first_gsi = acpi.ioapic[i].first_gsi;
        io->nr_lines = ((read_reg(io, REG_VERSION) >> 16) & 255) + 1;
        for (u32 line = 0; line < io->nr_lines; line++)
            write_reg(io, REG_TABLE + 2 * line, ENTRY_MASKED);
    }
}

int ioapic_route(unsigned int irq, unsigned int vector, unsigned int hw_id)
{
    u32 gsi = irq < 16 ? acpi.isa[irq].gsi : irq;
    u32 entry = vector;

    if (irq < 16 ? acpi.isa[irq].active_low : true)
        entry |= ENTRY_ACTIVE_LOW;
    if (irq < 16 ? acpi.isa[irq].level : true)
        entry |= ENTRY_LEVEL;
    for (unsigned int i = 0; i < acpi.nr_ioapics; i++) {
        struct ioapic *io = &ioapics[i];

        if (gsi < io->first_gsi || gsi - io->first_gsi >= io->nr_lines)
            continue;
        write_reg(io, REG_TABLE + 2 * (gsi - io->first_gsi) + 1, hw_id << 24);
        write_reg(io, REG_TABLE + 2 * (gsi - io->first_gsi), entry);
        return 0;
    }
    return -EINVAL;
}
