/* SPDX-License-Identifier: MIT */
/*
 * slb_ktest.c: what a switch loads into the SLB: the segments that missed last, as the tree has
 * them at the switch. Skipped with the radix MMU.
 */
#include <kernel/uaccess.h>
#include <kernel/preempt.h>
#include <kernel/vfs.h>
#include <mm/page_cache.h>
#include "hash_test.h"

#define NR_SEGMENTS   5u
#define SLB_BOTH_KEYS 0xc00UL /* user and kernel may only do what key 1 may: not write */

static u64 misses(void)
{
    return hpt_event_sum("slb_miss");
}

/* How many entries this CPU has for @va. */
static unsigned int entries_for(vaddr_t va)
{
    const struct slb *s = &slbs[smp_processor_id()];
    unsigned int n = 0;

    for (unsigned int i = 0; i < SLB_SLOTS; i++)
        n += s->esid[i] == (ALIGN_DOWN(va, SEGMENT) | 1);
    return n;
}

/* What the entry for @va lets a program do; ~0: it has none. */
static u64 entry_of(vaddr_t va)
{
    const struct slb *s = &slbs[smp_processor_id()];

    for (unsigned int i = 0; i < SLB_SLOTS; i++)
        if (s->esid[i] == (ALIGN_DOWN(va, SEGMENT) | 1))
            return s->rs[i];
    return ~0ULL;
}

/* Another address space for a moment: the SLB is empty behind it but for what a switch loads. */
static void switch_away_and_back(struct mm *mm, struct mm *other)
{
    mm_get(mm);
    mm_get(other);
    mm_set_current(other);
    mm_set_current(mm);
}

static struct mm *other_mm(void)
{
    struct mm *other = mm_alloc();

    EXPECT(other != NULL);
    return other;
}

KTEST(slb, switch_loads_what_missed)
{
    struct mm *mm, *other;
    u64 before;

    if (!is_hash() || (other = other_mm()) == NULL)
        return;
    mm = test_mm_enter();
    for (unsigned int i = 0; i < 3; i++) {
        EXPECT_EQ(test_map_file(BASE + i * SEGMENT, PAGE_SIZE, RW, ANON, NULL), BASE + i * SEGMENT);
        EXPECT(test_write(BASE + i * SEGMENT, 10 + i));
    }
    switch_away_and_back(mm, other);
    preempt_disable();
    before = misses();
    for (unsigned int i = 0; i < 3; i++)
        EXPECT_EQ(entries_for(BASE + i * SEGMENT), 1);
    preempt_enable();
    for (unsigned int i = 0; i < 3; i++)
        EXPECT_EQ(read_word(BASE + i * SEGMENT), 10 + i);
    EXPECT(misses() <= before + 3 * nr_cpus_online); /* a thread may have been moved */
    test_mm_leave();
    mm_put(other);
}

/* More than are remembered: the others miss, and no address gets two entries. */
KTEST(slb, many_segments)
{
    struct mm *mm, *other;

    if (!is_hash() || (other = other_mm()) == NULL)
        return;
    mm = test_mm_enter();
    for (unsigned int i = 0; i < NR_SEGMENTS; i++) {
        EXPECT_EQ(test_map_file(BASE + i * SEGMENT, PAGE_SIZE, RW, ANON, NULL), BASE + i * SEGMENT);
        EXPECT(test_write(BASE + i * SEGMENT, 20 + i));
    }
    for (unsigned int round = 0; round < 10; round++) {
        switch_away_and_back(mm, other);
        for (unsigned int i = 0; i < NR_SEGMENTS; i++) {
            unsigned int k = (i * 3 + round) % NR_SEGMENTS;

            EXPECT_EQ(read_word(BASE + k * SEGMENT), 20 + k);
        }
        preempt_disable();
        for (unsigned int i = 0; i < NR_SEGMENTS; i++)
            EXPECT(entries_for(BASE + i * SEGMENT) <= 1);
        preempt_enable();
    }
    test_mm_leave();
    mm_put(other);
}

/* A segment that is remembered goes, comes as something else, loses its right to be written, while
 * somebody else runs: the switch finds what is there then. */
KTEST(slb, changes_while_switched_out)
{
    struct mm *mm, *other;
    struct file *f;
    vaddr_t va = BASE + 3 * SEGMENT;

    if (!is_hash() || (other = other_mm()) == NULL)
        return;
    f = shmem_file_create("slb_ktest", SEGMENT, VM_NORESERVE);
    mm_get(other);
    mm_set_current(other);
    EXPECT_EQ(test_map_file(va, SEGMENT, RW, MAP_SHARED, f), va); /* a link to the object's table */
    EXPECT(test_write(va, 1));
    mm = test_mm_enter();
    mm_get(mm);
    EXPECT_EQ(test_map_file(va, SEGMENT, RW, MAP_SHARED, f), va); /* and another */
    EXPECT(test_write(va, 1) && test_write(va + PAGE_SIZE, 2));
    EXPECT(can_write(va, 3));
    mm_get(other);
    mm_set_current(other);
    EXPECT_EQ(mm_mprotect(mm, va, SEGMENT, PROT_READ), 0);
    mm_get(mm);
    mm_set_current(mm);
    EXPECT(!can_write(va, 4));
    EXPECT_EQ(test_read(va), 3);
    EXPECT(!can_write(va, 5));
    switch_away_and_back(mm, other);
    preempt_disable();
    EXPECT_EQ(entry_of(va) & SLB_BOTH_KEYS, SLB_BOTH_KEYS);
    preempt_enable();

    mm_get(other);
    mm_set_current(other);
    EXPECT_EQ(mm_munmap(mm, va, SEGMENT), 0);
    mm_get(mm);
    mm_set_current(mm);
    EXPECT_EQ(read_word(va), ~0ULL);
    EXPECT_EQ(read_word(va + PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_map_file(va, PAGE_SIZE, RW, ANON, NULL), va);
    EXPECT(test_write(va, 6));
    switch_away_and_back(mm, other);
    EXPECT_EQ(read_word(va), 6);
    EXPECT_EQ(read_word(va + PAGE_SIZE), ~0ULL);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    mm_put(mm);
    mm_put(other);
    file_put(f);
}

/* The tree's indexes know nothing of the bits above them: a miss there must not find what lies
 * below. */
KTEST(slb, addresses_above_the_user_half)
{
    unsigned long v;

    if (!is_hash())
        return;
    test_mm_enter();
    EXPECT_EQ(test_map_file(BASE, PAGE_SIZE, RW, ANON, NULL), BASE);
    EXPECT(test_write(BASE, 4711));
    for (vaddr_t bit = user_top(); bit != 0; bit <<= 1)
        EXPECT(!kernel_peek((void *)(BASE | bit), &v));
    EXPECT_EQ(read_word(BASE), 4711);
    test_mm_leave();
}
