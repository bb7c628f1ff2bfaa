/* SPDX-License-Identifier: MIT */
/*
 * migrate.c: small pages move to other frames, many at a time. <mm/migrate.h> says who must stand
 * still meanwhile, and why no entry is needed that says "being moved".
 *
 * Anonymous pages: the walk from one page to a leaf comes with that leaf's table locked. All leaves
 * in that table that map pages of the batch are emptied, flushed by one round of calls, and filled
 * again with the new frames, as a copy-on-write fault does (pt_default_cow.c), before the table's
 * lock is given up; so whoever looks at an entry knows that state already. A lock-free pin is
 * counted before it looks at the entry again; here the entry is changed before the counts are read:
 * one side sees the other.
 *
 * A table that fork shares may have several users. The leaf is each one's, at the same address: it
 * is emptied once, all of the family are flushed by one round, and it is filled once. Nobody can
 * copy the table meanwhile, leave it or link it, which needs its lock; mmap_lock of the one address
 * space through which the walk came keeps it alive.
 *
 * Objects' pages: migrate_file.c.
 *
 * Locks: mmap_lock for reading, tried; PT of one table, for the copy of a batch at most.
 * Invariants: I1 a pinned page is not moved; I2 a PG_EXCLUSIVE page is moved as a whole or not at
 * all; I3 no TLB translates to the old frame when the caller is told 0.
 * Checked by tests/kernel/mm/migrate_ktest.c, tests/user/share_fork_move_test.c,
 * models/fork_move.pml. Read next: migrate_file.c, migrate_huge.c, compact.c.
 */
#include <mm/pt_share.h>
#include <mm/rmap.h>
#include "migrate_internal.h"
#include "pt_internal.h"

#define KEPT_FLAGS (PG_DIRTY | PG_UPTODATE | PG_REFERENCED | PG_EXCLUSIVE | PG_LAZYFREE)

struct batch {
    struct migration *m;
    unsigned int nr;
    struct migration *walked; /* whose leaves are looked for */
};

/* A leaf that is emptied. */
struct taken {
    struct migration *m;
    pte_t *slot, e;
};

/* Contents and what the page says about itself. Nothing can change them, see migrate.h. */
static void copy_page_once(struct migration *m)
{
    if (m->copied)
        return;
    copy_page(page_to_virt(m->to), page_to_virt(m->from));
    m->to->family = m->from->family;
    m->to->index = m->from->index;
    page_set(m->to, READ_ONCE(m->from->flags) & KEPT_FLAGS);
    m->copied = true;
}

/* Has anybody but the leaf and the mover the page? The leaf is gone from all TLBs. */
static bool is_held(const struct page *p)
{
    u64 w;

    smp_mb(); /* the entry before the counts; pairs with gup.c, F3 and F4 */
    w = __atomic_load_n(&p->word, __ATOMIC_ACQUIRE);
    return w != 2 * PAGE_REF;
}

/* The leaf of @p in the table of @at, a leaf of @walked; or NULL. What lies in one table in the
 * distance of its indexes is nearly always the rest of the batch; it is the entry that decides. */
static pte_t *leaf_beside(const struct rmap_place *at, const struct page *walked,
                          const struct page *p)
{
    s64 slot = (s64)pt_index(at->va, 0) + (s64)(p->index - walked->index);
    pte_t e;

    if (slot < 0 || slot >= (s64)pt_entries(0))
        return NULL;
    e = pte_load((pte_t *)page_to_virt(at->table) + slot);
    return pte_is_leaf(e, 0) && pte_page(e, 0) == p ? (pte_t *)page_to_virt(at->table) + slot
                                                    : NULL;
}

/* Fills the entry again: with the new frame, or with the old one when somebody holds it. */
static void refill(const struct taken *t)
{
    struct migration *m = t->m;
    pte_t new;

    if (page_test(m->from, PG_EXCLUSIVE) && is_held(m->from)) {
        pte_store(t->slot, t->e);
        m->err = -EBUSY;
        return;
    }
    copy_page_once(m);
    page_map_inc(m->to);
    page_get(m->to);
    new = pte_make_leaf(page_to_phys(m->to), 0, pte_prot(t->e, 0));
    pte_store(t->slot, pte_with_state(new, pte_state(t->e)));
    page_map_dec(m->from);
    page_put(m->from); /* never the last: the caller's stays */
}

/* All who have the table forget its leaves for [start, end). Links come under its lock, and this
 * address space's stays: so a single one is this one's. */
static void flush_users(const struct rmap_place *at, vaddr_t start, vaddr_t end)
{
    lock_assert_held(&at->table->ptl);
    if (unlikely(!pt_fork_is_sole_user(at->table, at->mm))) {
        pt_fork_note_move(at->table);
        rmap_flush_family(at->mm, start, end);
        vmstat_inc(VMSTAT_pt_fork_inplace);
        return;
    }
    mmu_quiesce_walkers(at->mm);
    mm_flush_range(at->mm, start, end, 0);
}

/* For each leaf of b->walked. */
static void move_leaves(const struct rmap_place *at, void *arg)
{
    struct batch *b = arg;
    struct taken taken[MIGRATE_BATCH];
    vaddr_t base = ALIGN_DOWN(at->va, pt_size(1)), start = ~0UL, end = 0;
    unsigned int n = 0;

    if (at->level != 0)
        return; /* part of a huge page by now */
    for (struct migration *m = b->m; m < b->m + b->nr; m++) {
        pte_t *slot = m->err == -EAGAIN ? leaf_beside(at, b->walked->from, m->from) : NULL;
        vaddr_t va;

        if (slot == NULL)
            continue;
        ASSERT(m->from->kind == PAGE_ANON && page_mapcount(m->from) > 0);
        va = base + (vaddr_t)(slot - (pte_t *)page_to_virt(at->table)) * PAGE_SIZE;
        start = min(start, va);
        end = max(end, va + PAGE_SIZE);
        taken[n++] = (struct taken){m, slot, pte_xchg(slot, pte_none())};
    }
    if (n == 0)
        return;
    flush_users(at, start, end);
    for (unsigned int i = 0; i < n; i++)
        refill(&taken[i]);
}

#define NOT_NOW 1 /* an error that is -EAGAIN in the end */

/* -EAGAIN: it is to be moved here. Who holds a process' own page is seen when its leaf is gone. */
static int look_at(const struct migration *m)
{
    const struct page *p = m->from;

    if (m->to->kind != p->kind)
        return -EINVAL; /* something else by now */
    if (p->kind != PAGE_ANON || page_mapcount(p) <= 0)
        return NOT_NOW; /* an object's; or on its way into a page table, or out of the last */
    if (!page_test(p, PG_EXCLUSIVE) && page_refs(p) != (u32)page_mapcount(p) + 1)
        return -EBUSY;
    return -EAGAIN;
}

static void migrate_anon(struct migration *m, unsigned int n)
{
    struct batch b = {.m = m, .nr = n};

    for (unsigned int i = 0; i < n; i++) {
        m[i].copied = false;
        m[i].err = look_at(&m[i]);
        ASSERT(page_mapcount(m[i].to) == 0);
    }
    for (unsigned int i = 0; i < n; i++) {
        if (m[i].err != -EAGAIN)
            continue;
        b.walked = &m[i];
        if (page_mapcount(m[i].from) != 0)
            (void)rmap_try_walk_anon(m[i].from, move_leaves, &b);
        if (m[i].err == -EAGAIN && m[i].copied && page_mapcount(m[i].from) == 0)
            m[i].err = 0;
    }
    for (unsigned int i = 0; i < n; i++)
        if (m[i].err == NOT_NOW)
            m[i].err = -EAGAIN;
}

unsigned int migrate_batch(struct migration *m, unsigned int n)
{
    unsigned int done = 0;

    ASSERT(n <= MIGRATE_BATCH);
    migrate_anon(m, n);
    migrate_files(m, n);
    for (unsigned int i = 0; i < n; i++)
        done += m[i].err == 0;
    vmstat_add(VMSTAT_pgmigrate_success, done);
    vmstat_add(VMSTAT_pgmigrate_fail, n - done);
    return done;
}

bool migrate_is_movable(const struct page *p)
{
    u64 w = READ_ONCE(p->word);

    if (w == 0 || (w & PAGE_TAIL) || page_pins(p) != 0)
        return false;
    if (p->kind == PAGE_ANON)
        return page_mapcount(p) > 0 && page_refs(p) == (u32)page_mapcount(p);
    return p->kind == PAGE_FILE && page_test(p, PG_UPTODATE) && !page_test(p, PG_LOCKED) &&
           page_refs(p) == (u32)page_mapcount(p) + 1;
}
