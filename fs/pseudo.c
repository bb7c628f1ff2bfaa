/* SPDX-License-Identifier: MIT */
/*
 * pseudo.c: trees whose files are made by the kernel: the fixed part of procfs, and sysfs. An entry
 * is made once, at boot or when its subsystem starts, and stays.
 *
 * Locks: dentry_lock through dentry_add; entries are made by one thread at a time. Read next:
 * seq.c, procfs/root.c.
 */
#include "internal.h"

static const struct inode_ops pseudo_dir_iops = {0};

/* Opening with O_TRUNC, as a shell's > does, means nothing here. */
static int pseudo_setsize(struct inode *i, u64 size)
{
    return 0;
}

static const struct inode_ops pseudo_file_iops = {.setsize = pseudo_setsize};

static struct inode *pseudo_inode(struct super_block *sb, mode_t mode)
{
    struct inode *i = inode_alloc(sb, mode);

    if (!i)
        panic("%s: out of memory for its tree", sb->type->name);
    i->uid = 0;
    i->gid = 0;
    i->iop = S_ISDIR(mode) ? &pseudo_dir_iops : &pseudo_file_iops;
    if (S_ISDIR(mode)) {
        i->fop = &dentry_dir_fops;
        i->nlink = 2;
    }
    return i;
}

struct super_block *pseudo_super(const struct fs_type *t, u32 magic)
{
    struct super_block *sb = super_alloc(t);

    if (!sb)
        panic("%s: out of memory for its tree", t->name);
    sb->magic = magic;
    sb->root = dentry_alloc(sb, NULL, "", 0);
    if (!sb->root)
        panic("%s: out of memory for its tree", t->name);
    sb->root->inode = pseudo_inode(sb, S_IFDIR | 0555);
    return sb;
}

/* The entry @name of @dir, made as a directory when it is not there. No reference: entries stay. */
static struct dentry *pseudo_step(struct dentry *dir, const char *name, size_t len)
{
    struct dentry *d = dentry_find(dir, name, len);

    if (!d) {
        d = dentry_alloc(dir->sb, dir, name, len);
        if (!d)
            panic("%s: out of memory for its tree", dir->sb->type->name);
        d->inode = pseudo_inode(dir->sb, S_IFDIR | 0555);
        dir->inode->nlink++;
        (void)dentry_add(d);
    }
    dentry_put(d);
    return d;
}

struct dentry *pseudo_mkdir(struct super_block *sb, const char *path)
{
    struct dentry *d = sb->root;

    while (*path) {
        size_t len = 0;

        while (path[len] && path[len] != '/')
            len++;
        if (len)
            d = pseudo_step(d, path, len);
        path += len + (path[len] == '/');
    }
    return d;
}

void pseudo_add_inode(struct super_block *sb, const char *path, struct inode *i)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    struct dentry *dir = sb->root, *d;

    if (slash) {
        char *parent = kstrdup(path);

        if (!parent)
            panic("%s: out of memory for its tree", sb->type->name);
        parent[slash - path] = '\0';
        dir = pseudo_mkdir(sb, parent);
        kfree(parent);
    }
    d = dentry_find(dir, name, strlen(name));
    if (d)
        panic("%s: %s exists already", sb->type->name, path);
    d = dentry_alloc(sb, dir, name, strlen(name));
    if (!d)
        panic("%s: out of memory for its tree", sb->type->name);
    d->inode = i;
    (void)dentry_add(d);
    dentry_put(d);
}

void pseudo_create(struct super_block *sb, const char *path, mode_t mode, pseudo_show_t show,
                   pseudo_store_t store, void *arg)
{
    struct inode *i = pseudo_inode(sb, S_IFREG | mode);
    struct pseudo_file *p = kmalloc(sizeof(*p));

    if (!p)
        panic("%s: out of memory for its tree", sb->type->name);
    *p = (struct pseudo_file){show, store, arg};
    i->private = p;
    i->fop = &seq_fops;
    pseudo_add_inode(sb, path, i);
}

void pseudo_create_ops(struct super_block *sb, const char *path, mode_t mode,
                       const struct file_ops *fop, void *private)
{
    struct inode *i = pseudo_inode(sb, mode & S_IFMT ? mode : S_IFREG | mode);

    i->private = private;
    i->fop = fop;
    pseudo_add_inode(sb, path, i);
}

/* ---- the files ---- */

static int pseudo_make(struct file *f, struct seq *s)
{
    const struct pseudo_file *p = f->inode->private;

    return p->show ? p->show(s, p->arg) : -EIO;
}

static ssize_t pseudo_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return seq_read_file(f, to, pos, pseudo_make);
}

ssize_t pseudo_store_text(struct iov_iter *from, loff_t *pos, pseudo_store_t store, void *arg)
{
    size_t n = min(from->count, PAGE_SIZE - 1);
    char *buf = kmalloc(n + 1);
    ssize_t ret = -EFAULT;

    if (!buf)
        return -ENOMEM;
    if (copy_from_iter(buf, n, from) == n) {
        buf[n] = '\0';
        ret = store(buf, n, arg);
        if (ret > 0)
            *pos += ret;
    }
    kfree(buf);
    return ret;
}

static ssize_t pseudo_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    const struct pseudo_file *p = f->inode->private;

    return p->store ? pseudo_store_text(from, pos, p->store, p->arg) : -EIO;
}

const struct file_ops seq_fops = {
    .read = pseudo_read, .write = pseudo_write, .release = seq_release};
