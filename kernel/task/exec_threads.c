/* SPDX-License-Identifier: MIT */
/*
 * exec_threads.c: a process becomes one thread, with signal handlers of its own, before it becomes
 * another program.
 *
 * Locks: TASKLIST, SIGHAND inside it; neither while it waits.
 * Invariants: I1 behind de_thread current is the only thread, and the leader. Checked by
 * tests/user/thread_test.c and exec_test.c. Source: execve(2), pthreads(7). Read next: exec.c.
 */
#include "exec.h"
#include "internal.h"
#include <asm/errno.h>

/* TASKLIST held. The leader is dead but for its name, which becomes current's; its struct is given
 * back by the caller. */
static struct task *take_over_leader(struct process *p)
{
    struct task *old = p->leader, *me = current;
    pid_t tid = me->tid;

    pid_hash_remove(old);
    pid_hash_remove(me);
    me->tid = old->tid;
    old->tid = tid;
    me->start_ns = old->start_ns;
    p->leader = me;
    pid_hash_insert(me);
    pid_hash_insert(old);
    task_unlink(old);
    return old;
}

int de_thread(void)
{
    struct process *p = current->proc;
    struct task *old_leader = NULL;
    unsigned long flags, sflags;
    int err = 0;

    if (p->nr_threads == 1)
        return 0;
    flags = spin_lock_irqsave(&tasklist_lock);
    sflags = sighand_lock(p);
    if (p->group_exit || p->group_exec != NULL) {
        err = -EAGAIN;
    } else {
        p->group_exec = current;
        signal_kill_threads(p, current);
    }
    sighand_unlock(p, sflags);
    while (err == 0 && p->nr_running > 1) {
        task_set_state(TASK_KILLABLE);
        spin_unlock_irqrestore(&tasklist_lock, flags);
        if (fatal_signal_pending())
            err = -EAGAIN;
        else
            schedule();
        WRITE_ONCE(current->state, TASK_RUNNING);
        flags = spin_lock_irqsave(&tasklist_lock);
    }
    if (err == 0 && p->leader != current)
        old_leader = take_over_leader(p);
    if (p->group_exec == current)
        p->group_exec = NULL;
    spin_unlock_irqrestore(&tasklist_lock, flags);
    if (old_leader != NULL)
        task_put(old_leader);
    return err;
}

int unshare_sighand(struct process *p)
{
    struct sighand *old = p->sighand, *new;
    unsigned long flags, sflags;

    if (atomic_read(&old->refs) == 1)
        return 0;
    new = sighand_copy(p);
    if (new == NULL)
        return -ENOMEM;
    flags = spin_lock_irqsave(&tasklist_lock);
    sflags = spin_lock_irqsave(&old->lock);
    current->sighand = new;
    rcu_assign_pointer(p->sighand, new);
    spin_unlock_irqrestore(&old->lock, sflags);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    synchronize_rcu(); /* somebody may be between reading the pointer and taking its lock */
    sighand_put(old);
    return 0;
}
