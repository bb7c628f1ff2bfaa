/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of kernel/task (and kernel/signal) say to each other only. */
#pragma once
#include <arch/task.h>
#include <kernel/cred.h>
#include <kernel/task.h>

#define PID_MAX  32768
#define USER_HZ  100 /* what times(2), AT_CLKTCK and si_utime count in */
#define NICE_MIN (-20)

/* ---- pid.c; TASKLIST held ---- */
void pid_init(void);
struct task *task_find_locked(pid_t tid);
/* A free id for a new thread, or -EAGAIN. 1 is init's, given by hand. */
pid_t pid_alloc_locked(void);
void pid_hash_insert(struct task *t);
void pid_hash_remove(struct task *t);
/* Moves @p into group @pgid of session @sid; on no list before (0, 0 after exit): pgrp_leave. */
void pgrp_join(struct process *p, pid_t pgid, pid_t sid);
void pgrp_leave(struct process *p);
struct list_head *pgrp_bucket(pid_t pgid);
struct list_head *session_bucket(pid_t sid);
#define for_each_pgrp_member(p, id)                                                                \
    for (struct process *p = list_first_entry(pgrp_bucket(id), struct process, pgrp_link);         \
         &p->pgrp_link != pgrp_bucket(id); p = list_next_entry(p, pgrp_link))                      \
        if (p->pgid == (id))

static inline void process_set_parent(struct process *p, struct process *parent)
{
    p->parent = parent;
    WRITE_ONCE(p->ppid, parent->tgid);
}

/* ---- pgrp.c ---- */
/* @p is about to leave: SIGHUP and SIGCONT to stopped groups that it orphans. TASKLIST held. */
void pgrp_orphaned_by_exit(struct process *p);
void pgrp_orphaned_by_parent(struct process *p, const struct process *old_parent);

/* ---- task.c ---- */
/* Zeroed but for locks, lists and refs = 1; NULL when out of memory. */
struct process *process_alloc(void);
/* A thread of @p, whose reference to @p it takes over; NULL when out of memory. */
struct task *task_new(struct process *p);
/* Becomes visible: on the lists and in the hash, one more reference. TASKLIST held, and SIGHAND for
 * the thread list. */
void task_link(struct task *t, struct process *p);
/* Off all lists; adds its times to its process's. TASKLIST held. The caller then gives the hash's
 * reference back. */
void task_unlink(struct task *t);
extern struct process *init_process;

/* ---- exit.c ---- */
/* vfork's parent runs on, the kernel forgets the thread's user pointers: exec and exit, before the
 * old mm goes. */
void task_release_mm(struct task *t);
/* A zombie process ends for good: TASKLIST held. The caller then gives the leader's hash reference
 * back. */
void process_unlink_zombie(struct process *p);

/* Its status in wait4's format. */
static inline int process_exit_status(const struct process *p)
{
    return p->group_exit ? p->group_exit_code : p->leader->exit_code;
}

/* ---- wait.c ---- */
struct rusage;
void process_times_locked(struct process *p, u64 *user_ns, u64 *sys_ns);

/* ---- rlimit.c ---- */
void rlimit_init(struct process *p); /* what a machine starts with */

/* ---- kernel/signal ---- */
/* si_code and sender as kill() and friends give them. */
void siginfo_from_user(siginfo_t *info, int sig, int code);
/* As kill(2): with the sender's permissions. -EINVAL, -ESRCH, -EPERM, -EAGAIN. */
int signal_kill(struct process *p, int sig, const siginfo_t *info);

/* ---- pidfd.c ---- */
/* A new descriptor for @p, close-on-exec; or -errno. */
int pidfd_create(struct process *p);

/* ---- exec.c ---- */
/* A descriptor table of @t's own (t is current). 0 or -errno. */
int unshare_files(struct task *t);
