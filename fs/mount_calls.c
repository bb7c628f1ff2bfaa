/* SPDX-License-Identifier: MIT */
/*
 * mount_calls.c: mount(2), umount2(2) and the texts of /proc/PID/mounts and mountinfo.
 *
 * Supported: new mounts of the registered types, MS_REMOUNT, MS_BIND (one mount, not the ones below
 * it), MS_MOVE, MS_RDONLY and the flags that are only shown (NOSUID NODEV NOEXEC NOATIME …);
 * MS_PRIVATE is what every mount is. MS_SHARED, MS_SLAVE, MS_UNBINDABLE and recursive binds give
 * EINVAL. Locks: mount_mutex, dentry_lock as in mount.c. Source: mount(2), umount(2), proc(5).
 */
#include "internal.h"
#include "mount.h"
#include <kernel/syscall.h>
#include <linux/mount.h>

#define MNT_FORCE       1
#define MNT_DETACH      2
#define MNT_EXPIRE      4
#define UMOUNT_NOFOLLOW 8

#define MS_KEPT                                                                                    \
    (MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME | MS_NODIRATIME | MS_RELATIME)
#define MS_KNOWN                                                                                   \
    (MS_KEPT | MS_SYNCHRONOUS | MS_REMOUNT | MS_MANDLOCK | MS_DIRSYNC | MS_BIND | MS_MOVE |        \
     MS_REC | MS_SILENT | MS_PRIVATE | MS_STRICTATIME | MS_LAZYTIME)

static int do_bind(const char __user *source, const struct path *at, unsigned long flags)
{
    struct path from;
    struct mount *m;
    int ret;

    if (flags & MS_REC)
        return -EINVAL;
    ret = walk_user_path(AT_FDCWD, source, WALK_FOLLOW, &from);
    if (ret)
        return ret;
    mutex_lock(&mount_mutex);
    if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(at->dentry->inode->mode)) {
        ret = -ENOTDIR;
    } else if (at->dentry->unlinked || from.dentry->unlinked) {
        ret = -ENOENT;
    } else {
        m = mount_alloc(from.mnt->sb, from.dentry, from.mnt->source, from.mnt->flags);
        if (m)
            mount_attach(m, at);
        else
            ret = -ENOMEM;
    }
    mutex_unlock(&mount_mutex);
    path_put(&from);
    return ret;
}

/* Is @m, or a mount that @m hangs below, the mount @top? dentry_lock held. */
static bool mount_is_below(const struct mount *m, const struct mount *top)
{
    for (; m; m = m->parent)
        if (m == top)
            return true;
    return false;
}

static int do_move(const char __user *source, const struct path *at)
{
    struct path from, old = {NULL, NULL};
    int ret = walk_user_path(AT_FDCWD, source, WALK_FOLLOW, &from);

    if (ret)
        return ret;
    mutex_lock(&mount_mutex);
    spin_lock(&dentry_lock);
    if (from.dentry != from.mnt->root || !from.mnt->parent)
        ret = -EINVAL;
    else if (mount_is_below(at->mnt, from.mnt))
        ret = -ELOOP;
    else if (at->dentry->unlinked)
        ret = -ENOENT;
    else if (S_ISDIR(from.dentry->inode->mode) != S_ISDIR(at->dentry->inode->mode))
        ret = -EINVAL;
    else
        mount_detach_locked(from.mnt, &old);
    spin_unlock(&dentry_lock);
    if (ret == 0)
        mount_attach(from.mnt, at);
    mutex_unlock(&mount_mutex);
    if (old.mnt)
        path_put(&old);
    path_put(&from);
    return ret;
}

static int do_remount(const struct path *at, unsigned long flags, const char *options)
{
    struct mount *m = at->mnt;
    int ret = 0;

    if (at->dentry != m->root)
        return -EINVAL;
    if (!(flags & MS_BIND) && m->sb->type->remount)
        ret = m->sb->type->remount(m->sb, options);
    if (ret == 0)
        m->flags = flags & MS_KEPT;
    return ret;
}

static int do_new(const char *source, const char *type, const struct path *at, unsigned long flags,
                  const char *options)
{
    const struct fs_type *t = fs_type_find(type);

    if (!t)
        return -ENODEV;
    if (!S_ISDIR(at->dentry->inode->mode))
        return -ENOTDIR;
    return mount_fs(t, source, at, flags & MS_KEPT, options);
}

/* A string of the user into a new buffer; NULL pointer: "". */
static char *optional_string(const char __user *s, size_t max)
{
    char *buf = kmalloc(max);
    ssize_t n;

    if (!buf)
        return ERR_PTR(-ENOMEM);
    buf[0] = '\0';
    n = s ? strncpy_from_user(buf, s, max) : 0;
    if (n >= 0)
        return buf;
    kfree(buf);
    return ERR_PTR(n == -ENAMETOOLONG ? -EINVAL : n);
}

struct mount_strings {
    char *source, *type, *options;
};

static void strings_free(struct mount_strings *s)
{
    kfree(IS_ERR(s->source) ? NULL : s->source);
    kfree(IS_ERR(s->type) ? NULL : s->type);
    kfree(IS_ERR(s->options) ? NULL : s->options);
}

/* One after the other: the first that fails says why. 0 or -errno; strings_free in both cases. */
static int strings_get(struct mount_strings *s, const char __user *source, const char __user *type,
                       const char __user *data)
{
    *s = (struct mount_strings){0};
    s->source = optional_string(source, PATH_MAX_LEN);
    if (IS_ERR(s->source))
        return (int)PTR_ERR(s->source);
    s->type = optional_string(type, 256);
    if (IS_ERR(s->type))
        return (int)PTR_ERR(s->type);
    s->options = optional_string(data, PATH_MAX_LEN);
    return IS_ERR(s->options) ? (int)PTR_ERR(s->options) : 0;
}

static int mount_dispatch(const struct mount_strings *s, const char __user *usource,
                          const struct path *at, unsigned long flags)
{
    if (flags & MS_REMOUNT)
        return do_remount(at, flags, s->options);
    if (flags & MS_BIND)
        return do_bind(usource, at, flags);
    if (flags & MS_PRIVATE)
        return 0;
    if (flags & MS_MOVE)
        return do_move(usource, at);
    if (s->type[0] == '\0')
        return -EINVAL;
    return do_new(s->source[0] ? s->source : "none", s->type, at, flags, s->options);
}

SYSCALL5(mount, const char __user *, source, const char __user *, target, const char __user *, type,
         unsigned long, flags, const char __user *, data)
{
    struct mount_strings s;
    struct path at;
    int ret;

    if ((flags & MS_MGC_MSK) == MS_MGC_VAL)
        flags &= ~(unsigned long)MS_MGC_MSK;
    if (!has_capability())
        return -EPERM;
    if (flags & ~(unsigned long)MS_KNOWN)
        return -EINVAL;
    ret = strings_get(&s, source, type, data);
    if (ret == 0)
        ret = walk_user_path(AT_FDCWD, target, WALK_FOLLOW, &at);
    if (ret == 0) {
        ret = mount_dispatch(&s, source, &at, flags);
        path_put(&at);
    }
    strings_free(&s);
    return ret;
}

/* ---- umount ---- */

/* One mount out of the list; everything it held is put. */
static void detach_and_put(struct mount *m, struct path *at)
{
    if (at->mnt)
        path_put(at);
    mount_put(m);
}

/* Any mount on the list that hangs below @top, or NULL. dentry_lock held. */
static struct mount *mount_child(const struct mount *top)
{
    struct mount *m;

    list_for_each_entry (m, &all_mounts, link)
        if (m->parent == top)
            return m;
    return NULL;
}

/* Takes @top and all below it out of the tree: they live on for who still uses them. */
static void detach_lazily(struct mount *top)
{
    for (;;) {
        struct mount *m = top, *child;
        struct path at;

        spin_lock(&dentry_lock);
        while ((child = mount_child(m)) != NULL)
            m = child;
        mount_detach_locked(m, &at);
        spin_unlock(&dentry_lock);
        detach_and_put(m, &at);
        if (m == top)
            return;
    }
}

/* mount_mutex held; the caller's path holds one reference on the mount. */
static int umount_path(const struct path *p, int flags)
{
    struct mount *m = p->mnt;
    struct path at;
    int ret = 0;

    if (p->dentry != m->root || list_empty(&m->link))
        return -EINVAL;
    if (m == root_mount)
        return -EBUSY;
    if (flags & MNT_DETACH) {
        detach_lazily(m);
        return 0;
    }
    spin_lock(&dentry_lock);
    /* One reference of the list, one of the caller's path. */
    if (atomic_read(&m->refs) != 2 || mount_child(m))
        ret = -EBUSY;
    else
        mount_detach_locked(m, &at);
    spin_unlock(&dentry_lock);
    if (ret == 0)
        detach_and_put(m, &at);
    return ret;
}

int mount_remove(const struct path *p, int flags)
{
    int ret;

    mutex_lock(&mount_mutex);
    ret = umount_path(p, flags);
    mutex_unlock(&mount_mutex);
    return ret;
}

SYSCALL2(umount2, const char __user *, target, int, flags)
{
    struct path p;
    int ret;

    if (flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW))
        return -EINVAL;
    if (flags & MNT_EXPIRE)
        return -EINVAL;
    if (!has_capability())
        return -EPERM;
    ret = walk_user_path(AT_FDCWD, target, flags & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
    if (ret)
        return ret;
    ret = mount_remove(&p, flags);
    path_put(&p);
    return ret;
}

/* ---- /proc/PID/mounts, mountinfo ---- */

static void seq_escaped(struct seq *s, const char *text)
{
    for (; *text; text++) {
        if (*text == ' ' || *text == '\t' || *text == '\n' || *text == '\\')
            seq_printf(s, "\\%03o", *text);
        else
            seq_write(s, text, 1);
    }
}

static void show_flags(struct seq *s, unsigned long flags)
{
    seq_puts(s, flags & MS_RDONLY ? "ro" : "rw");
    seq_puts(s, flags & MS_NOSUID ? ",nosuid" : "");
    seq_puts(s, flags & MS_NODEV ? ",nodev" : "");
    seq_puts(s, flags & MS_NOEXEC ? ",noexec" : "");
    seq_puts(s, flags & MS_NOATIME ? ",noatime" : ",relatime");
}

static void show_one(struct seq *s, struct mount *m, const struct path *root, char *buf,
                     bool mountinfo)
{
    struct path p = {m, m->root}, top = {m, m->sb->root};
    char *text = path_text(&p, root, buf, PATH_MAX_LEN, false);

    if (IS_ERR(text))
        return;
    if (!mountinfo) {
        seq_escaped(s, m->source);
        seq_puts(s, " ");
        seq_escaped(s, text);
        seq_printf(s, " %s ", m->sb->type->name);
        show_flags(s, m->flags);
        if (m->sb->type->show_options)
            m->sb->type->show_options(m->sb, s);
        seq_puts(s, " 0 0\n");
        return;
    }
    seq_printf(s, "%d %d %u:%u ", m->id, m->parent ? m->parent->id : m->id, MAJOR(m->sb->dev),
               MINOR(m->sb->dev));
    p.mnt = top.mnt;
    {
        char *inside = kmalloc(PATH_MAX_LEN);
        char *from = inside ? path_text(&p, &top, inside, PATH_MAX_LEN, false) : ERR_PTR(-ENOMEM);

        seq_escaped(s, m->root == m->sb->root || IS_ERR(from) ? "/" : from);
        kfree(inside);
    }
    seq_puts(s, " ");
    seq_escaped(s, text);
    seq_puts(s, " ");
    show_flags(s, m->flags);
    seq_printf(s, " - %s ", m->sb->type->name);
    seq_escaped(s, m->source);
    seq_puts(s, m->sb->flags & MS_RDONLY ? " ro" : " rw");
    if (m->sb->type->show_options)
        m->sb->type->show_options(m->sb, s);
    seq_puts(s, "\n");
}

/* The mount behind @after in the list (NULL: the first), with a reference. */
static struct mount *mount_next_get(struct mount *after)
{
    struct list_head *at;
    struct mount *m = NULL;

    spin_lock(&dentry_lock);
    at = after ? after->link.next : all_mounts.next;
    if (at != &all_mounts) {
        m = list_entry(at, struct mount, link);
        atomic_inc(&m->refs);
    }
    spin_unlock(&dentry_lock);
    return m;
}

void mount_show(struct seq *s, const struct path *root, bool mountinfo)
{
    char *buf = kmalloc(PATH_MAX_LEN);

    if (!buf) {
        s->failed = true;
        return;
    }
    mutex_lock(&mount_mutex); /* the list keeps its members */
    for (struct mount *m = mount_next_get(NULL), *next; m; m = next) {
        show_one(s, m, root, buf, mountinfo);
        next = mount_next_get(m);
        mount_put(m);
    }
    mutex_unlock(&mount_mutex);
    kfree(buf);
}
