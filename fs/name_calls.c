/* SPDX-License-Identifier: MIT */
/*
 * name_calls.c: the calls that add and remove names: mkdir, mknod, symlink, link, unlink, rmdir,
 * each with its *at form. rename is in rename.c.
 *
 * Each finds the parent, write-locks its inode (INODE), looks at the entry under that lock, checks
 * permission, asks the file system, and then changes the dentry tree. rmdir also locks the victim,
 * so that nothing can be created in it. Sources: mkdir(2), mknod(2), symlink(2), link(2),
 * unlink(2), rmdir(2). Checked by tests/kernel/fs/namei_ktest.c.
 */
#include "internal.h"
#include "names.h"
#include <kernel/syscall.h>

static mode_t umask_now(void)
{
    return current->fs ? READ_ONCE(current->fs->umask) : 0;
}

mode_t mode_after_umask(mode_t mode)
{
    return mode & ~umask_now();
}

int may_create(struct inode *dir)
{
    return inode_permission(dir, MAY_WRITE | MAY_EXEC);
}

int may_delete(struct inode *dir, const struct dentry *victim, bool want_dir)
{
    struct inode *i = victim->inode;
    int ret = inode_permission(dir, MAY_WRITE | MAY_EXEC);
    uid_t me = current->proc->fsuid;

    if (ret)
        return ret;
    if ((dir->mode & S_ISVTX) && i->uid != me && dir->uid != me && !has_capability())
        return -EPERM;
    if (want_dir && !S_ISDIR(i->mode))
        return -ENOTDIR;
    if (!want_dir && S_ISDIR(i->mode))
        return -EISDIR;
    if (atomic_read(&victim->nr_mounted))
        return -EBUSY;
    return 0;
}

/*
 * Finds where a new entry goes: the parent's inode is locked and a negative dentry returned, or
 * ERR_PTR with nothing held. create_end undoes it.
 */
static struct dentry *create_begin(struct walk *w, int dirfd, const char *name, bool want_dir)
{
    struct inode *dir;
    struct dentry *d;
    int ret = walk_parent(dirfd, name, w);

    if (ret)
        return ERR_PTR(ret);
    if (w->kind != LAST_NORMAL) {
        walk_end(w);
        return ERR_PTR(-EEXIST);
    }
    dir = w->at.dentry->inode;
    rwsem_write_lock(&dir->lock);
    d = walk_lookup(w->at.dentry, w->name, w->len);
    if (d && !IS_ERR(d)) {
        dentry_put(d);
        ret = -EEXIST;
    } else if (IS_ERR(d)) {
        ret = (int)PTR_ERR(d);
    } else if (w->slash && !want_dir) {
        ret = -ENOENT;
    } else if (w->at.dentry->unlinked) {
        ret = -ENOENT;
    } else {
        ret = mount_want_write(w->at.mnt);
    }
    if (ret == 0)
        ret = may_create(dir);
    if (ret == 0) {
        d = dentry_alloc(w->at.dentry->sb, w->at.dentry, w->name, w->len);
        if (d)
            return d;
        ret = -ENOMEM;
    }
    rwsem_write_unlock(&dir->lock);
    walk_end(w);
    return ERR_PTR(ret);
}

/* @ret: what the file system said. */
static int create_end(struct walk *w, struct dentry *d, int ret)
{
    struct inode *dir = w->at.dentry->inode;

    if (ret == 0)
        ret = dentry_add(d);
    rwsem_write_unlock(&dir->lock);
    dentry_put(d);
    walk_end(w);
    return ret;
}

int name_mkdir(int dirfd, const char *name, mode_t mode)
{
    struct inode *dir;
    struct walk w;
    struct dentry *d = create_begin(&w, dirfd, name, true);
    int ret;

    if (IS_ERR(d))
        return (int)PTR_ERR(d);
    dir = w.at.dentry->inode;
    ret = dir->iop->mkdir ? dir->iop->mkdir(dir, d, mode_after_umask(mode & 01777) | S_IFDIR)
                          : -EPERM;
    return create_end(&w, d, ret);
}

static int do_mkdirat(int dirfd, const char __user *uname, mode_t mode)
{
    char *name = name_from_user(uname);
    int ret;

    if (IS_ERR(name))
        return (int)PTR_ERR(name);
    ret = name_mkdir(dirfd, name, mode);
    kfree(name);
    return ret;
}

/* Device numbers as user programs know them: 12 bits of major between 8 and 12 + … bits of minor.
 */
static dev_t dev_from_user(unsigned int dev)
{
    return MKDEV((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xfff00));
}

int name_mknod(int dirfd, const char *name, mode_t mode, dev_t rdev)
{
    mode_t kind = mode & S_IFMT;
    struct inode *dir;
    struct dentry *d;
    struct walk w;
    int ret;

    if (kind == 0)
        kind = S_IFREG;
    if (kind == S_IFDIR)
        return -EPERM;
    if (kind != S_IFREG && kind != S_IFCHR && kind != S_IFBLK && kind != S_IFIFO &&
        kind != S_IFSOCK)
        return -EINVAL;
    if ((kind == S_IFCHR || kind == S_IFBLK) && !has_capability())
        return -EPERM;
    d = create_begin(&w, dirfd, name, false);
    if (IS_ERR(d))
        return (int)PTR_ERR(d);
    dir = w.at.dentry->inode;
    mode = mode_after_umask(mode & 07777) | kind;
    ret = dir->iop->create ? dir->iop->create(dir, d, mode, rdev) : -EPERM;
    return create_end(&w, d, ret);
}

static int do_mknodat(int dirfd, const char __user *uname, mode_t mode, unsigned int dev)
{
    char *name = name_from_user(uname);
    int ret;

    if (IS_ERR(name))
        return (int)PTR_ERR(name);
    ret = name_mknod(dirfd, name, mode, dev_from_user(dev));
    kfree(name);
    return ret;
}

int name_symlink(const char *target, int dirfd, const char *name)
{
    struct inode *dir;
    struct walk w;
    struct dentry *d = create_begin(&w, dirfd, name, false);
    int ret;

    if (IS_ERR(d))
        return (int)PTR_ERR(d);
    dir = w.at.dentry->inode;
    ret = dir->iop->symlink ? dir->iop->symlink(dir, d, target) : -EPERM;
    return create_end(&w, d, ret);
}

static int do_symlinkat(const char __user *utarget, int dirfd, const char __user *uname)
{
    char *target = name_from_user(utarget), *name;
    int ret;

    if (IS_ERR(target))
        return (int)PTR_ERR(target);
    name = target[0] ? name_from_user(uname) : ERR_PTR(-ENOENT);
    if (IS_ERR(name)) {
        kfree(target);
        return (int)PTR_ERR(name);
    }
    ret = name_symlink(target, dirfd, name);
    kfree(name);
    kfree(target);
    return ret;
}

int name_link(const struct path *old, int dirfd, const char *name)
{
    struct inode *i = old->dentry->inode, *dir;
    struct dentry *d;
    struct walk w;
    int ret;

    d = create_begin(&w, dirfd, name, false);
    if (IS_ERR(d))
        return (int)PTR_ERR(d);
    dir = w.at.dentry->inode;
    if (old->mnt != w.at.mnt)
        ret = -EXDEV;
    else if (S_ISDIR(i->mode) || !dir->iop->link)
        ret = -EPERM;
    else if (i->nlink == 0 && !i->linkable)
        ret = -ENOENT;
    else
        ret = dir->iop->link(dir, d, i);
    return create_end(&w, d, ret);
}

static int do_linkat(int odirfd, const char __user *uold, int ndirfd, const char __user *unew,
                     int flags)
{
    struct path old;
    char *name;
    int ret;

    if (flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if ((flags & AT_EMPTY_PATH) && !has_capability())
        return -ENOENT;
    ret = walk_user_path(odirfd, uold,
                         (flags & AT_SYMLINK_FOLLOW ? WALK_FOLLOW : 0) |
                             (flags & AT_EMPTY_PATH ? WALK_EMPTY : 0),
                         &old);
    if (ret)
        return ret;
    name = name_from_user(unew);
    ret = IS_ERR(name) ? (int)PTR_ERR(name) : name_link(&old, ndirfd, name);
    if (!IS_ERR(name))
        kfree(name);
    path_put(&old);
    return ret;
}

/* ---- removal ---- */

static int unlink_locked(const struct walk *w, struct dentry *d)
{
    struct inode *dir = w->at.dentry->inode;
    int ret;

    if (w->slash)
        return S_ISDIR(d->inode->mode) ? -EISDIR : -ENOTDIR;
    ret = mount_want_write(w->at.mnt);
    if (ret == 0)
        ret = may_delete(dir, d, false);
    if (ret == 0)
        ret = dir->iop->unlink ? dir->iop->unlink(dir, d) : -EPERM;
    if (ret == 0)
        dentry_remove(d);
    return ret;
}

static int rmdir_locked(const struct walk *w, struct dentry *d)
{
    struct inode *dir = w->at.dentry->inode;
    int ret = mount_want_write(w->at.mnt);

    if (ret == 0)
        ret = may_delete(dir, d, true);
    if (ret)
        return ret;
    rwsem_write_lock_nested(&d->inode->lock);
    if (dentry_has_children(d))
        ret = -ENOTEMPTY;
    else
        ret = dir->iop->rmdir ? dir->iop->rmdir(dir, d) : -EPERM;
    if (ret == 0)
        dentry_remove(d);
    rwsem_write_unlock(&d->inode->lock);
    return ret;
}

static int refuse_dots(enum last_kind kind, bool rmdir)
{
    if (!rmdir)
        return kind == LAST_NORMAL ? 0 : -EISDIR;
    return kind == LAST_DOT      ? -EINVAL
           : kind == LAST_DOTDOT ? -ENOTEMPTY
           : kind == LAST_ROOT   ? -EBUSY
                                 : 0;
}

int name_unlink(int dirfd, const char *name, bool rmdir)
{
    struct dentry *d;
    struct inode *dir;
    struct walk w;
    int ret = walk_parent(dirfd, name, &w);

    if (ret)
        return ret;
    ret = refuse_dots(w.kind, rmdir);
    if (ret == 0) {
        dir = w.at.dentry->inode;
        rwsem_write_lock(&dir->lock);
        d = walk_lookup(w.at.dentry, w.name, w.len);
        if (!d || IS_ERR(d))
            ret = d ? (int)PTR_ERR(d) : -ENOENT;
        else
            ret = rmdir ? rmdir_locked(&w, d) : unlink_locked(&w, d);
        rwsem_write_unlock(&dir->lock);
        if (d && !IS_ERR(d))
            dentry_put(d); /* frees the contents, outside the lock */
    }
    walk_end(&w);
    return ret;
}

static int do_unlinkat(int dirfd, const char __user *uname, bool rmdir)
{
    char *name = name_from_user(uname);
    int ret;

    if (IS_ERR(name))
        return (int)PTR_ERR(name);
    ret = name_unlink(dirfd, name, rmdir);
    kfree(name);
    return ret;
}

/* ---- the calls ---- */

SYSCALL3(mkdirat, int, dirfd, const char __user *, name, mode_t, mode)
{
    return do_mkdirat(dirfd, name, mode);
}

SYSCALL2(mkdir, const char __user *, name, mode_t, mode)
{
    return do_mkdirat(AT_FDCWD, name, mode);
}

SYSCALL4(mknodat, int, dirfd, const char __user *, name, mode_t, mode, unsigned int, dev)
{
    return do_mknodat(dirfd, name, mode, dev);
}

SYSCALL3(mknod, const char __user *, name, mode_t, mode, unsigned int, dev)
{
    return do_mknodat(AT_FDCWD, name, mode, dev);
}

SYSCALL3(symlinkat, const char __user *, target, int, dirfd, const char __user *, name)
{
    return do_symlinkat(target, dirfd, name);
}

SYSCALL2(symlink, const char __user *, target, const char __user *, name)
{
    return do_symlinkat(target, AT_FDCWD, name);
}

SYSCALL5(linkat, int, odirfd, const char __user *, old, int, ndirfd, const char __user *, new, int,
         flags)
{
    return do_linkat(odirfd, old, ndirfd, new, flags);
}

SYSCALL2(link, const char __user *, old, const char __user *, new)
{
    return do_linkat(AT_FDCWD, old, AT_FDCWD, new, 0);
}

SYSCALL3(unlinkat, int, dirfd, const char __user *, name, int, flags)
{
    if (flags & ~AT_REMOVEDIR)
        return -EINVAL;
    return do_unlinkat(dirfd, name, flags & AT_REMOVEDIR);
}

SYSCALL1(unlink, const char __user *, name)
{
    return do_unlinkat(AT_FDCWD, name, false);
}

SYSCALL1(rmdir, const char __user *, name)
{
    return do_unlinkat(AT_FDCWD, name, true);
}
