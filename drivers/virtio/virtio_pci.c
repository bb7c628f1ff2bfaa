/* SPDX-License-Identifier: MIT */
/*
 * virtio_pci.c: virtio devices on PCI, as version 1 has them: registers in memory, found through
 * vendor capabilities; little-endian whatever the CPU.
 *
 * Devices of before version 1 (registers in ports, the guest's byte order) are refused. One MSI-X
 * interrupt per queue, none for changes of configuration.
 *
 * Locks: none; one thread at boot. Source: VIRTIO 1.1, 3.1.1 (initialisation), 4.1 (PCI). Read
 * next: virtqueue.c, virtio_blk.c.
 */
#include "virtio.h"
#include <asm/errno.h>
#include <kernel/io.h>
#include <kernel/printk.h>
#include <mm/page.h>

/* 4.1.4: kinds of structures. */
enum { CAP_COMMON = 1, CAP_NOTIFY = 2, CAP_DEVICE = 4 };
/* Fields of a vendor capability. */
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_LENGTH = 12, CAP_NOTIFY_STEP = 16 };
/* 4.1.4.3: the common structure. */
enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY_OFF = 30,
    QUEUE_DESC = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    COMMON_BYTES = 56
};
/* 2.1: device status. */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };
#define NO_VECTOR       0xffff
#define MAX_RESET_READS 1000000

/* Maps the structure of kind @type; NULL when there is none that can be used. */
static volatile u8 *map_structure(struct virtio_device *v, unsigned int type, u32 min_bytes,
                                  unsigned int *cap_out)
{
    unsigned int cap = 0;

    while ((cap = pci_find_capability(v->pci, PCI_CAP_VENDOR, cap)) != 0) {
        u32 len = pci_read(v->pci, cap + CAP_LENGTH, 4);

        if (pci_read(v->pci, cap + CAP_TYPE, 1) != type || len < min_bytes)
            continue;
        if (cap_out)
            *cap_out = cap;
        return pci_map(v->pci, pci_read(v->pci, cap + CAP_BAR, 1),
                       pci_read(v->pci, cap + CAP_OFFSET, 4), len);
    }
    return NULL;
}

static void add_status(struct virtio_device *v, u8 bits)
{
    mmio_write8(v->common + STATUS, mmio_read8(v->common + STATUS) | bits);
}

static int reset(struct virtio_device *v)
{
    mmio_write8(v->common + STATUS, 0);
    for (unsigned int i = 0; i < MAX_RESET_READS; i++)
        if (mmio_read8(v->common + STATUS) == 0)
            return 0;
    return -EIO;
}

static int agree(struct virtio_device *v, u64 wanted)
{
    u64 offered = 0;

    for (u32 half = 0; half < 2; half++) {
        mmio_write32(v->common + DEVICE_FEATURE_SELECT, half);
        offered |= (u64)mmio_read32(v->common + DEVICE_FEATURE) << 32 * half;
    }
    v->features = offered & (wanted | VIRTIO_F_VERSION_1);
    if (!(v->features & VIRTIO_F_VERSION_1))
        return -EOPNOTSUPP;
    for (u32 half = 0; half < 2; half++) {
        mmio_write32(v->common + DRIVER_FEATURE_SELECT, half);
        mmio_write32(v->common + DRIVER_FEATURE, (u32)(v->features >> 32 * half));
    }
    add_status(v, FEATURES_OK);
    return mmio_read8(v->common + STATUS) & FEATURES_OK ? 0 : -EOPNOTSUPP;
}

int virtio_start(struct virtio_device *v, struct pci_device *d, u64 wanted)
{
    unsigned int cap = 0;
    int err;

    *v = (struct virtio_device){.pci = d};
    pci_enable(d);
    v->common = map_structure(v, CAP_COMMON, COMMON_BYTES, NULL);
    v->notify = map_structure(v, CAP_NOTIFY, 2, &cap);
    v->config = map_structure(v, CAP_DEVICE, 1, NULL);
    if (!v->common || !v->notify || !v->config)
        return -ENODEV;
    v->notify_step = pci_read(d, cap + CAP_NOTIFY_STEP, 4);
    err = reset(v);
    if (err)
        return err;
    add_status(v, ACKNOWLEDGE | DRIVER);
    err = agree(v, wanted);
    if (err)
        virtio_fail(v);
    return err;
}

int virtio_setup_queue(struct virtio_device *v, struct virtqueue *q, u16 nr, u16 max_size,
                       irq_handler_t fn, void *arg, const char *name)
{
    volatile u8 *c = v->common;
    u16 size;
    int err;

    mmio_write16(c + QUEUE_SELECT, nr);
    size = min(mmio_read16(c + QUEUE_SIZE), max_size);
    if (size == 0 || (size & (size - 1)) != 0)
        return -ENODEV;
    err = virtq_init(q, nr, size);
    if (err)
        return err;
    q->notify = v->notify + mmio_read16(c + QUEUE_NOTIFY_OFF) * v->notify_step;
    err = pci_request_msix(v->pci, nr, fn, arg, name);
    if (err)
        return err;
    mmio_write16(c + QUEUE_SIZE, size);
    mmio_write16(c + QUEUE_VECTOR, nr);
    if (mmio_read16(c + QUEUE_VECTOR) == NO_VECTOR)
        return -ENOMEM;
    mmio_write64(c + QUEUE_DESC, virt_to_phys(q->desc));
    mmio_write64(c + QUEUE_DRIVER, virt_to_phys(q->avail));
    mmio_write64(c + QUEUE_DEVICE, virt_to_phys(q->used));
    mmio_write16(c + QUEUE_ENABLE, 1);
    return 0;
}

void virtio_ready(struct virtio_device *v)
{
    add_status(v, DRIVER_OK);
}

void virtio_fail(struct virtio_device *v)
{
    add_status(v, FAILED);
}
