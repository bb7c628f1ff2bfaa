/* SPDX-License-Identifier: MIT */
/* host_mmu.h: what tests can see of, and do to, the MMU that arch/host plays. */
#pragma once
#include <arch/mmu.h>

/* Calls since the last host_mmu_reset. */
struct host_mmu_counts {
    unsigned long flush_range, flush_mm, quiesce, hint, forget;
    vaddr_t start, end;  /* of the last flush_range */
    unsigned int level;
};
extern struct host_mmu_counts host_mmu_counts;

/* Empty TLBs, counts 0, no fault planted. */
void host_mmu_reset(void);
/* The next @n calls of mmu_mm_init fail. */
void host_mmu_fail_init(unsigned int n);
/* The next @n flushes are forgotten: for tests that must notice. */
void host_mmu_lose_flushes(unsigned int n);

/*
 * CPU @cpu, which runs @mm (its bit is in mm->cpus), accesses @va with the PT_ rights in @access.
 * Uses its TLB, else walks the tree, sets young and dirty when the MMU can, and remembers the
 * translation. True: *pa is where the access went. False: a fault.
 */
bool host_mmu_access(struct mm *mm, unsigned int cpu, vaddr_t va, pt_prot_t access, paddr_t *pa);
