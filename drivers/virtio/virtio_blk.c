/* SPDX-License-Identifier: MIT */
/*
 * virtio_blk.c: a disk behind virtio: /dev/vda, /dev/vdb, ...
 *
 * One queue. A request is a header, the memory of whoever asks (pinned user pages, page cache), and
 * a byte of status, each by physical address; its task sleeps until the interrupt says that the
 * device is done. Requests of several tasks are in the ring together and finish in any order. No
 * request is merged, split or put in order here. A request in reserve sees to it that write-back
 * goes on when there is no memory: whoever needs it waits for its turn.
 *
 * Locks: vblk.lock (LOCK_LEAF) for the ring, also in the interrupt handler. Invariants: I1 a
 * request is freed only after the device gave it back. Source: VIRTIO 1.1, 5.2. Read next:
 * fs/blkdev.c.
 */
#include "virtio.h"
#include <asm/errno.h>
#include <kernel/blkdev.h>
#include <kernel/io.h>
#include <kernel/printk.h>
#include <kernel/sched.h>
#include <kernel/vfs.h>
#include <kernel/wait.h>
#include <mm/slab.h>

#define VIRTIO_BLK_MAJOR 254
#define MAX_DISKS        8
#define SECTOR           512u
#define QUEUE_MAX        256
#define SEGS_MAX         64

/* 5.2.3: features; 5.2.4: configuration; 5.2.6: requests. */
#define F_SEG_MAX  (1ULL << 2)
#define F_RO       (1ULL << 5)
#define F_BLK_SIZE (1ULL << 6)
#define F_FLUSH    (1ULL << 9)
enum { CONFIG_CAPACITY = 0, CONFIG_SEG_MAX = 12, CONFIG_BLK_SIZE = 20 };
enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4 };
enum { STATUS_OK = 0, STATUS_NONE = 0xff /* ours: the device has not written it */ };

struct request {
    struct {
        le32 type, reserved;
        le64 sector;
    } header;
    u8 status;
    bool done;
    unsigned int out, in; /* of segs */
    struct virtq_seg segs[SEGS_MAX + 2];
};

struct vblk {
    struct virtio_device v;
    struct virtqueue q; /* lock */
    spinlock_t lock;
    struct wait_queue wait;               /* for a request's end, room in the ring, the reserve */
    struct request *reserve, *in_reserve; /* it, and where it is while nobody uses it */
    struct block_device disk;
};

static void interrupt(void *arg)
{
    struct vblk *b = arg;
    unsigned long flags = spin_lock_irqsave(&b->lock);
    struct request *r;

    while ((r = virtq_take(&b->q)) != NULL)
        smp_store_release(&r->done, true); /* and is its task's from here on */
    spin_unlock_irqrestore(&b->lock, flags);
    wake_up_all(&b->wait);
}

static bool submit(struct vblk *b, struct request *r)
{
    unsigned long flags = spin_lock_irqsave(&b->lock);
    bool fits = virtq_add(&b->q, r->segs, r->out, r->in, r);

    if (fits)
        virtq_kick(&b->q);
    spin_unlock_irqrestore(&b->lock, flags);
    return fits;
}

/* Hands the request to the device and waits for its end. */
static int execute(struct vblk *b, struct request *r)
{
    wait_event(&b->wait, submit(b, r));
    wait_event(&b->wait, smp_load_acquire(&r->done));
    return r->status == STATUS_OK ? 0 : -EIO;
}

static struct request *request_get(struct vblk *b, u32 type, u64 pos)
{
    struct request *r = kmalloc(sizeof(*r));

    if (unlikely(r == NULL))
        wait_event(&b->wait, (r = xchg(&b->in_reserve, NULL)) != NULL);
    r->header.type = cpu_to_le32(type);
    r->header.reserved = cpu_to_le32(0);
    r->header.sector = cpu_to_le64(pos / SECTOR);
    r->status = STATUS_NONE;
    r->done = false;
    r->segs[0] = (struct virtq_seg){virt_to_phys(&r->header), sizeof(r->header)};
    return r;
}

static void request_put(struct vblk *b, struct request *r)
{
    if (likely(r != b->reserve)) {
        kfree(r);
        return;
    }
    smp_store_release(&b->in_reserve, r);
    wake_up_all(&b->wait);
}

static int transfer(struct block_device *disk, u64 pos, const struct blk_seg *segs, unsigned int nr,
                    bool write)
{
    struct vblk *b = container_of(disk, struct vblk, disk);
    struct request *r = request_get(b, write ? TYPE_OUT : TYPE_IN, pos);
    int err;

    ASSERT(nr <= disk->max_segs);
    for (unsigned int i = 0; i < nr; i++)
        r->segs[i + 1] = (struct virtq_seg){segs[i].pa, segs[i].len};
    r->segs[nr + 1] = (struct virtq_seg){virt_to_phys(&r->status), 1};
    r->out = write ? nr + 1 : 1;
    r->in = write ? 1 : nr + 1;
    err = execute(b, r);
    request_put(b, r);
    return err;
}

static int flush(struct block_device *disk)
{
    struct vblk *b = container_of(disk, struct vblk, disk);
    struct request *r;
    int err;

    if (!(b->v.features & F_FLUSH)) /* it has no cache that could lose anything */
        return 0;
    r = request_get(b, TYPE_FLUSH, 0);
    r->segs[1] = (struct virtq_seg){virt_to_phys(&r->status), 1};
    r->out = r->in = 1;
    err = execute(b, r);
    request_put(b, r);
    return err;
}

static const struct blk_ops ops = {.transfer = transfer, .flush = flush};

/* What the device says of itself; false when it cannot be used. */
static bool describe(struct vblk *b)
{
    volatile u8 *c = b->v.config;
    struct block_device *d = &b->disk;
    u64 sectors = mmio_read32(c + CONFIG_CAPACITY);

    sectors |= (u64)mmio_read32(c + CONFIG_CAPACITY + 4) << 32;
    d->block_bytes = b->v.features & F_BLK_SIZE ? mmio_read32(c + CONFIG_BLK_SIZE) : SECTOR;
    d->max_segs = b->v.features & F_SEG_MAX ? mmio_read32(c + CONFIG_SEG_MAX) : 1;
    d->max_segs = min(min(d->max_segs, (unsigned int)SEGS_MAX), b->q.size - 2u);
    d->read_only = (b->v.features & F_RO) != 0;
    if (d->block_bytes < SECTOR || d->block_bytes > PAGE_SIZE ||
        (d->block_bytes & (d->block_bytes - 1)) || b->q.size < 3 || d->max_segs == 0)
        return false;
    d->nr_bytes = ALIGN_DOWN(sectors * SECTOR, (u64)d->block_bytes);
    return sectors >> 54 == 0;
}

static int probe(struct pci_device *pci)
{
    static unsigned int nr_disks;
    struct vblk *b;
    int err;

    if (nr_disks == MAX_DISKS)
        return -ENOSPC;
    b = kzalloc(sizeof(*b));
    if (b == NULL)
        return -ENOMEM;
    b->lock = (spinlock_t)SPINLOCK_INIT(LOCK_LEAF);
    wait_queue_init(&b->wait);
    b->reserve = b->in_reserve = kmalloc(sizeof(*b->reserve));
    if (b->reserve == NULL) {
        kfree(b);
        return -ENOMEM;
    }
    err = virtio_start(&b->v, pci, F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH);
    if (err) {
        kfree(b->reserve);
        kfree(b);
        return err;
    }
    /* From here on the interrupt may know the structure: it stays. */
    err = virtio_setup_queue(&b->v, &b->q, 0, QUEUE_MAX, interrupt, b, "virtio-blk");
    if (err == 0 && !describe(b))
        err = -EINVAL;
    if (err) {
        virtio_fail(&b->v);
        return err;
    }
    virtio_ready(&b->v);
    (void)scnprintf(b->disk.name, sizeof(b->disk.name), "vd%c", 'a' + nr_disks);
    b->disk.dev = MKDEV(VIRTIO_BLK_MAJOR, nr_disks * 16);
    b->disk.ops = &ops;
    nr_disks++;
    blkdev_register(&b->disk);
    pr_info("%s: %llu KiB in blocks of %u bytes%s\n", b->disk.name,
            (unsigned long long)b->disk.nr_bytes >> 10, b->disk.block_bytes,
            b->disk.read_only ? ", read-only" : "");
    return 0;
}

const struct pci_driver virtio_blk_driver = {
    .name = "virtio-blk",
    .vendor = VIRTIO_VENDOR,
    .devices = {VIRTIO_BLK_TRANSITIONAL, VIRTIO_BLK_MODERN},
    .probe = probe,
};
