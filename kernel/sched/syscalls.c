/* SPDX-License-Identifier: MIT */
/*
 * syscalls.c: the system calls about scheduling, and who may make them.
 *
 * A process may lower its own and its user's tasks; raising needs capability or a resource limit
 * (RLIMIT_NICE, RLIMIT_RTPRIO). Source: POSIX.1-2017 <sched.h>, getpriority; sched_setaffinity(2),
 * sched_setscheduler(2), setpriority(2), sched(7). Locks: TASKLIST to walk processes. Read next:
 * wait.c.
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/errno.h>
#include <linux/resource.h>
#include <linux/sched.h>
#include <linux/sched/types.h>

#define NICE_MIN (-20)
#define NICE_MAX 19

/* A reference to the task; 0 is the caller. NULL when there is none. */
static struct task *get_task(pid_t tid)
{
    if (tid != 0)
        return task_find_get(tid);
    task_get(current);
    return current;
}

static bool same_owner(const struct process *p)
{
    const struct process *me = current->proc;

    return has_capability() || me->euid == p->euid || me->euid == p->uid;
}

/* RLIMIT_NICE counts from 1 (nice 19) to 40 (nice -20). */
static bool may_set_nice(const struct task *t, int nice)
{
    if (nice >= t->nice || has_capability())
        return true;
    return (u64)(NICE_MAX + 1 - nice) <= READ_ONCE(t->proc->rlim[RLIMIT_NICE].rlim_cur);
}

/* ---- yield, affinity ---- */

SYSCALL0(sched_yield)
{
    sched_yield_current();
    return 0;
}

SYSCALL3(sched_setaffinity, pid_t, pid, unsigned int, len, const void __user *, mask_in)
{
    cpumask_t mask = { 0 };
    struct task *t;
    int err;

    if (copy_from_user(&mask, mask_in, min((size_t)len, sizeof(mask))))
        return -EFAULT;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    if (!same_owner(t->proc))
        err = -EPERM;
    else if (t->flags & TF_KTHREAD)
        err = -EINVAL;
    else
        err = sched_set_affinity(t, mask);
    task_put(t);
    return err;
}

/* Returns the bytes written: one word. */
SYSCALL3(sched_getaffinity, pid_t, pid, unsigned int, len, void __user *, mask_out)
{
    cpumask_t mask;
    struct task *t;

    if (len * 8 < nr_cpus_online || len % sizeof(long) != 0)
        return -EINVAL;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    mask = t->affinity;
    task_put(t);
    mask.bits &= (1UL << nr_cpus_online) - 1;
    if (copy_to_user(mask_out, &mask, sizeof(mask)))
        return -EFAULT;
    return sizeof(mask);
}

SYSCALL3(getcpu, u32 __user *, cpu_out, u32 __user *, node_out, void __user *, unused)
{
    (void)unused; /* Linux: a cache that it no longer uses */
    if (cpu_out && put_user_u32(smp_processor_id(), cpu_out))
        return -EFAULT;
    if (node_out && put_user_u32(0, node_out))
        return -EFAULT;
    return 0;
}

/* ---- policy ---- */

static bool is_rt_policy(unsigned int policy)
{
    return policy == SCHED_FIFO || policy == SCHED_RR;
}

static bool may_set_policy(const struct task *t, unsigned int policy, unsigned int priority)
{
    u64 limit = READ_ONCE(t->proc->rlim[RLIMIT_RTPRIO].rlim_cur);

    if (has_capability())
        return true;
    if (!same_owner(t->proc))
        return false;
    if (is_rt_policy(policy))
        return (policy == t->policy || limit > 0) &&
               (priority <= t->rt_priority || priority <= limit);
    return t->policy != SCHED_IDLE || policy == SCHED_IDLE || may_set_nice(t, t->nice - 1);
}

/* @policy -1 keeps the one there is. */
static long set_scheduler(pid_t pid, int policy, const struct sched_param __user *param_in)
{
    struct sched_param param;
    struct task *t;
    unsigned int p;
    bool reset;
    long err;

    if (!param_in || pid < 0)
        return -EINVAL;
    if (copy_from_user(&param, param_in, sizeof(param)))
        return -EFAULT;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    p = policy == -1 ? t->policy : (unsigned int)policy & ~(unsigned int)SCHED_RESET_ON_FORK;
    reset = policy == -1 ? t->reset_on_fork : (policy & SCHED_RESET_ON_FORK) != 0;
    if (!may_set_policy(t, p, (unsigned int)param.sched_priority)) {
        err = -EPERM;
    } else {
        err = sched_set_policy(t, p, (unsigned int)param.sched_priority);
        if (err == 0)
            t->reset_on_fork = reset;
    }
    task_put(t);
    return err;
}

SYSCALL3(sched_setscheduler, pid_t, pid, int, policy, const struct sched_param __user *, param)
{
    return policy < 0 ? -EINVAL : set_scheduler(pid, policy, param);
}

SYSCALL2(sched_setparam, pid_t, pid, const struct sched_param __user *, param)
{
    return set_scheduler(pid, -1, param);
}

SYSCALL1(sched_getscheduler, pid_t, pid)
{
    struct task *t;
    long policy;

    if (pid < 0)
        return -EINVAL;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    policy = t->policy | (t->reset_on_fork ? SCHED_RESET_ON_FORK : 0);
    task_put(t);
    return policy;
}

SYSCALL2(sched_getparam, pid_t, pid, struct sched_param __user *, out)
{
    struct sched_param param;
    struct task *t;

    if (!out || pid < 0)
        return -EINVAL;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    param.sched_priority = t->rt_priority;
    task_put(t);
    return copy_to_user(out, &param, sizeof(param));
}

static long priority_limit(int policy, long rt_limit)
{
    switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
        return rt_limit;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
        return 0;
    default:
        return -EINVAL;
    }
}

SYSCALL1(sched_get_priority_max, int, policy)
{
    return priority_limit(policy, 99);
}

SYSCALL1(sched_get_priority_min, int, policy)
{
    return priority_limit(policy, 1);
}

SYSCALL2(sched_rr_get_interval, pid_t, pid, void __user *, out)
{
    struct timespec ts = { 0, 0 };
    struct task *t;

    if (pid < 0)
        return -EINVAL;
    t = get_task(pid);
    if (!t)
        return -ESRCH;
    if (t->policy == SCHED_RR)
        ts.tv_nsec = SCHED_RR_SLICE_NS;
    else if (t->policy != SCHED_FIFO)
        ts.tv_nsec = SCHED_SLICE_NS;
    task_put(t);
    return copy_to_user(out, &ts, sizeof(ts));
}

/* ---- nice ---- */

/* Whom getpriority and setpriority mean. */
struct selection {
    int which;
    unsigned int who; /* tid, process group or user id; never 0 */
};

static bool is_selected(const struct selection *s, const struct task *t)
{
    switch (s->which) {
    case PRIO_PROCESS:
        return (unsigned int)t->tid == s->who;
    case PRIO_PGRP:
        return (unsigned int)t->proc->pgid == s->who;
    default:
        return t->proc->uid == s->who && !(t->flags & TF_KTHREAD);
    }
}

static bool select(struct selection *s, int which, int who)
{
    if (which < PRIO_PROCESS || which > PRIO_USER)
        return false;
    s->which = which;
    s->who = (unsigned int)who;
    if (who == 0)
        s->who = which == PRIO_PROCESS ? (unsigned int)current->tid
                 : which == PRIO_PGRP  ? (unsigned int)current->proc->pgid
                                       : current->proc->uid;
    return true;
}

/* The highest priority of those selected, as 20 - nice so that it is no error number. */
SYSCALL2(getpriority, int, which, int, who)
{
    struct selection s;
    long best = -ESRCH;
    unsigned long flags;
    struct task *t;

    if (!select(&s, which, who))
        return -EINVAL;
    flags = spin_lock_irqsave(&tasklist_lock);
    list_for_each_entry(t, &all_tasks, task_link)
        if (is_selected(&s, t))
            best = max(best, (long)(20 - t->nice));
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return best;
}

static int set_nice_checked(struct task *t, int nice)
{
    const struct process *me = current->proc, *p = t->proc;

    if (!has_capability() && p->uid != me->euid && p->euid != me->euid)
        return -EPERM;
    if (!may_set_nice(t, nice))
        return -EACCES;
    sched_set_nice(t, nice);
    return 0;
}

SYSCALL3(setpriority, int, which, int, who, int, nice)
{
    struct selection s;
    int err = -ESRCH, e;
    unsigned long flags;
    struct task *t;

    if (!select(&s, which, who))
        return -EINVAL;
    nice = max(min(nice, NICE_MAX), NICE_MIN);
    flags = spin_lock_irqsave(&tasklist_lock);
    list_for_each_entry(t, &all_tasks, task_link) {
        if (!is_selected(&s, t))
            continue;
        e = set_nice_checked(t, nice);
        if (e != 0 || err == -ESRCH) /* success of one does not hide the failure of another */
            err = e;
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return err;
}
