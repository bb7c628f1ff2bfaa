/* SPDX-License-Identifier: MIT */
/*
 * hpt_policy.c: a slot for a new translation whose primary group is full: the rarer half of the
 * policy, of which hpt_policy.h tells all.
 */
#include "hpt_policy.h"

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

unsigned int hpt_choose_crowded(const u64 *primary, const u64 *secondary)
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
