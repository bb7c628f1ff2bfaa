/* SPDX-License-Identifier: MIT */
/* huge_test.h: for tests of transparent huge pages: memory that may have them, and whether it
 * does. */
#pragma once
#include <linux/mman.h>
#include <mm/buddy.h>
#include <mm/huge.h>
#include "pt_test.h"

static inline bool test_is_huge(struct mm *mm, vaddr_t va)
{
    unsigned int level;
    pte_t e = test_entry(mm, va, &level);

    return level == HUGE_LEVEL && pte_is_leaf(e, level);
}

/* An aligned area of @n huge pages' size with @advice, in a new address space; 0 (skipped) without
 * huge pages or when @needed of them are not free. */
static inline vaddr_t test_huge_area(unsigned int n, unsigned int needed, int advice)
{
    const size_t size = pt_size(HUGE_LEVEL);
    struct mm *mm = test_mm_enter();
    vaddr_t va;

    if (huge_words == NULL || buddy_nr_free() < needed * huge_nr()) {
        ktest_skip("no huge pages, or no memory");
        return 0;
    }
    va = test_map((n + 1) * size, RW, ANON);
    EXPECT_EQ(mm_munmap(mm, va, ALIGN_UP(va, size) - va), 0);
    va = ALIGN_UP(va, size);
    EXPECT_EQ(mm_madvise(mm, va, n * size, advice), 0);
    return va;
}
