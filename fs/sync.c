/* SPDX-License-Identifier: MIT */
/*
 * sync.c: sync(2) and relatives, and advice about files. Files live in memory; only disks have
 * something to write back (blkdev.c), and the other calls check their arguments. Source: sync(2),
 * fsync(2), posix_fadvise(2), readahead(2).
 */
#include "internal.h"
#include <kernel/blkdev.h>
#include <kernel/syscall.h>
#include <linux/fadvise.h>

SYSCALL0(sync)
{
    blkdev_sync_all();
    return 0;
}

SYSCALL1(syncfs, int, fd)
{
    struct fdref r = fdref_get(fd);

    if (!r.file)
        return -EBADF;
    fdref_put(r);
    return 0;
}

static long do_fsync(int fd)
{
    struct fdref r = fdref_get(fd);
    long ret;

    if (!r.file)
        return -EBADF;
    ret = r.file->op->fsync ? r.file->op->fsync(r.file) : -EINVAL;
    fdref_put(r);
    return ret;
}

SYSCALL1(fsync, int, fd)
{
    return do_fsync(fd);
}

SYSCALL1(fdatasync, int, fd)
{
    return do_fsync(fd);
}

SYSCALL4(fadvise64, int, fd, loff_t, off, loff_t, len, int, advice)
{
    struct fdref r = fdref_get(fd);
    long ret = 0;

    if (!r.file)
        return -EBADF;
    if (S_ISFIFO(r.file->inode->mode))
        ret = -ESPIPE;
    else if (len < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE)
        ret = -EINVAL;
    fdref_put(r);
    return ret;
}

SYSCALL3(readahead, int, fd, loff_t, off, size_t, n)
{
    struct fdref r = fdref_get(fd);
    long ret = 0;

    if (!r.file || !(r.file->f_mode & FMODE_READ))
        ret = -EBADF;
    else if (!S_ISREG(r.file->inode->mode))
        ret = -EINVAL;
    if (r.file)
        fdref_put(r);
    return ret;
}
