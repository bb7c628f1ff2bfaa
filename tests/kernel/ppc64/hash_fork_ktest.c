/* SPDX-License-Identifier: MIT */
/*
 * hash_fork_ktest.c: tables that fork shares (mm/pt_share_fork.c), as the hash table sees them:
 * each user has entries under his own segment number, none of them may write, and none outlives
 * what it was made of, whoever leaves, takes over or goes. Read next:
 * arch/ppc64/mm/hash_flush.c.
 */
#include <mm/pt_share.h>
#include <linux/mman.h>
#include "hash_test.h"

#define SPAN pt_size(1)
#define N    40u

struct family {
    struct mm *parent, *child;
};

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

static void end(struct family *f)
{
    EXPECT_EQ(test_check(f->parent) + test_check(f->child), 0);
    mm_put(f->child);
    mm_put(f->parent);
    test_mm_leave();
}

static vaddr_t page_at(unsigned int i)
{
    return BASE + i * PAGE_SIZE;
}

static struct page *small_table(struct mm *mm)
{
    return test_small_table(mm, BASE);
}

/* Page i of the parent contains i; the test lives in the parent, and has a reference to each. */
static struct family make_family(void)
{
    struct family f = {.parent = test_mm_enter()};

    EXPECT_EQ(test_map_file(BASE, SPAN, RW, ANON, NULL), BASE);
    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(page_at(i), i));
    EXPECT(explain(BASE).slot >= 0);
    mm_get(f.parent);
    f.child = mm_fork(f.parent);
    EXPECT(!IS_ERR(f.child));
    EXPECT(small_table(f.parent) == small_table(f.child));
    EXPECT(pt_is_shared(small_table(f.parent)));
    return f;
}

static bool possible(void)
{
    if (is_hash() && !pt_fork_possible())
        ktest_skip("fork_share=off");
    return !ppc_mmu.radix && pt_fork_possible();
}

/* The entry that there must be may write. */
static bool entry_writes(vaddr_t va)
{
    struct hpt_info info = explain(va);

    EXPECT(info.slot >= 0);
    return (info.second_word & 3) == HPTE_PP_RW;
}

/* Pages from @first on are read without a fault, and not written. */
static void expect_read_only(unsigned int first)
{
    for (unsigned int i = first; i < N; i++) {
        EXPECT_EQ(read_word(page_at(i)), i);
        EXPECT(!entry_writes(page_at(i)));
        EXPECT(!can_write(page_at(i), 1000));
    }
}

KTEST(hash_fork, entries_allow_no_writing)
{
    struct hpt_info parent, child;
    struct family f;

    if (!possible())
        return;
    f = make_family();
    EXPECT_EQ(explain(BASE).slot, -1); /* fork has flushed what could write */
    expect_read_only(0);
    parent = explain(BASE);
    live_in(f.child);
    expect_read_only(0);
    child = explain(BASE);
    EXPECT(parent.vsid != child.vsid);
    EXPECT_EQ(parent.second_word & PPC_PTE_ADDR, child.second_word & PPC_PTE_ADDR);
    end(&f);
}

/* One copies the table, the other takes it over. From then on what either changes leaves the hash
 * table, though it was entered when the table was everybody's. */
KTEST(hash_fork, leaving_and_taking_over)
{
    struct page *table;
    struct family f;

    if (!possible())
        return;
    f = make_family();
    table = small_table(f.parent);
    expect_read_only(0);
    live_in(f.child);
    expect_read_only(0);

    live_in(f.parent);
    EXPECT(test_write(page_at(0), 100));
    EXPECT(small_table(f.parent) != table);
    EXPECT(entry_writes(page_at(0)));
    EXPECT(explain(page_at(5)).slot >= 0); /* right as before, so it has stayed */
    EXPECT_EQ(read_word(page_at(1)), 1);
    EXPECT(!entry_writes(page_at(1))); /* the child has that page, too */
    EXPECT(!can_write(page_at(1), 1000));
    EXPECT_EQ(mm_madvise(f.parent, page_at(2), PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(read_word(page_at(2)), ~0ULL);

    live_in(f.child);
    expect_read_only(0);
    EXPECT(test_write(page_at(3), 300));
    EXPECT(small_table(f.child) == table && !pt_is_shared(table));
    EXPECT(entry_writes(page_at(3)));
    EXPECT_EQ(mm_madvise(f.child, page_at(4), PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(read_word(page_at(4)), ~0ULL);
    EXPECT_EQ(read_word(page_at(0)), 0);
    EXPECT_EQ(read_word(page_at(2)), 2);

    live_in(f.parent);
    EXPECT_EQ(read_word(page_at(0)), 100);
    EXPECT_EQ(read_word(page_at(3)), 3);
    EXPECT_EQ(read_word(page_at(4)), 4);
    end(&f);
}

/* Links go, nothing is copied: who dropped his reaches nothing, the others all as before. */
KTEST(hash_fork, dropped_links)
{
    u64 all, live, retired, live_before;
    struct family f;

    if (!possible())
        return;
    f = make_family();
    expect_read_only(0);
    seg_numbers(&all, &live_before, &retired);
    live_in(f.child);
    expect_read_only(0);
    EXPECT_EQ(mm_madvise(f.child, BASE, SPAN, MADV_DONTNEED), 0);
    for (unsigned int i = 0; i < N; i++)
        EXPECT_EQ(read_word(page_at(i)), ~0ULL);
    EXPECT_EQ(test_read(page_at(7)), 0);
    EXPECT_EQ(test_check(f.parent) + test_check(f.child), 0);

    live_in(f.parent);
    mm_put(f.child); /* exits */
    expect_read_only(0);
    f.child = mm_fork(f.parent);
    live_in(f.child);
    expect_read_only(0);
    live_in(f.parent);
    mm_put(f.child); /* exits with its link */
    seg_numbers(&all, &live, &retired);
    expect_read_only(0);
    EXPECT(live <= live_before); /* the child's is retired */
    EXPECT(test_write(page_at(5), 500));
    EXPECT(!pt_is_shared(small_table(f.parent)) && entry_writes(page_at(5)));
    EXPECT_EQ(mm_munmap(f.parent, BASE, SPAN), 0);
    for (unsigned int i = 0; i < N; i++)
        EXPECT_EQ(read_word(page_at(i)), ~0ULL);
    EXPECT_EQ(test_check(f.parent), 0);
    mm_put(f.parent);
    test_mm_leave();
}
