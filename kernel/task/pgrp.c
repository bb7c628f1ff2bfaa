/* SPDX-License-Identifier: MIT */
/*
 * pgrp.c: process groups and sessions, for job control. Source: POSIX.1-2017 chapter 11.1,
 * setpgid(2), setsid(2), credentials(7). Does not know terminals: the tty compares its session and
 * foreground group with these ids.
 *
 * Locks: TASKLIST.
 * Invariants: I1 all members of a group are in one session; I2 a session leader leads its group.
 * Checked by tests/kernel/task/task_ktest.c and tests/user/.
 * Read next: the tty's job control.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <asm/errno.h>

/* ---- orphans --------------------------------------------------------------------------------- */

/* Somebody who could continue the group's jobs: a parent in another group of the same session. */
static bool is_watched_by_parent(const struct process *p)
{
    const struct process *parent = p->parent;

    return parent != &kproc && parent->pgid != p->pgid && parent->sid == p->sid;
}

/* Has the group no member whose parent is outside it but in its session? @leaving does not count.
 * TASKLIST held. */
static bool pgrp_is_orphaned_locked(pid_t pgid, const struct process *leaving)
{
    for_each_pgrp_member(p, pgid)
    {
        if (p == leaving || p->zombie)
            continue;
        if (is_watched_by_parent(p))
            return false;
    }
    return true;
}

bool pgrp_is_orphaned(pid_t pgid)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    bool orphaned = pgrp_is_orphaned_locked(pgid, NULL);

    spin_unlock_irqrestore(&tasklist_lock, flags);
    return orphaned;
}

static bool has_stopped_member(pid_t pgid)
{
    for_each_pgrp_member(p, pgid) if (READ_ONCE(p->group_stop)) return true;
    return false;
}

/* A stopped group that became orphaned could never run again: it is told and continued (POSIX,
 * _exit). */
static void release_if_orphaned(pid_t pgid, const struct process *leaving)
{
    if (!has_stopped_member(pgid) || !pgrp_is_orphaned_locked(pgid, leaving))
        return;
    for_each_pgrp_member(p, pgid)
    {
        (void)signal_send_process(p, SIGHUP, NULL);
        (void)signal_send_process(p, SIGCONT, NULL);
    }
}

void pgrp_orphaned_by_exit(struct process *p)
{
    if (is_watched_by_parent(p))
        release_if_orphaned(p->pgid, p);
}

void pgrp_orphaned_by_parent(struct process *p, const struct process *old_parent)
{
    if (old_parent->pgid != p->pgid && old_parent->sid == p->sid)
        release_if_orphaned(p->pgid, NULL);
}

/* ---- system calls ---------------------------------------------------------------------------- */

static bool group_exists_in_session(pid_t pgid, pid_t sid)
{
    for_each_pgrp_member(p, pgid) if (p->sid == sid) return true;
    return false;
}

/* TASKLIST held. */
static int setpgid_locked(pid_t pid, pid_t pgid)
{
    struct process *me = current->proc, *p;
    struct task *t = task_find_locked(pid);

    if (t == NULL || t->proc == &kproc)
        return -ESRCH;
    p = t->proc;
    if (t != p->leader)
        return -EINVAL;
    if (p != me) {
        if (p->parent != me)
            return -ESRCH;
        if (p->sid != me->sid)
            return -EPERM;
        if (p->did_exec)
            return -EACCES;
    }
    if (p->sid == p->tgid)
        return -EPERM; /* a session leader */
    if (pgid != pid && !group_exists_in_session(pgid, me->sid))
        return -EPERM;
    if (p->pgid != pgid) {
        pid_t sid = p->sid;

        pgrp_leave(p);
        pgrp_join(p, pgid, sid);
    }
    return 0;
}

SYSCALL2(setpgid, pid_t, pid, pid_t, pgid)
{
    unsigned long flags;
    int err;

    if (pid == 0)
        pid = current->proc->tgid;
    if (pgid == 0)
        pgid = pid;
    if (pgid < 0)
        return -EINVAL;
    flags = spin_lock_irqsave(&tasklist_lock);
    err = setpgid_locked(pid, pgid);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return err;
}

static long id_of(pid_t pid, bool session)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t = pid == 0 ? current : task_find_locked(pid);
    long id = -ESRCH;

    if (t != NULL)
        id = session ? t->proc->sid : t->proc->pgid;
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return id;
}

SYSCALL1(getpgid, pid_t, pid)
{
    return id_of(pid, false);
}

SYSCALL0(getpgrp)
{
    return current->proc->pgid;
}

SYSCALL1(getsid, pid_t, pid)
{
    return id_of(pid, true);
}

SYSCALL0(setsid)
{
    struct process *me = current->proc;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    bool taken = me->sid == me->tgid;

    for_each_pgrp_member(p, me->tgid) taken = true;
    if (!taken) {
        pgrp_leave(me);
        pgrp_join(me, me->tgid, me->tgid);
        WRITE_ONCE(me->tty, NULL);
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return taken ? -EPERM : me->tgid;
}

SYSCALL0(getpid)
{
    return current->proc->tgid;
}

SYSCALL0(gettid)
{
    return current->tid;
}

SYSCALL0(getppid)
{
    return READ_ONCE(current->proc->ppid);
}
