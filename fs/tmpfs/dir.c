/* SPDX-License-Identifier: MIT */
/*
 * dir.c: inodes and names of tmpfs (and of ramfs and devtmpfs, which are tmpfs with other
 * defaults).
 *
 * The dentry tree is the directory: these operations make and count inodes; the caller attaches the
 * dentry. Link counts: a directory has 2 plus one per subdirectory. Locks: the directory's INODE
 * lock is held by the caller. Invariants: I1 used_inodes is the number of live inodes of the super
 * block. Checked by tests/kernel/fs/tmpfs_ktest.c. Read next: file.c, super.c.
 */
#include "tmpfs.h"
#include <linux/fs.h>

/* A new inode in the file system's limits: 0 or -ENOSPC. */
static int tmpfs_inode_charge(struct super_block *sb)
{
    if (sb->max_inodes && (u64)atomic_long_inc_return(&sb->used_inodes) > sb->max_inodes) {
        atomic_long_dec(&sb->used_inodes);
        return -ENOSPC;
    }
    if (!sb->max_inodes)
        atomic_long_inc(&sb->used_inodes);
    return 0;
}

static void tmpfs_evict(struct inode *i)
{
    atomic_long_dec(&i->sb->used_inodes);
    if (i->mapping) {
        mapping_destroy(i->mapping);
        kfree(i->mapping);
    }
    if (S_ISLNK(i->mode))
        kfree(i->private);
}

/* Contents of a new regular file. 0 or -ENOMEM. */
static int init_file(struct inode *i)
{
    i->iop = &tmpfs_file_iops;
    i->fop = &tmpfs_file_fops;
    i->mapping = kzalloc(sizeof(*i->mapping));
    if (!i->mapping)
        return -ENOMEM;
    mapping_init(i->mapping, &tmpfs_mapping_ops, i, MAPPING_SHMEM);
    return 0;
}

struct inode *tmpfs_make_inode(struct super_block *sb, const struct inode *dir, mode_t mode,
                               dev_t rdev)
{
    struct inode *i;
    int ret = tmpfs_inode_charge(sb);

    if (ret)
        return ERR_PTR(ret);
    i = inode_alloc(sb, mode);
    if (!i) {
        atomic_long_dec(&sb->used_inodes);
        return ERR_PTR(-ENOMEM);
    }
    i->evict = tmpfs_evict;
    i->rdev = rdev;
    i->iop = &tmpfs_special_iops;
    i->fop = special_fops(mode);
    if (S_ISREG(mode)) {
        if ((sb->type->init_file ? sb->type->init_file : init_file)(i)) {
            inode_put(i);
            return ERR_PTR(-ENOMEM);
        }
    } else if (S_ISDIR(mode)) {
        i->iop = &tmpfs_dir_iops;
        i->fop = &dentry_dir_fops;
        i->nlink = 2;
    } else if (S_ISLNK(mode)) {
        i->iop = &tmpfs_link_iops;
    }
    if (dir)
        inode_inherit(i, dir);
    return i;
}

static int add_inode(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev)
{
    struct inode *i = tmpfs_make_inode(dir->sb, dir, mode, rdev);

    if (IS_ERR(i))
        return (int)PTR_ERR(i);
    d->inode = i;
    dir->size += 20; /* as Linux shows it: one unit per entry */
    inode_modified(dir);
    return 0;
}

static int tmpfs_create(struct inode *dir, struct dentry *d, mode_t mode, dev_t rdev)
{
    return add_inode(dir, d, mode, rdev);
}

static int tmpfs_mkdir(struct inode *dir, struct dentry *d, mode_t mode)
{
    int ret = add_inode(dir, d, mode, 0);

    if (ret == 0)
        dir->nlink++;
    return ret;
}

static int tmpfs_symlink(struct inode *dir, struct dentry *d, const char *target)
{
    char *copy = kstrdup(target);
    int ret = copy ? add_inode(dir, d, S_IFLNK | 0777, 0) : -ENOMEM;

    if (ret) {
        kfree(copy);
        return ret;
    }
    d->inode->private = copy;
    d->inode->size = strlen(copy);
    return 0;
}

static int tmpfs_link(struct inode *dir, struct dentry *d, struct inode *i)
{
    rwsem_write_lock_nested(&i->lock);
    i->nlink++;
    i->linkable = false;
    i->ctime = time_now();
    rwsem_write_unlock(&i->lock);
    d->inode = inode_get(i);
    dir->size += 20;
    inode_modified(dir);
    return 0;
}

static void drop_entry(struct inode *dir, struct inode *i)
{
    dir->size -= 20;
    inode_modified(dir);
    i->ctime = dir->ctime;
}

static int tmpfs_unlink(struct inode *dir, struct dentry *d)
{
    drop_entry(dir, d->inode);
    rwsem_write_lock_nested(&d->inode->lock);
    d->inode->nlink--;
    rwsem_write_unlock(&d->inode->lock);
    return 0;
}

/* The victim's inode is locked by the caller. */
static int tmpfs_rmdir(struct inode *dir, struct dentry *d)
{
    drop_entry(dir, d->inode);
    d->inode->nlink = 0;
    dir->nlink--;
    return 0;
}

static int tmpfs_rename(struct inode *odir, struct dentry *od, struct inode *ndir,
                        struct dentry *nd, unsigned int flags)
{
    bool od_dir = S_ISDIR(od->inode->mode), nd_dir = nd && S_ISDIR(nd->inode->mode);

    if (nd && nd->inode && !(flags & RENAME_EXCHANGE)) {
        ndir->size -= 20;
        if (nd_dir) {
            ndir->nlink--;
            nd->inode->nlink = 0;
        } else {
            nd->inode->nlink--;
        }
    }
    if (odir != ndir) {
        bool back = nd && (flags & RENAME_EXCHANGE);

        odir->size -= back ? 0 : 20;
        ndir->size += back ? 0 : 20;
        odir->nlink += (back && nd_dir) - od_dir;
        ndir->nlink += od_dir - (back && nd_dir);
    }
    inode_modified(odir);
    inode_modified(ndir);
    od->inode->ctime = odir->ctime;
    if (nd)
        nd->inode->ctime = odir->ctime;
    return 0;
}

static int tmpfs_tmpfile(struct inode *dir, struct dentry *d, mode_t mode)
{
    struct inode *i = tmpfs_make_inode(dir->sb, dir, mode, 0);

    if (IS_ERR(i))
        return (int)PTR_ERR(i);
    i->nlink = 0;
    d->inode = i;
    return 0;
}

static ssize_t tmpfs_readlink(struct inode *i, char *buf, size_t n)
{
    size_t len = min((size_t)i->size, n - 1);

    memcpy(buf, i->private, len);
    buf[len] = '\0';
    return (ssize_t)len;
}

static int tmpfs_getattr(struct inode *i, struct kstat *st)
{
    if (i->mapping)
        st->blocks = mapping_nr_pages(i->mapping) * (PAGE_SIZE / 512);
    return 0;
}

const struct inode_ops tmpfs_dir_iops = {
    .create = tmpfs_create,
    .mkdir = tmpfs_mkdir,
    .symlink = tmpfs_symlink,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rmdir = tmpfs_rmdir,
    .rename = tmpfs_rename,
    .tmpfile = tmpfs_tmpfile,
};
const struct inode_ops tmpfs_file_iops = {.setsize = tmpfs_setsize, .getattr = tmpfs_getattr};
const struct inode_ops tmpfs_link_iops = {.readlink = tmpfs_readlink};
const struct inode_ops tmpfs_special_iops = {0};
