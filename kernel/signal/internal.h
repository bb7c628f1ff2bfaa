/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of kernel/signal say to each other only. */
#pragma once
#include <kernel/cred.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include "../task/internal.h"

#define SIGMASK(s) (1ULL << ((s)-1))
/* Signals that the thread itself caused: delivered before others, so that the frame shows the
 * faulting instruction. */
#define SYNC_MASK                                                                                  \
    (SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGFPE) |   \
     SIGMASK(SIGSYS))
#define STOP_MASK (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define KERNEL_ONLY_MASK                                                                           \
    (SIGMASK(SIGKILL) | SIGMASK(SIGSTOP)) /* neither caught nor blocked nor ignored */
#define DEFAULT_IGNORE_MASK                                                                        \
    (SIGMASK(SIGCONT) | SIGMASK(SIGCHLD) | SIGMASK(SIGWINCH) | SIGMASK(SIGURG))

static inline bool sig_in(u64 mask, int sig)
{
    return (mask & sigmask(sig)) != 0;
}

/* queue.c; SIGHAND held. */
/* Adds @info to @p when a record of @sig can be had; -EAGAIN when the user's limit or memory is
 * used up. */
int sigqueue_add(struct sigpending *p, int sig, const siginfo_t *info, struct process *target);
void sigqueue_discard(struct sigpending *p, u64 mask);
/* The thread's next signal, its own before the process's. */
int signal_take(struct task *t, u64 blocked, siginfo_t *info);

/* send.c; SIGHAND held. @t NULL: to the process. @force: init is not spared. */
int signal_send_locked(struct process *p, struct task *t, int sig, const siginfo_t *info,
                       bool force);
void signal_wake(struct task *t, bool fatal);
/* With debug=signal: a line about a thread whose process a signal ends. */
void signal_log_death(const struct task *t, int sig, const siginfo_t *info);
/* Would @sig do nothing to @p at all? */
bool signal_is_ignored(struct process *p, int sig, bool force);
/* Sends @sig to current so that it cannot miss: a blocked or ignored one kills. */
void signal_force(const siginfo_t *info, int sig);
/* A frame has been made: SS_AUTODISARM takes the alternate stack away until sigreturn. */
void signal_disarm_altstack(void);

void siginfo_init(siginfo_t *info, int sig, int code);

