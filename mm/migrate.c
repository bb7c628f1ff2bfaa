/* SPDX-License-Identifier: MIT */
/*
 * migrate.c: a page moves to another frame. <mm/migrate.h> says who must stand still meanwhile, and
 * why no entry is needed that says "being moved".
 *
 * An anonymous page: each leaf, under its table's lock, is emptied, flushed, and filled again with
 * the new frame, as a copy-on-write fault does (pt_default_cow.c), so whoever looks at the entry
 * knows that state already. A lock-free pin is counted before it looks at the entry again; here the
 * entry is changed before the counts are read: one side sees the other.
 *
 * An object's page: locked, taken out of all page tables, exchanged in the tree. Faults wait for
 * the lock of the new page, which is found from then on.
 *
 * Locks: mmap_lock for reading and vmas_lock, both only tried; PAGE, tried; PT of one table.
 * Invariants: I1 a pinned page is not moved; I2 a PG_EXCLUSIVE page is moved as a whole or not at
 * all; I3 no TLB translates to the old frame when the caller is told 0.
 * Checked by tests/kernel/mm/migrate_ktest.c. Read next: migrate_huge.c, compact.c.
 */
#include <mm/migrate.h>
#include <mm/rmap.h>
#include "pt_internal.h"
#include "thp_internal.h"

#define KEPT_FLAGS (PG_DIRTY | PG_UPTODATE | PG_REFERENCED | PG_EXCLUSIVE | PG_LAZYFREE)

struct move {
    struct page *from, *to;
    unsigned int nr;
    bool copied, held;
};

/* Contents and what the page says about itself. Nothing can change them, see migrate.h. */
static void copy_page_once(struct move *m)
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

static void move_leaf(const struct rmap_place *at, void *arg)
{
    struct move *m = arg;
    pte_t e, new;

    if (at->level != 0 || m->held)
        return; /* part of a huge page by now */
    if (pt_is_shared(at->table)) { /* of all users, not @at's alone */
        m->held = true;
        return;
    }
    ASSERT(m->from->kind == PAGE_ANON && page_mapcount(m->from) > 0);
    e = pte_xchg(at->slot, pte_none());
    mmu_quiesce_walkers(at->mm);
    mm_flush_range(at->mm, at->va, at->va + PAGE_SIZE, 0);
    if (page_test(m->from, PG_EXCLUSIVE) && is_held(m->from)) {
        pte_store(at->slot, e);
        m->held = true;
        return;
    }
    copy_page_once(m);
    page_map_inc(m->to);
    page_get(m->to);
    new = pte_make_leaf(page_to_phys(m->to), 0, pte_prot(e, 0));
    pte_store(at->slot, pte_with_state(new, pte_state(e)));
    page_map_dec(m->from);
    page_put(m->from); /* never the last: the caller's stays */
    m->nr++;
}

static int move_anon(struct page *from, struct page *to)
{
    struct move m = {.from = from, .to = to};

    ASSERT(to->kind == PAGE_ANON && page_mapcount(to) == 0);
    if (page_mapcount(from) <= 0)
        return -EAGAIN; /* on its way into a page table, or out of the last */
    /* Who holds a process' own page is seen when its leaf is gone. */
    if (!page_test(from, PG_EXCLUSIVE) && page_refs(from) != (u32)page_mapcount(from) + 1)
        return -EBUSY;
    (void)rmap_try_walk_anon(from, move_leaf, &m);
    if (m.held)
        return -EBUSY;
    return m.nr != 0 && page_mapcount(from) == 0 ? 0 : -EAGAIN;
}

/* @from is locked, in @m, and of 2^@order frames. */
static int move_locked(struct mapping *m, struct page *from, struct page *to, unsigned int order)
{
    unsigned long nr = 1UL << order;
    int err = 0;

    if (page_mapcount(from) != 0)
        err = mapping_try_unmap_range(m, from->index, from->index + nr);
    if (err)
        return err;
    if (page_mapcount(from) != 0)
        return -EAGAIN; /* mapped where the list of areas does not say so: on its way out */
    /* A pool's page changes by page tables and pins only: its copy may take its time. */
    for (unsigned long i = 0; order != 0 && i < nr; i++)
        copy_page(page_to_virt(to + i), page_to_virt(from + i));
    return mapping_replace(m, from, to, order != 0) ? 0 : -EBUSY;
}

static int move_file(struct page *from, struct page *to, unsigned int order)
{
    struct mapping *m;
    bool locked;
    int err;

    if (!page_trylock(from))
        return -EAGAIN;
    locked = page_trylock(to); /* nobody else knows it, but for a glance by number */
    m = from->mapping;
    if (!locked || m == NULL || !page_test(from, PG_UPTODATE))
        err = -EAGAIN;
    else
        err = move_locked(m, from, to, order);
    if (err == 0 && order != 0)
        huge_exchange(to, from);
    if (locked)
        page_unlock(to);
    page_unlock(from);
    return err;
}

int migrate_small(struct page *from, struct page *to)
{
    int err = -EINVAL;

    if (from->kind == PAGE_ANON)
        err = move_anon(from, to);
    else if (from->kind == PAGE_FILE)
        err = move_file(from, to, 0);
    vmstat_inc(err ? VMSTAT_pgmigrate_fail : VMSTAT_pgmigrate_success);
    return err;
}

int migrate_pool(struct page *from)
{
    struct page *to;
    int err;

    ASSERT(from->kind == PAGE_HUGETLB && page_refs(from) > 0);
    if (huge_is_private(from))
        return -EINVAL;
    to = huge_borrow(huge_pool_by_size(PAGE_SIZE << from->order));
    if (to == NULL)
        return -ENOMEM;
    err = move_file(from, to, from->order);
    page_put(to);
    vmstat_add(err ? VMSTAT_pgmigrate_fail : VMSTAT_pgmigrate_success, 1UL << from->order);
    return err;
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
