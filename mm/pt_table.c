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

void pt_table_ready(struct page *p)
{
    p->pt_used = 0;
    p->pt_shared = 0;
    p->pt_private = 0;
    spin_init(&p->ptl, LOCK_PT);
}

static struct page *alloc_table(struct mm *mm, unsigned int level, gfp_t gfp)
{
    unsigned int order = pt_table_order(level);
    struct page *p = alloc_frames(order, PAGE_TABLE, 0, gfp);

    if (unlikely(p == NULL))
        return NULL;
    ASSERT(level <= pt_top_level() && p->word == 0);
    p->level = (u8)level;
    p->pt_mm = mm;
    atomic_long_add(&mm->pt_pages, 1L << order);
    vmstat_inc(VMSTAT_pt_alloc);
    return p;
}

struct page *pt_table_alloc(struct mm *mm, unsigned int level, gfp_t gfp)
{
    struct page *p = alloc_table(mm, level, gfp | GFP_ZERO);

    if (likely(p != NULL))
        pt_table_ready(p);
    return p;
}

unsigned int pt_table_alloc_waiting(struct mm *mm, unsigned int level, struct page **tables,
                                    unsigned int n)
{
    unsigned int got = 0;

    ASSERT(n != 0 && level < pt_top_level());
    if (n > 1 && pt_table_order(level) == 0)
        got = alloc_frames_bulk(tables, n, PAGE_TABLE, GFP_KERNEL);
    for (unsigned int i = 0; i < got; i++) {
        tables[i]->level = (u8)level;
        tables[i]->pt_mm = mm;
    }
    if (got != 0) {
        atomic_long_add(&mm->pt_pages, (long)got);
        vmstat_add(VMSTAT_pt_alloc, got);
        return got;
    }
    tables[0] = alloc_table(mm, level, GFP_KERNEL);
    return tables[0] != NULL;
}

struct page *pt_table_alloc_shared(unsigned int level, gfp_t gfp)
{
    struct page *p = alloc_frames(pt_table_order(level), PAGE_TABLE, 0, gfp | GFP_ZERO);

    if (p == NULL)
        return NULL;
    p->level = (u8)level;
    p->pt_mm = NULL;
    vmstat_inc(VMSTAT_pt_alloc);
    pt_table_ready(p);
    return p;
}

void pt_table_free_shared(struct page *p)
{
    ASSERT(p->kind == PAGE_TABLE && p->pt_mm == NULL && p->pt_used == 0 && p->pt_shared == 0);
    vmstat_inc(VMSTAT_pt_free);
    free_pages(p, pt_table_order(p->level));
}

void pt_table_free(struct page *p)
{
    unsigned int order = pt_table_order(p->level);

    ASSERT(p->kind == PAGE_TABLE && p->pt_used == 0 && p->pt_shared == 0 && !pt_is_gib(p));
    ASSERT(atomic_long_read(&p->pt_mm->pt_pages) >= 1L << order);
    atomic_long_add(&p->pt_mm->pt_pages, -(1L << order));
    vmstat_inc(VMSTAT_pt_free);
    mmu_forget(p);
    free_pages(p, order);
}

bool pt_table_link(struct page *parent, pte_t *slot, struct page *table)
{
    bool empty;

    ASSERT(parent->level > table->level && parent->pt_mm == table->pt_mm);
    ASSERT(slot >= (pte_t *)page_to_virt(parent) &&
           slot < (pte_t *)page_to_virt(parent) + pt_entries(parent->level));
    pt_lock(parent);
    empty = pte_is_none(pte_load(slot));
    if (empty) {
        pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
        parent->pt_used++;
    }
    pt_unlock(parent);
    return empty;
}

/* Tables of one frame each, of one address space. */
static void free_batch(struct page **tables, unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        ASSERT(tables[i]->kind == PAGE_TABLE && tables[i]->pt_used == 0 &&
               tables[i]->pt_shared == 0);
        ASSERT(tables[i]->pt_mm == tables[0]->pt_mm && tables[i]->word == 0);
        mmu_forget(tables[i]);
    }
    atomic_long_add(&tables[0]->pt_mm->pt_pages, -(long)n);
    vmstat_add(VMSTAT_pt_free, n);
    free_pages_bulk(tables, n);
}

void pt_table_free_chain(struct page *table)
{
    struct page *batch[32];
    unsigned int n = 0;

    for (struct page *next; table != NULL; table = next) {
        next = (struct page *)(unsigned long)table->spare;
        if (pt_table_order(table->level) != 0) {
            pt_table_free(table);
            continue;
        }
        batch[n++] = table;
        if (n == ARRAY_SIZE(batch)) {
            free_batch(batch, n);
            n = 0;
        }
    }
    if (n != 0)
        free_batch(batch, n);
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
        struct page *table;

        if (pte_is_none(link)) {
            next = pt_skip_empty(slot, va, end, level);
            continue;
        }
        next = pt_next(va, end, level);
        if (!pte_is_table(link, level))
            continue;
        table = pt_table_page(pt_link_table(link, level));
        if (unlikely(READ_ONCE(table->pt_shared) != 0))
            continue; /* a neighbour's, made since these areas left the tree; or users of a space */
        if (level > 1)
            free_below(f, pt_link_table(link, level), level - 1, va, next);
        if (first < f->floor || first + (pt_size(level) - 1) > f->last)
            continue;
        if (unlikely(f->tlb->mm->space != NULL) && table->pt_used != 0)
            continue; /* holds such tables, though no area is there */
        struct page *parent = pt_table_page(base);
        pt_lock(parent);
        ASSERT(pte_paddr(pte_load(slot), level) == pte_paddr(link, level) && parent->pt_used != 0);
        pte_store(slot, pte_none());
        parent->pt_used--;
        pt_unlock(parent);
        /* The link may be cached although no leaf was. */
        tlb_gather_range(f->tlb, va, va + PAGE_SIZE, 0);
        tlb_gather_table(f->tlb, table);
    }
}

void pt_free_tables(struct tlb_gather *tlb, vaddr_t start, vaddr_t end, vaddr_t floor,
                    vaddr_t ceiling)
{
    struct free_range f = { .tlb = tlb, .floor = floor, .last = ceiling - 1 }; /* 0 - 1: no limit */

    ASSERT(floor <= start && (ceiling == 0 || end <= ceiling));
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
    mm_flush_range(mm, va, va + pt_size(level), level);
    for (unsigned int i = 0; i < pt_entries(low); i++) {
        paddr_t pa = pte_paddr(leaf, level) + i * pt_size(low);
        pte_t e = pte_make_leaf(pa, low, pte_prot(leaf, level));

        pte_store(base + i, pte_with_state(e, pte_state(leaf)));
    }
    table->pt_used = pt_entries(low);
    ASSERT(level > 0 && pte_is_none(pte_load(slot)));
    pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
    pt_unlock(parent);
    return 0;
}

int pt_split_leaf_at(struct mm *mm, vaddr_t va)
{
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock) && IS_ALIGNED(va, PAGE_SIZE));
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
