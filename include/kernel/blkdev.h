/* SPDX-License-Identifier: MIT */
/*
 * blkdev.h: between the drivers of disks and fs/blkdev.c, which makes files of them: /dev/vda.
 */
#pragma once
#include <kernel/mutex.h>
#include <mm/page_cache.h>

struct block_device;
struct seq;

/* Memory by physical address. */
struct blk_seg {
    paddr_t pa;
    u32 len;
};

struct blk_ops {
    /* Moves bytes between the disk at @pos and @nr pieces of memory, at most max_segs; position and
     * each length are multiples of block_bytes. Sleeps until it is done; any number of callers at a
     * time. 0, or -EIO. */
    int (*transfer)(struct block_device *b, u64 pos, const struct blk_seg *segs, unsigned int nr,
                    bool write);
    /* What was written before is on the medium when it returns. 0, or -EIO. */
    int (*flush)(struct block_device *b);
};

struct block_device {
    /* The driver's, set before blkdev_register. */
    char name[16];
    dev_t dev;
    u64 nr_bytes;
    u32 block_bytes; /* the smallest transfer: a power of two, 512 .. PAGE_SIZE */
    unsigned int max_segs;
    bool read_only;
    const struct blk_ops *ops;
    /* fs/blkdev.c's. */
    struct mapping mapping; /* what is cached of it */
    struct rwsem lock;      /* INODE: write for cached writes and write-back, read for O_DIRECT */
    u32 nr_errors;          /* of write-backs; atomic */
};
/* Makes the node in /dev. The device never leaves. */
void blkdev_register(struct block_device *b);
/* sync(2). */
void blkdev_sync_all(void);
/* /proc/devices, /proc/partitions. */
void blkdev_show(struct seq *s);
int blkdev_show_partitions(struct seq *s, void *arg);
