/* SPDX-License-Identifier: MIT */
/*
 * hpt_policy.h: where a new translation goes in the hash table. The whole policy is
 * hpt_choose_slot(); to try another one, replace it and look at /proc/hpt. It is inline because
 * nearly every refill asks it; what is rarely needed is in hpt_policy.c.
 *
 * This one: a free slot of the primary group, which hardware searches first; one there whose
 * segment is dead; the same of the secondary group; and last the victim of a hand that goes around
 * the sixteen. Where one dead entry is evicted, all of its group are (hpt.c), and the next ones
 * find free slots; a table that is full of dead entries so has no use for secondary groups, which
 * would be searched for every translation from then on. Real hardware cannot say which entry was
 * used last; R bits could, at the price of a hypervisor call per entry.
 *
 * Locks: the caller's, of the pair of groups. No invariant of its own: any answer is correct, the
 * table is a cache.
 * Checked by tests/kernel/ppc64/hash_ktest.c (full groups). Read next: hpt_insert.h.
 */
#pragma once
#include "internal.h"

/* hpt_choose_slot() where the primary group is full. */
unsigned int hpt_choose_crowded(const u64 *primary, const u64 *secondary);

/*
 * Where does a new translation go? @primary and @secondary are the first words of the two groups
 * that hardware will search, 0 for a free slot. Returns 0..7 for a slot of the primary group, 8..15
 * for one of the secondary; what is in it, is evicted. Not a bolted one; HPT_NO_SLOT when there is
 * no other. The pair's lock is held, interrupts are off: no output, no memory.
 */
static inline unsigned int hpt_choose_slot(const u64 *primary, const u64 *secondary)
{
#pragma GCC unroll 8
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        if (primary[i] == 0)
            return i;
    return hpt_choose_crowded(primary, secondary);
}
