/* SPDX-License-Identifier: MIT */
/*
 * hash_walk.c: walks of a user's tree without locks, on behalf of the hash MMU, and waiting for
 * them. They play the part of hardware that walks the tree, and obey the same rule: what was read
 * before an entry changed may be used until the changer has waited.
 *
 * The protocol, for whoever changes an entry or takes a table out of the tree:
 *   1. change it                       (pte_xchg, pte_store)
 *   2. mmu_quiesce_walkers()           no walk that saw the old entry is under way
 *   3. mmu_flush_range()               what such walks put into the hash table or an SLB goes
 *   4. reuse the page, free the table
 * In the order 3, 2 a walk could put the old translation in behind the flush, and it would stay.
 *
 * A walker makes its CPU's counter odd, then reads entries; a changer changes, then reads the
 * counters. A full barrier (sync) in between on both sides: either the changer sees the counter
 * odd and waits, or the walker sees the change. At the end a release (lwsync) orders what the walk
 * did, also its hypervisor calls, before the even counter.
 *
 * Locks: none; a walk runs with interrupts off and takes LEAF locks only, so it ends soon.
 * Invariants: I1 a CPU's counter is odd exactly while it walks.
 * Checked by models/hash_refill.pml, tests/kernel/ppc64/hash_smp_ktest.c.
 * A switch that loads segments (slb_switch) is a walk for each, as if they had missed then.
 * Read next: hash.c.
 */
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

void hash_quiesce(void)
{
    smp_mb(); /* the change before the look; pairs with hash_walk_begin */
    for_each_online_cpu (n) {
        u64 *count = hash_walk_count(&cpus[n]), seen = smp_load_acquire(count);

        while ((seen & 1) && smp_load_acquire(count) == seen)
            cpu_relax();
    }
}

static inline pt_prot_t allowed(u64 links)
{
    if (likely((links & (PPC_LINK_NOW | PPC_LINK_NOX)) == 0))
        return PT_RWXU;
    return PT_RWXU & ~((links & PPC_LINK_NOW ? PT_W : 0) | (links & PPC_LINK_NOX ? PT_X : 0));
}

/* The walk ends at @slot, where @e was found. */
static inline void end_at(struct hash_walk *w, const pte_t *slot, pte_t e, unsigned int level,
                          pt_prot_t segment_link, pt_prot_t table_link)
{
    w->slot = (pte_t *)slot;
    w->entry = e;
    w->level = level;
    w->segment_link = segment_link;
    w->table_link = table_link;
}

void hash_walk(struct mm *mm, vaddr_t va, struct hash_walk *w)
{
    const pte_t *slot = mm->root + hash_index(va, HASH_SHIFT_3, HASH_BITS_3);
    pte_t e = pte_load(slot);
    u64 links = e.v;
    pt_prot_t segment_link, table_link;

    w->segment = NULL;
    if (!pte_is_table(e, 3)) {
        end_at(w, slot, e, 3, PT_RWXU, PT_RWXU);
        return;
    }
    slot = hash_below(e) + hash_index(va, HASH_SHIFT_2, HASH_BITS_2);
    e = pte_load(slot);
    if (!pte_is_table(e, 2)) {
        end_at(w, slot, e, 2, allowed(links), PT_RWXU);
        return;
    }
    segment_link = allowed(links | e.v);
    w->segment = pt_table_page(hash_below(e));
    slot = hash_below(e) + hash_index(va, HASH_SHIFT_1, HASH_BITS_1);
    e = pte_load(slot);
    if (!pte_is_table(e, 1)) {
        end_at(w, slot, e, 1, segment_link, PT_RWXU);
        return;
    }
    table_link = allowed(e.v);
    slot = hash_below(e) + hash_index(va, PAGE_SHIFT, HASH_BITS_0);
    end_at(w, slot, pte_load(slot), 0, segment_link, table_link);
}
