/* SPDX-License-Identifier: MIT */
/* huge_ktest.c: the words of a huge page without any page table: pins of subpages and of the whole,
 * in every order with the end of the whole. */
#include <mm/huge.h>
#include "pt_test.h"

static struct page *new_huge(void)
{
    struct page *head = huge_alloc(PAGE_ANON, GFP_USER);

    if (head == NULL)
        ktest_skip("no huge page");
    return head;
}

/* What else runs allocates little; a huge page is a lot. */
static long free_frames(void)
{
    page_shrink_caches();
    return (long)buddy_nr_free();
}

KTEST(huge, alloc_and_put)
{
    struct page *head = new_huge();
    long before;

    if (head == NULL)
        return;
    before = free_frames();
    EXPECT(huge_is(head) && huge_is(head + huge_nr() - 1) && huge_head(head + 7) == head);
    EXPECT(!page_try_get(head) && !page_try_get(head + 1));
    EXPECT_EQ(huge_refs(huge_load(head)), 1);
    huge_put(head);
    EXPECT(!huge_is(head));
    EXPECT(free_frames() - before >= (long)huge_nr() - 8);
}

/* A put of a subpage leaves the whole alone; the last put of the whole leaves pinned ones alone. */
KTEST(huge, pinned_subpage_outlives_the_whole)
{
    struct page *head = new_huge();
    long before;

    if (head == NULL)
        return;
    before = free_frames();
    EXPECT(!huge_maybe_pinned(head));
    for (unsigned int i = 0; i < 3; i++) {
        EXPECT(page_try_pin(head + 5 * i));
        page_unpin(head + 5 * i);
    }
    EXPECT(huge_is(head) && huge_maybe_pinned(head) && huge_pages_idle(head));
    page_pin(head + 9);
    page_pin(head + 9);
    *(u64 *)page_to_virt(head + 9) = 0x1122334455667788;
    huge_put(head);
    EXPECT(free_frames() - before >= (long)huge_nr() - 9);
    EXPECT(free_frames() - before <= (long)huge_nr() + 7);
    EXPECT(page_pins(head + 9) == 2 && page_refs(head + 9) == 2);
    EXPECT(*(u64 *)page_to_virt(head + 9) == 0x1122334455667788);
    EXPECT(!page_try_pin(head + 8) || (page_unpin(head + 8), true));
    page_unpin(head + 9);
    EXPECT_EQ(page_pins(head + 9), 1);
    page_unpin(head + 9);
}

KTEST(huge, pin_of_the_whole_is_one_step)
{
    struct page *head = new_huge();

    if (head == NULL)
        return;
    EXPECT(huge_try_pin(head));
    EXPECT(huge_pins(huge_load(head)) == 1 && huge_refs(huge_load(head)) == 2);
    EXPECT(huge_pages_idle(head) && huge_maybe_pinned(head));
    huge_put(head);
    EXPECT(huge_is(head)); /* the pin's */
    huge_unpin(head);
    EXPECT(!huge_is(head));
}

/* Split of a page that nobody maps: each reference to the whole becomes one to each subpage. */
KTEST(huge, split_hands_out_the_whole)
{
    struct page *head = new_huge();
    unsigned long n = huge_nr();

    if (head == NULL)
        return;
    EXPECT(huge_try_pin(head));
    page_pin(head + 3);
    split_huge_page(head + 4);
    EXPECT(!huge_is(head) && !huge_try_pin(head));
    for (unsigned long i = 0; i < n; i++)
        EXPECT(page_refs(head + i) == 2u + (i == 3) && page_pins(head + i) == 1u + (i == 3));
    split_huge_page(head); /* not huge: nothing */
    huge_put(head);
    for (unsigned long i = 0; i < n; i++)
        EXPECT(page_refs(head + i) == 1u + (i == 3));
    huge_unpin(head); /* all but one go */
    EXPECT(page_refs(head + 3) == 1 && page_pins(head + 3) == 1);
    page_unpin(head + 3);
}
