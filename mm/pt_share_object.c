/* SPDX-License-Identifier: MIT */
/*
 * pt_share_object.c: what an object does to the page tables that it owns: pages leave it, and their
 * leaves with them, once for all users.
 *
 * The entries are changed in place, links stay. One round of calls reaches every CPU: whoever runs
 * an address space that has links, or has cleared some and not flushed yet, drops its translations
 * (mm_cpu_shares). Nobody looks for the users, so 1,000 of them cost what one does.
 *
 * Locks: share_lock, PT of one table inside; the caller has the mapping's vmas_lock for reading.
 * Invariants: I1 a page is put only after the round. Checked by tests/kernel/mm/share_ktest.c. Read
 * next: pt_share_check.c.
 */
#include "pt_share_internal.h"

/* Bytes [from, to) of the span of the table that is looked at go. */
struct zap {
    struct tlb_gather *tlb;
    u64 first, last; /* pages of the object */
};

/* Entries of @table, whose span begins at @at of the named table's, for bytes [from, to) of that.
 */
static void zap_table(struct tlb_gather *t, struct page *table, u64 at, u64 from, u64 to)
{
    unsigned int level = table->level;
    pte_t *base = page_to_virt(table);
    u64 size = pt_size(level), first = (max(from, at) - at) / size;
    u64 last = (min(to - at, size * pt_entries(level)) - 1) / size;

    pt_lock(table);
    for (u64 i = first; i <= last && table->pt_used != 0; i++) {
        pte_t e = pte_load(base + i);
        struct page *child;

        if (pte_is_none(e))
            continue;
        if (pte_is_table(e, level)) {
            child = pt_table_page(pt_link_table(e, level));
            if (share_of(child)->indexed)
                continue;     /* it is met by itself */
            pt_unlock(table); /* links stay while share_lock is held */
            zap_table(t, child, at + i * size, from, to);
            pt_lock(table);
            continue;
        }
        e = pte_xchg(base + i, pte_none());
        table->pt_used--;
        tlb_gather_range(t, at + i * size, at + (i + 1) * size, level);
        if (share_drop_page(t, e, level))
            tlb_gather_flush(t);
    }
    pt_unlock(table);
}

static void zap_one(struct pt_share *d, void *arg)
{
    struct zap *z = arg;
    u64 span = pt_size(d->key.level + 1), base = d->key.first;
    u64 from = 0, to = span;

    /* Pages of the object may begin inside the span, and first lie before it: compare differences.
     */
    if ((s64)(z->first - base) > 0)
        from = (z->first - base) << PAGE_SHIFT;
    if (z->last - base < span >> PAGE_SHIFT)
        to = (z->last - base) << PAGE_SHIFT;
    tlb_gather_named(z->tlb, d->table);
    if (from < to)
        zap_table(z->tlb, d->table, 0, from, to);
}

void pt_share_zap(struct mapping *m, u64 first, u64 last)
{
    struct tlb_gather tlb;
    struct zap z = {.tlb = &tlb, .first = first, .last = last};

    if (radix_empty(&m->shares[0]) && radix_empty(&m->shares[1]))
        return;
    tlb_gather_begin_batch(&tlb);
    tlb.all_users = m;
    spin_lock(&m->share_lock);
    for (unsigned int level = 0; level < ARRAY_SIZE(m->shares); level++)
        share_for_each(m, level, first, last, zap_one, &z);
    tlb_gather_flush(&tlb); /* before another user of a table can come to be alone with it */
    spin_unlock(&m->share_lock);
    tlb_gather_end(&tlb);
}
