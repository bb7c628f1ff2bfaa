/* SPDX-License-Identifier: MIT */
/*
 * hpt_policy.c: where a new translation goes in the hash table. The whole policy is
 * hpt_choose_slot(); to try another one, replace it and look at /proc/hpt. It is asked when the
 * primary group is full: a free slot there is taken without a question.
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
 * Checked by tests/kernel/ppc64/hash_ktest.c (full groups). Read next: hpt.c.
 */
#include "internal.h"

static unsigned int hand; /* common to all groups and CPUs: only its spread matters */

static unsigned int find_free(const u64 *group)
{
    unsigned int i = 0;

    while (i < HPT_GROUP && group[i] != 0)
        i++;
    return i;
}

static unsigned int find_dead(const u64 *group)
{
    unsigned int i = 0;

    while (i < HPT_GROUP && !seg_word_is_dead(group[i]))
        i++;
    return i;
}

static unsigned int find_victim(const u64 *primary, const u64 *secondary)
{
    unsigned int first = hand++;

    for (unsigned int n = 0; n < 2 * HPT_GROUP; n++) {
        unsigned int i = (first + n) % (2 * HPT_GROUP);
        u64 word = i < HPT_GROUP ? primary[i] : secondary[i - HPT_GROUP];

        if (!(word & HPTE_BOLTED))
            return i;
    }
    return HPT_NO_SLOT;
}

static __noinline unsigned int choose_crowded(const u64 *primary, const u64 *secondary)
{
    unsigned int i;

    if ((i = find_dead(primary)) < HPT_GROUP)
        return i;
    if ((i = find_free(secondary)) < HPT_GROUP)
        return HPT_GROUP + i;
    if ((i = find_dead(secondary)) < HPT_GROUP)
        return HPT_GROUP + i;
    return find_victim(primary, secondary);
}

unsigned int hpt_choose_slot(const u64 *primary, const u64 *secondary)
{
#pragma GCC unroll 8
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        if (primary[i] == 0)
            return i;
    return choose_crowded(primary, secondary);
}
