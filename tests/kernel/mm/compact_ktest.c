/* SPDX-License-Identifier: MIT */
/* compact_ktest.c: scattered free frames become large free blocks, and what was in between keeps
 * its contents, its pins and its place where it must. */
#include <kernel/vfs.h>
#include <linux/mman.h>
#include <mm/compact.h>
#include <mm/gup.h>
#include <mm/huge.h>
#include <mm/migrate.h>
#include <mm/thp.h>
#include "../team.h"
#include "pt_test.h"

#define SIZE pt_size(HUGE_LEVEL)

static u64 nr_blocks(void)
{
    u64 n = 0;

    for (unsigned int o = huge_order(); o <= BUDDY_MAX_ORDER; o++)
        n += buddy_nr_free_order(o) << (o - huge_order());
    return n;
}

static u64 nr_flushes(void)
{
    return vmstat_sum(VMSTAT_tlb_flush_local) + vmstat_sum(VMSTAT_tlb_flush_rounds);
}

/* An area of base pages in most of free memory, every second one of them given back. */
struct checkered {
    vaddr_t va;
    unsigned long nr; /* pages */
};

static bool make_checkered(struct checkered *c)
{
    c->nr = ALIGN_DOWN(buddy_nr_free() * 7 / 8, huge_nr());
    if (huge_words == NULL || c->nr < 4 * huge_nr()) {
        ktest_skip("no huge pages, or no memory");
        return false;
    }
    c->va = test_map(c->nr * PAGE_SIZE, RW, ANON);
    EXPECT_EQ(mm_madvise(current->mm, c->va, c->nr * PAGE_SIZE, MADV_NOHUGEPAGE), 0);
    for (unsigned long i = 0; i < c->nr; i++)
        EXPECT(test_write(c->va + i * PAGE_SIZE, i));
    for (unsigned long i = 1; i < c->nr; i += 2)
        EXPECT_EQ(mm_madvise(current->mm, c->va + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED), 0);
    buddy_drain_pcp();
    return true;
}

static void expect_contents(const struct checkered *c)
{
    unsigned long wrong = 0;

    for (unsigned long i = 0; i < c->nr; i += 2)
        wrong += test_read(c->va + i * PAGE_SIZE) != i;
    EXPECT_EQ(wrong, 0);
}

KTEST(compact, every_second_page)
{
    struct mm *mm = test_mm_enter();
    unsigned long made;
    struct checkered c;
    u64 before, after, flushes, moved;

    if (make_checkered(&c)) {
        before = nr_blocks();
        flushes = nr_flushes();
        moved = vmstat_sum(VMSTAT_compact_isolated);
        made = compact_all();
        flushes = nr_flushes() - flushes;
        moved = vmstat_sum(VMSTAT_compact_isolated) - moved;
        after = nr_blocks();
        pr_info("compact: %llu blocks before, %lu made, %llu after, of %lu that are free\n",
                (unsigned long long)before, made, (unsigned long long)after,
                c.nr / 2 / huge_nr());
        pr_info("compact: %llu pages moved, %llu flushes\n", (unsigned long long)moved,
                (unsigned long long)flushes);
        EXPECT(flushes <= moved / 8);
        EXPECT(made != 0 && after > before);
        /* Half of the area's memory is free; page tables stay, in blocks of their own. */
        EXPECT(after - before >= c.nr / 2 / huge_nr() * 3 / 4);
        expect_contents(&c);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

KTEST(compact, a_fault_gets_its_huge_page)
{
    struct mm *mm = test_mm_enter();
    struct checkered c;
    vaddr_t va;

    if (make_checkered(&c)) {
        struct page *spent[64];
        unsigned int n = 0, got = 0;

        while (n < ARRAY_SIZE(spent) &&
               (spent[n] = alloc_pages(huge_order(), GFP_KERNEL | GFP_NOOOM | GFP_NORECLAIM)))
            n++;
        va = ALIGN_UP(test_map(5 * SIZE, RW, ANON), SIZE);
        EXPECT_EQ(mm_madvise(mm, va, 4 * SIZE, MADV_HUGEPAGE), 0);
        for (unsigned int i = 0; i < 4; i++) {
            EXPECT(test_write(va + i * SIZE, i));
            got += huge_is(test_page(mm, va + i * SIZE));
        }
        while (n != 0)
            free_pages(spent[--n], huge_order());
        if (n != ARRAY_SIZE(spent))
            EXPECT(got == 4 || c.nr / 4 < 4 * huge_nr());
        expect_contents(&c);
        EXPECT_EQ(test_check(mm), 0);
    }
    test_mm_leave();
}

KTEST(compact, pins_stay)
{
    struct mm *mm = test_mm_enter();
    struct page *pin[8];
    struct checkered c;

    if (make_checkered(&c)) {
        for (unsigned int i = 0; i < 8; i++)
            EXPECT_EQ(pin_user_pages(mm, c.va + i * (c.nr / 8 & ~1ul) * PAGE_SIZE, 1, GUP_WRITE,
                                     &pin[i]), 1);
        (void)compact_all();
        for (unsigned int i = 0; i < 8; i++)
            EXPECT(test_page(mm, c.va + i * (c.nr / 8 & ~1ul) * PAGE_SIZE) == pin[i]);
        expect_contents(&c);
        unpin_user_pages(pin, 8, true);
    }
    test_mm_leave();
}

KTEST(compact, indexes)
{
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++) {
        int unusable = compact_unusable_index(o), why = compact_fragmentation_index(o);

        EXPECT(unusable >= 0 && unusable <= 1000);
        EXPECT(why == -1000 || (why >= 0 && why <= 1000));
        EXPECT(o == 0 || unusable >= compact_unusable_index(o - 1));
    }
    EXPECT_EQ(compact_unusable_index(0), 0);
}

/* ---- against those whose pages move ---- */

#define NR_SLOTS 64u

static struct arena {
    struct mm *mm;
    vaddr_t area[2];
    unsigned long made, rounds;
} arena;

static void use(struct team *team, unsigned int nr)
{
    vaddr_t va = arena.area[nr];
    u64 stamp[NR_SLOTS] = {0}, seed = nr + 1;

    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        unsigned int i = r % NR_SLOTS;
        vaddr_t at = va + i * 7 * PAGE_SIZE;

        EXPECT_EQ(test_read(at), stamp[i]);
        if (r >> 12 & 7) {
            stamp[i] = r;
            EXPECT(test_write(at, r));
        } else {
            EXPECT_EQ(mm_madvise(arena.mm, at, PAGE_SIZE, MADV_DONTNEED), 0);
            stamp[i] = 0;
        }
        arena.rounds++;
    }
}

static void fork_and_exit(struct team *team)
{
    while (!team_stopped(team)) {
        struct mm *child;

        mm_get(arena.mm);
        mm_set_current(NULL);
        child = mm_fork(arena.mm);
        if (!IS_ERR(child)) {
            mm_set_current(child);
            for (unsigned int i = 0; i < 8; i++)
                (void)test_write(arena.area[0] + i * 7 * PAGE_SIZE, i);
            mm_set_current(NULL);
        }
        mm_set_current(arena.mm);
    }
}

static void worker(struct team *team, unsigned int nr)
{
    mm_get(arena.mm);
    mm_set_current(arena.mm);
    if (nr < 2)
        use(team, nr);
    else if (nr == 2)
        fork_and_exit(team);
    else
        while (!team_stopped(team))
            arena.made += compact_all();
    mm_set_current(NULL);
}

KTEST(compact, at_the_same_time)
{
    struct team team;

    memset(&arena, 0, sizeof(arena));
    arena.mm = test_mm_enter();
    arena.area[0] = test_map(NR_SLOTS * 7 * PAGE_SIZE, RW, ANON);
    arena.area[1] = test_map(NR_SLOTS * 7 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    for (unsigned int i = 0; i < 2; i++) /* the object's pages are not given up by MADV_DONTNEED */
        if (i == 1)
            arena.area[1] = test_map(NR_SLOTS * 7 * PAGE_SIZE, RW, ANON);
    team_start(&team, 4, worker, false);
    test_sleep_ms(2000);
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    pr_info("compact: %lu rounds, %lu blocks made\n", arena.rounds, arena.made);
    EXPECT(arena.rounds != 0);
    EXPECT_EQ(test_check(arena.mm), 0);
    test_mm_leave();
}
