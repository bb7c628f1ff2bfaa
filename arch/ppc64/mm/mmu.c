/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: ppc64's side of the seam: each function asks which MMU was chosen and passes on.
 *
 * It also says what the two have in common: the kernel's tree is mm/kernel_pt.c's, and a flush
 * makes one round over the CPUs that run the address space. Neither MMU needs the round for leaves,
 * which the hardware drops everywhere by one instruction; it makes lazy CPUs leave (mm/tlb.c), lets
 * the hash MMU's CPUs compare their segments with the tree, and is what makes an invalidation
 * complete under an emulator that carries it out on other CPUs a moment later.
 *
 * Locks: none. Invariants: I1 a flush is one round. Checked by tests/kernel/mm/tlb_ktest.c.
 * Read next: boot_map.c.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <mm/kernel_pt.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

/* MSR.IR and DR; the CPU's tables are loaded. The same addresses are valid with and without
 * translation, so this may be done anywhere. */
static void ppc_translation_on(void)
{
    mtmsr(mfmsr() | MSR_IR | MSR_DR);
}

void mmu_init_cpu(void)
{
    if (ppc_mmu.radix)
        radix_init_cpu();
    else
        slb_load_kernel();
    ppc_translation_on();
}

/* ---- user half ---- */

int mmu_mm_init(struct mm *mm)
{
    struct page *p = pt_table_alloc(mm, pt_top_level(), GFP_KERNEL);

    if (p == NULL)
        return -ENOMEM;
    mm->root = page_to_virt(p);
    if (ppc_mmu.radix && radix_mm_init(mm) != 0) {
        pt_table_free(p);
        mm->root = NULL;
        return -ENOMEM;
    }
    return 0;
}

void mmu_mm_destroy(struct mm *mm)
{
    ASSERT(mm->cpus.bits == 0 && mm->root != NULL);
    if (ppc_mmu.radix)
        radix_mm_destroy(mm);
    pt_table_free(pt_table_page(mm->root));
    mm->root = NULL;
}

void mmu_switch(struct mm *mm)
{
    if (ppc_mmu.radix)
        radix_switch(mm);
    else
        slb_switch(mm);
}

/* Radix: hardware walks again after a fault, so what has grown is seen. Source: Power ISA 3.0B Book
 * III section 5.7.12. Hash: the exception's end refills. */
void mmu_update_hint(struct mm *mm, vaddr_t va, pte_t entry, unsigned int level)
{
    (void)mm, (void)va, (void)entry, (void)level;
}

void mmu_quiesce_walkers(struct mm *mm)
{
    (void)mm;
    if (!ppc_mmu.radix)
        hash_quiesce();
}

void mmu_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    if (ppc_mmu.radix)
        radix_flush_range(mm, start, end, level);
    else
        hash_flush_range(mm, ALIGN_DOWN(start, pt_size(level)), end);
}

cpumask_t mmu_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    bool everywhere = false;

    if (ppc_mmu.radix)
        radix_flush_begin(mm, start, end, level);
    else
        everywhere = hash_flush_begin(mm, ALIGN_DOWN(start, pt_size(level)), end);
    smp_mb(); /* entries changed before, mm->cpus read after: pairs with mm_switch */
    return (cpumask_t){everywhere ? ~0UL : READ_ONCE(mm->cpus.bits)};
}

/* Leaves are gone everywhere already. */
void mmu_flush_local(vaddr_t start, vaddr_t end, unsigned int level)
{
    (void)start, (void)end, (void)level;
    if (!ppc_mmu.radix)
        slb_drop_user();
}

void mmu_flush_mm(struct mm *mm)
{
    if (ppc_mmu.radix)
        radix_flush_mm(mm);
    else
        hash_flush_mm(mm);
}

static void nothing(void *arg)
{
    (void)arg;
}

/* What the MMU needs is done by then; the round is for lockless walkers, and for what is said
 * above. */
void mmu_flush_sharers(void)
{
    if (ppc_mmu.radix)
        radix_flush_all();
    vmstat_inc(VMSTAT_tlb_flush_rounds);
    smp_call_on((cpumask_t){~0UL}, nothing, NULL);
}

struct round {
    struct mm *mm;
    void (*local)(void *);
    void *arg;
};

static void round_call(void *arg)
{
    const struct round *r = arg;

    if (mm_cpu_must_flush(r->mm))
        r->local(r->arg);
}

void ppc_flush_round(struct mm *mm, void (*local)(void *), void *arg)
{
    struct round r = {.mm = mm, .local = local, .arg = arg};
    unsigned long own, cpus;

    preempt_disable();
    smp_mb(); /* entries changed before, mm->cpus read after: pairs with mm_switch */
    own = 1UL << smp_processor_id();
    cpus = READ_ONCE(mm->cpus.bits);
    if (likely((cpus & ~own) == 0)) {
        if (cpus != 0) {
            unsigned long flags = irq_save();

            round_call(&r);
            irq_restore(flags);
        }
        vmstat_inc(VMSTAT_tlb_flush_local);
    } else {
        vmstat_inc(VMSTAT_tlb_flush_rounds);
        vmstat_add(VMSTAT_tlb_flush_ipis, (u64)__builtin_popcountl(cpus & ~own));
        smp_call_on((cpumask_t){cpus}, round_call, &r);
    }
    preempt_enable();
}

/* ---- kernel half ---- */

int kernel_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot)
{
    int err = kernel_pt_map(va, pa, len, prot, 0);

    if (err == 0 && !ppc_mmu.radix)
        err = hash_bolt(va, pa, len, prot);
    /* Radix: before this a walk may have found nothing, and said so, but it keeps no such answer.
     */
    __asm__ volatile("ptesync" : : : "memory");
    if (err)
        kernel_unmap(va, len);
    return err;
}

void kernel_unmap(vaddr_t va, size_t len)
{
    kernel_pt_unmap(va, len);
    if (ppc_mmu.radix)
        radix_flush_kernel(va, va + len);
    else
        hash_unbolt(va, len);
}
