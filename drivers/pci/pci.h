/* SPDX-License-Identifier: MIT */
/*
 * pci.h: PCI devices for their drivers. Found once, at boot, by one thread; they never leave.
 * Source: PCI Local Bus 3.0, chapter 6; PCI Express Base 3.0, 7.7 (MSI-X).
 */
#pragma once
#include <arch/pci.h>

struct pci_device {
    pci_id_t id;
    u16 vendor, device;
    struct {
        u64 cpu_addr; /* 0: no memory behind this BAR */
        u64 len;
    } bar[6];
    volatile u8 *msix; /* the table of interrupts, once it was asked for */
    unsigned int nr_msix;
};

struct pci_driver {
    const char *name;
    u16 vendor, devices[2];
    /* 0, or -errno: the device stays unused. May sleep. */
    int (*probe)(struct pci_device *dev);
};

u32 pci_read(const struct pci_device *d, unsigned int reg, unsigned int bytes);
void pci_write(const struct pci_device *d, unsigned int reg, unsigned int bytes, u32 v);
/* Position of the next capability @type behind @after (0: the first), or 0. */
unsigned int pci_find_capability(const struct pci_device *d, u8 type, unsigned int after);
#define PCI_CAP_VENDOR 0x09
#define PCI_CAP_MSIX   0x11
/* Lets the device answer in memory and write to it. */
void pci_enable(const struct pci_device *d);
/* Maps @len bytes at @off of a BAR; NULL when the device has not so many there. */
volatile void *pci_map(const struct pci_device *d, unsigned int bar, u64 off, u64 len);
/* MSI-X interrupt @nr of the device calls @fn. 0, -EINVAL (it has no such), -EBUSY, -ENOMEM. */
int __must_check pci_request_msix(struct pci_device *d, unsigned int nr, irq_handler_t fn,
                                  void *arg, const char *name);
