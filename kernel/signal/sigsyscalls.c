/* SPDX-License-Identifier: MIT */
/*
 * sigsyscalls.c: a thread's own signals: handlers, masks, pending sets, waiting, the alternate
 * stack. Does not send (kill.c) or deliver (deliver.c). Source: POSIX.1-2017 2.4 and Linux's manual
 * pages of the calls.
 *
 * Locks: SIGHAND.
 * Invariants: I1 SIGKILL and SIGSTOP are in no blocked mask and have no handler.
 * Read next: deliver.c.
 */
#include "internal.h"
#include <arch/task.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <kernel/time.h>
#include <kernel/uaccess.h>
#include <asm/errno.h>
#include <linux/signal.h>
#include <linux/time_types.h>

/* Flags that a program may set; sigaction clears the others, so that a program can see what is
 * supported. */
#ifdef SA_RESTORER
#define SA_RESTORER_BIT SA_RESTORER
#else
#define SA_RESTORER_BIT 0
#endif
#define SA_SUPPORTED                                                                               \
    (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_ONSTACK | SA_RESTART | SA_NODEFER |             \
     SA_RESETHAND | SA_RESTORER_BIT)

/* ---- handlers -------------------------------------------------------------------------------- */

/* A signal that is ignored from now on is no longer pending (POSIX 2.4.3). */
static void discard_if_ignored(struct process *p, int sig)
{
    struct task *t;

    if (!signal_is_ignored(p, sig, true))
        return;
    sigqueue_discard(&p->pending, sigmask(sig));
    list_for_each_entry(t, &p->threads, thread_link)
        sigqueue_discard(&t->pending, sigmask(sig));
}

static int do_sigaction(int sig, const struct ksigaction *new, struct ksigaction *old)
{
    struct process *p = current->proc;
    struct ksigaction *act;
    unsigned long flags;

    if (sig < 1 || sig > NSIGNALS || (new != NULL &&sig_in(KERNEL_ONLY_MASK, sig)))
        return -EINVAL;
    flags = sighand_lock(p);
    act = &p->sighand->action[sig - 1];
    *old = *act;
    if (new != NULL) {
        *act = *new;
        act->flags &= SA_SUPPORTED;
        act->mask.bits &= ~KERNEL_ONLY_MASK;
        discard_if_ignored(p, sig);
    }
    sighand_unlock(p, flags);
    return 0;
}

SYSCALL4(rt_sigaction, int, sig, const struct ksigaction __user *, act, struct ksigaction __user *,
         oldact, size_t, setsize)
{
    struct ksigaction new, old;
    int err;

    if (setsize != sizeof(sigset_t))
        return -EINVAL;
    if (act != NULL && copy_from_user(&new, act, sizeof(new)) != 0)
        return -EFAULT;
    err = do_sigaction(sig, act != NULL ? &new : NULL, &old);
    if (err == 0 && oldact != NULL && copy_to_user(oldact, &old, sizeof(old)) != 0)
        return -EFAULT;
    return err;
}

/* ---- masks ----------------------------------------------------------------------------------- */

SYSCALL4(rt_sigprocmask, int, how, const sigset_t __user *, set, sigset_t __user *, oldset, size_t,
         setsize)
{
    sigset_t old = current->blocked, new;

    if (setsize != sizeof(sigset_t))
        return -EINVAL;
    if (set != NULL) {
        if (get_user_u64(&new.bits, set) != 0)
            return -EFAULT;
        switch (how) {
        case SIG_BLOCK: new.bits |= old.bits; break;
        case SIG_UNBLOCK: new.bits = old.bits & ~new.bits; break;
        case SIG_SETMASK: break;
        default: return -EINVAL;
        }
        if (new.bits != old.bits)
            signal_set_blocked(&new);
    }
    if (oldset != NULL && put_user_u64(old.bits, oldset) != 0)
        return -EFAULT;
    return 0;
}

SYSCALL2(rt_sigpending, sigset_t __user *, set, size_t, setsize)
{
    struct process *p = current->proc;
    unsigned long flags;
    sigset_t pending;

    if (setsize > sizeof(sigset_t))
        return -EINVAL;
    flags = sighand_lock(p);
    pending.bits = (p->pending.set.bits | current->pending.set.bits) & current->blocked.bits;
    sighand_unlock(p, flags);
    return copy_to_user(set, &pending, setsize);
}

/* ---- waiting --------------------------------------------------------------------------------- */

SYSCALL0(pause)
{
    signal_sleep();
    return -ERESTARTNOHAND;
}

SYSCALL2(rt_sigsuspend, const sigset_t __user *, set, size_t, setsize)
{
    sigset_t mask;

    if (setsize != sizeof(sigset_t))
        return -EINVAL;
    if (get_user_u64(&mask.bits, set) != 0)
        return -EFAULT;
    signal_use_mask(&mask);
    signal_sleep();
    signal_end_mask(true);
    return -ERESTARTNOHAND;
}

/* The awaited signals are unblocked while the thread sleeps, and real_blocked says that they shall
 * not kill it. */
static int wait_for(sigset_t these, u64 deadline_ns, siginfo_t *info)
{
    struct process *p = current->proc;
    unsigned long flags = sighand_lock(p);
    int sig = signal_take(current, ~these.bits, info);

    if (sig == 0 && deadline_ns != 0) {
        int err;

        current->real_blocked = current->blocked;
        current->blocked.bits &= ~these.bits;
        signal_recalc(current);
        sighand_unlock(p, flags);
        err = nanosleep_until(deadline_ns, true, NULL);
        flags = sighand_lock(p);
        current->blocked = current->real_blocked;
        current->real_blocked.bits = 0;
        sig = signal_take(current, ~these.bits, info);
        if (sig == 0)
            sig = err == -EINTR ? -EINTR : -EAGAIN;
    } else if (sig == 0) {
        sig = -EAGAIN;
    }
    signal_recalc(current);
    sighand_unlock(p, flags);
    return sig;
}

SYSCALL4(rt_sigtimedwait, const sigset_t __user *, set, siginfo_t __user *, uinfo,
         const struct __kernel_timespec __user *, timeout, size_t, setsize)
{
    u64 deadline_ns = ~0ULL;
    siginfo_t info;
    sigset_t these;
    int sig;

    if (setsize != sizeof(sigset_t))
        return -EINVAL;
    if (get_user_u64(&these.bits, set) != 0)
        return -EFAULT;
    if (timeout != NULL) {
        struct __kernel_timespec ts;

        if (copy_from_user(&ts, timeout, sizeof(ts)) != 0)
            return -EFAULT;
        if (ts.tv_sec < 0 || ts.tv_nsec < 0 || ts.tv_nsec >= (s64)NSEC_PER_SEC)
            return -EINVAL;
        if (ts.tv_sec == 0 && ts.tv_nsec == 0)
            deadline_ns = 0;
        else if ((u64)ts.tv_sec < (1ULL << 32)) /* more is for ever */
            deadline_ns = clock_monotonic_ns() + (u64)ts.tv_sec * NSEC_PER_SEC + (u64)ts.tv_nsec;
    }
    these.bits &= ~KERNEL_ONLY_MASK;
    sig = wait_for(these, deadline_ns, &info);
    if (sig > 0 && uinfo != NULL && copy_to_user(uinfo, &info, sizeof(info)) != 0)
        return -EFAULT;
    return sig;
}

/* ---- the alternate stack --------------------------------------------------------------------- */

#define SS_MODES (SS_ONSTACK | SS_DISABLE)

bool signal_on_altstack(vaddr_t sp)
{
    if ((current->altstack_flags & SS_AUTODISARM) != 0)
        return false; /* it is disarmed while it is in use */
    return sp > current->altstack_sp && sp - current->altstack_sp <= current->altstack_size;
}

vaddr_t signal_frame_top(vaddr_t sp, const struct ksigaction *act)
{
    if ((act->flags & SA_ONSTACK) != 0 && current->altstack_size != 0 && !signal_on_altstack(sp))
        return current->altstack_sp + current->altstack_size;
    return sp;
}

static int altstack_mode(vaddr_t sp)
{
    if (current->altstack_size == 0)
        return SS_DISABLE;
    return signal_on_altstack(sp) ? SS_ONSTACK : 0;
}

static int altstack_set(const stack_t *ss, vaddr_t sp)
{
    unsigned int mode = (unsigned int)ss->ss_flags & ~(unsigned int)SS_AUTODISARM;

    if (signal_on_altstack(sp))
        return -EPERM;
    if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0)
        return -EINVAL;
    if (mode == SS_DISABLE) {
        current->altstack_sp = 0;
        current->altstack_size = 0;
    } else {
        if (ss->ss_size < MINSIGSTKSZ)
            return -ENOMEM;
        current->altstack_sp = (vaddr_t)ss->ss_sp;
        current->altstack_size = ss->ss_size;
    }
    current->altstack_flags = (unsigned int)ss->ss_flags;
    return 0;
}

void signal_save_altstack(stack_t *out)
{
    memset(out, 0, sizeof(*out)); /* padding too: it goes to user memory */
    out->ss_sp = (void *)current->altstack_sp;
    out->ss_size = current->altstack_size;
    out->ss_flags = (int)current->altstack_flags;
}

void signal_disarm_altstack(void)
{
    if ((current->altstack_flags & SS_AUTODISARM) == 0)
        return;
    current->altstack_sp = 0;
    current->altstack_size = 0;
    current->altstack_flags = SS_DISABLE;
}

void signal_restore_altstack(const stack_t *ss, vaddr_t sp)
{
    (void)altstack_set(ss, sp);
}

SYSCALL2(sigaltstack, const stack_t __user *, uss, stack_t __user *, uold)
{
    vaddr_t sp = regs_sp(current_regs());
    stack_t ss = { 0 }, old = { 0 };
    int err = 0;

    if (uss != NULL && copy_from_user(&ss, uss, sizeof(ss)) != 0)
        return -EFAULT;
    old.ss_sp = (void *)current->altstack_sp;
    old.ss_size = current->altstack_size;
    old.ss_flags = altstack_mode(sp) | (int)(current->altstack_flags & SS_AUTODISARM);
    if (uss != NULL)
        err = altstack_set(&ss, sp);
    if (err == 0 && uold != NULL && copy_to_user(uold, &old, sizeof(old)) != 0)
        return -EFAULT;
    return err;
}

/* ---- restart --------------------------------------------------------------------------------- */

static long no_restart(struct task *t)
{
    (void)t;
    return -EINTR;
}

SYSCALL0(restart_syscall)
{
    long (*fn)(struct task *) = current->restart.fn;

    current->restart.fn = no_restart;
    return fn != NULL ? fn(current) : -EINTR;
}
