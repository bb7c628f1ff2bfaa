/* SPDX-License-Identifier: MIT */
/*
 * tlb.c: dropping translations, on this CPU and, in one round of calls, on the others.
 *
 * It does not choose the CPUs: mm->cpus does (mm/tlb.c explains who is in it and why lazy CPUs
 * leave). PCIDs are not used, so loading CR3 drops every translation of the user half.
 *
 * Locks: none. Invariants: I1 when a flush returns, no CPU can use a translation from before the
 * call; I2 one round of calls per flush.
 * Source: Intel SDM volume 3 section 4.10.4 (INVLPG also drops all cached links), 4.10.5
 * (propagation to other processors).
 * Checked by tests/kernel/mm/tlb_ktest.c and seam_ktest.c. Read next: mmu.c.
 */
#include <asm/quire_cpu.h>
#include <kernel/smp.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

/* More single pages than this cost more than filling the TLB again. */
#define FLUSH_PAGES_MAX 32

struct flush {
    struct mm *mm;
    vaddr_t start, end;
    size_t step; /* 0: everything */
};

static inline void invlpg(vaddr_t va)
{
    __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory");
}

/* Everything of the user half: entries without the global bit. */
static void flush_user(void)
{
    write_cr(3, read_cr(3));
}

/* Everything, global entries too. Source: SDM section 4.10.4.1: a change of CR4.PGE. */
static void flush_all(void)
{
    unsigned long flags = irq_save(), cr4 = read_cr(4);

    if (cr4 & CR4_PGE) {
        write_cr(4, cr4 & ~CR4_PGE);
        write_cr(4, cr4);
    } else {
        flush_user();
    }
    irq_restore(flags);
}

static inline void flush_local(const struct flush *f)
{
    if (f->step == 0) {
        flush_user();
        return;
    }
    for (vaddr_t va = f->start; va < f->end; va += f->step)
        invlpg(va);
}

static void flush_call(void *arg)
{
    const struct flush *f = arg;

    if (mm_cpu_must_flush(f->mm))
        flush_local(f);
}

static void flush_mm(const struct flush *f)
{
    unsigned long own, cpus;

    preempt_disable();
    smp_mb(); /* entries changed before, mm->cpus read after: pairs with mm_switch */
    own = 1UL << smp_processor_id();
    cpus = READ_ONCE(f->mm->cpus.bits);
    if (likely((cpus & ~own) == 0)) {
        if (cpus != 0) {
            unsigned long flags = irq_save();

            flush_call((void *)f);
            irq_restore(flags);
        }
        vmstat_inc(VMSTAT_tlb_flush_local);
    } else {
        vmstat_inc(VMSTAT_tlb_flush_rounds);
        vmstat_add(VMSTAT_tlb_flush_ipis, (u64)__builtin_popcountl(cpus & ~own));
        smp_call_on((cpumask_t){ cpus }, flush_call, (void *)f);
    }
    preempt_enable();
}

static inline struct flush flush_of(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    struct flush f = {
        .mm = mm, .start = ALIGN_DOWN(start, pt_size(level)), .end = end, .step = pt_size(level)};

    if ((end - f.start) >> pt_shift(level) > FLUSH_PAGES_MAX)
        f.step = 0;
    return f;
}

void mmu_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    struct flush f = flush_of(mm, start, end, level);

    flush_mm(&f);
}

/* One CPU can do nothing for another. */
cpumask_t mmu_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    (void)start, (void)end, (void)level;
    smp_mb(); /* entries changed before, mm->cpus read after: pairs with mm_switch */
    return (cpumask_t){ READ_ONCE(mm->cpus.bits) };
}

void mmu_flush_local(vaddr_t start, vaddr_t end, unsigned int level)
{
    struct flush f = flush_of(NULL, start, end, level);

    flush_local(&f);
}

void mmu_flush_mm(struct mm *mm)
{
    struct flush f = { .mm = mm };

    flush_mm(&f);
}

static void sharers_call(void *arg)
{
    (void)arg;
    if (mm_cpu_shares())
        flush_user();
}

void mmu_flush_sharers(void)
{
    vmstat_inc(VMSTAT_tlb_flush_rounds);
    smp_call_on((cpumask_t){ ~0UL }, sharers_call, NULL);
}

/* Nothing: a fault drops the translation that caused it. Source: SDM section 4.10.4.1, "page
 * faults". */
void mmu_update_hint(struct mm *mm, vaddr_t va, pte_t entry, unsigned int level)
{
    (void)mm, (void)va, (void)entry, (void)level;
}

/* Nothing: a lockless walker has interrupts off on a CPU of mm->cpus, so the round of calls of the
 * flush that follows waits for it; the hardware's walks end with the flush, too. */
void mmu_quiesce_walkers(struct mm *mm)
{
    (void)mm;
}

static void kernel_flush_call(void *arg)
{
    const struct flush *f = arg;

    if (f->step == 0)
        flush_all();
    else
        flush_local(f);
}

void kernel_flush(vaddr_t start, vaddr_t end)
{
    struct flush f = { .start = start, .end = end, .step = PAGE_SIZE };

    if ((end - start) >> PAGE_SHIFT > FLUSH_PAGES_MAX)
        f.step = 0;
    smp_call_on((cpumask_t){ ~0UL }, kernel_flush_call, &f);
}
