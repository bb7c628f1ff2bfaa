/* SPDX-License-Identifier: MIT */
/*
 * open.c: open(2) in all its forms, opening for the kernel and for exec.
 *
 * An open without O_CREAT is a walk and a permission check. With O_CREAT the parent is found first
 * and the last component is looked up under the directory's lock, so that two creators cannot both
 * win; a symlink there starts over at what it names. Locks: INODE of the directory while creating.
 * Unknown flags are dropped by open and refused by openat2. Source: open(2), openat2(2). Checked by
 * tests/kernel/fs/namei_ktest.c. Read next: file.c, file_open_path.
 */
#include "internal.h"
#include "names.h"
#include <kernel/syscall.h>
#include <linux/fs.h>

#define OPEN_KNOWN                                                                                 \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |         \
     FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |          \
     __O_SYNC | O_PATH | __O_TMPFILE)
#define OPEN_PATH_KNOWN (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC)

static int open_mask(unsigned int flags)
{
    static const u8 by_mode[4] = {MAY_READ, MAY_WRITE, MAY_READ | MAY_WRITE, MAY_READ | MAY_WRITE};

    return by_mode[flags & O_ACCMODE] | (flags & O_TRUNC ? MAY_WRITE : 0);
}

/* What an existing object must allow. */
static int may_open(const struct path *p, unsigned int flags)
{
    struct inode *i = p->dentry->inode;
    int mask = open_mask(flags), ret;

    if (S_ISLNK(i->mode))
        return -ELOOP;
    if (S_ISDIR(i->mode) && (mask & MAY_WRITE))
        return -EISDIR;
    if ((S_ISCHR(i->mode) || S_ISBLK(i->mode)) && (p->mnt->flags & MS_NODEV))
        return -EACCES;
    ret = inode_permission(i, mask);
    if (ret)
        return ret;
    if ((mask & MAY_WRITE) && (S_ISREG(i->mode) || S_ISDIR(i->mode))) {
        ret = mount_want_write(p->mnt);
        if (ret)
            return ret;
    }
    if ((flags & O_NOATIME) && !inode_owner_or_root(i))
        return -EPERM;
    return 0;
}

int truncate_inode(struct inode *i, u64 size)
{
    int ret = -EINVAL;

    rwsem_write_lock(&i->lock);
    if (i->iop && i->iop->setsize) {
        inode_drop_suid(i);
        ret = i->iop->setsize(i, size);
    }
    rwsem_write_unlock(&i->lock);
    return ret;
}

/* @p is what was found or made; its references go into @f or are dropped. 0 or -errno. */
static int open_found(struct file *f, struct path *p, unsigned int flags, bool created)
{
    struct inode *i = p->dentry->inode;
    int ret = 0;

    if ((flags & O_DIRECTORY) && !S_ISDIR(i->mode))
        ret = -ENOTDIR;
    else if (!created && (flags & O_CREAT) && S_ISDIR(i->mode))
        ret = -EISDIR;
    else if (!created && !(flags & O_PATH))
        ret = may_open(p, flags);
    if (ret == 0)
        ret = file_open_on(f, p, flags);
    if (ret) {
        path_put(p);
        return ret;
    }
    if (!created && (flags & O_TRUNC) && S_ISREG(i->mode) && i->size != 0)
        ret = truncate_inode(i, 0);
    return ret;
}

/* ---- O_CREAT ---- */

/*
 * The last component, dir's inode locked: finds or makes it. *out has references; *created says
 * which. The lock is released.
 */
static int find_or_create(struct walk *w, const struct open_how_k *how, struct path *out,
                          bool *created)
{
    struct dentry *dd = w->at.dentry, *d;
    struct inode *dir = dd->inode;
    int ret = 0;

    rwsem_write_lock(&dir->lock);
    d = walk_lookup(dd, w->name, w->len);
    if (IS_ERR(d)) {
        ret = (int)PTR_ERR(d);
    } else if (!d) {
        *created = true;
        ret = dd->unlinked ? -ENOENT : mount_want_write(w->at.mnt);
        if (ret == 0)
            ret = may_create(dir);
        if (ret == 0 && !dir->iop->create)
            ret = -EACCES;
        d = ret ? NULL : dentry_alloc(dd->sb, dd, w->name, w->len);
        if (ret == 0 && !d)
            ret = -ENOMEM;
        if (ret == 0)
            ret = dir->iop->create(dir, d, mode_after_umask(how->mode & 07777) | S_IFREG, 0);
        if (ret == 0)
            ret = dentry_add(d);
        if (ret && d)
            dentry_put(d);
    }
    rwsem_write_unlock(&dir->lock);
    if (ret)
        return ret;
    *out = (struct path){w->at.mnt, d};
    atomic_inc(&out->mnt->refs);
    if (!*created)
        mount_follow_down(out);
    return 0;
}

/* One round with the parent at hand: 0 and *out, 1: a symlink moved @w on, -errno. */
static int create_round(struct walk *w, const struct open_how_k *how, struct path *out,
                        bool *created)
{
    struct path found;
    int ret;

    if (w->kind != LAST_NORMAL || w->slash)
        return -EISDIR;
    ret = find_or_create(w, how, &found, created);
    if (ret)
        return ret;
    if (!*created && (how->flags & O_EXCL)) {
        ret = -EEXIST;
    } else if (!*created && S_ISLNK(found.dentry->inode->mode) && !(how->flags & O_NOFOLLOW)) {
        ret = walk_parent_link(w, &found);
        if (ret == 1) { /* a magic link: the end is where the walk is now */
            *out = w->at;
            path_get(out);
            path_put(&found);
            return 0;
        }
        if (ret == 0)
            ret = 1;
    } else {
        *out = found;
        return 0;
    }
    path_put(&found);
    return ret;
}

static int open_create(struct file *f, int dirfd, const char *name, const struct open_how_k *how)
{
    struct path found;
    bool created = false;
    struct walk w;
    int ret = walk_parent(dirfd, name, &w);

    if (ret)
        return ret;
    do
        ret = create_round(&w, how, &found, &created);
    while (ret == 1);
    walk_end(&w);
    return ret ? ret : open_found(f, &found, how->flags, created);
}

/* A regular file in the directory @name, without a name there. */
static int open_tmpfile(struct file *f, int dirfd, const char *name, const struct open_how_k *how)
{
    struct path dir, p;
    struct inode *i;
    int ret = walk_path(dirfd, name, WALK_FOLLOW | WALK_DIRECTORY, &dir);

    if (ret)
        return ret;
    i = dir.dentry->inode;
    p = (struct path){dir.mnt, NULL};
    ret = mount_want_write(dir.mnt);
    if (ret == 0)
        ret = inode_permission(i, MAY_WRITE | MAY_EXEC);
    if (ret == 0 && !i->iop->tmpfile)
        ret = -EOPNOTSUPP;
    if (ret == 0) {
        p.dentry = dentry_alloc(dir.dentry->sb, dir.dentry, "#tmpfile", 8);
        ret = p.dentry ? 0 : -ENOMEM;
    }
    if (ret == 0) {
        p.dentry->unlinked = true;
        ret = i->iop->tmpfile(i, p.dentry, mode_after_umask(how->mode & 07777) | S_IFREG);
        if (ret)
            dentry_put(p.dentry);
    }
    if (ret == 0) {
        p.dentry->inode->linkable = !(how->flags & O_EXCL);
        atomic_inc(&p.mnt->refs);
        ret = open_found(f, &p, how->flags & ~(unsigned int)(O_DIRECTORY | __O_TMPFILE), true);
    }
    path_put(&dir);
    return ret;
}

/* ---- all of them ---- */

static int open_file_at(struct file *f, int dirfd, const char *name, const struct open_how_k *how)
{
    unsigned int flags = how->flags;
    struct path p;
    int ret;

    if (flags & O_PATH) {
        flags &= OPEN_PATH_KNOWN;
    } else if (flags & __O_TMPFILE) {
        if ((flags & O_TMPFILE) != O_TMPFILE || !(open_mask(flags) & MAY_WRITE) ||
            (flags & O_CREAT))
            return -EINVAL;
        return open_tmpfile(f, dirfd, name, how);
    } else if (flags & O_CREAT) {
        return flags & O_DIRECTORY ? -EINVAL : open_create(f, dirfd, name, how);
    }
    ret = walk_path(dirfd, name, flags & O_NOFOLLOW ? 0 : WALK_FOLLOW, &p);
    return ret ? ret : open_found(f, &p, flags, false);
}

/* The structure first: when memory is short, no file was made in vain. */
struct file *open_at(int dirfd, const char *name, const struct open_how_k *how)
{
    struct file *f = file_alloc(how->flags);
    int ret;

    if (!f)
        return ERR_PTR(-ENOMEM);
    ret = open_file_at(f, dirfd, name, how);
    if (ret == 0)
        return f;
    file_discard(f);
    return ERR_PTR(ret);
}

struct file *file_open(const char *path, int flags, mode_t mode)
{
    struct open_how_k how = {(unsigned int)flags | O_LARGEFILE, mode};

    return open_at(AT_FDCWD, path, &how);
}

struct file *file_open_exec_at(int dirfd, const char *path, int at_flags)
{
    struct path p;
    struct inode *i;
    struct file *f;
    int ret;

    if (at_flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
        return ERR_PTR(-EINVAL);
    ret = walk_path(dirfd, path, at_walk(at_flags), &p);
    if (ret)
        return ERR_PTR(ret);
    i = p.dentry->inode;
    if (S_ISLNK(i->mode))
        ret = -ELOOP;
    else if (!S_ISREG(i->mode) || (p.mnt->flags & MS_NOEXEC))
        ret = -EACCES;
    else
        ret = inode_permission(i, MAY_EXEC);
    if (ret == 0)
        ret = inode_exec_get(i);
    if (ret == 0) {
        f = file_open_path(&p, O_RDONLY | O_LARGEFILE);
        if (!IS_ERR(f)) {
            f->f_mode |= FMODE_EXEC;
            return f;
        }
        ret = (int)PTR_ERR(f);
        inode_exec_put(i);
    }
    path_put(&p);
    return ERR_PTR(ret);
}

struct file *file_open_exec(const char *path)
{
    return file_open_exec_at(AT_FDCWD, path, 0);
}

static long do_openat(int dirfd, const char __user *uname, const struct open_how_k *how)
{
    char *name = name_from_user(uname);
    struct file *f;
    int fd;

    if (IS_ERR(name))
        return PTR_ERR(name);
    fd = fd_reserve(how->flags);
    if (fd < 0) {
        kfree(name);
        return fd;
    }
    f = open_at(dirfd, name, how);
    kfree(name);
    if (IS_ERR(f)) {
        fd_unreserve(fd);
        return PTR_ERR(f);
    }
    fd_install(fd, f);
    return fd;
}

static struct open_how_k how_of(int flags, mode_t mode)
{
    return (struct open_how_k){((unsigned int)flags & OPEN_KNOWN) | O_LARGEFILE, mode};
}

SYSCALL4(openat, int, dirfd, const char __user *, name, int, flags, mode_t, mode)
{
    struct open_how_k how = how_of(flags, mode);

    return do_openat(dirfd, name, &how);
}

SYSCALL3(open, const char __user *, name, int, flags, mode_t, mode)
{
    struct open_how_k how = how_of(flags, mode);

    return do_openat(AT_FDCWD, name, &how);
}

SYSCALL2(creat, const char __user *, name, mode_t, mode)
{
    struct open_how_k how = how_of(O_CREAT | O_WRONLY | O_TRUNC, mode);

    return do_openat(AT_FDCWD, name, &how);
}

/* Restrictions of the walk (resolve) are not offered: EINVAL as from a kernel that does not know
 * them. */
SYSCALL4(openat2, int, dirfd, const char __user *, name, struct open_how __user *, uhow, size_t,
         size)
{
    struct open_how h;
    struct open_how_k how;

    if (size < sizeof(h))
        return -EINVAL;
    if (size > sizeof(h))
        return -E2BIG;
    if (copy_from_user(&h, uhow, sizeof(h)))
        return -EFAULT;
    if ((h.flags & ~(u64)OPEN_KNOWN) || h.resolve != 0)
        return -EINVAL;
    if ((h.mode & ~07777ULL) || (h.mode && !(h.flags & (O_CREAT | __O_TMPFILE))))
        return -EINVAL;
    if ((h.flags & O_PATH) && (h.flags & ~(u64)OPEN_PATH_KNOWN))
        return -EINVAL;
    how = (struct open_how_k){(unsigned int)h.flags | O_LARGEFILE, (mode_t)h.mode};
    return do_openat(dirfd, name, &how);
}
