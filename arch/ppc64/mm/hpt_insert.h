/* SPDX-License-Identifier: MIT */
/*
 * hpt_insert.h: the insertion into the hash table that nearly all are, inline, so that a refill is
 * one function with one stack frame: for hpt.c, which has the rest and the rules, and hash.c.
 */
#pragma once
#include <asm/quire_hcall.h>
#include <kernel/spinlock.h>
#include "hpt_policy.h"
#include "internal.h"

#define HPT_EXACT    (1UL << 39) /* H_ENTER: this slot and no other */
#define HPT_NR_LOCKS 256u

extern struct hpt_table {
    u64 *word;
    u64 mask;         /* groups - 1 */
    u64 nr_secondary; /* entries in their secondary groups, atomic; a pair's own: its lock */
    spinlock_t lock[HPT_NR_LOCKS];
} hpt;

/* The hypervisor's answer to hpt_enter was @rc. */
void hpt_enter_the_other_way(u64 slot, u64 v, u64 r, long rc);
/* The end of hpt_insert_free() where slot @choice is not a free one of the primary group. */
long hpt_insert_chosen(u64 v, u64 hash, u64 r, unsigned int choice);
/* hpt_insert for a user's, with all that may be; room must be. */
void hpt_insert_user(u64 v, u64 hash, u64 r);

static inline spinlock_t *hpt_lock_of(u64 group)
{
    return &hpt.lock[min(group, ~group & hpt.mask) % HPT_NR_LOCKS];
}

/* An entry's first word as hardware knows it. */
static inline u64 hpt_plain(u64 word)
{
    return word & ~(HPTE_BOLTED | HPTE_LEAVING);
}

static inline bool hpt_group_has(const u64 *group, u64 v)
{
#pragma GCC unroll 8
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        if (unlikely(hpt_plain(group[i]) == v))
            return true;
    return false;
}

/* Pair locked, the slot is free. */
static inline void hpt_enter(u64 slot, u64 v, u64 r)
{
    long rc = hcall(H_ENTER, HPT_EXACT, slot, v, r);

    if (unlikely(rc != H_SUCCESS))
        hpt_enter_the_other_way(slot, v, r, rc);
}

/*
 * Nearly always the translation is not there, and the policy says a free slot of the primary
 * group. Any other slot of its choice is hpt_insert_chosen()'s. Where the translation is there or
 * no slot can be had at once, nothing happens: -1. @seg: the segment's word, unless @bolted. It is
 * remembered and counted before the hypervisor is called, so that less must live across the call;
 * the lock hides it.
 */
static __always_inline long hpt_insert_free(u64 v, u64 hash, u64 r, u64 seg, bool bolted)
{
    u64 primary = hash & hpt.mask, *group = hpt.word + primary * HPT_GROUP;
    const u64 *second = hpt.word + (~hash & hpt.mask) * HPT_GROUP;
    spinlock_t *lock = hpt_lock_of(primary);
    unsigned int choice = HPT_NO_SLOT;

    ASSERT(!irqs_enabled());
    spin_lock(lock);
    if (likely(!hpt_group_has(group, v) &&
               (READ_ONCE(hpt.nr_secondary) == 0 || !hpt_group_has(second, v | HPTE_H))))
        choice = hpt_choose_slot(group, second);
    v |= bolted ? HPTE_BOLTED : 0;
    if (likely(choice < HPT_GROUP && group[choice] == 0)) {
        hpt_count(HPT_insert_primary);
        group[choice] = v;
        if (!bolted)
            seg_count_entry(seg, 1);
        hpt_enter(primary * HPT_GROUP + choice, v, r);
        spin_unlock(lock);
        return (long)(primary * HPT_GROUP + choice);
    }
    if (choice != HPT_NO_SLOT)
        return hpt_insert_chosen(v, hash, r, choice);
    spin_unlock(lock);
    return -1;
}
