/* SPDX-License-Identifier: MIT */
/* thp_ktest.c: huge leaves of anonymous memory: how they come, what each operation on a whole or a
 * part of one does, and the split with pins and with many mappings. */
#include <mm/thp.h>
#include "huge_test.h"

#define SIZE pt_size(HUGE_LEVEL)
#define MARK 0x5100000000000000ULL

/* An aligned area of @n huge pages' size that wants them; 0 when there are none (skipped). */
static vaddr_t map_huge_area(unsigned int n)
{
    return test_huge_area(n, n + 2, MADV_HUGEPAGE);
}

static void fill(vaddr_t va, u64 mark)
{
    for (vaddr_t at = va; at < va + SIZE; at += PAGE_SIZE)
        EXPECT(test_write(at, mark + at));
}

static void expect_filled(vaddr_t va, vaddr_t end, u64 mark)
{
    unsigned int bad = 0;

    for (vaddr_t at = va; at < end; at += PAGE_SIZE)
        bad += test_read(at) != mark + at;
    EXPECT_EQ(bad, 0);
}

static struct page *pin(struct mm *mm, vaddr_t va, bool write)
{
    return vma_ops(vma_lookup(mm, va))->pin(vma_lookup(mm, va), va, write);
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

KTEST(thp, fault_maps_a_huge_page)
{
    vaddr_t va = map_huge_area(2);
    struct mm *mm = current->mm;
    struct page *p;

    if (va != 0) {
        u64 faults = vmstat_sum(VMSTAT_thp_fault_alloc);

        EXPECT(test_write(va + 5 * PAGE_SIZE, 7));
        EXPECT(test_is_huge(mm, va) && test_is_huge(mm, va + SIZE - PAGE_SIZE));
        EXPECT(!test_is_huge(mm, va + SIZE));
        EXPECT_EQ(vmstat_sum(VMSTAT_thp_fault_alloc) - faults, 1);
        EXPECT_EQ(test_rss(mm, MM_ANON), huge_nr());
        EXPECT_EQ(test_read(va), 0);
        EXPECT_EQ(test_read(va + 5 * PAGE_SIZE), 7);
        p = test_page(mm, va + PAGE_SIZE);
        EXPECT(huge_is(p) && huge_head(p) == test_page(mm, va));
        EXPECT(page_test(huge_head(p), PG_EXCLUSIVE));
        EXPECT_EQ(thp_nr_mapped(), huge_nr());
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(mm_munmap(mm, va, SIZE), 0);
        EXPECT_EQ(thp_nr_mapped(), 0);
        EXPECT_EQ(test_rss(mm, MM_ANON), 0);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

/* Without the advice, with the contrary one, for a process that refuses, for a part. */
KTEST(thp, not_where_it_is_not_wanted)
{
    vaddr_t va = map_huge_area(2);
    struct mm *mm = current->mm;

    if (va != 0) {
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_NOHUGEPAGE), 0);
        EXPECT(test_write(va, 1) && !test_is_huge(mm, va));
        mm->thp_disable = true;
        EXPECT(test_write(va + SIZE, 1) && !test_is_huge(mm, va + SIZE));
        mm->thp_disable = false;
        EXPECT_EQ(mm_munmap(mm, va, SIZE + PAGE_SIZE), 0);
        EXPECT(test_write(va + SIZE + PAGE_SIZE, 1) && !test_is_huge(mm, va + SIZE + PAGE_SIZE));
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

/* Each allocation that a huge page needs fails in turn: a base page comes instead. */
KTEST(thp, falls_back_to_base_pages)
{
    vaddr_t va = map_huge_area(3);
    struct mm *mm = current->mm;

    if (va != 0) {
        EXPECT(test_write(va, 1)); /* tables above are there */
#ifdef CONFIG_DEBUG
        for (long n = 1; n <= 2; n++) {
            vaddr_t at = va + (vaddr_t)n * SIZE;

            mmap_read_lock(mm);
            fail_set_nth(current, n); /* the table for a split; the page */
            EXPECT_EQ(mm_handle_fault(vma_lookup(mm, at), at, FAULT_WRITE), FAULT_OK);
            EXPECT_EQ(current->fail_nth, 0);
            fail_set_nth(current, 0);
            mmap_read_unlock(mm);
            EXPECT(!test_is_huge(mm, at) && test_write(at, 1));
            EXPECT_EQ(test_read(at), 1);
        }
#endif
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

KTEST(thp, reads_map_the_huge_zero_page)
{
    vaddr_t va = map_huge_area(3);
    struct mm *mm = current->mm, *child;

    if (va != 0) {
        for (unsigned int i = 0; i < 3; i++)
            EXPECT_EQ(test_read(va + i * SIZE + 8 * PAGE_SIZE), 0);
        EXPECT(test_is_huge(mm, va) && test_page(mm, va) == test_page(mm, va + SIZE));
        EXPECT_EQ(test_rss(mm, MM_ANON), 0);
        EXPECT(test_write(va + 3 * PAGE_SIZE, 9)); /* a page of its own */
        EXPECT(test_is_huge(mm, va) && test_page(mm, va) != test_page(mm, va + SIZE));
        EXPECT_EQ(test_read(va), 0);
        EXPECT_EQ(test_read(va + 3 * PAGE_SIZE), 9);
        child = mm_fork(mm);
        EXPECT_EQ(mm_munmap(mm, va + SIZE, PAGE_SIZE), 0); /* a part of zeroes */
        EXPECT_EQ(mm_mprotect(mm, va + 2 * SIZE, PAGE_SIZE, PROT_READ), 0);
        EXPECT_EQ(test_read(va + SIZE + PAGE_SIZE), 0);
        EXPECT_EQ(test_read(va + 2 * SIZE), 0);
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        mm_put(child);
    }
    test_mm_leave();
}

KTEST(thp, whole_operations_keep_the_leaf)
{
    vaddr_t va = map_huge_area(2);
    struct mm *mm = current->mm;
    struct page *p;
    long to;

    if (va != 0) {
        u64 splits = vmstat_sum(VMSTAT_thp_split_page);

        fill(va, MARK);
        p = test_page(mm, va);
        EXPECT_EQ(mm_mprotect(mm, va, SIZE, PROT_READ), 0);
        EXPECT(!test_write(va, 1));
        EXPECT_EQ(mm_mprotect(mm, va, SIZE, PROT_NONE), 0);
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(test_read(va), ~0ULL);
        EXPECT_EQ(mm_mprotect(mm, va, SIZE, RW), 0);
        expect_filled(va, va + SIZE, MARK);
        to = mm_mremap(mm, &(struct mremap_request){.addr = va,
                                                    .old_len = SIZE,
                                                    .new_len = SIZE,
                                                    .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                                    .new_addr = va + SIZE});
        EXPECT_EQ(to, va + SIZE);
        EXPECT(test_is_huge(mm, va + SIZE) && test_page(mm, va + SIZE) == p);
        expect_filled(va + SIZE, va + 2 * SIZE, MARK - SIZE);
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(mm_madvise(mm, va + SIZE, SIZE, MADV_DONTNEED), 0);
        EXPECT_EQ(test_rss(mm, MM_ANON), 0);
        EXPECT_EQ(test_read(va + SIZE), 0);
        EXPECT_EQ(vmstat_sum(VMSTAT_thp_split_page) - splits, 0);
    }
    test_mm_leave();
}

/* What is cut off goes back at once, the rest keeps its bytes. */
KTEST(thp, parts_split_and_free_at_once)
{
    vaddr_t va = map_huge_area(4);
    struct mm *mm = current->mm;
    long before;

    if (va != 0) {
        for (unsigned int i = 0; i < 4; i++)
            fill(va + i * SIZE, MARK);
        page_shrink_caches();
        before = (long)buddy_nr_free();
        EXPECT_EQ(mm_munmap(mm, va + SIZE - 64 * PAGE_SIZE, 64 * PAGE_SIZE), 0);
        EXPECT_EQ(mm_madvise(mm, va + SIZE, 64 * PAGE_SIZE, MADV_DONTNEED), 0);
        page_shrink_caches();
        EXPECT((long)buddy_nr_free() - before >= 120);
        expect_filled(va, va + SIZE - 64 * PAGE_SIZE, MARK);
        expect_filled(va + SIZE + 64 * PAGE_SIZE, va + 2 * SIZE, MARK);
        EXPECT_EQ(test_read(va + SIZE), 0);
        EXPECT_EQ(mm_mprotect(mm, va + 2 * SIZE + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0);
        EXPECT(!test_write(va + 2 * SIZE + PAGE_SIZE, 0) && !test_is_huge(mm, va + 2 * SIZE));
        EXPECT(test_is_huge(mm, va + 3 * SIZE));
        EXPECT(mm_mremap(mm, &(struct mremap_request){.addr = va + 3 * SIZE + PAGE_SIZE,
                                                      .old_len = PAGE_SIZE,
                                                      .new_len = PAGE_SIZE,
                                                      .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                                      .new_addr = va + SIZE - PAGE_SIZE}) > 0);
        EXPECT_EQ(test_read(va + SIZE - PAGE_SIZE), MARK + va + 3 * SIZE + PAGE_SIZE);
        EXPECT_EQ(test_read(va + 3 * SIZE), MARK + va + 3 * SIZE);
        expect_filled(va + 2 * SIZE, va + 3 * SIZE, MARK);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

/* A border between areas moves into a huge page, by a merge with the neighbour. */
KTEST(thp, border_shift_splits)
{
    vaddr_t va = map_huge_area(2);
    struct mm *mm = current->mm;

    if (va != 0) {
        EXPECT_EQ(mm_mprotect(mm, va, SIZE, PROT_READ), 0);
        fill(va + SIZE, MARK);
        EXPECT_EQ(mm_mprotect(mm, va + SIZE, 3 * PAGE_SIZE, PROT_READ), 0);
        EXPECT(!test_is_huge(mm, va + SIZE));
        EXPECT_EQ(test_check(mm), 0);
        expect_filled(va + SIZE, va + 2 * SIZE, MARK);
        EXPECT_EQ(mm_munmap(mm, va, 2 * SIZE), 0);
        EXPECT(test_map_file(va, 2 * SIZE, RW, ANON, NULL) == va);
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_HUGEPAGE), 0);
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_DONTDUMP), 0);
        fill(va + SIZE, MARK);
        EXPECT(test_is_huge(mm, va + SIZE));
        /* no permissions change: only the border moves */
        EXPECT_EQ(mm_madvise(mm, va + SIZE, 3 * PAGE_SIZE, MADV_DONTDUMP), 0);
        EXPECT(!test_is_huge(mm, va + SIZE));
        EXPECT_EQ(test_check(mm), 0);
        expect_filled(va + SIZE, va + 2 * SIZE, MARK);
    }
    test_mm_leave();
}

KTEST(thp, fork_shares_the_leaf)
{
    vaddr_t va = map_huge_area(1);
    struct mm *mm = current->mm, *child;
    struct page *p;

    if (va != 0) {
        fill(va, MARK);
        p = test_page(mm, va);
        child = mm_fork(mm);
        EXPECT(test_is_huge(child, va) && test_page(child, va) == p);
        EXPECT(!page_test(p, PG_EXCLUSIVE) && page_mapcount(p) == 2);
        EXPECT_EQ(huge_refs(huge_load(p)), 2);
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        mm_put(child);
        EXPECT(test_write(va, 1)); /* alone again: in place */
        EXPECT(test_is_huge(mm, va) && test_page(mm, va) == p && page_test(p, PG_EXCLUSIVE));
        child = mm_fork(mm);
        mm_get(mm);
        EXPECT(test_write(va + PAGE_SIZE, 2)); /* shared: split, one page copied */
        EXPECT(!test_is_huge(mm, va) && !test_is_huge(child, va));
        EXPECT(test_page(mm, va) == test_page(child, va));
        EXPECT(test_page(mm, va + PAGE_SIZE) != test_page(child, va + PAGE_SIZE));
        EXPECT_EQ(test_read(va + PAGE_SIZE), 2);
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        live_in(child);
        EXPECT_EQ(test_read(va), 1);
        expect_filled(va + PAGE_SIZE, va + SIZE, MARK);
        live_in(mm);
        mm_put(child);
        mm_put(mm);
        expect_filled(va + 2 * PAGE_SIZE, va + SIZE, MARK);
    }
    test_mm_leave();
}

/* Exactly the pinned subpages stay the parent's own. */
KTEST(thp, fork_copies_pinned_subpages_only)
{
    vaddr_t va = map_huge_area(1);
    struct mm *mm = current->mm, *child;
    struct page *p, *q;
    unsigned int copied = 0;

    if (va != 0) {
        fill(va, MARK);
        p = pin(mm, va, true);
        q = pin(mm, va + 70 * PAGE_SIZE, true);
        EXPECT(p != NULL && q == p + 70 && test_is_huge(mm, va));
        EXPECT(page_pins(p) == 1 && page_pins(q) == 1 && page_pins(p + 1) == 0);
        child = mm_fork(mm);
        for (vaddr_t at = va; at < va + SIZE; at += PAGE_SIZE)
            copied += test_page(mm, at) != test_page(child, at);
        EXPECT_EQ(copied, 2);
        EXPECT(test_page(mm, va) == p && test_page(mm, va + 70 * PAGE_SIZE) == q);
        EXPECT(test_write(va, 3) && *(u64 *)page_to_virt(p) == 3);
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        mm_put(child);
        page_unpin(p);
        page_unpin(q);
        expect_filled(va + PAGE_SIZE, va + SIZE, MARK);
    }
    test_mm_leave();
}

/* A child that only ever pinned for reading, and exited: the pin still sees the old bytes. */
KTEST(thp, no_reuse_under_a_foreign_pin)
{
    vaddr_t va = map_huge_area(1);
    struct mm *mm = current->mm, *child;
    struct page *p;

    if (va != 0) {
        fill(va, MARK);
        child = mm_fork(mm);
        p = pin(child, va + PAGE_SIZE, false);
        EXPECT(p != NULL);
        mm_put(child);
        EXPECT(test_write(va + PAGE_SIZE, 4));
        EXPECT(*(u64 *)page_to_virt(p) == MARK + va + PAGE_SIZE);
        EXPECT_EQ(test_check(mm), 0);
        page_unpin(p);
    }
    test_mm_leave();
}

/* One subpage pinned: MADV_DONTNEED of the page gives all other frames back. */
KTEST(thp, one_pin_does_not_keep_the_rest)
{
    vaddr_t va = map_huge_area(1);
    struct mm *mm = current->mm;
    struct page *p;
    long before, freed;

    if (va != 0) {
        fill(va, MARK);
        p = pin(mm, va + 9 * PAGE_SIZE, true);
        page_shrink_caches();
        before = (long)buddy_nr_free();
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_DONTNEED), 0);
        page_shrink_caches();
        freed = (long)buddy_nr_free() - before;
        EXPECT_EQ(freed, (long)huge_nr() - 1 + (1L << pt_table_order(0)));
        EXPECT(*(u64 *)page_to_virt(p) == MARK + va + 9 * PAGE_SIZE);
        page_unpin(p);
    }
    test_mm_leave();
}

#define MAX_MAPS 64

static u64 nr_flushes(void)
{
    return vmstat_sum(VMSTAT_tlb_flush_local) + vmstat_sum(VMSTAT_tlb_flush_rounds);
}

/* Splits a page with @nr_pins pins on distinct subpages, mapped by @nr_maps address spaces. */
static void split_with(unsigned int nr_pins, unsigned int nr_maps)
{
    static struct mm *children[MAX_MAPS];
    vaddr_t va = map_huge_area(1);
    struct mm *mm = current->mm;
    struct page *head, *p;
    unsigned int bad = 0;
    u64 flushes;
    long rss;

    if (va == 0) {
        test_mm_leave();
        return;
    }
    fill(va, MARK);
    head = test_page(mm, va);
    for (unsigned int i = 0; i + 1 < nr_maps; i++) {
        children[i] = mm_fork(mm);
        EXPECT(!IS_ERR(children[i]));
    }
    for (unsigned int i = 0; i < nr_pins; i++) {
        p = pin(mm, va + i * PAGE_SIZE, false);
        EXPECT(p == head + i);
    }
    EXPECT(test_is_huge(mm, va) && page_mapcount(head) == (s32)nr_maps);
    rss = test_rss(mm, MM_ANON);
    flushes = nr_flushes();
    split_huge_page(head + 11);
    EXPECT_EQ(nr_flushes() - flushes, 1); /* for all address spaces together */
    EXPECT(!huge_is(head) && !test_is_huge(mm, va));
    EXPECT_EQ(test_rss(mm, MM_ANON), rss);
    for (unsigned long i = 0; i < huge_nr(); i++) {
        u32 pins = i < nr_pins ? 1 : 0;

        bad += page_refs(head + i) != nr_maps + pins || page_pins(head + i) != pins ||
               page_mapcount(head + i) != (s32)nr_maps || (head[i].word & PAGE_TAIL);
        bad += page_test(head + i, PG_EXCLUSIVE) != (nr_maps == 1);
    }
    EXPECT_EQ(bad, 0);
    expect_filled(va, va + SIZE, MARK);
    EXPECT_EQ(test_check(mm), 0);
    for (unsigned int i = 0; i + 1 < nr_maps; i++) {
        EXPECT_EQ(test_check(children[i]), 0);
        EXPECT(test_page(children[i], va + PAGE_SIZE) == head + 1);
        mm_put(children[i]);
    }
    for (unsigned int i = 0; i < nr_pins; i++)
        page_unpin(head + i);
    EXPECT(test_write(va, 5));
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(split, no_pin_one_mapping)
{
    split_with(0, 1);
}

KTEST(split, one_pin)
{
    split_with(1, 1);
}

KTEST(split, every_subpage_pinned)
{
    split_with(huge_nr(), 1);
}

KTEST(split, sixty_four_mappings)
{
    split_with(0, MAX_MAPS);
}

KTEST(split, sixty_four_mappings_every_subpage_pinned)
{
    split_with(huge_nr(), MAX_MAPS);
}
