/* SPDX-License-Identifier: MIT */
/*
 * inode.c: the life of inodes, who may use them, and their times.
 *
 * Does not know names (dentry.c) or contents (the file systems). Locks: inode->lock (INODE) guards
 * mode, owner, times and size against writers; readers of single words take none.
 *
 * Invariants: I1 refs > 0 while a dentry names the inode; I2 evict runs once, when refs reach 0; I3
 * writers > 0 and writers < 0 exclude each other. Checked by the leak check of the object caches.
 * Read next: dentry.c.
 */
#include "internal.h"
#include <kernel/time.h>

static struct kmem_cache *inode_cache;
static atomic_long_t last_ino;

struct timespec64 time_now(void)
{
    u64 ns = clock_realtime_ns();

    return (struct timespec64){(s64)(ns / NSEC_PER_SEC), (s64)(ns % NSEC_PER_SEC)};
}

struct inode *inode_alloc(struct super_block *sb, mode_t mode)
{
    struct inode *i;

    if (!inode_cache)
        inode_cache = kmem_cache_create("inode", sizeof(struct inode), 0, NULL);
    i = kmem_cache_alloc(inode_cache, GFP_KERNEL | GFP_ZERO);
    if (!i)
        return NULL;
    atomic_set(&i->refs, 1);
    i->ino = (ino_t)atomic_long_inc_return(&last_ino);
    i->mode = mode;
    i->nlink = 1;
    i->uid = current->proc->fsuid;
    i->gid = current->proc->fsgid;
    i->atime = i->mtime = i->ctime = i->btime = time_now();
    i->sb = sb;
    i->dir_cookie = 2; /* 0 and 1 are "." and ".." */
    rwsem_init(&i->lock, LOCK_INODE);
    return i;
}

void inode_put(struct inode *i)
{
    if (!i || !atomic_dec_and_test(&i->refs))
        return;
    if (i->evict)
        i->evict(i);
    ASSERT(i->locks == NULL && i->pipe == NULL);
    kmem_cache_free(inode_cache, i);
}

void inode_inherit(struct inode *i, const struct inode *dir)
{
    if (!(dir->mode & S_ISGID))
        return;
    i->gid = dir->gid;
    if (S_ISDIR(i->mode))
        i->mode |= S_ISGID;
    else if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) && !current_in_group(i->gid) &&
             !has_capability())
        i->mode &= ~(mode_t)S_ISGID;
}

bool current_in_group(gid_t gid)
{
    const struct process *p = current->proc;

    if (p->fsgid == gid || p->egid == gid)
        return true;
    for (int n = 0; n < p->ngroups; n++)
        if (p->groups[n] == gid)
            return true;
    return false;
}

static bool gid_matches(gid_t want, gid_t own)
{
    const struct process *p = current->proc;

    if (want == own)
        return true;
    for (int n = 0; n < p->ngroups; n++)
        if (p->groups[n] == want)
            return true;
    return false;
}

int inode_permission_ids(struct inode *i, int mask, uid_t uid, gid_t gid)
{
    mode_t bits = i->mode;

    if (uid == 0) {
        /* Root may read and write everything, and run what anybody may run. */
        if (!(mask & MAY_EXEC) || S_ISDIR(i->mode) || (i->mode & 0111))
            return 0;
        return -EACCES;
    }
    if (uid == i->uid)
        bits >>= 6;
    else if (gid_matches(i->gid, gid))
        bits >>= 3;
    return ((mode_t)mask & ~bits & 7) ? -EACCES : 0;
}

int inode_permission(struct inode *i, int mask)
{
    int ret = inode_permission_ids(i, mask, current->proc->fsuid, current->proc->fsgid);

    if (ret == 0 && i->iop && i->iop->permission)
        ret = i->iop->permission(i, mask);
    return ret;
}

bool inode_owner_or_root(const struct inode *i)
{
    return current->proc->fsuid == i->uid || has_capability();
}

void inode_modified(struct inode *i)
{
    i->mtime = i->ctime = time_now();
}

void inode_accessed_slow(struct inode *i)
{
    i->atime = time_now();
}

void inode_drop_suid(struct inode *i)
{
    mode_t drop = i->mode & S_ISUID;

    if ((i->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
        drop |= S_ISGID;
    if (drop && S_ISREG(i->mode) && !has_capability())
        i->mode &= ~drop;
}

void inode_getattr(struct inode *i, struct kstat *st)
{
    *st = (struct kstat){
        .dev = i->sb->dev,
        .ino = i->ino,
        .rdev = i->rdev,
        .size = READ_ONCE(i->size),
        .mode = i->mode,
        .nlink = i->nlink,
        .uid = i->uid,
        .gid = i->gid,
        .blksize = PAGE_SIZE,
        .atime = i->atime,
        .mtime = i->mtime,
        .ctime = i->ctime,
        .btime = i->btime,
    };
    if (i->iop && i->iop->getattr)
        (void)i->iop->getattr(i, st);
}

/* One counter for both: moves away from zero in one direction only. */
static int writers_move(struct inode *i, int step)
{
    int n = atomic_read(&i->writers);

    for (;;) {
        if (n * step < 0)
            return -ETXTBSY;
        int found = atomic_cmpxchg(&i->writers, n, n + step);
        if (found == n)
            return 0;
        n = found;
    }
}

int inode_write_get(struct inode *i)
{
    return writers_move(i, 1);
}

void inode_write_put(struct inode *i)
{
    atomic_dec(&i->writers);
}

int inode_exec_get(struct inode *i)
{
    return writers_move(i, -1);
}

void inode_exec_put(struct inode *i)
{
    atomic_inc(&i->writers);
}
