/* SPDX-License-Identifier: MIT */
/*
 * rmap_file.c: from an object to the translations of its pages, in every address space that maps
 * it.
 *
 * The object's list has one entry per area; the part of an area that a range of pages falls into is
 * arithmetic. Truncation and hole punching use it, after the object's size or contents were
 * changed, so that later faults see the change.
 *
 * Tables that the object owns are dealt with first, once for all; the areas' walks pass over them.
 * One that an address space takes over meanwhile is met by the one way or the other.
 *
 * A table that fork shared loses no leaf as long as several have it. So before pages are unmapped
 * for good, all users of such tables of the range leave them, each under his mmap_lock and with
 * memory that is waited for: the caller holds no lock that ranks behind MMAP. New ones come under
 * vmas_lock for writing only (pt_share_fork.c), so what is found with it held is true until it is
 * dropped; a mark keeps forks from making new ones in the meantime, so that there is an end. Who
 * moves pages leaves those in such tables where they are.
 *
 * Locks: mapping->vmas_lock for reading: it keeps areas on the list, their ranges and their own
 * tables (which are freed only after the area left the list). mmap_lock of those who leave, before.
 * Invariants: I1 on return no translation of the pages is left, apart from faults that began later.
 * Checked by tests/kernel/mm/madvise_ktest.c, tests/user/share_fork_file_test.c,
 * models/fork_cut.pml. Read next: page_cache.c (mapping_truncate),
 * pt_default_range.c (zap).
 */
#include <asm/errno.h>
#include <kernel/sched.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>
#include "migrate_internal.h"
#include "pt_internal.h"
#include "vma_internal.h"

/* The part of @v that maps pages [first, last): false when there is none. */
static bool overlap(const struct vma *v, u64 first, u64 last, vaddr_t *start, vaddr_t *end)
{
    u64 from = v->pgoff, to = v->pgoff + vma_pages(v);

    if (first >= to || last <= from)
        return false;
    ASSERT(v->start < v->end); /* it may have left the tree already: munmap unlinks it last */
    *start = first <= from ? v->start : v->start + ((first - from) << PAGE_SHIFT);
    *end = last >= to ? v->end : v->start + ((last - from) << PAGE_SHIFT);
    ASSERT(*start >= v->start && *start < *end && *end <= v->end);
    return true;
}

/* vmas_lock held. */
static void unmap_range(struct mapping *m, u64 first, u64 last, bool even_cow)
{
    struct tlb_gather tlb;
    vaddr_t start, end;
    struct vma *v;

    lock_assert_held(&m->vmas_lock);
    ASSERT(first < last);
    pt_share_zap(m, first, last);
    list_for_each_entry (v, &m->vmas, mapping_link) {
        if (!overlap(v, first, last, &start, &end))
            continue;
        tlb_gather_begin(&tlb, v->mm, false);
        tlb.keep_private = !even_cow;
        vma_ops(v)->zap(&tlb, v, start, end);
        tlb_gather_end(&tlb);
    }
}

/* ---- tables that fork shared ---- */

/*
 * An address space, with a users reference, that has tables of the range which fork shared; NULL:
 * none, as long as vmas_lock is held. One that is dying has no accesses, faults or forks any more;
 * what its links lead to goes with them.
 */
static struct mm *find_sharer(struct mapping *m, u64 first, u64 last)
{
    vaddr_t start, end;
    struct vma *v;

    lock_assert_held(&m->vmas_lock);
    list_for_each_entry (v, &m->vmas, mapping_link)
        if (READ_ONCE(v->has_shared) && !(v->flags & VM_SHARED) &&
            overlap(v, first, last, &start, &end) && pt_fork_has_links(v, start, end) &&
            atomic_inc_not_zero(&v->mm->users))
            return v->mm;
    return NULL;
}

/* False: no memory for all of it now. */
static bool leave(struct mm *mm, struct mapping *m, u64 first, u64 last)
{
    vaddr_t start, end;
    int err = 0;

    mmap_write_lock(mm);
    for_each_vma (v, mm)
        if (err == 0 && v->mapping == m && overlap(v, first, last, &start, &end))
            err = pt_fork_leave(v, start, end);
    mmap_write_unlock(mm);
    mm_put_later(mm); /* locks are held that rank before those of the last user's end */
    return err == 0;
}

/* vmas_lock is held on return, and nobody who lives has such a table of the range. */
static void lock_without_sharers(struct mapping *m, u64 first, u64 last)
{
    struct mm *mm;

    rwsem_read_lock(&m->vmas_lock);
    mm = find_sharer(m, first, last);
    if (likely(mm == NULL))
        return;
    atomic_inc(&m->nr_cuts); /* what has been left is not shared again: so there is an end */
    do {
        rwsem_read_unlock(&m->vmas_lock);
        if (!leave(mm, m, first, last))
            sched_yield_current();
        rwsem_read_lock(&m->vmas_lock);
        mm = find_sharer(m, first, last);
    } while (mm != NULL);
    atomic_dec(&m->nr_cuts);
}

void mapping_unmap_range(struct mapping *m, u64 first, u64 last, bool even_cow)
{
    lock_without_sharers(m, first, last);
    unmap_range(m, first, last, even_cow);
    rwsem_read_unlock(&m->vmas_lock);
}

/* ---- for who moves pages ---- */

/* Where @v maps page @p, if it does so at all. */
static bool place_of(const struct vma *v, const struct page *p, vaddr_t *va)
{
    vaddr_t end;

    return overlap(v, p->index, p->index + (1UL << p->order), va, &end);
}

static bool may_map_any(const struct mapping_unmapped *u, const struct vma *v)
{
    vaddr_t va;

    for (unsigned int i = 0; i < u->nr; i++)
        if (place_of(v, u->pages[i], &va))
            return true;
    return false;
}

/* Which of the pages are mapped in @a. Its area is read-locked, so they stay, but for truncation.
 */
static void note_leaves(const struct mapping_unmapped *u, struct locked_area *a)
{
    for (unsigned int i = 0; i < u->nr; i++) {
        struct page *table;
        unsigned int level;
        pte_t *slot, e;
        vaddr_t va;

        if (!place_of(a->v, u->pages[i], &va))
            continue;
        slot = pt_find_locked(a->v->mm, va, &table, &level);
        if (slot == NULL)
            continue;
        e = pte_load(slot);
        pt_unlock(table);
        if (level != 0 || !pte_is_leaf(e, 0) || pte_page(e, 0) != u->pages[i])
            continue;
        a->had |= 1u << i;
        if (pte_prot(e, 0) & PT_W)
            a->wrote |= 1u << i;
    }
}

static int hold_area(struct mapping_unmapped *u, struct vma *v)
{
    struct locked_area *a = &u->locked[u->nr_locked];

    ASSERT(v->level == 0); /* what is paid for in advance is not locked (mlock.c) */
    if (u->nr_locked == MAX_LOCKED_AREAS)
        return -EBUSY;
    if (!vma_read_trylock(v))
        return -EAGAIN;
    u->nr_locked++;
    *a = (struct locked_area){.v = v};
    note_leaves(u, a);
    return 0;
}

static bool is_held(const struct mapping_unmapped *u, const struct vma *v)
{
    for (unsigned int i = 0; i < u->nr_locked; i++)
        if (u->locked[i].v == v)
            return true;
    return false;
}

/* Neighbours in pages[] that are neighbours in the object go together. The end of the run that
 * begins with page @i. */
static unsigned int run_end(const struct mapping_unmapped *u, unsigned int i)
{
    u64 next = u->pages[i]->index + (1UL << u->pages[i]->order);

    while (++i < u->nr && u->pages[i]->index == next)
        next += 1UL << u->pages[i]->order;
    return i;
}

static void unmap_pages(const struct mapping_unmapped *u, struct vma *v)
{
    struct tlb_gather tlb;
    vaddr_t start, end;

    if (!may_map_any(u, v))
        return;
    tlb_gather_begin(&tlb, v->mm, false);
    tlb.keep_private = true;
    for (unsigned int i = 0, next; i < u->nr; i = next) {
        const struct page *last;

        next = run_end(u, i);
        last = u->pages[next - 1];
        if (overlap(v, u->pages[i]->index, last->index + (1UL << last->order), &start, &end))
            vma_ops(v)->zap(&tlb, v, start, end);
    }
    tlb_gather_end(&tlb);
}

int mapping_unmap_begin(struct mapping_unmapped *u, struct mapping *m, struct page *const *pages,
                        unsigned int n)
{
    struct vma *v;
    int err = 0;

    *u = (struct mapping_unmapped){.m = m, .pages = pages, .nr = n};
    if (!rwsem_read_trylock(&m->vmas_lock))
        return -EAGAIN;
    list_for_each_entry (v, &m->vmas, mapping_link)
        if (err == 0 && (READ_ONCE(v->flags) & VM_LOCKED) && may_map_any(u, v))
            err = hold_area(u, v);
    if (err) {
        mapping_unmap_end(u);
        return err;
    }
    for (unsigned int i = 0, next; i < n; i = next) {
        next = run_end(u, i);
        pt_share_zap(m, pages[i]->index, pages[next - 1]->index + (1UL << pages[next - 1]->order));
    }
    list_for_each_entry (v, &m->vmas, mapping_link)
        if (!(READ_ONCE(v->flags) & VM_LOCKED) || is_held(u, v))
            unmap_pages(u, v); /* from an area that was locked just now they do not go */
    return 0;
}

void mapping_put_back(const struct mapping_unmapped *u, unsigned int i, struct page *p)
{
    ASSERT(page_test(p, PG_LOCKED));
    for (const struct locked_area *a = u->locked; a < u->locked + u->nr_locked; a++) {
        bool write = (a->wrote >> i & 1) != 0;
        struct page *table;
        unsigned int level;
        vaddr_t va;
        pte_t *slot;

        if (!(a->had >> i & 1) || !place_of(a->v, p, &va))
            continue;
        slot = pt_find_locked(a->v->mm, va, &table, &level);
        if (slot == NULL)
            continue;
        if (level == 0 && pte_is_none(pte_load(slot))) {
            pte_t e = pte_make_leaf(page_to_phys(p), 0, write ? vma_prot(a->v) : vma_prot_ro(a->v));

            page_map_inc(p);
            page_get(p);
            pte_store(slot, pte_with_state(e, write ? PT_YOUNG | PT_DIRTY : PT_YOUNG));
            table->pt_used++;
            pt_count_object_pages(a->v, table, 1);
        }
        pt_unlock(table);
    }
}

void mapping_unmap_end(struct mapping_unmapped *u)
{
    while (u->nr_locked != 0)
        vma_read_unlock(u->locked[--u->nr_locked].v);
    rwsem_read_unlock(&u->m->vmas_lock);
}
