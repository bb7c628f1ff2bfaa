/* SPDX-License-Identifier: MIT */
/*
 * task.h: threads and processes.
 *
 * struct task is one thread. struct process is a thread group (what a user calls a process): identity towards
 * parents, signals sent to all threads, limits, timers, terminal. A task always has a process; kernel threads share kproc.
 * Fields name their lock: [S] set at creation, [O] only the task itself, [T] TASKLIST, [H] SIGHAND, [R] run queue, [A] atomic.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/rcu.h>
#include <kernel/sched.h>
#include <kernel/signal.h>
#include <kernel/spinlock.h>
#include <kernel/time.h>
#include <kernel/wait.h>
#include <asm/quire_thread.h> /* struct arch_thread */
#include <linux/resource.h>

struct mm;
struct files;
struct fs_struct;
struct tty;
struct file;

#define KSTACK_SIZE KIB(16)
#define TASK_COMM_LEN 16
#define MAX_HELD_LOCKS 24

struct held_lock {
    const void *lock;
    u8 class;
};

struct task {
    /* Scheduler. */
    unsigned int state;    /* [O] sets, wakers test under [R] */
    unsigned int cpu;      /* [R] the run queue it belongs to */
    bool on_rq;            /* [R] */
    bool on_cpu;           /* true while its registers are live on a CPU; release/acquire */
    int nice;              /* [R] */
    u64 vruntime;          /* [R] ns weighted by nice */
    u64 slice_start_ns;    /* [R] */
    u64 run_ns, user_ns, sys_ns; /* [O] CPU time */
    u64 nvcsw, nivcsw, min_flt, maj_flt; /* [O] */
    cpumask_t affinity;    /* [R] */
    struct list_head rq_link;    /* [R] or the implementation's tree links */
    void *rq_node[3];      /* [R] scheduler's tree node when it uses one */

    struct arch_thread arch; /* [O] saved registers, FPU, TLS */
    void *kstack;          /* [S] lowest address, KSTACK_SIZE bytes, guard page below */
    unsigned int flags;    /* [O] TF_* */
    struct held_lock held[MAX_HELD_LOCKS]; /* [O] lock checker */
    unsigned int nr_held;

    /* Identity. */
    pid_t tid;             /* [S] */
    struct process *proc;  /* [S] */
    char comm[TASK_COMM_LEN];
    atomic_t refs;         /* [A] task_get/task_put; freed by RCU */
    struct rcu_head rcu;
    struct list_head thread_link; /* [T] proc->threads */
    struct list_head task_link;   /* [T] all tasks */
    struct task *pid_next;        /* [T] tid hash chain, read under RCU */

    /* Resources, each shared or not as clone's flags said. */
    struct mm *mm;         /* [O] changes in exec and exit under task_lock; NULL for kernel threads */
    spinlock_t lock;       /* LOCK_FS_STRUCT: mm, files, fs pointers against /proc readers */
    struct files *files;
    struct fs_struct *fs;
    struct sighand *sighand;

    /* Signals. */
    sigset_t blocked;      /* [H] written by self */
    sigset_t saved_mask;   /* [O] for sigsuspend, ppoll; valid when TF_RESTORE_MASK */
    struct sigpending pending; /* [H] private to the thread */
    bool sigpending_flag;  /* set when return to user must look at signals; [H] */
    vaddr_t altstack_sp;   /* [O] */
    size_t altstack_size;
    unsigned int altstack_flags;
    struct restart_block {
        long (*fn)(struct task *);
        u64 deadline_ns;
        unsigned long arg[4];
    } restart;             /* [O] for restart_syscall */

    /* Lifetime. */
    int exit_code;         /* [T] wait4 status */
    pid_t *set_child_tid, *clear_child_tid; /* user pointers */
    void *robust_list;     /* user pointer */
    size_t robust_len;
    struct completion_like {
        struct wait_queue wq;
        bool done;
    } *vfork_done;         /* parent waits here */
    int pdeath_signal;
    u64 start_ns;          /* [S] monotonic */

    /* Fault injection and tracing. */
    long fail_nth;         /* [O] 0 off; counts down allocations, see kernel/fail.h */
    unsigned int pagefault_disabled; /* [O] uaccess that must not sleep */
    void *journal;         /* [O] arch or test private */
};

#define TF_KTHREAD      1u
#define TF_RESTORE_MASK 2u
#define TF_EXITING      4u
#define TF_VFORK        8u
#define TF_OOM_VICTIM   16u /* may dip into the reserve, must exit */
#define TF_MEMALLOC     32u
#define TF_FORKNOEXEC   64u
#define TF_SYSCALL_TRACE 128u

struct process {
    pid_t tgid;            /* [S] */
    atomic_t refs;         /* [A] one per thread plus one while the leader is not reaped */
    struct task *leader;   /* [T] */
    struct list_head threads; /* [T] task.thread_link */
    int nr_threads;        /* [T] */
    struct process *parent;   /* [T] */
    struct list_head children; /* [T] process.sibling */
    struct list_head sibling;  /* [T] */
    struct list_head pgrp_link; /* [T] members of a process group: all processes list is walked, see pgid */
    pid_t pgid, sid;       /* [T] */
    struct tty *tty;       /* [H] controlling terminal */
    struct wait_queue child_wait; /* wait4 sleepers */
    int exit_signal;       /* [T] to the parent, SIGCHLD or clone's */
    bool zombie;           /* [T] leader dead and last thread gone */
    bool stopped_report, continued_report; /* [H] for WUNTRACED, WCONTINUED */
    int stop_code;         /* [H] */
    bool group_stop;       /* [H] */
    bool group_exit;       /* [H] */
    int group_exit_code;   /* [H] */
    struct task *group_exec; /* [H] the thread that execs and waits for the others */
    struct sigpending pending; /* [H] shared by all threads */
    struct rlimit rlim[RLIM_NLIMITS]; /* [H] for write */
    u64 cuser_ns, csys_ns, cmin_flt, cmaj_flt, dead_user_ns, dead_sys_ns; /* [T] of reaped children, dead threads */
    u64 max_rss_pages, cmax_rss_pages;
    struct timer itimer_real; /* [H] */
    u64 itimer_interval_ns;   /* [H] */
    uid_t uid, euid, suid, fsuid; /* [H] */
    gid_t gid, egid, sgid, fsgid;
    int ngroups;
    gid_t groups[32];
    bool did_exec;         /* [T] setpgid on it gives EACCES */
    bool dumpable, child_subreaper, thp_disable;
    int oom_score_adj;     /* [A] -1000 .. 1000 */
    struct file *exe;      /* [H] for /proc/pid/exe */
};

extern struct process kproc; /* all kernel threads */

void task_init(void);
/* Finds by thread id / thread-group id in RCU or TASKLIST; returns with a reference or NULL. */
struct task *task_find_get(pid_t tid);
struct process *process_find_get(pid_t tgid);
static inline void task_get(struct task *t)
{
    atomic_inc(&t->refs);
}
void task_put(struct task *t);
static inline void process_get(struct process *p)
{
    atomic_inc(&p->refs);
}
void process_put(struct process *p);

extern spinlock_t tasklist_lock;
extern struct list_head all_tasks; /* [T] */

/* Starts a kernel thread; returns it or ERR_PTR(-ENOMEM). fn's return ends the thread. */
struct task *kernel_thread(int (*fn)(void *), void *arg, const char *name);
/* Allocates a task with stack and defaults, not yet on any list; NULL when out of memory. */
struct task *task_alloc(void);
/* Opens the initramfs' /init (or init=) as process 1. Called once from main. */
void kernel_start_init(void);

/* The calling thread ends; status is in wait4 format. */
__noreturn void do_exit(int status);
/* All threads of the process end. */
__noreturn void do_group_exit(int status);

static inline bool has_capability(void)
{
    return READ_ONCE(current->proc->euid) == 0;
}
u64 task_rlimit(int which); /* soft limit of the current process */

/* mm of another task with a users reference (mmput after), or NULL. */
struct mm *task_mm_get(struct task *t);
