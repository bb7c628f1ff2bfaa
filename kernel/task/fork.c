/* SPDX-License-Identifier: MIT */
/*
 * fork.c: new threads and processes: fork, vfork, clone, clone3, unshare. Does not copy memory
 * (mm_fork) or registers (arch_copy_thread). Source: fork(2), clone(2).
 *
 * The child is built in private: all that can fail happens before it is linked, under TASKLIST and
 * SIGHAND, in one step that cannot fail except for a signal or a limit. A signal to the parent's
 * group that comes before that step makes the call start again; one that comes after it finds the
 * child in the group.
 *
 * Locks: TASKLIST, SIGHAND (linking); task->lock (a vfork parent's stack variable).
 * Invariants: I1 an error leaves nothing behind; I2 a linked child was given everything that exit
 * gives back. Checked by the leak check of user tests under
 * fail_nth.
 * Read next: exit.c.
 */
#include "internal.h"
#include <kernel/process_timers.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/mm.h>
#include <asm/errno.h>
#include <linux/sched.h>

#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)
#define CLONE_TIME_NAMESPACE 0x80ULL /* lies in the exit signal's bits of the old call */

struct clone_request {
    u64 flags;
    int exit_signal;
    vaddr_t stack;
    unsigned long tls;
    u32 __user *parent_tid, *child_tid, *pidfd;
};

/* ---- checks ---------------------------------------------------------------------------------- */

static int check_flags(const struct clone_request *rq)
{
    u64 f = rq->flags;

    if ((f & CLONE_NAMESPACES) != 0)
        return has_capability() ? -EINVAL : -EPERM;
    if ((f & CLONE_THREAD) != 0 && (f & CLONE_SIGHAND) == 0)
        return -EINVAL;
    if ((f & CLONE_SIGHAND) != 0 && (f & CLONE_VM) == 0)
        return -EINVAL;
    if ((f & CLONE_SIGHAND) != 0 && (f & CLONE_CLEAR_SIGHAND) != 0)
        return -EINVAL;
    if ((f & CLONE_PARENT) != 0 && (f & CLONE_THREAD) == 0 && current->proc == init_process)
        return -EINVAL; /* init has no parent to share */
    if ((f & CLONE_PIDFD) != 0 && (f & (CLONE_THREAD | CLONE_DETACHED)) != 0)
        return -EINVAL;
    if ((f & CLONE_PIDFD) != 0 && (f & CLONE_PARENT_SETTID) != 0 && rq->pidfd == rq->parent_tid)
        return -EINVAL;
    return 0;
}

static int check_limits(void)
{
    const struct process *p = current->proc;

    if ((u64)atomic_read(&p->user->nr_procs) >= task_rlimit(RLIMIT_NPROC) &&
        p->user != &root_user && !has_capability())
        return -EAGAIN;
    return READ_ONCE(nr_tasks) >= sysctl_threads_max ? -EAGAIN : 0;
}

/* ---- copying --------------------------------------------------------------------------------- */

static struct sighand *copy_sighand(struct process *parent, u64 flags)
{
    if ((flags & CLONE_SIGHAND) != 0) {
        atomic_inc(&parent->sighand->refs);
        return parent->sighand;
    }
    if ((flags & CLONE_CLEAR_SIGHAND) != 0) {
        struct sighand *s = sighand_copy(parent);

        if (s != NULL)
            signal_reset_handlers(s);
        return s;
    }
    return sighand_copy(parent);
}

static void copy_identity(struct process *p, struct process *parent)
{
    unsigned long flags = sighand_lock(parent);

    memcpy(p->rlim, parent->rlim, sizeof(p->rlim));
    p->uid = parent->uid;
    p->euid = parent->euid;
    p->suid = parent->suid;
    p->fsuid = parent->fsuid;
    p->gid = parent->gid;
    p->egid = parent->egid;
    p->sgid = parent->sgid;
    p->fsgid = parent->fsgid;
    p->ngroups = parent->ngroups;
    memcpy(p->groups, parent->groups, (size_t)parent->ngroups * sizeof(p->groups[0]));
    p->user = parent->user;
    user_get(p->user);
    p->personality = parent->personality;
    p->keep_caps = parent->keep_caps;
    p->dumpable = parent->dumpable;
    p->thp_disable = parent->thp_disable;
    p->pt_share_off = parent->pt_share_off;
    p->oom_score_adj = parent->oom_score_adj;
    if (parent->exe != NULL)
        p->exe = file_get(parent->exe);
    sighand_unlock(parent, flags);
    process_timers_init(p);
}

static struct process *copy_process(const struct clone_request *rq)
{
    struct process *parent = current->proc, *p;

    if ((rq->flags & CLONE_THREAD) != 0) {
        process_get(parent);
        return parent;
    }
    p = process_alloc();
    if (p == NULL)
        return NULL;
    p->sighand = copy_sighand(parent, rq->flags);
    if (p->sighand == NULL) {
        process_put(p);
        return NULL;
    }
    copy_identity(p, parent);
    return p;
}

static int copy_files(struct task *t, u64 flags)
{
    struct fs_struct *fs;

    if ((flags & CLONE_FILES) != 0) {
        files_get(current->files);
        t->files = current->files;
    } else {
        struct files *f = files_copy(current->files);

        if (IS_ERR(f))
            return (int)PTR_ERR(f);
        t->files = f;
    }
    if ((flags & CLONE_FS) != 0) {
        fs_get(current->fs);
        t->fs = current->fs;
        return 0;
    }
    fs = fs_copy(current->fs);
    if (fs == NULL || IS_ERR(fs))
        return -ENOMEM;
    t->fs = fs;
    return 0;
}

static int copy_mm(struct task *t, u64 flags)
{
    struct mm *mm;

    if ((flags & CLONE_VM) != 0) {
        mm_get(current->mm);
        t->mm = current->mm;
        return 0;
    }
    mm = mm_fork(current->mm);
    if (IS_ERR(mm))
        return (int)PTR_ERR(mm);
    t->mm = mm;
    return 0;
}

static void copy_thread_fields(struct task *t, const struct clone_request *rq)
{
    memcpy(t->comm, current->comm, sizeof(t->comm));
    t->flags = TF_FORKNOEXEC | (current->flags & TF_NO_NEW_PRIVS);
    t->blocked = current->blocked;
    t->make_it_fail = current->make_it_fail;
    if ((rq->flags & (CLONE_VM | CLONE_VFORK)) != CLONE_VM) {
        t->altstack_sp = current->altstack_sp;
        t->altstack_size = current->altstack_size;
        t->altstack_flags = current->altstack_flags;
    }
    if ((rq->flags & CLONE_CHILD_SETTID) != 0) {
        t->set_child_tid = (pid_t *)rq->child_tid;
        t->sigpending_flag =
            true; /* exit_to_user_work stores it: only the child can reach its memory */
    }
    if ((rq->flags & CLONE_CHILD_CLEARTID) != 0)
        t->clear_child_tid = (pid_t *)rq->child_tid;
    t->start_ns = clock_monotonic_ns();
    sched_fork(t);
}

/* Everything the task holds, for a child that was never linked. */
static void discard_child(struct task *t)
{
    if (t->mm != NULL)
        mm_put(t->mm);
    if (t->fs != NULL)
        fs_put(t->fs);
    if (t->files != NULL)
        files_put(t->files);
    if (t->proc != current->proc && t->proc->exe != NULL)
        file_put(t->proc->exe);
    t->mm = NULL;
    task_put(t);
}

static struct task *build_child(const struct clone_request *rq)
{
    struct clone_args_k args = {
        .regs = current_regs(),
        .stack = rq->stack,
        .set_tls = (rq->flags & CLONE_SETTLS) != 0,
        .tls = rq->tls,
    };
    struct process *p = copy_process(rq);
    struct task *t;
    int err;

    if (p == NULL)
        return ERR_PTR(-ENOMEM);
    t = task_new(p);
    if (t == NULL) {
        if (p != current->proc && p->exe != NULL)
            file_put(p->exe);
        process_put(p);
        return ERR_PTR(-ENOMEM);
    }
    copy_thread_fields(t, rq);
    err = copy_files(t, rq->flags);
    if (err == 0)
        err = copy_mm(t, rq->flags);
    if (err == 0)
        err = arch_copy_thread(t, &args);
    if (err != 0) {
        discard_child(t);
        return ERR_PTR(err);
    }
    return t;
}

/* ---- linking --------------------------------------------------------------------------------- */

/* TASKLIST held. */
static void adopt(struct process *p, const struct clone_request *rq)
{
    struct process *me = current->proc;

    if ((rq->flags & CLONE_PARENT) != 0) {
        process_set_parent(p, me->parent);
        p->exit_signal = me->exit_signal;
        p->creator_tid = me->creator_tid;
    } else {
        process_set_parent(p, me);
        p->exit_signal = rq->exit_signal;
        p->creator_tid = current->tid;
    }
    list_add_tail(&p->sibling, &p->parent->children);
    pgrp_join(p, me->pgid, me->sid);
    p->tty = me->tty;
}

static int link_child(struct task *t, const struct clone_request *rq)
{
    bool thread = (rq->flags & CLONE_THREAD) != 0;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    unsigned long sflags = sighand_lock(current->proc);
    pid_t tid = -ERESTARTNOINTR;

    signal_recalc(current);
    if (!signal_pending() && !(thread && current->proc->group_exec != NULL))
        tid = pid_alloc_locked();
    if (tid > 0) {
        t->tid = tid;
        if (!thread) {
            t->proc->tgid = tid;
            t->proc->leader = t;
            adopt(t->proc, rq);
        }
        task_link(t, t->proc);
    }
    sighand_unlock(current->proc, sflags);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return tid;
}

/* ---- vfork ----------------------------------------------------------------------------------- */

/* The child takes t->lock to complete us, so whoever has cleared vfork_done under it is done with
 * our stack. */
static void wait_for_vfork(struct task *t, struct completion_like *c)
{
    (void)wait_event_killable(&c->wq, READ_ONCE(c->done));
    spin_lock(&t->lock);
    t->vfork_done = NULL;
    spin_unlock(&t->lock);
    task_put(t);
}

static long do_clone(const struct clone_request *rq)
{
    bool vfork = (rq->flags & CLONE_VFORK) != 0;
    struct completion_like done;
    struct task *t;
    int tid, pidfd = -1;
    int err = check_flags(rq);

    if (err == 0)
        err = check_limits();
    if (err != 0)
        return err;
    t = build_child(rq);
    if (IS_ERR(t))
        return PTR_ERR(t);
    if ((rq->flags & CLONE_PIDFD) != 0) {
        pidfd = pidfd_create(t->proc);
        err = pidfd < 0 ? pidfd : put_user_u32((u32)pidfd, rq->pidfd);
    }
    if (vfork) {
        wait_queue_init(&done.wq);
        done.done = false;
        t->vfork_done = &done;
        task_get(t);
    }
    tid = err == 0 ? link_child(t, rq) : err;
    if (tid < 0) {
        if (pidfd >= 0)
            (void)fd_close(pidfd);
        if (vfork)
            task_put(t);
        discard_child(t);
        return tid;
    }
    if ((rq->flags & CLONE_PARENT_SETTID) != 0 && put_user_u32((u32)tid, rq->parent_tid) != 0)
        barrier(); /* the child exists: like Linux, a bad pointer is not an error any more */
    sched_start(t);
    if (vfork)
        wait_for_vfork(t, &done);
    return tid;
}

/* ---- system calls ---------------------------------------------------------------------------- */

SYSCALL0(fork)
{
    struct clone_request rq = { .exit_signal = SIGCHLD };

    return do_clone(&rq);
}

SYSCALL0(vfork)
{
    struct clone_request rq = { .flags = CLONE_VFORK | CLONE_VM, .exit_signal = SIGCHLD };

    return do_clone(&rq);
}

SYSCALL5(clone, unsigned long, flags, unsigned long, stack, u32 __user *, parent_tid, unsigned long,
         fourth, unsigned long, fifth)
{
    struct clone_request rq = {
        .flags = (u32)flags & ~(u64)CSIGNAL,
        .exit_signal = (int)(flags & CSIGNAL),
        .stack = stack,
        .parent_tid = parent_tid,
        .pidfd = parent_tid,
    };
    vaddr_t child_tid;

    arch_clone_order(fourth, fifth, &child_tid, &rq.tls);
    rq.child_tid = (u32 __user *)child_tid;
    return do_clone(&rq);
}

/* The structure may grow: a longer one is fine when what we do not know is zero. */
static int get_clone_args(struct clone_args *a, const void __user *uargs, size_t size)
{
    const char __user *tail = (const char __user *)uargs + sizeof(*a);

    if (size > PAGE_SIZE)
        return -E2BIG;
    if (size < CLONE_ARGS_SIZE_VER0)
        return -EINVAL;
    *a = (struct clone_args){ 0 };
    for (size_t i = sizeof(*a); i < size; i++) {
        u8 byte;

        if (get_user_u8(&byte, tail++) != 0)
            return -EFAULT;
        if (byte != 0)
            return -E2BIG;
    }
    return copy_from_user(a, uargs, min(size, sizeof(*a)));
}

static int check_clone_args(const struct clone_args *a)
{
    const u64 known = 0xffffff00ULL | CLONE_CLEAR_SIGHAND;

    if ((a->flags & ~(known | CLONE_INTO_CGROUP | CLONE_TIME_NAMESPACE)) != 0 ||
        (a->flags & CLONE_DETACHED) != 0)
        return -EINVAL;
    if ((a->flags & (CLONE_INTO_CGROUP | CLONE_TIME_NAMESPACE)) != 0)
        return has_capability() ? -EINVAL : -EPERM;
    if (a->exit_signal > NSIGNALS ||
        ((a->flags & (CLONE_THREAD | CLONE_PARENT)) != 0 && a->exit_signal != 0))
        return -EINVAL;
    if (a->set_tid_size > 32 || (a->set_tid != 0) != (a->set_tid_size != 0))
        return -EINVAL;
    if (a->set_tid_size != 0)
        return -EPERM; /* ids are given out in order, to everybody */
    if ((a->stack == 0) != (a->stack_size == 0))
        return -EINVAL;
    if (a->stack != 0 && !access_ok((const void __user *)a->stack, a->stack_size))
        return -EINVAL;
    return 0;
}

SYSCALL2(clone3, struct clone_args __user *, uargs, size_t, size)
{
    struct clone_args a;
    int err = get_clone_args(&a, uargs, size);

    if (err == 0)
        err = check_clone_args(&a);
    if (err != 0)
        return err;
    return do_clone(&(struct clone_request){
        .flags = a.flags,
        .exit_signal = (int)a.exit_signal,
        .stack = a.stack + a.stack_size,
        .tls = a.tls,
        .parent_tid = (u32 __user *)a.parent_tid,
        .child_tid = (u32 __user *)a.child_tid,
        .pidfd = (u32 __user *)a.pidfd,
    });
}

static int unshare_fs(void)
{
    struct fs_struct *new = fs_copy(current->fs), *old = current->fs;

    if (new == NULL || IS_ERR(new))
        return -ENOMEM;
    spin_lock(&current->lock);
    current->fs = new;
    spin_unlock(&current->lock);
    fs_put(old);
    return 0;
}

SYSCALL1(unshare, unsigned long, flags)
{
    int err = 0;

    if ((flags &
         ~(unsigned long)(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_THREAD | CLONE_SIGHAND |
                          CLONE_VM | CLONE_NAMESPACES | CLONE_TIME_NAMESPACE)) != 0)
        return -EINVAL;
    if ((flags & (CLONE_NAMESPACES | CLONE_TIME_NAMESPACE)) != 0)
        return has_capability() ? -EINVAL : -EPERM;
    if ((flags & (CLONE_THREAD | CLONE_SIGHAND | CLONE_VM)) != 0 &&
        (current->proc->nr_threads > 1 || !mm_is_single_user(current->mm)))
        return -EINVAL;
    if ((flags & CLONE_FS) != 0)
        err = unshare_fs();
    if (err == 0 && (flags & CLONE_FILES) != 0)
        err = unshare_files(current);
    return err;
}
