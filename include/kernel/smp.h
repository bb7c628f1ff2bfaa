/* SPDX-License-Identifier: MIT */
/*
 * smp.h: starting the other CPUs and calling a function on them. arch/ARCH/kernel implements.
 */
#pragma once
#include <kernel/cpu.h>

/*
 * Boot CPU: starts what the firmware lists, at most `maxcpus=` and NR_CPUS. Returns when all run
 * their idle task.
 */
void smp_start_cpus(void);

/*
 * Runs fn(arg) on every online CPU in @mask, the caller's own included, with interrupts off;
 * returns when all have finished. May be called with interrupts on or off, under spinlocks, by
 * several CPUs at once: a waiting CPU serves calls from the others. fn must not call smp_call_on. A
 * full barrier on both sides.
 */
void smp_call_on(cpumask_t mask, void (*fn)(void *), void *arg);
