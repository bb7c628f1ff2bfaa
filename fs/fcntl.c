/* SPDX-License-Identifier: MIT */
/*
 * fcntl.c: fcntl(2): descriptor flags, status flags, duplicating, owners, seals, pipe sizes; record
 * locks are in locks.c.
 *
 * Locks: INODE for seals. Not offered: leases, directory notification, O_ASYNC's signal (the flag
 * can be set; nothing sends). Source: fcntl(2). Read next: locks.c, memfd.c.
 */
#include "internal.h"
#include <asm/ioctls.h>
#include <kernel/syscall.h>
#include <mm/page_cache.h>

#define SETFL_MASK (O_APPEND | O_NONBLOCK | FASYNC | O_DIRECT | O_NOATIME)
#define ALL_SEALS  (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

static long dup_from(struct file *f, unsigned long min_fd, unsigned int flags)
{
    int fd;

    if (min_fd >= task_rlimit(RLIMIT_NOFILE))
        return -EINVAL;
    fd = fd_reserve_from((unsigned int)min_fd, flags);
    if (fd >= 0)
        fd_install(fd, file_get(f));
    return fd;
}

static long set_status(struct file *f, unsigned long arg)
{
    if ((arg & O_NOATIME) && !(f->flags & O_NOATIME) && !inode_owner_or_root(f->inode))
        return -EPERM;
    if ((arg & O_DIRECT) && !inode_can_direct(f->inode))
        return -EINVAL;
    WRITE_ONCE(f->flags, (f->flags & ~(unsigned int)SETFL_MASK) | ((unsigned int)arg & SETFL_MASK));
    return 0;
}

static struct mapping *sealable(struct file *f)
{
    return f->op == &tmpfs_file_fops || f->op == &hugetlbfs_file_fops ? f->inode->mapping : NULL;
}

static long add_seals(struct file *f, unsigned int seals)
{
    struct mapping *m = sealable(f);
    struct inode *i = f->inode;
    long ret = 0;

    if (!m)
        return -EINVAL;
    if (!(f->f_mode & FMODE_WRITE))
        return -EPERM;
    if (seals & ~(unsigned int)ALL_SEALS)
        return -EINVAL;
    rwsem_write_lock(&i->lock);
    if (i->seals & F_SEAL_SEAL)
        ret = -EPERM;
    /* F_SEAL_WRITE stays in force by keeping writable mappings denied. */
    else if ((seals & F_SEAL_WRITE) && !(i->seals & F_SEAL_WRITE))
        ret = mapping_deny_writable(m);
    if (ret == 0)
        i->seals |= seals;
    rwsem_write_unlock(&i->lock);
    return ret;
}

static long do_fcntl(int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
    switch (cmd) {
    case F_DUPFD: return dup_from(f, arg, 0);
    case F_DUPFD_CLOEXEC: return dup_from(f, arg, O_CLOEXEC);
    case F_GETFD: return fd_get_cloexec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD: return fd_set_cloexec(fd, arg & FD_CLOEXEC);
    case F_GETFL: return f->flags;
    case F_SETFL: return set_status(f, arg);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW: return locks_fcntl(f, cmd, (void __user *)arg);
    case F_SETOWN: f->sig_owner = (int)arg; return 0;
    case F_GETOWN: return f->sig_owner;
    case F_SETPIPE_SZ: return pipe_set_size(f, arg);
    case F_GETPIPE_SZ: return pipe_get_size(f);
    case F_ADD_SEALS: return add_seals(f, (unsigned int)arg);
    case F_GET_SEALS: return sealable(f) ? (long)f->inode->seals : -EINVAL;
    default: return -EINVAL;
    }
}

/* What an O_PATH descriptor may do. */
static bool path_allows(unsigned int cmd)
{
    return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
           cmd == F_GETFL;
}

SYSCALL3(fcntl, int, fd, unsigned int, cmd, unsigned long, arg)
{
    struct fdref r = fdref_get_any(fd);
    long ret = -EBADF;

    if (!r.file)
        return -EBADF;
    if (!(r.file->f_mode & FMODE_PATH) || path_allows(cmd))
        ret = do_fcntl(fd, r.file, cmd, arg);
    fdref_put(r);
    return ret;
}

/* ---- ioctl: what works on every file; the rest is the file's own ---- */

static long set_nonblock(struct file *f, const void __user *arg)
{
    u32 on;

    if (get_user_u32(&on, arg))
        return -EFAULT;
    return set_status(f, on ? f->flags | O_NONBLOCK : f->flags & ~(unsigned int)O_NONBLOCK);
}

static long do_ioctl(int fd, struct file *f, unsigned int cmd, unsigned long arg)
{
    void __user *p = (void __user *)arg;

    switch (cmd) {
    case FIOCLEX: return fd_set_cloexec(fd, true);
    case FIONCLEX: return fd_set_cloexec(fd, false);
    case FIONBIO: return set_nonblock(f, p);
    case FIGETBSZ: return put_user_u32((u32)PAGE_SIZE, p);
    case FIONREAD:
        if (S_ISREG(f->inode->mode))
            return put_user_u32((u32)(f->inode->size - min((u64)f->pos, f->inode->size)), p);
        break;
    default: break;
    }
    return f->op->ioctl ? f->op->ioctl(f, cmd, arg) : -ENOTTY;
}

SYSCALL3(ioctl, int, fd, unsigned int, cmd, unsigned long, arg)
{
    struct fdref r = fdref_get(fd);
    long ret;

    if (!r.file)
        return -EBADF;
    ret = do_ioctl(fd, r.file, cmd, arg);
    fdref_put(r);
    return ret;
}
