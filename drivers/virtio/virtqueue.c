/* SPDX-License-Identifier: MIT */
/*
 * virtqueue.c: the split ring between a driver and a virtio device.
 *
 * Three arrays in memory. A request is a chain of descriptors; its first one's number goes into the
 * avail ring, and comes back through the used ring when the device is done. Free descriptors are a
 * chain, too.
 *
 * Ordering, the whole of it; each barrier is what POWER needs there and costs x86-64 at most one
 * instruction:
 *   Q1 descriptors and avail entry, write barrier, avail->idx: the device that sees the index sees
 *      the entry;
 *   Q2 avail->idx, full barrier, used->flags: either the driver sees that the device sleeps, or the
 *      device, which looks at idx after it set the flag, sees the request;
 *   Q3 used->idx, read barrier, used entry and data.
 *
 * Locks: the owner's, around every call. Invariants: I1 nr_free descriptors are in the free chain;
 * I2 cookie[i] is not NULL exactly while the request that begins with descriptor i is the device's.
 * A device that breaks the protocol (a number that is not its to give) stops the machine.
 * Source: VIRTIO 1.1, 2.6. Read next: virtio_blk.c.
 */
#include "virtio.h"
#include <asm/errno.h>
#include <kernel/io.h>
#include <kernel/printk.h>
#include <mm/buddy.h>
#include <mm/slab.h>

#define DESC_NEXT      1
#define DESC_WRITE     2
#define USED_NO_NOTIFY 1

static unsigned int order_of(size_t bytes)
{
    unsigned int order = 0;

    while (PAGE_SIZE << order < bytes)
        order++;
    return order;
}

int virtq_init(struct virtqueue *q, u16 nr, u16 size)
{
    size_t desc = size * sizeof(struct virtq_desc), avail = 6 + 2 * (size_t)size;
    size_t used_at = ALIGN_UP(desc + avail, (size_t)8);
    unsigned int order = order_of(used_at + 6 + size * sizeof(struct virtq_used_elem));
    struct page *p = alloc_pages(order, GFP_KERNEL | GFP_ZERO);

    *q = (struct virtqueue){.nr = nr, .size = size, .nr_free = size};
    q->cookie = kzalloc(size * sizeof(*q->cookie));
    if (p == NULL || q->cookie == NULL) {
        kfree(q->cookie);
        if (p != NULL)
            free_pages(p, order);
        return -ENOMEM;
    }
    q->desc = page_to_virt(p);
    q->avail = (void *)((u8 *)q->desc + desc);
    q->used = (void *)((u8 *)q->desc + used_at);
    for (u16 i = 0; i < size; i++)
        q->desc[i].next = cpu_to_le16((u16)(i + 1));
    return 0;
}

bool virtq_add(struct virtqueue *q, const struct virtq_seg *segs, unsigned int out, unsigned int in,
               void *cookie)
{
    unsigned int n = out + in;
    u16 at = q->first_free, first = at;

    ASSERT(n > 0 && cookie != NULL);
    if (n > q->nr_free)
        return false;
    for (unsigned int i = 0; i < n; i++) {
        struct virtq_desc *d = &q->desc[at];

        d->addr = cpu_to_le64(segs[i].pa);
        d->len = cpu_to_le32(segs[i].len);
        d->flags = cpu_to_le16((i + 1 < n ? DESC_NEXT : 0) | (i >= out ? DESC_WRITE : 0));
        at = le16_to_cpu(d->next);
    }
    q->first_free = at;
    q->nr_free -= n;
    q->cookie[first] = cookie;
    q->avail->ring[q->next_avail & (q->size - 1)] = cpu_to_le16(first);
    q->next_avail++;
    smp_wmb(); /* Q1 */
    WRITE_ONCE(q->avail->idx.v, cpu_to_le16(q->next_avail).v);
    return true;
}

void virtq_kick(struct virtqueue *q)
{
    smp_mb(); /* Q2 */
    if (!(READ_ONCE(q->used->flags.v) & cpu_to_le16(USED_NO_NOTIFY).v))
        mmio_write16(q->notify, q->nr);
}

/* The chain that begins with @first is free again. */
static void release(struct virtqueue *q, u16 first)
{
    u16 at = first, n = 1;

    while (le16_to_cpu(q->desc[at].flags) & DESC_NEXT) {
        at = le16_to_cpu(q->desc[at].next);
        n++;
    }
    q->desc[at].next = cpu_to_le16(q->first_free);
    q->first_free = first;
    q->nr_free += n;
}

void *virtq_take(struct virtqueue *q)
{
    const struct virtq_used_elem *e;
    void *cookie;
    u32 id;

    if (READ_ONCE(q->used->idx.v) == cpu_to_le16(q->next_used).v)
        return NULL;
    smp_rmb(); /* Q3 */
    e = &q->used->ring[q->next_used & (q->size - 1)];
    id = le32_to_cpu(e->id);
    if (id >= q->size || q->cookie[id] == NULL)
        panic("virtio: the device gives back request %u, which it does not have", id);
    cookie = q->cookie[id];
    q->cookie[id] = NULL;
    q->next_used++;
    release(q, (u16)id);
    return cookie;
}
