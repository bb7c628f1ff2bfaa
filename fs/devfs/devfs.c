/* SPDX-License-Identifier: MIT */
/*
 * devfs.c: devtmpfs: a tmpfs that begins with a node for each driver, the same one wherever it is
 * mounted. Programs may make and remove what they like in it. Locks: those of tmpfs. Read next:
 * ../chrdev.c.
 */
#include "../internal.h"
#include <linux/magic.h>

const struct fs_type devtmpfs_type = {.name = "devtmpfs", .nodev = true, .single = true};
static struct super_block *devfs_sb;

static struct inode *node(mode_t mode, dev_t rdev)
{
    struct inode *i = tmpfs_make_inode(devfs_sb, NULL, mode, rdev);

    if (IS_ERR(i))
        panic("devtmpfs: out of memory");
    return i;
}

static struct dentry *attach(struct dentry *dir, const char *name, size_t len, struct inode *i)
{
    struct dentry *d = dentry_alloc(devfs_sb, dir, name, len);

    if (!d)
        panic("devtmpfs: out of memory");
    d->inode = i;
    if (S_ISDIR(i->mode))
        dir->inode->nlink++;
    (void)dentry_add(d);
    dentry_put(d); /* the tree has one */
    return d;
}

static void make_super(void)
{
    if (devfs_sb)
        return;
    devfs_sb = super_alloc(&devtmpfs_type);
    if (!devfs_sb)
        panic("devtmpfs: out of memory");
    devfs_sb->magic = TMPFS_MAGIC;
    devfs_sb->root = dentry_alloc(devfs_sb, NULL, "", 0);
    if (!devfs_sb->root)
        panic("devtmpfs: out of memory");
    devfs_sb->root->inode = node(S_IFDIR | 0755, 0);
}

void devfs_add(const char *path, mode_t mode, dev_t rdev)
{
    const char *slash = strchr(path, '/');
    struct dentry *dir, *d;

    make_super();
    dir = devfs_sb->root;
    if (slash) {
        size_t len = (size_t)(slash - path);

        d = dentry_find(dir, path, len);
        dir = d ? d : attach(dir, path, len, node(S_IFDIR | 0755, 0));
        if (d)
            dentry_put(d);
        path = slash + 1;
    }
    if (*path)
        (void)attach(dir, path, strlen(path), node(mode, rdev));
}

static void add_link(const char *name, const char *target)
{
    struct inode *i = node(S_IFLNK | 0777, 0);

    i->private = kstrdup(target);
    if (!i->private)
        panic("devtmpfs: out of memory");
    i->size = strlen(target);
    (void)attach(devfs_sb->root, name, strlen(name), i);
}

void devfs_init(void)
{
    make_super();
    devfs_add("shm/", 0, 0);
    devfs_add("pts/", 0, 0);
    add_link("fd", "/proc/self/fd");
    add_link("stdin", "/proc/self/fd/0");
    add_link("stdout", "/proc/self/fd/1");
    add_link("stderr", "/proc/self/fd/2");
    vfs_register(&devtmpfs_type);
}
