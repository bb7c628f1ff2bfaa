/* SPDX-License-Identifier: MIT */
/*
 * send_ktest.c: what sending a signal does to a process: queues, discards, stop against continue,
 * death. The process is made by hand and never runs, so that everything can be looked at.
 */
#include "kernel/signal/internal.h"
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <asm/errno.h>

#define NR_THREADS 3

struct victim {
    struct process *p;
    struct task *t[NR_THREADS];
    unsigned long flags; /* while locked */
};

static bool victim_make(struct victim *v)
{
    memset(v, 0, sizeof(*v));
    v->p = process_alloc();
    if (v->p == NULL)
        return false;
    v->p->sighand = sighand_alloc();
    v->p->user = user_find_get(54321);
    v->p->rlim[RLIMIT_SIGPENDING] = (struct rlimit){4, 4};
    for (int i = 0; i < NR_THREADS; i++) {
        if (i > 0)
            process_get(v->p);
        v->t[i] = task_new(v->p);
        if (v->t[i] == NULL)
            return false;
        list_add_tail(&v->t[i]->thread_link, &v->p->threads);
        v->p->nr_threads++;
        atomic_inc(&v->p->nr_live);
    }
    v->p->leader = v->t[0];
    v->flags = sighand_lock(v->p);
    return true;
}

static void victim_free(struct victim *v)
{
    sigpending_flush(&v->p->pending);
    for (int i = 0; i < NR_THREADS; i++)
        sigpending_flush(&v->t[i]->pending);
    EXPECT_EQ(atomic_read(&v->p->user->nr_sigpending), 0);
    sighand_unlock(v->p, v->flags);
    for (int i = 0; i < NR_THREADS; i++)
        task_put(v->t[i]);
}

static void set_action(struct victim *v, int sig, void *handler)
{
    v->p->sighand->action[sig - 1].handler = handler;
}

static int send(struct victim *v, struct task *t, int sig)
{
    return signal_send_locked(v->p, t, sig, NULL, false);
}

static void handler(int sig)
{
    (void)sig;
}

KTEST(signal, standard_signals_pend_once)
{
    struct victim v;
    siginfo_t info;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGUSR1, handler);
    EXPECT_EQ(send(&v, NULL, SIGUSR1), 0);
    EXPECT_EQ(send(&v, NULL, SIGUSR1), 0);
    EXPECT_EQ(atomic_read(&v.p->user->nr_sigpending), 1);
    EXPECT_EQ(signal_take(v.t[1], 0, &info), SIGUSR1);
    EXPECT_EQ(info.si_code, SI_KERNEL);
    EXPECT_EQ(signal_take(v.t[1], 0, &info), 0);
    victim_free(&v);
}

KTEST(signal, realtime_signals_queue_up_to_the_limit)
{
    struct victim v;
    siginfo_t info;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGRTMIN, handler);
    for (int i = 0; i < 6; i++) {
        siginfo_init(&info, SIGRTMIN, SI_QUEUE);
        info.si_int = i;
        EXPECT_EQ(signal_send_locked(v.p, NULL, SIGRTMIN, &info, false), i < 4 ? 0 : -EAGAIN);
    }
    for (int i = 0; i < 4; i++) {
        EXPECT_EQ(signal_take(v.t[0], 0, &info), SIGRTMIN);
        EXPECT_EQ(info.si_int, i);
    }
    EXPECT_EQ(v.p->pending.set.bits, 0);
    victim_free(&v);
}

KTEST(signal, own_faults_come_first)
{
    struct victim v;
    siginfo_t info;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGHUP, handler);
    set_action(&v, SIGSEGV, handler);
    set_action(&v, SIGINT, handler);
    (void)send(&v, v.t[0], SIGHUP);
    (void)send(&v, NULL, SIGINT);
    (void)send(&v, v.t[0], SIGSEGV);
    EXPECT_EQ(signal_take(v.t[0], sigmask(SIGSEGV), &info), SIGHUP);
    EXPECT_EQ(signal_take(v.t[0], 0, &info), SIGSEGV);
    EXPECT_EQ(signal_take(v.t[0], 0, &info), SIGINT);
    victim_free(&v);
}

KTEST(signal, ignored_ones_vanish_blocked_ones_stay)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    EXPECT_EQ(send(&v, NULL, SIGCHLD), 0);
    EXPECT_EQ(v.p->pending.set.bits, 0);
    set_action(&v, SIGUSR2, SIG_IGN);
    EXPECT_EQ(send(&v, NULL, SIGUSR2), 0);
    EXPECT_EQ(v.p->pending.set.bits, 0);
    v.t[0]->blocked.bits = sigmask(SIGUSR2);
    EXPECT_EQ(send(&v, NULL, SIGUSR2), 0);
    EXPECT_EQ(v.p->pending.set.bits, sigmask(SIGUSR2));
    victim_free(&v);
}

KTEST(signal, goes_to_a_thread_that_takes_it)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGUSR1, handler);
    v.t[0]->blocked.bits = v.t[1]->blocked.bits = sigmask(SIGUSR1);
    (void)send(&v, NULL, SIGUSR1);
    EXPECT(!v.t[0]->sigpending_flag && !v.t[1]->sigpending_flag);
    EXPECT(v.t[2]->sigpending_flag);
    victim_free(&v);
}

KTEST(signal, certain_death_starts_at_once)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    (void)send(&v, v.t[1], SIGTERM);
    EXPECT(v.p->group_exit);
    EXPECT_EQ(v.p->group_exit_code, SIGTERM);
    for (int i = 0; i < NR_THREADS; i++)
        EXPECT(sig_in(v.t[i]->pending.set.bits, SIGKILL) && v.t[i]->sigpending_flag);
    victim_free(&v);
}

KTEST(signal, awaited_signal_does_not_kill)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    for (int i = 0; i < NR_THREADS; i++)
        v.t[i]->real_blocked.bits = sigmask(SIGTERM); /* all in sigtimedwait */
    (void)send(&v, NULL, SIGTERM);
    EXPECT(!v.p->group_exit);
    EXPECT_EQ(v.p->pending.set.bits, sigmask(SIGTERM));
    victim_free(&v);
}

KTEST(signal, init_is_spared)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    v.p->unkillable = true;
    (void)send(&v, NULL, SIGTERM);
    (void)send(&v, NULL, SIGKILL);
    (void)send(&v, NULL, SIGSTOP);
    EXPECT(!v.p->group_exit);
    EXPECT_EQ(v.p->pending.set.bits, 0);
    set_action(&v, SIGTERM, handler);
    (void)send(&v, NULL, SIGTERM);
    EXPECT_EQ(v.p->pending.set.bits, sigmask(SIGTERM));
    victim_free(&v);
}

KTEST(signal, stop_and_continue_cancel_each_other)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGCONT, handler);
    (void)send(&v, v.t[2], SIGTSTP);
    (void)send(&v, NULL, SIGTTIN);
    (void)send(&v, NULL, SIGCONT);
    EXPECT_EQ(v.t[2]->pending.set.bits, 0);
    EXPECT_EQ(v.p->pending.set.bits, sigmask(SIGCONT));
    (void)send(&v, NULL, SIGSTOP);
    EXPECT_EQ(v.p->pending.set.bits, sigmask(SIGSTOP));
    victim_free(&v);
}

KTEST(signal, continue_ends_a_group_stop)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    v.p->group_stop = v.p->stopped_report = true;
    v.p->nr_stopped = NR_THREADS;
    for (int i = 0; i < NR_THREADS; i++)
        v.t[i]->stop_counted = true;
    (void)send(&v, NULL, SIGCONT);
    EXPECT(!v.p->group_stop && !v.p->stopped_report);
    EXPECT(v.p->continued_report && v.p->notify_continued);
    EXPECT_EQ(v.p->nr_stopped, 0);
    EXPECT(!v.t[1]->stop_counted);
    victim_free(&v);
}

KTEST(signal, exec_resets_handlers)
{
    struct victim v;

    EXPECT_OR_RETURN(victim_make(&v));
    set_action(&v, SIGUSR1, handler);
    set_action(&v, SIGUSR2, SIG_IGN);
    v.p->sighand->action[SIGUSR1 - 1].flags = SA_RESTART;
    signal_reset_handlers(v.p->sighand);
    EXPECT(v.p->sighand->action[SIGUSR1 - 1].handler == SIG_DFL);
    EXPECT_EQ(v.p->sighand->action[SIGUSR1 - 1].flags, 0);
    EXPECT(v.p->sighand->action[SIGUSR2 - 1].handler == SIG_IGN);
    victim_free(&v);
}
