/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: section C and D of the seam for tests on the build machine, and a TLB per CPU that
 * remembers what it saw until it is flushed, so that a flush left out shows as a stale translation.
 *
 * Locks: none; tests use it from one thread. Invariants: I1 no TLB holds a translation of an
 * address space after its flush.
 * Checked by tests/host/mm/seam_test.c. Read next: arch/README.md.
 */
#include <asm/errno.h>
#include <asm/host_mmu.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>

#define TLB_SIZE 256

struct tlb_entry {
    struct mm *mm; /* NULL: free */
    vaddr_t va;
    paddr_t pa;
    pt_prot_t prot;
    bool dirty;    /* the walk that filled it set dirty */
};

/* Four levels of 512 entries, leaves at three: x86-64's shape. */
struct host_geometry host_geometry = {
    .top = 3, .bits = {9, 9, 9, 9}, .leaf_levels = 7, .abilities = ~0u};
struct host_mmu_counts host_mmu_counts;

static struct tlb_entry tlb[NR_CPUS][TLB_SIZE];
static unsigned int tlb_next[NR_CPUS], fail_init, lose_flushes;

void host_mmu_reset(void)
{
    host_mmu_counts = (struct host_mmu_counts){ 0 };
    fail_init = lose_flushes = 0;
    for (unsigned int c = 0; c < NR_CPUS; c++)
        for (unsigned int i = 0; i < TLB_SIZE; i++)
            tlb[c][i].mm = NULL;
}

void host_mmu_fail_init(unsigned int n)
{
    fail_init = n;
}

void host_mmu_lose_flushes(unsigned int n)
{
    lose_flushes = n;
}

int mmu_mm_init(struct mm *mm)
{
    struct page *p;

    if (fail_init > 0) {
        fail_init--;
        return -ENOMEM;
    }
    p = pt_table_alloc(mm, pt_top_level(), GFP_KERNEL);
    if (p == NULL)
        return -ENOMEM;
    mm->root = page_to_virt(p);
    mm->arch_root = page_to_phys(p);
    return 0;
}

void mmu_mm_destroy(struct mm *mm)
{
    pt_table_free(pt_table_page(mm->root));
    mm->root = NULL;
}

void mmu_switch(struct mm *mm)
{
    unsigned int cpu = smp_processor_id();

    (void)mm;
    for (unsigned int i = 0; i < TLB_SIZE; i++)
        tlb[cpu][i].mm = NULL;
}

static void drop(struct mm *mm, vaddr_t start, vaddr_t end)
{
    if (lose_flushes > 0) {
        lose_flushes--;
        return;
    }
    for (unsigned int c = 0; c < NR_CPUS; c++) {
        for (unsigned int i = 0; cpumask_test(&mm->cpus, c) && i < TLB_SIZE; i++) {
            struct tlb_entry *t = &tlb[c][i];

            if (t->mm == mm && t->va >= start && t->va < end)
                t->mm = NULL;
        }
    }
}

void mmu_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    host_mmu_counts.flush_range++;
    host_mmu_counts.start = start;
    host_mmu_counts.end = end;
    host_mmu_counts.level = level;
    drop(mm, ALIGN_DOWN(start, pt_size(level)), ALIGN_UP(end, pt_size(level)));
}

cpumask_t mmu_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    mmu_flush_range(mm, start, end, level);
    return mm->cpus;
}

void mmu_flush_local(vaddr_t start, vaddr_t end, unsigned int level)
{
    (void)start, (void)end, (void)level;
}

void mmu_flush_mm(struct mm *mm)
{
    host_mmu_counts.flush_mm++;
    drop(mm, 0, ~0UL);
}

void mmu_flush_sharers(void)
{
    host_mmu_counts.flush_mm++;
    for (unsigned int c = 0; c < NR_CPUS; c++)
        for (unsigned int i = 0; i < TLB_SIZE; i++)
            tlb[c][i].mm = NULL;
}

void mmu_update_hint(struct mm *mm, vaddr_t va, pte_t entry, unsigned int level)
{
    (void)mm, (void)va, (void)entry, (void)level;
    host_mmu_counts.hint++;
}

void mmu_quiesce_walkers(struct mm *mm)
{
    (void)mm;
    host_mmu_counts.quiesce++;
}

void mmu_forget(struct page *table)
{
    (void)table;
    host_mmu_counts.forget++;
}

/* The entry that decides about @va and the permissions of the links to it. */
static pte_t *walk(struct mm *mm, vaddr_t va, unsigned int *level, pt_prot_t *link)
{
    pte_t *base = mm->root, *slot;

    *level = pt_top_level();
    *link = PT_RWXU;
    while (slot = base + pt_index(va, *level), pte_is_table(pte_load(slot), *level)) {
        pt_prot_t here = pte_prot(pte_load(slot), *level);

        if (mmu_has(MMU_LINK_WRITE))
            *link &= here | ~PT_W;
        if (mmu_has(MMU_LINK_EXEC))
            *link &= here | ~PT_X;
        base = pt_link_table(pte_load(slot), *level);
        --*level;
    }
    return slot;
}

static bool tlb_hit(struct mm *mm, unsigned int cpu, vaddr_t va, pt_prot_t access, paddr_t *pa)
{
    for (unsigned int i = 0; i < TLB_SIZE; i++) {
        const struct tlb_entry *t = &tlb[cpu][i];

        if (t->mm != mm || t->va != (va & PAGE_MASK) || (t->prot & access) != access)
            continue;
        if ((access & PT_W) && !t->dirty)
            continue; /* walks again, to set dirty */
        *pa = t->pa | (va & ~PAGE_MASK);
        return true;
    }
    return false;
}

bool host_mmu_access(struct mm *mm, unsigned int cpu, vaddr_t va, pt_prot_t access, paddr_t *pa)
{
    unsigned int level, state = access & PT_W ? PT_YOUNG | PT_DIRTY : PT_YOUNG;
    pt_prot_t link, prot;
    pte_t *slot, e;

    if (tlb_hit(mm, cpu, va, access, pa))
        return true;
    slot = walk(mm, va, &level, &link);
    e = pte_load(slot);
    if (!pte_is_leaf(e, level))
        return false;
    prot = pte_prot(e, level) & (link | PT_NC | PT_G);
    if ((prot & access) != access)
        return false;
    if (mmu_has(MMU_HW_YOUNG)) {
        pte_store(slot, pte_with_state(e, pte_state(e) | state));
    } else if ((pte_state(e) & state) != state) {
        return false;
    }
    *pa = pte_paddr(e, level) + (va & (pt_size(level) - 1));
    tlb[cpu][tlb_next[cpu]++ % TLB_SIZE] = (struct tlb_entry){.mm = mm,
                                                              .va = va & PAGE_MASK,
                                                              .pa = *pa & PAGE_MASK,
                                                              .prot = prot,
                                                              .dirty = (access & PT_W) != 0};
    return true;
}
