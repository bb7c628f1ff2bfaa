/* SPDX-License-Identifier: MIT */
/*
 * signal.h: signals as POSIX and Linux define them (signal(7)). Locks: SIGHAND, one per struct
 * sighand.
 */
#pragma once
#include <kernel/list.h>
#include <kernel/rcu.h>
#include <kernel/spinlock.h>
#include <asm/signal.h>
#include <asm/siginfo.h>

/* The package's header for user space names the old 32-signal set; the kernel's own set has 64. */
typedef struct {
    u64 bits;
} ksigset_t;
#define sigset_t ksigset_t
#define NSIGNALS 64
static inline u64 sigmask(int sig)
{
    return 1ULL << (sig - 1);
}

struct task;
struct process;

struct ksigaction { /* layout of rt_sigaction's argument */
    void *handler;
    unsigned long flags;
    void *restorer;
    sigset_t mask;
};

struct sighand {
    atomic_t refs;
    spinlock_t lock; /* LOCK_SIGHAND */
    struct ksigaction action[NSIGNALS];
};

struct sigqueue {
    struct list_head link;
    struct user *user; /* whose RLIMIT_SIGPENDING it counts against; a reference */
    siginfo_t info;
};

struct sigpending {
    struct list_head list; /* struct sigqueue */
    sigset_t set;
};

/* Locks the signal state of @p (exec may replace p->sighand meanwhile); interrupts off, returns the
 * old state. */
unsigned long sighand_lock(struct process *p);
void sighand_unlock(struct process *p, unsigned long flags);

/* Sends to one thread or to the whole process. info NULL = from the kernel. 0 or -EAGAIN (queue
 * limit for RT signals). */
int signal_send_task(struct task *t, int sig, const siginfo_t *info);
int signal_send_process(struct process *p, int sig, const siginfo_t *info);
int signal_send_pgrp(pid_t pgid, int sig, const siginfo_t *info);
/* A fault of the current thread: forced, cannot be ignored or blocked (then it kills). */
/* @trapno and @error go to the frame; trapno -1: what arch noted when it took the fault stands. */
void signal_send_fault(int sig, int code, vaddr_t addr, int trapno, unsigned long error);
static inline bool signal_pending_fast(const bool *flag)
{
    return READ_ONCE(*flag);
}
bool signal_pending(void);       /* current */
bool fatal_signal_pending(void); /* current will die */
/* A call may answer -ERESTARTSYS family when this is true; sleeps in TASK_INTERRUPTIBLE until then.
 */
void signal_sleep(void);

/* Kernel-internal results of interrupted calls; never seen by user programs. */
#define ERESTARTSYS           512
#define ERESTARTNOINTR        513
#define ERESTARTNOHAND        514
#define ERESTART_RESTARTBLOCK 516

struct pt_regs;
/* Return-to-user work: delivers signals, handles stops and death, restarts calls. arch calls it
 * with irqs on. */
void signal_deliver(struct pt_regs *regs);
/* arch: builds the frame; 0 or -EFAULT (then SIGSEGV). @info, @act and the mask to restore are
 * given. */
int arch_setup_sigframe(struct pt_regs *regs, const siginfo_t *info, const struct ksigaction *act,
                        const sigset_t *oldmask);
/* arch: about restarting: is a call being returned from, its result, and set up a re-execution or
 * another result. */
bool arch_in_syscall(const struct pt_regs *regs);
long arch_syscall_result(const struct pt_regs *regs);
void arch_syscall_restart(struct pt_regs *regs, bool use_restart_syscall);
void arch_set_syscall_result(struct pt_regs *regs, long result);
/* Sets current's blocked mask (SIGKILL and SIGSTOP removed) and recomputes the pending flag. */
void signal_set_blocked(const sigset_t *mask);
/*
 * ppoll, pselect, sigsuspend: block @mask only while the call sleeps. After signal_use_mask the
 * call ends with signal_end_mask(interrupted): not interrupted restores the old mask at once;
 * interrupted leaves it to signal_deliver, which runs the handler under @mask and puts the old mask
 * into its frame.
 */
void signal_use_mask(const sigset_t *mask);
void signal_end_mask(bool interrupted);
/* altstack: is sp on it? */
bool signal_on_altstack(vaddr_t sp);
/* Where the frame for @act starts to grow down from: @sp, or the top of the alternate stack. */
vaddr_t signal_frame_top(vaddr_t sp, const struct ksigaction *act);
/* uc_stack of a frame: what to store, and what sigreturn does with it (errors ignored). */
void signal_save_altstack(stack_t *out);
void signal_restore_altstack(const stack_t *ss, vaddr_t sp);

/* What fork, exec and exit do with signals; kernel/task is the only caller. */
void signal_init(void);
struct sighand *sighand_alloc(void) __must_check; /* all default; NULL when out of memory */
struct sighand *sighand_copy(struct process *from) __must_check;
void sighand_put(struct sighand *s);
void sigpending_init(struct sigpending *p);
void sigpending_flush(struct sigpending *p);
/* exec: handlers back to default, ignored ones stay ignored. SIGHAND held. */
void signal_reset_handlers(struct sighand *s);
/* Recomputes current's or a new task's sigpending_flag. SIGHAND held. */
void signal_recalc(struct task *t);
/* Kills every thread of @p but @except; SIGHAND held. Returns how many were told. */
int signal_kill_threads(struct process *p, struct task *except);
/* do_exit: the thread no longer takes signals; what it was chosen for goes to another thread. Was
 * it the last one? */
bool signal_thread_exiting(struct task *t);
/* TASKLIST held: sends @p's exit signal to its parent and wakes it; true when nobody will wait for
 * @p. */
bool signal_notify_exit(struct process *p);
/* Tells the parent that @p stopped or continued (CLD_STOPPED, CLD_CONTINUED). Takes TASKLIST. */
void signal_notify_parent(struct process *p, int why);
/* From now on each death by a signal is logged (debug=signal). */
void signal_log_deaths(void);
/* The name for messages: "SIGSEGV". */
const char *signal_name(int sig);
