/* SPDX-License-Identifier: MIT */
/*
 * fork_share_ktest.c: tables that fork shares (mm/pt_share_fork.c) as pins and the entries see
 * them, on every MMU: with links that take the right to write from all below, and without. What
 * programs see is in tests/user/share_fork_test.c. Read next:
 * mm/pt_share_write.c.
 */
#include <mm/gup.h>
#include <mm/pt_share.h>
#include "pt_test.h"

#define BASE (1UL << 36)
#define SPAN pt_size(1)
#define AREA max(SPAN, MIB(8))

static vaddr_t page_at(unsigned int i)
{
    return BASE + i * PAGE_SIZE;
}

static struct page *small_table(struct mm *mm)
{
    return test_small_table(mm, BASE);
}

static bool leaf_writes(struct mm *mm, unsigned int i)
{
    unsigned int level;
    pte_t e = test_entry(mm, page_at(i), &level);

    EXPECT(pte_is_leaf(e, level));
    return (pte_prot(e, level) & PT_W) != 0;
}

/* In the first table of an area that fork looks at, each page is written. */
static struct mm *make_parent(void)
{
    struct mm *mm = test_mm_enter();

    EXPECT_EQ(test_map_file(BASE, AREA, RW, ANON, NULL), BASE);
    for (unsigned int i = 0; i < pt_entries(0); i++)
        EXPECT(test_write(page_at(i), i));
    return mm;
}

static bool possible(void)
{
    if (!pt_fork_possible())
        ktest_skip("fork_share=off");
    return pt_fork_possible();
}

static void end(struct mm *parent, struct mm *child)
{
    EXPECT_EQ(test_check(parent) + (child != NULL ? test_check(child) : 0), 0);
    if (child != NULL)
        mm_put(child);
    test_mm_leave();
}

/* Wherever in its table a page is: the pin that needs no lock keeps fork from sharing that. */
KTEST(fork_share, fast_pins_are_seen)
{
    const unsigned int places[] = {0, pt_entries(0) / 2 + 1, pt_entries(0) - 1};

    if (!possible())
        return;
    for (unsigned int k = 0; k < ARRAY_SIZE(places); k++) {
        struct mm *mm = make_parent(), *child;
        vaddr_t va = page_at(places[k]);
        struct page *p;

        EXPECT_EQ(gup_fast_only(va, 1, GUP_WRITE, &p, true), 1);
        child = mm_fork(mm);
        EXPECT_OR_RETURN(!IS_ERR(child));
        EXPECT(!pt_is_shared(small_table(mm)));
        EXPECT(test_write(va, 77));
        EXPECT(test_page(mm, va) == p && *(u64 *)page_to_virt(p) == 77);
        EXPECT_EQ(*(u64 *)page_to_virt(test_page(child, va)), places[k]);
        unpin_user_page(p);
        end(mm, child);
    }
}

/* Where links do not carry the right to write, no leaf of a shared table has it. */
KTEST(fork_share, nobody_writes)
{
    struct mm *mm, *child, *second;

    if (!possible())
        return;
    mm = make_parent();
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT(pt_is_shared(small_table(mm)) && small_table(child) == small_table(mm));
    for (unsigned int i = 0; i < pt_entries(0); i++)
        EXPECT(mmu_has(MMU_LINK_WRITE) || !leaf_writes(mm, i));
    second = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(second));
    EXPECT(small_table(second) == small_table(mm));
    EXPECT(test_write(page_at(1), 100));
    EXPECT_EQ(*(u64 *)page_to_virt(test_page(child, page_at(1))), 1);
    EXPECT(small_table(second) == small_table(child) && small_table(mm) != small_table(child));
    mm_put(second);
    end(mm, child);
}

/* A leaf that does not allow writing anyway may not be had for reading, either, without a lock. */
KTEST(fork_share, no_pin_of_what_is_read_only)
{
    struct mm *mm, *child;
    struct page *p;

    if (!possible())
        return;
    mm = make_parent();
    EXPECT_EQ(mm_mprotect(mm, BASE, AREA, PROT_READ), 0);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT(pt_is_shared(small_table(mm)) && page_test(test_page(mm, BASE), PG_EXCLUSIVE));
    EXPECT_EQ(gup_fast_only(BASE, 1, 0, &p, true), 0);
    EXPECT_EQ(gup_fast_only(BASE, 1, 0, &p, false), 0);
    EXPECT_EQ(pin_user_pages_fast(BASE, 1, 0, &p), 1);
    EXPECT(p == test_page(mm, BASE) && p != test_page(child, BASE));
    EXPECT(!pt_is_shared(small_table(mm)) && !leaf_writes(mm, 0));
    unpin_user_page(p);
    end(mm, child);
}

/* Who is left takes the table over, and may write in place what is his alone, without more
 * faults: not what the other has, too, nor what shall be seen to be written. */
KTEST(fork_share, take_over_gives_back)
{
    struct mm *mm, *child;
    struct page *table, *p;
    unsigned int level;
    pte_t *slot;

    if (!possible())
        return;
    mm = make_parent();
    slot = pt_find_slot(mm, page_at(3), 0, &table, &level);
    pte_store(slot, pte_with_state(pte_with_prot(pte_load(slot), 0, PT_R | PT_U), PT_YOUNG));
    mmu_flush_mm(mm);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    mm_put(child);
    EXPECT(pt_is_shared(small_table(mm)) && test_write(page_at(1), 100));
    EXPECT(!pt_is_shared(small_table(mm)));
    for (unsigned int i = 0; i < pt_entries(0); i++)
        EXPECT_EQ(leaf_writes(mm, i), i != 3);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT(test_write(page_at(2), 100)); /* the table of many: a copy */
    mm_get(mm);
    mm_set_current(child);
    EXPECT(test_write(page_at(1), 200)); /* the other's, of one by now */
    for (unsigned int i = 0; i < pt_entries(0); i++) {
        EXPECT_EQ(leaf_writes(mm, i), i == 2);
        EXPECT_EQ(leaf_writes(child, i), i == 1);
    }
    EXPECT_EQ(gup_fast_only(page_at(1), 1, GUP_WRITE, &p, true), 1); /* as of any own table */
    unpin_user_page(p);
    mm_set_current(NULL);
    EXPECT_EQ(test_check(mm), 0);
    mm_put(mm);
}
