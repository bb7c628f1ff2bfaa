/* SPDX-License-Identifier: MIT */
/*
 * attr.c: changing what an inode says about itself: chmod, chown, utimensat and relatives, and
 * access(2). Locks: INODE, for writing, around each change. Source: chmod(2), chown(2),
 * utimensat(2), access(2).
 */
#include "internal.h"
#include "names.h"
#include <kernel/syscall.h>
#include <linux/mount.h>

/* A path for a call with AT_ flags that may be changed: writable mount. */
static int path_to_change(int dirfd, const char __user *name, int flags, struct path *p)
{
    int ret = walk_user_path(dirfd, name, at_walk(flags), p);

    if (ret)
        return ret;
    ret = mount_want_write(p->mnt);
    if (ret)
        path_put(p);
    return ret;
}

/* ---- chmod ---- */

static int set_mode(struct inode *i, mode_t mode)
{
    int ret = 0;

    rwsem_write_lock(&i->lock);
    if (!inode_owner_or_root(i)) {
        ret = -EPERM;
    } else {
        if ((mode & S_ISGID) && !S_ISDIR(i->mode) && !current_in_group(i->gid) && !has_capability())
            mode &= ~(mode_t)S_ISGID;
        i->mode = (i->mode & S_IFMT) | (mode & 07777);
        i->ctime = time_now();
    }
    rwsem_write_unlock(&i->lock);
    return ret;
}

static int do_chmod(int dirfd, const char __user *name, mode_t mode)
{
    struct path p;
    int ret = path_to_change(dirfd, name, 0, &p);

    if (ret)
        return ret;
    ret = set_mode(p.dentry->inode, mode);
    path_put(&p);
    return ret;
}

SYSCALL3(fchmodat, int, dirfd, const char __user *, name, mode_t, mode)
{
    return do_chmod(dirfd, name, mode);
}

SYSCALL2(chmod, const char __user *, name, mode_t, mode)
{
    return do_chmod(AT_FDCWD, name, mode);
}

SYSCALL2(fchmod, int, fd, mode_t, mode)
{
    struct fdref r = fdref_get(fd);
    int ret;

    if (!r.file)
        return -EBADF;
    ret = mount_want_write(r.file->mnt);
    if (ret == 0)
        ret = set_mode(r.file->inode, mode);
    fdref_put(r);
    return ret;
}

/* ---- chown ---- */

static int set_owner(struct inode *i, uid_t uid, gid_t gid)
{
    bool root = has_capability();
    int ret = 0;

    rwsem_write_lock(&i->lock);
    if (uid != (uid_t)-1 && !root && (uid != i->uid || current->proc->fsuid != i->uid))
        ret = -EPERM;
    else if (gid != (gid_t)-1 && !root &&
             (current->proc->fsuid != i->uid || (gid != i->gid && !current_in_group(gid))))
        ret = -EPERM;
    if (ret == 0) {
        if (uid != (uid_t)-1)
            i->uid = uid;
        if (gid != (gid_t)-1)
            i->gid = gid;
        if (!S_ISDIR(i->mode) && (uid != (uid_t)-1 || gid != (gid_t)-1)) {
            i->mode &= ~(mode_t)S_ISUID;
            if (i->mode & S_IXGRP)
                i->mode &= ~(mode_t)S_ISGID;
        }
        i->ctime = time_now();
    }
    rwsem_write_unlock(&i->lock);
    return ret;
}

static int do_chown(int dirfd, const char __user *name, uid_t uid, gid_t gid, int flags)
{
    struct path p;
    int ret = path_to_change(dirfd, name, flags, &p);

    if (ret)
        return ret;
    ret = set_owner(p.dentry->inode, uid, gid);
    path_put(&p);
    return ret;
}

SYSCALL5(fchownat, int, dirfd, const char __user *, name, uid_t, uid, gid_t, gid, int, flags)
{
    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    return do_chown(dirfd, name, uid, gid, flags);
}

SYSCALL3(chown, const char __user *, name, uid_t, uid, gid_t, gid)
{
    return do_chown(AT_FDCWD, name, uid, gid, 0);
}

SYSCALL3(lchown, const char __user *, name, uid_t, uid, gid_t, gid)
{
    return do_chown(AT_FDCWD, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

SYSCALL3(fchown, int, fd, uid_t, uid, gid_t, gid)
{
    struct fdref r = fdref_get(fd);
    int ret;

    if (!r.file)
        return -EBADF;
    ret = mount_want_write(r.file->mnt);
    if (ret == 0)
        ret = set_owner(r.file->inode, uid, gid);
    fdref_put(r);
    return ret;
}

/* ---- times ---- */

#define UTIME_NOW_NSEC  ((1L << 30) - 1L)
#define UTIME_OMIT_NSEC ((1L << 30) - 2L)

/* times NULL: now, both. */
static int set_times(struct inode *i, const struct timespec64 *times)
{
    static const struct timespec64 both_now[2] = {{0, UTIME_NOW_NSEC}, {0, UTIME_NOW_NSEC}};
    struct timespec64 now = time_now();
    int ret = 0;

    if (!times)
        times = both_now;
    if (times[0].nsec == UTIME_OMIT_NSEC && times[1].nsec == UTIME_OMIT_NSEC)
        return 0;
    rwsem_write_lock(&i->lock);
    /* Setting both to now only needs the right to write; anything else is the owner's. */
    if (times[0].nsec == UTIME_NOW_NSEC && times[1].nsec == UTIME_NOW_NSEC) {
        if (!inode_owner_or_root(i))
            ret = inode_permission(i, MAY_WRITE);
    } else if (!inode_owner_or_root(i)) {
        ret = -EPERM;
    }
    if (ret == 0) {
        if (times[0].nsec != UTIME_OMIT_NSEC)
            i->atime = times[0].nsec == UTIME_NOW_NSEC ? now : times[0];
        if (times[1].nsec != UTIME_OMIT_NSEC)
            i->mtime = times[1].nsec == UTIME_NOW_NSEC ? now : times[1];
        i->ctime = now;
    }
    rwsem_write_unlock(&i->lock);
    return ret;
}

static int do_utimes(int dirfd, const char __user *name, const struct timespec64 *times, int flags)
{
    struct path p;
    int ret;

    if (!name) {
        struct fdref r = fdref_get(dirfd);

        if (!r.file)
            return dirfd == AT_FDCWD ? -EFAULT : -EBADF;
        ret = flags ? -EINVAL : set_times(r.file->inode, times);
        fdref_put(r);
        return ret;
    }
    ret = path_to_change(dirfd, name, flags, &p);
    if (ret)
        return ret;
    ret = set_times(p.dentry->inode, times);
    path_put(&p);
    return ret;
}

static bool nsec_valid(s64 nsec)
{
    return (nsec >= 0 && nsec < (s64)NSEC_PER_SEC) || nsec == UTIME_NOW_NSEC ||
           nsec == UTIME_OMIT_NSEC;
}

SYSCALL4(utimensat, int, dirfd, const char __user *, name, const void __user *, utimes, int, flags)
{
    struct timespec64 times[2]; /* struct timespec of a 64-bit program has the same layout */

    if (flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
        return -EINVAL;
    if (!utimes)
        return do_utimes(dirfd, name, NULL, flags);
    if (copy_from_user(times, utimes, sizeof(times)))
        return -EFAULT;
    if (!nsec_valid(times[0].nsec) || !nsec_valid(times[1].nsec))
        return -EINVAL;
    return do_utimes(dirfd, name, times, flags);
}

/* struct timeval pairs: microseconds. */
static long utimes_us(int dirfd, const char __user *name, const void __user *utimes)
{
    struct timespec64 times[2];

    if (!utimes)
        return do_utimes(dirfd, name, NULL, 0);
    if (copy_from_user(times, utimes, sizeof(times)))
        return -EFAULT;
    for (int n = 0; n < 2; n++) {
        if (times[n].nsec < 0 || times[n].nsec >= 1000000)
            return -EINVAL;
        times[n].nsec *= 1000;
    }
    return do_utimes(dirfd, name, times, 0);
}

SYSCALL2(utimes, const char __user *, name, const void __user *, times)
{
    return utimes_us(AT_FDCWD, name, times);
}

SYSCALL3(futimesat, int, dirfd, const char __user *, name, const void __user *, times)
{
    return utimes_us(dirfd, name, times);
}

SYSCALL2(utime, const char __user *, name, const void __user *, utimes)
{
    struct timespec64 times[2] = {{0, 0}, {0, 0}};
    s64 sec[2];

    if (!utimes)
        return do_utimes(AT_FDCWD, name, NULL, 0);
    if (copy_from_user(sec, utimes, sizeof(sec)))
        return -EFAULT;
    times[0].sec = sec[0];
    times[1].sec = sec[1];
    return do_utimes(AT_FDCWD, name, times, 0);
}

/* ---- access ---- */

static int do_faccessat(int dirfd, const char __user *name, int mode, int flags)
{
    const struct process *me = current->proc;
    struct path p;
    struct inode *i;
    int ret;

    if ((mode & ~7) || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)))
        return -EINVAL;
    ret = walk_user_path(dirfd, name, at_walk(flags), &p);
    if (ret)
        return ret;
    i = p.dentry->inode;
    if ((mode & MAY_EXEC) && S_ISREG(i->mode) && (p.mnt->flags & MS_NOEXEC))
        ret = -EACCES;
    else if (flags & AT_EACCESS)
        ret = inode_permission(i, mode);
    else
        ret = inode_permission_ids(i, mode, me->uid, me->gid);
    if (ret == 0 && (mode & MAY_WRITE) &&
        (S_ISREG(i->mode) || S_ISDIR(i->mode) || S_ISLNK(i->mode)))
        ret = mount_want_write(p.mnt);
    path_put(&p);
    return ret;
}

SYSCALL4(faccessat2, int, dirfd, const char __user *, name, int, mode, int, flags)
{
    return do_faccessat(dirfd, name, mode, flags);
}

SYSCALL3(faccessat, int, dirfd, const char __user *, name, int, mode)
{
    return do_faccessat(dirfd, name, mode, 0);
}

SYSCALL2(access, const char __user *, name, int, mode)
{
    return do_faccessat(AT_FDCWD, name, mode, 0);
}
