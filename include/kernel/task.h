/* SPDX-License-Identifier: MIT */
/*
 * task.h: threads and processes.
 *
 * struct task is one thread. struct process is a thread group (what a user calls a process):
 * identity towards parents, signals sent to all threads, limits, timers, terminal. A task always
 * has a process; kernel threads share kproc. Fields name their lock: [S] set at creation, [O] only
 * the task itself, [T] TASKLIST, [H] SIGHAND, [R] run queue, [A] atomic.
 */
#pragma once
#include <kernel/atomic.h>
#include <kernel/list.h>
#include <kernel/mutex.h>
#include <kernel/rbtree.h>
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
struct user;

#define KSTACK_SIZE    KIB(16)
#define TASK_COMM_LEN  16
#define MAX_HELD_LOCKS 48 /* a batch of pages that move together (migrate_file.c), and others */

struct held_lock {
    const void *lock;
    u8 class;
};

struct task {
    /* Scheduler. */
    unsigned int state;          /* [O] sets, wakers test under [R] */
    unsigned int cpu;            /* [R] the run queue it belongs to */
    bool on_rq;                  /* [R] */
    bool moving;                 /* [R] between two queues: sched_place comes */
    bool on_cpu;                 /* true while its registers are live on a CPU; release/acquire */
    int nice;                    /* [R] */
    u64 vruntime;                /* [R] ns weighted by nice */
    u64 slice_start_ns;          /* [R] */
    u64 run_ns, user_ns, sys_ns; /* [O] CPU time */
    u64 nvcsw, nivcsw, min_flt, maj_flt; /* [O] */
    cpumask_t affinity;                  /* [R] */
    u8 policy;                           /* [R] SCHED_OTHER ... */
    u8 rt_priority;                      /* [R] 1 .. 99 for SCHED_FIFO and SCHED_RR, else 0 */
    bool reset_on_fork;                  /* [R] SCHED_RESET_ON_FORK */
    bool ticked_user; /* [R] the last tick found it in user mode: splits run_ns into user and system
                         time */
    struct rb_node rq_node; /* [R] in the run queue's tree while runnable and not running */

    struct arch_thread arch; /* [O] saved registers, FPU, TLS */
    struct trap_note {
        unsigned long number, error; /* the machine's words for what happened */
        vaddr_t addr;
    } trap;                  /* [O] the last fault, for the signal frame; see kernel/trap.h */
    void *kstack;            /* [S] lowest address, KSTACK_SIZE bytes, guard page below */
    unsigned int flags;      /* [O] TF_* */
    unsigned int nr_held;    /* [O] entries of held below */

    /* Identity. */
    pid_t tid;            /* [T] changes only when a thread that execs takes over its leader's */
    struct process *proc; /* [S] */
    char comm[TASK_COMM_LEN];
    atomic_t refs;       /* [A] one while it can run, one while its id is hashed, and task_get's */
    struct rcu_head rcu; /* freeing out of a context that must not sleep */
    struct list_head
        thread_link; /* [T] and [H] proc->threads: written under both, read under either */
    struct list_head task_link; /* [T] all tasks */
    struct task *pid_next;      /* [T] tid hash chain */

    /* Resources, each shared or not as clone's flags said. */
    struct mm *mm;   /* [O] changes in exec and exit under lock; NULL for kernel threads */
    spinlock_t lock; /* LOCK_FS_STRUCT: mm, files, fs pointers against /proc readers */
    struct files *files;
    struct fs_struct *fs;
    struct sighand *sighand; /* the process's */

    /* Signals. */
    sigset_t blocked;      /* [H] written by self */
    sigset_t real_blocked; /* [H] sigtimedwait: what was blocked before it waits for some of it */
    sigset_t saved_mask;   /* [O] for sigsuspend, ppoll; valid when TF_RESTORE_MASK */
    struct sigpending pending; /* [H] private to the thread */
    bool sigpending_flag;      /* set when return to user must look at signals; [H] */
    bool stop_counted;         /* [H] this thread is among proc->nr_stopped */
    vaddr_t altstack_sp;       /* [O] */
    size_t altstack_size;
    unsigned int altstack_flags;
    struct restart_block {
        long (*fn)(struct task *);
        u64 deadline_ns;
        unsigned long arg[4];
    } restart; /* [O] for restart_syscall */

    /* Lifetime. */
    int exit_code;                          /* [T] wait4 status */
    pid_t *set_child_tid, *clear_child_tid; /* user pointers */
    void *robust_list;                      /* user pointer */
    size_t robust_len;
    struct completion_like {
        struct wait_queue wq;
        bool done;
    } * vfork_done; /* parent waits here */
    int pdeath_signal;
    u64 start_ns; /* [S] monotonic */

    /* Fault injection and tracing. */
    long fail_nth;                   /* [O] 0 off; counts down allocations, see kernel/fail.h */
    bool make_it_fail;               /* [O] the sweep's faults may fall here; inherited */
    u8 fail_hit; /* [O] a fault fell since the last return to user mode: 1 + its place's kind */
    unsigned int pagefault_disabled; /* [O] uaccess that must not sleep */
    void *journal;                   /* [O] arch or test private */
    int (*kthread_fn)(void *);       /* [S] kernel threads: what it runs */
    void *kthread_arg;
    struct held_lock
        held[MAX_HELD_LOCKS]; /* [O] lock checker; last, so that a new task need not clear it */
};

#define TF_KTHREAD       1u
#define TF_RESTORE_MASK  2u
#define TF_EXITING       4u
#define TF_VFORK         8u
#define TF_OOM_VICTIM    16u /* may dip into the reserve, must exit */
#define TF_MEMALLOC      32u
#define TF_FORKNOEXEC    64u
#define TF_SYSCALL_TRACE 128u
#define TF_NO_NEW_PRIVS  256u
#define TF_NOALLOC       512u /* debug builds panic when it allocates (split_huge_page) */

struct process {
    pid_t tgid;                 /* [S] */
    atomic_t refs;              /* [A] one per thread plus one while the leader is not reaped */
    struct task *leader;        /* [T] */
    struct list_head threads;   /* [T] task.thread_link */
    int nr_threads;             /* [T] threads whose id is hashed, a dead leader included */
    atomic_t nr_live;           /* [A] threads that have not begun to exit */
    int nr_running;             /* [T] threads that have not passed exit_notify; 0 makes a zombie */
    struct process *parent;     /* [T] */
    pid_t ppid;                 /* [T] the parent's tgid: getppid reads it without a lock */
    struct list_head children;  /* [T] process.sibling */
    struct list_head sibling;   /* [T] */
    struct list_head pgrp_link; /* [T] hash of process groups, by pgid */
    struct list_head session_link; /* [T] hash of sessions, by sid */
    pid_t pgid, sid;               /* [T] */
    pid_t creator_tid; /* [T] the parent's thread that made it: __WNOTHREAD, PR_SET_PDEATHSIG */
    struct tty *tty;   /* [T] controlling terminal */
    pid_t hung_pgrp;   /* [T] leader: who was in front of it when it was hung up; told at exit */
    struct wait_queue child_wait;          /* wait4 sleepers */
    int exit_signal;                       /* [T] to the parent, SIGCHLD or clone's */
    bool zombie;                           /* [T] leader dead and last thread gone */
    bool stopped_report, continued_report; /* [H] for WUNTRACED, WCONTINUED */
    int stop_code;                         /* [H] */
    bool group_stop;       /* [H] all threads stop, or have stopped, for stop_code */
    int nr_stopped;        /* [H] threads that have */
    bool stop_dequeued;    /* [H] a thread is about to start a group stop; SIGCONT takes it back */
    bool notify_continued; /* [H] the next thread to return to user mode tells the parent */
    bool unkillable;       /* [S] init: signals without a handler do nothing */
    bool group_exit;       /* [H] */
    int group_exit_code;   /* [H] */
    struct task *group_exec;          /* [T] the thread that execs and waits for the others */
    struct wait_queue exit_wait;      /* pollers of a pidfd */
    struct sighand *sighand;          /* the same in all threads; lock it with sighand_lock() */
    struct sigpending pending;        /* [H] shared by all threads */
    struct rlimit rlim[RLIM_NLIMITS]; /* [H] for write */
    u64 cuser_ns, csys_ns, cmin_flt, cmaj_flt, cnvcsw, cnivcsw; /* [T] of reaped children */
    u64 dead_user_ns, dead_sys_ns, dead_min_flt, dead_maj_flt, dead_nvcsw,
        dead_nivcsw; /* [T] of dead threads */
    u64 max_rss_pages, cmax_rss_pages;
    struct timer itimer_real; /* [H] */
    u64 itimer_interval_ns;   /* [H] */
    struct process_timers
        *timers; /* [H] set once; POSIX and CPU-time timers, see kernel/process_timers.h */
    uid_t uid, euid, suid, fsuid; /* [H] */
    gid_t gid, egid, sgid, fsgid;
    struct user *user; /* [H] what the real uid has in use */
    int ngroups;
    gid_t groups[32];
    unsigned int personality; /* [H] */
    bool keep_caps;           /* [H] prctl(PR_SET_KEEPCAPS): accepted and told back */
    bool did_exec;            /* [T] setpgid on it gives EACCES */
    bool dumpable, child_subreaper, thp_disable;
    u8 pt_share_off; /* prctl: PT_SHARE_* that this process does not share */
    int oom_score_adj; /* [A] -1000 .. 1000 */
    struct file *exe;  /* [H] for /proc/pid/exe */
};

extern struct process kproc; /* all kernel threads; its leader is NULL, its tgid 0 */

/* Announces a sleep: a full barrier, so that a condition tested after it cannot be missed by a
 * waker that set it first. */
static inline void task_set_state(unsigned int state)
{
    (void)xchg(&current->state, state);
}

/* After slab_init, before sched_init (whose idle tasks may come from task_alloc). */
void task_init(void);
/* Finds by thread id / thread-group id; returns with a reference or NULL. Takes TASKLIST. */
struct task *task_find_get(pid_t tid);
struct process *process_find_get(pid_t tgid);
/* The process behind a pidfd, as its id; -EBADF when @fd is none. A non-blocking one adds WNOHANG
 * to *@wait_options. */
pid_t pidfd_tgid(int fd, int *wait_options);
static inline void task_get(struct task *t)
{
    atomic_inc(&t->refs);
}
/* Any context. A thread that has ended (TASK_DEAD) gives its running reference back in
 * sched_finish_switch(prev). */
void task_put(struct task *t);
static inline void process_get(struct process *p)
{
    atomic_inc(&p->refs);
}
void process_put(struct process *p);

extern int nr_tasks;        /* [T] threads, the kernel's included */
pid_t pid_last(void);       /* the id given out last */
u64 process_nr_forks(void); /* processes and threads ever made */

extern spinlock_t tasklist_lock;
extern struct list_head all_tasks; /* [T] */

/* Starts a kernel thread; returns it or ERR_PTR(-ENOMEM). fn's return ends the thread. */
struct task *kernel_thread(int (*fn)(void *), void *arg, const char *name);
/* Allocates a task with stack and defaults: a kernel thread of kproc, refs 1, on no list; NULL when
 * out of memory. */
struct task *task_alloc(void);
/* Sets comm, safely against readers; @name is cut. */
void task_set_comm(struct task *t, const char *name);
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

/* May current look into or change @p (ptrace's rule: same ids, and dumpable; or capability)? For
 * /proc and process_vm_*. */
bool process_may_access(struct process *p);
/* Has the group no member whose parent is outside it but in its session (POSIX)? Takes TASKLIST. */
bool pgrp_is_orphaned(pid_t pgid);
/* CPU time of a process in ns: living and dead threads. Takes TASKLIST. */
void process_times(struct process *p, u64 *user_ns, u64 *sys_ns);

extern int sysctl_randomize_va_space; /* 0 none, 1 stack and mmap, 2 and brk */
extern int sysctl_threads_max;

/* mm of another task with a users reference (mm_put after), or NULL. */
struct mm *task_mm_get(struct task *t);
