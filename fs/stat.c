/* SPDX-License-Identifier: MIT */
/*
 * stat.c: stat(2) and its relatives, statx(2), readlink(2), statfs(2). Read only; no locks: single
 * words are read once. Source: stat(2), statx(2), readlink(2), statfs(2). Read next: inode.c,
 * inode_getattr.
 */
#include "internal.h"
#undef __unused /* a field of this name is in the header below */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <kernel/syscall.h>
#include <linux/magic.h>

/* The kernel's 12:20 bits as user programs have them. */
static u32 dev_to_user(dev_t dev)
{
    return (MINOR(dev) & 0xff) | (MAJOR(dev) << 8) | ((MINOR(dev) & ~0xffu) << 12);
}

static int stat_to_user(const struct kstat *k, struct stat __user *ust)
{
    struct stat st;

    memset(&st, 0, sizeof(st));
    st.st_dev = dev_to_user(k->dev);
    st.st_ino = k->ino;
    st.st_mode = k->mode;
    st.st_nlink = k->nlink;
    st.st_uid = k->uid;
    st.st_gid = k->gid;
    st.st_rdev = dev_to_user(k->rdev);
    st.st_size = (long)k->size;
    st.st_blksize = k->blksize;
    st.st_blocks = k->blocks;
    st.st_atime = (unsigned long)k->atime.sec;
    st.st_atime_nsec = (unsigned long)k->atime.nsec;
    st.st_mtime = (unsigned long)k->mtime.sec;
    st.st_mtime_nsec = (unsigned long)k->mtime.nsec;
    st.st_ctime = (unsigned long)k->ctime.sec;
    st.st_ctime_nsec = (unsigned long)k->ctime.nsec;
    return copy_to_user(ust, &st, sizeof(st));
}

static long do_fstat(int fd, struct kstat *k)
{
    struct fdref r = fdref_get_any(fd);

    if (!r.file)
        return -EBADF;
    inode_getattr(r.file->inode, k);
    fdref_put(r);
    return 0;
}

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)

static long do_stat(int dirfd, const char __user *name, int flags, struct kstat *k)
{
    struct path p;
    int ret;
    u8 first;

    if (flags & AT_EMPTY_PATH) {
        if (get_user_u8(&first, name))
            return -EFAULT;
        if (first == '\0' && dirfd != AT_FDCWD)
            return do_fstat(dirfd, k);
    }
    ret = walk_user_path(dirfd, name, at_walk(flags), &p);
    if (ret)
        return ret;
    inode_getattr(p.dentry->inode, k);
    path_put(&p);
    return 0;
}

SYSCALL4(newfstatat, int, dirfd, const char __user *, name, struct stat __user *, st, int, flags)
{
    struct kstat k;
    long ret;

    if (flags & ~STAT_FLAGS)
        return -EINVAL;
    ret = do_stat(dirfd, name, flags, &k);
    return ret ? ret : stat_to_user(&k, st);
}

SYSCALL2(stat, const char __user *, name, struct stat __user *, st)
{
    struct kstat k;
    long ret = do_stat(AT_FDCWD, name, 0, &k);

    return ret ? ret : stat_to_user(&k, st);
}

SYSCALL2(lstat, const char __user *, name, struct stat __user *, st)
{
    struct kstat k;
    long ret = do_stat(AT_FDCWD, name, AT_SYMLINK_NOFOLLOW, &k);

    return ret ? ret : stat_to_user(&k, st);
}

SYSCALL2(fstat, int, fd, struct stat __user *, st)
{
    struct kstat k;
    long ret = do_fstat(fd, &k);

    return ret ? ret : stat_to_user(&k, st);
}

/* ---- statx ---- */

static struct statx_timestamp statx_time(const struct timespec64 *t)
{
    return (struct statx_timestamp){.tv_sec = t->sec, .tv_nsec = (u32)t->nsec};
}

SYSCALL5(statx, int, dirfd, const char __user *, name, unsigned int, flags, unsigned int, mask,
         struct statx __user *, ux)
{
    struct kstat k;
    struct statx x;
    long ret;

    if (mask & STATX__RESERVED)
        return -EINVAL;
    if ((flags & ~(STAT_FLAGS | AT_STATX_SYNC_TYPE)) ||
        (flags & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE)
        return -EINVAL;
    ret = do_stat(dirfd, name, (int)flags, &k);
    if (ret)
        return ret;
    memset(&x, 0, sizeof(x));
    x.stx_mask = STATX_BASIC_STATS | STATX_BTIME;
    x.stx_blksize = k.blksize;
    x.stx_nlink = k.nlink;
    x.stx_uid = k.uid;
    x.stx_gid = k.gid;
    x.stx_mode = (u16)k.mode;
    x.stx_ino = k.ino;
    x.stx_size = k.size;
    x.stx_blocks = k.blocks;
    x.stx_atime = statx_time(&k.atime);
    x.stx_btime = statx_time(&k.btime);
    x.stx_ctime = statx_time(&k.ctime);
    x.stx_mtime = statx_time(&k.mtime);
    x.stx_rdev_major = MAJOR(k.rdev);
    x.stx_rdev_minor = MINOR(k.rdev);
    x.stx_dev_major = MAJOR(k.dev);
    x.stx_dev_minor = MINOR(k.dev);
    return copy_to_user(ux, &x, sizeof(x));
}

/* ---- readlink ---- */

/* What a magic link shows: the path that it leads to. */
static ssize_t follow_text(struct inode *i, char *buf, size_t n)
{
    struct path to, root;
    char *text;
    ssize_t len;
    int ret = i->iop->follow(i, &to);

    if (ret)
        return ret;
    root = fs_root_get(current->fs);
    text = path_text(&to, &root, buf, n, true);
    len = IS_ERR(text) ? PTR_ERR(text) : (ssize_t)strlen(text);
    if (len > 0)
        memmove(buf, text, (size_t)len);
    path_put(&root);
    path_put(&to);
    return len;
}

/* What readlink says: the text, or where a magic link leads. Length or -errno. */
static ssize_t link_text(struct inode *i, char *buf, size_t n)
{
    if (i->iop->follow && !i->iop->readlink)
        return follow_text(i, buf, n);
    return i->iop->readlink(i, buf, n);
}

static long do_readlinkat(int dirfd, const char __user *name, char __user *ubuf, int size)
{
    struct path p;
    struct inode *i;
    char *buf;
    long ret;

    if (size <= 0)
        return -EINVAL;
    ret = walk_user_path(dirfd, name, WALK_EMPTY, &p);
    if (ret)
        return ret;
    i = p.dentry->inode;
    buf = NULL;
    if (!S_ISLNK(i->mode)) {
        u8 first = 1;

        /* An empty name means dirfd itself, which must then be a link. */
        ret = get_user_u8(&first, name) ? -EFAULT : first == '\0' ? -ENOENT : -EINVAL;
    } else {
        buf = kmalloc(PATH_MAX_LEN);
        ret = buf ? link_text(i, buf, PATH_MAX_LEN) : -ENOMEM;
        inode_accessed(i);
    }
    if (ret > 0) {
        ret = min(ret, (long)size);
        if (copy_to_user(ubuf, buf, (size_t)ret))
            ret = -EFAULT;
    }
    kfree(buf);
    path_put(&p);
    return ret;
}

SYSCALL4(readlinkat, int, dirfd, const char __user *, name, char __user *, buf, int, size)
{
    return do_readlinkat(dirfd, name, buf, size);
}

SYSCALL3(readlink, const char __user *, name, char __user *, buf, int, size)
{
    return do_readlinkat(AT_FDCWD, name, buf, size);
}

/* ---- statfs ---- */

static void fill_statfs(struct super_block *sb, unsigned long flags, struct statfs *st)
{
    u64 used = (u64)atomic_long_read(&sb->used_blocks),
        inodes = (u64)atomic_long_read(&sb->used_inodes);

    memset(st, 0, sizeof(*st));
    st->f_type = sb->magic;
    st->f_bsize = st->f_frsize = PAGE_SIZE;
    st->f_namelen = NAME_MAX_LEN;
    st->f_fsid.val[0] = (int)dev_to_user(sb->dev);
    st->f_flags = 0x20 | (long)(flags & 0xffff); /* ST_VALID */
    if (sb->max_blocks) {
        st->f_blocks = (long)sb->max_blocks;
        st->f_bfree = st->f_bavail = (long)(sb->max_blocks - min(used, sb->max_blocks));
    }
    if (sb->max_inodes) {
        st->f_files = (long)sb->max_inodes;
        st->f_ffree = (long)(sb->max_inodes - min(inodes, sb->max_inodes));
    }
    if (sb->type->statfs)
        sb->type->statfs(sb, st);
}

SYSCALL2(statfs, const char __user *, name, struct statfs __user *, ust)
{
    struct statfs st;
    struct path p;
    int ret = walk_user_path(AT_FDCWD, name, WALK_FOLLOW, &p);

    if (ret)
        return ret;
    fill_statfs(p.dentry->inode->sb, p.mnt->flags, &st);
    path_put(&p);
    return copy_to_user(ust, &st, sizeof(st));
}

SYSCALL2(fstatfs, int, fd, struct statfs __user *, ust)
{
    struct fdref r = fdref_get_any(fd);
    struct statfs st;

    if (!r.file)
        return -EBADF;
    fill_statfs(r.file->inode->sb, r.file->mnt->flags, &st);
    fdref_put(r);
    return copy_to_user(ust, &st, sizeof(st));
}

#ifdef __NR_statfs64 /* the same structure where long is long */
SYSCALL3(statfs64, const char __user *, name, size_t, size, struct statfs __user *, ust)
{
    return size == sizeof(struct statfs) ? sys_statfs(name, ust) : -EINVAL;
}

SYSCALL3(fstatfs64, int, fd, size_t, size, struct statfs __user *, ust)
{
    return size == sizeof(struct statfs) ? sys_fstatfs(fd, ust) : -EINVAL;
}
#endif
