/* SPDX-License-Identifier: MIT */
/*
 * hash_flush.c: what has left the tree leaves the hash table, and what differs from the tree leaves
 * the SLBs.
 *
 * A removed entry is gone from every CPU's TLB when the hypervisor call returns. SLB entries are
 * each CPU's own: one round of calls makes the CPUs that run the address space compare theirs with
 * the tree. A table that several address spaces link has one segment number, so removing its
 * entries once serves all; but where its number may have been another, or has just been taken away
 * by somebody who will ask the CPUs later, all of them are asked.
 *
 * Small ranges are looked up page by page, until the segment has no entry left. Where that would
 * cost more than it saves, the segment's number is retired instead, and the neighbours fill again.
 *
 * Locks: the caller keeps the leaves' tables or has unlinked them; a look at the tree is a walk.
 * Invariants: I1 on return no CPU can use a translation that was not in the tree at the last
 * mmu_quiesce_walkers. Checked by tests/kernel/mm/tlb_ktest.c, models/hash_refill.pml. Read next:
 * radix.c.
 */
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

#define SEGMENT_SHIFT 28
#define SEGMENT_SIZE  (1UL << SEGMENT_SHIFT)

/* A range of more pages than this, and half as many pages as the segment has entries, is not looked
 * up: a removal costs about as much as filling an entry again, and makes all CPUs drop their TLBs.
 */
#define LOOKUPS_MAX 32u

struct flush {
    struct mm *mm;
    vaddr_t start, end;
    bool everywhere; /* CPUs that others than @mm run on may have a retired number */
};

/* Takes the number of @table away if it still is @seg. If not, who took it may not have asked the
 * CPUs yet. */
static void retire(struct flush *f, struct page *table, u64 seg)
{
    bool ours = seg != 0 && cmpxchg(&table->pt_private, seg, 0) == seg;

    if (READ_ONCE(table->pt_shared) != 0) /* behind the exchange: who links it now counts */
        f->everywhere = true;
    if (ours)
        seg_retire(seg);
}

/* Pages of the segment's base size in [start, end), which lies in one segment. Interrupts are let
 * in from time to time. */
static void remove_pages(u64 seg, vaddr_t start, vaddr_t end)
{
    unsigned int base = seg_base_shift(seg);
    vaddr_t va = ALIGN_DOWN(start, 1UL << base);

    while (va < end && seg_nr_entries(seg) != 0) {
        struct hpt_batch batch = {.nr = 0};
        unsigned long irq = irq_save();

        for (unsigned int i = 0; i < HPT_SLICE && va < end; i++, va += 1UL << base) {
            struct hpt_key k = hpt_key(seg_vsid(seg), va, base, false);

            hpt_batch_add(&batch, &k);
        }
        hpt_batch_end(&batch);
        irq_restore(irq);
    }
}

/*
 * Bytes [start, end), up to a segment, of what @table maps: the addresses of @f->mm there, or of
 * none in particular. True: entries are to be removed page by page, with the number *seg. The table
 * is kept by the caller, or a walk is under way.
 */
static bool flush_part(struct flush *f, struct page *table, vaddr_t start, vaddr_t end, u64 *seg)
{
    u64 pages;

    *seg = READ_ONCE(table->pt_private);
    /* No number: who took it may not have asked the CPUs yet. */
    if (*seg == 0 || (*seg & SEG_CHANGED)) {
        smp_rmb(); /* a table is counted as linked before it has a number */
        if (READ_ONCE(table->pt_shared) != 0)
            f->everywhere = true;
    }
    if (*seg == 0)
        return false;
    pages = ((end - start - 1) >> seg_base_shift(*seg)) + 1;
    if (end - start != SEGMENT_SIZE &&
        (pages <= LOOKUPS_MAX || 2 * pages < seg_nr_entries(*seg)))
        return true;
    if (seg_nr_entries(*seg) != 0)
        retire(f, table, *seg);
    return false;
}

/* The segment of @start, up to @end. Returns the end of what was dealt with: more than a segment
 * where the tree has a larger hole. */
static vaddr_t flush_segment(struct flush *f, vaddr_t start, vaddr_t end)
{
    vaddr_t next;
    unsigned long irq = irq_save();
    struct hash_walk w;
    bool by_page;
    u64 seg;

    hash_walk_begin();
    hash_walk(f->mm, start, &w);
    next = pt_next(start, end, max(w.level, 2u));
    by_page = w.segment != NULL && flush_part(f, w.segment, start, next, &seg);
    hash_walk_end();
    irq_restore(irq);
    if (by_page)
        remove_pages(seg, start, next);
    return next;
}

static void check_call(void *arg)
{
    const struct flush *f = arg;

    slb_check(f->mm, f->start, f->end);
}

static void drop_call(void *arg)
{
    (void)arg;
    slb_drop_user();
}

static void finish(struct flush *f)
{
    if (f->everywhere)
        smp_call_on((cpumask_t){~0UL}, drop_call, NULL);
    ppc_flush_round(f->mm, check_call, f);
    seg_sweep(false);
}

static void flush_segments(struct flush *f)
{
    for (vaddr_t va = f->start; va < f->end;)
        va = flush_segment(f, va, f->end);
}

/*
 * One page of an address space that only this CPU runs: what nearly all flushes are of. False:
 * nothing is done, since the segment has no number or had another one somewhere. Interrupts off.
 */
static bool flush_page_here(struct mm *mm, vaddr_t va)
{
    const pte_t *table;
    bool done = false;
    u64 links, seg;

    hash_walk_begin(); /* full barrier: entries changed before, mm->cpus read after */
    table = hash_walk_segment(mm->root, va, &links);
    seg = table != NULL ? READ_ONCE(pt_table_page(table)->pt_private) : 0;
    if (seg != 0 && !(seg & SEG_CHANGED) && !(links & (PPC_LINK_NOW | PPC_LINK_NOX)) &&
        READ_ONCE(mm->cpus.bits) == 1UL << smp_processor_id() && this_cpu()->active_mm == mm) {
        unsigned int base = seg_base_shift(seg);
        struct hpt_key k = hpt_key(seg_vsid(seg), va, base, false);

        if (seg_nr_entries(seg) != 0)
            (void)hpt_remove(k, seg);
        if (!slb_has_small(va, seg, 0))
            (void)slb_check_one(va, seg, PT_RWXU);
        done = true;
    }
    hash_walk_end();
    return done;
}

void hash_flush_range(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct flush f = {.mm = mm, .start = start, .end = end};

    if (end - start == PAGE_SIZE) {
        unsigned long irq = irq_save();
        bool done = flush_page_here(mm, start);

        irq_restore(irq);
        if (likely(done)) {
            vmstat_inc(VMSTAT_tlb_flush_local);
            return;
        }
    }
    flush_segments(&f);
    finish(&f);
}

bool hash_flush_begin(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct flush f = {.mm = mm, .start = start, .end = end};

    flush_segments(&f);
    seg_sweep(false);
    return f.everywhere;
}

/* Takes the number of the segment of @va away; returns what is behind it, or behind the hole. */
static vaddr_t retire_at(struct flush *f, vaddr_t va)
{
    unsigned long irq = irq_save();
    struct hash_walk w;

    hash_walk_begin();
    hash_walk(f->mm, va, &w);
    if (w.segment != NULL)
        retire(f, w.segment, READ_ONCE(w.segment->pt_private));
    hash_walk_end();
    irq_restore(irq);
    return pt_next(va, f->end, max(w.level, 2u));
}

/* The areas say where tables are: the upper ones, of 512 entries each, need not be looked through.
 */
void hash_flush_mm(struct mm *mm)
{
    struct flush f = {.mm = mm, .end = user_top()};
    vaddr_t done = 0;

    for (const struct vma *v = mm->first_vma; v != NULL; v = v->next)
        for (vaddr_t va = max(v->start, done); va < v->end; va = done)
            done = retire_at(&f, va);
    finish(&f);
}

void mmu_flush_table(struct page *table, u64 start, u64 end)
{
    struct flush f = {.mm = NULL};
    u64 seg;

    ASSERT(ppc_mmu.radix || (table->level == 1 && end <= SEGMENT_SIZE));
    if (ppc_mmu.radix)
        return;
    if (flush_part(&f, table, start, end, &seg))
        remove_pages(seg, start, end);
    if (f.everywhere)
        smp_call_on((cpumask_t){~0UL}, drop_call, NULL);
    seg_sweep(false);
}

void mmu_forget(struct page *table)
{
    if (ppc_mmu.radix || table->level != 1 || table->pt_private == 0)
        return;
    seg_retire(table->pt_private);
    table->pt_private = 0;
    seg_sweep(false);
}
