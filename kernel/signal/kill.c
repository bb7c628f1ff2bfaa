/* SPDX-License-Identifier: MIT */
/*
 * kill.c: the calls that send signals to others, and who may. Source: kill(2), tkill(2),
 * rt_sigqueueinfo(2).
 *
 * Locks: TASKLIST while a set of processes is walked; SIGHAND of the target inside.
 * Invariants: none of its own.
 * Read next: send.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <asm/errno.h>

/* kill(2): root; or real or effective id equals the target's real or saved id; SIGCONT anywhere in
 * the session. */
static bool may_signal(const struct process *p, int sig)
{
    const struct process *me = current->proc;

    if (me == p || has_capability())
        return true;
    if (me->euid == p->suid || me->euid == p->uid || me->uid == p->suid || me->uid == p->uid)
        return true;
    return sig == SIGCONT && me->sid == p->sid;
}

static bool is_valid_signal(int sig)
{
    return sig >= 0 && sig <= NSIGNALS;
}

/* TASKLIST held, or a reference to @p. */
static int send_checked(struct process *p, struct task *t, int sig, const siginfo_t *info)
{
    if (!may_signal(p, sig))
        return -EPERM;
    if (sig == 0)
        return 0;
    return t != NULL ? signal_send_task(t, sig, info) : signal_send_process(p, sig, info);
}

int signal_kill(struct process *p, int sig, const siginfo_t *info)
{
    if (!is_valid_signal(sig))
        return -EINVAL;
    return READ_ONCE(p->nr_threads) > 0 ? send_checked(p, NULL, sig, info) : -ESRCH;
}

static int kill_process(pid_t tgid, int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t = task_find_locked(tgid);
    int err = -ESRCH;

    /* Any thread's id names its process, as on Linux. */
    if (t != NULL && t->proc != &kproc)
        err = send_checked(t->proc, NULL, sig, info);
    else if (t != NULL)
        err = has_capability() ? 0 : -EPERM; /* kernel threads ignore every signal */
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return err;
}

static int kill_pgrp(pid_t pgid, int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    int result = -ESRCH;

    for_each_pgrp_member(p, pgid)
    {
        int err = send_checked(p, NULL, sig, info);

        if (err == 0 || result == -ESRCH)
            result = err;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return result;
}

/* Everybody but init and the sender's own process. */
static int kill_all(int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    int result = -ESRCH;
    struct task *t;

    list_for_each_entry(t, &all_tasks, task_link) {
        struct process *p = t->proc;
        int err;

        if (p == &kproc || t != p->leader || p->tgid == 1 || p == current->proc)
            continue;
        err = send_checked(p, NULL, sig, info);
        if (result == -ESRCH || err != -EPERM)
            result = err;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return result;
}

SYSCALL2(kill, pid_t, pid, int, sig)
{
    siginfo_t info;

    if (!is_valid_signal(sig))
        return -EINVAL;
    siginfo_from_user(&info, sig, SI_USER);
    if (pid > 0)
        return kill_process(pid, sig, &info);
    if (pid == -1)
        return kill_all(sig, &info);
    if (pid == INT32_MIN)
        return -ESRCH; /* the smallest int has no positive counterpart */
    return kill_pgrp(pid == 0 ? current->proc->pgid : -pid, sig, &info);
}

/* @tgid 0: whatever process the thread belongs to. */
static int kill_thread(pid_t tgid, pid_t tid, int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t = task_find_locked(tid);
    int err = -ESRCH;

    if (t != NULL && (tgid == 0 || t->proc->tgid == tgid))
        err = send_checked(t->proc, t, sig, info);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return err;
}

SYSCALL3(tgkill, pid_t, tgid, pid_t, tid, int, sig)
{
    siginfo_t info;

    if (tgid <= 0 || tid <= 0 || !is_valid_signal(sig))
        return -EINVAL;
    siginfo_from_user(&info, sig, SI_TKILL);
    return kill_thread(tgid, tid, sig, &info);
}

SYSCALL2(tkill, pid_t, tid, int, sig)
{
    siginfo_t info;

    if (tid <= 0 || !is_valid_signal(sig))
        return -EINVAL;
    siginfo_from_user(&info, sig, SI_TKILL);
    return kill_thread(0, tid, sig, &info);
}

/* Only the kernel and kill may say that they are the kernel or kill. */
static int get_queued_info(siginfo_t *info, int sig, const siginfo_t __user *uinfo, pid_t target)
{
    if (copy_from_user(info, uinfo, sizeof(*info)) != 0)
        return -EFAULT;
    info->si_signo = sig;
    if ((info->si_code >= 0 || info->si_code == SI_TKILL) && target != current->proc->tgid)
        return -EPERM;
    return is_valid_signal(sig) ? 0 : -EINVAL;
}

SYSCALL3(rt_sigqueueinfo, pid_t, pid, int, sig, const siginfo_t __user *, uinfo)
{
    siginfo_t info;
    int err = get_queued_info(&info, sig, uinfo, pid);

    return err != 0 ? err : kill_process(pid, sig, &info);
}

SYSCALL4(rt_tgsigqueueinfo, pid_t, tgid, pid_t, tid, int, sig, const siginfo_t __user *, uinfo)
{
    siginfo_t info;
    int err;

    if (tgid <= 0 || tid <= 0)
        return -EINVAL;
    err = get_queued_info(&info, sig, uinfo, tgid);
    return err != 0 ? err : kill_thread(tgid, tid, sig, &info);
}

static const char *const names[] = {
    [SIGHUP] = "SIGHUP",       [SIGINT] = "SIGINT",       [SIGQUIT] = "SIGQUIT",
    [SIGILL] = "SIGILL",       [SIGTRAP] = "SIGTRAP",     [SIGABRT] = "SIGABRT",
    [SIGBUS] = "SIGBUS",       [SIGFPE] = "SIGFPE",       [SIGKILL] = "SIGKILL",
    [SIGUSR1] = "SIGUSR1",     [SIGSEGV] = "SIGSEGV",     [SIGUSR2] = "SIGUSR2",
    [SIGPIPE] = "SIGPIPE",     [SIGALRM] = "SIGALRM",     [SIGTERM] = "SIGTERM",
    [SIGSTKFLT] = "SIGSTKFLT", [SIGCHLD] = "SIGCHLD",     [SIGCONT] = "SIGCONT",
    [SIGSTOP] = "SIGSTOP",     [SIGTSTP] = "SIGTSTP",     [SIGTTIN] = "SIGTTIN",
    [SIGTTOU] = "SIGTTOU",     [SIGURG] = "SIGURG",       [SIGXCPU] = "SIGXCPU",
    [SIGXFSZ] = "SIGXFSZ",     [SIGVTALRM] = "SIGVTALRM", [SIGPROF] = "SIGPROF",
    [SIGWINCH] = "SIGWINCH",   [SIGIO] = "SIGIO",         [SIGPWR] = "SIGPWR",
    [SIGSYS] = "SIGSYS",
};

const char *signal_name(int sig)
{
    return sig > 0 && sig < (int)ARRAY_SIZE(names) && names[sig] != NULL ? names[sig]
                                                                         : "a real-time signal";
}
