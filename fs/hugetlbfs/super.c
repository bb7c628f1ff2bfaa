/* SPDX-License-Identifier: MIT */
/*
 * super.c: mounting hugetlbfs: options size=, min_size=, pagesize=, nr_inodes=, mode=, uid=, gid=;
 * and the objects without a name (MAP_HUGETLB, SHM_HUGETLB, MFD_HUGETLB). Directories are tmpfs'.
 *
 * size and min_size count pages in use and promised together; they are given in bytes or as a part
 * of the pool ("50%"). EINVAL: an unknown option, a page size that the MMU does not have, min_size
 * above size. ENOMEM: the pool cannot promise min_size.
 *
 * Locks: none of its own. Source: Linux Documentation/admin-guide/mm/hugetlbpage.rst, "Using Huge
 * Pages". Checked by tests/user/hugetlb_test.c. Read next: file.c, pool_files.c.
 */
#include "hugetlbfs.h"
#include <linux/magic.h>
#include <linux/memfd.h>
#include <asm/statfs.h>

#define NO_LIMIT (~0ULL)

/* A number of bytes, or of hundredths of the pool; judged when the pool is known. */
struct amount {
    u64 value;
    bool given, percent;
};

struct options {
    struct huge_pool *pool;
    struct amount max, min;
    u64 inodes;
    mode_t mode;
    uid_t uid;
    gid_t gid;
};

static int parse_amount(const char *text, struct amount *a)
{
    const char *end;

    a->value = parse_size(text, &end);
    a->percent = *end == '%';
    a->given = true;
    return end == text || end[a->percent] != '\0' ? -EINVAL : 0;
}

static int parse_number(const char *text, u64 *n)
{
    const char *end;

    *n = parse_size(text, &end);
    return end == text || *end != '\0' ? -EINVAL : 0;
}

static int parse_one(void *ctx, const char *name, const char *value)
{
    struct options *o = ctx;
    u64 size;

    if (strcmp(name, "size") == 0)
        return parse_amount(value, &o->max);
    if (strcmp(name, "min_size") == 0)
        return parse_amount(value, &o->min);
    if (strcmp(name, "nr_inodes") == 0)
        return parse_number(value, &o->inodes);
    if (strcmp(name, "pagesize") == 0) {
        if (parse_number(value, &size) || size == 0)
            return -EINVAL;
        o->pool = huge_pool_by_size(size);
        return o->pool ? 0 : -EINVAL;
    }
    if (strcmp(name, "mode") == 0)
        return mount_option_octal(value, &o->mode);
    if (strcmp(name, "uid") == 0)
        return mount_option_id(value, &o->uid);
    if (strcmp(name, "gid") == 0)
        return mount_option_id(value, &o->gid);
    return -EINVAL;
}

static u64 amount_pages(const struct amount *a, struct huge_pool *pool, u64 otherwise)
{
    if (!a->given)
        return otherwise;
    return a->percent ? a->value * huge_pool_counts(pool).nr / 100 : a->value / huge_size(pool);
}

static void hugetlbfs_kill(struct super_block *sb)
{
    struct hugetlbfs_sb *h = sb->private;

    if (h && h->sub)
        huge_subpool_destroy(h->sub);
    kfree(h);
}

static int fill_with(struct super_block *sb, struct options *o)
{
    u64 max = amount_pages(&o->max, o->pool, NO_LIMIT), min = amount_pages(&o->min, o->pool, 0);
    struct hugetlbfs_sb *h = kzalloc(sizeof(*h));

    if (!h)
        return -ENOMEM;
    sb->private = h;
    sb->magic = HUGETLBFS_MAGIC;
    sb->max_inodes = o->inodes;
    h->pool = o->pool;
    if (o->max.given || o->min.given) {
        struct huge_subpool *sub = huge_subpool_create(o->pool, max, min);

        if (IS_ERR(sub))
            return (int)PTR_ERR(sub);
        h->sub = sub;
    }
    return tmpfs_make_root(sb, o->mode, o->uid, o->gid);
}

static int hugetlbfs_fill(struct super_block *sb, const char *text)
{
    struct options o = {
        .pool = huge_pool_by_size(0),
        .mode = 0755,
        .uid = current->proc->fsuid,
        .gid = current->proc->fsgid,
    };
    int err = o.pool ? mount_options(text, parse_one, &o) : -ENODEV;

    return err ? err : fill_with(sb, &o);
}

static void hugetlbfs_statfs(struct super_block *sb, struct statfs *st)
{
    const struct hugetlbfs_sb *h = sb->private;

    st->f_bsize = st->f_frsize = (long)huge_size(h->pool);
    if (!h->sub)
        return;
    st->f_blocks = (long)h->sub->max;
    st->f_bfree = st->f_bavail =
        h->sub->max == NO_LIMIT ? -1L : (long)(h->sub->max - huge_subpool_used(h->sub));
}

static void hugetlbfs_show_options(struct super_block *sb, struct seq *s)
{
    const struct hugetlbfs_sb *h = sb->private;
    u64 size = huge_size(h->pool);

    if ((sb->root->inode->mode & 07777) != 0755)
        seq_printf(s, ",mode=%o", sb->root->inode->mode & 07777);
    if (sb->max_inodes)
        seq_printf(s, ",nr_inodes=%llu", (unsigned long long)sb->max_inodes);
    seq_printf(s, ",pagesize=%lluM", (unsigned long long)size >> 20);
    if (h->sub && h->sub->max != NO_LIMIT)
        seq_printf(s, ",size=%llu", (unsigned long long)(h->sub->max * size));
    if (h->sub && h->sub->min)
        seq_printf(s, ",min_size=%llu", (unsigned long long)(h->sub->min * size));
}

const struct fs_type hugetlbfs_type = {
    .name = "hugetlbfs",
    .nodev = true,
    .fill = hugetlbfs_fill,
    .kill = hugetlbfs_kill,
    .show_options = hugetlbfs_show_options,
    .init_file = hugetlbfs_init_file,
    .statfs = hugetlbfs_statfs,
};

/* ---- objects without a name: one super block per pool, without limits ---- */

static struct super_block *anon_supers[PT_MAX_LEVELS]; /* by the pool's level */

static void anon_super(struct huge_pool *pool)
{
    struct super_block *sb = super_alloc(&hugetlbfs_type);
    struct options o = {.pool = pool, .mode = 0700};

    if (!sb || fill_with(sb, &o))
        panic("hugetlbfs: out of memory");
    atomic_set(&sb->refs, 1);
    anon_supers[pool->level] = sb;
}

static struct inode *anon_inode(struct huge_pool *pool, u64 size, bool promise)
{
    struct inode *i = tmpfs_make_inode(anon_supers[pool->level], NULL, S_IFREG | 0777, 0);

    if (IS_ERR(i))
        return i;
    i->nlink = 0;
    i->size = size;
    i->seals = F_SEAL_SEAL;
    if (promise && huge_object_promise(huge_object_of(i->mapping), 0, size / huge_size(pool))) {
        inode_put(i);
        return ERR_PTR(-ENOMEM);
    }
    return i;
}

struct file *hugetlb_file_create(const char *name, struct huge_pool *pool, u64 size, bool promise)
{
    struct inode *i = anon_inode(pool, size, promise);
    struct file *f;

    if (IS_ERR(i))
        return (struct file *)i;
    f = file_on_anon(i, name, &hugetlbfs_file_fops, O_RDWR | O_LARGEFILE, NULL);
    if (IS_ERR(f))
        inode_put(i);
    else
        f->dentry->unlinked = true; /* shown as "/name (deleted)" */
    return f;
}

void hugetlbfs_init(void)
{
    if (!huge_pool_by_size(0))
        return;
    vfs_register(&hugetlbfs_type);
    for (unsigned int level = 1; level < PT_MAX_LEVELS; level++)
        if (huge_pool_by_level(level))
            anon_super(huge_pool_by_level(level));
    hugetlb_pool_files_init();
}
