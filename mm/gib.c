/* SPDX-License-Identifier: MIT */
/*
 * gib.c: a leaf of 1 GiB over 512 huge pages of anonymous memory, and back.
 *
 * Such a leaf is the link to a table of huge leaves in another form. The table stays below it with
 * all its entries, so nothing about any huge page changes: references, pins, the list of its leaf
 * entries, the table that each of those owns. Promotion is one entry written, when a table is full
 * of huge leaves whose frames are one aligned block; back is one entry written, so it needs no
 * memory, cannot fail, asks for no page's count and costs the same whatever is pinned.
 *
 * The table below is what software reads: walkers go through the leaf as through a link, and find
 * huge leaves (gib_below). Hardware and the lock-free pin (gup.c) read the leaf. Who changes an
 * entry of such a table puts the link back first; the cursor and pt_find_locked do it for all who
 * walk to change something, split.c and migrate_huge.c, who come from the page, by themselves.
 *
 * From the leaf to its table leads the struct page of the first frame (spare). A look without a
 * lock may find that frame reused; but the entry was changed before, so it looks at that again.
 *
 * The order permissionless leaf, flush, new size: see split.c, and there why it never is empty.
 *
 * Locks: the table's (PT) guards its mark PG_GIB and, while that is set, the entry above, too: the
 * lock of the table that this entry is in is not needed. Promotion: mmap_lock for writing and the
 * area's lock; so whoever has either sees a mark go, but never come.
 * Invariants: I1 a marked table is full of huge leaves of one aligned block, in order, with equal
 * permissions, all young and dirty, of PG_EXCLUSIVE pages; I2 the mark is set exactly while a leaf
 * is above. Checked by pt_check, models/gib.pml, tests/user/gib_test.c.
 * Read next: gib_collapse.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

static struct page *first_page(pte_t e)
{
    pfn_t pfn = pte_paddr(e, GIB_LEVEL) >> PAGE_SHIFT;
    struct page *p = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

    return p != NULL && READ_ONCE(p->kind) == PAGE_ANON ? p : NULL;
}

/* Any number may stand there when the page is another by now. */
static struct page *table_of(const struct page *first)
{
    pfn_t pfn = (pfn_t)READ_ONCE(first->spare);
    struct page *table = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;

    if (table == NULL || table->kind != PAGE_TABLE || table->level != HUGE_LEVEL)
        return NULL;
    return table;
}

pte_t *gib_below(const pte_t *slot, pte_t e)
{
    struct page *first, *table;

    if (!pte_is_leaf(e, GIB_LEVEL))
        return NULL;
    first = first_page(e);
    table = first != NULL ? table_of(first) : NULL;
    if (table == NULL)
        return NULL;
    smp_rmb(); /* the page before the entry, which was changed before the page was freed */
    e = pte_load(slot);
    if (!pte_is_leaf(e, GIB_LEVEL) || pte_paddr(e, GIB_LEVEL) != page_to_phys(first))
        return NULL;
    return page_to_virt(table);
}

/* The entry above the locked, marked @table. */
static pte_t *slot_above(const struct page *table, vaddr_t va)
{
    struct page *parent;
    unsigned int level;
    pte_t *slot = pt_find_slot(table->pt_mm, va, GIB_LEVEL, &parent, &level);

    lock_assert_held(&table->ptl);
    ASSERT(pt_is_gib(table) && table->pt_used == pt_entries(HUGE_LEVEL));
    BUG_ON(slot == NULL || level != GIB_LEVEL);
    return slot;
}

void gib_invalidate(struct page *table, vaddr_t va)
{
    pte_t *slot = slot_above(table, va), e = pte_load(slot);

    while (!pte_cmpxchg(slot, &e, pte_with_prot(e, GIB_LEVEL, 0)))
        ;
    BUG_ON(!pte_is_leaf(e, GIB_LEVEL) || first_page(e) == NULL || table_of(first_page(e)) != table);
}

void gib_link(struct page *table, vaddr_t va)
{
    pte_t *slot = slot_above(table, va);

    ASSERT(pte_is_leaf(pte_load(slot), GIB_LEVEL) && pte_prot(pte_load(slot), GIB_LEVEL) == 0);
    page_clear(table, PG_GIB);
    pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
    vmstat_inc(VMSTAT_thp_split_pud);
}

void gib_demote(struct page *table, vaddr_t va)
{
    struct mm *mm = table->pt_mm;

    va = ALIGN_DOWN(va, pt_size(GIB_LEVEL));
    gib_invalidate(table, va);
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, va, va + pt_size(GIB_LEVEL), GIB_LEVEL);
    gib_link(table, va);
}

void gib_answer(struct page *table, vaddr_t va)
{
    if (pte_prot(pte_load(slot_above(table, va)), GIB_LEVEL) == 0)
        gib_demote(table, va);
}

unsigned int gib_demote_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
    unsigned int n = 0;

    if (!gib_possible())
        return 0;
    for (vaddr_t va = start; va < end; va = pt_next(va, end, GIB_LEVEL)) {
        struct page *table;
        unsigned int level;
        pte_t *slot = pt_find_slot(mm, va, HUGE_LEVEL, &table, &level);

        if (slot == NULL || level != HUGE_LEVEL)
            continue;
        pt_lock(table); /* the mark may be gone, and the link not be there yet */
        if (pt_is_gib(table)) {
            gib_demote(table, va);
            n++;
        }
        pt_unlock(table);
    }
    return n;
}

/* ---- promotion ---- */

static pte_t as_own(const struct vma *v, pte_t e)
{
    return pte_with_state(pte_with_prot(e, HUGE_LEVEL, vma_prot(v)), pte_state(e) | PT_DIRTY);
}

/* What a write fault would do to the entry: a page that only this address space is left with since
 * a fork becomes its own. Without advice not where somebody watches for the first write
 * (clear_refs). */
static void make_own(const struct vma *v, pte_t *slot, bool advised)
{
    pte_t e = pte_load(slot);
    struct page *head;

    if (!pte_is_leaf(e, HUGE_LEVEL) || (!advised && !(pte_state(e) & PT_DIRTY)))
        return;
    head = pte_page(e, HUGE_LEVEL);
    if (head->kind != PAGE_ANON || !huge_trylock(head))
        return;
    if (thp_is_own(head))
        while (!pte_cmpxchg(slot, &e, as_own(v, e)))
            ;
    huge_unlock(head);
}

/* Is any left to be done? */
static bool is_own_leaf(const struct vma *v, pte_t e)
{
    return pte_is_leaf(e, HUGE_LEVEL) && pte_prot(e, HUGE_LEVEL) == vma_prot(v) &&
           (pte_state(e) & PT_DIRTY) && page_test(pte_page(e, HUGE_LEVEL), PG_EXCLUSIVE);
}

static void make_all_own(const struct vma *v, struct page *table, bool advised)
{
    pte_t *base = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++)
        if (!is_own_leaf(v, pte_load(base + i)))
            make_own(v, base + i, advised);
}

/* Does the entry go on where the block's first ended? A split that comes behind this look finds the
 * mark under the table's lock. */
static enum gib look_at(pte_t e, unsigned int i, pte_t first)
{
    struct page *head;
    u64 w;

    if (!pte_is_leaf(e, HUGE_LEVEL))
        return GIB_NOT_FULL;
    head = pte_page(e, HUGE_LEVEL);
    if (head->kind != PAGE_ANON)
        return GIB_NOT_FULL; /* zeroes */
    w = huge_load(head);
    if ((w & (HUGE_IS | HUGE_BUSY)) != HUGE_IS)
        return GIB_BUSY;
    if (!page_test(head, PG_EXCLUSIVE) || pte_prot(e, HUGE_LEVEL) != pte_prot(first, HUGE_LEVEL) ||
        !(pte_state(e) & PT_DIRTY))
        return GIB_NOT_YET;
    return pte_paddr(e, HUGE_LEVEL) == pte_paddr(first, HUGE_LEVEL) + i * pt_size(HUGE_LEVEL)
               ? GIB_OK
               : GIB_SCATTERED;
}

static enum gib look(const struct page *table)
{
    const pte_t *base = page_to_virt(table);
    pte_t first = pte_load(base);
    enum gib result = GIB_OK;

    if (table->pt_used != pt_entries(HUGE_LEVEL))
        return GIB_NOT_FULL;
    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++) {
        enum gib one = look_at(pte_load(base + i), i, first);

        if (one != GIB_OK && one != GIB_SCATTERED)
            return one;
        if (one != GIB_OK || !IS_ALIGNED(pte_paddr(first, HUGE_LEVEL), pt_size(GIB_LEVEL)))
            result = GIB_SCATTERED;
    }
    return result;
}

/* Hardware notes uses in the leaf only, for all entries at once, so they say it now. Dirty they
 * are. */
static void mark_used(struct page *table)
{
    pte_t *slot = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++, slot++) {
        pte_t e = pte_load(slot);

        while (!pte_cmpxchg(slot, &e, pte_with_state(e, pte_state(e) | PT_YOUNG)))
            ;
    }
}

static void install(struct mm *mm, struct page *table, pte_t *slot, vaddr_t va)
{
    pte_t first = pte_load(page_to_virt(table));
    pte_t leaf =
        pte_make_leaf(pte_paddr(first, HUGE_LEVEL), GIB_LEVEL, pte_prot(first, HUGE_LEVEL));

    mark_used(table);
    pte_page(first, HUGE_LEVEL)->spare = page_to_pfn(table);
    page_set(table, PG_GIB);
    pte_store(slot, pte_with_prot(leaf, GIB_LEVEL, 0));
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, va, va + pt_size(GIB_LEVEL), HUGE_LEVEL);
    pte_store(slot, pte_with_state(leaf, PT_YOUNG | PT_DIRTY));
    vmstat_inc(VMSTAT_thp_promote_pud);
}

enum gib gib_promote(struct vma *v, vaddr_t va, bool advised)
{
    struct mm *mm = v->mm;
    struct page *parent, *table;
    enum gib result;
    unsigned int level;
    pte_t *slot, e;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock) && IS_ALIGNED(va, pt_size(GIB_LEVEL)));
    ASSERT(gib_possible() && va >= v->start && v->end - va >= pt_size(GIB_LEVEL));
    slot = pt_find_slot(mm, va, GIB_LEVEL, &parent, &level);
    if (slot == NULL || level != GIB_LEVEL)
        return GIB_NOT_FULL;
    e = pte_load(slot);
    if (!pte_is_table(e, GIB_LEVEL))
        return gib_below(slot, e) != NULL ? GIB_IS : GIB_NOT_FULL;
    table = pt_table_page(pt_link_table(e, GIB_LEVEL));
    if (table->pt_mm != mm || pt_is_shared(table) || mm->space != NULL || !(vma_prot(v) & PT_R))
        return GIB_NO;
    pt_lock(table);
    if (table->pt_used == pt_entries(HUGE_LEVEL))
        make_all_own(v, table, advised);
    result = look(table);
    if (result == GIB_OK)
        install(mm, table, slot, va);
    pt_unlock(table);
    return result;
}

const char *gib_check(struct mm *mm, pte_t leaf, const struct page *table)
{
    const pte_t *base = page_to_virt(table);

    if (!pt_is_gib(table) || table->pt_mm != mm)
        return "leaf over a table that does not know of it";
    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++) {
        pte_t e = pte_load(base + i);

        if (!pte_is_leaf(e, HUGE_LEVEL) ||
            pte_paddr(e, HUGE_LEVEL) != pte_paddr(leaf, GIB_LEVEL) + i * pt_size(HUGE_LEVEL) ||
            pte_prot(e, HUGE_LEVEL) != pte_prot(leaf, GIB_LEVEL) ||
            (~pte_state(e) & (PT_YOUNG | PT_DIRTY)) != 0)
            return "leaf over a table that says something else";
    }
    return NULL;
}
