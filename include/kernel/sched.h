/* SPDX-License-Identifier: MIT */
/*
 * sched.h: the scheduler. Per-CPU run queues, time-sliced fair scheduling by virtual run time with
 * nice levels, idle balancing. Locks: RUNQ (spin, irq off). A task's state is set by itself and
 * read by wakers under its run queue's lock.
 */
#pragma once
#include <kernel/cpu.h>
#include <kernel/spinlock.h>

struct task;

/* Task states; a bit each, so that wakers can name a set. */
#define TASK_RUNNING         0u
#define TASK_INTERRUPTIBLE   1u
#define TASK_UNINTERRUPTIBLE 2u
#define TASK_STOPPED         4u
#define TASK_ZOMBIE          8u
#define TASK_DEAD            16u
#define TASK_NEW             32u
#define TASK_KILLABLE        64u /* woken by fatal signals only */

void sched_init(void);                 /* boot CPU, before the first sched_init_cpu */
/* each CPU on itself: makes the running context its idle task */
void sched_init_cpu(unsigned int cpu);
__noreturn void sched_idle_loop(void);
/* boot CPU, after task_init: threads of RCU and of the work queue */
void sched_start_services(void);

/*
 * Gives up the CPU; returns when the task runs again. With state != RUNNING the task leaves the run
 * queue. A task that goes in TASK_DEAD never returns; when it has left its CPU the scheduler calls
 * task_put for the reference that the running task had on itself.
 */
void schedule(void);
/* Return to user mode, interrupts on: schedules when that is due. */
void sched_user_return(void);
/*
 * Interrupt exit to the kernel, interrupts off, irq_depth 0 again: switches when preemption is
 * allowed and due.
 */
void sched_irq_exit(void);
void sched_yield_current(void);
/*
 * Makes @t runnable when its state is in @states; returns whether it was woken. Any context. Full
 * barrier.
 */
bool wake_up_state(struct task *t, unsigned int states);
static inline bool wake_up_task(struct task *t)
{
    return wake_up_state(t, TASK_INTERRUPTIBLE | TASK_UNINTERRUPTIBLE | TASK_KILLABLE);
}
/* First wake-up of a task made by fork or kernel_thread. */
void sched_start(struct task *t);
/* fork: sets the child's scheduling fields from the parent. */
void sched_fork(struct task *child);
/* Timer tick accounting, irq context. */
void sched_tick(void);
void sched_set_nice(struct task *t, int nice);
int sched_set_affinity(struct task *t, cpumask_t mask); /* -EINVAL when no online CPU is left */
/* Sends a reschedule IPI when @cpu is not this one. */
void resched_cpu(unsigned int cpu);
/*
 * SCHED_OTHER, BATCH, IDLE with priority 0; FIFO, RR with 1 .. 99. 0 or -EINVAL; permissions are
 * the caller's.
 */
int sched_set_policy(struct task *t, unsigned int policy, unsigned int priority);
/*
 * CPU time of @t until now, ns. The sum is exact, the split into user and system time is sampled by
 * ticks.
 */
u64 sched_task_ns(struct task *t);
void sched_task_times(struct task *t, u64 *user_ns, u64 *sys_ns);
/* RCU: is the CPU's current task its idle task? Acquire. */
bool sched_cpu_runs_idle(unsigned int cpu);
/* Invariant walker: run queues, counts, ownership of tasks. */
int sched_check(void);
/* Statistics for /proc. */
u64 sched_nr_switches(void);
unsigned int sched_nr_running(void);
u64 sched_idle_ns(unsigned int cpu);
void sched_loadavg(unsigned long avg[3]); /* fixed point, 1 << 11 is 1.00 */

/*
 * arch: saves @prev, restores @next on its kernel stack; returns (in next's context) the task
 * switched from.
 */
struct task *arch_switch_to(struct task *prev, struct task *next);
/*
 * First thing that runs in a new task's context, called by arch's ret_from_fork with the previous
 * task.
 */
void sched_finish_switch(struct task *prev);
void arch_send_resched_ipi(unsigned int cpu);
