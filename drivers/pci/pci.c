/* SPDX-License-Identifier: MIT */
/*
 * pci.c: finds the devices on the buses, gives memory to those that firmware has left without, and
 * starts their drivers.
 *
 * A bridge tells only which buses lie behind it; their devices must have got addresses from
 * firmware, which has programmed the bridge for them. Memory BARs only. Interrupts by MSI-X only:
 * a message is a write to memory like those of the data before it, so when it has arrived they
 * have, too.
 *
 * Locks: none: everything happens at boot, in one thread. Invariants: I1 no two BARs that were
 * given out here overlap, nor one of firmware's in the same window.
 * Source: PCI Local Bus 3.0, 6.1 (header), 6.2.5 (base addresses), 6.7 (capabilities), 6.8.2
 * (MSI-X). Read next: ../virtio/virtio_pci.c.
 */
#include "pci.h"
#include <asm/errno.h>
#include <kernel/devices.h>
#include <kernel/io.h>
#include <kernel/printk.h>
#include <kernel/vfs.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "../virtio/virtio.h"

enum {
    REG_VENDOR = 0x00,
    REG_DEVICE = 0x02,
    REG_COMMAND = 0x04,
    REG_STATUS = 0x06,
    REG_CLASS = 0x08,
    REG_HEADER_TYPE = 0x0e,
    REG_BAR0 = 0x10,
    REG_SUBORDINATE = 0x1a,
    REG_CAPABILITIES = 0x34,
};
#define COMMAND_IO          0x0001u
#define COMMAND_MEMORY      0x0002u
#define COMMAND_MASTER      0x0004u
#define COMMAND_INTX_OFF    0x0400u
#define STATUS_CAPABILITIES 0x0010u
#define BAR_IO              0x1u
#define BAR_64              0x4u
#define BAR_MEMORY_MASK     (~0xfULL)
#define MSIX_ENABLE         0x8000u
#define MSIX_ENTRY_BYTES    16
#define MAX_DEVICES         64
#define MAX_CAPABILITIES    48 /* more than fit: the list is damaged */

static const struct pci_driver *const drivers[] = {&virtio_blk_driver};

static const struct pci_host *host;
static struct pci_device *devices[MAX_DEVICES];
static unsigned int nr_devices;

u32 pci_read(const struct pci_device *d, unsigned int reg, unsigned int bytes)
{
    return host->read(d->id, reg, bytes);
}

void pci_write(const struct pci_device *d, unsigned int reg, unsigned int bytes, u32 v)
{
    host->write(d->id, reg, bytes, v);
}

unsigned int pci_find_capability(const struct pci_device *d, u8 type, unsigned int after)
{
    unsigned int at = after ? after + 1 : REG_CAPABILITIES;

    if (!(pci_read(d, REG_STATUS, 2) & STATUS_CAPABILITIES))
        return 0;
    for (unsigned int i = 0; i < MAX_CAPABILITIES; i++) {
        at = pci_read(d, at, 1) & ~3u;
        if (at == 0)
            return 0;
        if (pci_read(d, at, 1) == type)
            return at;
        at++; /* the pointer to the next follows the type */
    }
    return 0;
}

void pci_enable(const struct pci_device *d)
{
    u32 command = pci_read(d, REG_COMMAND, 2);

    pci_write(d, REG_COMMAND, 2, command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF);
}

volatile void *pci_map(const struct pci_device *d, unsigned int bar, u64 off, u64 len)
{
    if (bar >= ARRAY_SIZE(d->bar) || d->bar[bar].cpu_addr == 0 || off > d->bar[bar].len ||
        len > d->bar[bar].len - off)
        return NULL;
    return ioremap(d->bar[bar].cpu_addr + off, len);
}

/* ---- interrupts ---- */

static int map_msix(struct pci_device *d)
{
    unsigned int cap = pci_find_capability(d, PCI_CAP_MSIX, 0);
    u32 where;

    if (cap == 0)
        return -EINVAL;
    d->nr_msix = (pci_read(d, cap + 2, 2) & 0x7ff) + 1;
    where = pci_read(d, cap + 4, 4);
    d->msix = pci_map(d, where & 7, where & ~7u, (u64)d->nr_msix * MSIX_ENTRY_BYTES);
    if (d->msix == NULL)
        return -EINVAL;
    for (unsigned int i = 0; i < d->nr_msix; i++)
        mmio_write32(d->msix + i * MSIX_ENTRY_BYTES + 12, 1); /* masked */
    pci_write(d, cap + 2, 2, pci_read(d, cap + 2, 2) | MSIX_ENABLE);
    return 0;
}

int pci_request_msix(struct pci_device *d, unsigned int nr, irq_handler_t fn, void *arg,
                     const char *name)
{
    struct pci_message m;
    volatile u8 *entry;
    int err = d->msix ? 0 : map_msix(d);

    if (err)
        return err;
    if (nr >= d->nr_msix)
        return -EINVAL;
    err = host->message(d->id, fn, arg, name, &m);
    if (err)
        return err;
    entry = d->msix + nr * MSIX_ENTRY_BYTES;
    mmio_write64(entry, m.addr);
    mmio_write32(entry + 8, m.data);
    mmio_write32(entry + 12, 0);
    return 0;
}

/* ---- finding ---- */

/* What BAR @n decodes: length and whether it is a pair. 0 for none, and for ports. */
static u64 bar_length(const struct pci_device *d, unsigned int n, u32 old, bool *wide)
{
    unsigned int reg = REG_BAR0 + 4 * n;
    u64 mask;

    *wide = false;
    if (old & BAR_IO)
        return 0;
    pci_write(d, reg, 4, ~0u);
    mask = pci_read(d, reg, 4) & BAR_MEMORY_MASK;
    pci_write(d, reg, 4, old);
    if (mask == 0)
        return 0;
    if ((old & 6) == BAR_64 && n + 1 < ARRAY_SIZE(d->bar)) {
        u32 high = pci_read(d, reg + 4, 4);

        *wide = true;
        pci_write(d, reg + 4, 4, ~0u);
        mask |= (u64)pci_read(d, reg + 4, 4) << 32;
        pci_write(d, reg + 4, 4, high);
    } else {
        mask |= ~0ULL << 32;
    }
    return ~mask + 1;
}

static void read_bars(struct pci_device *d)
{
    u32 command = pci_read(d, REG_COMMAND, 2);
    bool wide;

    pci_write(d, REG_COMMAND, 2, command & ~(COMMAND_MEMORY | COMMAND_IO));
    for (unsigned int n = 0; n < ARRAY_SIZE(d->bar); n += wide ? 2 : 1) {
        u32 low = pci_read(d, REG_BAR0 + 4 * n, 4);
        u64 addr = low & BAR_MEMORY_MASK;

        d->bar[n].len = bar_length(d, n, low, &wide);
        if (wide)
            addr |= (u64)pci_read(d, REG_BAR0 + 4 * n + 4, 4) << 32;
        if (d->bar[n].len != 0 && addr != 0)
            d->bar[n].cpu_addr = addr + host->cpu_offset;
    }
    pci_write(d, REG_COMMAND, 2, command);
}

/* The end of some BAR that has a byte of [at, at + len), CPU addresses; 0 when none has. */
static u64 overlapped_by(u64 at, u64 len)
{
    for (unsigned int i = 0; i < nr_devices; i++)
        for (unsigned int n = 0; n < ARRAY_SIZE(devices[i]->bar); n++) {
            u64 start = devices[i]->bar[n].cpu_addr, end = start + devices[i]->bar[n].len;

            if (start != 0 && start < at + len && at < end)
                return end;
        }
    return 0;
}

/* @len bytes of the window, aligned to @len; a CPU address, or 0. */
static u64 find_room(u64 len)
{
    u64 start = host->window_bus + host->cpu_offset, end = start + host->window_len;
    u64 at = ALIGN_UP(start, len), taken;

    while (at < end && len <= end - at) {
        taken = overlapped_by(at, len);
        if (taken == 0)
            return at;
        at = ALIGN_UP(taken, len);
    }
    return 0;
}

static void assign_bars(struct pci_device *d)
{
    for (unsigned int n = 0; n < ARRAY_SIZE(d->bar); n++) {
        u32 low = pci_read(d, REG_BAR0 + 4 * n, 4);
        u64 at;

        if (d->bar[n].len == 0 || d->bar[n].cpu_addr != 0)
            continue;
        at = find_room(max(d->bar[n].len, (u64)PAGE_SIZE));
        if (at == 0) {
            pr_warn("pci: no room for %llu bytes of %04x:%04x\n", (unsigned long long)d->bar[n].len,
                    d->vendor, d->device);
            continue;
        }
        d->bar[n].cpu_addr = at;
        at -= host->cpu_offset;
        pci_write(d, REG_BAR0 + 4 * n, 4, (u32)at);
        if ((low & 6) == BAR_64)
            pci_write(d, REG_BAR0 + 4 * n + 4, 4, (u32)(at >> 32));
    }
}

/* Returns the highest bus behind the function when it is a bridge, else 0. */
static unsigned int found(pci_id_t id)
{
    struct pci_device *d;

    if (nr_devices == MAX_DEVICES) {
        pr_warn("pci: more than %d devices\n", MAX_DEVICES);
        return 0;
    }
    d = kzalloc(sizeof(*d));
    if (d == NULL)
        panic("pci: out of memory");
    d->id = id;
    d->vendor = (u16)pci_read(d, REG_VENDOR, 2);
    d->device = (u16)pci_read(d, REG_DEVICE, 2);
    devices[nr_devices++] = d;
    if ((pci_read(d, REG_HEADER_TYPE, 1) & 0x7f) != 0)
        return pci_read(d, REG_SUBORDINATE, 1);
    read_bars(d);
    return 0;
}

static void scan(void)
{
    unsigned int last_bus = host->first_bus;

    for (pci_id_t slot = last_bus << 8; slot >> 8 <= last_bus && slot >> 8 < 256; slot += 8) {
        unsigned int nr = 1;

        if (host->read(slot, REG_VENDOR, 2) == 0xffff)
            continue;
        if (host->read(slot, REG_HEADER_TYPE, 1) & 0x80)
            nr = 8;
        for (unsigned int fn = 0; fn < nr; fn++)
            if (host->read(slot + fn, REG_VENDOR, 2) != 0xffff)
                last_bus = max(last_bus, found(slot + fn));
    }
}

static void start_driver(struct pci_device *d)
{
    for (unsigned int i = 0; i < ARRAY_SIZE(drivers); i++) {
        int err;

        if (drivers[i]->vendor != d->vendor ||
            (drivers[i]->devices[0] != d->device && drivers[i]->devices[1] != d->device))
            continue;
        err = drivers[i]->probe(d);
        if (err)
            pr_warn("%s: device %02x:%02x.%x does not start (error %d)\n", drivers[i]->name,
                    d->id >> 8, d->id >> 3 & 31, d->id & 7, err);
    }
}

static int show_devices(struct seq *s, void *arg)
{
    for (unsigned int i = 0; i < nr_devices; i++)
        seq_printf(s, "%04x\t%04x%04x\n", devices[i]->id, devices[i]->vendor, devices[i]->device);
    return 0;
}

void pci_init(void)
{
    host = arch_pci_host();
    if (host == NULL)
        return;
    scan();
    for (unsigned int i = 0; i < nr_devices; i++)
        assign_bars(devices[i]);
    proc_create("bus/pci/devices", 0444, show_devices, NULL, NULL);
    for (unsigned int i = 0; i < nr_devices; i++)
        start_driver(devices[i]);
}
