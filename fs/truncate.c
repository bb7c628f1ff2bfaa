/* SPDX-License-Identifier: MIT */
/*
 * truncate.c: truncate(2), ftruncate(2), fallocate(2). Locks: INODE, for writing, around the change
 * of the size. Read next: tmpfs/file.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <linux/falloc.h>

static int check_size(loff_t size)
{
    if (size < 0)
        return -EINVAL;
    if ((u64)size > task_rlimit(RLIMIT_FSIZE)) {
        (void)signal_send_task(current, SIGXFSZ, NULL);
        return -EFBIG;
    }
    return 0;
}

SYSCALL2(truncate, const char __user *, name, loff_t, size)
{
    struct path p;
    struct inode *i;
    int ret;

    if (size < 0)
        return -EINVAL;
    ret = walk_user_path(AT_FDCWD, name, WALK_FOLLOW, &p);
    if (ret)
        return ret;
    i = p.dentry->inode;
    if (S_ISDIR(i->mode))
        ret = -EISDIR;
    else if (!S_ISREG(i->mode))
        ret = -EINVAL;
    else
        ret = mount_want_write(p.mnt);
    if (ret == 0)
        ret = inode_permission(i, MAY_WRITE);
    if (ret == 0)
        ret = check_size(size);
    if (ret == 0)
        ret = inode_write_get(i);
    if (ret == 0) {
        ret = truncate_inode(i, (u64)size);
        inode_write_put(i);
    }
    path_put(&p);
    return ret;
}

SYSCALL2(ftruncate, int, fd, loff_t, size)
{
    struct fdref r;
    int ret;

    if (size < 0)
        return -EINVAL;
    r = fdref_get(fd);
    if (!r.file)
        return -EBADF;
    if (!S_ISREG(r.file->inode->mode) || !(r.file->f_mode & FMODE_WRITE))
        ret = -EINVAL;
    else
        ret = check_size(size);
    if (ret == 0)
        ret = truncate_inode(r.file->inode, (u64)size);
    fdref_put(r);
    return ret;
}

static long do_fallocate(struct file *f, int mode, loff_t off, loff_t len)
{
    if (off < 0 || len <= 0)
        return -EINVAL;
    if (mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && (mode & FALLOC_FL_ZERO_RANGE))
        return -EOPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) && !(mode & FALLOC_FL_KEEP_SIZE))
        return -EOPNOTSUPP;
    if (!(f->f_mode & FMODE_WRITE))
        return -EBADF;
    if (S_ISFIFO(f->inode->mode))
        return -ESPIPE;
    if (S_ISDIR(f->inode->mode))
        return -EISDIR;
    if (!S_ISREG(f->inode->mode))
        return -ENODEV;
    if (off + len < 0)
        return -EFBIG;
    return f->op->fallocate ? f->op->fallocate(f, mode, off, len) : -EOPNOTSUPP;
}

SYSCALL4(fallocate, int, fd, int, mode, loff_t, off, loff_t, len)
{
    struct fdref r = fdref_get(fd);
    long ret;

    if (!r.file)
        return -EBADF;
    ret = do_fallocate(r.file, mode, off, len);
    fdref_put(r);
    return ret;
}
