/* SPDX-License-Identifier: MIT */
/*
 * mmu.c: the kernel's half of the address space, and the root of each user one.
 *
 * The user half is mm/'s business, through the seam. Every root links the same lower tables for the
 * kernel's half: all top entries that the kernel will ever use exist after boot, so nothing must be
 * copied to living address spaces later.
 *
 * Locks: none. A range of kernel addresses has one owner (vmalloc, ioremap), who alone changes its
 * leaves; tables are linked by compare-and-swap and never freed.
 * Invariants: I1 no kernel leaf is writable and executable; I2 no kernel leaf has user permission;
 * I3 the kernel's top entries do not change after mmu_boot_map. Checked by
 * tests/kernel/mm/seam_ktest.c.
 * Source: Intel SDM volume 3 section 4.5, 4.6 (access rights). Read next: boot_map.c, tlb.c.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <kernel/printk.h>
#include <mm/memblock.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

pte_t *kernel_root;
paddr_t kernel_root_pa;

static atomic_long_t nr_kernel_tables; /* from the page allocator */

u64 kernel_nr_tables(void)
{
    return (u64)atomic_long_read(&nr_kernel_tables);
}

/* A zeroed table for the kernel's half, or 0. */
static paddr_t kernel_table_alloc(void)
{
    struct page *p;

    if (mem_map == NULL)
        return memblock_alloc(PAGE_SIZE, PAGE_SIZE);
    p = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    if (p == NULL)
        return 0;
    page_set_kind(p, PAGE_TABLE);
    atomic_long_inc(&nr_kernel_tables);
    return page_to_phys(p);
}

static void kernel_table_free(paddr_t pa)
{
    atomic_long_dec(&nr_kernel_tables);
    free_pages(pfn_to_page(pa >> PAGE_SHIFT), 0);
}

/* The entry for @va at @level, tables above made as needed; NULL when out of memory or when a
 * larger leaf is in the way. */
static pte_t *kernel_slot_make(vaddr_t va, unsigned int level)
{
    pte_t *base = kernel_root;

    for (unsigned int l = pt_top_level(); l > level; l--) {
        pte_t *slot = base + pt_index(va, l);
        pte_t e = pte_load(slot);

        if (pte_is_none(e)) {
            paddr_t pa = kernel_table_alloc();
            pte_t none = pte_none();

            if (pa == 0)
                return NULL;
            e = pte_make_table(pa, PT_R | PT_W | PT_X);
            if (!pte_cmpxchg(slot, &none, e)) {
                kernel_table_free(pa);
                e = none;
            }
        }
        if (!pte_is_table(e, l))
            return NULL;
        base = pt_link_table(e, l);
    }
    return base + pt_index(va, level);
}

/* The entry that decides about @va; its level in *@level. */
static pte_t *kernel_slot_find(vaddr_t va, unsigned int *level)
{
    pte_t *base = kernel_root, *slot;
    unsigned int l = pt_top_level();

    while (slot = base + pt_index(va, l), pte_is_table(pte_load(slot), l)) {
        base = pt_link_table(pte_load(slot), l);
        l--;
    }
    *level = l;
    return slot;
}

static unsigned int best_level(vaddr_t va, paddr_t pa, size_t len, unsigned int max_level)
{
    unsigned int level = max_level;

    while (level > 0 && (!pt_level_can_leaf(level) || !IS_ALIGNED(va | pa, pt_size(level)) ||
                         len < pt_size(level)))
        level--;
    return level;
}

int kernel_map_level(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot, unsigned int max_level)
{
    ASSERT(IS_ALIGNED(va | pa | len, PAGE_SIZE));
    ASSERT((prot & (PT_W | PT_X)) != (PT_W | PT_X) && !(prot & PT_U));
    while (len > 0) {
        unsigned int level = best_level(va, pa, len, max_level);
        pte_t *slot = kernel_slot_make(va, level);

        if (slot == NULL)
            return -ENOMEM;
        ASSERT(pte_is_none(pte_load(slot)));
        /* Young and dirty at once: nobody asks, and the hardware need not write the entry. */
        pte_store(slot, pte_with_state(pte_make_leaf(pa, level, prot | PT_G), PT_YOUNG | PT_DIRTY));
        va += pt_size(level);
        pa += pt_size(level);
        len -= pt_size(level);
    }
    return 0;
}

int kernel_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot)
{
    vaddr_t start = va;
    int err = kernel_map_level(va, pa, len, prot, 0);

    if (err)
        kernel_unmap(start, len);
    return err;
}

void kernel_unmap(vaddr_t va, size_t len)
{
    vaddr_t start = va, end = va + len;
    unsigned int level;

    while (va < end) {
        pte_t *slot = kernel_slot_find(va, &level);

        if (pte_is_leaf(pte_load(slot), level))
            (void)pte_xchg(slot, pte_none());
        va = pt_next(va, end, level);
    }
    kernel_flush(start, end);
}

void kernel_protect(vaddr_t va, size_t len, pt_prot_t prot)
{
    vaddr_t end = va + len;
    unsigned int level;

    while (va < end) {
        pte_t *slot = kernel_slot_find(va, &level);
        pte_t e = pte_load(slot);

        ASSERT(pte_is_leaf(e, level) && IS_ALIGNED(va, pt_size(level)) &&
               end - va >= pt_size(level));
        pte_store(slot, pte_with_prot(e, level, prot | PT_G));
        va += pt_size(level);
    }
}

pte_t kernel_lookup(vaddr_t va, unsigned int *level)
{
    pte_t e = pte_load(kernel_slot_find(va, level));

    return pte_is_leaf(e, *level) ? e : pte_none();
}

int mmu_mm_init(struct mm *mm)
{
    struct page *p = pt_table_alloc(mm, pt_top_level(), GFP_KERNEL);

    if (p == NULL)
        return -ENOMEM;
    mm->root = page_to_virt(p);
    mm->arch_root = page_to_phys(p);
    for (unsigned int i = 0; i < x86_nr_kernel_links; i++)
        pte_store(mm->root + x86_kernel_links[i], kernel_root[x86_kernel_links[i]]);
    return 0;
}

void mmu_mm_destroy(struct mm *mm)
{
    ASSERT(mm->cpus.bits == 0 && mm->root != NULL);
    pt_table_free(pt_table_page(mm->root));
    mm->root = NULL;
}

void mmu_switch(struct mm *mm)
{
    write_cr3(mm != NULL ? mm->arch_root : kernel_root_pa);
}

void mmu_init_cpu(void)
{
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    write_cr0(read_cr0() | CR0_WP);
    write_cr3(kernel_root_pa);
    if (cpu_features.pge)
        write_cr4(read_cr4() | CR4_PGE);
}
