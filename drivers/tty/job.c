/* SPDX-License-Identifier: MIT */
/*
 * job.c: job control of the terminal: which session it controls, which process group is in the
 * foreground, and what happens to the others.
 *
 * Locks: TASKLIST for tty->session, tty->pgrp, process->tty and the walk over a session; a process
 * may read its own tty to compare it. Invariants: I1 process->tty == t implies process->sid ==
 * t->session (checked where either changes); I2 a hung terminal has no session, or is about to lose
 * it, so process->tty needs no reference: the other end keeps its own until then. Source:
 * POSIX.1-2017 chapter 11.1, tty_ioctl(4), credentials(7). Read next: kernel/task/pgrp.c.
 */
#include "tty.h"
#include <kernel/printk.h>
#include <kernel/uaccess.h>

static bool tty_is_controlling(const struct tty *t)
{
    return READ_ONCE(current->proc->tty) == t;
}

void tty_signal_foreground(struct tty *t, int sig)
{
    pid_t pgrp = READ_ONCE(t->pgrp);

    if (pgrp > 0)
        (void)signal_send_pgrp(pgrp, sig, NULL);
}

pid_t tty_of_process(const struct process *p, dev_t *rdev)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    const struct tty *t = p->tty;
    pid_t pgrp = t ? t->pgrp : -1;

    *rdev = t ? t->rdev : 0;
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return pgrp;
}

struct tty *tty_get_controlling(void)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct tty *t = current->proc->tty;

    if (t)
        tty_get(t);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return t;
}

/* The signal would do nothing to current. */
static bool signal_is_silent(int sig)
{
    struct sighand *h = current->sighand;
    unsigned long flags = spin_lock_irqsave(&h->lock);
    bool silent = h->action[sig - 1].handler == SIG_IGN || (current->blocked.bits & sigmask(sig));

    spin_unlock_irqrestore(&h->lock, flags);
    return silent;
}

int tty_check_background(struct tty *t, int sig)
{
    pid_t pgid = current->proc->pgid, front = READ_ONCE(t->pgrp);

    if (likely(!tty_is_controlling(t) || front == 0 || pgid == front))
        return 0;
    if (signal_is_silent(sig))
        return sig == SIGTTIN ? -EIO : 0;
    if (pgrp_is_orphaned(pgid))
        return -EIO;
    (void)signal_send_pgrp(pgid, sig, NULL);
    return -ERESTARTSYS;
}

/* Everybody of session @sid loses the terminal. Its leader, or NULL. TASKLIST held. */
static struct process *session_drop_tty(struct tty *t, pid_t sid)
{
    struct process *leader = NULL;
    struct task *task;

    list_for_each_entry (task, &all_tasks, task_link) {
        struct process *p = task->proc;

        if (p->sid == sid && p->tty == t)
            WRITE_ONCE(p->tty, NULL);
        if (p->sid == sid && p->tgid == sid)
            leader = p;
    }
    t->session = t->pgrp = 0;
    return leader;
}

/* current, a session leader, gets @t; TASKLIST held. */
static void take_terminal(struct tty *t)
{
    struct process *p = current->proc;

    WRITE_ONCE(p->tty, t);
    t->session = p->sid;
    t->pgrp = p->pgid;
}

void tty_open_as_controlling(struct tty *t)
{
    struct process *p = current->proc;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);

    if (p->sid != 0 && p->sid == p->tgid && !p->tty && t->session == 0 && !READ_ONCE(t->hung))
        take_terminal(t);
    spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* Those in front are told, and woken so that they hear it. */
static void hang_up_group(pid_t pgrp)
{
    if (pgrp <= 0)
        return;
    (void)signal_send_pgrp(pgrp, SIGHUP, NULL);
    (void)signal_send_pgrp(pgrp, SIGCONT, NULL);
}

void tty_session_leader_exit(struct task *leader)
{
    struct process *p = leader->proc;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct tty *t = p->tty;
    pid_t front = p->hung_pgrp;

    p->hung_pgrp = 0;
    if (t && t->session == p->sid) {
        front = t->pgrp;
        (void)session_drop_tty(t, t->session);
    }
    WRITE_ONCE(p->tty, NULL);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    hang_up_group(front);
}

/* The leader hears of it; when it exits, so do those that were in front. */
void tty_hangup_session(struct tty *t)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    pid_t front = t->pgrp;
    struct process *leader = t->session ? session_drop_tty(t, t->session) : NULL;

    ASSERT(READ_ONCE(t->hung) && t->session == 0);
    if (leader) {
        leader->hung_pgrp = front;
        (void)signal_send_process(leader, SIGHUP, NULL);
        (void)signal_send_process(leader, SIGCONT, NULL);
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
}

/* ---- ioctls ---- */

static int set_controlling(struct tty *t, unsigned long force)
{
    struct process *p = current->proc;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    int ret = 0;

    if (p->sid == p->tgid && p->tty == t) {
        ret = 0;
    } else if (READ_ONCE(t->hung)) {
        ret = -EIO;
    } else if (p->sid != p->tgid || p->tty) {
        ret = -EPERM;
    } else if (t->session != 0 && t->session != p->sid) {
        /* Another session's: root may steal it. */
        if (force == 1 && has_capability())
            (void)session_drop_tty(t, t->session);
        else
            ret = -EPERM;
    }
    if (ret == 0 && p->tty != t)
        take_terminal(t);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return ret;
}

static int give_up(struct tty *t)
{
    struct process *p = current->proc;
    unsigned long flags;

    if (!tty_is_controlling(t))
        return -ENOTTY;
    if (p->sid == p->tgid) {
        tty_session_leader_exit(current);
        return 0;
    }
    flags = spin_lock_irqsave(&tasklist_lock);
    WRITE_ONCE(p->tty, NULL);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return 0;
}

/* Is there a process of group @pgid in session @sid? TASKLIST held. -ESRCH: no such group, -EPERM:
 * elsewhere. */
static int group_in_session(pid_t pgid, pid_t sid)
{
    struct task *task;
    int ret = -ESRCH;

    list_for_each_entry (task, &all_tasks, task_link) {
        if (task->proc->pgid != pgid || task->proc == &kproc)
            continue;
        if (task->proc->sid == sid)
            return 0;
        ret = -EPERM;
    }
    return ret;
}

static int set_foreground(struct tty *t, pid_t pgid)
{
    unsigned long flags;
    int ret;

    if (!tty_is_controlling(t))
        return -ENOTTY;
    ret = tty_check_background(t, SIGTTOU);
    if (ret)
        return ret;
    if (pgid < 0)
        return -EINVAL;
    flags = spin_lock_irqsave(&tasklist_lock);
    if (current->proc->sid != t->session)
        ret = -ENOTTY;
    else
        ret = group_in_session(pgid, t->session);
    if (ret == 0)
        t->pgrp = pgid;
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return ret;
}

long tty_job_ioctl(struct tty *t, unsigned int cmd, unsigned long arg)
{
    void __user *p = (void __user *)arg;
    u32 pid;

    switch (cmd) {
    case TIOCSCTTY: return set_controlling(t, arg);
    case TIOCNOTTY: return give_up(t);
    case TIOCGPGRP:
        return tty_is_controlling(t) ? put_user_u32((u32)READ_ONCE(t->pgrp), p) : -ENOTTY;
    case TIOCGSID:
        return tty_is_controlling(t) ? put_user_u32((u32)READ_ONCE(t->session), p) : -ENOTTY;
    case TIOCSPGRP: return get_user_u32(&pid, p) ? -EFAULT : set_foreground(t, (pid_t)pid);
    default: return -ENOTTY;
    }
}
