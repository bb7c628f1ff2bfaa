/* SPDX-License-Identifier: MIT */
/*
 * wait.c: wait4 and waitid, and what they and getrusage count. Source: wait4(2), waitid(2),
 * POSIX.1-2017 wait().
 *
 * A child has something to tell when it is a zombie, has stopped, or has continued. Each is told
 * once; WNOWAIT leaves it. A sleeper queues on its process's child_wait before it scans, and every
 * change wakes that queue after it.
 *
 * Locks: TASKLIST while the children are scanned; the child's SIGHAND inside it for the stop flags.
 * Invariants: I1 only one waiter reaps a zombie: it is unlinked in the same critical section in
 * which it was found.
 * Read next: exit.c.
 */
#include "internal.h"
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <mm/mm.h>
#include <asm/errno.h>
#include <linux/wait.h>

struct wait_request {
    int type; /* P_ALL, P_PID, P_PGID */
    pid_t id;
    int options; /* W* and __W* */
    /* What was found. */
    pid_t pid;
    uid_t uid;
    int status; /* wait4 format */
    int code;   /* CLD_* */
    struct rusage ru;
    struct task *reaped; /* leader to be given back */
};

/* ---- accounting ------------------------------------------------------------------------------ */

void process_times_locked(struct process *p, u64 *user_ns, u64 *sys_ns)
{
    u64 user, sys;
    struct task *t;

    *user_ns = p->dead_user_ns;
    *sys_ns = p->dead_sys_ns;
    list_for_each_entry(t, &p->threads, thread_link) {
        sched_task_times(t, &user, &sys);
        *user_ns += user;
        *sys_ns += sys;
    }
}

void process_times(struct process *p, u64 *user_ns, u64 *sys_ns)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);

    process_times_locked(p, user_ns, sys_ns);
    spin_unlock_irqrestore(&tasklist_lock, flags);
}

static void add_time(__kernel_old_time_t *sec, __kernel_suseconds_t *usec, u64 ns)
{
    *sec = (__kernel_old_time_t)(ns / NSEC_PER_SEC);
    *usec = (__kernel_suseconds_t)(ns % NSEC_PER_SEC / NSEC_PER_USEC);
}

static void rusage_times(struct rusage *ru, u64 user_ns, u64 sys_ns)
{
    add_time(&ru->ru_utime.tv_sec, &ru->ru_utime.tv_usec, user_ns);
    add_time(&ru->ru_stime.tv_sec, &ru->ru_stime.tv_usec, sys_ns);
}

static void rusage_thread(struct rusage *ru, struct task *t)
{
    u64 user, sys;

    sched_task_times(t, &user, &sys);
    rusage_times(ru, user, sys);
    ru->ru_minflt = (long)t->min_flt;
    ru->ru_majflt = (long)t->maj_flt;
    ru->ru_nvcsw = (long)t->nvcsw;
    ru->ru_nivcsw = (long)t->nivcsw;
}

static u64 max_rss(const struct process *p)
{
    struct mm *mm = p == current->proc ? current->mm : NULL;

    return mm != NULL ? max(p->max_rss_pages, mm_peak_rss(mm)) : p->max_rss_pages;
}

static void rusage_self(struct rusage *ru, struct process *p)
{
    u64 user_ns, sys_ns;
    struct task *t;

    process_times_locked(p, &user_ns, &sys_ns);
    rusage_times(ru, user_ns, sys_ns);
    ru->ru_minflt = (long)p->dead_min_flt;
    ru->ru_majflt = (long)p->dead_maj_flt;
    ru->ru_nvcsw = (long)p->dead_nvcsw;
    ru->ru_nivcsw = (long)p->dead_nivcsw;
    list_for_each_entry(t, &p->threads, thread_link) {
        ru->ru_minflt += (long)t->min_flt;
        ru->ru_majflt += (long)t->maj_flt;
        ru->ru_nvcsw += (long)t->nvcsw;
        ru->ru_nivcsw += (long)t->nivcsw;
    }
    ru->ru_maxrss = (long)(max_rss(p) << (PAGE_SHIFT - 10));
}

static void rusage_children(struct rusage *ru, const struct process *p)
{
    rusage_times(ru, p->cuser_ns, p->csys_ns);
    ru->ru_minflt = (long)p->cmin_flt;
    ru->ru_majflt = (long)p->cmaj_flt;
    ru->ru_nvcsw = (long)p->cnvcsw;
    ru->ru_nivcsw = (long)p->cnivcsw;
    ru->ru_maxrss = (long)(p->cmax_rss_pages << (PAGE_SHIFT - 10));
}

/* RUSAGE_SELF, RUSAGE_THREAD, RUSAGE_CHILDREN of @p. TASKLIST held. */
static void process_rusage(struct process *p, int who, struct rusage *ru)
{
    memset(ru, 0, sizeof(*ru));
    if (who == RUSAGE_THREAD) {
        rusage_thread(ru, current);
        ru->ru_maxrss = (long)(max_rss(p) << (PAGE_SHIFT - 10));
    } else if (who == RUSAGE_CHILDREN) {
        rusage_children(ru, p);
    } else {
        rusage_self(ru, p);
    }
}

/* A reaped child's resources, and those of its own children, become those of its parent's children.
 */
static void inherit_usage(struct process *parent, const struct process *p)
{
    parent->cuser_ns += p->dead_user_ns + p->cuser_ns;
    parent->csys_ns += p->dead_sys_ns + p->csys_ns;
    parent->cmin_flt += p->dead_min_flt + p->cmin_flt;
    parent->cmaj_flt += p->dead_maj_flt + p->cmaj_flt;
    parent->cnvcsw += p->dead_nvcsw + p->cnvcsw;
    parent->cnivcsw += p->dead_nivcsw + p->cnivcsw;
    parent->cmax_rss_pages = max(parent->cmax_rss_pages, max(p->max_rss_pages, p->cmax_rss_pages));
}

/* wait4's rusage: the child and the children it has waited for. */
static void rusage_both(struct rusage *ru, const struct process *p)
{
    memset(ru, 0, sizeof(*ru));
    rusage_times(ru, p->dead_user_ns + p->cuser_ns, p->dead_sys_ns + p->csys_ns);
    ru->ru_minflt = (long)(p->dead_min_flt + p->cmin_flt);
    ru->ru_majflt = (long)(p->dead_maj_flt + p->cmaj_flt);
    ru->ru_nvcsw = (long)(p->dead_nvcsw + p->cnvcsw);
    ru->ru_nivcsw = (long)(p->dead_nivcsw + p->cnivcsw);
    ru->ru_maxrss = (long)(max(p->max_rss_pages, p->cmax_rss_pages) << (PAGE_SHIFT - 10));
}

/* ---- one child ------------------------------------------------------------------------------- */

static bool is_eligible(const struct wait_request *w, const struct process *p)
{
    bool clone_child = p->exit_signal != SIGCHLD;

    if (w->type == P_PID && p->tgid != w->id)
        return false;
    if (w->type == P_PGID && p->pgid != w->id)
        return false;
    if ((w->options & __WNOTHREAD) != 0 && p->creator_tid != current->tid)
        return false;
    return (w->options & __WALL) != 0 || clone_child == ((w->options & __WCLONE) != 0);
}

static void found(struct wait_request *w, struct process *p, int code, int status)
{
    w->pid = p->tgid;
    w->uid = p->uid;
    w->code = code;
    w->status = status;
}

static void take_zombie(struct wait_request *w, struct process *p)
{
    int status = process_exit_status(p);

    found(w, p, (status & 0x7f) != 0 ? CLD_KILLED : CLD_EXITED, status);
    if ((w->options & WNOWAIT) != 0) {
        process_rusage(p, RUSAGE_SELF, &w->ru);
        return;
    }
    process_unlink_zombie(p);
    inherit_usage(p->parent, p);
    rusage_both(&w->ru, p);
    w->reaped = p->leader;
}

/* Stopped or continued: true when there was something to tell. */
static bool take_stop(struct wait_request *w, struct process *p)
{
    bool keep = (w->options & WNOWAIT) != 0, told = true;
    unsigned long flags;

    if (!READ_ONCE(p->stopped_report) && !READ_ONCE(p->continued_report))
        return false;
    flags = sighand_lock(p);
    if ((w->options & WSTOPPED) != 0 && p->stopped_report) {
        found(w, p, CLD_STOPPED, p->stop_code << 8 | 0x7f);
        p->stopped_report = keep;
    } else if ((w->options & WCONTINUED) != 0 && p->continued_report) {
        found(w, p, CLD_CONTINUED, 0xffff);
        p->continued_report = keep;
    } else {
        told = false;
    }
    sighand_unlock(p, flags);
    if (told)
        process_rusage(p, RUSAGE_SELF, &w->ru);
    return told;
}

/* 1 found, 0 there are children but none has news, -ECHILD. */
static int scan_children(struct wait_request *w)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    int result = -ECHILD;
    struct process *p;

    list_for_each_entry(p, &current->proc->children, sibling) {
        if (!is_eligible(w, p))
            continue;
        result = 0;
        if (p->zombie) {
            if ((w->options & WEXITED) == 0)
                continue;
            take_zombie(w, p);
            result = 1;
        } else if (take_stop(w, p)) {
            result = 1;
        }
        if (result == 1)
            break;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return result;
}

/* 1 found, 0 nothing with WNOHANG, or -errno. */
static int do_wait(struct wait_request *w)
{
    struct wait_queue *wq = &current->proc->child_wait;
    struct wait_entry e = { .link = LIST_HEAD_INIT(e.link) };
    int result = scan_children(w);

    if (result == 0 && (w->options & WNOHANG) == 0) {
        do {
            wait_prepare(wq, &e, TASK_INTERRUPTIBLE);
            result = scan_children(w);
            if (result == 0 && wait_step(TASK_INTERRUPTIBLE, 0) != 0)
                result = -ERESTARTSYS;
        } while (result == 0);
        wait_finish(wq, &e);
    }
    if (w->reaped != NULL)
        task_put(w->reaped);
    return result;
}

/* ---- system calls ---------------------------------------------------------------------------- */

SYSCALL4(wait4, pid_t, pid, int __user *, ustatus, int, options, struct rusage __user *, ru)
{
    struct wait_request w = { .options = options | WEXITED };
    int result;

    if ((options & ~(WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | (int)__WCLONE | __WALL)) != 0)
        return -EINVAL;
    if (pid == INT32_MIN)
        return -ESRCH;
    if (pid == -1) {
        w.type = P_ALL;
    } else if (pid > 0) {
        w.type = P_PID;
        w.id = pid;
    } else {
        w.type = P_PGID;
        w.id = pid == 0 ? current->proc->pgid : -pid;
    }
    result = do_wait(&w);
    if (result <= 0)
        return result;
    if (ustatus != NULL && put_user_u32((u32)w.status, ustatus) != 0)
        return -EFAULT;
    if (ru != NULL && copy_to_user(ru, &w.ru, sizeof(w.ru)) != 0)
        return -EFAULT;
    return w.pid;
}

static int status_for_siginfo(const struct wait_request *w)
{
    switch (w->code) {
    case CLD_EXITED: return (w->status >> 8) & 0xff;
    case CLD_STOPPED: return w->status >> 8;
    case CLD_CONTINUED: return SIGCONT;
    default: return w->status & 0x7f;
    }
}

static int put_siginfo(siginfo_t __user *uinfo, const struct wait_request *w, bool something)
{
    siginfo_t info;

    memset(&info, 0, sizeof(info));
    if (something) {
        info.si_signo = SIGCHLD;
        info.si_code = w->code;
        info.si_pid = w->pid;
        info.si_uid = w->uid;
        info.si_status = status_for_siginfo(w);
    }
    return copy_to_user(uinfo, &info, sizeof(info));
}

static int waitid_target(struct wait_request *w, int type, pid_t id)
{
    w->type = type;
    w->id = id;
    switch (type) {
    case P_ALL: return 0;
    case P_PID: return id > 0 ? 0 : -EINVAL;
    case P_PGID:
        if (id == 0)
            w->id = current->proc->pgid;
        return id >= 0 ? 0 : -EINVAL;
    case P_PIDFD:
        w->type = P_PID;
        w->id = id < 0 ? -EINVAL : pidfd_tgid(id, &w->options);
        return w->id < 0 ? w->id : 0;
    default: return -EINVAL;
    }
}

SYSCALL5(waitid, int, type, pid_t, id, siginfo_t __user *, uinfo, int, options,
         struct rusage __user *, ru)
{
    struct wait_request w = { .options = options };
    int result;

    if ((options & ~(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD |
                     (int)__WCLONE | __WALL)) != 0 ||
        (options & (WEXITED | WSTOPPED | WCONTINUED)) == 0)
        return -EINVAL;
    result = waitid_target(&w, type, id);
    if (result == 0)
        result = do_wait(&w);
    if (result == 0 && w.options != options)
        result = -EAGAIN; /* the pidfd is non-blocking */
    if (result < 0)
        return result;
    if (ru != NULL && result == 1 && copy_to_user(ru, &w.ru, sizeof(w.ru)) != 0)
        return -EFAULT;
    return uinfo != NULL ? put_siginfo(uinfo, &w, result == 1) : 0;
}

SYSCALL2(getrusage, int, who, struct rusage __user *, uru)
{
    struct rusage ru;
    unsigned long flags;

    if (who != RUSAGE_SELF && who != RUSAGE_CHILDREN && who != RUSAGE_THREAD)
        return -EINVAL;
    flags = spin_lock_irqsave(&tasklist_lock);
    process_rusage(current->proc, who, &ru);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return copy_to_user(uru, &ru, sizeof(ru));
}
