/* SPDX-License-Identifier: MIT */
/*
 * rcu.c: RCU for CPUs that are threads. A CPU is quiescent when its preemption count is 0, or has
 * been 0 since (cpu->arch[0] counts the ends of read-side sections). Callbacks run in rcu_barrier
 * and synchronize_rcu, called by whoever is not a reader himself.
 */
#include <arch/cpu.h>
#include <arch/current.h>
#include <kernel/atomic.h>
#include <kernel/rcu.h>
#include "host.h"

static struct rcu_head *callbacks;

void call_rcu(struct rcu_head *head, void (*func)(struct rcu_head *))
{
    head->func = func;
    head->next = __atomic_load_n(&callbacks, __ATOMIC_RELAXED);
    while (!__atomic_compare_exchange_n(&callbacks, &head->next, head, true, __ATOMIC_SEQ_CST,
                                        __ATOMIC_RELAXED))
        ;
}

static void wait_for_readers(void)
{
    REQUIRE(arch_preempt_count() == 0);
    for (unsigned int i = 0; i < nr_cpus_online; i++) {
        unsigned long ended = __atomic_load_n(&cpus[i].arch[0], __ATOMIC_SEQ_CST);

        while (__atomic_load_n(&cpus[i].preempt_count, __ATOMIC_SEQ_CST) != 0 &&
               __atomic_load_n(&cpus[i].arch[0], __ATOMIC_SEQ_CST) == ended)
            cpu_relax();
    }
}

void synchronize_rcu(void)
{
    struct rcu_head *h = xchg(&callbacks, NULL), *next;

    wait_for_readers();
    for (; h != NULL; h = next) {
        next = h->next;
        h->func(h);
    }
}

void rcu_barrier(void)
{
    do
        synchronize_rcu();
    while (__atomic_load_n(&callbacks, __ATOMIC_RELAXED) != NULL);
}
