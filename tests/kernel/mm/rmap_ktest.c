/* SPDX-License-Identifier: MIT */
/* rmap_ktest.c: the walk from an anonymous page finds each leaf that maps it and no other: after
 * forks of forks, copies, moves, cuts and merges of areas, and when the eldest has gone. */
#include <kernel/vfs.h>
#include <linux/mman.h>
#include <mm/huge.h>
#include <mm/rmap.h>
#include "pt_test.h"

#define N 16

struct seen {
    struct mm *mm[8];
    vaddr_t va[8];
    unsigned int nr;
};

static void note(const struct rmap_place *at, void *arg)
{
    struct seen *s = arg;

    EXPECT(at->table->ptl.locked != 0 && at->v->mm == at->mm);
    if (s->nr < ARRAY_SIZE(s->mm)) {
        s->mm[s->nr] = at->mm;
        s->va[s->nr] = at->va;
    }
    s->nr++;
}

/* The page at @va of @mm is found there, and @want times in all. */
static void expect_found(struct mm *mm, vaddr_t va, unsigned int want)
{
    struct page *p = test_page(mm, va);
    struct seen s = {.nr = 0};
    bool here = false;

    EXPECT_OR_RETURN(p != NULL);
    EXPECT_EQ(rmap_walk_anon(p, note, &s), want);
    EXPECT_EQ(s.nr, want);
    EXPECT_EQ(page_mapcount(huge_is(p) ? huge_head(p) : p), want);
    for (unsigned int i = 0; i < s.nr && i < ARRAY_SIZE(s.mm); i++)
        here |= s.mm[i] == mm && s.va[i] == va;
    EXPECT(here);
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

KTEST(rmap, three_generations)
{
    struct mm *a = test_mm_enter(), *b, *c;
    vaddr_t va = test_map(N * PAGE_SIZE, RW, ANON);

    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    expect_found(a, va, 1);
    b = mm_fork(a);
    expect_found(a, va, 2);
    mm_get(a);
    live_in(b);
    EXPECT(test_write(va + PAGE_SIZE, 100)); /* a copy of its own */
    c = mm_fork(b);
    expect_found(a, va, 3);
    expect_found(c, va, 3);
    expect_found(a, va + PAGE_SIZE, 1);
    expect_found(b, va + PAGE_SIZE, 2);
    mm_put(a); /* the eldest goes */
    expect_found(c, va, 2);
    live_in(c);
    mm_put(b);
    expect_found(c, va, 1);
    mm_put(c);
    test_mm_leave();
}

KTEST(rmap, moved_cut_and_merged)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(N * PAGE_SIZE, RW, ANON), other = test_map(N * PAGE_SIZE, RW, ANON), at;

    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    at = other + 2 * PAGE_SIZE;
    EXPECT(mm_mremap(mm, &(struct mremap_request){.addr = va + 4 * PAGE_SIZE,
                                                  .old_len = 8 * PAGE_SIZE,
                                                  .new_len = 8 * PAGE_SIZE,
                                                  .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                                  .new_addr = at}) == (long)at);
    expect_found(mm, at, 1);
    expect_found(mm, at + 7 * PAGE_SIZE, 1);
    child = mm_fork(mm);
    EXPECT_EQ(mm_mprotect(mm, at + PAGE_SIZE, PAGE_SIZE, PROT_READ), 0); /* three areas */
    for (unsigned int i = 0; i < 8; i++)
        expect_found(mm, at + i * PAGE_SIZE, 2);
    EXPECT_EQ(mm_mprotect(mm, at + PAGE_SIZE, PAGE_SIZE, RW), 0); /* one again */
    EXPECT_EQ(mm_munmap(mm, at, PAGE_SIZE), 0);
    expect_found(child, at, 1);
    expect_found(child, at + PAGE_SIZE, 2);
    expect_found(mm, va, 2);
    mm_put(child);
    expect_found(mm, at + PAGE_SIZE, 1);
    test_mm_leave();
}

KTEST(rmap, private_copies_of_a_file)
{
    struct mm *mm = test_mm_enter(), *child;
    struct file *f = shmem_file_create("ktest", 4 * PAGE_SIZE, 0);
    vaddr_t va;

    EXPECT_OR_RETURN(!IS_ERR(f));
    va = test_map_file(0, 4 * PAGE_SIZE, RW, MAP_PRIVATE, f);
    EXPECT(test_write(va + 2 * PAGE_SIZE, 1));
    child = mm_fork(mm);
    expect_found(child, va + 2 * PAGE_SIZE, 2);
    mm_put(child);
    test_mm_leave();
    file_put(f);
}

KTEST(rmap, subpages_of_a_huge_page)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t size = pt_size(HUGE_LEVEL), va;

    if (huge_words == NULL || buddy_nr_free() < 4 * huge_nr()) {
        ktest_skip("no huge pages, or no memory");
    } else {
        va = ALIGN_UP(test_map(2 * size, RW, ANON), size);
        EXPECT_EQ(mm_madvise(mm, va, size, MADV_HUGEPAGE), 0);
        EXPECT(test_write(va, 1));
        child = mm_fork(mm);
        EXPECT(huge_is(test_page(mm, va)));
        expect_found(mm, va + 5 * PAGE_SIZE, 2);
        split_huge_page(test_page(mm, va));
        expect_found(child, va + 5 * PAGE_SIZE, 2);
        EXPECT(test_write(va + 5 * PAGE_SIZE, 1));
        expect_found(child, va + 5 * PAGE_SIZE, 1);
        mm_put(child);
    }
    test_mm_leave();
}
