/* SPDX-License-Identifier: MIT */
/*
 * membarrier.c: memory barriers on other CPUs on request, so that a program's fast side can do
 * without.
 *
 * Expedited commands interrupt the CPUs that may run threads of the caller (mm->cpus) or all; the
 * interrupt's entry and a full barrier in it order the interrupted thread's accesses. A thread that
 * is not running has a full barrier in its context switch. MEMBARRIER_CMD_GLOBAL waits for an RCU
 * grace period instead. Core serialisation and rseq restarts are not offered.
 *
 * Locks: none. Source: membarrier(2). Checked by tests/kernel/mm/membarrier_ktest.c. Read next:
 * tlb.c (mm->cpus).
 */
#include <asm/errno.h>
#include <kernel/rcu.h>
#include <kernel/smp.h>
#include <kernel/syscall.h>
#include <linux/membarrier.h>
#include "vma_internal.h"

#define SUPPORTED                                                                                 \
    (MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |                                     \
     MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |                \
     MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)

static void barrier_here(void *unused)
{
    (void)unused;
    smp_mb();
}

static void barrier_on(cpumask_t cpus)
{
    smp_mb(); /* our accesses before theirs after the interrupt */
    smp_call_on(cpus, barrier_here, NULL);
    smp_mb();
}

SYSCALL3(membarrier, int, cmd, unsigned int, flags, int, cpu)
{
    struct mm *mm = current->mm;

    (void)cpu; /* only for a flag that goes with rseq */
    if (flags != 0)
        return -EINVAL;
    switch (cmd) {
    case MEMBARRIER_CMD_QUERY:
        return SUPPORTED;
    case MEMBARRIER_CMD_GLOBAL:
        if (nr_cpus_online > 1)
            synchronize_rcu();
        return 0;
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
        barrier_on((cpumask_t){ (1UL << nr_cpus_online) - 1 });
        return 0;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED: /* all CPUs are asked anyway */
        return 0;
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
        if (!(READ_ONCE(mm->membarrier) & MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED))
            return -EPERM;
        barrier_on((cpumask_t){ __atomic_load_n(&mm->cpus.bits, __ATOMIC_RELAXED) });
        return 0;
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
        atomic_or_u32(&mm->membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        return 0;
    default:
        return -EINVAL;
    }
}
