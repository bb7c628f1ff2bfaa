/* SPDX-License-Identifier: MIT */
/*
 * migrate_huge.c: a huge page of anonymous memory moves to another huge frame, its leaf entries
 * with the tables that wait under them.
 *
 * Shared copy-on-write it stands still by itself (migrate.h), and its leaf entries follow one by
 * one. A process' own: its leaf loses its permissions, under mmap_lock for writing and the area's
 * lock, so that no fault gives them back during the long copy. What can still happen is a split,
 * which leaves small entries without permissions behind; the next faults give them back, and the
 * page stays where it is.
 *
 * Locks: mmap_lock for writing and the area's lock (a process' own page), or mmap_lock for reading,
 * tried; PT; BUSY of both frames inside it, tried. Invariants: those of huge.h and migrate.c; I1
 * the leaf never is empty: who looks without a lock must not take it for a hole.
 * Checked by tests/kernel/mm/migrate_ktest.c. Read next: compact.c.
 */
#include <kernel/preempt.h>
#include <mm/migrate.h>
#include <mm/rmap.h>
#include "pt_internal.h"
#include "thp_internal.h"

#define KEPT_FLAGS (PG_DIRTY | PG_UPTODATE | PG_REFERENCED | PG_EXCLUSIVE)

/* Where the leaf is, or was when somebody looked. */
struct place {
    struct mm *mm; /* with a users reference, when note_owner set it */
    vaddr_t va;
};

static void copy_whole(struct page *from, struct page *to)
{
    for (unsigned long i = 0; i < huge_nr(); i++)
        copy_page(page_to_virt(to + i), page_to_virt(from + i));
    to->family = from->family;
    to->index = from->index;
    page_set(to, READ_ONCE(from->flags) & KEPT_FLAGS);
}

static bool maps(pte_t e, const struct page *head)
{
    return pte_is_leaf(e, HUGE_LEVEL) && pte_page(e, HUGE_LEVEL) == head;
}

/* The leaf loses its permissions in all TLBs; returns what it was. */
static pte_t invalidate(struct mm *mm, vaddr_t va, pte_t *slot)
{
    pte_t e = pte_load(slot);

    while (!pte_cmpxchg(slot, &e, pte_with_prot(e, HUGE_LEVEL, 0)))
        ;
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, va, va + pt_size(HUGE_LEVEL), HUGE_LEVEL);
    return e;
}

/* The leaf at @slot, without permissions now, maps @to with those of @was. PT and BUSY of both
 * held; gives BUSY back. */
static void exchange(struct page *from, struct page *to, pte_t *slot, pte_t was,
                     const struct huge_place *at)
{
    struct page *table = huge_unmap_unlock(from, at->mm);
    pte_t e = pte_make_leaf(page_to_phys(to), HUGE_LEVEL, pte_prot(was, HUGE_LEVEL));

    if (page_mapcount(to) == 0)
        thp_count_mapped(1);
    huge_map_unlock(to, table, at);
    pte_store(slot, pte_with_state(e, pte_state(was)));
}

static bool lock_both(struct page *from, struct page *to)
{
    if (!huge_trylock(from))
        return false;
    if (huge_trylock(to))
        return true;
    huge_unlock(from);
    return false;
}

/* ---- shared copy-on-write ---- */

struct move {
    struct page *from, *to;
};

static void move_leaf(const struct rmap_place *at, void *arg)
{
    const struct move *m = arg;
    struct huge_place place = {.mm = at->mm, .va = at->va, .parent = at->table};
    pte_t e;

    if (at->level != HUGE_LEVEL || !lock_both(m->from, m->to))
        return;
    ASSERT(!page_test(m->from, PG_EXCLUSIVE) && !pt_is_gib(at->table));
    e = invalidate(at->mm, at->va, at->slot);
    ASSERT(!(pte_prot(e, HUGE_LEVEL) & PT_W));
    exchange(m->from, m->to, at->slot, e, &place);
    huge_put(m->from); /* never the last: the caller's stays */
}

static int move_shared(struct page *from, struct page *to)
{
    struct move m = {from, to};

    copy_whole(from, to);
    (void)rmap_try_walk_anon(from, move_leaf, &m);
    return huge_is(from) && huge_maps(huge_load(from)) == 0 ? 0 : -EAGAIN;
}

/* ---- a process' own ---- */

static void note_owner(const struct rmap_place *at, void *arg)
{
    struct place *p = arg;

    if (at->level != HUGE_LEVEL || p->mm != NULL)
        return;
    p->mm = at->mm;
    p->va = at->va;
    mm_get(at->mm); /* the walk has a reference, too */
}

/* Nobody but leaf and mover has the whole or a part; the leaf allows nothing any more. */
static bool is_idle(struct page *head)
{
    u64 w;

    smp_mb(); /* the entry before the counts; pairs with gup.c, F3 and F4 */
    w = __atomic_load_n(huge_word(head), __ATOMIC_ACQUIRE);
    return (w & HUGE_IS) && huge_maps(w) == 1 && huge_refs(w) == 2 && huge_pins(w) == 0 &&
           huge_pages_idle(head);
}

/* The leaf for @va, its table locked and its frame BUSY; NULL when a split is faster, which finds
 * a leaf that is as it is then. */
static pte_t *lock_leaf(const struct place *p, struct page *head, struct page **table)
{
    for (;;) {
        unsigned int level;
        pte_t *slot = pt_find_locked(p->mm, p->va, table, &level);
        bool there;

        if (slot == NULL)
            return NULL;
        there = level == HUGE_LEVEL && maps(pte_load(slot), head);
        if (there && huge_trylock(head))
            return slot;
        pt_unlock(*table);
        if (!there || !huge_is(head))
            return NULL;
        huge_wait(head);
    }
}

/* Puts the permissions back. */
static void undo(const struct place *p, struct page *from, pte_t was)
{
    struct page *table;
    pte_t *slot = lock_leaf(p, from, &table);

    if (slot == NULL)
        return; /* small entries without permissions: faults give them back */
    pte_store(slot, was);
    huge_unlock(from);
    pt_unlock(table);
}

/* Puts @to in the place of @from. */
static int finish(const struct place *p, struct page *from, struct page *to, pte_t was)
{
    struct huge_place at = {.mm = p->mm, .va = p->va};
    pte_t *slot = lock_leaf(p, from, &at.parent);
    bool locked;

    if (slot == NULL)
        return -EAGAIN;
    locked = huge_trylock(to); /* nobody knows it */
    BUG_ON(!locked);
    exchange(from, to, slot, was, &at);
    pt_unlock(at.parent);
    huge_put(from);
    return 0;
}

/* mmap_lock held for writing. */
static int move_own_locked(const struct place *p, struct page *from, struct page *to)
{
    struct vma *v = vma_lookup(p->mm, p->va);
    struct page *table;
    pte_t *slot, was;

    if (v == NULL)
        return -EAGAIN;
    vma_write_lock(v);
    slot = lock_leaf(p, from, &table);
    if (slot == NULL)
        return -EAGAIN;
    was = invalidate(p->mm, p->va, slot);
    huge_unlock(from);
    pt_unlock(table);
    if (!page_test(from, PG_EXCLUSIVE) || !is_idle(from)) {
        undo(p, from, was);
        return -EBUSY;
    }
    copy_whole(from, to);
    return finish(p, from, to, was);
}

static int move_own(struct page *from, struct page *to)
{
    struct place p = {.mm = NULL};
    int err;

    (void)rmap_try_walk_anon(from, note_owner, &p);
    if (p.mm == NULL)
        return -EAGAIN;
    mmap_write_lock(p.mm);
    err = move_own_locked(&p, from, to);
    mmap_write_unlock(p.mm);
    mm_put(p.mm);
    return err;
}

/* Fork takes PG_EXCLUSIVE away for a moment, to look for pins; with BUSY held it does not. When it
 * is not set then, it will not be while the mover has its reference. False: BUSY, or no huge page.
 */
static bool look_whose(struct page *head, bool *own)
{
    bool done;

    preempt_disable();
    done = huge_trylock(head);
    if (done) {
        *own = page_test(head, PG_EXCLUSIVE);
        huge_unlock(head);
    }
    preempt_enable();
    return done;
}

int migrate_huge(struct page *from, struct page *to)
{
    u64 w = huge_load(from);
    bool own;
    int err;

    ASSERT(from->kind == PAGE_ANON && to->kind == PAGE_ANON && page_mapcount(to) == 0);
    if (!(w & HUGE_IS) || huge_maps(w) == 0 || !look_whose(from, &own))
        err = -EAGAIN;
    else if (own)
        err = move_own(from, to);
    else if (huge_refs(w) != huge_maps(w) + 1 || !huge_pages_idle(from))
        err = -EBUSY;
    else
        err = move_shared(from, to);
    vmstat_inc(err ? VMSTAT_thp_migration_fail : VMSTAT_thp_migration_success);
    vmstat_add(err ? VMSTAT_pgmigrate_fail : VMSTAT_pgmigrate_success, huge_nr());
    return err;
}
