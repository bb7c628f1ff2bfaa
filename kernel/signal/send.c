/* SPDX-License-Identifier: MIT */
/*
 * send.c: sending a signal: is it ignored, which queue, which thread wakes. Does not run handlers
 * (deliver.c).
 *
 * What must happen at the moment of sending, whatever the target does with the signal later:
 *   - a stop signal throws away a pending SIGCONT, and SIGCONT pending stop signals; SIGCONT
 * resumes a stopped process;
 *   - a signal that is certain to kill starts the end of the whole group at once (SIGKILL becomes
 * pending in every thread), so that sleeps in TASK_KILLABLE end and no other signal can be handled
 * in between.
 *
 * Locks: SIGHAND of the target; TASKLIST outside it where a set of processes is walked.
 * Invariants: I1 group_exit set => SIGKILL pending in every thread that has not begun to exit; I2
 * group_stop set => no SIGCONT pending.
 * Read next: deliver.c.
 */
#include "internal.h"
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task_regs.h>
#include <kernel/trap.h>
#include <asm/errno.h>

void signal_wake(struct task *t, bool fatal)
{
    unsigned int states = TASK_INTERRUPTIBLE;

    t->sigpending_flag = true;
    if (t == current && t->state == TASK_RUNNING)
        return; /* it looks at the flag before it sleeps or returns to user mode */
    if (fatal)
        states |= TASK_KILLABLE | TASK_STOPPED;
    if (!wake_up_state(t, states) && READ_ONCE(t->on_cpu))
        resched_cpu(
            READ_ONCE(t->cpu)); /* it runs: the interrupt brings it to its return to user mode */
}

bool signal_is_ignored(struct process *p, int sig, bool force)
{
    const void *handler = p->sighand->action[sig - 1].handler;

    if (p->unkillable && handler == SIG_DFL && !force)
        return true;
    return handler == SIG_IGN || (handler == SIG_DFL && sig_in(DEFAULT_IGNORE_MASK, sig));
}

/* A blocked signal stays pending even when ignored now: the handler may be set before it is
 * unblocked. */
static bool discard_at_once(struct process *p, struct task *t, int sig, bool force)
{
    if (sig_in(t->blocked.bits | t->real_blocked.bits, sig))
        return false;
    return signal_is_ignored(p, sig, force);
}

static void discard_everywhere(struct process *p, u64 mask)
{
    struct task *t;

    sigqueue_discard(&p->pending, mask);
    list_for_each_entry(t, &p->threads, thread_link)
        sigqueue_discard(&t->pending, mask);
}

static void group_continue(struct process *p)
{
    bool complete = p->nr_stopped >= atomic_read(&p->nr_live);
    struct task *t;

    p->group_stop = false;
    p->nr_stopped = 0;
    p->stopped_report = false;
    if (complete) {
        p->continued_report = true;
        p->notify_continued = true;
    }
    list_for_each_entry(t, &p->threads, thread_link) {
        t->stop_counted = false;
        if (complete)
            t->sigpending_flag = true;
        wake_up_state(t, TASK_STOPPED);
    }
}

/* What sending @sig does to other signals; false when there is nothing more to do. */
static bool prepare(struct process *p, struct task *t, int sig, bool force)
{
    if (p->group_exit)
        return false;
    if (sig_in(STOP_MASK, sig)) {
        discard_everywhere(p, sigmask(SIGCONT));
    } else if (sig == SIGCONT) {
        discard_everywhere(p, STOP_MASK);
        p->stop_dequeued = false;
        if (p->group_stop)
            group_continue(p);
    }
    return !discard_at_once(p, t, sig, force);
}

static bool thread_wants(const struct task *t, int sig)
{
    if (sig_in(t->blocked.bits, sig) || (t->flags & TF_EXITING) != 0)
        return false;
    return sig == SIGKILL || READ_ONCE(t->state) != TASK_STOPPED;
}

static struct task *choose_thread(struct process *p, struct task *t, int sig)
{
    if (t != NULL)
        return thread_wants(t, sig) ? t : NULL;
    if (thread_wants(p->leader, sig))
        return p->leader;
    list_for_each_entry(t, &p->threads, thread_link)
        if (thread_wants(t, sig))
            return t;
    return NULL;
}

static bool is_certain_death(struct process *p, struct task *t, int sig, bool force)
{
    if (p->sighand->action[sig - 1].handler != SIG_DFL || (p->unkillable && !force))
        return false;
    if (sig_in(DEFAULT_IGNORE_MASK | STOP_MASK, sig))
        return false;
    return sig == SIGKILL || !sig_in(t->real_blocked.bits, sig);
}

static bool log_deaths; /* debug=signal */

void signal_log_deaths(void)
{
    log_deaths = true;
}

void signal_log_death(const struct task *t, int sig, const siginfo_t *info)
{
    unsigned long pc = t == current ? regs_pc(task_regs(t)) : 0;

    if (!log_deaths || info == NULL)
        return;
    if (sig_in(SYNC_MASK, sig) && info->si_code > 0)
        pr_info("%s[%d] dies of %s, code %d, address %lx, pc %lx\n", t->comm, t->tid,
                signal_name(sig), info->si_code, (unsigned long)info->si_addr, pc);
    else
        pr_info("%s[%d] dies of %s, code %d, from %d\n", t->comm, t->tid, signal_name(sig),
                info->si_code, info->si_code <= 0 ? info->si_pid : 0);
}

int signal_kill_threads(struct process *p, struct task *except)
{
    struct task *t;
    int n = 0;

    p->group_stop = false;
    p->nr_stopped = 0;
    list_for_each_entry(t, &p->threads, thread_link) {
        if (t == except || (t->flags & TF_EXITING) != 0)
            continue;
        t->pending.set.bits |= sigmask(SIGKILL);
        signal_wake(t, true);
        n++;
    }
    return n;
}

int signal_send_locked(struct process *p, struct task *t, int sig, const siginfo_t *info,
                       bool force)
{
    struct sigpending *pending = t != NULL ? &t->pending : &p->pending;
    struct task *target;
    int err;

    if (!prepare(p, t != NULL ? t : p->leader, sig, force))
        return 0;
    if (sig < SIGRTMIN && sig_in(pending->set.bits, sig))
        return 0;
    err = sigqueue_add(pending, sig, info, p);
    if (err != 0)
        return err;
    target = choose_thread(p, t, sig);
    if (target == NULL)
        return 0;
    if (is_certain_death(p, target, sig, force)) {
        signal_log_death(target, sig, info);
        p->group_exit = true;
        p->group_exit_code = sig;
        signal_kill_threads(p, NULL);
    } else {
        signal_wake(target, sig == SIGKILL);
    }
    return 0;
}

int signal_send_task(struct task *t, int sig, const siginfo_t *info)
{
    struct process *p = t->proc;
    unsigned long flags = sighand_lock(p);
    int err = 0;

    if ((t->flags & (TF_KTHREAD | TF_EXITING)) == 0)
        err = signal_send_locked(p, t, sig, info, false);
    sighand_unlock(p, flags);
    return err;
}

int signal_send_process(struct process *p, int sig, const siginfo_t *info)
{
    unsigned long flags;
    int err = 0;

    if (p == &kproc)
        return 0;
    flags = sighand_lock(p);
    if (p->nr_threads > 0)
        err = signal_send_locked(p, NULL, sig, info, false);
    sighand_unlock(p, flags);
    return err;
}

/* 0 when at least one member got it, -ESRCH when there is none. */
int signal_send_pgrp(pid_t pgid, int sig, const siginfo_t *info)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    int result = -ESRCH;

    for_each_pgrp_member(p, pgid)
    {
        int err = sig != 0 ? signal_send_process(p, sig, info) : 0;

        if (result != 0)
            result = err;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return result;
}

/* ---- forced signals -------------------------------------------------------------------------- */

void signal_force(const siginfo_t *info, int sig)
{
    struct process *p = current->proc;
    unsigned long flags = sighand_lock(p);
    struct ksigaction *act = p->sighand->action + (sig - 1);

    if (act->handler == SIG_IGN || sig_in(current->blocked.bits, sig)) {
        act->handler = SIG_DFL;
        current->blocked.bits &= ~sigmask(sig);
    }
    if (act->handler == SIG_DFL)
        p->unkillable =
            false; /* init too cannot go on from here; its end is a panic with a clear text */
    (void)signal_send_locked(p, current, sig, info, true);
    sighand_unlock(p, flags);
}

void signal_send_fault(int sig, int code, vaddr_t addr, int trapno, unsigned long error)
{
    siginfo_t info;

    if (trapno >= 0) /* else it is a memory fault, whose details are noted already */
        trap_note((unsigned long)trapno, error, addr);
    siginfo_init(&info, sig, code);
    info.si_addr = (void *)addr;
    signal_force(&info, sig);
}
