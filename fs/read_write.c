/* SPDX-License-Identifier: MIT */
/*
 * read_write.c: read, write, pread, pwrite, their vector forms, and lseek.
 *
 * What they have in common: the right to read or write, the position and its lock, the limit of one
 * transfer. The rest is the file's operation. Locks: file->pos_lock (FILE_POS) around a call that
 * uses the position, when anybody else could. Source: read(2), write(2), pread(2), readv(2),
 * lseek(2). Read next: iov_iter.c, tmpfs/file.c, pipe.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <linux/fs.h>

static __always_inline bool pos_lock(struct file *f)
{
    if ((f->f_mode & FMODE_STREAM) || atomic_read(&f->refs) == 1)
        return false;
    mutex_lock(&f->pos_lock);
    return true;
}

static __always_inline ssize_t read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
    if (unlikely(!(f->f_mode & FMODE_READ)))
        return -EBADF;
    if (unlikely(!f->op->read))
        return S_ISDIR(f->inode->mode) ? -EISDIR : -EINVAL;
    return f->op->read(f, it, pos);
}

static __always_inline ssize_t write_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
    if (unlikely(!(f->f_mode & FMODE_WRITE)))
        return -EBADF;
    if (unlikely(!f->op->write))
        return -EINVAL;
    return f->op->write(f, it, pos);
}

ssize_t file_read_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
    return read_iter(f, it, pos);
}

ssize_t file_write_iter(struct file *f, struct iov_iter *it, loff_t *pos)
{
    return write_iter(f, it, pos);
}

ssize_t write_limit(struct file *f, loff_t pos, size_t n)
{
    u64 limit = task_rlimit(RLIMIT_FSIZE);

    if (likely((u64)pos + n <= limit))
        return (ssize_t)n;
    if ((u64)pos >= limit) {
        (void)signal_send_task(current, SIGXFSZ, NULL);
        return -EFBIG;
    }
    return (ssize_t)(limit - (u64)pos);
}

static __always_inline ssize_t transfer(struct file *f, void __user *buf, size_t n, loff_t *pos,
                                        bool write)
{
    struct iov_iter it;
    struct iovec one;

    if (unlikely(!access_ok(buf, n)))
        return -EFAULT;
    iov_iter_user(&it, &one, buf, min(n, (size_t)MAX_RW_COUNT));
    return write ? write_iter(f, &it, pos) : read_iter(f, &it, pos);
}

static __always_inline ssize_t transfer_fd(int fd, void __user *buf, size_t n, bool write)
{
    struct fdref r = fdref_get(fd);
    ssize_t ret;
    bool locked;

    if (unlikely(!r.file))
        return -EBADF;
    if ((ssize_t)n < 0) {
        ret = -EINVAL;
    } else {
        locked = pos_lock(r.file);
        ret = transfer(r.file, buf, n, &r.file->pos, write);
        if (locked)
            mutex_unlock(&r.file->pos_lock);
    }
    fdref_put(r);
    return ret;
}

SYSCALL3(read, int, fd, void __user *, buf, size_t, n)
{
    return transfer_fd(fd, buf, n, false);
}

SYSCALL3(write, int, fd, void __user *, buf, size_t, n)
{
    return transfer_fd(fd, buf, n, true);
}

static __always_inline ssize_t ptransfer_fd(int fd, void __user *buf, size_t n, loff_t pos,
                                            bool write)
{
    struct fdref r;
    ssize_t ret;

    if (unlikely(pos < 0))
        return -EINVAL;
    r = fdref_get(fd);
    if (unlikely(!r.file))
        return -EBADF;
    if (unlikely(r.file->f_mode & FMODE_STREAM))
        ret = -ESPIPE;
    else if (unlikely((ssize_t)n < 0 || pos + (loff_t)n < pos))
        ret = -EINVAL;
    else
        ret = transfer(r.file, buf, n, &pos, write);
    fdref_put(r);
    return ret;
}

SYSCALL4(pread64, int, fd, void __user *, buf, size_t, n, loff_t, pos)
{
    return ptransfer_fd(fd, buf, n, pos, false);
}

SYSCALL4(pwrite64, int, fd, void __user *, buf, size_t, n, loff_t, pos)
{
    return ptransfer_fd(fd, buf, n, pos, true);
}

/* ---- vectors ---- */

static ssize_t vector(struct file *f, const struct iovec __user *uvec, unsigned long nr,
                      loff_t *pos, bool write)
{
    struct iovec fast[IOV_FAST], *v;
    struct iov_iter it;
    ssize_t n = iov_from_user(uvec, nr, fast, &v);

    if (n < 0)
        return n;
    it = (struct iov_iter){.iov = v, .nr = (unsigned int)nr, .count = (size_t)n};
    n = write ? file_write_iter(f, &it, pos) : file_read_iter(f, &it, pos);
    if (v != fast)
        kfree(v);
    return n;
}

static ssize_t vector_fd(int fd, const struct iovec __user *uvec, unsigned long nr, bool write)
{
    struct fdref r = fdref_get(fd);
    ssize_t ret;
    bool locked;

    if (!r.file)
        return -EBADF;
    locked = pos_lock(r.file);
    ret = vector(r.file, uvec, nr, &r.file->pos, write);
    if (locked)
        mutex_unlock(&r.file->pos_lock);
    fdref_put(r);
    return ret;
}

static ssize_t pvector_fd(int fd, const struct iovec __user *uvec, unsigned long nr, loff_t pos,
                          bool write)
{
    struct fdref r;
    ssize_t ret;

    if (pos < 0)
        return -EINVAL;
    r = fdref_get(fd);
    if (!r.file)
        return -EBADF;
    ret = r.file->f_mode & FMODE_STREAM ? -ESPIPE : vector(r.file, uvec, nr, &pos, write);
    fdref_put(r);
    return ret;
}

SYSCALL3(readv, int, fd, const struct iovec __user *, vec, unsigned long, nr)
{
    return vector_fd(fd, vec, nr, false);
}

SYSCALL3(writev, int, fd, const struct iovec __user *, vec, unsigned long, nr)
{
    return vector_fd(fd, vec, nr, true);
}

SYSCALL4(preadv, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos)
{
    return pvector_fd(fd, vec, nr, pos, false);
}

SYSCALL4(pwritev, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos)
{
    return pvector_fd(fd, vec, nr, pos, true);
}

/* Nothing here is ever late on its way to a disk, so the flags that ask for order or haste ask for
 * nothing. */
#define RWF_NO_EFFECT (RWF_HIPRI | RWF_DSYNC | RWF_SYNC)

/* The fifth argument is the upper half of the position on machines with 32-bit registers. */
SYSCALL6(preadv2, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
         unsigned long, high, int, flags)
{
    if (flags & ~RWF_NO_EFFECT)
        return -EOPNOTSUPP;
    return pos == -1 ? vector_fd(fd, vec, nr, false) : pvector_fd(fd, vec, nr, pos, false);
}

SYSCALL6(pwritev2, int, fd, const struct iovec __user *, vec, unsigned long, nr, loff_t, pos,
         unsigned long, high, int, flags)
{
    if (flags & ~RWF_NO_EFFECT)
        return -EOPNOTSUPP;
    return pos == -1 ? vector_fd(fd, vec, nr, true) : pvector_fd(fd, vec, nr, pos, true);
}

/* ---- lseek ---- */

/* By the inode's size; the whole file counts as data. */
static loff_t llseek_size(struct file *f, loff_t off, int whence)
{
    loff_t size = (loff_t)READ_ONCE(f->inode->size);

    switch (whence) {
    case SEEK_SET: break;
    case SEEK_CUR: off += f->pos; break;
    case SEEK_END: off += size; break;
    case SEEK_DATA:
        if (off < 0 || off >= size)
            return -ENXIO;
        break;
    case SEEK_HOLE:
        if (off < 0 || off >= size)
            return -ENXIO;
        off = size;
        break;
    default: return -EINVAL;
    }
    if (off < 0)
        return -EINVAL;
    f->pos = off;
    return off;
}

loff_t address_llseek(struct file *f, loff_t off, int whence)
{
    if (whence == SEEK_CUR)
        off += f->pos;
    else if (whence != SEEK_SET)
        return -EINVAL;
    f->pos = off;
    return off;
}

loff_t file_llseek(struct file *f, loff_t off, int whence)
{
    if (f->f_mode & FMODE_STREAM)
        return -ESPIPE;
    if (f->op->llseek)
        return f->op->llseek(f, off, whence);
    return llseek_size(f, off, whence);
}

SYSCALL3(lseek, int, fd, loff_t, off, unsigned int, whence)
{
    struct fdref r = fdref_get(fd);
    loff_t ret;
    bool locked;

    if (!r.file)
        return -EBADF;
    locked = pos_lock(r.file);
    ret = file_llseek(r.file, off, (int)whence);
    if (locked)
        mutex_unlock(&r.file->pos_lock);
    fdref_put(r);
    return ret;
}

#ifdef __NR__llseek /* for machines whose long is short; POWER's C library uses it on 64 bits too */
SYSCALL5(_llseek, int, fd, unsigned long, high, unsigned long, low, u64 __user *, result,
         unsigned int, whence)
{
    loff_t ret = sys_lseek(fd, (loff_t)(high << 32 | low), whence);

    return ret < 0 ? ret : put_user_u64((u64)ret, result);
}
#endif
