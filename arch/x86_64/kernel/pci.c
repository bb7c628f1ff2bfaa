/* SPDX-License-Identifier: MIT */
/*
 * pci.c: a PC's PCI host bridge: configuration through two ports, interrupts as messages to the
 * local APIC.
 *
 * The first 256 bytes of each function's space only; nothing here lies beyond. Lock: config_lock
 * (LOCK_LEAF), since an access takes two ports.
 * Source: PCI Local Bus 3.0, 3.2.2.3.2 (configuration mechanism #1); SDM volume 3, 10.11 (message
 * signalled interrupts). Read next: drivers/pci/pci.c.
 */
#include "internal.h"
#include <arch/pci.h>
#include <asm/errno.h>
#include <kernel/spinlock.h>

#define PORT_ADDRESS 0xcf8
#define PORT_DATA    0xcfc
#define ENABLE       0x80000000u
#define MESSAGE_BASE 0xfee00000u

/*
 * Above RAM and the memory-mapped configuration space of QEMU's q35 and i440fx, below the APICs'
 * registers. Firmware that gives addresses itself uses the same hole; pci.c goes around those.
 */
#define WINDOW     0xe0000000u
#define WINDOW_END 0xfe000000u

static spinlock_t config_lock = SPINLOCK_INIT(LOCK_LEAF);

static void select(pci_id_t id, unsigned int reg)
{
    outl(PORT_ADDRESS, ENABLE | id << 8 | (reg & 0xfc));
}

static u32 config_read(pci_id_t id, unsigned int reg, unsigned int bytes)
{
    unsigned long flags = spin_lock_irqsave(&config_lock);
    u16 port = (u16)(PORT_DATA + (reg & 3));
    u32 v;

    select(id, reg);
    v = bytes == 1 ? inb(port) : bytes == 2 ? inw(port) : inl(port);
    spin_unlock_irqrestore(&config_lock, flags);
    return v;
}

static void config_write(pci_id_t id, unsigned int reg, unsigned int bytes, u32 v)
{
    unsigned long flags = spin_lock_irqsave(&config_lock);
    u16 port = (u16)(PORT_DATA + (reg & 3));

    select(id, reg);
    if (bytes == 1)
        outb(port, (u8)v);
    else if (bytes == 2)
        outw(port, (u16)v);
    else
        outl(port, v);
    spin_unlock_irqrestore(&config_lock, flags);
}

/* To the boot CPU, as device lines are. Edge, fixed delivery: all other bits are 0. */
static int message(pci_id_t id, irq_handler_t fn, void *arg, const char *name,
                   struct pci_message *m)
{
    int vector = irq_register_message(fn, arg, name);

    if (vector < 0)
        return vector;
    m->addr = MESSAGE_BASE | (u64)cpus[0].hw_id << 12;
    m->data = (u32)vector;
    return 0;
}

const struct pci_host *arch_pci_host(void)
{
    static const struct pci_host host = {
        .name = "configuration mechanism #1",
        .read = config_read,
        .write = config_write,
        .window_bus = WINDOW,
        .window_len = WINDOW_END - WINDOW,
        .message = message,
    };

    /* A register that keeps what is written to it: there is such a bridge. */
    outl(PORT_ADDRESS, ENABLE);
    return inl(PORT_ADDRESS) == ENABLE ? &host : NULL;
}
