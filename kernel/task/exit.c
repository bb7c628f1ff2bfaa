/* SPDX-License-Identifier: MIT */
/*
 * exit.c: the end of threads and processes, and what becomes of their children. Does not wait for
 * them (wait.c).
 *
 * A thread that ends gives up, in this order: taking signals, its memory, its files, its place
 * among the relatives (exit_notify), the CPU. A thread that is not its process's leader is unlinked
 * by itself; the leader stays as the zombie that wait4 asks for, and the process becomes a zombie
 * when the last thread has passed exit_notify.
 *
 *   running --do_exit--> exiting --exit_notify--> (not leader) unlinked --last switch--> freed
 *                                                 (leader) zombie --wait4--> unlinked --> freed
 *
 * Locks: TASKLIST and, inside it, SIGHAND.
 * Invariants: I1 every process but init has a parent that is not a zombie; I2 nr_running == 0 <=>
 * zombie; I3 a zombie process holds no memory, files or timers. Checked by task_check.
 * Read next: wait.c.
 */
#include "internal.h"
#include <kernel/futex.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/process_timers.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/mm.h>

/* ---- memory, files --------------------------------------------------------------------------- */

/* Only while others may look: the word lies in memory that dies with its last user anyway. */
static void clear_child_tid(struct task *t)
{
    pid_t *p = t->clear_child_tid;

    t->clear_child_tid = NULL;
    if (p == NULL || mm_is_single_user(t->mm))
        return;
    if (put_user_u32(0, p) == 0)
        futex_wake_user((u32 __user *)p);
}

static void complete_vfork(struct task *t)
{
    struct completion_like *c;

    spin_lock(&t->lock);
    c = t->vfork_done;
    t->vfork_done = NULL;
    if (c != NULL) {
        WRITE_ONCE(c->done, true);
        wake_up_all(&c->wq);
    }
    spin_unlock(&t->lock);
}

void task_release_mm(struct task *t)
{
    futex_exit_robust(t);
    clear_child_tid(t);
    if (t->vfork_done != NULL)
        complete_vfork(t);
}

static void exit_mm(struct task *t)
{
    struct process *p = t->proc;

    if (t->mm == NULL)
        return;
    task_release_mm(t);
    p->max_rss_pages = max(p->max_rss_pages, mm_peak_rss(t->mm));
    mm_set_current(NULL);
}

static void exit_files(struct task *t)
{
    struct files *files = t->files;
    struct fs_struct *fs = t->fs;

    spin_lock(&t->lock);
    t->files = NULL;
    t->fs = NULL;
    spin_unlock(&t->lock);
    if (files != NULL)
        files_put(files);
    if (fs != NULL)
        fs_put(fs);
}

/* The last thread: what belongs to the process as a whole. */
static void exit_process(struct task *t)
{
    struct process *p = t->proc;
    struct file *exe;
    unsigned long flags;

    if (p == init_process) {
        int status = process_exit_status(p), sig = status & 0x7f;

        if (sig != 0)
            panic("init was killed by %s: nothing is left to run", signal_name(sig));
        panic("init ended with exit status %d: nothing is left to run", (status >> 8) & 0xff);
    }
    process_timers_exit(p);
    if (p->sid == p->tgid)
        tty_session_leader_exit(t);
    flags = sighand_lock(p);
    exe = p->exe;
    p->exe = NULL;
    sighand_unlock(p, flags);
    if (exe != NULL)
        file_put(exe);
}

/* ---- children -------------------------------------------------------------------------------- */

/* Who takes the children of @p: the nearest living ancestor that asked for it (prctl), or init. */
static struct process *new_parent_for_children(struct process *p)
{
    for (struct process *a = p->parent; a != &kproc; a = a->parent)
        if (a->child_subreaper && !a->zombie)
            return a;
    return init_process;
}

static void send_death_signals(struct process *child)
{
    struct task *t;

    list_for_each_entry(t, &child->threads, thread_link)
        if (t->pdeath_signal != 0)
            (void)signal_send_process(child, t->pdeath_signal, NULL);
}

/* A process that nobody will wait for leaves the lists and goes to @dead. TASKLIST held. */
static void bury(struct process *p, struct list_head *dead)
{
    process_unlink_zombie(p);
    list_add_tail(&p->sibling, dead);
}

static void give_children_away(struct process *p, struct list_head *dead)
{
    struct process *to = NULL, *child, *tmp;

    list_for_each_entry_safe(child, tmp, &p->children, sibling) {
        if (to == NULL)
            to = new_parent_for_children(p);
        process_set_parent(child, to);
        child->creator_tid = to->tgid;
        list_move_tail(&child->sibling, &to->children);
        send_death_signals(child);
        child->exit_signal = SIGCHLD;
        pgrp_orphaned_by_parent(child, p);
        if (child->zombie && signal_notify_exit(child))
            bury(child, dead);
    }
}

/* One of several threads ends: what it made now belongs to the leader. */
static void give_children_to_leader(struct task *t)
{
    struct process *child;

    list_for_each_entry(child, &t->proc->children, sibling) {
        if (child->creator_tid != t->tid)
            continue;
        child->creator_tid = t->proc->tgid;
        send_death_signals(child);
    }
}

void process_unlink_zombie(struct process *p)
{
    lock_assert_held(&tasklist_lock);
    list_del_init(&p->sibling);
    pgrp_leave(p);
    p->tty = NULL; /* whoever takes the terminal away does not find us any more */
    task_unlink(p->leader);
}

/* ---- exit_notify ----------------------------------------------------------------------------- */

static void become_zombie(struct process *p, struct list_head *dead)
{
    give_children_away(p, dead);
    pgrp_orphaned_by_exit(p);
    p->zombie = true;
    if (signal_notify_exit(p))
        bury(p, dead);
    wake_up_all(&p->exit_wait);
}

static void exit_notify(struct task *t)
{
    struct process *p = t->proc, *d, *tmp;
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    bool unlinked = t != p->leader;
    LIST_HEAD(dead);

    if (p->nr_running > 1 && !list_empty(&p->children))
        give_children_to_leader(t);
    p->nr_running--;
    if (unlinked)
        task_unlink(t);
    if (p->nr_running == 0)
        become_zombie(p, &dead);
    else if (p->nr_running == 1 && p->group_exec != NULL)
        wake_up_state(p->group_exec, TASK_KILLABLE);
    spin_unlock_irqrestore(&tasklist_lock, flags);

    list_for_each_entry_safe(d, tmp, &dead, sibling) {
        list_del_init(&d->sibling);
        task_put(d->leader);
    }
    if (unlinked)
        task_put(t); /* the hash's reference; the one for running is still there */
}

static void exit_kthread(struct task *t)
{
    unsigned long flags;

    BUG_ON(t->tid == 0); /* an idle task has nowhere to go */
    t->flags |= TF_EXITING;
    atomic_dec(&kproc.nr_live);
    flags = spin_lock_irqsave(&tasklist_lock);
    kproc.nr_running--;
    task_unlink(t);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    task_put(t);
}

/* ---- the calls ------------------------------------------------------------------------------- */

__noreturn void do_exit(int status)
{
    struct task *t = current;

    if (unlikely(!irqs_enabled() || arch_preempt_count() != 0))
        panic("do_exit of %s[%d] in a context that must not sleep", t->comm, t->tid);
    if ((t->flags & TF_EXITING) != 0)
        panic("%s[%d] ends while it ends", t->comm, t->tid);
    if ((t->flags & TF_KTHREAD) != 0) {
        exit_kthread(t);
    } else {
        t->exit_code = status;
        if (signal_thread_exiting(t))
            exit_process(t);
        exit_mm(t);
        exit_files(t);
        exit_notify(t);
    }
    WRITE_ONCE(t->state, TASK_DEAD);
    schedule();
    BUG();
}

__noreturn void do_group_exit(int status)
{
    struct process *p = current->proc;

    if (p->nr_threads > 1 || p->group_exit) {
        unsigned long flags = sighand_lock(p);

        if (p->group_exit) {
            status = p->group_exit_code;
        } else if (p->group_exec != NULL && p->group_exec != current) {
            status = 0; /* another thread execs: the process goes on without this one */
        } else {
            p->group_exit = true;
            p->group_exit_code = status;
            signal_kill_threads(p, current);
        }
        sighand_unlock(p, flags);
    }
    do_exit(status);
}

SYSCALL1(exit, int, status)
{
    do_exit((status & 0xff) << 8);
}

SYSCALL1(exit_group, int, status)
{
    do_group_exit((status & 0xff) << 8);
}
