/* SPDX-License-Identifier: MIT */
/* internal.h: what the files of kernel/time say to each other only. */
#pragma once
#include <kernel/process_timers.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <linux/time.h>

/* ---- clock.c ---- */
u64 clock_realtime_offset(void); /* wall time minus monotonic time */
/* Sleeps until wall time @ns, also when the clock is set meanwhile. 0 or -EINTR. */
int clock_sleep_until_realtime(u64 ns);

/* ---- timeval.c: user structures to nanoseconds and back; 0, -EFAULT, -EINVAL ---- */
int __must_check timespec_get(u64 *ns, const void __user *p);
int __must_check timespec_put(u64 ns, void __user *p);
int __must_check timeval_get(u64 *ns, const void __user *p);
struct timeval ns_to_timeval(u64 ns);
struct timespec ns_to_timespec(u64 ns);
bool timespec_to_ns(u64 *ns, const struct timespec *ts); /* false when malformed; saturates */
bool timeval_to_ns(u64 *ns, const struct timeval *tv);

/* ---- cpu_clock.c: clocks that count CPU time ---- */
enum cpu_clock_kind { CPU_CLOCK_PROF, CPU_CLOCK_VIRT, CPU_CLOCK_SCHED };
struct cpu_clock {
    struct process *process; /* set: all its threads; a reference */
    struct task *task;       /* set: this thread; a reference */
    enum cpu_clock_kind kind;
};
bool clock_is_cpu(int clock);
/* Finds whose time @clock counts; 0 or -EINVAL. cpu_clock_put after. */
int __must_check cpu_clock_get(struct cpu_clock *c, int clock);
void cpu_clock_put(struct cpu_clock *c);
u64 cpu_clock_read(const struct cpu_clock *c);
u64 process_cpu_ns(struct process *p, enum cpu_clock_kind kind);

/* ---- process timers ---- */
struct cpu_itimer {
    u64 expires_ns, interval_ns; /* in CPU time of the process; 0 = not armed */
};

struct process_timers {
    spinlock_t lock;              /* LEAF: what the tick reads, i.e. cpu_itimer and cpu_timers */
    struct cpu_itimer cpu_itimer[2]; /* ITIMER_VIRTUAL, ITIMER_PROF */
    struct list_head cpu_timers;  /* armed posix timers on CPU clocks */
    struct list_head posix;       /* process_timer_mutex: all that timer_create made */
    int next_id;                  /* process_timer_mutex */
};

/* One for all processes: changes of timers are rare, and their functions run without it. */
extern struct mutex process_timer_mutex;
/* The process's, made when it is not there; NULL when out of memory. Mutex held. */
struct process_timers *process_timers_get(struct process *p);

/* posix_timer.c */
struct posix_timer;
/* From clock_settime: timers on the wall clock keep their wall time. */
void posix_timers_clock_was_set(u64 old_offset_ns);
void posix_timers_tick(struct process_timers *pt, struct task *t);
/* Ends all timers of timer_create. May sleep. */
void posix_timers_delete_all(struct process_timers *pt);
