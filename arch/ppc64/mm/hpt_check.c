/* SPDX-License-Identifier: MIT */
/*
 * hpt_check.c: looking at the whole hash table: how full it is, and whether hpt.word[] says what
 * the hypervisor has.
 *
 * Locks: LEAF, of the pair that is looked at; hpt_occupancy is a glance without one. Checks
 * invariants I1 and I2 of hpt.c, after each test (KCHECK). Read next: hpt_info.c.
 */
#include <asm/quire_hcall.h>
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include "hpt_insert.h"

void hpt_occupancy(struct hpt_occupancy *o, u64 vsid)
{
    *o = (struct hpt_occupancy){0};
    for (u64 group = 0; group <= hpt.mask; group++) {
        unsigned int used = 0;

        for (unsigned int i = 0; i < HPT_GROUP; i++) {
            u64 word = READ_ONCE(hpt.word[group * HPT_GROUP + i]);

            if (word == 0 || (vsid != 0 && (word & HPTE_1T || word >> 12 != vsid)))
                continue;
            used++;
            o->bolted += (word & HPTE_BOLTED) != 0;
            o->secondary += (word & HPTE_H) != 0;
            o->dead += seg_word_is_dead(word);
        }
        o->groups[used]++;
        o->entries += used;
    }
}

/* Every 64th slot, another set each time: a call of the hypervisor for each would take too long. */
static int hpt_check(void)
{
    static unsigned int turn;
    int bad = 0;

    if (hpt.word == NULL)
        return 0;
    for (u64 slot = turn++ % 64; slot < (hpt.mask + 1) * HPT_GROUP; slot += 64) {
        unsigned long irq = spin_lock_irqsave(hpt_lock_of(slot / HPT_GROUP));
        unsigned long arg[8] = { 0, slot };
        u64 word = hpt.word[slot], v;

        if (hcall_args(H_READ, arg) != H_SUCCESS)
            panic("hpt: cannot read entry %llu", (unsigned long long)slot);
        v = arg[0] & HPTE_V ? arg[0] & ~0x78UL : 0;
        if (v != hpt_plain(word) && !(word & HPTE_LEAVING)) {
            bad++;
            pr_err("hpt_check: entry %llu is %#llx, remembered as %#llx\n",
                   (unsigned long long)slot, (unsigned long long)v, (unsigned long long)word);
        }
        for (u64 other = slot + 1; word != 0 && other % HPT_GROUP != 0; other++) {
            u64 w = READ_ONCE(hpt.word[other]);

            if (hpt_plain(w) != hpt_plain(word) || ((w | word) & HPTE_LEAVING))
                continue;
            bad++;
            pr_err("hpt_check: entries %llu and %llu translate the same address\n",
                   (unsigned long long)slot, (unsigned long long)other);
        }
        spin_unlock_irqrestore(hpt_lock_of(slot / HPT_GROUP), irq);
    }
    return bad;
}
KCHECK("hpt_check", hpt_check);
