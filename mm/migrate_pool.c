/* SPDX-License-Identifier: MIT */
/*
 * migrate_pool.c: a private page of a pool moves to another page of its pool.
 *
 * Such a page is found by its leaves only (hugetlb.h), so who wants it moved says where it is
 * mapped. It moves when the process has it for itself: its only leaf loses its permissions, under
 * mmap_lock for writing and the area's lock, for the time of the copy. What can still happen is
 * that the object is truncated, which takes the leaf away.
 *
 * Locks: mmap_lock for writing and the area's lock; PT. Invariants: those of pt_hugetlb.c and
 * migrate.c. Checked by tests/user/hugetlb_migrate_test.c. Read next: compact.c.
 */
#include <mm/migrate.h>
#include "pt_internal.h"

/* The leaf at @at, its table locked, while it is @e but for what hardware marks; or NULL. */
static pte_t *lock_leaf(struct mm *mm, vaddr_t va, pte_t e, struct page **table)
{
    unsigned int level;
    pte_t *slot = pt_find_locked(mm, va, table, &level);

    if (slot == NULL || pte_with_state(pte_load(slot), 0).v == pte_with_state(e, 0).v)
        return slot;
    pt_unlock(*table);
    return NULL;
}

static void copy_whole(struct page *from, struct page *to)
{
    for (unsigned long i = 0; i < 1UL << from->order; i++)
        copy_page(page_to_virt(to + i), page_to_virt(from + i));
    to->index = from->index;
    page_set(to, READ_ONCE(from->flags) & (PG_DIRTY | PG_UPTODATE | PG_EXCLUSIVE));
}

/* Nobody but leaf and mover has it; the leaf allows nothing any more. */
static bool is_idle(const struct page *p)
{
    smp_mb(); /* the entry before the counts; pairs with gup.c, F3 and F4 */
    return page_test(p, PG_EXCLUSIVE) &&
           __atomic_load_n(&p->word, __ATOMIC_ACQUIRE) == 2 * PAGE_REF;
}

/* The leaf at @va, without permissions, maps @to as @was did @from. */
static int finish(struct vma *v, vaddr_t va, pte_t was, struct page *from, struct page *to)
{
    pte_t blocked = pte_with_prot(was, v->level, 0), new;
    struct page *table;
    pte_t *slot = lock_leaf(v->mm, va, blocked, &table);

    if (slot == NULL)
        return -EAGAIN;
    page_map_inc(to);
    page_get(to);
    new = pte_make_leaf(page_to_phys(to), v->level, pte_prot(was, v->level));
    huge_exchange(to, from);
    pte_store(slot, pte_with_state(new, pte_state(was)));
    page_map_dec(from);
    pt_unlock(table);
    page_put(from); /* never the last: the caller's stays */
    return 0;
}

/* @va is the leaf's first address. */
static int move_leaf(struct vma *v, vaddr_t va, struct page *from, struct page *to)
{
    pte_t e, blocked;
    struct page *table;
    unsigned int level;
    pte_t *slot = pt_find_locked(v->mm, va, &table, &level);

    if (slot == NULL)
        return -EAGAIN;
    e = pte_load(slot);
    if (level != v->level || !pte_is_leaf(e, level) || pte_page(e, level) != from) {
        pt_unlock(table);
        return -EAGAIN;
    }
    do
        blocked = pte_with_prot(e, level, 0);
    while (!pte_cmpxchg(slot, &e, blocked));
    mmu_quiesce_walkers(v->mm);
    mm_flush_range(v->mm, va, va + pt_size(level), level);
    pt_unlock(table);
    if (is_idle(from)) {
        copy_whole(from, to);
        return finish(v, va, e, from, to);
    }
    slot = lock_leaf(v->mm, va, blocked, &table);
    if (slot != NULL) {
        pte_store(slot, e);
        pt_unlock(table);
    }
    return -EBUSY;
}

int migrate_private(struct mm *mm, vaddr_t va, struct page *from)
{
    struct page *to = huge_borrow(huge_pool_by_size(PAGE_SIZE << from->order));
    int err = -EAGAIN;
    struct vma *v;

    ASSERT(huge_is_private(from) && page_refs(from) > 0);
    if (to == NULL)
        return -ENOMEM;
    mmap_write_lock(mm);
    v = vma_lookup(mm, va);
    if (v != NULL) {
        vma_write_lock(v);
        err = move_leaf(v, ALIGN_DOWN(va, pt_size(v->level)), from, to);
    }
    mmap_write_unlock(mm);
    page_put(to);
    vmstat_add(err ? VMSTAT_pgmigrate_fail : VMSTAT_pgmigrate_success, 1UL << from->order);
    return err;
}
