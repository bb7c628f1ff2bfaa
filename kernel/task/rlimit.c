/* SPDX-License-Identifier: MIT */
/*
 * rlimit.c: resource limits. The limits are enforced where the resource is given out. Source:
 * getrlimit(2).
 *
 * Locks: SIGHAND for writing; readers take one word without it.
 * Invariants: I1 rlim_cur <= rlim_max.
 * Read next: nothing.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <asm/errno.h>

u64 task_rlimit(int which)
{
    return READ_ONCE(current->proc->rlim[which].rlim_cur);
}

void rlimit_init(struct process *p)
{
    const u64 half = (u64)sysctl_threads_max / 2;

    for (int i = 0; i < RLIM_NLIMITS; i++)
        p->rlim[i] = (struct rlimit){ RLIM_INFINITY, RLIM_INFINITY };
    p->rlim[RLIMIT_STACK].rlim_cur = MIB(8);
    p->rlim[RLIMIT_CORE].rlim_cur = 0;
    p->rlim[RLIMIT_NOFILE] = (struct rlimit){ 1024, 4096 };
    p->rlim[RLIMIT_NPROC] = (struct rlimit){ half, half };
    p->rlim[RLIMIT_SIGPENDING] = (struct rlimit){ half, half };
    p->rlim[RLIMIT_MEMLOCK] = (struct rlimit){ MIB(8), MIB(8) };
    p->rlim[RLIMIT_MSGQUEUE] = (struct rlimit){ 819200, 819200 };
    p->rlim[RLIMIT_NICE] = (struct rlimit){ 0, 0 };
    p->rlim[RLIMIT_RTPRIO] = (struct rlimit){ 0, 0 };
}

#define NOFILE_CEILING 1048576 /* fs.nr_open */

static int do_prlimit(struct process *p, unsigned int which, const struct rlimit *new,
                      struct rlimit *old)
{
    unsigned long flags;
    int err = 0;

    if (which >= RLIM_NLIMITS || (new != NULL &&new->rlim_cur > new->rlim_max))
        return -EINVAL;
    if (new != NULL && which == RLIMIT_NOFILE &&new->rlim_max > NOFILE_CEILING)
        return -EPERM;
    flags = sighand_lock(p);
    if (old != NULL)
        *old = p->rlim[which];
    if (new != NULL) {
        if (new->rlim_max > p->rlim[which].rlim_max && !has_capability())
            err = -EPERM;
        else
            p->rlim[which] = *new;
    }
    sighand_unlock(p, flags);
    return err;
}

/* prlimit of another process: the caller's ids are all of the target's, or capability. */
static bool may_limit(const struct process *p)
{
    const struct process *me = current->proc;

    return p == me || has_capability() ||
           (me->uid == p->uid && me->uid == p->euid && me->uid == p->suid && me->gid == p->gid &&
            me->gid == p->egid && me->gid == p->sgid);
}

SYSCALL4(prlimit64, pid_t, pid, unsigned int, which, const struct rlimit64 __user *, unew,
         struct rlimit64 __user *, uold)
{
    struct rlimit64 buf;
    struct rlimit new, old;
    struct task *t = current;
    int err;

    if (unew != NULL) {
        if (copy_from_user(&buf, unew, sizeof(buf)) != 0)
            return -EFAULT;
        new = (struct rlimit){ buf.rlim_cur, buf.rlim_max };
    }
    if (pid != 0) {
        t = task_find_get(pid);
        if (t == NULL)
            return -ESRCH;
    }
    err =
        may_limit(t->proc) ? do_prlimit(t->proc, which, unew != NULL ? &new : NULL, &old) : -EPERM;
    if (pid != 0)
        task_put(t);
    if (err == 0 && uold != NULL) {
        buf = (struct rlimit64){ old.rlim_cur, old.rlim_max };
        if (copy_to_user(uold, &buf, sizeof(buf)) != 0)
            return -EFAULT;
    }
    return err;
}

SYSCALL2(getrlimit, unsigned int, which, struct rlimit __user *, ulim)
{
    struct rlimit old;
    int err = do_prlimit(current->proc, which, NULL, &old);

    return err != 0 ? err : copy_to_user(ulim, &old, sizeof(old));
}

#ifdef __NR_ugetrlimit /* where getrlimit's own number was that of a call with smaller limits */
SYSCALL_ALIAS(ugetrlimit, getrlimit, 2);
#endif

SYSCALL2(setrlimit, unsigned int, which, const struct rlimit __user *, ulim)
{
    struct rlimit new;

    if (copy_from_user(&new, ulim, sizeof(new)) != 0)
        return -EFAULT;
    return do_prlimit(current->proc, which, &new, NULL);
}
