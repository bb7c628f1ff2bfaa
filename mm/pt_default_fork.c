/* SPDX-License-Identifier: MIT */
/*
 * pt_default_fork.c: row PT_DEFAULT: the entries that a child process gets.
 *
 * Pages of private memory are shared until one side writes: both entries lose PT_W and the page
 * PG_EXCLUSIVE. A page that is pinned stays the parent's own, and the child gets a copy at once:
 * whoever pinned it must keep seeing what the parent sees. Memory that can be had again by a fault
 * (objects without private copies, zeroes) is not copied at all, nor are tables that parent and
 * child can share until one side writes (pt_share_fork.c).
 *
 * It does not flush the parent's TLB: mm_fork does, once, when all VMAs are copied, before it gives
 * mmap_lock back.
 *
 * Locks: the parent's mmap_lock for writing and its VMAs' locks; PT of the two tables, in address
 * order.
 * Invariants: those of pt_default.c hold for both sides when the locks are dropped.
 * Checked by pt_check, tests/kernel/mm/cow_ktest.c. Read next: pt_default_move.c.
 */
#include <mm/gup.h>
#include "pt_internal.h"
#include "thp_internal.h"

struct copy {
    struct mm *dst;
    struct vma *dst_vma;
    pt_prot_t ro;
    struct page *spare;       /* for a pinned page's copy */
    unsigned long anon, file; /* base pages that the child got */
    unsigned int nr;          /* entries that the table got, not yet in pt_used */
    bool zeroes, pinned;      /* some were of the zero page, of pinned pages */
};

/* The child's own copy of the pinned page behind @e, or false when there is no page for it yet. */
static __noinline bool copy_pinned(struct copy *c, pte_t e, unsigned int level, pte_t *dst)
{
    struct page *new = c->spare;

    if (new == NULL)
        return false;
    ASSERT(page_refs(new) >= 1 && page_test(new, PG_EXCLUSIVE));
    c->spare = NULL;
    copy_page(page_to_virt(new), page_to_virt(pte_page(e, level)));
    pte_store(dst, pte_with_state(pte_make_leaf(page_to_phys(new), level, c->ro), PT_DIRTY));
    return true;
}

/* The parent's entry loses the right to write; returns what it is now. */
static inline pte_t write_protect(pte_t *slot, pte_t e, unsigned int level, pt_prot_t ro)
{
    pte_t new;

    do
        new = pte_with_prot(e, level, ro);
    while (!pte_cmpxchg(slot, &e, new));
    return new;
}

/*
 * Entries from @i on; returns where it stopped: behind the last, or at a pinned page for which a
 * spare page is needed first.
 */
static unsigned int copy_entries(struct copy *c, const struct pt_run *r, pte_t *dst, unsigned int i)
{
    const unsigned int level = 0;
    const pt_prot_t ro = c->ro;
    unsigned int anon = 0, file = 0, zero = 0;

    for (; i < r->nr; i++) {
        pte_t e = pte_load(r->slot + i);
        struct page *p;

        if (!pte_is_leaf(e, level))
            continue;
        p = pte_page(e, level);
        if (likely(p->kind == PAGE_ANON)) {
            if (page_test(p, PG_EXCLUSIVE) && unlikely(!page_try_share(p))) {
                c->pinned = true;
                if (!copy_pinned(c, e, level, dst + i))
                    break;
                anon++;
                continue;
            }
            anon++;
        } else if (p != zero_page) {
            file++;
        } else {
            pte_store(dst + i, e);
            zero++;
            continue;
        }
        ASSERT(page_refs(p) > 0 && page_mapcount(p) > 0);
        ASSERT(pte_is_none(pte_load(dst + i)));
        page_get(p);
        page_map_inc(p);
        if (pte_prot(e, level) & PT_W)
            e = write_protect(r->slot + i, e, level, ro);
        pte_store(dst + i, e);
    }
    c->nr += anon + file + zero;
    if (zero != 0)
        c->zeroes = true;
    c->anon += anon * pt_leaf_pages(level);
    c->file += file * pt_leaf_pages(level);
    return i;
}

/* All of the run, to the entries from @dst on of @dst_table. */
static __always_inline int copy_run(struct copy *c, const struct pt_run *r, struct page *dst_table,
                                    pte_t *dst)
{
    unsigned int done = 0;

    for (;;) {
        pt_lock_two(r->table, dst_table);
        done = copy_entries(c, r, dst, done);
        ASSERT(dst_table->pt_used + c->nr <= pt_entries(0));
        dst_table->pt_used += c->nr;
        c->nr = 0;
        pt_unlock_two(r->table, dst_table);
        if (likely(done == r->nr))
            break;
        c->spare = pt_anon_page(c->dst_vma, r->va + done * PAGE_SIZE);
        if (c->spare == NULL)
            return -ENOMEM;
    }
    if (unlikely(c->zeroes)) {
        page_set(dst_table, PG_HAD_ZEROES);
        c->zeroes = false;
    }
    return 0;
}

/* The run's table is not locked; nothing but truncation changes it. */
static int copy_table(struct copy *c, const struct pt_run *r)
{
    struct page *dst_table;
    unsigned int level;
    pte_t *dst = pt_get_slot(c->dst, r->va, r->level, &dst_table, &level);
    int err = dst != NULL ? copy_run(c, r, dst_table, dst) : -ENOMEM;

    if (unlikely(page_test(r->table, PG_HAD_PINS)) && !err) {
        /* Pins under way fail: the pages are no longer PG_EXCLUSIVE (gup.c, F5), and before they
         * can be so again fork's flush has waited for them. So the next fork may share the table.
         */
        if (!c->pinned && r->nr == pt_entries(0))
            page_clear(r->table, PG_HAD_PINS);
        c->pinned = false;
    }
    return err;
}

/* A page for a pinned one that was not needed in the end: it had gone. */
static void drop_spare(struct copy *c)
{
    if (c->spare == NULL)
        return;
    c->spare->mapcount = 0;
    page_put(c->spare);
}

int pt_default_copy_shared(struct vma *v, vaddr_t va, struct page *from, struct page *to,
                           bool *new_pages)
{
    struct copy c = {.dst = v->mm, .dst_vma = v, .ro = vma_prot_ro(v)};
    struct pt_run r = {.va = va, .slot = page_to_virt(from), .table = from};
    int err;

    ASSERT(pt_is_forked(from) && to->pt_used == 0 && IS_ALIGNED(va, pt_size(1)));
    r.nr = pt_entries(0);
    err = copy_run(&c, &r, to, page_to_virt(to));
    drop_spare(&c);
    *new_pages = c.pinned;
    return err;
}

/* Huge leaves; *next: where the walk goes on. */
static __noinline int copy_huge(struct copy *c, const struct pt_run *r, vaddr_t *next)
{
    struct thp_copy h = {
        .dst = c->dst, .src_slot = r->slot, .src_table = r->table, .ro = c->ro };
    int err;

    *next = r->va;
    err = thp_copy(&h, next, r->end);
    c->anon += h.pages;
    return err;
}

/* A table of level 0: shared with the child, or copied. */
static int copy_small(struct copy *c, struct pt_fork *f, struct pt_cursor *cursor,
                      const struct pt_run *r)
{
    pte_t *parent = cursor->path[1];
    int shared = 0;

    if (pt_is_shared(r->table) && !pt_is_forked(r->table))
        return 0; /* the object's: what it has comes by faults */
    if (r->nr == pt_entries(0))
        shared = pt_fork_table(f, r->va, r->table, pt_table_page(parent),
                               parent + pt_index(r->va, 1));
    ASSERT(shared != 0 || !pt_is_shared(r->table));
    return shared == 0 ? copy_table(c, r) : min(shared, 0);
}

int pt_default_copy(struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    struct copy c = { .dst = dst, .dst_vma = dst_vma, .ro = vma_prot_ro(src) };
    struct pt_cursor cursor;
    struct pt_fork fork;
    struct pt_run r;
    int err = 0;

    ASSERT(dst_vma->mm == dst && dst_vma->start == src->start && dst_vma->end == src->end);
    if (!src->has_anon)
        return 0;
    dst_vma->has_anon = true;
    err = pt_fork_begin(&fork, dst, dst_vma, src);
    pt_cursor_begin(&cursor, src->mm, src->start, src->end, true);
    while (err == 0 && pt_cursor_next_table(&cursor, &r)) {
        vaddr_t next;

        pt_cursor_unlock(&cursor);
        if (likely(r.level == 0)) {
            err = copy_small(&c, &fork, &cursor, &r);
            continue;
        }
        err = copy_huge(&c, &r, &next);
        pt_cursor_seek(&cursor, next);
    }
    pt_cursor_end(&cursor);
    pt_fork_end(&fork);
    drop_spare(&c);
    atomic_long_add(&dst->rss[MM_ANON], (long)c.anon);
    atomic_long_add(&dst->rss[vma_file_counter(src)], (long)c.file);
    return err;
}
