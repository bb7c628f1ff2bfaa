/* SPDX-License-Identifier: MIT */
/*
 * rename.c: rename(2), renameat(2), renameat2(2) with RENAME_NOREPLACE and RENAME_EXCHANGE.
 *
 * Locks: within one directory its INODE lock; across two, mount_mutex (RENAME: the shape of the
 * tree stands still), then the ancestor's INODE lock before the descendant's, else by address; then
 * the replaced inode's. So no two renames wait for each other in a circle, and no directory can be
 * moved below itself. Source: rename(2). Checked by tests/kernel/fs/namei_ktest.c. Read next:
 * dentry.c, dentry_move.
 */
#include "internal.h"
#include "mount.h"
#include "names.h"
#include <kernel/syscall.h>
#include <linux/fs.h>

struct rename {
    struct walk from, to;
    struct dentry *old, *new; /* new: NULL when there is none */
    unsigned int flags;
};

/* The two parents, locked. */
static void lock_parents(struct dentry *a, struct dentry *b)
{
    struct dentry *first = a, *second = b;

    if (a == b) {
        rwsem_write_lock(&a->inode->lock);
        return;
    }
    mutex_lock(&mount_mutex);
    if (dentry_is_ancestor(b, a) || (!dentry_is_ancestor(a, b) && b < a)) {
        first = b;
        second = a;
    }
    rwsem_write_lock(&first->inode->lock);
    rwsem_write_lock_nested(&second->inode->lock);
}

static void unlock_parents(struct dentry *a, struct dentry *b)
{
    rwsem_write_unlock(&a->inode->lock);
    if (a == b)
        return;
    rwsem_write_unlock(&b->inode->lock);
    mutex_unlock(&mount_mutex);
}

static int look_up_both(struct rename *r)
{
    r->old = walk_lookup(r->from.at.dentry, r->from.name, r->from.len);
    if (IS_ERR(r->old))
        return (int)PTR_ERR(r->old);
    if (!r->old)
        return -ENOENT;
    r->new = walk_lookup(r->to.at.dentry, r->to.name, r->to.len);
    if (IS_ERR(r->new))
        return (int)PTR_ERR(r->new);
    if (r->new && (r->flags & RENAME_NOREPLACE))
        return -EEXIST;
    if (!r->new && (r->flags & RENAME_EXCHANGE))
        return -ENOENT;
    return 0;
}

/* Slashes behind names of non-directories, and loops. */
static int check_shape(const struct rename *r)
{
    bool old_dir = S_ISDIR(r->old->inode->mode), exchange = r->flags & RENAME_EXCHANGE;

    if (!old_dir && (r->from.slash || (!exchange && r->to.slash)))
        return -ENOTDIR;
    if (exchange && !S_ISDIR(r->new->inode->mode) && r->to.slash)
        return -ENOTDIR;
    if (dentry_is_ancestor(r->old, r->to.at.dentry))
        return -EINVAL;
    if (r->new &&dentry_is_ancestor(r->new, r->from.at.dentry))
        return exchange ? -EINVAL : -ENOTEMPTY;
    return r->to.at.dentry->unlinked ? -ENOENT : 0;
}

static int check_permission(const struct rename *r)
{
    struct inode *odir = r->from.at.dentry->inode, *ndir = r->to.at.dentry->inode;
    bool old_dir = S_ISDIR(r->old->inode->mode);
    int ret = mount_want_write(r->from.at.mnt);

    if (ret == 0)
        ret = may_delete(odir, r->old, old_dir);
    if (ret == 0 && !r->new)
        ret = may_create(ndir);
    else if (ret == 0 && (r->flags & RENAME_EXCHANGE))
        ret = may_delete(ndir, r->new, S_ISDIR(r->new->inode->mode));
    else if (ret == 0)
        ret = may_delete(ndir, r->new, old_dir);
    /* ".." of a moved directory changes. */
    if (ret == 0 && odir != ndir && old_dir)
        ret = inode_permission(r->old->inode, MAY_WRITE);
    if (ret == 0 && odir != ndir && (r->flags & RENAME_EXCHANGE) && S_ISDIR(r->new->inode->mode))
        ret = inode_permission(r->new->inode, MAY_WRITE);
    if (ret == 0 && !odir->iop->rename)
        ret = -EPERM;
    return ret;
}

static int do_exchange(struct rename *r)
{
    struct inode *odir = r->from.at.dentry->inode, *ndir = r->to.at.dentry->inode;
    int ret = odir->iop->rename(odir, r->old, ndir, r->new, r->flags);

    if (ret == 0)
        dentry_exchange(r->old, r->new);
    return ret;
}

static int do_replace(struct rename *r)
{
    struct inode *odir = r->from.at.dentry->inode, *ndir = r->to.at.dentry->inode;
    struct dentry *place =
        dentry_alloc(r->to.at.dentry->sb, r->to.at.dentry, r->to.name, r->to.len);
    int ret = 0;

    if (!place)
        return -ENOMEM;
    if (r->new)
        rwsem_write_lock_nested(&r->new->inode->lock);
    if (r->new &&dentry_has_children(r->new))
        ret = -ENOTEMPTY;
    if (ret == 0)
        ret = odir->iop->rename(odir, r->old, ndir, r->new, r->flags);
    if (ret == 0)
        dentry_move(r->old, place, r->new);
    if (r->new)
        rwsem_write_unlock(&r->new->inode->lock);
    dentry_put(place);
    return ret;
}

static int rename_locked(struct rename *r)
{
    int ret = look_up_both(r);

    if (ret == 0)
        ret = check_shape(r);
    if (ret)
        return ret;
    /* Two names of one object: nothing to do. */
    if (r->new && r->new->inode == r->old->inode)
        return 0;
    ret = check_permission(r);
    if (ret)
        return ret;
    return r->flags & RENAME_EXCHANGE ? do_exchange(r) : do_replace(r);
}

static int rename_walked(struct rename *r)
{
    struct dentry *a = r->from.at.dentry, *b = r->to.at.dentry;
    int ret;

    if (r->from.at.mnt != r->to.at.mnt)
        return -EXDEV;
    if (r->from.kind != LAST_NORMAL)
        return -EBUSY;
    if (r->to.kind != LAST_NORMAL)
        return r->flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
    lock_parents(a, b);
    ret = rename_locked(r);
    unlock_parents(a, b);
    if (r->old && !IS_ERR(r->old))
        dentry_put(r->old);
    if (r->new && !IS_ERR(r->new))
        dentry_put(r->new);
    return ret;
}

int name_rename(int odirfd, const char *old, int ndirfd, const char *new, unsigned int flags)
{
    struct rename r = {.flags = flags};
    int ret = walk_parent(odirfd, old, &r.from);

    if (ret)
        return ret;
    ret = walk_parent(ndirfd, new, &r.to);
    if (ret == 0) {
        ret = rename_walked(&r);
        walk_end(&r.to);
    }
    walk_end(&r.from);
    return ret;
}

static int do_renameat(int odirfd, const char __user *uold, int ndirfd, const char __user *unew,
                       unsigned int flags)
{
    char *old, *new;
    int ret;

    if (flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE))
        return -EINVAL;
    if ((flags & RENAME_NOREPLACE) && (flags & RENAME_EXCHANGE))
        return -EINVAL;
    old = name_from_user(uold);
    if (IS_ERR(old))
        return (int)PTR_ERR(old);
    new = name_from_user(unew);
    if (IS_ERR(new)) {
        kfree(old);
        return (int)PTR_ERR(new);
    }
    ret = name_rename(odirfd, old, ndirfd, new, flags);
    kfree(new);
    kfree(old);
    return ret;
}

SYSCALL5(renameat2, int, odirfd, const char __user *, old, int, ndirfd, const char __user *, new,
         unsigned int, flags)
{
    return do_renameat(odirfd, old, ndirfd, new, flags);
}

SYSCALL4(renameat, int, odirfd, const char __user *, old, int, ndirfd, const char __user *, new)
{
    return do_renameat(odirfd, old, ndirfd, new, 0);
}

SYSCALL2(rename, const char __user *, old, const char __user *, new)
{
    return do_renameat(AT_FDCWD, old, AT_FDCWD, new, 0);
}
