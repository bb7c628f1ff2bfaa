/* SPDX-License-Identifier: MIT */
/*
 * hash_ktest.c: what the seam's suite cannot see of the hash MMU: groups that are full, numbers
 * that belong to tables, segments that change their page size, numbers that come back. Skipped with
 * the radix MMU.
 */
#include <kernel/vfs.h>
#include <mm/page_cache.h>
#include "hash_test.h"
#include <kernel/vfs.h>
#include <linux/falloc.h>

#define NR_SHARED 40u

/* ---- the policy ---- */

KTEST(hash, policy)
{
    u64 first[HPT_GROUP] = {0}, second[HPT_GROUP] = {0};
    unsigned int seen = 0;

    if (!is_hash())
        return;
    EXPECT(hpt_choose_slot(first, second) < HPT_GROUP);
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        first[i] = HPTE_1T | HPTE_V;
    EXPECT(hpt_choose_slot(first, second) >= HPT_GROUP);
    for (unsigned int i = 0; i < HPT_GROUP; i++)
        second[i] = HPTE_1T | HPTE_V | HPTE_H;
    for (unsigned int i = 0; i < 64; i++)
        seen |= 1u << hpt_choose_slot(first, second);
    EXPECT(__builtin_popcount(seen) > 8); /* not always the same victim */
    for (unsigned int i = 0; i < HPT_GROUP; i++) {
        first[i] |= HPTE_BOLTED;
        second[i] |= i == 3 ? 0 : HPTE_BOLTED;
    }
    for (unsigned int i = 0; i < 32; i++)
        EXPECT_EQ(hpt_choose_slot(first, second), HPT_GROUP + 3);
    second[3] |= HPTE_BOLTED;
    EXPECT_EQ(hpt_choose_slot(first, second), HPT_NO_SLOT);
}

/* ---- groups ---- */

static u64 events(const char *name)
{
    return hpt_event_sum(name);
}

/* A fault ends with the refill, and that of a read enters what the fault has mapped around it; a
 * hole beside it is no neighbour. */
KTEST(hash, faults_end_with_a_refill)
{
    struct mm *mm = test_mm_enter();
    struct file *f = shmem_file_create("ktest", 32 * PAGE_SIZE, 0);
    u64 before;
    vaddr_t va;

    if (is_hash() && !IS_ERR(f)) {
        EXPECT_EQ(test_map_file(BASE, 32 * PAGE_SIZE, RW, MAP_SHARED, f), BASE);
        va = BASE + 32 * SEGMENT; /* another table, so other entries */
        EXPECT_EQ(test_map_file(va, 32 * PAGE_SIZE, RW, MAP_SHARED, f), va);
        for (unsigned int i = 0; i < 16; i++) {
            EXPECT(test_write(BASE + i * PAGE_SIZE, 100 + i));
            before = events("refill");
            EXPECT_EQ(read_word(BASE + i * PAGE_SIZE), 100 + i);
            EXPECT_EQ(events("refill"), before);
        }
        EXPECT_EQ(test_read(va + 31 * PAGE_SIZE), 0); /* gives the segment its number */
        EXPECT_EQ(test_read(va + 2 * PAGE_SIZE), 102);
        before = events("refill");
        for (unsigned int i = 0; i < 16; i++)
            EXPECT_EQ(read_word(va + i * PAGE_SIZE), 100 + i);
        EXPECT_EQ(events("refill"), before);
        EXPECT_EQ(read_word(va + 16 * PAGE_SIZE), ~0ULL);
        EXPECT_EQ(test_check(mm), 0);
    }
    if (!IS_ERR(f))
        file_put(f);
    test_mm_leave();
}

/* A page of segment @i whose hash names @group, mapped and with @value in it. Its address; 0 when
 * the segment has none. */
static vaddr_t touch_in_group(unsigned int i, u64 group, u64 value)
{
    vaddr_t segment = BASE + i * SEGMENT, va;

    EXPECT_EQ(test_map_file(segment, PAGE_SIZE, RW, ANON, NULL), segment);
    EXPECT(test_write(segment, 1)); /* gives the segment its number */
    va = segment + (((explain(segment).vsid ^ group) & (hpt_nr_groups() - 1)) << PAGE_SHIFT);
    if (va >= segment + SEGMENT || va == segment) {
        EXPECT_EQ(mm_munmap(current->mm, segment, PAGE_SIZE), 0);
        return 0;
    }
    EXPECT_EQ(test_map_file(va, PAGE_SIZE, RW, ANON, NULL), va);
    EXPECT(test_write(va, value));
    EXPECT_EQ(explain(va).group[0], group);
    return va;
}

#define NR_COLLIDING 24u

/* Reads @value at @va. A bit for the slot of the two groups that it got, if it had none. */
static unsigned int slot_of_refill(vaddr_t va, u64 value)
{
    bool had = explain(va).slot >= 0;
    struct hpt_info info;

    EXPECT_EQ(read_word(va), value);
    info = explain(va);
    EXPECT(info.slot >= 0);
    if (had || info.slot < 0)
        return 0;
    return 1u << ((u64)info.slot % HPT_GROUP + (info.secondary ? HPT_GROUP : 0));
}

/* More translations than the two groups have room for: the second group is used, then something is
 * evicted and comes back on demand. */
KTEST(hash, full_group_overflows_then_evicts)
{
    unsigned int nr = 0, present = 0, in_second = 0, used = 0;
    u64 group, secondary, evicted;
    vaddr_t va[NR_COLLIDING];

    if (!is_hash())
        return;
    test_mm_enter();
    EXPECT_EQ(test_map_file(BASE - SEGMENT, PAGE_SIZE, RW, ANON, NULL), BASE - SEGMENT);
    EXPECT(test_write(BASE - SEGMENT, 1));
    group = explain(BASE - SEGMENT).group[0]; /* where a segment's pages may be at all */
    secondary = events("insert_secondary");
    evicted = events("evict") + events("evict_dead");
    for (unsigned int i = 0; nr < NR_COLLIDING && i < 4096; i++) {
        va[nr] = touch_in_group(i, group, 1000 + nr);
        nr += va[nr] != 0;
    }
    EXPECT_OR_RETURN(nr == NR_COLLIDING);
    EXPECT(events("insert_secondary") >= secondary + 1);
    EXPECT(events("evict") + events("evict_dead") >= evicted + nr - 2 * HPT_GROUP);
    for (unsigned int i = 0; i < nr; i++) {
        struct hpt_info info = explain(va[i]);

        present += info.slot >= 0;
        in_second += info.secondary;
        if (info.slot >= 0)
            EXPECT_EQ(info.slot / HPT_GROUP, info.group[info.secondary]);
    }
    EXPECT(present > 0 && present <= 2 * HPT_GROUP);
    EXPECT(in_second > 0 && in_second <= HPT_GROUP);
    for (unsigned int round = 0; round < 8; round++)
        for (unsigned int i = 0; i < nr; i++)
            used |= slot_of_refill(va[i], 1000 + i);
    EXPECT_EQ(__builtin_popcount(used), present); /* the hand goes around all */
    for (unsigned int i = 0; i < nr; i++)
        EXPECT_EQ(mm_munmap(current->mm, va[i], PAGE_SIZE), 0);
    for (unsigned int i = 0; i < nr; i++)
        EXPECT_EQ(read_word(va[i]), ~0ULL);
    test_mm_leave();
}

/* Where all is full of what an address space has left behind, one translation makes room for the
 * next ones, too, and none has to go to its second group. */
KTEST(hash, dead_entries_leave_together)
{
    unsigned int nr = 0;
    u64 group, dead, secondary;
    vaddr_t va = 0;

    if (!is_hash())
        return;
    test_mm_enter();
    EXPECT_EQ(test_map_file(BASE - SEGMENT, PAGE_SIZE, RW, ANON, NULL), BASE - SEGMENT);
    EXPECT(test_write(BASE - SEGMENT, 1));
    group = explain(BASE - SEGMENT).group[0];
    for (unsigned int i = 0; nr < 2 * HPT_GROUP && i < 4096; i++)
        nr += touch_in_group(i, group, 1) != 0;
    EXPECT_EQ(nr, 2 * HPT_GROUP);
    test_mm_leave();

    test_mm_enter();
    dead = events("evict_dead");
    secondary = events("insert_secondary");
    nr = 0;
    for (unsigned int i = 0; nr < 2 && i < 4096; i++) {
        vaddr_t found = touch_in_group(i, group, 1);

        if (found == 0)
            continue;
        nr++;
        va = found;
        EXPECT(events("evict_dead") >= dead + 2);
        EXPECT_EQ(explain(va).slot / HPT_GROUP, group);
    }
    EXPECT_EQ(nr, 2);
    EXPECT_EQ(events("insert_secondary"), secondary);
    EXPECT_EQ(read_word(va), 1);
    test_mm_leave();
}

/* ---- a number belongs to a table ---- */

/* The second process uses the entries that the first has filled, at another address: no refill, and
 * no fault but the one that links the table. A link without write permission takes it from this
 * process only. What the first unmaps stays for the second, without an entry of the hash table
 * removed; what leaves the object is gone for both. */
KTEST(hash, shared_segment_needs_no_refill)
{
    vaddr_t here = BASE, there = BASE + 7 * SEGMENT;
    struct hpt_info first;
    u64 refills, removed;
    struct mm *a, *b;
    struct file *f;

    if (!is_hash())
        return;
    f = shmem_file_create("hash_ktest", SEGMENT, VM_NORESERVE);
    a = test_mm_enter();
    mm_get(a);
    EXPECT_EQ(test_map_file(here, SEGMENT, RW, MAP_SHARED, f), here);
    for (unsigned int i = 0; i < NR_SHARED; i++)
        EXPECT(test_write(here + i * PAGE_SIZE, 70 + i));
    first = explain(here);
    b = mm_alloc();
    EXPECT_OR_RETURN(b != NULL);
    mm_get(b);
    mm_set_current(b);
    EXPECT_EQ(test_map_file(there, SEGMENT, RW, MAP_SHARED, f), there);
    refills = events("refill");
    EXPECT_EQ(test_read(there), 70); /* the link, and one refill that finds out what was wrong */
    EXPECT(events("refill") - refills <= 1);
    refills = events("refill");
    for (unsigned int i = 0; i < NR_SHARED; i++)
        EXPECT_EQ(read_word(there + i * PAGE_SIZE), 70 + i);
    EXPECT(can_write(there, 7000));
    EXPECT_EQ(events("refill"), refills);
    EXPECT_EQ(explain(there).vsid, first.vsid);

    removed = events("remove");
    EXPECT_EQ(mm_mprotect(b, there, SEGMENT, PROT_READ), 0);
    EXPECT_EQ(test_read(there), 7000);
    EXPECT(!can_write(there, 1));
    EXPECT_EQ(explain(there).vsid, first.vsid); /* N and Kp are the SLB entry's */
    EXPECT_EQ(mm_munmap(a, here, SEGMENT), 0);
    EXPECT_EQ(events("remove"), removed);
    EXPECT_EQ(read_word(there + 2 * PAGE_SIZE), 72);
    EXPECT_EQ(explain(there).vsid, first.vsid);
    EXPECT_EQ(f->op->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_SIZE, PAGE_SIZE),
              0);
    EXPECT_EQ(read_word(there + PAGE_SIZE), ~0ULL);
    EXPECT_EQ(read_word(there + 2 * PAGE_SIZE), 72);
    mm_get(a);
    mm_set_current(a);
    EXPECT_EQ(read_word(here), ~0ULL); /* the link of the other process is none of this one's */
    mm_set_current(NULL);
    mm_put(b);
    mm_put(a);
    file_put(f);
}

/* ---- base page size ---- */

/* A 16 MiB leaf alone is one entry; a small page beside it makes small entries of the segment; when
 * the small page and its table are gone, it is one entry again. */
KTEST(hash, segment_changes_its_page_size)
{
    unsigned int order = pt_shift(1) - PAGE_SHIFT;
    struct page *large, *small;
    struct mm *mm;
    u64 vsid[3], refills;

    if (!has_large_pages())
        return;
    large = alloc_pages(order, GFP_KERNEL | GFP_ZERO | GFP_NOOOM);
    if (large == NULL) {
        ktest_skip("no 16 MiB of contiguous memory");
        return;
    }
    small = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    for (unsigned int i = 0; i < 1u << order; i++)
        *(u64 *)page_to_virt(large + i) = i;
    *(u64 *)page_to_virt(small) = 4711;
    mm = test_mm_enter();

    set_entry(mm, BASE, 1, pte_make_leaf(page_to_phys(large), 1, USER_RW));
    refills = events("refill");
    for (unsigned int i = 0; i < 1u << order; i += 61)
        EXPECT_EQ(read_word(BASE + i * PAGE_SIZE), i);
    EXPECT_EQ(events("refill") - refills, 1);
    EXPECT_EQ(explain(BASE).base_shift, 24);
    EXPECT_EQ(explain(BASE).segment_entries, 1);
    vsid[0] = explain(BASE).vsid;

    set_entry(mm, BASE + 3 * pt_size(1), 0, pte_make_leaf(page_to_phys(small), 0, USER_RW));
    EXPECT_EQ(read_word(BASE + 3 * pt_size(1)), 4711);
    for (unsigned int i = 0; i < 1u << order; i += 61)
        EXPECT_EQ(read_word(BASE + i * PAGE_SIZE), i);
    EXPECT(can_write(BASE, 99));
    EXPECT_EQ(*(u64 *)page_to_virt(large), 99);
    EXPECT_EQ(explain(BASE).base_shift, 12);
    EXPECT(explain(BASE).segment_entries > 60);
    vsid[1] = explain(BASE).vsid;

    set_entry(mm, BASE + 3 * pt_size(1), 0, pte_none());
    flush(mm, BASE + 3 * pt_size(1), 0);
    EXPECT_EQ(read_word(BASE + 3 * pt_size(1)), ~0ULL);
    drop_tables(mm, BASE + 3 * pt_size(1), BASE + 4 * pt_size(1), BASE, BASE + SEGMENT - 1);
    flush(mm, BASE, 1);
    EXPECT_EQ(read_word(BASE), 99);
    EXPECT_EQ(explain(BASE).base_shift, 24);
    EXPECT_EQ(explain(BASE).segment_entries, 1);
    vsid[2] = explain(BASE).vsid;
    EXPECT(vsid[0] != vsid[1] && vsid[1] != vsid[2]);

    set_entry(mm, BASE, 1, pte_none());
    flush(mm, BASE, 1);
    EXPECT_EQ(read_word(BASE + 61 * PAGE_SIZE), ~0ULL);
    drop_tables(mm, BASE, BASE + SEGMENT, 0, 0);
    test_mm_leave();
    free_pages(large, order);
    free_pages(small, 0);
}

/* ---- young and dirty ---- */

KTEST(hash, referenced_and_changed_come_back)
{
    struct page *p, *table;
    unsigned int found;
    struct mm *mm;
    pte_t *slot;

    if (!is_hash())
        return;
    p = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    mm = test_mm_enter();
    set_entry(mm, BASE, 0, pte_make_leaf(page_to_phys(p), 0, USER_RW));
    slot = pt_find_slot(mm, BASE, 0, &table, &found);
    EXPECT_OR_RETURN(p != NULL && slot != NULL);
    for (unsigned int i = 0; i < 3; i++) {
        EXPECT_EQ(pte_state(pte_load(slot)), 0);
        EXPECT_EQ(read_word(BASE), i == 0 ? 0 : 5);
        EXPECT_EQ(pte_state(pte_load(slot)), PT_YOUNG);
        EXPECT(explain(BASE).second_word & HPTE_R);
        EXPECT(!(explain(BASE).second_word & HPTE_C));
        EXPECT(can_write(BASE, 5));
        EXPECT_EQ(pte_state(pte_load(slot)), USED);
        EXPECT(explain(BASE).second_word & HPTE_C);
        set_entry(mm, BASE, 0, pte_with_state(pte_load(slot), 0));
        flush(mm, BASE, 0);
        EXPECT_EQ(explain(BASE).slot, -1);
    }
    set_entry(mm, BASE, 0, pte_none());
    drop_tables(mm, BASE, BASE + SEGMENT, 0, 0);
    test_mm_leave();
    free_pages(p, 0);
}

/* ---- numbers ---- */

/* What an address space leaves behind is dead, and after a sweep it is gone. */
KTEST(hash, numbers_come_back_without_entries)
{
    struct hpt_occupancy before, after;
    u64 all, live, retired;
    vaddr_t va;

    if (!is_hash())
        return;
    hpt_sweep();
    hpt_occupancy(&before, 0);
    EXPECT_EQ(before.dead, 0);
    test_mm_enter();
    va = test_map(20 * PAGE_SIZE, RW, ANON);
    for (unsigned int i = 0; i < 20; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    EXPECT_EQ(explain(va).segment_entries, 20);
    hpt_occupancy(&after, explain(va).vsid);
    EXPECT_EQ(after.entries, 20);
    test_mm_leave();
    seg_numbers(&all, &live, &retired);
    EXPECT(retired >= 1);
    hpt_occupancy(&after, 0);
    EXPECT_EQ(after.dead, 20);
    hpt_sweep();
    hpt_occupancy(&after, 0);
    seg_numbers(&all, &live, &retired);
    EXPECT(after.dead == 0 && retired == 0);
}

/* Once around all numbers: none is given out that somebody has, or that has entries left. */
KTEST(hash, numbers_go_around)
{
    u64 all, live, retired, sweeps, own, reused = 0;
    struct page *table;
    unsigned int found;
    vaddr_t va;

    if (!is_hash())
        return;
    test_mm_enter();
    va = test_map(2 * PAGE_SIZE, RW, ANON);
    EXPECT(test_write(va, 1) && test_write(va + PAGE_SIZE, 2));
    EXPECT(pt_find_slot(current->mm, va, 1, &table, &found) != NULL);
    own = table->pt_private;
    seg_numbers(&all, &live, &retired);
    sweeps = events("sweep");
    for (u64 i = 0; i < all + 100; i++) {
        u64 seg = seg_alloc(0);

        reused += seg == own || seg_nr_entries(seg) != 0;
        seg_retire(seg);
        seg_sweep(false);
    }
    EXPECT_EQ(reused, 0);
    EXPECT(events("sweep") >= sweeps + 3);
    EXPECT_EQ(read_word(va), 1);
    EXPECT_EQ(table->pt_private, own);
    EXPECT_EQ(mm_munmap(current->mm, va, 2 * PAGE_SIZE), 0);
    test_mm_leave();
}

/* A large range goes by taking the segment's number away; its neighbours come back by refills. */
KTEST(hash, large_flush_takes_the_number)
{
    vaddr_t va = BASE;
    u64 vsid;

    if (!is_hash())
        return;
    test_mm_enter();
    EXPECT_EQ(test_map_file(va, MIB(64), RW, ANON | MAP_NORESERVE, NULL), va);
    EXPECT(test_write(va, 1) && test_write(va + MIB(31), 31) && test_write(va + MIB(63), 63));
    vsid = explain(va).vsid;
    EXPECT_EQ(mm_munmap(current->mm, va, MIB(32)), 0);
    EXPECT_EQ(read_word(va), ~0ULL);
    EXPECT_EQ(read_word(va + MIB(63)), 63);
    EXPECT(explain(va + MIB(63)).vsid != vsid);
    test_mm_leave();
}
