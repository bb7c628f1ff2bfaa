/* SPDX-License-Identifier: MIT */
/*
 * hpt.c: the hash table, an array of groups of eight entries that hardware searches for each
 * translation it lacks.
 *
 * The table is the hypervisor's, so entries come and go by calls. What is where, is remembered
 * here: hpt.word[] has the first word of every entry, 8 bytes for each of its 16, so finding an
 * entry, a free slot or a victim reads ordinary memory. An entry's place is not kept in the
 * software tree: the tree's entry is often gone when the translation must go.
 *
 * A hash names a primary group, its complement the secondary one. Entries of these two groups have
 * one of the two hashes, so the pair is closed: one lock per pair (hashed) covers all that can
 * happen to a translation.
 *
 * It does not know what segments or trees are.
 *
 * Locks: LEAF, of the pair; any context. Invariants: I1 word[i] is the first word of entry i, or 0
 * when that is free; I2 a translation is in at most one slot; I3 bolted entries leave by a batch
 * only; I4 under the lock a word changes from "leaving" to 0 only: the batch's owner has none.
 * Checked by hpt_check.c (I1, I2), models/hash_batch.pml.
 * Source: Power ISA 3.0B Book III section 5.7.9 (hash, groups, entry format); LoPAR 14.5.4.1
 * (H_ENTER and its relatives). Read next: hpt_policy.c, segment.c.
 */
#include <asm/errno.h>
#include <asm/quire_cpu.h>
#include <asm/quire_hcall.h>
#include <kernel/printk.h>
#include <kernel/spinlock.h>
#include <mm/buddy.h>
#include <mm/memblock.h>
#include "hpt_insert.h"

struct hpt_table hpt;
u64 hpt_events[NR_CPUS][NR_HPT_EVENTS];

void hpt_init_cpu(void)
{
    struct cpu *c = this_cpu();

    c->arch[CPU_ARCH_EVENTS] = (unsigned long)hpt_events[c->id];
}

void hpt_init(unsigned int log2_bytes)
{
    u64 slots = 1UL << (log2_bytes - 4);

    hpt_init_cpu();
    hpt.mask = slots / HPT_GROUP - 1;
    hpt.word = phys_to_virt(memblock_alloc(slots * sizeof(u64), PAGE_SIZE));
    for (unsigned int i = 0; i < HPT_NR_LOCKS; i++)
        spin_init(&hpt.lock[i], LOCK_LEAF);
}

u64 hpt_nr_groups(void)
{
    return hpt.mask + 1;
}

static u64 primary_group(const struct hpt_key *k)
{
    return k->hash & hpt.mask;
}

static u64 secondary_group(const struct hpt_key *k)
{
    return ~k->hash & hpt.mask;
}

static inline long find_in(u64 first, u64 v)
{
    const u64 *group = hpt.word + first;

#pragma GCC unroll 8
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        if (hpt_plain(group[i]) == v)
            return (long)(first + i);
    return -1;
}

/* The slot of the translation, or -1. Pair locked. */
static inline long find(const struct hpt_key *k)
{
    long slot = find_in(primary_group(k) * HPT_GROUP, k->v);

    if (slot >= 0 || READ_ONCE(hpt.nr_secondary) == 0)
        return slot;
    return find_in(secondary_group(k) * HPT_GROUP, k->v | HPTE_H);
}

/* Locks the pair of the translation; the slot as find() says, but not in somebody's batch.
 * Interrupts off. */
static inline long lock_pair(const struct hpt_key *k, spinlock_t *lock)
{
    for (;;) {
        u64 word;
        long slot;

        spin_lock(lock);
        slot = find(k);
        if (slot < 0)
            return slot;
        word = READ_ONCE(hpt.word[slot]); /* 0: it has left since find() */
        if (likely(word != 0 && !(word & HPTE_LEAVING)))
            return slot;
        spin_unlock(lock);
        cpu_relax();
    }
}

static inline unsigned long lock_and_find(const struct hpt_key *k, long *slot)
{
    unsigned long irq = irq_save();

    *slot = lock_pair(k, hpt_lock_of(primary_group(k)));
    return irq;
}

static inline void unlock(const struct hpt_key *k, unsigned long irq)
{
    spin_unlock_irqrestore(hpt_lock_of(primary_group(k)), irq);
}

static inline void count_secondary(int change)
{
    (void)__atomic_add_fetch(&hpt.nr_secondary, (u64)(long)change, __ATOMIC_RELAXED);
}

/* @change entries with this first word came or went. Pair locked, or in the caller's batch. */
static inline void count_word(u64 word, int change)
{
    if (word & HPTE_H)
        count_secondary(change);
    seg_word_count(word, change);
}

/* Pair locked. */
static inline void remove_from_table(u64 slot)
{
    long rc = hcall(H_REMOVE, 0, slot, 0, 0);

    if (rc != H_SUCCESS)
        panic("hpt: entry %llu is not in the table: %ld", (unsigned long long)slot, rc);
}

static inline void remove_slot(u64 slot)
{
    remove_from_table(slot);
    count_word(hpt.word[slot], -1);
    hpt.word[slot] = 0;
}

/* Requests of H_BULK_REMOVE: two words each, the first of them with a command above the slot. */
#define BULK_REQUEST (1UL << 62)
#define BULK_END     (3UL << 62)
#define BULK_ANSWER  0xf000000000000000UL
#define BULK_REMOVED 0x8000000000000000UL

/* The entries of the batch, which is not empty, leave. */
static void bulk_remove(struct hpt_batch *b)
{
    unsigned long arg[8] = { 0 };
    u64 segment; /* most or all are of one: they are counted together */
    int together = 0;
    long rc;

    for (unsigned int i = 0; i < b->nr; i++)
        arg[2 * i] = BULK_REQUEST | b->slot[i];
    if (b->nr < HPT_BATCH)
        arg[2 * b->nr] = BULK_END;
    rc = hcall_args(H_BULK_REMOVE, arg);
    segment = hpt.word[b->slot[0]] & ~HPTE_H;
    for (unsigned int i = 0; i < b->nr; i++) {
        u64 word = hpt.word[b->slot[i]];

        if (rc != H_SUCCESS || (arg[2 * i] & BULK_ANSWER) != BULK_REMOVED)
            panic("hpt: entry %llu is not removed: %ld, %#lx", (unsigned long long)b->slot[i], rc,
                  arg[2 * i]);
        if (likely((word ^ segment) >> 12 == 0 && !(word & HPTE_H)))
            together++;
        else
            count_word(word, -1);
    }
    count_word(segment, -together); /* before the slots are free, when a sweep no longer waits */
    for (unsigned int i = 0; i < b->nr; i++)
        smp_store_release(&hpt.word[b->slot[i]], 0);
    b->nr = 0;
}

/* All dead entries of the group of @slot, which is one: a call for each would cost as much as what
 * it makes room for. A sweep that begins meanwhile exchanges the bitmaps, so that a dead entry may
 * not look like one for a moment; the caller has seen that @slot is. Pair locked. */
static void evict_dead(u64 slot)
{
    u64 first = ALIGN_DOWN(slot, HPT_GROUP);
    struct hpt_batch batch = {.nr = 0};

    for (unsigned int i = 0; i < HPT_GROUP; i++) {
        u64 *word = &hpt.word[first + i];

        if (first + i != slot && !seg_word_is_dead(*word))
            continue;
        hpt_count(HPT_evict_dead);
        WRITE_ONCE(*word, *word | HPTE_BOLTED | HPTE_LEAVING);
        batch.slot[batch.nr++] = first + i;
        if (batch.nr == HPT_BATCH)
            bulk_remove(&batch);
    }
    if (batch.nr != 0)
        bulk_remove(&batch);
}

/* Pair locked. */
static __noinline void evict(u64 slot)
{
    ASSERT(!(hpt.word[slot] & HPTE_BOLTED));
    if (seg_word_is_dead(hpt.word[slot])) {
        evict_dead(slot);
    } else {
        hpt_count(HPT_evict);
        remove_slot(slot);
    }
    ASSERT(hpt.word[slot] == 0);
}

/* What the hypervisor takes for RAM must be cacheable, all else not; the wish gives way. */
void hpt_enter_the_other_way(u64 slot, u64 v, u64 r, long rc)
{
    if (rc == H_PARAMETER)
        rc = hcall(H_ENTER, HPT_EXACT, slot, v, r ^ (HPTE_M | HPTE_IG));
    if (rc != H_SUCCESS)
        panic("hpt: the hypervisor refuses entry %#llx %#llx: %ld", (unsigned long long)v,
              (unsigned long long)r, rc);
}

/* Only bolted entries were in both groups. True: some of them are about to leave, or have left. */
static bool has_leaving(u64 first, u64 second)
{
    bool some = false;

    for (unsigned int i = 0; i < HPT_GROUP; i++) {
        u64 a = READ_ONCE(hpt.word[first + i]), b = READ_ONCE(hpt.word[second + i]);

        some |= a == 0 || b == 0 || ((a | b) & HPTE_LEAVING) != 0;
    }
    return some;
}

/* Puts the translation, which is in neither group, into slot @choice of the two, whose first slots
 * are @first and @second. Pair locked. */
static inline long enter_choice(u64 first, u64 second, unsigned int choice, u64 v, u64 r)
{
    bool primary = choice < HPT_GROUP;
    u64 slot = primary ? first + choice : second + choice - HPT_GROUP;

    if (unlikely(hpt.word[slot] != 0))
        evict(slot);
    hpt_count(primary ? HPT_insert_primary : HPT_insert_secondary);
    v |= primary ? 0 : HPTE_H;
    hpt_enter(slot, v, r);
    hpt.word[slot] = v;
    count_word(v, 1);
    return (long)slot;
}

/* With all that may be: the translation is there, or in somebody's batch; only bolted ones are. */
static __noinline long insert_any(const struct hpt_key *k, u64 r, bool bolted)
{
    u64 first = primary_group(k) * HPT_GROUP, second = secondary_group(k) * HPT_GROUP;
    spinlock_t *lock = hpt_lock_of(primary_group(k));
    unsigned int choice;
    long slot;

    for (;;) {
        long old = lock_pair(k, lock);
        bool again;

        if (old >= 0) {
            hpt_count(HPT_update);
            remove_slot((u64)old);
        }
        choice = hpt_choose_slot(hpt.word + first, hpt.word + second);
        if (choice != HPT_NO_SLOT)
            break;
        again = has_leaving(first, second);
        spin_unlock(lock);
        if (!again)
            return -ENOMEM;
    }
    slot = enter_choice(first, second, choice, k->v | (bolted ? HPTE_BOLTED : 0), r);
    spin_unlock(lock);
    return slot;
}

/* The policy is not asked twice for one translation: its hand would pass over every other
 * victim. */
long hpt_insert_chosen(u64 v, u64 hash, u64 r, unsigned int choice)
{
    u64 primary = hash & hpt.mask, secondary = ~hash & hpt.mask;
    long slot = enter_choice(primary * HPT_GROUP, secondary * HPT_GROUP, choice, v, r);

    spin_unlock(hpt_lock_of(primary));
    return slot;
}

long hpt_insert(const struct hpt_key *k, u64 r, u64 seg)
{
    long slot = seg == 0 ? hpt_insert_free(k->v, k->hash, r, 0, true)
                         : hpt_insert_free(k->v, k->hash, r, seg, false);

    return likely(slot >= 0) ? slot : insert_any(k, r, seg == 0);
}

void hpt_insert_user(u64 v, u64 hash, u64 r)
{
    struct hpt_key k = {v, hash};

    if (insert_any(&k, r, false) < 0)
        panic("hpt: both groups of hash %#llx are full of the kernel's entries",
              (unsigned long long)hash);
}

bool hpt_remove(struct hpt_key k, u64 seg)
{
    spinlock_t *lock = hpt_lock_of(primary_group(&k));
    long slot;

    ASSERT(!irqs_enabled());
    slot = lock_pair(&k, lock);
    if (slot >= 0) {
        hpt_count(HPT_remove);
        remove_from_table((u64)slot);
        if (unlikely(hpt.word[slot] & HPTE_H))
            count_secondary(-1);
        seg_count_entry(seg, -1);
        hpt.word[slot] = 0;
    }
    spin_unlock(lock);
    return slot >= 0;
}

/* The entry stays where it is and cannot be used for anything until the hypervisor has it removed;
 * the lock need not be held for that. */
void hpt_batch_add(struct hpt_batch *b, const struct hpt_key *k)
{
    long slot;
    unsigned long irq = lock_and_find(k, &slot);

    if (slot >= 0) {
        WRITE_ONCE(hpt.word[slot], hpt.word[slot] | HPTE_BOLTED | HPTE_LEAVING);
        b->slot[b->nr++] = (u64)slot;
    }
    unlock(k, irq);
    if (b->nr == HPT_BATCH)
        hpt_batch_end(b);
}

void hpt_batch_end(struct hpt_batch *b)
{
    if (b->nr == 0)
        return;
    hpt_event_counts()[HPT_remove] += b->nr;
    bulk_remove(b);
}

/* H_PROTECT has the protection's highest bit at bit 8 of its flags. */
void hpt_protect(const struct hpt_key *k, pt_prot_t prot)
{
    u64 bits = hpt_protection(prot);
    unsigned long arg[8] = { (bits & ~HPTE_PP0) | (bits & HPTE_PP0 ? 0x100 : 0) };
    long slot, rc;
    unsigned long irq = lock_and_find(k, &slot);

    ASSERT(slot >= 0);
    arg[1] = (u64)slot;
    rc = hcall_args(H_PROTECT, arg);
    if (rc != H_SUCCESS)
        panic("hpt: cannot protect entry %ld: %ld", slot, rc);
    unlock(k, irq);
}

long hpt_find(const struct hpt_key *k, u64 *r)
{
    unsigned long arg[8] = { 0 };
    long slot;
    unsigned long irq = lock_and_find(k, &slot);

    if (slot >= 0 && r != NULL) {
        arg[1] = (u64)slot;
        if (hcall_args(H_READ, arg) != H_SUCCESS)
            panic("hpt: cannot read entry %ld", slot);
        *r = arg[1];
    }
    unlock(k, irq);
    return slot;
}

/* Locks the slot's pair, when the slot is in nobody's batch. */
static unsigned long lock_settled(u64 slot)
{
    spinlock_t *lock = hpt_lock_of(slot / HPT_GROUP);

    for (;;) {
        unsigned long irq = spin_lock_irqsave(lock);

        if (!(hpt.word[slot] & HPTE_LEAVING))
            return irq;
        spin_unlock_irqrestore(lock, irq);
        cpu_relax();
    }
}

u64 hpt_remove_if(bool (*dead)(u64 word))
{
    u64 removed = 0;

    for (u64 slot = 0; slot < (hpt.mask + 1) * HPT_GROUP; slot++) {
        unsigned long irq;

        if (!dead(READ_ONCE(hpt.word[slot])))
            continue;
        irq = lock_settled(slot);
        if (dead(hpt.word[slot])) {
            hpt_count(HPT_remove);
            remove_slot(slot);
            removed++;
        }
        spin_unlock_irqrestore(hpt_lock_of(slot / HPT_GROUP), irq);
    }
    return removed;
}
