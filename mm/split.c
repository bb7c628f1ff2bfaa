/* SPDX-License-Identifier: MIT */
/*
 * split.c: split_huge_page: a huge page becomes 2^huge_order() small ones, at once and for all.
 *
 *   1  the frame becomes small: one atomic step on its word, which also takes the leaf entries'
 *      references out of it and keeps the list of them as it is (BUSY)
 *   2  each subpage gets the fields of a small page, then, in one atomic step on its word, loses
 *      PAGE_TAIL and gains what the whole was worth
 *   3  each leaf entry, under its table's lock: invalid
 *   4  one flush for all address spaces
 *   5  each leaf entry, under its table's lock: table of small entries
 *
 * From 1 on whoever meets such a leaf under its table's lock cannot make the frame BUSY, so waits
 * and finds the table; programs go on using it through the leaf until 3. No address space can see
 * small entries while a change through a leaf of another is still possible. Pins stay where they
 * are, in the subpages' words. The invalid entry is a leaf without permissions, not an empty one:
 * who looks without a lock must not take it for a hole. What it was is kept in the first entry of
 * the table that it owns. An address space stays while it has such a leaf: to remove that takes
 * BUSY.
 *
 * The order invalid, flush, new size is what both vendors ask for: no TLB may hold two sizes for
 * one address. Source: AMD erratum 383; Intel SDM volume 3 section 4.10.2.3.
 *
 * Locks: PT of one table at a time. Allocates nothing (a debug build panics if it does), waits for
 * nobody but holders of BUSY and PT, and for the CPUs that flush.
 * Invariants: I1 the number of leaf entries replaced is the M of step 1; I2 an invalid leaf stays
 * as it is until it is replaced. Checked by tests/kernel/mm/thp_ktest.c, tlb_ktest.c,
 * models/split.pml. Read next: thp.c.
 */
#include <kernel/preempt.h>
#include <kernel/task.h>
#include "huge_internal.h"
#include "pt_internal.h"
#include "thp_internal.h"

/* Not pt_internal.h's, which want the link back first: here the leaf above is without permissions
 * while a part changes, and the link comes when both have been flushed. */
#undef pte_store
#undef pte_cmpxchg

/* Step 2's first half: what a small page of anonymous memory says about itself. */
static void set_fields(struct page *head, u64 maps)
{
    u32 flags = READ_ONCE(head->flags) & ~PG_HAD_PINS;

    ASSERT(head->kind == PAGE_ANON && head->mapcount == (s32)maps);
    if (flags != head->flags)
        page_clear(head, PG_HAD_PINS);
    head->mapcount = (s32)maps;
    for (unsigned long i = 1; i < huge_nr(); i++) {
        struct page *p = head + i;

        page_set(p, flags); /* a pin may be setting one, too */
        p->mapcount = (s32)maps;
        p->family = head->family;
        p->index = head->index + i;
    }
}

/* The small entries that stand for @leaf. */
static void fill(struct page *table, pte_t leaf)
{
    const unsigned int low = HUGE_LEVEL - 1;
    pte_t *base = page_to_virt(table);
    paddr_t pa = pte_paddr(leaf, HUGE_LEVEL);
    pt_prot_t prot = pte_prot(leaf, HUGE_LEVEL);
    unsigned int state = pte_state(leaf);

    ASSERT(table->level == low && IS_ALIGNED(pa, pt_size(HUGE_LEVEL)));
    for (unsigned int i = 0; i < pt_entries(low); i++, pa += pt_size(low))
        pte_store(base + i, pte_with_state(pte_make_leaf(pa, low, prot), state));
}

static pte_t *slot_of(const struct huge_place *at)
{
    return (pte_t *)page_to_virt(at->parent) + pt_index(at->va, HUGE_LEVEL);
}

/* Step 3 for one leaf: it loses its permissions, and so does a larger one above its table; what it
 * was at last goes into @table. Returns the level of the largest. */
static unsigned int invalidate(const struct page *head, struct page *table,
                               const struct huge_place *at)
{
    unsigned int level = HUGE_LEVEL;
    pte_t *slot = slot_of(at), e;

    pt_lock(at->parent);
    if (unlikely(pt_is_gib(at->parent))) {
        gib_invalidate(at->parent, at->va);
        level = GIB_LEVEL;
    }
    e = pte_load(slot);
    while (!pte_cmpxchg(slot, &e, pte_with_prot(e, HUGE_LEVEL, 0)))
        ;
    pt_unlock(at->parent);
    BUG_ON(!pte_is_leaf(e, HUGE_LEVEL) || pte_paddr(e, HUGE_LEVEL) != page_to_phys(head));
    pte_store(page_to_virt(table), e);
    return level;
}

static void invalidate_all(struct page *head)
{
    struct tlb_batch batch = TLB_BATCH_INIT;
    struct page *table = NULL;
    struct huge_place at;

    while ((table = huge_next(head, table, &at)) != NULL) {
        vaddr_t size = pt_size(invalidate(head, table, &at));
        vaddr_t start = ALIGN_DOWN(at.va, size);

        tlb_batch_add(&batch, at.mm, start, start + size, HUGE_LEVEL); /* the smallest changed */
    }
    tlb_batch_end(&batch);
}

/* Step 5 for one leaf. @last: nobody needs to wait for this frame any more. */
static void replace_leaf(struct page *head, struct page *table, const struct huge_place *at,
                         bool last)
{
    pte_t *slot = slot_of(at), leaf = pte_load(page_to_virt(table));

    ASSERT(table->pt_mm == at->mm && at->parent->pt_mm == at->mm);
    pt_table_ready(table);
    table->flags = PG_HAD_PINS; /* the whole's mark may be set by a pin right now */
    fill(table, leaf);
    pt_lock(at->parent);
    ASSERT(pte_load(slot).v == pte_with_prot(leaf, HUGE_LEVEL, 0).v);
    table->pt_used = pt_entries(HUGE_LEVEL - 1);
    pte_store(slot, pte_make_table(page_to_phys(table), PT_RWXU));
    if (unlikely(pt_is_gib(at->parent))) /* since step 3, so the flush was behind that, too */
        gib_link(at->parent, at->va);
    if (last)
        huge_unlock(head);
    pt_unlock(at->parent);
}

static void split_taken(struct page *head, u64 w)
{
    u64 left = huge_maps(w);
    struct huge_place at;
    struct page *table;

    set_fields(head, left);
    if (left != 0)
        thp_count_mapped(-1);
    huge_release_pages(head, huge_refs(w) * PAGE_REF + huge_pins(w) * PAGE_PIN);
    if (left == 0) /* nobody maps it, and the frame is others' already */
        return;
    invalidate_all(head);
    while (left-- != 0) {
        table = huge_pop(head, &at);
        BUG_ON(table == NULL);
        ASSERT(list_empty(&head->link) == (left == 0)); /* I1 */
        replace_leaf(head, table, &at, left == 0);
    }
}

void split_huge_page(struct page *p)
{
    struct page *head = huge_head(p);
    u64 w;

    ASSERT(irqs_enabled());
    if (huge_words == NULL)
        return;
    preempt_disable();
    current->flags |= TF_NOALLOC;
    if (huge_take_whole(head, &w)) {
        split_taken(head, w);
        vmstat_inc(VMSTAT_thp_split_page);
        vmstat_add(VMSTAT_thp_split_pmd, huge_maps(w));
    }
    current->flags &= ~TF_NOALLOC;
    preempt_enable();
}
