/* SPDX-License-Identifier: MIT */
/*
 * shm_ctl.c: shmctl(2): looking at System V segments, changing their owner and mode, removing them.
 *
 * Places in the table stand for Linux's slots. Nothing leaves memory here, so SHM_LOCK is a mark.
 * Locks: as in shm.c. Checked by tests/kernel/mm/shm_ktest.c.
 * Source: shmctl(2). Read next: shm.c.
 */
#include <arch/current.h>
#include <asm/errno.h>
#include <kernel/cred.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <mm/mm.h>
#include <mm/page_cache.h>
#include <uapi/shm.h>
#include "shm_internal.h"

static u64 segment_pages(const struct shm_segment *s)
{
    return PAGE_ALIGN(s->object->inode->size) >> PAGE_SHIFT;
}

/* Base pages that it has. */
static u64 resident_pages(const struct shm_segment *s)
{
    size_t len = 1;
    unsigned int level = s->object->op->map_level ? s->object->op->map_level(s->object, &len) : 0;

    return mapping_nr_pages(s->object->mapping) << (pt_shift(level) - PAGE_SHIFT);
}

/* Is current its owner or creator? shm_lock held. */
static bool owns(const struct shm_segment *s)
{
    lock_assert_held(&shm_lock);
    return current->proc->euid == s->uid || current->proc->euid == s->cuid || has_capability();
}

static unsigned long count_attachments(struct shm_segment *s)
{
    struct mapping *m = s->object->mapping;
    struct list_head *p;
    unsigned long n = 0;

    rwsem_read_lock(&m->vmas_lock);
    for (p = m->vmas.next; p != &m->vmas; p = p->next)
        n++;
    rwsem_read_unlock(&m->vmas_lock);
    return n;
}

static long shm_stat(int cmd, struct shm_segment *s, struct shmid64_ds __user *out)
{
    struct shmid64_ds d;
    bool ok;

    memset(&d, 0, sizeof(d));
    mutex_lock(&shm_lock);
    ok = cmd == SHM_STAT_ANY || shm_permitted(s, 0444);
    d.shm_perm.key = s->key;
    d.shm_perm.uid = s->uid;
    d.shm_perm.gid = s->gid;
    d.shm_perm.cuid = s->cuid;
    d.shm_perm.cgid = s->cgid;
    d.shm_perm.mode = s->mode;
    d.shm_segsz = s->size;
    d.shm_atime = s->atime;
    d.shm_dtime = s->dtime;
    d.shm_ctime = s->ctime;
    d.shm_cpid = s->cpid;
    d.shm_lpid = s->lpid;
    mutex_unlock(&shm_lock);
    if (!ok)
        return -EACCES;
    d.shm_nattch = count_attachments(s);
    if (copy_to_user(out, &d, sizeof(d)))
        return -EFAULT;
    return cmd == IPC_STAT ? 0 : s->id;
}

static long shm_set(struct shm_segment *s, const struct shmid64_ds __user *in)
{
    struct shmid64_ds d;
    long err = 0;

    if (copy_from_user(&d, in, sizeof(d)))
        return -EFAULT;
    mutex_lock(&shm_lock);
    if (owns(s)) {
        s->uid = d.shm_perm.uid;
        s->gid = d.shm_perm.gid;
        s->mode = (s->mode & ~0777u) | (d.shm_perm.mode & 0777u);
        s->ctime = shm_now();
    } else {
        err = -EPERM;
    }
    mutex_unlock(&shm_lock);
    return err;
}

/* IPC_RMID: the key is free for others, the segment ends with its last attachment. */
static long shm_remove(struct shm_segment *s)
{
    bool allowed, first;

    mutex_lock(&shm_lock);
    allowed = owns(s);
    first = allowed && !(s->mode & SHM_DEST);
    if (first) {
        ASSERT(atomic_read(&s->refs) >= 2); /* the registration's and the caller's */
        s->mode |= SHM_DEST;
        s->key = IPC_PRIVATE;
    }
    mutex_unlock(&shm_lock);
    if (first)
        shm_segment_put(s); /* the registration's */
    return allowed ? 0 : -EPERM;
}

/* Nothing leaves memory here; the mark is what ipcs shows. */
static long shm_lock_memory(struct shm_segment *s, bool lock)
{
    long err = 0;

    mutex_lock(&shm_lock);
    if (!owns(s) || (lock && task_rlimit(RLIMIT_MEMLOCK) == 0 && !has_capability()))
        err = -EPERM;
    else
        s->mode = lock ? s->mode | SHM_LOCKED : s->mode & ~(unsigned int)SHM_LOCKED;
    mutex_unlock(&shm_lock);
    return err;
}

/* Index of the last segment in the table; its order stands for Linux's slots. */
static long shm_info(int cmd, void __user *out)
{
    struct shminfo64 limits = {
        .shmmax = SHMMAX, .shmmin = SHMMIN, .shmmni = SHMMNI, .shmseg = SHMMNI, .shmall = SHMMAX};
    struct shm_info info;
    struct shm_segment *s;
    long last;

    memset(&info, 0, sizeof(info));
    mutex_lock(&shm_lock);
    info.used_ids = shm_nr_segments;
    list_for_each_entry(s, &shm_segments, link) {
        info.shm_tot += segment_pages(s);
        info.shm_rss += resident_pages(s);
    }
    ASSERT(shm_nr_segments >= 0 && shm_nr_segments <= SHMMNI);
    last = shm_nr_segments ? shm_nr_segments - 1 : 0;
    mutex_unlock(&shm_lock);
    if (cmd == IPC_INFO ? copy_to_user(out, &limits, sizeof(limits))
                        : copy_to_user(out, &info, sizeof(info)))
        return -EFAULT;
    return last;
}

/* SHM_STAT takes a place in the table instead of an id. */
static struct shm_segment *nth_get(int n)
{
    struct shm_segment *s;

    lock_assert_held(&shm_lock);
    list_for_each_entry(s, &shm_segments, link)
        if (n-- == 0)
            return atomic_inc_not_zero(&s->refs) ? s : NULL;
    return NULL;
}

static long shm_control(int cmd, struct shm_segment *s, void __user *buf)
{
    switch (cmd) {
    case IPC_STAT:
    case SHM_STAT:
    case SHM_STAT_ANY:
        return shm_stat(cmd, s, buf);
    case IPC_SET:
        return shm_set(s, buf);
    case IPC_RMID:
        return shm_remove(s);
    case SHM_LOCK:
    case SHM_UNLOCK:
        return shm_lock_memory(s, cmd == SHM_LOCK);
    default:
        return -EINVAL;
    }
}

long shm_ctl(int id, int cmd, void __user *buf)
{
    struct shm_segment *s;
    long ret;

    cmd &= ~IPC_64;
    if (id < 0 || cmd < 0)
        return -EINVAL;
    if (cmd == IPC_INFO || cmd == SHM_INFO)
        return shm_info(cmd, buf);
    mutex_lock(&shm_lock);
    s = cmd == SHM_STAT || cmd == SHM_STAT_ANY ? nth_get(id) : shm_find_get(id);
    mutex_unlock(&shm_lock);
    if (!s)
        return -EINVAL;
    ret = shm_control(cmd, s, buf);
    shm_segment_put(s);
    return ret;
}

SYSCALL3(shmctl, int, id, int, cmd, void __user *, buf)
{
    return shm_ctl(id, cmd, buf);
}
