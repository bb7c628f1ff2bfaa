/* SPDX-License-Identifier: MIT */
/*
 * smp.h: starting the other CPUs (arch/ARCH/kernel) and calling a function on them (kernel/smp.c).
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

/* For the machine. */
/* `maxcpus=`: how many CPUs may run. */
extern unsigned int smp_max_cpus;
/* Waits for @c, which was told to start. False when it does not come within ten seconds; it may
 * still wake up, so what it was given is lost. */
bool smp_wait_online(const struct cpu *c);
/* An interrupt of arch_send_call_ipi: runs what other CPUs ask of this one. */
void smp_handle_call(void);
/* An interrupt of arch_send_stop: does not return during a panic. */
void smp_handle_nmi(void);
