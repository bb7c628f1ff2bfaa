/* SPDX-License-Identifier: MIT */
/* collapse_ktest.c: small pages become huge ones: in place with pins outstanding, by copy; what
 * refuses; khugepaged's round; MADV_COLLAPSE's errors. */
#include <mm/thp.h>
#include "huge_test.h"

#define SIZE pt_size(HUGE_LEVEL)
#define MARK 0x7100000000000000ULL

static const struct collapse_limits no_limits = {
    .none = ~0u, .shared = ~0u, .gfp = GFP_USER | GFP_NOOOM};

/* An aligned area of @n huge pages' size; 0 when there are none (skipped). */
static vaddr_t map_area(unsigned int n, int advice)
{
    return test_huge_area(n, 2 * (n + 2), advice);
}

static unsigned int nr_huge(struct mm *mm, vaddr_t va, unsigned int n)
{
    unsigned int huge = 0;

    for (unsigned int i = 0; i < n; i++)
        huge += test_is_huge(mm, va + i * SIZE);
    return huge;
}

static void fill(vaddr_t va)
{
    for (vaddr_t at = va; at < va + SIZE; at += PAGE_SIZE)
        EXPECT(test_write(at, MARK + at));
}

static void expect_filled(vaddr_t va)
{
    unsigned int bad = 0;

    for (vaddr_t at = va; at < va + SIZE; at += PAGE_SIZE)
        bad += test_read(at) != MARK + at;
    EXPECT_EQ(bad, 0);
}

static struct page *pin(struct mm *mm, vaddr_t va)
{
    return vma_ops(vma_lookup(mm, va))->pin(vma_lookup(mm, va), va, true);
}

/* Split, and together again, while pages are pinned: nothing is copied, the pins stay. */
KTEST(collapse, in_place_with_pins)
{
    vaddr_t va = map_area(1, MADV_HUGEPAGE);
    struct mm *mm = current->mm;
    struct page *head, *a, *b;

    if (va != 0) {
        u64 promoted = vmstat_sum(VMSTAT_thp_promote);

        fill(va);
        head = test_page(mm, va);
        a = pin(mm, va + 3 * PAGE_SIZE);
        split_huge_page(head);
        b = pin(mm, va);
        EXPECT(!test_is_huge(mm, va) && a == head + 3 && b == head);
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_OK);
        EXPECT_EQ(vmstat_sum(VMSTAT_thp_promote) - promoted, 1);
        EXPECT(test_is_huge(mm, va) && test_page(mm, va) == head && huge_is(head));
        EXPECT(page_pins(a) == 1 && page_refs(a) == 1 && page_pins(b) == 1);
        EXPECT_EQ(thp_nr_mapped(), huge_nr());
        EXPECT_EQ(test_check(mm), 0);
        expect_filled(va);
        EXPECT(test_write(va + 3 * PAGE_SIZE, 8) && *(u64 *)page_to_virt(a) == 8);
        EXPECT(test_write(va + 3 * PAGE_SIZE, MARK + va + 3 * PAGE_SIZE));
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_IS_HUGE);
        split_huge_page(head);
        page_unpin(a);
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_OK);
        page_unpin(b);
        expect_filled(va);
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_DONTNEED), 0);
        EXPECT_EQ(thp_nr_mapped(), 0);
    }
    test_mm_leave();
}

/* What a fork does to the page after that must not leave a page in the dark about who owns it. */
KTEST(collapse, promoted_page_is_shared_and_split)
{
    vaddr_t va = map_area(1, MADV_HUGEPAGE);
    struct mm *mm = current->mm, *child;

    if (va != 0) {
        fill(va);
        split_huge_page(test_page(mm, va));
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_OK);
        child = mm_fork(mm);
        EXPECT(test_is_huge(child, va));
        split_huge_page(test_page(mm, va));
        EXPECT(!page_test(test_page(mm, va + PAGE_SIZE), PG_EXCLUSIVE));
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        EXPECT_EQ(thp_collapse(child, va, &no_limits), COLLAPSE_OK); /* by copy: they are shared */
        EXPECT(test_is_huge(child, va) && test_page(child, va) != test_page(mm, va));
        EXPECT_EQ(test_check(mm) + test_check(child), 0);
        mm_put(child);
        expect_filled(va);
    }
    test_mm_leave();
}

KTEST(collapse, by_copy)
{
    vaddr_t va = map_area(2, MADV_NOHUGEPAGE);
    struct mm *mm = current->mm;
    struct page *p;

    if (va != 0) {
        fill(va);
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_DONTNEED), 0);
        EXPECT(test_write(va + SIZE, 1)); /* shifts the frames */
        for (vaddr_t at = va + SIZE; at > va;) {
            at -= 2 * PAGE_SIZE; /* holes in between, and not in the order of frames */
            EXPECT(test_write(at, MARK + at));
        }
        EXPECT_EQ(test_read(va + PAGE_SIZE), 0);                  /* a zero page */
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_NO); /* unwanted */
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_HUGEPAGE), 0);
        EXPECT_EQ(thp_collapse(mm, va, &(struct collapse_limits){.none = 3, .shared = 0}),
                  COLLAPSE_NO);
        p = pin(mm, va);
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_BUSY);
        EXPECT_EQ(test_check(mm), 0);
        page_unpin(p);
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_OK);
        EXPECT(test_is_huge(mm, va));
        EXPECT_EQ(test_rss(mm, MM_ANON), huge_nr() + 1);
        for (vaddr_t at = va; at < va + SIZE; at += 2 * PAGE_SIZE)
            EXPECT(test_read(at) == MARK + at && test_read(at + PAGE_SIZE) == 0);
        EXPECT(test_write(va, 5));
        EXPECT_EQ(test_check(mm), 0);
        EXPECT_EQ(thp_collapse(mm, va + SIZE, &no_limits), COLLAPSE_OK);
        EXPECT_EQ(test_read(va + SIZE), 1);
    }
    test_mm_leave();
}

#ifdef CONFIG_DEBUG
KTEST(collapse, without_memory_nothing_changes)
{
    vaddr_t va = map_area(1, MADV_NOHUGEPAGE);
    struct mm *mm = current->mm;

    if (va != 0) {
        EXPECT(test_write(va, 1) && test_write(va + 2 * PAGE_SIZE, 2));
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_HUGEPAGE), 0);
        fail_set_nth(current, 1);
        EXPECT_EQ(thp_collapse(mm, va, &no_limits), COLLAPSE_NO_MEMORY);
        fail_set_nth(current, 0);
        EXPECT(!test_is_huge(mm, va) && test_read(va) == 1 && test_read(va + 2 * PAGE_SIZE) == 2);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}
#endif

KTEST(collapse, khugepaged_finds_what_wants)
{
    vaddr_t va = map_area(4, MADV_NOHUGEPAGE);
    struct mm *mm = current->mm;

    if (va != 0) {
        for (unsigned int i = 0; i < 4; i++)
            EXPECT(test_write(va + i * SIZE, i));
        EXPECT_EQ(mm_madvise(mm, va, 3 * SIZE, MADV_HUGEPAGE), 0);
        EXPECT(!test_is_huge(mm, va));
        EXPECT(khugepaged_scan(huge_nr())); /* one span */
        EXPECT_EQ(nr_huge(mm, va, 3), 1);
        EXPECT(khugepaged_scan(2 * huge_nr()));
        EXPECT(khugepaged_scan(huge_nr()));
        (void)khugepaged_scan(100 * huge_nr());
        EXPECT_EQ(nr_huge(mm, va, 3), 3);
        EXPECT(!test_is_huge(mm, va + 3 * SIZE));
        for (unsigned int i = 0; i < 4; i++)
            EXPECT_EQ(test_read(va + i * SIZE), i);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

KTEST(collapse, madvise_errors)
{
    vaddr_t va = map_area(2, MADV_HUGEPAGE);
    struct mm *mm = current->mm;
    struct page *p;

    if (va != 0) {
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_COLLAPSE), -EINVAL); /* nothing is there */
        EXPECT(test_write(va, 1) && test_write(va + SIZE, 2));
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_COLLAPSE), 0);
        EXPECT_EQ(mm_madvise(mm, va + PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
        p = pin(mm, va);
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_COLLAPSE), -EAGAIN);
        page_unpin(p);
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_COLLAPSE), 0);
        EXPECT(test_is_huge(mm, va) && test_read(va) == 1);
        EXPECT_EQ(mm_madvise(mm, va + 1, SIZE, MADV_COLLAPSE), -EINVAL);
        EXPECT_EQ(mm_munmap(mm, va + SIZE, SIZE), 0);
        EXPECT_EQ(mm_madvise(mm, va, 2 * SIZE, MADV_COLLAPSE), -ENOMEM);
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_NOHUGEPAGE), 0);
        EXPECT_EQ(mm_madvise(mm, va, SIZE, MADV_COLLAPSE), -EINVAL);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}
