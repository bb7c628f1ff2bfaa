/* SPDX-License-Identifier: MIT */
/*
 * chrdev.c: from a device number to a driver. A node of any file system opens the driver that
 * registered the number. Registration happens at boot, from one thread; the table is read without a
 * lock. Read next: devfs/devfs.c, drivers/mem.c.
 */
#include "internal.h"

#define MAX_CHRDEVS 64

static struct chrdev {
    const char *name;
    dev_t rdev;
    const struct file_ops *fop;
} chrdevs[MAX_CHRDEVS];
static unsigned int nr_chrdevs;

void chrdev_register(const char *name, dev_t rdev, mode_t mode, const struct file_ops *fop)
{
    if (nr_chrdevs == MAX_CHRDEVS)
        panic("chrdev_register: no room for %s", name);
    chrdevs[nr_chrdevs] = (struct chrdev){name, rdev, fop};
    smp_store_release(&nr_chrdevs, nr_chrdevs + 1);
    devfs_add(name, S_IFCHR | mode, rdev);
}

static int chrdev_open(struct inode *i, struct file *f)
{
    unsigned int n = smp_load_acquire(&nr_chrdevs);

    while (n-- > 0)
        if (chrdevs[n].rdev == i->rdev) {
            f->op = chrdevs[n].fop;
            return f->op->open ? f->op->open(i, f) : 0;
        }
    return -ENXIO;
}

const struct file_ops chrdev_open_fops = {.open = chrdev_open};

const struct file_ops *special_fops(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFCHR: return &chrdev_open_fops;
    case S_IFBLK: return &blkdev_open_fops;
    case S_IFIFO: return &pipe_fops;
    default: return NULL;
    }
}

void chrdev_show(struct seq *s)
{
    seq_puts(s, "Character devices:\n");
    for (unsigned int n = 0; n < nr_chrdevs; n++)
        seq_printf(s, "%3u %s\n", MAJOR(chrdevs[n].rdev), chrdevs[n].name);
}
