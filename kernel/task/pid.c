/* SPDX-License-Identifier: MIT */
/*
 * pid.c: ids of threads, process groups and sessions: three hashes and the search for a free
 * number. Does not decide who may change a group (pgrp.c).
 *
 * One number space: a number is taken while a thread has it, or while a process group or a session
 * is named after it, even when the process that named it is long gone (POSIX.1-2017, 3.296).
 * Numbers are given out in rising order and start again at the lowest ordinary one, so that one
 * that became free is not used again for a long time.
 *
 * Locks: TASKLIST for all of it.
 * Invariants: I1 a task is in the hash exactly while it is in all_tasks; I2 a process is in the
 * buckets of its pgid and sid exactly from fork until it is reaped. Checked by task_check.
 * Read next: pgrp.c.
 */
#include "internal.h"
#include <asm/errno.h>

#define PID_BUCKETS  1024
#define PGRP_BUCKETS 128
#define PID_RESERVED 300 /* low numbers stay with what started at boot */

spinlock_t tasklist_lock = SPINLOCK_INIT(LOCK_TASKLIST);
LIST_HEAD(all_tasks);

static struct task *pid_hash[PID_BUCKETS];
static struct list_head pgrp_hash[PGRP_BUCKETS], session_hash[PGRP_BUCKETS];
static pid_t last_pid = 1;

struct list_head *pgrp_bucket(pid_t pgid)
{
    return &pgrp_hash[(unsigned int)pgid % PGRP_BUCKETS];
}

struct list_head *session_bucket(pid_t sid)
{
    return &session_hash[(unsigned int)sid % PGRP_BUCKETS];
}

void pid_init(void)
{
    for (int i = 0; i < PGRP_BUCKETS; i++) {
        list_init(&pgrp_hash[i]);
        list_init(&session_hash[i]);
    }
}

struct task *task_find_locked(pid_t tid)
{
    struct task *t;

    lock_assert_held(&tasklist_lock);
    for (t = pid_hash[(unsigned int)tid % PID_BUCKETS]; t != NULL; t = t->pid_next)
        if (t->tid == tid)
            return t;
    return NULL;
}

void pid_hash_insert(struct task *t)
{
    struct task **head = &pid_hash[(unsigned int)t->tid % PID_BUCKETS];

    t->pid_next = *head;
    *head = t;
}

void pid_hash_remove(struct task *t)
{
    struct task **link = &pid_hash[(unsigned int)t->tid % PID_BUCKETS];

    while (*link != t)
        link = &(*link)->pid_next;
    *link = t->pid_next;
}

static bool pid_is_taken(pid_t nr)
{
    struct process *p;

    if (task_find_locked(nr) != NULL)
        return true;
    list_for_each_entry(p, pgrp_bucket(nr), pgrp_link)
        if (p->pgid == nr)
            return true;
    list_for_each_entry(p, session_bucket(nr), session_link)
        if (p->sid == nr)
            return true;
    return false;
}

pid_t pid_alloc_locked(void)
{
    for (int tries = 0; tries < PID_MAX; tries++) {
        last_pid = last_pid + 1 < PID_MAX ? last_pid + 1 : PID_RESERVED;
        if (!pid_is_taken(last_pid))
            return last_pid;
    }
    return -EAGAIN;
}

pid_t pid_last(void)
{
    return READ_ONCE(last_pid);
}

void pgrp_join(struct process *p, pid_t pgid, pid_t sid)
{
    p->pgid = pgid;
    p->sid = sid;
    list_add_tail(&p->pgrp_link, pgrp_bucket(pgid));
    list_add_tail(&p->session_link, session_bucket(sid));
}

void pgrp_leave(struct process *p)
{
    list_del(&p->pgrp_link);
    list_del(&p->session_link);
}

struct task *task_find_get(pid_t tid)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t = task_find_locked(tid);

    if (t != NULL)
        task_get(t);
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return t;
}

struct process *process_find_get(pid_t tgid)
{
    unsigned long flags = spin_lock_irqsave(&tasklist_lock);
    struct task *t = task_find_locked(tgid);
    struct process *p = NULL;

    if (t != NULL && t->proc->tgid == tgid) {
        p = t->proc;
        process_get(p);
    }
    spin_unlock_irqrestore(&tasklist_lock, flags);
    return p;
}
