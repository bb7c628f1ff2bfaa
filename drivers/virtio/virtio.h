/* SPDX-License-Identifier: MIT */
/*
 * virtio.h: virtio devices for their drivers: the transport over PCI and the rings.
 * Source: Virtual I/O Device (VIRTIO) Version 1.1, OASIS; section numbers below are its.
 */
#pragma once
#include "../pci/pci.h"
#include <kernel/byteorder.h>

#define VIRTIO_VENDOR      0x1af4
#define VIRTIO_F_VERSION_1 (1ULL << 32)
/* 4.1.2.1: transitional devices have ids of their own. */
#define VIRTIO_BLK_TRANSITIONAL 0x1001
#define VIRTIO_BLK_MODERN       0x1042

/* ---- ring (virtqueue.c) ---- */

/* A piece of memory that the device reads or writes. */
struct virtq_seg {
    paddr_t pa;
    u32 len;
};

/* Entries of the ring as the device sees them, section 2.6. */
struct virtq_desc {
    le64 addr;
    le32 len;
    le16 flags, next;
};
struct virtq_avail {
    le16 flags, idx, ring[];
};
struct virtq_used_elem {
    le32 id, len;
};
struct virtq_used {
    le16 flags, idx;
    struct virtq_used_elem ring[];
};

/* The caller's lock guards all of it. */
struct virtqueue {
    u16 size;                  /* power of two */
    u16 nr_free;               /* descriptors */
    u16 first_free;            /* chained through desc[].next */
    u16 next_avail, next_used; /* run freely */
    struct virtq_desc *desc;
    struct virtq_avail *avail;
    struct virtq_used *used;
    void **cookie; /* by the first descriptor of a request */
    volatile void *notify;
    u16 nr;
};
/* Memory for @size descriptors. 0 or -ENOMEM. */
int __must_check virtq_init(struct virtqueue *q, u16 nr, u16 size);
/* Offers a request: @out pieces that the device reads, then @in that it writes. False: not enough
 * free descriptors. The device does not look before virtq_kick. */
bool __must_check virtq_add(struct virtqueue *q, const struct virtq_seg *segs, unsigned int out,
                            unsigned int in, void *cookie);
/* Tells the device, if it wants to be told. */
void virtq_kick(struct virtqueue *q);
/* The cookie of a request that the device is done with; NULL: no more. */
void *virtq_take(struct virtqueue *q);

/* ---- transport (virtio_pci.c) ---- */

struct virtio_device {
    struct pci_device *pci;
    volatile u8 *common, *notify, *config; /* 4.1.4 */
    u32 notify_step;
    u64 features; /* agreed upon */
};
/* Resets the device and agrees on @wanted (VERSION_1 is a must). 0 or -errno. */
int __must_check virtio_start(struct virtio_device *v, struct pci_device *d, u64 wanted);
/* Queue @nr with at most @max_size entries; its interrupts call @fn. */
int __must_check virtio_setup_queue(struct virtio_device *v, struct virtqueue *q, u16 nr,
                                    u16 max_size, irq_handler_t fn, void *arg, const char *name);
/* The device may work from now on. */
void virtio_ready(struct virtio_device *v);
/* Gives the device up: it does nothing any more. */
void virtio_fail(struct virtio_device *v);

extern const struct pci_driver virtio_blk_driver;
