/* SPDX-License-Identifier: MIT */
/*
 * pt_hugetlb_range.c: row PT_HUGETLB_FS: the operations on ranges: removing, fork, mremap; and how
 * many promises the entries stand for.
 *
 * pt_hugetlb.c says what an entry tells. Truncation of the object may come at any time, by the
 * object's list of areas; the area itself is kept from changing by who asks.
 *
 * Locks: PT, of two tables where entries move; the object's vmas_lock while an area's entries move
 * to another place. Invariants: those of pt_hugetlb.c.
 * Checked by pt_check, hugetlb_promises_check, tests/kernel/mm/hugetlb_ktest.c.
 * Read next: pt_hugetlb_char.c.
 */
#include <mm/gup.h>
#include "pt_hugetlb_internal.h"

/* ---- removing ---- */

struct zap {
    struct tlb_gather *tlb;
    struct vma *v;
    bool gone, owner; /* the area itself goes: its promises end */
    u64 used;         /* entries of an owner that go and had no promise */
    long leaves;
};

/* The area stays and its private page @p goes: the entry is promised again, or else marked. */
static void promise_again(struct zap *z, pte_t *slot, struct page *table, struct page *p)
{
    struct huge_object *o = huge_object_of(z->v->mapping);

    if (page_refs(p) == 1) {
        huge_keep(p);
    } else if (!huge_try_reserve_one(o->pool, o->sub)) {
        pte_store(slot, pte_make_marker(MARKER_UNPROMISED, 0));
        table->pt_used++;
    }
}

static void zap_entry(struct zap *z, const struct pt_run *r, pte_t *slot)
{
    pte_t e = pte_load(slot);
    struct page *p;

    if (!pte_is_leaf(e, r->level)) {
        if (z->gone) {
            pte_store(slot, pte_none());
            r->table->pt_used--;
            z->used++;
        }
        return;
    }
    p = pte_page(e, r->level);
    if (z->tlb->keep_private && hugetlb_is_private_page(p))
        return;
    e = pte_xchg(slot, pte_none());
    r->table->pt_used--;
    if (p->kind == PAGE_ZERO)
        return;
    z->leaves++;
    if ((pte_state(e) & PT_DIRTY) && !page_test(p, PG_DIRTY))
        page_set(p, PG_DIRTY);
    page_map_dec(p);
    if (hugetlb_is_private_page(p)) {
        z->used++;
        if (z->owner && !z->gone)
            promise_again(z, slot, r->table, p);
    }
    if (tlb_gather_page(z->tlb, p))
        tlb_gather_flush(z->tlb);
}

/*
 * An area that stays keeps the entries without a leaf as they are. The cursor does not skip holes,
 * so that each entry is looked at under its lock. Truncation needs that: a fault that looked at the
 * object's size before it was lowered either has stored its leaf when we look, or looks at the size
 * after. And so does munmap: truncation of the object may be about to put a marker in a leaf's
 * place.
 */
void pt_hugetlb_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct zap z = {.tlb = tlb, .v = v, .gone = tlb->areas_go, .owner = hugetlb_is_owner(v)};
    struct huge_object *o = huge_object_of(v->mapping);
    size_t size = pt_size(v->level);
    struct pt_cursor c;
    struct pt_run r;

    start = ALIGN_DOWN(start, size);
    end = ALIGN_UP(end, size);
    pt_cursor_begin(&c, v->mm, start, end, false);
    c.own = true;
    while (pt_cursor_next(&c, &r)) {
        if (r.kind == PT_KIND_HOLE)
            continue;
        ASSERT(r.level == v->level);
        tlb_gather_range(tlb, r.va, r.end, r.level);
        for (unsigned int i = 0; i < r.nr; i++)
            zap_entry(&z, &r, r.slot + i);
    }
    hugetlb_count_rss(v, -z.leaves);
    if (z.gone && z.owner)
        huge_unreserve(o->pool, o->sub, (end - start) / size - z.used);
}

/* ---- fork ---- */

/* The child's own copy of a page that somebody has pinned. Both tables unlocked. */
static int copy_pinned(struct fault_ctx *child, struct page *p)
{
    struct page *new;
    enum fault_result result = hugetlb_take_page(child, false, &new);

    if (result != FAULT_OK || new == NULL)
        return -ENOMEM;
    hugetlb_fill_page(child->vma, new, p);
    pt_lock(child->table);
    hugetlb_store_leaf(child, new, vma_prot_ro(child->vma), PT_DIRTY);
    pt_unlock(child->table);
    hugetlb_count_rss(child->vma, 1);
    return 0;
}

/* One entry. @src's table is not locked; nothing but truncation changes it. */
static int copy_entry(struct fault_ctx *child, struct page *src_table, pte_t *src)
{
    pt_prot_t ro = vma_prot_ro(child->vma);
    struct page *p;
    pte_t e, new;
    int err = 0;

    pt_lock_two(src_table, child->table);
    e = pte_load(src);
    p = pte_is_leaf(e, child->level) ? pte_page(e, child->level) : NULL;
    if (hugetlb_is_lost(e)) {
        pte_store(child->slot, e);
        child->table->pt_used++;
    } else if (p != NULL && hugetlb_is_private_page(p)) {
        page_get(p);
        if (page_test(p, PG_EXCLUSIVE) && !page_try_share(p)) {
            pt_unlock_two(src_table, child->table);
            err = copy_pinned(child, p);
            page_put(p);
            return err;
        }
        page_map_inc(p);
        do
            new = pte_with_prot(e, child->level, ro);
        while (!pte_cmpxchg(src, &e, new));
        pte_store(child->slot, new);
        child->table->pt_used++;
        hugetlb_count_rss(child->vma, 1);
    }
    pt_unlock_two(src_table, child->table);
    return err;
}

static int copy_run(struct vma *dst_vma, const struct pt_run *r)
{
    for (unsigned int i = 0; i < r->nr; i++) {
        struct fault_ctx child = {.vma = dst_vma, .addr = r->va + i * pt_size(r->level)};
        int err;

        child.entry = pte_none();
        child.slot = pt_get_slot(dst_vma->mm, child.addr, r->level, &child.table, &child.level);
        if (child.slot == NULL)
            return -ENOMEM;
        err = copy_entry(&child, r->table, r->slot + i);
        if (err)
            return err;
    }
    return 0;
}

/* Private pages are shared until one side writes. The child was promised nothing; what the object
 * has comes by its faults. */
int pt_hugetlb_copy(struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    struct pt_cursor c;
    struct pt_run r;
    int err = 0;

    (void)dst;
    dst_vma->private = NULL;
    dst_vma->has_anon = src->has_anon;
    if (src->flags & VM_MAYSHARE)
        return 0;
    pt_cursor_begin(&c, src->mm, src->start, src->end, true);
    while (err == 0 && pt_cursor_next(&c, &r)) {
        pt_cursor_unlock(&c);
        err = copy_run(dst_vma, &r);
    }
    pt_cursor_end(&c);
    return err;
}

/* ---- mremap ---- */

struct ends {
    struct page *src_table, *dst_table;
    pte_t *src, *dst;
};

/* The entries of both places; tables are made where they are missing. */
static bool get_ends(struct mm *mm, vaddr_t from, vaddr_t to, unsigned int level, struct ends *e)
{
    unsigned int found;

    e->src = pt_get_slot(mm, from, level, &e->src_table, &found);
    if (e->src == NULL)
        return false;
    e->dst = pt_get_slot(mm, to, level, &e->dst_table, &found);
    return e->dst != NULL;
}

/* With an entry goes its promise; where an owner's was, it is said that there is none any more. */
static void move_entry(const struct ends *e, bool owner)
{
    pte_t left = owner ? pte_make_marker(MARKER_UNPROMISED, 0) : pte_none(), old;

    pt_lock_two(e->src_table, e->dst_table);
    old = pte_xchg(e->src, left);
    e->src_table->pt_used += !pte_is_none(left);
    e->src_table->pt_used -= !pte_is_none(old);
    e->dst_table->pt_used -= !pte_is_none(pte_load(e->dst));
    e->dst_table->pt_used += !pte_is_none(old);
    pte_store(e->dst, old);
    pt_unlock_two(e->src_table, e->dst_table);
}

/* All memory that is needed is got before the first entry moves, so all or nothing does. */
int pt_hugetlb_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                    size_t len, size_t *moved)
{
    bool owner = hugetlb_is_owner(v) || hugetlb_is_owner(new_vma);
    size_t size = pt_size(v->level);
    struct ends e;

    *moved = 0;
    new_vma->has_anon = v->has_anon;
    pt_unshare_range(v, old_start, old_start + len, PT_UNSHARE_move);
    pt_unshare_range(new_vma, new_start, new_start + len, PT_UNSHARE_move);
    for (size_t at = 0; at < len; at += size) {
        if (!get_ends(v->mm, old_start + at, new_start + at, v->level, &e)) {
            new_vma->private = NULL; /* nothing has moved: no promise either */
            return -ENOMEM;
        }
    }
    rwsem_write_lock(&v->mapping->vmas_lock);
    for (size_t at = 0; at < len; at += size) {
        bool found = get_ends(v->mm, old_start + at, new_start + at, v->level, &e);

        BUG_ON(!found);
        move_entry(&e, owner);
    }
    mmu_quiesce_walkers(v->mm);
    mm_flush_range(v->mm, old_start, old_start + len, v->level);
    rwsem_write_unlock(&v->mapping->vmas_lock);
    *moved = len;
    return 0;
}

/* ---- promises ---- */

static u64 promises_of(struct vma *v)
{
    u64 n = (v->end - v->start) >> pt_shift(v->level);
    struct pt_cursor c;
    struct pt_run r;

    pt_cursor_begin(&c, v->mm, v->start, v->end, true);
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr; i++) {
            pte_t e = pte_load(r.slot + i);

            if (!pte_is_leaf(e, r.level) || hugetlb_is_private_page(pte_page(e, r.level)))
                n--;
        }
    }
    return n;
}

u64 hugetlb_private_promises(struct huge_pool *pool)
{
    u64 sum = 0;

    for (struct mm *mm = mm_next(NULL); mm; mm = mm_next(mm)) {
        mmap_read_lock(mm);
        for_each_vma (v, mm)
            if (hugetlb_is_owner(v) && huge_object_of(v->mapping)->pool == pool)
                sum += promises_of(v);
        mmap_read_unlock(mm);
    }
    return sum;
}
