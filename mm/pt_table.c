/* SPDX-License-Identifier: MIT */
/*
 * pt_table.c: page tables as objects: made, linked below a parent, unlinked and freed, and a huge
 * leaf taken apart.
 *
 * It does not know what entries map. A table's frame belongs to the kernel (word 0), and its struct
 * page holds the lock of its entries, so a huge leaf is locked like a small one. A table is freed
 * at once, behind the gather's flush: nobody walks tables without a lock that free_tables' caller
 * excludes (see pt_cursor_begin).
 *
 * Locks: PT of the parent around every change of a link.
 * Invariants: I1 pt_used == entries that are not none; I2 mm->pt_pages == frames of all tables of
 * @mm, the root included;
 * I3 a table that is freed is empty. Checked by pt_check (I1, I2) and pt_table_free (I3).
 * Read next: pt_walk.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>

struct page *pt_table_alloc(struct mm *mm, unsigned int level, gfp_t gfp)
{
    unsigned int order = pt_table_order(level);
    struct page *p = alloc_pages(order, gfp | GFP_ZERO);

    if (unlikely(p == NULL))
        return NULL;
    for (unsigned int i = 0; i < (1u << order); i++)
        page_set_kind(p + i, PAGE_TABLE);
    p->level = (u8)level;
    p->pt_mm = mm;
    p->pt_used = 0;
    p->pt_shared = 0;
    p->pt_private = 0;
    spin_init(&p->ptl, LOCK_PT);
    atomic_long_add(&mm->pt_pages, 1L << order);
    vmstat_inc(VMSTAT_pt_alloc);
    return p;
}

void pt_table_free(struct page *p)
{
    unsigned int order = pt_table_order(p->level);

    ASSERT(p->kind == PAGE_TABLE && p->pt_used == 0 && p->pt_shared == 0);
    atomic_long_add(&p->pt_mm->pt_pages, -(1L << order));
    vmstat_inc(VMSTAT_pt_free);
    mmu_forget(p);
    free_pages(p, order);
}

bool pt_table_link(struct page *parent, pte_t *slot, struct page *table)
{
    bool empty;

    pt_lock(parent);
    empty = pte_is_none(pte_load(slot));
    if (empty) {
        pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
        parent->pt_used++;
    }
    pt_unlock(parent);
    return empty;
}

struct free_range {
    struct tlb_gather *tlb;
    vaddr_t floor, last; /* both inclusive */
};

/* Tables below @base (level @level) that serve nothing outside [floor, last]. */
static void free_below(const struct free_range *f, pte_t *base, unsigned int level, vaddr_t va,
                       vaddr_t end)
{
    for (vaddr_t next; va < end; va = next) {
        pte_t *slot = base + pt_index(va, level);
        pte_t link = pte_load(slot);
        vaddr_t first = ALIGN_DOWN(va, pt_size(level));

        next = pt_next(va, end, level);
        if (!pte_is_table(link, level))
            continue;
        if (level > 1)
            free_below(f, pt_link_table(link, level), level - 1, va, next);
        if (first < f->floor || first + (pt_size(level) - 1) > f->last)
            continue;
        struct page *parent = pt_table_page(base);
        pt_lock(parent);
        pte_store(slot, pte_none());
        parent->pt_used--;
        pt_unlock(parent);
        /* The link may be cached although no leaf was. */
        tlb_gather_range(f->tlb, va, va + PAGE_SIZE, 0);
        tlb_gather_table(f->tlb, pt_table_page(pt_link_table(link, level)));
    }
}

void pt_free_tables(struct tlb_gather *tlb, vaddr_t start, vaddr_t end, vaddr_t floor,
                    vaddr_t ceiling)
{
    struct free_range f = { .tlb = tlb, .floor = floor, .last = ceiling - 1 }; /* 0 - 1: no limit */

    if (start < end)
        free_below(&f, tlb->mm->root, pt_top_level(), start, end);
}

/*
 * Replaces the huge leaf at @slot by a table of the next lower leaf level with the same permissions
 * and state. The order invalid, flush, new size is what both vendors ask for: no TLB may hold two
 * sizes for one address.
 * Source: AMD erratum 383; Intel SDM volume 3 section 4.10.2.3.
 */
static int split_leaf(struct mm *mm, struct page *parent, pte_t *slot, vaddr_t va)
{
    unsigned int level = parent->level, low = level - 1;
    struct page *table = pt_table_alloc(mm, low, GFP_KERNEL);
    pte_t leaf, *base;

    if (table == NULL)
        return -ENOMEM;
    base = page_to_virt(table);
    pt_lock(parent);
    leaf = pte_load(slot);
    if (!pte_is_leaf(leaf, level)) {
        pt_unlock(parent);
        pt_table_free(table);
        return 0;
    }
    va = ALIGN_DOWN(va, pt_size(level));
    leaf = pte_xchg(slot, pte_none());
    mmu_quiesce_walkers(mm);
    mmu_flush_range(mm, va, va + pt_size(level), level);
    for (unsigned int i = 0; i < pt_entries(low); i++) {
        paddr_t pa = pte_paddr(leaf, level) + i * pt_size(low);
        pte_t e = pte_make_leaf(pa, low, pte_prot(leaf, level));

        pte_store(base + i, pte_with_state(e, pte_state(leaf)));
    }
    table->pt_used = pt_entries(low);
    pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
    pt_unlock(parent);
    return 0;
}

int pt_split_leaf_at(struct mm *mm, vaddr_t va)
{
    for (;;) {
        struct page *table;
        unsigned int level;
        pte_t *slot = pt_find_locked(mm, va, &table, &level);
        bool inside;

        if (slot == NULL)
            return 0;
        inside = pte_is_leaf(pte_load(slot), level) && !IS_ALIGNED(va, pt_size(level));
        pt_unlock(table);
        if (!inside)
            return 0;
        int err = split_leaf(mm, table, slot, va);
        if (err)
            return err;
    }
}
