/* SPDX-License-Identifier: MIT */
/*
 * pci.c: pseries has a PCI host bridge behind calls of its firmware; this kernel does not drive it,
 * so it has no disks.
 *
 * No locks. Source of what a driver would use: LoPAR, 7.3.16 (RTAS calls of PCI). Read next:
 * drivers/pci/pci.c.
 */
#include <arch/pci.h>

const struct pci_host *arch_pci_host(void)
{
    return NULL;
}
