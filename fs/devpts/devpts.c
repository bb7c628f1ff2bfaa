/* SPDX-License-Identifier: MIT */
/*
 * devpts.c: the file system of pseudo-terminals' slaves: a node for each that is there, and ptmx.
 *
 * Options mode=, uid=, gid= for nodes made from then on, ptmxmode= for ptmx; by default mode=600,
 * the owner is who opened /dev/ptmx, and ptmx is for nobody (/dev/ptmx is for all). There is one
 * file system, the same wherever it is mounted; options of a later mount are its new ones. Names
 * cannot be made or removed by hand.
 *
 * Locks: devpts_lock (LEAF) for the table. Invariants: I1 nodes[n] is a live terminal's node and
 * holds a reference, or is NULL. Checked by tests/user/pty_test.c. Source: pts(4), Linux's
 * Documentation/filesystems/devpts. Read next: drivers/tty/pty.c.
 */
#include "../tmpfs/tmpfs.h"
#include <kernel/devpts.h>
#include <linux/magic.h>
#include <uapi/dirent.h>

#define DEVPTS_MAX 256
#define POS_PTMX   2
#define POS_NODES  3
#define NO_ID      ((u32)-1)

struct devpts_options {
    mode_t mode, ptmx_mode;
    u32 uid, gid; /* NO_ID: whoever opens */
};

static spinlock_t devpts_lock = SPINLOCK_INIT(LOCK_LEAF);
static struct inode *nodes[DEVPTS_MAX];
static int nr_nodes;
static struct inode *ptmx;
static struct super_block *devpts_sb;
static struct devpts_options opts = {.mode = 0600, .uid = NO_ID, .gid = NO_ID};

/* ---- nodes ---- */

/* -ENOSPC, or the number that @i got. */
static int take_number(struct inode *i)
{
    unsigned long flags = spin_lock_irqsave(&devpts_lock);
    int n = 0;

    while (n < DEVPTS_MAX && nodes[n])
        n++;
    if (n < DEVPTS_MAX) {
        i->rdev = MKDEV(DEVPTS_MAJOR, (dev_t)n);
        nodes[n] = inode_get(i);
        nr_nodes++;
    }
    spin_unlock_irqrestore(&devpts_lock, flags);
    return n < DEVPTS_MAX ? n : -ENOSPC;
}

struct inode *devpts_add(const struct file_ops *fop, void *private)
{
    static const struct inode_ops node_iops = {0};
    struct inode *i = inode_alloc(devpts_sb, S_IFCHR | opts.mode);
    int n;

    if (!i)
        return ERR_PTR(-ENOMEM);
    if (opts.uid != NO_ID)
        i->uid = opts.uid;
    if (opts.gid != NO_ID)
        i->gid = opts.gid;
    i->iop = &node_iops;
    i->fop = fop;
    i->private = private;
    n = take_number(i);
    if (n >= 0)
        return i;
    inode_put(i);
    return ERR_PTR(n);
}

void devpts_remove(struct inode *i)
{
    unsigned long flags = spin_lock_irqsave(&devpts_lock);

    ASSERT(nodes[MINOR(i->rdev)] == i);
    nodes[MINOR(i->rdev)] = NULL;
    nr_nodes--;
    spin_unlock_irqrestore(&devpts_lock, flags);
    i->nlink = 0;
    inode_put(i); /* the table's */
    inode_put(i); /* the caller's */
}

struct file *devpts_open(struct inode *i, unsigned int flags)
{
    char name[24];
    struct file *f;
    int ret;

    scnprintf(name, sizeof(name), "/dev/pts/%u", MINOR(i->rdev));
    f = file_on_anon(inode_get(i), name, NULL, flags & ~(unsigned int)O_CLOEXEC, NULL);
    if (IS_ERR(f)) {
        inode_put(i);
        return f;
    }
    ret = i->fop->open(i, f);
    if (ret) {
        file_put(f);
        return ERR_PTR(ret);
    }
    f->op = i->fop;
    return f;
}

/* ---- the directory ---- */

/* Decimal without leading zeros, or -1. */
static int parse_node(const char *name, size_t len)
{
    int n = 0;

    if (len == 0 || len > 3 || (len > 1 && name[0] == '0'))
        return -1;
    for (size_t k = 0; k < len; k++) {
        if (name[k] < '0' || name[k] > '9')
            return -1;
        n = n * 10 + (name[k] - '0');
    }
    return n < DEVPTS_MAX ? n : -1;
}

static struct inode *root_lookup(struct inode *dir, const char *name, size_t len)
{
    int n = parse_node(name, len);
    struct inode *i = NULL;
    unsigned long flags;

    if (len == 4 && memcmp(name, "ptmx", 4) == 0)
        return inode_get(ptmx);
    if (n < 0)
        return ERR_PTR(-ENOENT);
    flags = spin_lock_irqsave(&devpts_lock);
    if (nodes[n])
        i = inode_get(nodes[n]);
    spin_unlock_irqrestore(&devpts_lock, flags);
    return i ? i : ERR_PTR(-ENOENT);
}

/* The inode number of the first node from *@n on; 0: none. */
static ino_t next_node(int *n)
{
    unsigned long flags = spin_lock_irqsave(&devpts_lock);
    ino_t ino = 0;

    while (*n < DEVPTS_MAX && !nodes[*n])
        ++*n;
    if (*n < DEVPTS_MAX)
        ino = nodes[*n]->ino;
    spin_unlock_irqrestore(&devpts_lock, flags);
    return ino;
}

static int root_iterate(struct file *f, dir_emit_t emit, void *ctx)
{
    ino_t ino;
    int n;

    if (!dir_emit_dots(f, emit, ctx))
        return 0;
    if (f->pos == POS_PTMX) {
        if (!emit(ctx, "ptmx", 4, ptmx->ino, DT_CHR, POS_NODES))
            return 0;
        f->pos = POS_NODES;
    }
    for (n = (int)f->pos - POS_NODES; (ino = next_node(&n)) != 0; n++) {
        char name[12];
        int len = scnprintf(name, sizeof(name), "%d", n);

        if (!emit(ctx, name, (size_t)len, ino, DT_CHR, n + POS_NODES + 1))
            return 0;
        f->pos = n + POS_NODES + 1;
    }
    return 0;
}

static const struct inode_ops root_iops = {.lookup = root_lookup};
static const struct file_ops root_fops = {.iterate = root_iterate};

/* ---- mounting ---- */

static int parse_one(void *ctx, const char *name, const char *value)
{
    struct devpts_options *o = ctx;

    if (strcmp(name, "mode") == 0)
        return mount_option_octal(value, &o->mode);
    if (strcmp(name, "ptmxmode") == 0)
        return mount_option_octal(value, &o->ptmx_mode);
    if (strcmp(name, "uid") == 0)
        return mount_option_id(value, &o->uid);
    if (strcmp(name, "gid") == 0)
        return mount_option_id(value, &o->gid);
    return -EINVAL;
}

static int devpts_remount(struct super_block *sb, const char *text)
{
    struct devpts_options o = opts;
    int err = mount_options(text, parse_one, &o);

    if (err)
        return err;
    opts = o;
    ptmx->mode = S_IFCHR | o.ptmx_mode;
    return 0;
}

static void devpts_show_options(struct super_block *sb, struct seq *s)
{
    if (opts.uid != NO_ID)
        seq_printf(s, ",uid=%u", opts.uid);
    if (opts.gid != NO_ID)
        seq_printf(s, ",gid=%u", opts.gid);
    seq_printf(s, ",mode=%03o,ptmxmode=%03o", opts.mode, opts.ptmx_mode);
}

const struct fs_type devpts_type = {
    .name = "devpts",
    .nodev = true,
    .single = true,
    .remount = devpts_remount,
    .show_options = devpts_show_options,
};

static int show_nr(struct seq *s, void *arg)
{
    seq_printf(s, "%d\n", READ_ONCE(nr_nodes));
    return 0;
}

static int show_max(struct seq *s, void *arg)
{
    seq_printf(s, "%d\n", DEVPTS_MAX);
    return 0;
}

void devpts_init(void)
{
    devpts_sb = pseudo_super(&devpts_type, DEVPTS_SUPER_MAGIC);
    devpts_sb->root->inode->mode = S_IFDIR | 0755;
    devpts_sb->root->inode->iop = &root_iops;
    devpts_sb->root->inode->fop = &root_fops;
    ptmx = inode_alloc(devpts_sb, S_IFCHR);
    if (!ptmx)
        panic("devpts: out of memory");
    ptmx->rdev = MKDEV(5, 2);
    ptmx->fop = special_fops(S_IFCHR);
    ptmx->iop = devpts_sb->root->inode->iop;
    vfs_register(&devpts_type);
    proc_create("sys/kernel/pty/nr", 0444, show_nr, NULL, NULL);
    proc_create("sys/kernel/pty/max", 0444, show_max, NULL, NULL);
}
