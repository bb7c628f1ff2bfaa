/* SPDX-License-Identifier: MIT */
/*
 * mount.c: file system types, super blocks, and the tree of mounts with its two steps: down onto
 * what is mounted on a directory, up from a mounted root. There is one name space for all processes
 * and no propagation between mounts.
 *
 * Locks: RENAME (mount_mutex) serialises mount and umount against each other; dentry_lock guards
 * the list of mounts and their parent and mountpoint fields, which path walks read.
 *
 * Invariants: I1 a mount is on the list <=> it is attached, and the list holds one reference; I2
 * dentry->nr_mounted is the number of mounts on the list with that mountpoint; I3 a super block
 * lives as long as one mount shows it (single ones for ever). Read next: mount_calls.c (mount(2),
 * umount2(2), /proc/mounts), namei.c.
 */
#include "internal.h"
#include "mount.h"

struct mount *root_mount, *anon_mount;
struct super_block *anon_sb;
struct mutex mount_mutex;
LIST_HEAD(all_mounts);
static const struct fs_type *fs_types[12];
static LIST_HEAD(all_supers); /* dentry_lock */
static atomic_t last_mount_id, last_dev;

void vfs_register(const struct fs_type *t)
{
    for (unsigned int n = 0; n < ARRAY_SIZE(fs_types); n++)
        if (!fs_types[n]) {
            fs_types[n] = t;
            return;
        }
    panic("vfs_register: no room for file system %s", t->name);
}

const struct fs_type *fs_type_find(const char *name)
{
    for (unsigned int n = 0; n < ARRAY_SIZE(fs_types) && fs_types[n]; n++)
        if (strcmp(fs_types[n]->name, name) == 0)
            return fs_types[n];
    return NULL;
}

void filesystems_show(struct seq *s)
{
    for (unsigned int n = 0; n < ARRAY_SIZE(fs_types) && fs_types[n]; n++)
        seq_printf(s, "%s\t%s\n", fs_types[n]->nodev ? "nodev" : "", fs_types[n]->name);
}

/* ---- super blocks ---- */

struct super_block *super_alloc(const struct fs_type *t)
{
    struct super_block *sb = kzalloc(sizeof(*sb));

    if (!sb)
        return NULL;
    sb->type = t;
    sb->dev = MKDEV(0, (u32)atomic_inc_return(&last_dev));
    atomic_set(&sb->refs, t->single ? 1 : 0);
    spin_lock(&dentry_lock);
    list_add_tail(&sb->link, &all_supers);
    spin_unlock(&dentry_lock);
    return sb;
}

static void super_free(struct super_block *sb)
{
    spin_lock(&dentry_lock);
    list_del(&sb->link);
    spin_unlock(&dentry_lock);
    if (sb->root)
        dentry_destroy_tree(sb->root);
    if (sb->type->kill)
        sb->type->kill(sb);
    kfree(sb);
}

/* The super block for a new mount, without a reference. mount_mutex held. */
static struct super_block *super_get(const struct fs_type *t, const char *options)
{
    struct super_block *sb;
    int ret;

    if (t->single) {
        list_for_each_entry (sb, &all_supers, link)
            if (sb->type == t) {
                ret = t->remount ? t->remount(sb, options) : 0;
                return ret ? ERR_PTR(ret) : sb;
            }
    }
    sb = super_alloc(t);
    if (!sb)
        return ERR_PTR(-ENOMEM);
    ret = t->fill(sb, options);
    if (ret == 0)
        return sb;
    super_free(sb);
    return ERR_PTR(ret);
}

/* ---- mounts ---- */

struct mount *mount_alloc(struct super_block *sb, struct dentry *root, const char *source,
                          unsigned long flags)
{
    struct mount *m = kzalloc(sizeof(*m));

    if (!m)
        return NULL;
    list_init(&m->link);
    m->root = dentry_get(root);
    m->sb = sb;
    atomic_inc(&sb->refs);
    atomic_set(&m->refs, 1);
    m->flags = flags;
    m->id = atomic_inc_return(&last_mount_id);
    (void)strscpy(m->source, source, sizeof(m->source));
    return m;
}

void mount_free(struct mount *m)
{
    struct super_block *sb = m->sb;

    ASSERT(list_empty(&m->link));
    dentry_put(m->root);
    kfree(m);
    if (atomic_dec_and_test(&sb->refs))
        super_free(sb);
}

/* mount_mutex held: @m, whose reference goes to the list, becomes visible on @at. */
void mount_attach(struct mount *m, const struct path *at)
{
    spin_lock(&dentry_lock);
    if (at) {
        m->parent = at->mnt;
        m->mountpoint = at->dentry;
        path_get(at);
        atomic_inc(&at->dentry->nr_mounted);
    }
    list_add_tail(&m->link, &all_mounts);
    spin_unlock(&dentry_lock);
}

/* dentry_lock held. The references that it held go to the caller: on *at and on @m. */
void mount_detach_locked(struct mount *m, struct path *at)
{
    *at = (struct path){m->parent, m->mountpoint};
    m->parent = NULL;
    m->mountpoint = NULL;
    if (at->dentry)
        atomic_dec(&at->dentry->nr_mounted);
    list_del_init(&m->link);
}

static struct mount *mounted_on(const struct path *p)
{
    struct mount *m, *found = NULL;

    list_for_each_entry (m, &all_mounts, link)
        if (m->mountpoint == p->dentry && m->parent == p->mnt)
            found = m;
    return found;
}

void mount_follow_down(struct path *p)
{
    while (unlikely(atomic_read(&p->dentry->nr_mounted) != 0)) {
        struct mount *m;
        struct path next;

        spin_lock(&dentry_lock);
        m = mounted_on(p);
        if (m) {
            next = (struct path){m, m->root};
            path_get(&next);
        }
        spin_unlock(&dentry_lock);
        if (!m)
            return;
        path_put(p);
        *p = next;
    }
}

bool mount_follow_up(struct path *p)
{
    struct path up;

    spin_lock(&dentry_lock);
    up = (struct path){p->mnt->parent, p->mnt->mountpoint};
    if (up.mnt)
        path_get(&up);
    spin_unlock(&dentry_lock);
    if (!up.mnt)
        return false;
    path_put(p);
    *p = up;
    return true;
}

/* Mounts @t on @at (NULL: as the root of everything). 0 or -errno. */
int mount_fs(const struct fs_type *t, const char *source, const struct path *at,
             unsigned long flags, const char *options)
{
    struct super_block *sb;
    struct mount *m;
    int ret = 0;

    mutex_lock(&mount_mutex);
    sb = super_get(t, options);
    if (IS_ERR(sb)) {
        mutex_unlock(&mount_mutex);
        return (int)PTR_ERR(sb);
    }
    m = mount_alloc(sb, sb->root, source, flags);
    if (!m) {
        if (atomic_read(&sb->refs) == 0)
            super_free(sb);
        ret = -ENOMEM;
    } else if (at && at->dentry->unlinked) {
        mount_put(m);
        ret = -ENOENT;
    } else {
        mount_attach(m, at);
        if (!at)
            root_mount = m;
    }
    mutex_unlock(&mount_mutex);
    return ret;
}

static int anon_fill(struct super_block *sb, const char *options)
{
    struct inode *i = inode_alloc(sb, S_IFDIR | 0700);

    if (!i)
        return -ENOMEM;
    sb->root = dentry_alloc(sb, NULL, "", 0);
    if (!sb->root) {
        inode_put(i);
        return -ENOMEM;
    }
    sb->root->inode = i;
    sb->magic = 0x09041934; /* ANON_INODE_FS_MAGIC */
    return 0;
}

static const struct fs_type anon_type = {
    .name = "anon_inodefs", .nodev = true, .single = true, .fill = anon_fill};

/* The mount of files without a name is not on the list: nobody can walk into it. */
void mount_init(void)
{
    mutex_init(&mount_mutex, LOCK_RENAME);
    anon_sb = super_alloc(&anon_type);
    if (!anon_sb || anon_fill(anon_sb, "") != 0)
        panic("mount_init: out of memory");
    anon_mount = mount_alloc(anon_sb, anon_sb->root, "none", 0);
    if (!anon_mount)
        panic("mount_init: out of memory");
}
