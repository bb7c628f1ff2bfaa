/* SPDX-License-Identifier: MIT */
/* madvise_ktest.c: advice, locking in memory, and truncation below mappings, with accesses through
 * the MMU. */
#include <kernel/vfs.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>
#include "mm/pt_internal.h"
#include "mm/vma_internal.h"
#include "pt_test.h"
#include "tests/kernel/team.h"

#define AT 0x30000000UL

KTEST(madvise, dontneed_gives_zeroes)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(16 * PAGE_SIZE, RW, ANON);

    for (unsigned int i = 0; i < 16; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i + 1));
    EXPECT_EQ(mm_madvise(mm, va + 4 * PAGE_SIZE, 4 * PAGE_SIZE, MADV_DONTNEED), 0);
    for (unsigned int i = 0; i < 16; i++)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), i >= 4 && i < 8 ? 0 : i + 1);
    EXPECT_EQ(test_rss(mm, MM_ANON), 12);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* A table that is empty already does not end the walk, nor make it leave out others. */
KTEST(madvise, dontneed_passes_over_empty_tables)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map_file(AT, 4 * pt_size(1), RW, ANON, NULL);

    for (unsigned int i = 0; i < 4; i++)
        EXPECT(test_write(va + i * pt_size(1), i + 1));
    EXPECT_EQ(mm_madvise(mm, va, pt_size(1), MADV_DONTNEED), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 3);
    EXPECT_EQ(mm_madvise(mm, va, 4 * pt_size(1), MADV_DONTNEED), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 0);
    for (unsigned int i = 0; i < 4; i++)
        EXPECT_EQ(test_read(va + i * pt_size(1)), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(madvise, free_keeps_until_reclaim)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(8 * PAGE_SIZE, RW, ANON);

    for (unsigned int i = 0; i < 8; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i + 1));
    EXPECT(!mm->has_lazyfree);
    EXPECT_EQ(mm_madvise(mm, va + 2 * PAGE_SIZE, 4 * PAGE_SIZE, MADV_FREE), 0);
    EXPECT(mm->has_lazyfree);
    for (unsigned int i = 0; i < 8; i++)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), i + 1);
    EXPECT(test_write(va + 3 * PAGE_SIZE, 33)); /* takes it back */
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 3);
    EXPECT(!mm->has_lazyfree);
    EXPECT_EQ(test_rss(mm, MM_ANON), 5);
    EXPECT_EQ(test_check(mm), 0);
    for (unsigned int i = 0; i < 8; i++)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), i == 3           ? 33
                                                 : i >= 2 && i < 6 ? 0
                                                                   : i + 1);
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 0);
    test_mm_leave();
}

/* The advice is about the page: the child's copy of the leaf may be written. */
KTEST(madvise, free_passes_by_what_is_shared_or_pinned)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(4 * PAGE_SIZE, RW, ANON);
    struct page *pinned;

    for (unsigned int i = 0; i < 4; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i + 1));
    pinned = vma_ops(vma_lookup(mm, va))->pin(vma_lookup(mm, va), va + PAGE_SIZE, false);
    EXPECT_OR_RETURN(pinned && !IS_ERR(pinned));
    EXPECT_EQ(mm_madvise(mm, va, 2 * PAGE_SIZE, MADV_FREE), 0);
    page_unpin(pinned);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 0); /* one is shared, one was pinned when it was advised */
    EXPECT(mm->has_lazyfree); /* its turn may come */
    EXPECT_EQ(mm_madvise(mm, va + 2 * PAGE_SIZE, PAGE_SIZE, MADV_FREE), 0);
    mm_put(child);
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 1);
    EXPECT_EQ(test_read(va), 0);
    for (unsigned int i = 1; i < 4; i++)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), i + 1);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* A table that fork shared: not while two have it; then at once, without being taken over first. */
KTEST(madvise, free_of_a_forked_table)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = 1UL << 36;
    struct page *table;
    unsigned int level;

    EXPECT_EQ(test_map_file(va, max(pt_size(1), MIB(8)), RW, ANON, NULL), va);
    for (unsigned int i = 0; i < 80; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i + 1));
    EXPECT_EQ(mm_madvise(mm, va, 79 * PAGE_SIZE, MADV_FREE), 0);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT(pt_find_slot(mm, va, 0, &table, &level) != NULL);
    EXPECT_EQ(pt_is_shared(table), pt_fork_possible());
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 0);
    EXPECT_EQ(lazyfree_reclaim_mm(child), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 80);
    EXPECT(mm->has_lazyfree);
    mm_put(child);
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 79);
    EXPECT_EQ(pt_is_shared(table), pt_fork_possible());
    EXPECT_EQ(test_rss(mm, MM_ANON), 1);
    EXPECT_EQ(test_check(mm), 0);
    EXPECT_EQ(test_read(va + PAGE_SIZE), 0);
    EXPECT(test_write(va + 2 * PAGE_SIZE, 3));
    EXPECT_EQ(test_read(va + 79 * PAGE_SIZE), 80);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* clear_refs takes the dirty bit from the leaf and leaves word in the page. */
KTEST(madvise, free_heeds_what_the_page_says)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON);
    struct page *table;
    unsigned int level;
    pte_t *slot;

    EXPECT(test_write(va, 1));
    EXPECT_EQ(mm_madvise(mm, va, PAGE_SIZE, MADV_FREE), 0);
    EXPECT(test_write(va, 2));
    slot = pt_find_locked(mm, va, &table, &level);
    EXPECT_OR_RETURN(slot != NULL);
    page_set(pte_page(pte_load(slot), level), PG_DIRTY);
    pte_store(slot, pte_with_state(pte_load(slot), PT_YOUNG));
    pt_unlock(table);
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 0);
    EXPECT_EQ(test_read(va), 2);
    test_mm_leave();
}

KTEST(madvise, free_passes_by_locked_areas)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(2 * PAGE_SIZE, RW, ANON);

    EXPECT(test_write(va, 1));
    EXPECT(test_write(va + PAGE_SIZE, 2));
    EXPECT_EQ(mm_madvise(mm, va, 2 * PAGE_SIZE, MADV_FREE), 0);
    EXPECT_EQ(mm_mlock(mm, va, PAGE_SIZE, VM_LOCKED), 0);
    EXPECT_EQ(mm_madvise(mm, va, PAGE_SIZE, MADV_FREE), -EINVAL);
    EXPECT_EQ(lazyfree_reclaim_mm(mm), 1);
    EXPECT_EQ(test_read(va), 1);
    EXPECT_EQ(mm_munlock(mm, va, PAGE_SIZE), 0);
    test_mm_leave();
}

KTEST(madvise, locked_memory_stays)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(8 * PAGE_SIZE, RW, ANON);

    EXPECT_EQ(mm_mlock(mm, va + PAGE_SIZE, 2 * PAGE_SIZE, VM_LOCKED), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 2);
    EXPECT_EQ(mm_madvise(mm, va, 8 * PAGE_SIZE, MADV_DONTNEED), -EINVAL);
    EXPECT_EQ(mm_mlock(mm, va + 4 * PAGE_SIZE, PAGE_SIZE, VM_LOCKED | VM_LOCKONFAULT), 0);
    EXPECT_EQ(test_rss(mm, MM_ANON), 2);
    EXPECT_EQ(mm->locked_vm, 3);
    EXPECT_EQ(mm_munlock(mm, va, 8 * PAGE_SIZE), 0);
    EXPECT_EQ(mm->nr_vmas, 1);
    EXPECT_EQ(mm_madvise(mm, va, 8 * PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(mm_rss(mm), 0);
    test_mm_leave();
}

KTEST(madvise, remove_punches_the_object)
{
    struct mm *mm = test_mm_enter();
    vaddr_t a = test_map(4 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    struct vma *v = vma_lookup(mm, a);
    struct file *f = v->file;
    vaddr_t p = test_map_file(0, 4 * PAGE_SIZE, RW, MAP_PRIVATE, f);

    for (unsigned int i = 0; i < 4; i++)
        EXPECT(test_write(a + i * PAGE_SIZE, i + 1));
    EXPECT(test_write(p + PAGE_SIZE, 77));
    EXPECT_EQ(test_read(p + 2 * PAGE_SIZE), 3);
    EXPECT_EQ(mm_madvise(mm, a + PAGE_SIZE, 2 * PAGE_SIZE, MADV_REMOVE), 0);
    EXPECT_EQ(test_read(a), 1);
    EXPECT_EQ(test_read(a + PAGE_SIZE), 0);
    EXPECT_EQ(test_read(a + 2 * PAGE_SIZE), 0);
    EXPECT_EQ(test_read(p + 2 * PAGE_SIZE), 0);
    EXPECT_EQ(mm_madvise(mm, p, PAGE_SIZE, MADV_REMOVE), -EACCES);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(madvise, unmap_range_tells_copies_apart)
{
    struct mm *mm = test_mm_enter();
    struct file *f = shmem_file_create("ktest", 8 * PAGE_SIZE, 0);
    vaddr_t s, p;

    EXPECT_OR_RETURN(!IS_ERR(f));
    s = test_map_file(AT, 8 * PAGE_SIZE, RW, MAP_SHARED, f);
    p = test_map_file(AT + MIB(1), 8 * PAGE_SIZE, RW, MAP_PRIVATE, f);
    for (unsigned int i = 0; i < 8; i++)
        EXPECT(test_write(s + i * PAGE_SIZE, i) && test_write(p + i * PAGE_SIZE, 100 + i));
    EXPECT_EQ(test_rss(mm, MM_ANON), 8);
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 8);
    mapping_unmap_range(f->mapping, 2, 4, false);
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 6);
    EXPECT_EQ(test_rss(mm, MM_ANON), 8);
    EXPECT_EQ(test_read(p + 2 * PAGE_SIZE), 102);
    mapping_unmap_range(f->mapping, 2, ~0ULL, true);
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 2);
    EXPECT_EQ(test_rss(mm, MM_ANON), 2);
    EXPECT_EQ(test_read(p + 2 * PAGE_SIZE), 2); /* the object's page again */
    EXPECT_EQ(test_read(p + PAGE_SIZE), 101);
    EXPECT_EQ(test_check(mm), 0);
    file_put(f);
    test_mm_leave();
}

/* Threads touch a shared object while its translations are torn away: nothing is lost, nothing
 * stays behind. */
struct torn {
    struct mm *mm;
    struct file *f;
    vaddr_t va;
};

static void tear_or_touch(struct team *team, unsigned int nr)
{
    struct torn *t = team->arg;
    u64 random = nr;

    mm_get(t->mm);
    mm_set_current(t->mm);
    for (unsigned int i = 0; i < 800; i++) {
        u64 page = test_random(&random) % 32;

        if (nr == 0)
            mapping_unmap_range(t->f->mapping, page, page + 4, true);
        else
            EXPECT(test_write(t->va + page * PAGE_SIZE + nr * 8, page + nr));
    }
    mm_set_current(NULL);
}

KTEST(madvise, unmap_range_against_faults)
{
    struct torn t = { .mm = test_mm_enter(), .f = shmem_file_create("ktest", 32 * PAGE_SIZE, 0) };
    struct team team = { .arg = &t };

    EXPECT_OR_RETURN(!IS_ERR(t.f));
    t.va = test_map_file(0, 32 * PAGE_SIZE, RW, MAP_SHARED, t.f);
    team_run(&team, 3, tear_or_touch, true);
    for (u64 page = 0; page < 32; page++)
        for (unsigned int nr = 1; nr < 3; nr++) {
            u64 got = test_read(t.va + page * PAGE_SIZE + nr * 8);

            EXPECT(got == 0 || got == page + nr);
        }
    EXPECT_EQ(test_check(t.mm), 0);
    mapping_unmap_range(t.f->mapping, 0, ~0ULL, true);
    EXPECT_EQ(mm_rss(t.mm), 0);
    file_put(t.f);
    test_mm_leave();
}
