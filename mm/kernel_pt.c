/* SPDX-License-Identifier: MIT */
/*
 * kernel_pt.c: the tree of the kernel's half of the address space: one for all, whatever the MMU
 * does with it.
 *
 * It flushes nothing; kernel_map() and kernel_unmap() are arch's, which adds that. The user half is
 * pt_walk.c's business.
 *
 * Locks: none. A range of kernel addresses has one owner (vmalloc, ioremap), who alone changes its
 * leaves; tables are linked by compare-and-swap and never freed.
 * Invariants: I1 no kernel leaf is writable and executable; I2 no kernel leaf has user permission.
 * Checked by tests/kernel/mm/seam_ktest.c. Read next: arch/x86_64/mm/mmu.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <mm/buddy.h>
#include <mm/kernel_pt.h>
#include <mm/memblock.h>
#include <mm/pt_walk.h>

pte_t *kernel_root;
paddr_t kernel_root_pa;

static atomic_long_t nr_kernel_tables; /* frames from the page allocator */

u64 kernel_nr_tables(void)
{
    return (u64)atomic_long_read(&nr_kernel_tables);
}

paddr_t kernel_table_alloc(unsigned int level)
{
    unsigned int order = pt_table_order(level);
    struct page *p;

    ASSERT(level <= pt_top_level());
    if (mem_map == NULL)
        return memblock_alloc(PAGE_SIZE << order, PAGE_SIZE << order);
    p = alloc_pages(order, GFP_KERNEL | GFP_ZERO);
    if (p == NULL)
        return 0;
    for (unsigned int i = 0; i < (1u << order); i++)
        page_set_kind(p + i, PAGE_TABLE);
    atomic_long_add(&nr_kernel_tables, 1L << order);
    return page_to_phys(p);
}

static void kernel_table_free(paddr_t pa, unsigned int level)
{
    unsigned int order = pt_table_order(level);

    ASSERT(mem_map != NULL && atomic_long_read(&nr_kernel_tables) >= 1L << order);
    atomic_long_add(&nr_kernel_tables, -(1L << order));
    free_pages(pfn_to_page(pa >> PAGE_SHIFT), order);
}

void kernel_pt_init(void)
{
    kernel_root_pa = kernel_table_alloc(pt_top_level());
    kernel_root = phys_to_virt(kernel_root_pa);
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
            paddr_t pa = kernel_table_alloc(l - 1);
            pte_t none = pte_none();

            if (pa == 0)
                return NULL;
            e = pte_make_table(pa, PT_R | PT_W | PT_X);
            if (!pte_cmpxchg(slot, &none, e)) {
                kernel_table_free(pa, l - 1);
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

    ASSERT(max_level <= pt_top_level() && len >= PAGE_SIZE);
    while (level > 0 && (!pt_level_can_leaf(level) || !IS_ALIGNED(va | pa, pt_size(level)) ||
                         len < pt_size(level)))
        level--;
    return level;
}

int kernel_pt_map(vaddr_t va, paddr_t pa, size_t len, pt_prot_t prot, unsigned int max_level)
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

void kernel_pt_unmap(vaddr_t va, size_t len)
{
    vaddr_t end = va + len;
    unsigned int level;

    ASSERT(IS_ALIGNED(va | len, PAGE_SIZE) && va < end);
    while (va < end) {
        pte_t *slot = kernel_slot_find(va, &level);

        if (pte_is_leaf(pte_load(slot), level))
            (void)pte_xchg(slot, pte_none());
        va = pt_next(va, end, level);
    }
}

void kernel_pt_protect(vaddr_t va, size_t len, pt_prot_t prot)
{
    vaddr_t end = va + len;
    unsigned int level;

    ASSERT((prot & (PT_W | PT_X)) != (PT_W | PT_X) && !(prot & PT_U)); /* I1, I2 */
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
