/* SPDX-License-Identifier: MIT */
/*
 * lazyfree.c: MADV_FREE: pages whose contents the program gave up, but which it may still have as
 * long as nobody else needs them.
 *
 * The advice makes a page's leaf clean and marks the page (PG_LAZYFREE). A write makes the leaf
 * dirty again, by hardware or by a fault, and that alone takes the advice back. When memory runs
 * out, before anybody is killed, lazyfree_reclaim walks the address spaces that have such pages and
 * takes those away that are still clean; the next access finds a hole, which is zeroes. There is no
 * list of these pages: they are looked for only when memory is out, and the walk is short beside
 * what it saves.
 *
 * A page that another process shares copy-on-write is passed by, when it is advised and when it is
 * reclaimed: its other leaf might be dirty. So is one that is pinned, or in a page table that
 * several have since a fork. One that only this process is left with may lose leaves, though it has
 * not been taken over: it has no other link, and gets none without mmap_lock.
 *
 * Locks: advice: mmap_lock for reading, PT. Reclaim: whoever allocates may hold anything down to
 * PAGE, so mmap_lock is only tried for reading; an address space that is being changed is passed
 * by. MM_LIST finds the next one; one task reclaims at a time (reclaiming).
 * Invariants: I1 a marked page is anonymous; I2 what was written after the advice returned is in a
 * dirty leaf or a PG_DIRTY page: the flush at the end of the advice makes every CPU look at the
 * leaf before its next write; I3 a leaf with the dirty bit set is never taken away.
 * Checked by tests/kernel/mm/madvise_ktest.c, tests/user/madvise_test.c, oom_test.c.
 * Source: madvise(2). Read next: oom.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"
#include "vma_internal.h"

static int reclaiming; /* 1 while a task does; changed by cmpxchg */

/* Nobody but this leaf, whose table is locked, has the page. */
static bool is_sole(const struct page *p)
{
    return p->kind == PAGE_ANON && page_refs(p) == 1 && page_pins(p) == 0;
}

/* ---- the advice ---- */

/* Table locked. Clean from now on, once the TLBs are flushed. */
static void mark_leaf(pte_t *slot, pte_t e, struct page *p)
{
    while (!pte_cmpxchg(slot, &e, pte_with_state(e, pte_state(e) & ~(PT_DIRTY | PT_YOUNG))))
        ;
    ASSERT(p->kind == PAGE_ANON && page_mapcount(p) == 1);
    page_clear(p, PG_DIRTY | PG_REFERENCED);
    page_set(p, PG_LAZYFREE);
}

static unsigned long mark_run(struct tlb_gather *tlb, const struct pt_run *r)
{
    unsigned long nr = 0;

    lock_assert_held(&r->table->ptl);
    for (unsigned int i = 0; i < r->nr; i++) {
        pte_t e = pte_load(r->slot + i);
        struct page *p;

        if (!pte_is_leaf(e, 0))
            continue;
        p = pte_page(e, 0);
        if (!is_sole(p))
            continue;
        mark_leaf(r->slot + i, e, p);
        tlb_gather_range(tlb, r->va + i * PAGE_SIZE, r->va + (i + 1) * PAGE_SIZE, 0);
        nr++;
    }
    return nr;
}

void lazyfree_mark(struct vma *v, vaddr_t start, vaddr_t end)
{
    struct tlb_gather tlb;
    struct pt_cursor c;
    unsigned long nr = 0;
    struct pt_run r;

    ASSERT(vma_is_anon(v) && vma_has_pages(v));
    ASSERT(start >= v->start && end <= v->end);
    thp_split_range(v->mm, start, end);
    tlb_gather_begin(&tlb, v->mm, false);
    pt_cursor_begin(&c, v->mm, start, end, true);
    c.own = true;
    while (pt_cursor_next(&c, &r))
        if (r.kind == PT_KIND_LEAF && r.level == 0) /* what is huge again has new contents */
            nr += mark_run(&tlb, &r);
    tlb_gather_end(&tlb);
    if (nr != 0)
        WRITE_ONCE(v->mm->has_lazyfree, true);
    vmstat_add(VMSTAT_pglazyfree, nr);
}

/* ---- when memory is out ---- */

/* Takes the marked page of *@slot away unless it was written. The table is locked. */
static bool take_leaf(pte_t *slot, pte_t e, struct page *p)
{
    bool dirty = (pte_state(e) & PT_DIRTY) || page_test(p, PG_DIRTY);

    ASSERT(page_mapcount(p) == 1); /* its one reference is this leaf's */
    if (!dirty) {
        e = pte_xchg(slot, pte_none());
        if (!(pte_state(e) & PT_DIRTY))
            return true;
        pte_store(slot, e); /* written in this moment */
    }
    page_clear(p, PG_LAZYFREE);
    return false;
}

static unsigned long take_run(struct tlb_gather *tlb, const struct pt_run *r)
{
    unsigned long nr = 0;

    for (unsigned int i = 0; i < r->nr; i++) {
        pte_t e = pte_load(r->slot + i);
        struct page *p;

        if (!pte_is_leaf(e, 0))
            continue;
        p = pte_page(e, 0);
        if (!page_test(p, PG_LAZYFREE))
            continue;
        if (!is_sole(p)) {
            WRITE_ONCE(tlb->mm->has_lazyfree, true); /* later, perhaps */
            continue;
        }
        if (!take_leaf(r->slot + i, e, p))
            continue;
        nr++;
        ASSERT(r->table->pt_used != 0);
        r->table->pt_used--;
        page_map_dec(p);
        tlb_gather_range(tlb, r->va + i * PAGE_SIZE, r->va + (i + 1) * PAGE_SIZE, 0);
        if (tlb_gather_page(tlb, p))
            tlb_gather_flush(tlb);
    }
    tlb->rss[MM_ANON] -= (long)nr;
    pt_fork_lost_pages(r->table, nr);
    return nr;
}

static unsigned long take_area(struct tlb_gather *tlb, struct vma *v)
{
    struct pt_cursor c;
    unsigned long nr = 0;
    struct pt_run r;

    lock_assert_held(&v->mm->mmap_lock);
    if (!v->has_anon || !vma_is_anon(v) || !vma_has_pages(v) || (v->flags & VM_LOCKED))
        return 0;
    pt_cursor_begin(&c, v->mm, v->start, v->end, true);
    while (pt_cursor_next(&c, &r)) {
        if (r.kind != PT_KIND_LEAF || r.level != 0)
            continue;
        if (likely(pt_fork_is_sole_user(r.table, v->mm))) {
            nr += take_run(tlb, &r);
            continue;
        }
        WRITE_ONCE(v->mm->has_lazyfree, true); /* later, perhaps */
        pt_cursor_seek(&c, pt_next(r.va, v->end, 1));
    }
    return nr;
}

unsigned long lazyfree_reclaim_mm(struct mm *mm)
{
    struct tlb_gather tlb;
    unsigned long nr = 0;

    if (!rwsem_read_trylock(&mm->mmap_lock))
        return 0;
    WRITE_ONCE(mm->has_lazyfree, false); /* before the walk: advice that comes meanwhile counts */
    tlb_gather_begin(&tlb, mm, false);
    for_each_vma (v, mm)
        nr += take_area(&tlb, v);
    tlb_gather_end(&tlb);
    mmap_read_unlock(mm);
    vmstat_add(VMSTAT_pglazyfreed, nr);
    return nr;
}

unsigned long lazyfree_reclaim(void)
{
    unsigned long nr = 0;
    struct mm *mm;

    if (cmpxchg(&reclaiming, 0, 1) != 0)
        return 0;
    ASSERT(READ_ONCE(reclaiming) == 1);
    while (nr == 0 && (mm = mm_next_lazyfree()) != NULL) {
        nr = lazyfree_reclaim_mm(mm);
        mm_drop(mm);
    }
    mm_end_lazyfree();
    smp_store_release(&reclaiming, 0);
    return nr;
}
