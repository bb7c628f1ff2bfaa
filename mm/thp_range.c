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
    (void)pte_xchg(slot, pte_none());
    parent->pt_used--;
}

/* The leaf at @slot in the locked @parent shall not be huge. Unlocks. */
static void split_leaf(struct mm *mm, struct page *parent, pte_t *slot, vaddr_t va)
{
    struct page *head = pte_page(pte_load(slot), HUGE_LEVEL);

    va = ALIGN_DOWN(va, pt_size(HUGE_LEVEL));
    if (head->kind != PAGE_ZERO) {
        pt_unlock(parent);
        split_huge_page(head);
        return;
    }
    thp_drop_zero(parent, slot);
    mmu_quiesce_walkers(mm);
    mmu_flush_range(mm, va, va + pt_size(HUGE_LEVEL), HUGE_LEVEL);
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

    pt_cursor_begin(&c, mm, start, end, true);
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

bool thp_zap(struct tlb_gather *tlb, struct page *parent, pte_t *slot)
{
    struct page *head = pte_page(pte_load(slot), HUGE_LEVEL), *table;

    if (head->kind == PAGE_ZERO) {
        thp_drop_zero(parent, slot);
        return true;
    }
    if (!huge_trylock(head))
        return false;
    (void)pte_xchg(slot, pte_none());
    parent->pt_used--;
    table = huge_unmap(head, tlb->mm);
    if (page_mapcount(head) == 0)
        thp_count_mapped(-1);
    huge_unlock(head);
    huge_table_free(table);
    tlb->rss[MM_ANON] -= (long)huge_nr();
    return true;
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

/* As page_try_share (gup.h) for the whole: false, and it stays exclusive, when any part is pinned. A
 * lockless pin is noted and counted before PG_EXCLUSIVE is looked at. */
static bool try_share(struct page *head)
{
    page_clear(head, PG_EXCLUSIVE);
    smp_mb();
    if (!has_pins(head))
        return true;
    page_set(head, PG_EXCLUSIVE);
    return false;
}

enum copied { COPIED, COPY_WAIT, COPY_SPLIT };

/* Both tables and BUSY held. */
static enum copied share_leaf(struct thp_copy *c, struct page *head, pte_t *src, pte_t *dst,
                              const struct huge_place *to, struct page *table)
{
    pte_t e = pte_load(src), ro;

    do
        ro = pte_with_prot(e, HUGE_LEVEL, c->ro);
    while (!pte_cmpxchg(src, &e, ro));
    /* The exchange is a full barrier: a lockless pin for writing either is seen here or sees it. */
    if (page_test(head, PG_EXCLUSIVE) && !try_share(head))
        return COPY_SPLIT;
    huge_get(head);
    huge_map(head, table, to);
    pte_store(dst, ro);
    return COPIED;
}

static enum copied copy_leaf(struct thp_copy *c, struct page *head, pte_t *src, pte_t *dst,
                             const struct huge_place *to, struct page *table)
{
    enum copied result;

    if (!huge_trylock(head))
        return COPY_WAIT;
    result = share_leaf(c, head, src, dst, to, table);
    huge_unlock(head);
    return result;
}

/* One entry. 1: done; 0: there is a table by now, or a split was due: look again; -ENOMEM. */
static int copy_slot(struct thp_copy *c, pte_t *src, pte_t *dst, struct page *dst_table, vaddr_t va)
{
    struct huge_place to = {.mm = c->dst, .va = va, .parent = dst_table};
    struct page *table = huge_table_alloc(c->dst), *head = NULL;
    enum copied result = COPIED;
    int done = 1;
    pte_t e;

    if (table == NULL)
        return -ENOMEM;
    pt_lock_two(c->src_table, dst_table);
    e = pte_load(src);
    if (pte_is_leaf(e, HUGE_LEVEL)) {
        head = pte_page(e, HUGE_LEVEL);
        if (huge_refs(huge_load(head)) >= HUGE_MAX) {
            result = COPY_SPLIT;
        } else if (head->kind == PAGE_ZERO) {
            huge_get(head);
            pte_store(dst, e);
            dst_table->pt_used++;
        } else {
            result = copy_leaf(c, head, src, dst, &to, table);
            if (result == COPIED) {
                table = NULL;
                dst_table->pt_used++;
                c->pages += huge_nr();
            }
        }
    } else if (pte_is_table(e, HUGE_LEVEL)) {
        done = 0;
    }
    pt_unlock_two(c->src_table, dst_table);
    if (table != NULL)
        huge_table_free(table);
    if (result == COPIED)
        return done;
    if (result == COPY_WAIT)
        huge_wait(head);
    else
        thp_split_at(c->src_table->pt_mm, va + PAGE_SIZE);
    return 0;
}

int thp_copy(struct thp_copy *c, vaddr_t *va, vaddr_t end)
{
    struct page *dst_table;
    unsigned int level;
    pte_t *src = c->src_slot, *dst = pt_get_slot(c->dst, *va, HUGE_LEVEL, &dst_table, &level);

    if (dst == NULL)
        return -ENOMEM;
    for (; *va < end; *va += pt_size(HUGE_LEVEL), src++, dst++) {
        int done;

        if (pte_is_none(pte_load(src)))
            continue;
        done = copy_slot(c, src, dst, dst_table, *va);
        if (done <= 0)
            return done;
    }
    return 0;
}

bool thp_move(pte_t *src, pte_t *dst, const struct huge_place *to)
{
    struct page *head = pte_page(pte_load(src), HUGE_LEVEL);

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
