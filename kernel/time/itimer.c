/* SPDX-License-Identifier: MIT */
/*
 * itimer.c: the three interval timers of a process, alarm, and the life of a process's timers.
 *
 * ITIMER_REAL is a kernel timer in struct process. ITIMER_VIRTUAL and ITIMER_PROF count CPU time of
 * all threads; ticks of running threads look at them, so they are as exact as the tick
 * (10 ms, or tick_ms=). What few processes have lies in struct process_timers.
 *
 * Locks: process_timer_mutex for all changes by system calls; process_timers.lock (LEAF) for what
 * the tick reads. A timer's function takes neither the mutex nor, while it sends, the lock.
 * Invariants:
 *   I1  proc->timers changes from NULL to a value once, under the mutex, and back when no thread is
 *       left to tick
 *   I2  expires_ns == 0 means not armed
 * Source: POSIX.1-2017 setitimer, alarm; setitimer(2). Read next: posix_timer.c.
 */
#include "internal.h"
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/errno.h>
#include <mm/slab.h>

struct mutex process_timer_mutex = MUTEX_INIT(process_timer_mutex, LOCK_MISC_SLEEP);

struct setting {
    u64 value_ns, interval_ns;
};

struct process_timers *process_timers_get(struct process *p)
{
    struct process_timers *pt = p->timers;

    lock_assert_held(&process_timer_mutex);
    if (pt)
        return pt;
    pt = kzalloc(sizeof(*pt));
    if (!pt)
        return NULL;
    spin_init(&pt->lock, LOCK_LEAF);
    list_init(&pt->cpu_timers);
    list_init(&pt->posix);
    smp_store_release(&p->timers, pt);
    return pt;
}

/* ---- ITIMER_REAL ---- */

static void real_expired(struct timer *t)
{
    struct process *p = container_of(t, struct process, itimer_real);
    u64 interval = READ_ONCE(p->itimer_interval_ns), now = clock_monotonic_ns();

    if (interval)
        timer_start(t, t->expires_ns + ((now - t->expires_ns) / interval + 1) * interval);
    signal_send_process(p, SIGALRM, NULL);
}

static struct setting real_get(struct process *p)
{
    u64 expires = timer_expires(&p->itimer_real), now = clock_monotonic_ns();

    if (expires == 0)
        return (struct setting){ 0, p->itimer_interval_ns };
    /* Due but not yet handled still counts as armed. */
    return (struct setting){ expires > now ? expires - now : NSEC_PER_USEC, p->itimer_interval_ns };
}

static void real_set(struct process *p, struct setting new)
{
    timer_cancel(&p->itimer_real);
    p->itimer_interval_ns = new.value_ns ? new.interval_ns : 0;
    if (new.value_ns)
        timer_start(&p->itimer_real, clock_monotonic_ns() + new.value_ns);
}

/* ---- ITIMER_VIRTUAL, ITIMER_PROF ---- */

static enum cpu_clock_kind kind_of(int which)
{
    return which == ITIMER_VIRTUAL ? CPU_CLOCK_VIRT : CPU_CLOCK_PROF;
}

/* Swaps the setting; 0 or -ENOMEM. */
static int cpu_set(struct process *p, int which, struct setting *old, const struct setting *new)
{
    u64 now = process_cpu_ns(p, kind_of(which));
    struct process_timers *pt = p->timers;
    struct cpu_itimer *it;
    unsigned long flags;

    *old = (struct setting){ 0, 0 };
    if (!pt && (!new || new->value_ns == 0))
        return 0;
    pt = process_timers_get(p);
    if (!pt)
        return -ENOMEM;
    it = &pt->cpu_itimer[which - ITIMER_VIRTUAL];
    flags = spin_lock_irqsave(&pt->lock);
    old->interval_ns = it->interval_ns;
    if (it->expires_ns)
        old->value_ns = it->expires_ns > now ? it->expires_ns - now : NSEC_PER_USEC;
    if (new) {
        it->expires_ns = new->value_ns ? now + new->value_ns : 0;
        it->interval_ns = new->value_ns ? new->interval_ns : 0;
    }
    spin_unlock_irqrestore(&pt->lock, flags);
    return 0;
}

/* Has it expired at CPU time @now? Arms it for the next interval then. */
static bool cpu_itimer_tick(struct cpu_itimer *it, u64 now)
{
    if (it->expires_ns == 0 || now < it->expires_ns)
        return false;
    if (it->interval_ns)
        it->expires_ns += ((now - it->expires_ns) / it->interval_ns + 1) * it->interval_ns;
    else
        it->expires_ns = 0;
    return true;
}

/*
 * RLIMIT_CPU as setrlimit(2) says: SIGXCPU at the soft limit and after each second beyond it,
 * SIGKILL at the hard one. Like Linux, the soft limit moves on by a second with each signal.
 */
static void cpu_limit_tick(struct process *p)
{
    struct rlimit *limit = &p->rlim[RLIMIT_CPU];
    u64 user, sys, seconds;

    if (likely(READ_ONCE(limit->rlim_cur) == RLIM_INFINITY))
        return;
    process_times(p, &user, &sys);
    seconds = (user + sys) / NSEC_PER_SEC;
    if (seconds >= READ_ONCE(limit->rlim_max)) {
        signal_send_process(p, SIGKILL, NULL);
    } else if (seconds >= max((u64)READ_ONCE(limit->rlim_cur), (u64)1)) {
        WRITE_ONCE(limit->rlim_cur, seconds + 1);
        signal_send_process(p, SIGXCPU, NULL);
    }
}

void process_timers_tick(struct task *t)
{
    struct process_timers *pt = smp_load_acquire(&t->proc->timers);
    bool virtual_due, prof_due;
    unsigned long flags;
    u64 user, sys;

    cpu_limit_tick(t->proc);
    if (likely(!pt))
        return;
    if (pt->cpu_itimer[0].expires_ns || pt->cpu_itimer[1].expires_ns) {
        process_times(t->proc, &user, &sys);
        flags = spin_lock_irqsave(&pt->lock);
        virtual_due = cpu_itimer_tick(&pt->cpu_itimer[0], user);
        prof_due = cpu_itimer_tick(&pt->cpu_itimer[1], user + sys);
        spin_unlock_irqrestore(&pt->lock, flags);
        if (virtual_due)
            signal_send_process(t->proc, SIGVTALRM, NULL);
        if (prof_due)
            signal_send_process(t->proc, SIGPROF, NULL);
    }
    if (!list_empty(&pt->cpu_timers))
        posix_timers_tick(pt, t);
}

/* ---- life ---- */

void process_timers_init(struct process *p)
{
    timer_init(&p->itimer_real, real_expired);
    p->itimer_interval_ns = 0;
    p->timers = NULL;
}

void process_timers_exec(struct process *p)
{
    if (p->timers)
        posix_timers_delete_all(p->timers);
}

void process_timers_exit(struct process *p)
{
    struct process_timers *pt = p->timers;

    WRITE_ONCE(p->itimer_interval_ns, 0);
    timer_cancel(&p->itimer_real);
    if (!pt)
        return;
    process_timers_exec(p);
    /* the last thread is the one that runs this: no tick uses it on another CPU */
    p->timers = NULL;
    barrier();
    kfree(pt);
}

/* ---- system calls ---- */

/* Reads the old setting and, when @new is set, makes that the setting. 0 or -errno. */
static int swap(int which, struct setting *old, const struct setting *new)
{
    struct process *p = current->proc;
    int err = 0;

    mutex_lock(&process_timer_mutex);
    switch (which) {
    case ITIMER_REAL:
        *old = real_get(p);
        if (new)
            real_set(p, *new);
        break;
    case ITIMER_VIRTUAL:
    case ITIMER_PROF:
        err = cpu_set(p, which, old, new);
        break;
    default:
        err = -EINVAL;
        break;
    }
    mutex_unlock(&process_timer_mutex);
    return err;
}

static int put_setting(const struct setting *s, void __user *out)
{
    struct itimerval it = { .it_interval = ns_to_timeval(s->interval_ns),
                            .it_value = ns_to_timeval(s->value_ns) };

    return copy_to_user(out, &it, sizeof(it));
}

SYSCALL2(getitimer, int, which, void __user *, out)
{
    struct setting old;
    int err = swap(which, &old, NULL);

    return err ? err : put_setting(&old, out);
}

SYSCALL3(setitimer, int, which, const void __user *, in, void __user *, out)
{
    struct setting old, new = { 0, 0 };
    struct itimerval it;
    int err;

    if (in) { /* NULL disarms, as on Linux */
        if (copy_from_user(&it, in, sizeof(it)))
            return -EFAULT;
        if (!timeval_to_ns(&new.value_ns, &it.it_value) ||
            !timeval_to_ns(&new.interval_ns, &it.it_interval))
            return -EINVAL;
    }
    err = swap(which, &old, &new);
    if (err || !out)
        return err;
    return put_setting(&old, out);
}

/* Seconds left of the old alarm, rounded to the nearest but not down to 0. */
SYSCALL1(alarm, unsigned int, seconds)
{
    struct setting old, new = { (u64)seconds * NSEC_PER_SEC, 0 };
    u64 left;

    (void)swap(ITIMER_REAL, &old, &new); /* cannot fail for this one */
    left = (old.value_ns + NSEC_PER_SEC / 2) / NSEC_PER_SEC;
    return (long)(left == 0 && old.value_ns ? 1 : left);
}
