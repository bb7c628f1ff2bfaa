/* SPDX-License-Identifier: MIT */
/*
 * segment.c: segment numbers (VSIDs). A number belongs to a level-1 table of the software tree, not
 * to a process: whoever links the table uses the same entries of the hash table.
 *
 * The table's descriptor holds it in pt_private, as a "segment word": a number and the segment's
 * base page size. Taking the number away (retiring it) makes all its entries in the hash table
 * unreachable once no CPU's SLB has it, without looking for them; so that is how large ranges are
 * flushed. Retired numbers and what is left of them in the table come back by a sweep: all CPUs
 * empty their SLBs, the hash table is walked once, then the numbers are free.
 *
 * Numbers are spread by a multiplication, because the hash is number XOR page and neighbouring
 * segments would use the same groups.
 *
 * Locks: LEAF (lock) for the bitmaps. Invariants: I1 a number is used by at most one table; I2 it
 * is free only when no entry of the hash table and no SLB has it; I3 there are twice as many
 * numbers as frames, so with at most half of them retired seg_alloc finds one. Checked by seg_check
 * (I2), tests/kernel/ppc64/hash_ktest.c. Source: Power ISA 3.0B Book III section 5.7.8
 * (segments), 5.7.9.1. Read next: slb.c.
 */
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/smp.h>
#include <kernel/spinlock.h>
#include <kernel/string.h>
#include <mm/buddy.h>
#include <mm/memblock.h>
#include "internal.h"

#define UNSPREAD 0xb0e8b2f51UL /* SEG_SPREAD's inverse modulo 2^36 */

#define FIRST_NUMBER 16u /* below: SEG_EMPTY, and the kernel's two segments of 1 TiB */

static struct {
    spinlock_t lock;
    u64 nr;
    u64 next;                    /* where the search for a free number goes on */
    u64 live, retired;           /* counts; retired includes those that a sweep is working on */
    u64 *used, *dead, *sweeping; /* bitmaps: used covers the other two */
    bool sweep_runs;
} seg = {.lock = SPINLOCK_INIT(LOCK_LEAF), .next = FIRST_NUMBER};
u32 *seg_entries __ro_after_init;

static bool test(const u64 *map, u64 n)
{
    return (READ_ONCE(map[n / 64]) >> (n % 64)) & 1;
}

static u64 *new_bitmap(void)
{
    return phys_to_virt(memblock_alloc(seg.nr / 8, PAGE_SIZE));
}

void seg_init(u64 nr_frames)
{
    seg.nr = 64;
    while (seg.nr < 2 * nr_frames)
        seg.nr *= 2;
    seg.used = new_bitmap();
    seg.dead = new_bitmap();
    seg.sweeping = new_bitmap();
    seg_entries = phys_to_virt(memblock_alloc(seg.nr * sizeof(u32), PAGE_SIZE));
    seg.used[0] = (1UL << FIRST_NUMBER) - 1;
    ASSERT(((SEG_SPREAD * UNSPREAD) & VSID_MASK) == 1);
}

/* The number in an entry's first word; 0 for the kernel's. */
static u64 number_of(u64 word)
{
    if (word == 0 || (word & HPTE_1T))
        return 0;
    return ((word >> 12) * UNSPREAD) & VSID_MASK;
}

bool seg_word_is_dead(u64 word)
{
    u64 n = word & HPTE_BOLTED ? 0 : number_of(word);

    return n != 0 && (test(seg.dead, n) || test(seg.sweeping, n));
}

void seg_word_count(u64 word, int change)
{
    u64 n = number_of(word);

    if (n != 0)
        (void)__atomic_add_fetch(&seg_entries[n], (u32)change, __ATOMIC_RELAXED);
}

/* The next number that is free, from seg.next on. Locked. */
static u64 find_free(void)
{
    u64 words = seg.nr / 64;

    for (u64 i = 0; i <= words; i++) {
        u64 w = (seg.next / 64 + i) % words, free = ~seg.used[w];

        if (i == 0)
            free &= ~0UL << (seg.next % 64);
        if (free != 0)
            return w * 64 + (u64)__builtin_ctzl(free);
    }
    panic("segment: all %llu numbers are in use, %llu of them retired", (unsigned long long)seg.nr,
          (unsigned long long)seg.retired);
}

u64 seg_alloc(u64 flags)
{
    unsigned long irq = spin_lock_irqsave(&seg.lock);
    u64 n = find_free();

    seg.used[n / 64] |= 1UL << (n % 64);
    seg.next = (n + 1) % seg.nr;
    seg.live++;
    spin_unlock_irqrestore(&seg.lock, irq);
    return n << 8 | flags;
}

void seg_retire(u64 word)
{
    u64 n = word >> 8;
    unsigned long irq = spin_lock_irqsave(&seg.lock);

    ASSERT(test(seg.used, n) && !test(seg.dead, n) && n >= FIRST_NUMBER);
    seg.dead[n / 64] |= 1UL << (n % 64);
    seg.live--;
    seg.retired++;
    spin_unlock_irqrestore(&seg.lock, irq);
}

/* Takes the retired numbers as the ones to sweep. False: too few, or another sweep is at work. */
static bool sweep_begin(u64 at_least)
{
    unsigned long irq = spin_lock_irqsave(&seg.lock);
    bool run = !seg.sweep_runs && seg.retired >= at_least && seg.retired != 0;

    if (run) {
        u64 *empty = seg.sweeping;

        seg.sweep_runs = true;
        seg.sweeping = seg.dead;
        seg.dead = empty;
    }
    spin_unlock_irqrestore(&seg.lock, irq);
    return run;
}

static void sweep_end(void)
{
    unsigned long irq = spin_lock_irqsave(&seg.lock);

    for (u64 i = 0; i < seg.nr / 64; i++) {
        seg.retired -= (u64)__builtin_popcountl(seg.sweeping[i]);
        seg.used[i] &= ~seg.sweeping[i];
        seg.sweeping[i] = 0;
    }
    seg.sweep_runs = false;
    spin_unlock_irqrestore(&seg.lock, irq);
}

static bool is_swept(u64 word)
{
    u64 n = number_of(word);

    return n != 0 && test(seg.sweeping, n);
}

static void drop_call(void *arg)
{
    (void)arg;
    slb_drop_user();
}

/*
 * A walk that began before the numbers were retired may still load one into an SLB or enter a
 * translation under it: it is waited for first. After the round no SLB has one, and then nothing in
 * the table can be used any more.
 */
void seg_sweep(bool now)
{
    u64 at_least = now ? 1 : seg.nr / 4;

    if (READ_ONCE(seg.retired) < at_least || !sweep_begin(at_least))
        return;
    hpt_count(HPT_sweep);
    hash_quiesce();
    smp_call_on((cpumask_t){~0UL}, drop_call, NULL);
    (void)hpt_remove_if(is_swept);
    sweep_end();
}

void seg_numbers(u64 *all, u64 *live, u64 *retired)
{
    unsigned long irq = spin_lock_irqsave(&seg.lock);

    *all = seg.nr;
    *live = seg.live;
    *retired = seg.retired;
    spin_unlock_irqrestore(&seg.lock, irq);
}

void hpt_sweep(void)
{
    seg_sweep(true);
}

/* A number that is free has no entry. */
static int seg_check(void)
{
    int bad = 0;

    for (u64 n = FIRST_NUMBER; n < seg.nr; n++) {
        if (READ_ONCE(seg_entries[n]) == 0 || test(seg.used, n))
            continue;
        bad++;
        pr_err("seg_check: free segment number %llu has %u entries\n", (unsigned long long)n,
               seg_entries[n]);
    }
    return bad;
}
KCHECK("seg_check", seg_check);
