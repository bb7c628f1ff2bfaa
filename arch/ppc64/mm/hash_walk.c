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
 * Read next: hash.c.
 */
#include <kernel/printk.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>
#include "internal.h"

/* One cache line each: only its CPU writes it. */
static struct {
    u64 count;
} __aligned(128) walks[NR_CPUS];

void hash_walk_begin(void)
{
    u64 *count = &walks[smp_processor_id()].count;

    ASSERT(!(*count & 1));
    WRITE_ONCE(*count, *count + 1);
    smp_mb(); /* pairs with hash_quiesce */
}

void hash_walk_end(void)
{
    u64 *count = &walks[smp_processor_id()].count;

    smp_store_release(count, *count + 1);
}

void hash_quiesce(void)
{
    smp_mb(); /* the change before the look; pairs with hash_walk_begin */
    for_each_online_cpu (n) {
        u64 seen = smp_load_acquire(&walks[n].count);

        while ((seen & 1) && smp_load_acquire(&walks[n].count) == seen)
            cpu_relax();
    }
}

void hash_walk(struct mm *mm, vaddr_t va, struct hash_walk *w)
{
    pte_t *base = mm->root;
    unsigned int level = pt_top_level();

    w->segment = NULL;
    w->segment_link = w->table_link = PT_RWXU;
    for (;;) {
        w->slot = base + pt_index(va, level);
        w->entry = pte_load(w->slot);
        w->level = level;
        if (!pte_is_table(w->entry, level))
            return;
        if (level > 1)
            w->segment_link &= pte_prot(w->entry, level);
        else
            w->table_link &= pte_prot(w->entry, level);
        base = pt_link_table(w->entry, level);
        if (--level == 1)
            w->segment = pt_table_page(base);
    }
}
