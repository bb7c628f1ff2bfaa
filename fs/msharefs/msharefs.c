/* SPDX-License-Identifier: MIT */
/*
 * msharefs.c: files that are shared spaces (mm/pt_space.h): made by open or O_TMPFILE, sized by
 * ftruncate, filled by ioctl, mapped by mmap. Directories are tmpfs'.
 *
 * What the mode says when the file is made is what anybody may ever do inside: execute with an x
 * bit, write with a w bit. Sizes, offsets and lengths of mappings are multiples of the span, which
 * is st_blksize and statfs' block size. Contents are not to be had by read and write (EINVAL).
 *
 * Locks: INODE for size and changes inside, but advice, whose calls may take that of a file that is
 * mapped inside. Source: the msharefs series posted for Linux in 2025. Checked by
 * tests/user/mshare_test.c. Read next: ../../mm/space.c.
 */
#include "../hugetlbfs/hugetlbfs.h"
#include <kernel/uaccess.h>
#include <linux/mman.h>
#include <mm/pt_space.h>
#include <uapi/msharefs.h>
#include <asm/statfs.h>

#define MSHARE_MAGIC 0x4d534852

static struct pt_space *space_of(const struct inode *i)
{
    return pt_space_of(i->mapping);
}

static void msharefs_evict(struct inode *i)
{
    atomic_long_dec(&i->sb->used_inodes);
    pt_space_destroy(space_of(i));
}

static int msharefs_setsize(struct inode *i, u64 size)
{
    u64 old = i->size;
    int err = 0;

    if (!IS_ALIGNED(size, SPACE_SPAN))
        return -EINVAL;
    if (size > pt_space_max_size())
        return -EFBIG;
    WRITE_ONCE(i->size, size); /* before the lock of the host: a fault looks under it */
    if (size < old)
        err = pt_space_unmap(space_of(i), size, old - size);
    if (err) {
        WRITE_ONCE(i->size, old);
        return err;
    }
    inode_modified(i);
    return 0;
}

static int msharefs_getattr(struct inode *i, struct kstat *st)
{
    (void)i;
    st->blksize = (u32)SPACE_SPAN;
    st->blocks = 0;
    return 0;
}

/* ---- mapping ---- */

static unsigned int msharefs_map_level(struct file *f, size_t *len)
{
    (void)f, (void)len;
    return SPACE_LEVEL + 1;
}

static int msharefs_mmap(struct file *f, struct vma *v)
{
    int err = pt_space_setup(v, space_of(f->inode));

    if (!err && !(f->flags & O_NOATIME))
        inode_accessed(f->inode);
    return err;
}

/* ---- changes inside ---- */

/* 0, or -EINVAL: not bytes of the space. */
static int check_range(const struct inode *i, u64 from, u64 len)
{
    u64 size = READ_ONCE(i->size);

    if (!IS_ALIGNED(from | len, PAGE_SIZE) || len == 0)
        return -EINVAL;
    return from > size || len > size - from ? -EINVAL : 0;
}

/* The object to be mapped, with a reference; NULL: memory of its own. */
static struct file *object_of(const struct mshare_create *c)
{
    struct huge_pool *pool;
    struct file *f;

    if (!(c->flags & MAP_ANONYMOUS)) {
        f = fd_get(c->fd);
        return f ? f : ERR_PTR(-EBADF);
    }
    if (c->fd != -1 || c->offset != 0)
        return ERR_PTR(-EINVAL);
    if (!(c->flags & MAP_HUGETLB))
        return NULL;
    pool = huge_pool_by_log((c->flags >> MAP_HUGE_SHIFT) & MAP_HUGE_MASK);
    if (!pool || !IS_ALIGNED(c->size, huge_size(pool)))
        return ERR_PTR(-EINVAL);
    return hugetlb_file_create("anon_hugepage", pool, c->size, false);
}

static long create_mapping(struct inode *i, const void __user *arg)
{
    const u32 known = MAP_TYPE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE | MAP_HUGETLB |
                      (u32)MAP_HUGE_MASK << MAP_HUGE_SHIFT;
    struct pt_space_map m;
    struct mshare_create c;
    struct file *f;
    long err;

    if (copy_from_user(&c, arg, sizeof(c)))
        return -EFAULT;
    if ((c.flags & ~known) || (c.flags & MAP_TYPE) != MAP_SHARED || c.zero != 0 ||
        (c.prot & ~(u32)(PROT_READ | PROT_WRITE | PROT_EXEC)) || !IS_ALIGNED(c.offset, PAGE_SIZE))
        return -EINVAL;
    if ((c.flags & MAP_HUGETLB) && !(c.flags & MAP_ANONYMOUS))
        return -EINVAL; /* a file decides by itself */
    f = object_of(&c);
    if (IS_ERR(f))
        return PTR_ERR(f);
    m = (struct pt_space_map){.from = c.region_offset,
                              .len = c.size,
                              .file = f,
                              .pgoff = c.offset >> PAGE_SHIFT,
                              .prot = c.prot,
                              .flags = c.flags & MAP_NORESERVE};
    rwsem_write_lock(&i->lock);
    err = check_range(i, m.from, m.len);
    if (!err)
        err = pt_space_map(space_of(i), &m);
    if (!err)
        inode_modified(i);
    rwsem_write_unlock(&i->lock);
    if (f)
        file_put(f);
    return err;
}

static long unmap(struct inode *i, const void __user *arg)
{
    struct mshare_unmap u;
    long err;

    if (copy_from_user(&u, arg, sizeof(u)))
        return -EFAULT;
    rwsem_write_lock(&i->lock);
    err = check_range(i, u.region_offset, u.size);
    if (!err)
        err = pt_space_unmap(space_of(i), u.region_offset, u.size);
    if (!err)
        inode_modified(i);
    rwsem_write_unlock(&i->lock);
    return err;
}

static long change(struct inode *i, const void __user *arg, bool protect)
{
    struct mshare_change c;
    long err;

    if (copy_from_user(&c, arg, sizeof(c)))
        return -EFAULT;
    err = c.zero != 0 ? -EINVAL : check_range(i, c.region_offset, c.size);
    if (err)
        return err;
    if (!protect)
        return pt_space_advise(space_of(i), c.region_offset, c.size, (int)c.what);
    rwsem_write_lock(&i->lock);
    err = pt_space_protect_all(space_of(i), c.region_offset, c.size, c.what);
    rwsem_write_unlock(&i->lock);
    return err;
}

static long msharefs_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    const void __user *p = (const void __user *)arg;

    if (cmd != MSHAREFS_CREATE_MAPPING && cmd != MSHAREFS_UNMAP && cmd != MSHAREFS_PROTECT &&
        cmd != MSHAREFS_ADVISE)
        return -ENOTTY;
    if (!(f->f_mode & FMODE_WRITE))
        return -EACCES;
    switch (cmd) {
    case MSHAREFS_CREATE_MAPPING: return create_mapping(f->inode, p);
    case MSHAREFS_UNMAP: return unmap(f->inode, p);
    default: return change(f->inode, p, cmd == MSHAREFS_PROTECT);
    }
}

/* ---- the file system ---- */

static const struct inode_ops msharefs_file_iops = {.setsize = msharefs_setsize,
                                                    .getattr = msharefs_getattr};

static const struct file_ops msharefs_file_fops = {
    .ioctl = msharefs_ioctl,
    .mmap = msharefs_mmap,
    .map_level = msharefs_map_level,
};

static int init_file(struct inode *i)
{
    unsigned long ceiling = (i->mode & 0222 ? VM_WRITE : 0) | (i->mode & 0111 ? VM_EXEC : 0);
    struct pt_space *s = pt_space_create(i, ceiling);

    if (!s)
        return -ENOMEM;
    i->mapping = &s->users;
    i->iop = &msharefs_file_iops;
    i->fop = &msharefs_file_fops;
    i->evict = msharefs_evict;
    return 0;
}

static int msharefs_fill(struct super_block *sb, const char *text)
{
    if (text && *text)
        return -EINVAL; /* no options */
    sb->magic = MSHARE_MAGIC;
    return tmpfs_make_root(sb, 01777, current->proc->fsuid, current->proc->fsgid);
}

static void msharefs_statfs(struct super_block *sb, struct statfs *st)
{
    (void)sb;
    st->f_bsize = st->f_frsize = (long)SPACE_SPAN;
}

static const struct fs_type msharefs_type = {
    .name = "msharefs",
    .nodev = true,
    .fill = msharefs_fill,
    .init_file = init_file,
    .statfs = msharefs_statfs,
};

void msharefs_init(void)
{
    vfs_register(&msharefs_type);
    sysfs_mkdir("fs/mshare"); /* where it is usually mounted */
}
