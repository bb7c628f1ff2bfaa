/* SPDX-License-Identifier: MIT */
/*
 * process_timers.h: timers that send signals: setitimer and alarm, timer_create. Source:
 * POSIX.1-2017, <time.h>. For kernel/task only; the calls themselves are in kernel/time/.
 */
#pragma once

struct process;
struct task;

/* A new process: no timer armed. */
void process_timers_init(struct process *p);
/* execve: timers made by timer_create end, interval timers go on. May sleep. */
void process_timers_exec(struct process *p);
/* The process dies (its last thread, no lock held): all end, memory is given back. May sleep. */
void process_timers_exit(struct process *p);
/* sched_tick, for the running thread: timers that count CPU time. */
void process_timers_tick(struct task *t);
