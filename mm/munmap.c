/* SPDX-License-Identifier: MIT */
/*
 * munmap.c: taking areas away: munmap(2), the end of an address space, and the part of mmap, mremap
 * and brk that makes room.
 *
 * In this order, because others look from both sides: (1) cut areas at the borders, the only step
 * that can fail; (2) write-lock the areas, clear their links to tables of objects (while they are
 * in the tree no neighbour can have a link there), and take them out of it, so that no fault starts
 * in them; (3) remove their entries; (4) take them off their objects' lists, so that truncation no
 * longer walks these tables; (5) free tables that serve nobody else; (6) one flush, then pages and
 * tables go back (tlb_gather_end); (7) file references and memory of the areas, after mmap_lock is
 * dropped.
 *
 * For a large range mmap_lock is kept only for reading from (3) on: the range is out of the tree
 * already, and nothing can be mapped into it before we let go.
 *
 * Locks: mmap_lock for writing, at the end perhaps for reading.
 * Invariants: I1 on an error nothing was unmapped (an area may have been cut in two); I2 the commit
 * charge of a page goes back exactly when its area does. Checked by vma_check,
 * tests/kernel/mm/mmap_ktest.c. Source: POSIX.1-2017 munmap; munmap(2). Read next: pt_default.c
 * (zap), rmap_file.c.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

#define DOWNGRADE_PAGES 512 /* from this size on others shall not wait for the walk */

/* Areas that left the tree, rising, chained through ->next; they lie between two that stay (or the
 * ends). */
struct removed {
    struct vma *first, *last;
    /* tables may serve others outside these; ceiling 0: the end of the user half */
    vaddr_t floor, ceiling;
    unsigned long nr_charged;
};

/* Makes @start and @end borders between areas. *first is the first area inside, NULL when there is
 * none. */
static int cut(struct mm *mm, vaddr_t start, vaddr_t end, struct vma **first)
{
    struct vma *v = vma_find(mm, start), *last;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    ASSERT(start < end && IS_ALIGNED(start | end, PAGE_SIZE));
    *first = NULL;
    if (!v || v->start >= end)
        return 0;
    if (start > v->start) {
        /* Only the cut that makes three out of one can exceed the limit for good. */
        if (end < v->end && mm->nr_vmas >= sysctl_max_map_count)
            return -ENOMEM;
        v = vma_split(v, start);
        if (IS_ERR(v))
            return (int)PTR_ERR(v);
    }
    last = v->end >= end ? v : vma_find(mm, end - 1);
    if (last && last->start < end && last->end > end) {
        struct vma *rest = vma_split(last, end);

        if (IS_ERR(rest))
            return (int)PTR_ERR(rest);
    }
    ASSERT(v->start >= start && v->start < end);
    *first = v;
    return 0;
}

/* Takes the areas from @v up to @end out of the tree and the counters. */
static struct removed take_out(struct tlb_gather *tlb, struct mm *mm, struct vma *v, vaddr_t end)
{
    struct removed r = { .first = v, .floor = v->prev ? v->prev->end : 0 };
    struct vma *next;

    ASSERT(v->start < end);
    for (; v && v->start < end; v = next) {
        next = v->next;
        ASSERT(v->end <= end); /* cut before */
        vma_write_lock(v);
        pt_unshare(tlb, v, v->start, v->end, PT_UNSHARE_unmap);
        vma_tree_remove(mm, v);
        vma_account(mm, v->flags, -(long)vma_pages(v));
        if (v->flags & VM_ACCOUNT)
            r.nr_charged += vma_pages(v);
        r.last = v;
    }
    ASSERT(!v || v->start >= end);
    r.last->next = NULL;
    r.ceiling = v ? v->start : 0;
    return r;
}

/* Tables, a group of near areas at a time: the walk over the empty entries between far ones would
 * cost more than all else. */
static void free_tables(struct tlb_gather *tlb, const struct removed *r)
{
    struct vma *begin = r->first, *end, *next;

    for (; begin; begin = next) {
        for (end = begin; (next = end->next) != NULL; end = next)
            if (next->start - end->end > pt_size(1) || next->pt_ops != begin->pt_ops)
                break;
        vma_ops(begin)->free_tables(tlb, begin->start, end->end, r->floor,
                                    next ? next->start : r->ceiling);
    }
}

/* Entries, lists, tables, flush of what take_out took. Ends the gather. */
static void clear_range(struct tlb_gather *tlb, struct mm *mm, const struct removed *r)
{
    struct vma *v;

    ASSERT(tlb->full_mm || r->first->detached);
    tlb->areas_go = true;
    for (v = r->first; v; v = v->next)
        vma_ops(v)->zap(tlb, v, v->start, v->end);
    if (unlikely(READ_ONCE(mm->nr_notifiers) != 0) && !tlb->full_mm)
        tlb_gather_flush(tlb); /* the object tells clients of areas on its list only */
    for (v = r->first; v; v = v->next)
        vma_mapping_unlink(v);
    free_tables(tlb, r);
    tlb_gather_end(tlb);
    ASSERT(!tlb->full_mm || (mm_rss(mm) == 0 && atomic_long_read(&mm->nr_shared) == 0));
    if (r->nr_charged)
        vm_uncommit(r->nr_charged);
}

static void chain(struct vma **dead, const struct removed *r)
{
    ASSERT(r->last->next == NULL);
    r->last->next = *dead;
    *dead = r->first;
}

int mm_unmap_locked(struct mm *mm, vaddr_t start, vaddr_t end, struct vma **dead)
{
    struct tlb_gather tlb;
    struct removed r;
    struct vma *first;
    int err = cut(mm, start, end, &first);

    if (err || !first)
        return err;
    tlb_gather_begin(&tlb, mm, false);
    r = take_out(&tlb, mm, first, end);
    clear_range(&tlb, mm, &r);
    chain(dead, &r);
    return 0;
}

/* As mm_unmap_locked, and mmap_write_unlock (early, where the range is large). */
static int mm_unmap_and_unlock(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct tlb_gather tlb;
    struct removed r;
    struct vma *first;
    int err = cut(mm, start, end, &first);

    if (err || !first) {
        mmap_write_unlock(mm);
        return err;
    }
    tlb_gather_begin(&tlb, mm, false);
    r = take_out(&tlb, mm, first, end);
    if (end - start >= DOWNGRADE_PAGES << PAGE_SHIFT) {
        mmap_write_downgrade(mm);
        clear_range(&tlb, mm, &r);
        mmap_read_unlock(mm);
    } else {
        clear_range(&tlb, mm, &r);
        mmap_write_unlock(mm);
    }
    vma_free_chain(r.first);
    return 0;
}

void mm_unmap_all(struct mm *mm)
{
    struct removed r = { .first = mm->first_vma, .last = mm->last_vma };
    struct tlb_gather tlb;

    ASSERT(atomic_read(&mm->users) == 0);
    if (!r.first) {
        mm_leave_cpus(mm);
        return;
    }
    mmap_write_lock(mm);
    tlb_gather_begin(&tlb, mm, true);
    for_each_vma(v, mm) {
        if (v->flags & VM_ACCOUNT)
            r.nr_charged += vma_pages(v);
        if (unlikely(v->flags & VM_LOCKED))
            vma_write_lock(v); /* who moves its pages puts them back first (rmap_file.c) */
        pt_unshare(&tlb, v, v->start, v->end, PT_UNSHARE_unmap);
    }
    clear_range(&tlb, mm, &r);
    mm->vmas = RB_ROOT;
    mm->first_vma = mm->last_vma = NULL;
    mm->nr_vmas = 0;
    mmap_write_unlock(mm);
    vma_free_chain(r.first);
}

int mm_munmap(struct mm *mm, vaddr_t start, size_t len)
{
    vaddr_t top = user_top();
    int err;

    if (!IS_ALIGNED(start, PAGE_SIZE) || start > top || len > top - start || len == 0)
        return -EINVAL;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    return mm_unmap_and_unlock(mm, start, start + PAGE_ALIGN(len));
}

SYSCALL2(munmap, vaddr_t, start, size_t, len)
{
    return mm_munmap(current->mm, start, len);
}
