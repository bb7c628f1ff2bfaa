/* SPDX-License-Identifier: MIT */
/*
 * arch/pci.h: the seam between drivers/pci and a machine's PCI host bridge. A machine has one
 * struct pci_host or none; x86-64 fills it from ports (arch/x86_64/kernel/pci.c), pseries does so
 * from its firmware's calls and device tree.
 *
 * Devices reach memory at its physical addresses: the driver asks no IOMMU.
 */
#pragma once
#include <kernel/irq.h>
#include <kernel/types.h>

/* A function of a device: bus << 8 | device << 3 | function. */
typedef u32 pci_id_t;

/* What a device writes to memory to interrupt. */
struct pci_message {
    u64 addr;
    u32 data;
};

struct pci_host {
    const char *name;
    /* Configuration space: @bytes is 1, 2 or 4, @reg aligned to it, values in the CPU's order. All
     * ones where there is no device. Any context. */
    u32 (*read)(pci_id_t id, unsigned int reg, unsigned int bytes);
    void (*write)(pci_id_t id, unsigned int reg, unsigned int bytes, u32 v);
    unsigned int first_bus;
    /* Space for memory BARs that firmware has left alone: where the bus sees it, its length, and
     * what to add for the CPU's address. */
    u64 window_bus, window_len, cpu_offset;
    /* A new interrupt for @id: *m is what it must write. 0, -EBUSY (none is left). */
    int (*message)(pci_id_t id, irq_handler_t fn, void *arg, const char *name,
                   struct pci_message *m);
};
/* NULL: this machine has no PCI. */
const struct pci_host *arch_pci_host(void);
