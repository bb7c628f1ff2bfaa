/* SPDX-License-Identifier: MIT */
/*
 * locks.c: advisory file locks: flock(2) on whole files, fcntl(2) record locks of processes
 * (F_SETLK) and of open files (F_OFD_SETLK).
 *
 * An inode has one list of locks of all kinds; flock and record locks do not see each other. A
 * record lock belongs to a descriptor table (a process) and goes when that closes any descriptor of
 * the file; the others belong to the open file. A blocked caller sleeps until some lock somewhere
 * is released and tries again. Deadlocks are not looked for.
 *
 * Locks: locks_lock (LEAF) for all lists and the release counter. Invariants: I1 record locks of
 * one owner on one inode do not overlap. Checked by tests/user/fs_test.c. Source:
 * flock(2), fcntl(2). Read next: fcntl.c.
 */
#include "internal.h"
#include <kernel/syscall.h>

#define END_OF_FILE 0x7fffffffffffffffLL
/* flock's operations; the package has no header with them. */
#define LOCK_SH_OP 1
#define LOCK_EX_OP 2
#define LOCK_NB_OP 4
#define LOCK_UN_OP 8

enum lock_kind { KIND_FLOCK, KIND_RECORD };

struct file_lock {
    struct file_lock *next;
    const void *owner; /* struct file or struct files */
    enum lock_kind kind;
    short type;     /* F_RDLCK, F_WRLCK */
    pid_t pid;      /* for F_GETLK; -1 for locks of open files */
    s64 start, end; /* both inside */
};

static spinlock_t locks_lock = SPINLOCK_INIT(LOCK_LEAF);
static struct wait_queue locks_wait = WAIT_QUEUE_INIT(locks_wait);
static u32 nr_releases; /* wraps */

static bool overlaps(const struct file_lock *a, const struct file_lock *b)
{
    return a->start <= b->end && b->start <= a->end;
}

static struct file_lock *find_conflict(struct inode *i, const struct file_lock *want)
{
    for (struct file_lock *l = i->locks; l; l = l->next)
        if (l->kind == want->kind && l->owner != want->owner && overlaps(l, want) &&
            (l->type == F_WRLCK || want->type == F_WRLCK))
            return l;
    return NULL;
}

static void chain_free(struct file_lock *l)
{
    while (l) {
        struct file_lock *next = l->next;

        kfree(l);
        l = next;
    }
}

/*
 * Cuts [want->start, want->end] out of the owner's locks. A lock that loses its middle needs a
 * second structure: *spare. What falls away goes to *dead. locks_lock held.
 */
static void cut_out(struct inode *i, const struct file_lock *want, struct file_lock **spare,
                    struct file_lock **dead)
{
    struct file_lock **at = &i->locks, *l;

    while ((l = *at) != NULL) {
        if (l->kind != want->kind || l->owner != want->owner || !overlaps(l, want)) {
            at = &l->next;
            continue;
        }
        if (l->start < want->start && l->end > want->end) {
            struct file_lock *upper = *spare;

            *spare = NULL;
            *upper = *l;
            upper->start = want->end + 1;
            l->end = want->start - 1;
            l->next = upper;
            return;
        }
        if (l->start < want->start) {
            l->end = want->start - 1;
            at = &l->next;
        } else if (l->end > want->end) {
            l->start = want->end + 1;
            at = &l->next;
        } else {
            *at = l->next;
            l->next = *dead;
            *dead = l;
        }
    }
}

/* Joins @l with a neighbour of the same kind, owner and type. */
static void merge(struct inode *i, struct file_lock *l, struct file_lock **dead)
{
    struct file_lock **at = &i->locks, *o;

    while ((o = *at) != NULL) {
        bool same = o != l && o->kind == l->kind && o->owner == l->owner && o->type == l->type;

        if (same && (o->end + 1 == l->start || l->end + 1 == o->start)) {
            l->start = min(l->start, o->start);
            l->end = max(l->end, o->end);
            *at = o->next;
            o->next = *dead;
            *dead = o;
            continue;
        }
        at = &o->next;
    }
}

static void released(void)
{
    unsigned long flags = spin_lock_irqsave(&locks_lock);

    nr_releases++;
    spin_unlock_irqrestore(&locks_lock, flags);
    wake_up_all(&locks_wait);
}

/* @type F_UNLCK: releases. 0, -EAGAIN, -ENOMEM; *seen is the release counter when it was refused.
 */
static int lock_try(struct file *f, const struct file_lock *want, short type, u32 *seen)
{
    struct file_lock *new = kmalloc(sizeof(*new)), *spare = kmalloc(sizeof(*spare)), *dead = NULL;
    struct inode *i = f->inode;
    unsigned long flags;
    int ret = 0;

    if (!new || !spare) {
        kfree(new);
        kfree(spare);
        return -ENOMEM;
    }
    flags = spin_lock_irqsave(&locks_lock);
    *seen = nr_releases;
    if (type != F_UNLCK && find_conflict(i, want)) {
        ret = -EAGAIN;
    } else {
        cut_out(i, want, &spare, &dead);
        if (type != F_UNLCK) {
            *new = *want;
            new->next = i->locks;
            i->locks = new;
            if (want->kind == KIND_RECORD)
                merge(i, new, &dead);
            new = NULL;
            f->f_mode |= FMODE_LOCKED;
        }
    }
    spin_unlock_irqrestore(&locks_lock, flags);
    kfree(new);
    kfree(spare);
    if (dead || type == F_UNLCK)
        released();
    chain_free(dead);
    return ret;
}

static int lock_set(struct file *f, struct file_lock *want, short type, bool wait)
{
    u32 seen;

    want->type = type;
    for (;;) {
        int ret = lock_try(f, want, type, &seen);

        if (ret != -EAGAIN || !wait)
            return ret;
        if (wait_event_interruptible(&locks_wait, READ_ONCE(nr_releases) != seen))
            return -ERESTARTSYS;
    }
}

/* All locks of @owner on @i. */
static void release_owner(struct inode *i, const void *owner)
{
    struct file_lock **at = &i->locks, *l, *dead = NULL;
    unsigned long flags = spin_lock_irqsave(&locks_lock);

    while ((l = *at) != NULL) {
        if (l->owner != owner) {
            at = &l->next;
            continue;
        }
        *at = l->next;
        l->next = dead;
        dead = l;
    }
    spin_unlock_irqrestore(&locks_lock, flags);
    if (dead)
        released();
    chain_free(dead);
}

void locks_release_posix(struct file *f, struct files *owner)
{
    release_owner(f->inode, owner);
}

void locks_release_file(struct file *f)
{
    release_owner(f->inode, f);
}

/* ---- fcntl ---- */

static int range_from_flock(struct file *f, const struct flock *fl, struct file_lock *l)
{
    s64 base = 0;

    switch (fl->l_whence) {
    case SEEK_SET: break;
    case SEEK_CUR: base = f->pos; break;
    case SEEK_END: base = (s64)READ_ONCE(f->inode->size); break;
    default: return -EINVAL;
    }
    if (__builtin_add_overflow(base, fl->l_start, &l->start))
        return -EOVERFLOW;
    if (fl->l_len > 0) {
        if (__builtin_add_overflow(l->start, fl->l_len - 1, &l->end))
            return -EOVERFLOW;
    } else if (fl->l_len < 0) {
        l->end = l->start - 1;
        if (__builtin_add_overflow(l->start, fl->l_len, &l->start))
            return -EINVAL;
    } else {
        l->end = END_OF_FILE;
    }
    return l->start < 0 ? -EINVAL : 0;
}

static long get_lock(struct file *f, struct file_lock *want, struct flock *fl, void __user *arg)
{
    const struct file_lock *l;
    unsigned long flags;

    if (fl->l_type != F_RDLCK && fl->l_type != F_WRLCK)
        return -EINVAL;
    want->type = fl->l_type;
    flags = spin_lock_irqsave(&locks_lock);
    l = find_conflict(f->inode, want);
    if (l) {
        fl->l_type = l->type;
        fl->l_whence = SEEK_SET;
        fl->l_start = l->start;
        fl->l_len = l->end == END_OF_FILE ? 0 : l->end - l->start + 1;
        fl->l_pid = l->pid;
    } else {
        fl->l_type = F_UNLCK;
    }
    spin_unlock_irqrestore(&locks_lock, flags);
    return copy_to_user(arg, fl, sizeof(*fl));
}

long locks_fcntl(struct file *f, unsigned int cmd, void __user *arg)
{
    bool ofd = cmd == F_OFD_GETLK || cmd == F_OFD_SETLK || cmd == F_OFD_SETLKW;
    struct file_lock want = {.kind = KIND_RECORD};
    struct flock fl;
    int ret;

    if (copy_from_user(&fl, arg, sizeof(fl)))
        return -EFAULT;
    if (ofd && fl.l_pid != 0)
        return -EINVAL;
    want.owner = ofd ? (const void *)f : current->files;
    want.pid = ofd ? -1 : current->proc->tgid;
    ret = range_from_flock(f, &fl, &want);
    if (ret)
        return ret;
    if (cmd == F_GETLK || cmd == F_OFD_GETLK)
        return get_lock(f, &want, &fl, arg);
    if (fl.l_type == F_RDLCK && !(f->f_mode & FMODE_READ))
        return -EBADF;
    if (fl.l_type == F_WRLCK && !(f->f_mode & FMODE_WRITE))
        return -EBADF;
    if (fl.l_type != F_RDLCK && fl.l_type != F_WRLCK && fl.l_type != F_UNLCK)
        return -EINVAL;
    return lock_set(f, &want, fl.l_type, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
}

/* ---- flock ---- */

SYSCALL2(flock, int, fd, unsigned int, op)
{
    struct file_lock want = {.kind = KIND_FLOCK, .end = END_OF_FILE};
    struct fdref r = fdref_get(fd);
    unsigned int what = op & ~(unsigned int)LOCK_NB_OP;
    long ret;

    if (!r.file)
        return -EBADF;
    want.owner = r.file;
    want.pid = current->proc->tgid;
    if (what == LOCK_UN_OP)
        ret = lock_set(r.file, &want, F_UNLCK, false);
    else if (what == LOCK_SH_OP || what == LOCK_EX_OP)
        ret = lock_set(r.file, &want, what == LOCK_SH_OP ? F_RDLCK : F_WRLCK, !(op & LOCK_NB_OP));
    else
        ret = -EINVAL;
    fdref_put(r);
    return ret;
}
