/* SPDX-License-Identifier: MIT */
/*
 * gib_ktest.c: leaves of 1 GiB over anonymous memory, on a machine that has the memory (`make
 * gigantic`): the lock-free pin through one, its split with and without pins, and what that costs.
 * Every rule of mm/gib.c on small trees: tests/host/mm/gib_test.c.
 */
#include <kernel/time.h>
#include <linux/mman.h>
#include <mm/gup.h>
#include <mm/huge.h>
#include <mm/thp.h>
#include "../../../mm/thp_internal.h"
#include "../../../mm/thp_knobs.h"
#include "pt_test.h"

#define SPAN pt_size(GIB_LEVEL)
#define N    64u

/* A GiB of memory as one leaf; 0 when there is none (skipped). */
static vaddr_t make_gib(void)
{
    struct mm *mm = test_mm_enter();
    unsigned int knob = thp_knobs.gib;
    vaddr_t va;
    int err = -ENOMEM;

    if (!gib_possible() || buddy_nr_free_order(BUDDY_MAX_ORDER) < 2) {
        ktest_skip("no leaves of 1 GiB, or no memory");
        return 0;
    }
    va = test_map(2 * SPAN, RW, ANON | MAP_NORESERVE);
    EXPECT_EQ(mm_munmap(mm, va, ALIGN_UP(va, SPAN) - va), 0);
    va = ALIGN_UP(va, SPAN);
    EXPECT_EQ(mm_madvise(mm, va, SPAN, MADV_HUGEPAGE), 0);
    for (vaddr_t at = va; at < va + SPAN; at += PAGE_SIZE)
        (void)test_write(at, at);
    thp_knobs.gib = GIB_ALWAYS;
    err = mm_madvise(mm, va, SPAN, MADV_COLLAPSE);
    thp_knobs.gib = knob;
    EXPECT_EQ(err, 0);
    return err ? 0 : va;
}

/* Level of the leaf that hardware finds. */
static unsigned int leaf_level(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level, found;

    for (level = GIB_LEVEL; level > 0; level--) {
        pte_t *slot = pt_find_slot(mm, va, level, &table, &found);

        if (slot != NULL && found == level && pte_is_leaf(pte_load(slot), level))
            break;
    }
    return level;
}

static void expect_filled(vaddr_t va)
{
    unsigned int bad = 0;

    for (vaddr_t at = va; at < va + SPAN; at += PAGE_SIZE)
        bad += test_read(at) != at;
    EXPECT_EQ(bad, 0);
}

static u64 nr_flushes(void)
{
    return vmstat_sum(VMSTAT_tlb_flush_local) + vmstat_sum(VMSTAT_tlb_flush_rounds);
}

/* Pins are on the subpages' own words, and stay through both splits. */
KTEST(gib, fast_pins_and_splits)
{
    vaddr_t va = make_gib(), at = va + 17 * pt_size(HUGE_LEVEL) - N / 2 * PAGE_SIZE;
    struct mm *mm = current->mm;
    static struct page *pages[N];
    unsigned int bad = 0;
    u64 flushes;

    if (va != 0) {
        EXPECT_EQ(leaf_level(mm, va), GIB_LEVEL);
        EXPECT_EQ(gup_fast_only(at, N, GUP_WRITE, pages, true), N); /* across two huge pages */
        EXPECT_EQ(leaf_level(mm, va), GIB_LEVEL);
        for (unsigned int i = 0; i < N; i++)
            bad += page_pins(pages[i]) != 1 || *(u64 *)page_to_virt(pages[i]) != at + i * PAGE_SIZE;
        EXPECT_EQ(bad, 0);
        flushes = nr_flushes();
        split_huge_page(pages[0]);
        EXPECT_EQ(nr_flushes() - flushes, 1); /* for the leaf of 1 GiB and the part */
        EXPECT_EQ(leaf_level(mm, at), 0);
        EXPECT_EQ(leaf_level(mm, at + N / 2 * PAGE_SIZE), HUGE_LEVEL);
        for (unsigned int i = 0; i < N; i++)
            bad += page_pins(pages[i]) != 1;
        EXPECT_EQ(bad, 0);
        expect_filled(va);
        unpin_user_pages(pages, N, true);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

/* With no page pinned, with one, with one in each huge page. Under -icount the figures are
 * instructions. */
KTEST(gib, cost)
{
    vaddr_t va = make_gib();
    struct mm *mm = current->mm;
    static struct page *pages[512];
    u64 t0, t1, t2;

    if (va != 0) {
        for (unsigned int pins = 0; pins <= 512; pins = pins == 0 ? 1 : 512 * pins) {
            for (unsigned int i = 0; i < pins; i++)
                EXPECT(gup_fast_only(va + i * pt_size(HUGE_LEVEL), 1, GUP_WRITE, &pages[i], true));
            EXPECT_EQ(leaf_level(mm, va), GIB_LEVEL);
            t0 = clock_monotonic_ns();
            EXPECT_EQ(gib_demote_range(mm, va, va + SPAN), 1);
            t1 = clock_monotonic_ns();
            EXPECT_EQ(leaf_level(mm, va), HUGE_LEVEL);
            mmap_write_lock(mm);
            vma_write_lock(vma_lookup(mm, va));
            t2 = clock_monotonic_ns();
            EXPECT_EQ(gib_promote(vma_lookup(mm, va), va, false), GIB_OK);
            pr_info("gib: with %u pins: to huge pages %llu ns, back %llu ns\n", pins,
                    (unsigned long long)(t1 - t0), (unsigned long long)(clock_monotonic_ns() - t2));
            mmap_write_unlock(mm);
            unpin_user_pages(pages, pins, false);
        }
        t0 = clock_monotonic_ns();
        split_huge_page(pages[0]);
        pr_info("gib: to huge pages, and a part to small ones %llu ns\n",
                (unsigned long long)(clock_monotonic_ns() - t0));
        expect_filled(va);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}
