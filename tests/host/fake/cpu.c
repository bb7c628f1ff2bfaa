/* SPDX-License-Identifier: MIT */
/*
 * cpu.c: CPUs that are threads. A CPU with interrupts off holds its mutex; smp_call_on plays the
 * interrupt: it takes the mutex of the CPU that it calls and borrows its identity. So per-CPU code
 * meets its remote callers at the same places where the kernel would.
 */
#include <arch/cpu.h>
#include <arch/current.h>
#include <kernel/smp.h>
#include <pthread.h>
#include <sched.h>
#include "host.h"

struct cpu cpus[NR_CPUS];
unsigned int nr_cpus_online = 1;
_Thread_local struct cpu *host_this_cpu = &cpus[0], *host_own_cpu = &cpus[0];

static pthread_mutex_t irq_mutex[NR_CPUS];
static _Thread_local unsigned int irq_off_depth; /* of the identity that the thread has now */
static _Thread_local u64 random_state = 1;

__attribute__((constructor)) static void cpus_setup(void)
{
    for (unsigned int i = 0; i < NR_CPUS; i++) {
        cpus[i].self = &cpus[i];
        cpus[i].id = i;
        pthread_mutex_init(&irq_mutex[i], NULL);
    }
}

bool irqs_enabled(void)
{
    return irq_off_depth == 0;
}

void irq_disable(void)
{
    if (irq_off_depth++ == 0)
        pthread_mutex_lock(&irq_mutex[smp_processor_id()]);
}

void irq_enable(void)
{
    REQUIRE(irq_off_depth > 0);
    if (--irq_off_depth == 0)
        pthread_mutex_unlock(&irq_mutex[smp_processor_id()]);
}

unsigned long irq_save(void)
{
    irq_disable();
    return irq_off_depth;
}

/* Nested as the kernel nests it: each save has its restore, in reverse order. */
void irq_restore(unsigned long flags)
{
    REQUIRE(flags == irq_off_depth);
    irq_enable();
}

void cpu_relax(void)
{
    sched_yield();
}

void cpu_idle_wait(void)
{
    sched_yield();
}

u64 cycle_counter(void)
{
    return host_random();
}

u64 host_random(void)
{
    random_state = random_state * 6364136223846793005ULL + 1442695040888963407ULL;
    return random_state;
}

void smp_call_on(cpumask_t mask, void (*fn)(void *), void *arg)
{
    struct cpu *self = host_this_cpu;

    REQUIRE(irqs_enabled()); /* the kernel allows more, this fake would deadlock */
    for (unsigned int i = 0; i < nr_cpus_online; i++) {
        if (!cpumask_test(&mask, i))
            continue;
        host_this_cpu = &cpus[i];
        irq_disable();
        fn(arg);
        irq_enable();
        host_this_cpu = self;
    }
}

struct start {
    void (*fn)(void *, unsigned int);
    void *arg;
    unsigned int cpu;
};

static void *cpu_thread(void *start)
{
    struct start *s = start;

    host_this_cpu = host_own_cpu = &cpus[s->cpu];
    random_state = s->cpu + 1;
    s->fn(s->arg, s->cpu);
    REQUIRE(arch_preempt_count() == 0 && irqs_enabled());
    return NULL;
}

void host_run_cpus(unsigned int n, void (*fn)(void *, unsigned int), void *arg)
{
    struct start start[NR_CPUS];
    pthread_t thread[NR_CPUS];

    REQUIRE(n >= 1 && n <= NR_CPUS);
    nr_cpus_online = n;
    for (unsigned int i = 1; i < n; i++) {
        start[i] = (struct start){ fn, arg, i };
        REQUIRE(pthread_create(&thread[i], NULL, cpu_thread, &start[i]) == 0);
    }
    fn(arg, 0);
    for (unsigned int i = 1; i < n; i++)
        pthread_join(thread[i], NULL);
}
