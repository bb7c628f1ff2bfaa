/* SPDX-License-Identifier: MIT */
/*
 * dir.c: getdents64(2) and the older getdents(2).
 *
 * Entries are packed into a kernel buffer, since a file system may hand them out under a spin lock,
 * and copied to the user in one go. Locks: FILE_POS; the directory's own operation takes what it
 * needs. Source: getdents(2).
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <uapi/dirent.h>

#define DIR_BUFFER KIB(32)

struct pack {
    char *buf;
    size_t len, cap;
    bool old_format;
    bool full; /* an entry did not fit */
};

static bool pack_new(struct pack *p, const char *name, size_t len, ino_t ino, unsigned int type,
                     loff_t next)
{
    size_t need = ALIGN_UP(offsetof(struct linux_dirent64, d_name) + len + 1, sizeof(u64));
    struct linux_dirent64 *e = (struct linux_dirent64 *)(p->buf + p->len);

    if (need > p->cap - p->len)
        return false;
    memset(e, 0, need);
    e->d_ino = ino;
    e->d_off = next;
    e->d_reclen = (u16)need;
    e->d_type = (u8)type;
    memcpy(e->d_name, name, len);
    p->len += need;
    return true;
}

static bool pack_old(struct pack *p, const char *name, size_t len, ino_t ino, unsigned int type,
                     loff_t next)
{
    size_t need = ALIGN_UP(offsetof(struct linux_dirent, d_name) + len + 2, sizeof(long));
    struct linux_dirent *e = (struct linux_dirent *)(p->buf + p->len);

    if (need > p->cap - p->len)
        return false;
    memset(e, 0, need);
    e->d_ino = (unsigned long)ino;
    e->d_off = (unsigned long)next;
    e->d_reclen = (u16)need;
    memcpy(e->d_name, name, len);
    ((char *)e)[need - 1] = (char)type;
    p->len += need;
    return true;
}

static bool emit_packed(void *ctx, const char *name, size_t len, ino_t ino, unsigned int type,
                        loff_t next)
{
    struct pack *p = ctx;
    bool fits = p->old_format ? pack_old(p, name, len, ino, type, next)
                              : pack_new(p, name, len, ino, type, next);

    p->full |= !fits;
    return fits;
}

static long read_dir(struct file *f, struct pack *p, void __user *ubuf)
{
    loff_t before;
    int ret;

    mutex_lock(&f->pos_lock);
    before = f->pos;
    ret = f->dentry->unlinked ? -ENOENT : f->op->iterate(f, emit_packed, p);
    if (ret == 0 && p->len == 0 && p->full)
        ret = -EINVAL; /* not even one entry fits */
    if (ret == 0 && p->len && copy_to_user(ubuf, p->buf, p->len))
        ret = -EFAULT;
    if (ret)
        f->pos = before;
    mutex_unlock(&f->pos_lock);
    inode_accessed(f->inode);
    return ret ? ret : (long)p->len;
}

static long do_getdents(int fd, void __user *ubuf, unsigned int n, bool old_format)
{
    struct fdref r = fdref_get(fd);
    struct pack p = {.old_format = old_format};
    long ret;

    if (!r.file)
        return -EBADF;
    if (!r.file->op->iterate) {
        ret = -ENOTDIR;
    } else {
        p.cap = min((size_t)n, (size_t)DIR_BUFFER);
        p.buf = kmalloc(p.cap ? p.cap : 1);
        ret = p.buf ? read_dir(r.file, &p, ubuf) : -ENOMEM;
        kfree(p.buf);
    }
    fdref_put(r);
    return ret;
}

SYSCALL3(getdents64, int, fd, void __user *, buf, unsigned int, n)
{
    return do_getdents(fd, buf, n, false);
}

SYSCALL3(getdents, int, fd, void __user *, buf, unsigned int, n)
{
    return do_getdents(fd, buf, n, true);
}
