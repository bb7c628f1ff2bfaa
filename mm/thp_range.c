/* SPDX-License-Identifier: MIT */
/*
 * thp_range.c: huge leaves of row PT_DEFAULT in the operations on ranges: zap, protect, fork,
 * mremap.
 *
 * A leaf that lies in the range is dealt with as it is; one that reaches out of it is split first,
 * which cannot fail. Each change of who maps a page is made with BUSY of its frame (huge.h); when a
 * split is at work there, the table's lock is dropped and the walk comes again.
 *
 * Locks: PT, BUSY tried inside it; never waited for with a lock held. Invariants: those of huge.h
 * and pt_default_range.c. Checked by pt_check, rmap_check, tests/kernel/mm/thp_ktest.c.
 * Read next: pt_default_range.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

void thp_drop_zero(struct page *parent, pte_t *slot)
{
    lock_assert_held(&parent->ptl);
    ASSERT(parent->pt_used != 0 && pte_page(pte_load(slot), HUGE_LEVEL)->kind == PAGE_ZERO);
    (void)pte_xchg(slot, pte_none());
    parent->pt_used--;
}

/* The leaf at @slot in the locked @parent shall not be huge. Unlocks. */
static void split_leaf(struct mm *mm, struct page *parent, pte_t *slot, vaddr_t va)
{
    struct page *head = pte_page(pte_load(slot), HUGE_LEVEL);

    lock_assert_held(&parent->ptl);
    ASSERT(parent->level == HUGE_LEVEL && parent->pt_mm == mm);
    va = ALIGN_DOWN(va, pt_size(HUGE_LEVEL));
    if (head->kind != PAGE_ZERO) {
        pt_unlock(parent);
        split_huge_page(head);
        return;
    }
    thp_drop_zero(parent, slot);
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, va, va + pt_size(HUGE_LEVEL), HUGE_LEVEL);
    pt_unlock(parent);
    huge_put(head);
}

void thp_split_at(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level;
    pte_t *slot;

    while ((slot = pt_find_locked(mm, va, &table, &level)) != NULL) {
        if (level == 0 || IS_ALIGNED(va, pt_size(level)) || !pte_is_leaf(pte_load(slot), level)) {
            pt_unlock(table);
            return;
        }
        split_leaf(mm, table, slot, va);
    }
}

void thp_split_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct pt_cursor c;
    struct pt_run r;

    lock_assert_held(&mm->mmap_lock);
    pt_cursor_begin(&c, mm, start, end, true);
    c.reads = true; /* the split sees to leaves of GIB_LEVEL with its own flush */
    while (pt_cursor_next(&c, &r)) {
        struct page *head;

        if (r.level == 0 || r.kind != PT_KIND_LEAF)
            continue;
        head = pte_page(pte_load(r.slot), r.level);
        pt_cursor_unlock(&c);
        if (head->kind != PAGE_ZERO)
            split_huge_page(head);
        pt_cursor_seek(&c, pt_next(r.va, end, r.level));
    }
}

bool thp_cut_run(struct pt_cursor *c, const struct pt_run *r, struct tlb_gather *tlb)
{
    vaddr_t size = pt_size(r->level), last = ALIGN_DOWN(r->end - 1, size);
    pte_t *cut = NULL;
    struct page *head;

    lock_assert_held(&r->table->ptl);
    ASSERT(r->level != 0 && r->nr != 0 && r->va < r->end);
    if (!IS_ALIGNED(r->end, size) && pte_is_leaf(pte_load(r->slot + r->nr - 1), r->level))
        cut = r->slot + r->nr - 1;
    else if (!IS_ALIGNED(r->va, size) && pte_is_leaf(pte_load(r->slot), r->level))
        last = ALIGN_DOWN(r->va, size), cut = r->slot;
    if (cut == NULL)
        return false;
    head = pte_page(pte_load(cut), r->level);
    if (head->kind != PAGE_ZERO) {
        pt_cursor_unlock(c);
        split_huge_page(head);
    } else {
        bool full = tlb_gather_huge(tlb, head);

        thp_drop_zero(r->table, cut);
        tlb_gather_range(tlb, last, last + size, r->level);
        if (full)
            tlb_gather_flush(tlb);
        pt_cursor_unlock(c);
    }
    pt_cursor_seek(c, r->va);
    return true;
}

bool thp_wait_run(struct pt_cursor *c, const struct pt_run *r)
{
    lock_assert_held(&r->table->ptl);
    for (unsigned int i = 0; i < r->nr && r->level == HUGE_LEVEL; i++) {
        pte_t e = pte_load(r->slot + i);

        if (!pte_is_leaf(e, HUGE_LEVEL) || !huge_is_splitting(pte_page(e, HUGE_LEVEL)))
            continue;
        pt_cursor_unlock(c);
        huge_wait(pte_page(e, HUGE_LEVEL));
        pt_cursor_seek(c, r->va);
        return true;
    }
    return false;
}

/* False: the caller must unlock, huge_wait and begin again. */
static inline bool zap_leaf(struct tlb_gather *tlb, struct page *head, struct page *parent,
                            pte_t *slot)
{
    if (head->kind == PAGE_ZERO) {
        thp_drop_zero(parent, slot);
        return true;
    }
    if (!huge_trylock(head))
        return false;
    ASSERT(head->kind == PAGE_ANON && page_mapcount(head) > 0 && parent->pt_used != 0);
    (void)pte_xchg(slot, pte_none());
    parent->pt_used--;
    tlb_gather_table(tlb, huge_unmap_unlock(head, tlb->mm));
    tlb->rss[MM_ANON] -= (long)huge_nr();
    return true;
}

/* Leaves of [from, to) may have gone; the table is still locked. */
static void zap_note(struct tlb_gather *tlb, vaddr_t from, vaddr_t to)
{
    if (from < to)
        tlb_gather_range(tlb, from, to, HUGE_LEVEL);
}

void thp_zap(struct tlb_gather *tlb, struct pt_cursor *c, const struct pt_run *r)
{
    const vaddr_t size = pt_size(HUGE_LEVEL);
    vaddr_t va = ALIGN_DOWN(r->va, size), from = va; /* what the gather has been told ends there */

    if (thp_cut_run(c, r, tlb))
        return;
    for (pte_t *slot = r->slot, *end = slot + r->nr; slot < end; slot++, va += size) {
        pte_t e = pte_load(slot);
        struct page *head;

        if (!pte_is_leaf(e, HUGE_LEVEL))
            continue;
        head = pte_page(e, HUGE_LEVEL);
        if (unlikely(!zap_leaf(tlb, head, r->table, slot))) {
            zap_note(tlb, from, va);
            pt_cursor_unlock(c);
            huge_wait(head);
            pt_cursor_seek(c, max(va, r->va));
            return;
        }
        if (unlikely(tlb_gather_huge(tlb, head))) {
            zap_note(tlb, from, va + size);
            tlb_gather_flush(tlb);
            from = va + size;
        }
    }
    zap_note(tlb, from, va);
}

/* Is any subpage pinned? The leaf does not allow writes any more. */
static bool has_pins(const struct page *head)
{
    if (!huge_maybe_pinned(head))
        return false;
    if (huge_pins(huge_load(head)) != 0)
        return true;
    for (unsigned long i = 0; i < huge_nr(); i++)
        if (page_pins(head + i) != 0)
            return true;
    return false;
}

/* As page_try_share (gup.h) for the whole: false, and it stays exclusive, when any part is pinned.
 * A lockless pin is noted and counted before PG_EXCLUSIVE is looked at. */
static bool try_share(struct page *head)
{
    ASSERT((huge_load(head) & HUGE_BUSY) && page_mapcount(head) == 1);
    page_clear(head, PG_EXCLUSIVE);
    smp_mb();
    if (!has_pins(head))
        return true;
    page_set(head, PG_EXCLUSIVE);
    return false;
}

enum copied { COPIED, COPY_WAIT, COPY_SPLIT };

/* The parent's entry without the right to write; the exchange is a full barrier. */
static pte_t write_protect(const struct thp_copy *c, pte_t *slot)
{
    pte_t e = pte_load(slot), ro;

    do
        ro = pte_with_prot(e, HUGE_LEVEL, c->ro);
    while (!pte_cmpxchg(slot, &e, ro));
    return ro;
}

/* Both tables and BUSY held; gives BUSY back. @table is used up when the leaf was copied. */
static enum copied share_leaf(struct thp_copy *c, struct page *head, pte_t *src, pte_t *dst,
                              const struct huge_place *to, struct page *table)
{
    pte_t e = pte_load(src);

    if (page_test(head, PG_EXCLUSIVE) || (pte_prot(e, HUGE_LEVEL) & PT_W)) {
        /* A lockless pin for writing either is seen behind the exchange, or sees it. */
        e = write_protect(c, src);
        if (page_test(head, PG_EXCLUSIVE) && !try_share(head)) {
            huge_unlock(head);
            return COPY_SPLIT;
        }
    }
    ASSERT(!page_test(head, PG_EXCLUSIVE) && !(pte_prot(e, HUGE_LEVEL) & PT_W));
    huge_map_unlock(head, table, to);
    pte_store(dst, e);
    return COPIED;
}

#define BATCH 32u

/* Tables that the child's leaves will own, had before the locks. */
struct spare {
    struct page *tables[BATCH];
    unsigned int nr;
};

/* The leaf @e of both tables' locked entries; takes a spare table for it. */
static enum copied copy_leaf(struct thp_copy *c, pte_t e, pte_t *src, pte_t *dst,
                             const struct huge_place *to, struct spare *s)
{
    struct page *head = pte_page(e, HUGE_LEVEL);
    enum copied result = COPIED;

    ASSERT(pte_is_none(pte_load(dst)) && to->parent->pt_used < pt_entries(HUGE_LEVEL));
    if (unlikely(page_mapcount(head) >= (s32)HUGE_MAX))
        return COPY_SPLIT;
    if (unlikely(head->kind == PAGE_ZERO)) {
        if (huge_refs(huge_load(head)) >= HUGE_MAX)
            return COPIED; /* the child faults for its own */
        huge_get(head);
        pte_store(dst, e);
    } else if (!huge_trylock(head)) {
        return COPY_WAIT;
    } else {
        result = share_leaf(c, head, src, dst, to, s->tables[s->nr - 1]);
        if (result != COPIED)
            return result;
        s->nr--;
        c->pages += huge_nr();
    }
    to->parent->pt_used++;
    return COPIED;
}

/* As many as the next @nr entries will need, a batch at most; false when there is none at all. */
static bool fill_spare(struct spare *s, const struct thp_copy *c, unsigned long nr)
{
    unsigned int want = 0;

    for (unsigned long i = 0; i < nr && want < BATCH; i++)
        want += pte_is_leaf(pte_load(c->src_slot + i), HUGE_LEVEL);
    ASSERT(s->nr <= BATCH);
    if (s->nr < want)
        s->nr += huge_table_alloc_bulk(c->dst, s->tables + s->nr, want - s->nr);
    return want == 0 || s->nr != 0;
}

/* Entries from *va on, while they are leaves and tables are there. COPIED: all, or out of tables.
 */
static enum copied copy_batch(struct thp_copy *c, struct spare *s, pte_t *dst, vaddr_t *va,
                              vaddr_t end, struct huge_place *to)
{
    enum copied result = COPIED;
    pte_t *src = c->src_slot;
    vaddr_t at = *va;

    for (; at < end; at = pt_next(at, end, HUGE_LEVEL), src++, dst++) {
        pte_t e = pte_load(src);

        if (pte_is_table(e, HUGE_LEVEL))
            break;
        if (!pte_is_leaf(e, HUGE_LEVEL))
            continue;
        if (s->nr == 0)
            break;
        to->va = at;
        result = copy_leaf(c, e, src, dst, to, s);
        if (result != COPIED)
            break;
    }
    c->src_slot = src;
    *va = at;
    return result;
}

/* Somebody was BUSY with the page of the next leaf. */
static void wait_for(const struct thp_copy *c)
{
    pte_t e = pte_load(c->src_slot);

    if (pte_is_leaf(e, HUGE_LEVEL))
        huge_wait(pte_page(e, HUGE_LEVEL));
}

/* Until the end or a link. 0 or -ENOMEM. */
static int copy_leaves(struct thp_copy *c, struct spare *s, vaddr_t *va, vaddr_t end)
{
    const vaddr_t first = ALIGN_DOWN(*va, pt_size(HUGE_LEVEL)); /* the area may begin behind it */
    struct huge_place to = {.mm = c->dst};
    unsigned int level;
    pte_t *dst = pt_get_slot(c->dst, first, HUGE_LEVEL, &to.parent, &level);

    if (dst == NULL)
        return -ENOMEM;
    ASSERT(level == HUGE_LEVEL && to.parent->pt_mm == c->dst); /* nobody runs in it yet */
    while (*va < end && !pte_is_table(pte_load(c->src_slot), HUGE_LEVEL)) {
        enum copied result;

        if (!fill_spare(
                s, c,
                DIV_ROUND_UP(end - ALIGN_DOWN(*va, pt_size(HUGE_LEVEL)), pt_size(HUGE_LEVEL))))
            return -ENOMEM;
        pt_lock_two(c->src_table, to.parent);
        result = copy_batch(c, s, dst + ((*va - first) >> pt_shift(HUGE_LEVEL)), va, end, &to);
        pt_unlock_two(c->src_table, to.parent);
        if (result == COPY_WAIT)
            wait_for(c);
        else if (result == COPY_SPLIT)
            thp_split_at(c->src_table->pt_mm, *va + PAGE_SIZE);
    }
    return 0;
}

int thp_copy(struct thp_copy *c, vaddr_t *va, vaddr_t end)
{
    struct spare s = {.nr = 0};
    int err;

    ASSERT(*va < end && c->src_table->level == HUGE_LEVEL && c->src_table->pt_mm != c->dst);
    err = copy_leaves(c, &s, va, end);
    while (s.nr != 0)
        huge_table_free(s.tables[--s.nr]);
    return err;
}

bool thp_move(pte_t *src, pte_t *dst, const struct huge_place *to)
{
    struct page *head = pte_page(pte_load(src), HUGE_LEVEL);

    lock_assert_held(&to->parent->ptl);
    ASSERT(pte_is_none(pte_load(dst)));
    if (head->kind == PAGE_ZERO) {
        pte_store(dst, pte_xchg(src, pte_none()));
        return true;
    }
    if (!huge_trylock(head))
        return false;
    huge_moved(head, to);
    pte_store(dst, pte_xchg(src, pte_none()));
    huge_unlock(head);
    return true;
}

bool thp_is_below(pte_t link, unsigned int level)
{
    const pte_t *base = pt_link_table(link, level);

    ASSERT(level > HUGE_LEVEL && pte_is_table(link, level));
    for (unsigned int i = 0; i < pt_entries(level - 1); i++) {
        pte_t e = pte_load(base + i);

        if (level - 1 == HUGE_LEVEL) {
            if (pte_is_leaf(e, HUGE_LEVEL))
                return true;
        } else if (pte_is_table(e, level - 1) && thp_is_below(e, level - 1)) {
            return true;
        }
    }
    return false;
}
