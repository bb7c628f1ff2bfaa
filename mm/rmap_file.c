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
 * Locks: mapping->vmas_lock for reading: it keeps areas on the list, their ranges and their own
 * tables (which are freed only after the area left the list). Not mmap_lock: the caller may hold
 * locks that rank behind it.
 * Invariants: I1 on return no translation of the pages is left, apart from faults that began later.
 * Checked by tests/kernel/mm/madvise_ktest.c. Read next: page_cache.c (mapping_truncate),
 * pt_default_range.c (zap).
 */
#include <asm/errno.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>
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
    list_for_each_entry(v, &m->vmas, mapping_link) {
        if (!overlap(v, first, last, &start, &end))
            continue;
        tlb_gather_begin(&tlb, v->mm, false);
        tlb.keep_private = !even_cow;
        vma_ops(v)->zap(&tlb, v, start, end);
        tlb_gather_end(&tlb);
    }
}

void mapping_unmap_range(struct mapping *m, u64 first, u64 last, bool even_cow)
{
    rwsem_read_lock(&m->vmas_lock);
    unmap_range(m, first, last, even_cow);
    rwsem_read_unlock(&m->vmas_lock);
}

/* Is any of the pages mapped where no fault may come later? vmas_lock held. */
static bool any_locked(struct mapping *m, u64 first, u64 last)
{
    vaddr_t start, end;
    struct vma *v;

    lock_assert_held(&m->vmas_lock);
    list_for_each_entry (v, &m->vmas, mapping_link)
        if ((READ_ONCE(v->flags) & VM_LOCKED) && overlap(v, first, last, &start, &end))
            return true;
    return false;
}

int mapping_try_unmap_range(struct mapping *m, u64 first, u64 last)
{
    int err = 0;

    if (!rwsem_read_trylock(&m->vmas_lock))
        return -EAGAIN;
    if (any_locked(m, first, last))
        err = -EBUSY;
    else
        unmap_range(m, first, last, false);
    rwsem_read_unlock(&m->vmas_lock);
    return err;
}
