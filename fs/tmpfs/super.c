/* SPDX-License-Identifier: MIT */
/*
 * super.c: mounting tmpfs: options size=, nr_blocks=, nr_inodes=, mode=, uid=, gid=; ramfs without
 * limits; and the memory objects that have no file system (memfd, shared anonymous memory).
 *
 * By default a tmpfs may hold half of memory in pages and as many inodes. Locks: none; limits are
 * read without one. Source: tmpfs(5). Checked by tests/kernel/fs/tmpfs_ktest.c. Read next: dir.c.
 */
#include "tmpfs.h"
#include <linux/magic.h>
#include <linux/memfd.h>
#include <mm/mm.h>

struct super_block *shmem_sb;

struct options {
    u64 blocks, inodes;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    bool has_mode, has_blocks, has_inodes;
};

/* "50%" of memory or bytes with a suffix, to pages. */
static int parse_blocks(const char *value, u64 *blocks, bool bytes)
{
    const char *end;
    u64 n = parse_size(value, &end);

    if (end == value)
        return -EINVAL;
    if (*end == '%' && bytes) {
        n = buddy_nr_total() * n / 100;
        end++;
    } else if (bytes) {
        n = DIV_ROUND_UP(n, PAGE_SIZE);
    }
    if (*end != '\0')
        return -EINVAL;
    *blocks = n;
    return 0;
}

int mount_option_octal(const char *s, mode_t *mode)
{
    mode_t m = 0;

    for (; *s >= '0' && *s <= '7'; s++)
        m = m * 8 + (mode_t)(*s - '0');
    *mode = m & 07777;
    return *s == '\0' ? 0 : -EINVAL;
}

int mount_option_id(const char *s, u32 *id)
{
    const char *end;

    *id = (u32)parse_u64(s, &end);
    return end == s || *end != '\0' ? -EINVAL : 0;
}

static int parse_one(void *ctx, const char *name, const char *value)
{
    struct options *o = ctx;

    if (strcmp(name, "size") == 0) {
        o->has_blocks = true;
        return parse_blocks(value, &o->blocks, true);
    }
    if (strcmp(name, "nr_blocks") == 0) {
        o->has_blocks = true;
        return parse_blocks(value, &o->blocks, false);
    }
    if (strcmp(name, "nr_inodes") == 0) {
        o->has_inodes = true;
        return parse_blocks(value, &o->inodes, false);
    }
    if (strcmp(name, "mode") == 0) {
        o->has_mode = true;
        return mount_option_octal(value, &o->mode);
    }
    if (strcmp(name, "uid") == 0)
        return mount_option_id(value, &o->uid);
    if (strcmp(name, "gid") == 0)
        return mount_option_id(value, &o->gid);
    return -EINVAL;
}

int mount_options(const char *text, int (*one)(void *ctx, const char *name, const char *value),
                  void *ctx)
{
    char word[64], *value;

    while (text && *text) {
        size_t n = 0;

        while (text[n] && text[n] != ',')
            n++;
        if (n >= sizeof(word))
            return -EINVAL;
        memcpy(word, text, n);
        word[n] = '\0';
        text += n + (text[n] == ',');
        if (n == 0)
            continue;
        value = strchr(word, '=');
        if (!value)
            return -EINVAL;
        *value++ = '\0';
        int ret = one(ctx, word, value);
        if (ret)
            return ret;
    }
    return 0;
}

static int parse_options(struct options *o, const char *text)
{
    return mount_options(text, parse_one, o);
}

int tmpfs_make_root(struct super_block *sb, mode_t mode, uid_t uid, gid_t gid)
{
    struct inode *i;

    sb->root = dentry_alloc(sb, NULL, "", 0);
    if (!sb->root)
        return -ENOMEM;
    i = tmpfs_make_inode(sb, NULL, S_IFDIR | mode, 0);
    if (IS_ERR(i))
        return (int)PTR_ERR(i);
    i->uid = uid;
    i->gid = gid;
    sb->root->inode = i;
    return 0;
}

static int fill_with(struct super_block *sb, struct options *o, const char *text, u32 magic)
{
    int ret = parse_options(o, text);

    if (ret)
        return ret;
    sb->magic = magic;
    sb->max_blocks = o->blocks;
    sb->max_inodes = o->inodes;
    return tmpfs_make_root(sb, o->mode, o->uid, o->gid);
}

static int tmpfs_fill(struct super_block *sb, const char *text)
{
    struct options o = {
        .blocks = buddy_nr_total() / 2,
        .inodes = buddy_nr_total() / 2,
        .mode = 01777,
        .uid = current->proc->fsuid,
        .gid = current->proc->fsgid,
    };

    return fill_with(sb, &o, text, TMPFS_MAGIC);
}

static int ramfs_fill(struct super_block *sb, const char *text)
{
    struct options o = {.mode = 0755, .uid = current->proc->fsuid, .gid = current->proc->fsgid};

    return fill_with(sb, &o, text, RAMFS_MAGIC);
}

/* Limits may change, not below what is used. */
static int tmpfs_remount(struct super_block *sb, const char *text)
{
    struct options o = {0};
    int ret = parse_options(&o, text);

    if (ret)
        return ret;
    if (o.has_blocks && o.blocks && o.blocks < (u64)atomic_long_read(&sb->used_blocks))
        return -EINVAL;
    if (o.has_inodes && o.inodes && o.inodes < (u64)atomic_long_read(&sb->used_inodes))
        return -EINVAL;
    /* Blocks of a file system without a limit were not counted. */
    if (o.has_blocks && !o.blocks != !sb->max_blocks)
        return -EINVAL;
    if (o.has_blocks)
        sb->max_blocks = o.blocks;
    if (o.has_inodes)
        sb->max_inodes = o.inodes;
    return 0;
}

static void tmpfs_show_options(struct super_block *sb, struct seq *s)
{
    if (sb->max_blocks && sb->max_blocks != buddy_nr_total() / 2)
        seq_printf(s, ",size=%lluk", (unsigned long long)sb->max_blocks * (PAGE_SIZE / 1024));
    if (sb->max_inodes && sb->max_inodes != buddy_nr_total() / 2)
        seq_printf(s, ",nr_inodes=%llu", (unsigned long long)sb->max_inodes);
    if ((sb->root->inode->mode & 07777) != 01777)
        seq_printf(s, ",mode=%03o", sb->root->inode->mode & 07777);
}

const struct fs_type tmpfs_type = {
    .name = "tmpfs",
    .nodev = true,
    .fill = tmpfs_fill,
    .remount = tmpfs_remount,
    .show_options = tmpfs_show_options,
};
const struct fs_type ramfs_type = {.name = "ramfs", .nodev = true, .fill = ramfs_fill};

/* ---- objects without a file system ---- */

static const struct fs_type shmem_type = {
    .name = "shmem", .nodev = true, .single = true, .fill = ramfs_fill};

/* For objects whose whole size was committed when they were made. */
static const struct mapping_ops committed_ops = {0};

static void shmem_evict(struct inode *i)
{
    mapping_destroy(i->mapping);
    kfree(i->mapping);
    vm_uncommit((unsigned long)i->private); /* 0 for those that count page by page */
    atomic_long_dec(&i->sb->used_inodes);
}

static void shmem_super(void)
{
    shmem_sb = super_alloc(&shmem_type);
    if (!shmem_sb || ramfs_fill(shmem_sb, "") != 0)
        panic("shmem: out of memory");
    shmem_sb->magic = TMPFS_MAGIC;
}

struct file *shmem_file_create(const char *name, u64 size, unsigned int vm_flags)
{
    unsigned long pages =
        vm_flags & VM_NORESERVE ? 0 : (unsigned long)DIV_ROUND_UP(size, PAGE_SIZE);
    struct inode *i;
    struct file *f;

    if ((s64)size < 0)
        return ERR_PTR(-EINVAL);
    if (pages && vm_commit(current->mm, pages))
        return ERR_PTR(-ENOMEM);
    i = tmpfs_make_inode(shmem_sb, NULL, S_IFREG | 0777, 0);
    if (IS_ERR(i)) {
        vm_uncommit(pages);
        return (struct file *)i;
    }
    i->evict = shmem_evict;
    i->private = (void *)pages;
    if (pages)
        i->mapping->ops = &committed_ops;
    i->nlink = 0;
    i->size = size;
    i->seals = F_SEAL_SEAL;
    f = file_on_anon(i, name, &tmpfs_file_fops, O_RDWR | O_LARGEFILE, NULL);
    if (IS_ERR(f)) {
        inode_put(i);
        return f;
    }
    f->dentry->unlinked = true; /* shown as "/name (deleted)" */
    return f;
}

void tmpfs_init(void)
{
    vfs_register(&tmpfs_type);
    vfs_register(&ramfs_type);
    shmem_super();
}
