/* SPDX-License-Identifier: MIT */
/*
 * file.c: open files: made on a path or without a name, counted, released.
 *
 * A file is shared by fork and dup; the last reference runs the release operation and gives back
 * the path, the right to write (inode->writers) and the locks. Locks: none of its own.
 *
 * Invariants: I1 dentry, mnt, inode are set for the whole life; I2 FMODE_WRITE on a regular file
 * holds one of inode->writers, FMODE_EXEC one negative. Read next: open.c, files.c.
 */
#include "internal.h"

static struct kmem_cache *file_cache;
static struct inode *anon_inode;

void file_init(void)
{
    file_cache = kmem_cache_create("file", sizeof(struct file), 0, NULL);
    anon_inode = inode_alloc(anon_sb, S_IRUSR | S_IWUSR);
    if (!file_cache || !anon_inode)
        panic("file_init: out of memory");
}

struct file *file_alloc(unsigned int flags)
{
    struct file *f = kmem_cache_alloc(file_cache, GFP_KERNEL | GFP_ZERO);

    if (!f)
        return NULL;
    atomic_set(&f->refs, 1);
    f->flags = flags & ~(unsigned int)O_CLOEXEC;
    mutex_init(&f->pos_lock, LOCK_FILE_POS);
    list_init(&f->epoll_items);
    return f;
}

static mode_t fmode_of(unsigned int flags)
{
    if (flags & O_PATH)
        return FMODE_PATH;
    switch (flags & O_ACCMODE) {
    case O_RDONLY: return FMODE_READ;
    case O_WRONLY: return FMODE_WRITE;
    case O_RDWR: return FMODE_READ | FMODE_WRITE;
    default: return 0; /* 3: for ioctl only */
    }
}

void file_discard(struct file *f)
{
    if (f->dentry)
        file_put(f);
    else
        kmem_cache_free(file_cache, f);
}

/* Everything that a failed open may have set is taken back: file_discard sees a file that was never
 * opened. */
static int open_failed(struct file *f, int error)
{
    if ((f->f_mode & FMODE_WRITE) && S_ISREG(f->inode->mode))
        inode_write_put(f->inode);
    f->dentry = NULL;
    return error;
}

int file_open_on(struct file *f, const struct path *p, unsigned int flags)
{
    struct inode *i = p->dentry->inode;
    int ret = 0;

    f->f_mode = fmode_of(flags);
    f->inode = i;
    f->mnt = p->mnt;
    f->mapping = i->mapping;
    if (f->f_mode & FMODE_PATH) {
        f->flags = flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW);
        f->dentry = p->dentry;
        return 0;
    }
    f->op = i->fop;
    if ((f->f_mode & FMODE_WRITE) && S_ISREG(i->mode))
        ret = inode_write_get(i);
    if (ret)
        return ret;
    f->dentry = p->dentry;
    if ((flags & O_DIRECT) && !inode_can_direct(i))
        ret = -EINVAL;
    else if (!f->op)
        ret = -ENXIO;
    else if (f->op->open)
        ret = f->op->open(i, f);
    /* What only the opening needed: F_GETFL does not show it. */
    f->flags &= ~(unsigned int)(O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC);
    return ret ? open_failed(f, ret) : 0;
}

struct file *file_open_path(const struct path *p, unsigned int flags)
{
    struct file *f = file_alloc(flags);
    int ret;

    if (!f)
        return ERR_PTR(-ENOMEM);
    ret = file_open_on(f, p, flags);
    if (ret == 0)
        return f;
    file_discard(f);
    return ERR_PTR(ret);
}

void file_put(struct file *f)
{
    struct path p;

    if (!atomic_dec_and_test(&f->refs))
        return;
    if (unlikely(!list_empty(&f->epoll_items)))
        epoll_file_closed(f);
    if (f->f_mode & FMODE_LOCKED)
        locks_release_file(f);
    if (f->op && f->op->release)
        f->op->release(f);
    if ((f->f_mode & FMODE_WRITE) && S_ISREG(f->inode->mode))
        inode_write_put(f->inode);
    if (f->f_mode & FMODE_EXEC)
        inode_exec_put(f->inode);
    p = (struct path){f->mnt, f->dentry};
    kmem_cache_free(file_cache, f);
    path_put(&p);
}

struct inode *anon_inode_alloc(mode_t mode)
{
    return inode_alloc(anon_sb, mode);
}

/* A file on @i under a name of its own; the inode reference is taken over on success. ERR_PTR. */
struct file *file_on_anon(struct inode *i, const char *name, const struct file_ops *op,
                          unsigned int flags, void *private)
{
    struct file *f = file_alloc(flags);
    struct dentry *d = f ? dentry_alloc(anon_sb, NULL, name, strlen(name)) : NULL;

    if (!d) {
        if (f)
            kmem_cache_free(file_cache, f);
        return ERR_PTR(-ENOMEM);
    }
    d->inode = i;
    d->anonymous = true;
    f->f_mode = fmode_of(flags);
    f->inode = i;
    f->dentry = d;
    f->mnt = anon_mount;
    atomic_inc(&anon_mount->refs);
    f->mapping = i->mapping;
    f->op = op;
    f->private = private;
    if ((f->f_mode & FMODE_WRITE) && S_ISREG(i->mode))
        (void)inode_write_get(i); /* nobody executes what nobody can name yet */
    return f;
}

struct file *file_alloc_anon(const char *name, const struct file_ops *op, unsigned int flags,
                             void *private)
{
    struct file *f = file_on_anon(inode_get(anon_inode), name, op, flags, private);

    if (IS_ERR(f))
        inode_put(anon_inode);
    return f;
}

ssize_t kernel_read(struct file *f, void *buf, size_t n, loff_t pos)
{
    struct iov_iter it;
    struct iovec one;

    if (!f->op || !f->op->read)
        return -EINVAL;
    iov_iter_kernel(&it, &one, buf, n);
    return f->op->read(f, &it, &pos);
}

ssize_t kernel_write(struct file *f, const void *buf, size_t n, loff_t pos)
{
    struct iov_iter it;
    struct iovec one;

    if (!f->op || !f->op->write)
        return -EINVAL;
    iov_iter_kernel(&it, &one, (void *)(unsigned long)buf, n);
    return f->op->write(f, &it, &pos);
}
