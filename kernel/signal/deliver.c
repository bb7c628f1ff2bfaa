/* SPDX-License-Identifier: MIT */
/*
 * deliver.c: what a thread does about its pending signals on the way back to user mode: stop, die,
 * run a handler, restart the interrupted call. Does not build frames (arch_setup_sigframe).
 *
 * Group stop: the thread that takes a stop signal sets group_stop; each thread counts itself in
 * nr_stopped and parks in TASK_STOPPED; the last one tells the parent. SIGCONT and death undo it in
 * send.c.
 *
 * Locks: SIGHAND; TASKLIST is taken only while it is not held.
 * Invariants: I1 a thread parks only with group_stop set and no SIGKILL pending; I2 after
 * signal_deliver the current thread's sigpending_flag says whether there is more to do.
 * Read next: arch's signal frame code; kernel/task/exit.c.
 */
#include "internal.h"
#include <asm/errno.h>

struct ksignal {
    int sig;
    siginfo_t info;
    struct ksigaction act;
    sigset_t old; /* what the handler's frame restores */
};

/* ---- pending flags --------------------------------------------------------------------------- */

void signal_recalc(struct task *t)
{
    struct process *p = t->proc;
    u64 ready = (t->pending.set.bits | p->pending.set.bits) & ~t->blocked.bits;

    t->sigpending_flag = ready != 0 || (p->group_stop && !t->stop_counted) || p->notify_continued ||
                         (t->flags & TF_RESTORE_MASK) != 0;
}

bool signal_pending(void)
{
    return signal_pending_fast(&current->sigpending_flag);
}

bool fatal_signal_pending(void)
{
    return signal_pending() && sig_in(READ_ONCE(current->pending.set.bits), SIGKILL);
}

void signal_sleep(void)
{
    WRITE_ONCE(current->state, TASK_INTERRUPTIBLE);
    smp_mb(); /* state before the test: a sender sets the flag, then looks at the state */
    while (!signal_pending()) {
        schedule();
        WRITE_ONCE(current->state, TASK_INTERRUPTIBLE);
        smp_mb();
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
}

/* ---- stopping -------------------------------------------------------------------------------- */

/* Parks current until the process continues or dies. SIGHAND held on entry and exit. */
static void stop_here(struct process *p, unsigned long *flags)
{
    if (!current->stop_counted) {
        current->stop_counted = true;
        p->nr_stopped++;
        if (p->nr_stopped == atomic_read(&p->nr_live)) {
            p->stopped_report = true;
            sighand_unlock(p, *flags);
            signal_notify_parent(p, CLD_STOPPED);
            *flags = sighand_lock(p);
        }
    }
    while (p->group_stop && !sig_in(current->pending.set.bits, SIGKILL)) {
        WRITE_ONCE(current->state, TASK_STOPPED);
        sighand_unlock(p, *flags);
        schedule();
        *flags = sighand_lock(p);
    }
    WRITE_ONCE(current->state, TASK_RUNNING);
}

/* @sig's default action is to stop. SIGTTIN and friends do nothing to a group that nobody could
 * continue. */
static void start_stop(struct process *p, int sig, unsigned long *flags)
{
    p->stop_dequeued = true;
    if (sig != SIGSTOP) {
        bool orphaned;

        sighand_unlock(p, *flags);
        orphaned = pgrp_is_orphaned(p->pgid);
        *flags = sighand_lock(p);
        if (orphaned)
            return;
    }
    if (!p->stop_dequeued || p->group_exit)
        return; /* SIGCONT or death came in between */
    p->stop_dequeued = false;
    if (!p->group_stop) {
        struct task *t;

        p->group_stop = true;
        p->stop_code = sig;
        p->continued_report = false;
        list_for_each_entry (t, &p->threads, thread_link)
            if (t != current && (t->flags & TF_EXITING) == 0)
                signal_wake(t, false);
    }
    stop_here(p, flags);
}

/* ---- masks ----------------------------------------------------------------------------------- */

/* Blocking a signal that waits for a thread passes it on to one that can take it. SIGHAND held. */
static void retarget(struct process *p, struct task *t, u64 newly_blocked)
{
    u64 mask = p->pending.set.bits & newly_blocked;
    struct task *other;

    if (mask == 0 || p->nr_threads == 1)
        return;
    list_for_each_entry (other, &p->threads, thread_link) {
        if (other == t || (other->flags & TF_EXITING) != 0 || (mask & ~other->blocked.bits) == 0)
            continue;
        mask &= other->blocked.bits;
        if (!other->sigpending_flag)
            signal_wake(other, false);
        if (mask == 0)
            return;
    }
}

/* The handler of @k runs under its mask from now on. SIGHAND held. */
static void block_for_handler(struct process *p, struct ksignal *k)
{
    u64 mask = k->act.mask.bits;

    if ((k->act.flags & SA_NODEFER) == 0)
        mask |= sigmask(k->sig);
    k->old = (current->flags & TF_RESTORE_MASK) != 0 ? current->saved_mask : current->blocked;
    current->flags &= ~TF_RESTORE_MASK;
    mask &= ~KERNEL_ONLY_MASK & ~current->blocked.bits;
    if (mask != 0)
        retarget(p, current, mask);
    current->blocked.bits |= mask;
}

/* ---- the next signal that means something ---------------------------------------------------- */

/* SIGHAND held: true with @k filled when a handler is to run; false when @k->sig did nothing. Kills
 * with @k->sig < 0. */
static bool act_on(struct process *p, struct ksignal *k, unsigned long *flags)
{
    struct ksigaction *act = &p->sighand->action[k->sig - 1];

    if (act->handler == SIG_IGN)
        return false;
    if (act->handler != SIG_DFL) {
        k->act = *act;
        if ((act->flags & SA_RESETHAND) != 0)
            act->handler = SIG_DFL;
        return true;
    }
    if (sig_in(DEFAULT_IGNORE_MASK, k->sig) || (p->unkillable && k->sig != SIGKILL))
        return false;
    if (sig_in(STOP_MASK, k->sig)) {
        start_stop(p, k->sig, flags);
        return false;
    }
    k->sig = -k->sig;
    return false;
}

/* Stops and reports first, then signals. Returns whether a handler is to run; k->sig < 0 says which
 * signal kills. */
static bool next_signal(struct process *p, struct ksignal *k)
{
    unsigned long flags = sighand_lock(p);
    bool handler = false;

    for (;;) {
        k->sig = 0;
        if (p->group_exit || sig_in(current->pending.set.bits, SIGKILL)) {
            k->sig = -SIGKILL;
            break;
        }
        if (p->notify_continued) {
            p->notify_continued = false;
            sighand_unlock(p, flags);
            signal_notify_parent(p, CLD_CONTINUED);
            flags = sighand_lock(p);
            continue;
        }
        if (p->group_stop) {
            stop_here(p, &flags);
            continue;
        }
        k->sig = signal_take(current, current->blocked.bits, &k->info);
        if (k->sig == 0)
            break;
        handler = act_on(p, k, &flags);
        if (handler)
            block_for_handler(p, k);
        if (handler || k->sig < 0)
            break;
    }
    signal_recalc(current);
    sighand_unlock(p, flags);
    return handler;
}

static __noreturn void die_of(struct process *p, const struct ksignal *k)
{
    int sig = -k->sig;

    if (!p->group_exit &&
        sig != SIGKILL) /* else whoever started the end has told, and set the status */
        signal_log_death(current, sig, &k->info);
    do_group_exit(sig);
}

/* ---- system calls that were interrupted ------------------------------------------------------ */

static void finish_call_for_handler(struct pt_regs *regs, const struct ksigaction *act)
{
    if (!arch_in_syscall(regs))
        return;
    switch (arch_syscall_result(regs)) {
    case -ERESTARTNOHAND:
    case -ERESTART_RESTARTBLOCK: arch_set_syscall_result(regs, -EINTR); break;
    case -ERESTARTSYS:
        if ((act->flags & SA_RESTART) == 0) {
            arch_set_syscall_result(regs, -EINTR);
            break;
        }
        __fallthrough;
    case -ERESTARTNOINTR: arch_syscall_restart(regs, false); break;
    }
}

static void restart_call(struct pt_regs *regs)
{
    if (!arch_in_syscall(regs))
        return;
    switch (arch_syscall_result(regs)) {
    case -ERESTARTNOHAND:
    case -ERESTARTSYS:
    case -ERESTARTNOINTR: arch_syscall_restart(regs, false); break;
    case -ERESTART_RESTARTBLOCK: arch_syscall_restart(regs, true); break;
    }
}

/* ---- delivery -------------------------------------------------------------------------------- */

/* No room for a frame: SIGSEGV, and when that is what could not be delivered its handler is taken
 * away first. */
static void frame_failed(int sig)
{
    siginfo_t info;

    if (sig == SIGSEGV) {
        unsigned long flags = sighand_lock(current->proc);

        current->proc->sighand->action[SIGSEGV - 1].handler = SIG_DFL;
        sighand_unlock(current->proc, flags);
    }
    siginfo_init(&info, SIGSEGV, SI_KERNEL);
    signal_force(&info, SIGSEGV);
}

static void run_handler(struct pt_regs *regs, const struct ksignal *k)
{
    finish_call_for_handler(regs, &k->act);
    if (arch_setup_sigframe(regs, &k->info, &k->act, &k->old) != 0) {
        signal_set_blocked(&k->old);
        frame_failed(k->sig);
        return;
    }
    signal_disarm_altstack();
}

void signal_deliver(struct pt_regs *regs)
{
    struct process *p = current->proc;
    struct ksignal k;

    if (next_signal(p, &k)) {
        run_handler(regs, &k);
        return;
    }
    if (k.sig < 0)
        die_of(p, &k);
    restart_call(regs);
    if ((current->flags & TF_RESTORE_MASK) != 0) {
        current->flags &= ~TF_RESTORE_MASK;
        signal_set_blocked(&current->saved_mask);
    }
}

/* ---- what a thread does to its own mask -------------------------------------------------------
 */

void signal_set_blocked(const sigset_t *mask)
{
    struct process *p = current->proc;
    unsigned long flags = sighand_lock(p);
    u64 bits = mask->bits & ~KERNEL_ONLY_MASK;

    retarget(p, current, bits & ~current->blocked.bits);
    current->blocked.bits = bits;
    signal_recalc(current);
    sighand_unlock(p, flags);
}

bool signal_thread_exiting(struct task *t)
{
    struct process *p = t->proc;
    unsigned long flags = sighand_lock(p);
    bool last, stopped = false;

    t->flags |= TF_EXITING;
    last = atomic_dec_and_test(&p->nr_live);
    if (!last) {
        retarget(p, t, ~t->blocked.bits);
        if (t->stop_counted)
            p->nr_stopped--;
        else if (p->group_stop && p->nr_stopped == atomic_read(&p->nr_live) && !p->stopped_report)
            stopped = p->stopped_report = true;
    }
    t->stop_counted = false;
    sighand_unlock(p, flags);
    if (stopped)
        signal_notify_parent(p, CLD_STOPPED);
    return last;
}

void signal_use_mask(const sigset_t *mask)
{
    current->saved_mask = current->blocked;
    signal_set_blocked(mask);
}

void signal_end_mask(bool interrupted)
{
    if (interrupted) {
        current->flags |= TF_RESTORE_MASK;
        current->sigpending_flag = true;
    } else {
        signal_set_blocked(&current->saved_mask);
    }
}
