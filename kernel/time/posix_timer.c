/* SPDX-License-Identifier: MIT */
/*
 * posix_timer.c: timers made by timer_create: any number per process, on any clock, each with its
 * own signal.
 *
 * A timer on a time clock is a kernel timer; one on a CPU clock is on a list that ticks look at. An
 * expiry while the signal of the one before is still pending is no second signal but an overrun of
 * the first. Intervals below MIN_PERIOD_NS are served at that pace and counted as overruns.
 * SIGEV_THREAD is the C library's: it asks for SIGEV_THREAD_ID or a signal.
 *
 * Locks: process_timer_mutex for all calls and lists; process_timers.lock (LEAF) for armed CPU
 * timers, which the tick walks. The kernel timer's function needs no lock: calls cancel it, which
 * waits for it, before they change the timer. Invariants:
 *   I1  expires_ns == 0 means not armed; armed means queued as a kernel timer or on cpu_timers
 *   I2  a timer is freed only after it was disarmed
 *   I3  wall_timers holds the armed timers whose deadline is a wall time
 * Source: POSIX.1-2017 timer_create, timer_settime, timer_getoverrun; timer_create(2), sigevent(7).
 * Read next: kernel/signal/send.c.
 */
#include "internal.h"
#include <arch/cpu.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/errno.h>
#include <mm/slab.h>

#define MIN_PERIOD_NS (100 * NSEC_PER_USEC)

struct posix_timer {
    struct list_head link;      /* process_timers.posix */
    struct list_head wall_link; /* wall_timers, or empty */
    struct list_head cpu_link;  /* process_timers.cpu_timers, or empty; process_timers.lock */
    int id, clock;
    int notify, signo;
    sigval_t value;
    struct process *process;    /* its owner, who outlives it */
    struct task *target;        /* SIGEV_THREAD_ID: a reference; else NULL */
    struct cpu_clock cpu;       /* clock_is_cpu: whose time */
    struct timer timer;
    u64 expires_ns;             /* on the monotonic or the CPU clock */
    u64 interval_ns;
    int overrun;                /* of the signal queued last */
    atomic_t delivering;        /* ticks that send its signal now: it must not be freed */
};

static LIST_HEAD(wall_timers);

static siginfo_t make_info(const struct posix_timer *t, int overrun)
{
    siginfo_t info = { .si_signo = t->signo, .si_code = SI_TIMER };

    info.si_tid = t->id;
    info.si_overrun = overrun;
    info.si_value = t->value;
    return info;
}

static int add_saturated(int a, u64 b)
{
    return b > (u64)(INT32_MAX - a) ? INT32_MAX : a + (int)b;
}

/*
 * Counts @nr expiries into the signal of this timer that is still pending; false when there is
 * none.
 */
static bool add_to_pending(struct posix_timer *t, u64 nr)
{
    struct sigpending *pending = t->target ? &t->target->pending : &t->process->pending;
    unsigned long flags = sighand_lock(t->process);
    struct sigqueue *q;
    bool found = false;

    list_for_each_entry(q, &pending->list, link) {
        if (q->info.si_code != SI_TIMER || q->info.si_tid != t->id || q->info.si_signo != t->signo)
            continue;
        t->overrun = q->info.si_overrun = add_saturated(q->info.si_overrun, nr);
        found = true;
        break;
    }
    sighand_unlock(t->process, flags);
    return found;
}

/* One expiry, and @missed more before it that nobody handled in time. Interrupt context. */
static void deliver(struct posix_timer *t, u64 missed)
{
    siginfo_t info;

    if (t->notify == SIGEV_NONE || add_to_pending(t, missed + 1))
        return;
    t->overrun = add_saturated(0, missed);
    info = make_info(t, t->overrun);
    if (t->target)
        signal_send_task(t->target, t->signo, &info);
    else
        signal_send_process(t->process, t->signo, &info);
}

/*
 * Moves expires_ns to the next expiry behind @now, or to 0; returns how many expiries lie between.
 */
static u64 advance(struct posix_timer *t, u64 now)
{
    u64 missed;

    if (t->interval_ns == 0) {
        t->expires_ns = 0;
        return 0;
    }
    missed = (now - t->expires_ns) / t->interval_ns;
    if (t->interval_ns < MIN_PERIOD_NS)
        missed = (now + MIN_PERIOD_NS - t->expires_ns) / t->interval_ns;
    t->expires_ns += (missed + 1) * t->interval_ns;
    return missed;
}

static void timer_expired(struct timer *kt)
{
    struct posix_timer *t = container_of(kt, struct posix_timer, timer);
    u64 missed = advance(t, clock_monotonic_ns());

    if (t->expires_ns)
        timer_start(kt, t->expires_ns);
    deliver(t, missed);
}

/*
 * CPU time that the tick of @task compares timer @t with; 0 when the timer does not count this
 * thread.
 */
static u64 tick_time(const struct posix_timer *t, const struct task *task, const u64 proc_ns[2],
                     const u64 task_ns[2])
{
    const u64 *ns = t->cpu.process ? proc_ns : task_ns;

    if (!t->cpu.process && t->cpu.task != task)
        return 0;
    return t->cpu.kind == CPU_CLOCK_VIRT ? ns[0] : ns[0] + ns[1];
}

/*
 * Interrupt context: calls of this process that wait for the mutex or hold it may be interrupted
 * here.
 */
void posix_timers_tick(struct process_timers *pt, struct task *task)
{
    u64 proc_ns[2], task_ns[2], now = 0, missed;
    struct posix_timer *t, *due;
    unsigned long flags;

    process_times(task->proc, &proc_ns[0], &proc_ns[1]);
    sched_task_times(task, &task_ns[0], &task_ns[1]);
    do {
        due = NULL;
        missed = 0;
        flags = spin_lock_irqsave(&pt->lock);
        list_for_each_entry(t, &pt->cpu_timers, cpu_link) {
            now = tick_time(t, task, proc_ns, task_ns);
            if (now >= t->expires_ns) {
                due = t;
                break;
            }
        }
        if (due) {
            missed = advance(due, now);
            if (due->expires_ns == 0)
                list_del_init(&due->cpu_link);
            atomic_inc(&due->delivering);
        }
        spin_unlock_irqrestore(&pt->lock, flags);
        if (due) {
            deliver(due, missed);
            atomic_dec_return(&due->delivering);
        }
    } while (due);
}

/* ---- arming, mutex held ---- */

static void disarm(struct posix_timer *t)
{
    struct process_timers *pt = t->process->timers;
    unsigned long flags;

    if (clock_is_cpu(t->clock)) {
        flags = spin_lock_irqsave(&pt->lock);
        list_del_init(&t->cpu_link);
        spin_unlock_irqrestore(&pt->lock, flags);
        while (atomic_read(&t->delivering) != 0)
            cpu_relax();
    } else {
        timer_cancel(&t->timer);
        list_del_init(&t->wall_link);
    }
    t->expires_ns = 0;
}

static u64 clock_now(const struct posix_timer *t)
{
    return clock_is_cpu(t->clock) ? cpu_clock_read(&t->cpu) : clock_monotonic_ns();
}

/* Deadlines are never 0: that means not armed. */
static u64 wall_to_monotonic(u64 wall_ns)
{
    u64 offset = clock_realtime_offset();

    return wall_ns > offset ? wall_ns - offset : 1;
}

static void arm(struct posix_timer *t, u64 value_ns, bool absolute)
{
    struct process_timers *pt = t->process->timers;
    bool wall = absolute && (t->clock == CLOCK_REALTIME || t->clock == CLOCK_TAI);
    unsigned long flags;

    if (wall)
        t->expires_ns = wall_to_monotonic(value_ns);
    else
        t->expires_ns = absolute ? value_ns : clock_now(t) + value_ns;
    if (clock_is_cpu(t->clock)) {
        flags = spin_lock_irqsave(&pt->lock);
        list_add_tail(&t->cpu_link, &pt->cpu_timers);
        spin_unlock_irqrestore(&pt->lock, flags);
        return;
    }
    if (wall)
        list_add_tail(&t->wall_link, &wall_timers);
    timer_start(&t->timer, t->expires_ns);
}

void posix_timers_clock_was_set(u64 old_offset_ns)
{
    struct posix_timer *t;

    mutex_lock(&process_timer_mutex);
    list_for_each_entry(t, &wall_timers, wall_link) {
        if (!timer_cancel(&t->timer))
            continue;
        t->expires_ns = wall_to_monotonic(t->expires_ns + old_offset_ns);
        timer_start(&t->timer, t->expires_ns);
    }
    mutex_unlock(&process_timer_mutex);
}

static struct itimerspec current_setting(const struct posix_timer *t)
{
    u64 expires = READ_ONCE(t->expires_ns), now = clock_now(t), left = 0;

    if (expires)
        left = expires > now ? expires - now : 1;
    return (struct itimerspec){ .it_interval = ns_to_timespec(t->interval_ns),
                                .it_value = ns_to_timespec(left) };
}

/* ---- making and deleting ---- */

/*
 * Without the mutex: the last reference to a task frees its stack, which takes locks of lower rank.
 */
static void release(struct posix_timer *t)
{
    if (t->target)
        task_put(t->target);
    cpu_clock_put(&t->cpu);
    kfree(t);
}

void posix_timers_delete_all(struct process_timers *pt)
{
    struct posix_timer *t, *next;
    LIST_HEAD(dead);

    mutex_lock(&process_timer_mutex);
    list_for_each_entry(t, &pt->posix, link)
        disarm(t);
    list_splice_tail_init(&pt->posix, &dead);
    mutex_unlock(&process_timer_mutex);
    list_for_each_entry_safe(t, next, &dead, link)
        release(t);
}

static struct posix_timer *find(int id)
{
    struct process_timers *pt = current->proc->timers;
    struct posix_timer *t;

    if (!pt)
        return NULL;
    list_for_each_entry(t, &pt->posix, link)
        if (t->id == id)
            return t;
    return NULL;
}

/* 0 or -EINVAL. SIGEV_THREAD_ID names a thread of the caller's process. */
static int set_event(struct posix_timer *t, const struct sigevent *ev)
{
    t->notify = ev->sigev_notify;
    t->signo = ev->sigev_signo;
    t->value = ev->sigev_value;
    if (t->notify != SIGEV_NONE && (t->signo < 1 || t->signo > NSIGNALS))
        return -EINVAL;
    switch (t->notify) {
    case SIGEV_NONE:
    case SIGEV_SIGNAL:
        return 0;
    case SIGEV_SIGNAL | SIGEV_THREAD_ID:
        t->target = task_find_get(ev->sigev_notify_thread_id);
        return t->target && t->target->proc == t->process ? 0 : -EINVAL;
    default:
        return -EINVAL;
    }
}

static int set_clock(struct posix_timer *t, int clock)
{
    int err;

    t->clock = clock;
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_TAI:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
        return 0;
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_MONOTONIC_COARSE:
        return -EOPNOTSUPP;
    }
    if (!clock_is_cpu(clock))
        return -EINVAL;
    err = cpu_clock_get(&t->cpu, clock);
    if (err)
        return err;
    return t->cpu.task || t->cpu.process == t->process ? 0 : -EINVAL;
}

/* 0, or why the process may not have one more. */
static int add_to_process(struct posix_timer *t)
{
    struct process_timers *pt = process_timers_get(t->process);
    u64 limit = task_rlimit(RLIMIT_SIGPENDING), nr = 0;
    struct posix_timer *other;

    if (!pt)
        return -EAGAIN;
    list_for_each_entry(other, &pt->posix, link)
        nr++;
    if (nr >= limit)
        return -EAGAIN;
    do {
        t->id = pt->next_id;
        pt->next_id = pt->next_id == INT32_MAX ? 0 : pt->next_id + 1;
    } while (find(t->id));
    list_add_tail(&t->link, &pt->posix);
    return 0;
}

static struct posix_timer *make(int clock, const struct sigevent *ev)
{
    struct posix_timer *t = kzalloc(sizeof(*t));
    int err;

    if (!t)
        return ERR_PTR(-EAGAIN);
    t->process = current->proc;
    list_init(&t->wall_link);
    list_init(&t->cpu_link);
    timer_init(&t->timer, timer_expired);
    err = set_clock(t, clock);
    if (!err)
        err = set_event(t, ev);
    if (err) {
        release(t);
        return ERR_PTR(err);
    }
    return t;
}

static int delete_by_id(int id)
{
    struct posix_timer *t;

    mutex_lock(&process_timer_mutex);
    t = find(id);
    if (t) {
        disarm(t);
        list_del(&t->link);
    }
    mutex_unlock(&process_timer_mutex);
    if (!t)
        return -EINVAL;
    release(t);
    return 0;
}

/* ---- system calls ---- */

SYSCALL3(timer_create, int, clock, const void __user *, ev_in, int __user *, id_out)
{
    struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM };
    struct posix_timer *t;
    int err, id = 0;

    if (ev_in && copy_from_user(&ev, ev_in, sizeof(ev)))
        return -EFAULT;
    t = make(clock, &ev);
    if (IS_ERR(t))
        return PTR_ERR(t);
    mutex_lock(&process_timer_mutex);
    err = add_to_process(t);
    if (!err) {
        id = t->id;
        if (!ev_in)
            t->value.sival_int = id;
    }
    mutex_unlock(&process_timer_mutex);
    if (err) {
        release(t);
        return err;
    }
    if (put_user_u32((u32)id, id_out)) {
        (void)delete_by_id(id);
        return -EFAULT;
    }
    return 0;
}

SYSCALL4(timer_settime, int, id, int, flags, const void __user *, in, void __user *, out)
{
    struct itimerspec new, old;
    struct posix_timer *t;
    u64 value, interval;

    if (!in)
        return -EINVAL;
    if (copy_from_user(&new, in, sizeof(new)))
        return -EFAULT;
    if (!timespec_to_ns(&value, &new.it_value) || !timespec_to_ns(&interval, &new.it_interval))
        return -EINVAL;
    mutex_lock(&process_timer_mutex);
    t = find(id);
    if (t) {
        old = current_setting(t);
        disarm(t);
        t->overrun = 0;
        t->interval_ns = value ? interval : 0;
        if (value)
            arm(t, value, (flags & TIMER_ABSTIME) != 0);
    }
    mutex_unlock(&process_timer_mutex);
    if (!t)
        return -EINVAL;
    return out ? copy_to_user(out, &old, sizeof(old)) : 0;
}

SYSCALL2(timer_gettime, int, id, void __user *, out)
{
    struct itimerspec now;
    struct posix_timer *t;

    mutex_lock(&process_timer_mutex);
    t = find(id);
    if (t)
        now = current_setting(t);
    mutex_unlock(&process_timer_mutex);
    return t ? copy_to_user(out, &now, sizeof(now)) : -EINVAL;
}

SYSCALL1(timer_getoverrun, int, id)
{
    struct posix_timer *t;
    int overrun = -EINVAL;

    mutex_lock(&process_timer_mutex);
    t = find(id);
    if (t)
        overrun = READ_ONCE(t->overrun);
    mutex_unlock(&process_timer_mutex);
    return overrun;
}

SYSCALL1(timer_delete, int, id)
{
    return delete_by_id(id);
}
