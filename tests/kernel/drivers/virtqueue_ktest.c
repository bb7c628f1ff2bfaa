/* SPDX-License-Identifier: MIT */
/* virtqueue_ktest.c: the ring against a device that is played here: order, reuse of descriptors,
 * indices that run over, notifications that the device does not want. */
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <mm/buddy.h>
#include <mm/slab.h>
#include "../../../drivers/virtio/virtio.h"
#include "../team.h"

#define SIZE 8

/* The device's side. */
struct fake {
    struct virtqueue q;
    u16 doorbell;
    u16 seen; /* of the avail ring */
};

static bool make(struct fake *d)
{
    memset(d, 0, sizeof(*d));
    if (virtq_init(&d->q, 5, SIZE) != 0)
        return false;
    d->q.notify = &d->doorbell;
    return true;
}

static void unmake(struct fake *d)
{
    kfree(d->q.cookie);
    free_pages(virt_to_page(d->q.desc), 0);
}

/* The next request that the driver offers, as its first descriptor; -1: none. */
static int device_next(struct fake *d)
{
    if (le16_to_cpu(d->q.avail->idx) == d->seen)
        return -1;
    return le16_to_cpu(d->q.avail->ring[d->seen++ % SIZE]);
}

static void device_done(struct fake *d, int first)
{
    u16 idx = le16_to_cpu(d->q.used->idx);

    d->q.used->ring[idx % SIZE].id = cpu_to_le32((u32)first);
    d->q.used->idx = cpu_to_le16((u16)(idx + 1));
}

/* Bytes of the chain: what the device reads, and what it writes. */
static void device_sum(const struct fake *d, int at, u64 *reads, u64 *writes)
{
    *reads = *writes = 0;
    for (;;) {
        const struct virtq_desc *e = &d->q.desc[at];
        u16 flags = le16_to_cpu(e->flags);

        EXPECT_EQ(le64_to_cpu(e->addr), 0x1000000ULL + le32_to_cpu(e->len));
        *(flags & 2 ? writes : reads) += le32_to_cpu(e->len);
        if (!(flags & 1))
            break;
        at = le16_to_cpu(e->next);
    }
}

static bool offer(struct fake *d, unsigned int out, unsigned int in, u32 len, void *cookie)
{
    struct virtq_seg segs[SIZE];

    for (unsigned int i = 0; i < out + in; i++)
        segs[i] = (struct virtq_seg){0x1000000 + len, len};
    return virtq_add(&d->q, segs, out, in, cookie);
}

KTEST(virtqueue, requests_and_their_ends)
{
    struct fake d;
    char a, b, c;
    u64 reads, writes;
    int first[2];

    EXPECT_OR_RETURN(make(&d));
    EXPECT(offer(&d, 2, 1, 100, &a));
    EXPECT(offer(&d, 1, 3, 7, &b));
    EXPECT_EQ(d.q.nr_free, 1);
    EXPECT(!offer(&d, 1, 1, 1, &c)); /* full: nothing changes */
    EXPECT_EQ(d.q.nr_free, 1);
    EXPECT(virtq_take(&d.q) == NULL);
    first[0] = device_next(&d);
    first[1] = device_next(&d);
    EXPECT_EQ(device_next(&d), -1);
    device_sum(&d, first[0], &reads, &writes);
    EXPECT(reads == 200 && writes == 100);
    device_sum(&d, first[1], &reads, &writes);
    EXPECT(reads == 7 && writes == 21);
    device_done(&d, first[1]); /* in any order */
    EXPECT(virtq_take(&d.q) == &b && virtq_take(&d.q) == NULL);
    EXPECT_EQ(d.q.nr_free, 5);
    EXPECT(offer(&d, 5, 0, 3, &c));
    device_done(&d, first[0]);
    device_done(&d, device_next(&d));
    EXPECT(virtq_take(&d.q) == &a && virtq_take(&d.q) == &c);
    EXPECT_EQ(d.q.nr_free, SIZE);
    unmake(&d);
}

KTEST(virtqueue, notifies_when_wanted)
{
    struct fake d;
    char a;

    EXPECT_OR_RETURN(make(&d));
    EXPECT(offer(&d, 1, 0, 1, &a));
    d.q.used->flags = cpu_to_le16(1);
    virtq_kick(&d.q);
    EXPECT_EQ(d.doorbell, 0);
    d.q.used->flags = cpu_to_le16(0);
    virtq_kick(&d.q);
    EXPECT_EQ(d.doorbell, cpu_to_le16(5).v);
    unmake(&d);
}

/* 16-bit indices run over several times; requests of all sizes, ended out of order. */
KTEST(virtqueue, indices_run_over)
{
    struct fake d;
    u64 random = 1, offered = 0, taken = 0, sum_offered = 0, sum_taken = 0;
    int held[SIZE], nr_held = 0;

    EXPECT_OR_RETURN(make(&d));
    while (taken < 150000) {
        unsigned int n = test_random(&random) % 3 + 1;
        int first;
        void *cookie;

        if (offer(&d, n, 0, 1, (void *)(offered + 1)))
            sum_offered += ++offered;
        while (nr_held < SIZE && (first = device_next(&d)) >= 0)
            held[nr_held++] = first;
        if (nr_held > 0) {
            int which = (int)(test_random(&random) % (u32)nr_held);

            device_done(&d, held[which]);
            held[which] = held[--nr_held];
        }
        while ((cookie = virtq_take(&d.q)) != NULL) {
            sum_taken += (u64)cookie;
            taken++;
        }
    }
    while (nr_held > 0)
        device_done(&d, held[--nr_held]);
    for (void *cookie; (cookie = virtq_take(&d.q)) != NULL; taken++)
        sum_taken += (u64)cookie;
    EXPECT_EQ(taken, offered);
    EXPECT_EQ(sum_taken, sum_offered);
    EXPECT_EQ(d.q.nr_free, SIZE);
    unmake(&d);
}
