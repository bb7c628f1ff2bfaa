/* SPDX-License-Identifier: MIT */
/*
 * pt_unshare.c: an address space leaves tables that it shares, before it changes what they map for
 * it alone.
 *
 * Nothing is copied. One of several users clears his link; what he still wants comes back by
 * faults, into a table of his own or, where the span is still whole, into the shared one again. The
 * only user takes the table over: it leaves the object's index and becomes an ordinary one, with
 * the link's permissions moved into the leaves, so that a process on its own pays for nothing.
 *
 * Until the change of the area that was the reason is complete, nobody links the span again: the
 * area is write-locked.
 *
 * Locks: share_lock, PT inside; mmap_lock for writing is the caller's. Invariants: I1 a link is
 * uncounted only after its address space was flushed (tlb_gather_link). Checked by
 * tests/kernel/mm/share_ktest.c, pt_share_check. Read next: pt_share_object.c.
 */
#include "pt_share_internal.h"
#include "vma_internal.h"

bool share_find_link(struct mm *mm, vaddr_t *va, vaddr_t end, struct share_link *l)
{
    while (*va < end) {
        pte_t *base = mm->root;
        unsigned int level = pt_top_level();

        for (;; level--) {
            pte_t *slot = base + pt_index(*va, level), e = pte_load(slot);

            if (!pte_is_table(e, level))
                break;
            *l = (struct share_link){.mm = mm,
                                     .parent = pt_table_page(base),
                                     .table = pt_table_page(pt_link_table(e, level)),
                                     .slot = slot,
                                     .va = ALIGN_DOWN(*va, pt_size(level))};
            if (pt_is_foreign(l->table, mm))
                return true;
            if (level == 1)
                break; /* all of one table of the address space's own */
            base = pt_link_table(e, level);
        }
        *va = pt_next(*va, end, level);
    }
    return false;
}

/* ---- taking over ---- */

/* The leaves may no more than the link; lower links likewise. Returns how many leaves. */
static unsigned long narrow(struct page *table, pt_prot_t link)
{
    unsigned int level = table->level;
    pte_t *base = page_to_virt(table);
    unsigned long leaves = 0;

    for (unsigned int i = 0; i < pt_entries(level); i++) {
        pte_t e = pte_load(base + i);

        if (pte_is_none(e))
            continue;
        leaves += pte_is_leaf(e, level);
        if ((pte_prot(e, level) & ~link) == 0)
            continue;
        while (!pte_cmpxchg(base + i, &e, pte_with_prot(e, level, pte_prot(e, level) & link)))
            ;
    }
    return leaves;
}

/* What hangs below a table that was the object's: the object's tables now have a link from @mm's;
 * those without a name of their own become @mm's, too. */
static void own_children(const struct share_link *l, struct page *table);

/* @table, locked, is @l->mm's own from now on; returns what it maps. */
static void make_own(const struct share_link *l, struct page *table, pt_prot_t link)
{
    struct pt_share *d = share_of(table);
    unsigned long leaves = narrow(table, link);

    if (table->level > 0)
        own_children(l, table);
    atomic_long_add(&l->mm->rss[object_counter(d->object)],
                    (long)(leaves * pt_leaf_pages(table->level)));
    atomic_long_add(&l->mm->pt_pages, 1L << pt_table_order(table->level));
    table->pt_mm = l->mm;
    table->spare = 0;
    WRITE_ONCE(table->pt_shared, 0);
    share_free(d);
}

static void own_children(const struct share_link *l, struct page *table)
{
    pte_t *base = page_to_virt(table);

    for (unsigned int i = 0; i < pt_entries(table->level); i++) {
        pte_t e = pte_load(base + i);
        struct page *child;

        if (!pte_is_table(e, table->level))
            continue;
        child = pt_table_page(pt_link_table(e, table->level));
        if (share_of(child)->indexed) {
            atomic_long_add(&l->mm->nr_shared, 1);
            continue;
        }
        make_own(l, child, pte_prot(e, table->level)); /* nobody else reaches it */
        pte_store(base + i, pte_with_prot(e, table->level, PT_RWXU));
    }
}

/*
 * False: others use the table, too. What a TLB has allows what link and leaf allow, before and
 * after; but where a cache knows them apart, it must go between the two steps.
 */
static bool take_over(const struct share_link *l)
{
    struct pt_share *d = share_of(l->table);
    struct mapping *m = d->object;
    unsigned int level = l->parent->level;
    pte_t e;

    spin_lock(&m->share_lock);
    if (l->table->pt_shared != 1) {
        spin_unlock(&m->share_lock);
        return false;
    }
    share_index_remove(d);
    pt_lock_two(l->parent, l->table);
    e = pte_load(l->slot);
    make_own(l, l->table, pte_prot(e, level));
    if (pte_prot(e, level) != PT_RWXU) {
        mmu_quiesce_walkers(l->mm);
        mm_flush_range(l->mm, l->va, l->va + pt_size(level), 0);
        while (!pte_cmpxchg(l->slot, &e, pte_with_prot(e, level, PT_RWXU)))
            ;
    }
    pt_unlock_two(l->parent, l->table);
    spin_unlock(&m->share_lock);
    atomic_long_add(&l->mm->nr_shared, -1);
    vmstat_inc(VMSTAT_pt_share_adopt);
    return true;
}

/* ---- leaving ---- */

static void clear_link(struct tlb_gather *t, const struct share_link *l)
{
    if (t->nr_links == 0 && !t->full_mm) /* exit has looked before */
        pt_share_note_peak(l->mm);
    pt_lock(l->parent);
    ASSERT(pte_is_table(pte_load(l->slot), l->parent->level) && l->parent->pt_used != 0);
    pte_store(l->slot, pte_none());
    l->parent->pt_used--;
    pt_unlock(l->parent);
    tlb_gather_range(t, l->va, l->va + pt_size(l->parent->level), 0);
    tlb_gather_link(t, l->table);
}

static void count_reason(enum pt_unshare_why why)
{
    static const enum vmstat_item items[] = {
        [PT_UNSHARE_unmap] = VMSTAT_pt_unshare_unmap,
        [PT_UNSHARE_protect] = VMSTAT_pt_unshare_protect,
        [PT_UNSHARE_move] = VMSTAT_pt_unshare_move,
        [PT_UNSHARE_dontneed] = VMSTAT_pt_unshare_dontneed,
        [PT_UNSHARE_split] = VMSTAT_pt_unshare_split,
        [PT_UNSHARE_lock] = VMSTAT_pt_unshare_lock,
        [PT_UNSHARE_advice] = VMSTAT_pt_unshare_advice,
    };

    vmstat_inc(items[why]);
    vmstat_inc(VMSTAT_pt_share_unlink);
}

/* All of a private table's span goes, in [start, end). */
static void leave_forked(struct tlb_gather *t, const struct vma *v, const struct share_link *l,
                         vaddr_t start, vaddr_t end)
{
    const struct pt_share *d = share_of(l->table);

    ASSERT(start == l->va && end - start >= pt_size(1)); /* else pt_fork_leave came before */
    if (fork_share_adopt(l))
        return;
    t->rss[MM_ANON] -= (long)d->nr_anon;
    t->rss[vma_file_counter(v)] -= (long)d->nr_file;
    clear_link(t, l);
}

void pt_unshare(struct tlb_gather *t, struct vma *v, vaddr_t start, vaddr_t end,
                enum pt_unshare_why why)
{
    struct share_link l;

    ASSERT(t->mm == v->mm);
    if (likely(!READ_ONCE(v->has_shared)))
        return;
    while (share_find_link(v->mm, &start, end, &l)) {
        vaddr_t next = pt_next(start, end, l.parent->level);

        ASSERT(pt_space_has_table(v, l.table) || pt_is_forked(l.table) ||
               share_of(l.table)->object == v->mapping);
        count_reason(why);
        if (pt_is_forked(l.table)) {
            ASSERT(why == PT_UNSHARE_unmap || why == PT_UNSHARE_dontneed);
            leave_forked(t, v, &l, start, end);
            start = next;
            continue;
        }
        if (why != PT_UNSHARE_unmap && pt_is_shared(l.table) && take_over(&l))
            continue; /* lower tables of the object may hang there */
        clear_link(t, &l);
        start = next;
    }
}

void pt_unshare_range(struct vma *v, vaddr_t start, vaddr_t end, enum pt_unshare_why why)
{
    struct tlb_gather t;

    if (likely(!READ_ONCE(v->has_shared)))
        return;
    tlb_gather_begin(&t, v->mm, false);
    pt_unshare(&t, v, start, end, why);
    tlb_gather_end(&t);
}

/* An address inside a span of @v: where the link is, if any. Borders of spans are no matter. */
void pt_unshare_at(struct vma *v, vaddr_t addr)
{
    struct tlb_gather t;
    struct share_link l;

    ASSERT(IS_ALIGNED(addr, PAGE_SIZE));
    if (likely(!READ_ONCE(v->has_shared)))
        return;
    for (;;) {
        vaddr_t va = addr;

        if (!share_find_link(v->mm, &va, addr + PAGE_SIZE, &l) || l.va == addr)
            return;
        ASSERT(pt_is_shared(l.table));  /* areas of a space have borders where spans have */
        ASSERT(!pt_is_forked(l.table)); /* pt_fork_leave came before, and may fail */
        count_reason(PT_UNSHARE_split);
        if (take_over(&l))
            continue; /* to what is below */
        tlb_gather_begin(&t, v->mm, false);
        clear_link(&t, &l);
        tlb_gather_end(&t);
    }
}

/* @v, a neighbour of an area that now reaches to @edge, had the span there for itself, perhaps. No
 * fault of @v that still thinks so is under way afterwards. */
static void claim_from(struct vma *v, vaddr_t its_edge, vaddr_t its_last, vaddr_t edge)
{
    if (v->mapping == NULL || (edge ^ its_last) >> pt_shift(share_smallest_level(v) + 1) != 0)
        return;
    vma_write_lock(v);
    pt_unshare_at(v, its_edge);
}

void pt_share_claim(struct vma *v)
{
    if (v->prev != NULL)
        claim_from(v->prev, v->prev->end, v->prev->end - 1, v->start);
    if (v->next != NULL)
        claim_from(v->next, v->next->start, v->next->start, v->end - 1);
}

/* The page at an address shall be the area's own, or be changed: not through a shared table. */
int pt_leave_at(struct mm *mm, vaddr_t va)
{
    int err = mmap_write_lock_killable(mm);
    struct vma *v;

    if (err)
        return err;
    va &= PAGE_MASK;
    v = vma_lookup(mm, va);
    if (v != NULL)
        err = pt_fork_leave(v, va, va + PAGE_SIZE);
    if (v != NULL && v->mapping != NULL && !err) {
        vma_write_lock(v);
        v->has_anon = true; /* will have: so nobody links the table again meanwhile */
        pt_unshare_range(v, va, va + PAGE_SIZE, PT_UNSHARE_protect);
    }
    mmap_write_unlock(mm);
    return err;
}
