/* SPDX-License-Identifier: MIT */
/*
 * notify.c: what a process tells its parent: that it ended, stopped or continued (SIGCHLD and a
 * wake-up of wait4). Does not decide what wait4 returns (kernel/task/wait.c).
 *
 * Locks: TASKLIST holds the parent still; the parent's SIGHAND is taken inside. The child's SIGHAND
 * is not held. Invariants: I1 the wake-up comes after the state that wait4 looks for was set. Read
 * next: kernel/task/exit.c.
 */
#include "internal.h"

static void set_times(siginfo_t *info, struct process *p)
{
    u64 user_ns, sys_ns;

    process_times_locked(p, &user_ns, &sys_ns);
    info->si_utime = (__kernel_clock_t)(user_ns / (NSEC_PER_SEC / USER_HZ));
    info->si_stime = (__kernel_clock_t)(sys_ns / (NSEC_PER_SEC / USER_HZ));
}

static void child_info(siginfo_t *info, struct process *p, int sig)
{
    siginfo_init(info, sig, 0);
    info->si_pid = p->tgid;
    info->si_uid = p->uid;
    set_times(info, p);
}

static void set_exit_status(siginfo_t *info, int code)
{
    if ((code & 0x7f) == 0) {
        info->si_code = CLD_EXITED;
        info->si_status = (code >> 8) & 0xff;
    } else {
        info->si_code = (code & 0x80) != 0 ? CLD_DUMPED : CLD_KILLED;
        info->si_status = code & 0x7f;
    }
}

/* A SIGCHLD that would be dropped at once is not even made: the usual case of a shell that waits.
 */
static bool parent_cares(const struct process *parent, int sig)
{
    const struct task *leader = parent->leader;

    return sig != SIGCHLD || parent->sighand->action[SIGCHLD - 1].handler != SIG_DFL ||
           sig_in(leader->blocked.bits | leader->real_blocked.bits, SIGCHLD);
}

bool signal_notify_exit(struct process *p)
{
    struct process *parent = p->parent;
    int sig = p->exit_signal;
    bool reap = false;
    unsigned long flags;

    lock_assert_held(&tasklist_lock);
    flags = sighand_lock(parent);
    if (sig == SIGCHLD) {
        const struct ksigaction *act = &parent->sighand->action[SIGCHLD - 1];

        reap = act->handler == SIG_IGN || (act->flags & SA_NOCLDWAIT) != 0;
        if (act->handler == SIG_IGN)
            sig = 0;
    }
    if (sig != 0 && parent_cares(parent, sig)) {
        siginfo_t info;

        child_info(&info, p, sig);
        set_exit_status(&info, process_exit_status(p));
        (void)signal_send_locked(parent, NULL, sig, &info, false);
    }
    sighand_unlock(parent, flags);
    wake_up_all(&parent->child_wait);
    return reap;
}

void signal_notify_parent(struct process *p, int why)
{
    unsigned long tflags = spin_lock_irqsave(&tasklist_lock);
    struct process *parent = p->parent;

    if (parent != &kproc) {
        unsigned long flags = sighand_lock(parent);
        const struct ksigaction *act = &parent->sighand->action[SIGCHLD - 1];

        if (act->handler != SIG_IGN && (act->flags & SA_NOCLDSTOP) == 0 && parent->nr_threads > 0) {
            siginfo_t info;

            child_info(&info, p, SIGCHLD);
            info.si_code = why;
            info.si_status = why == CLD_CONTINUED ? SIGCONT : p->stop_code;
            (void)signal_send_locked(parent, NULL, SIGCHLD, &info, false);
        }
        sighand_unlock(parent, flags);
        wake_up_all(&parent->child_wait);
    }
    spin_unlock_irqrestore(&tasklist_lock, tflags);
}
