/* SPDX-License-Identifier: MIT */
/* migrate_ktest.c: pages move to other frames: what is mapped, shared, pinned, huge, a file's or a
 * pool's; and nobody notices, whatever happens at the same time. */
#include <kernel/vfs.h>
#include <linux/mman.h>
#include <mm/gup.h>
#include <mm/huge.h>
#include <mm/migrate.h>
#include <mm/thp.h>
#include "../team.h"
#include "pt_test.h"

#define N    64
#define SIZE pt_size(HUGE_LEVEL)

static vaddr_t map_filled(unsigned long flags, u64 first)
{
    vaddr_t va = test_map(N * PAGE_SIZE, RW, flags);

    for (u64 i = 0; i < N; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, first + i));
    return va;
}

static void expect_filled(vaddr_t va, u64 first)
{
    for (u64 i = 0; i < N; i++)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), first + i);
}

static unsigned long move(vaddr_t va, size_t len)
{
    return migrate_range(current->mm, va, va + len);
}

KTEST(migrate, own_pages)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = map_filled(ANON, 100);
    struct page *old[N];

    for (u64 i = 0; i < N; i++)
        old[i] = test_page(mm, va + i * PAGE_SIZE);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N);
    expect_filled(va, 100);
    EXPECT(test_page(mm, va) != old[0]); /* later ones may get the frames of earlier ones */
    for (u64 i = 0; i < N; i++) {
        struct page *p = test_page(mm, va + i * PAGE_SIZE);

        EXPECT(p != old[i] && page_test(p, PG_EXCLUSIVE));
        EXPECT_EQ(page_refs(p), 1);
        EXPECT_EQ(page_mapcount(p), 1);
    }
    EXPECT_EQ(test_rss(mm, MM_ANON), N);
    EXPECT(test_write(va, 5));
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(migrate, pinned_pages_stay)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = map_filled(ANON, 7);
    struct page *pinned[2], *got;

    EXPECT_EQ(pin_user_pages(mm, va + PAGE_SIZE, 1, GUP_WRITE, &pinned[0]), 1);
    EXPECT_EQ(get_user_pages(mm, va + 2 * PAGE_SIZE, 1, 0, &pinned[1]), 1);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N - 2);
    EXPECT(test_page(mm, va + PAGE_SIZE) == pinned[0]);
    EXPECT(test_page(mm, va + 2 * PAGE_SIZE) == pinned[1]);
    WRITE_ONCE(*(u64 *)page_to_virt(pinned[0]), 4711);
    EXPECT_EQ(test_read(va + PAGE_SIZE), 4711);
    EXPECT(test_write(va + PAGE_SIZE, 8));
    unpin_user_pages(pinned, 1, true);
    put_user_page(pinned[1]);
    expect_filled(va, 7);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N);
    EXPECT_EQ(pin_user_pages_fast(va, 1, GUP_WRITE, &got), 1);
    EXPECT(got == test_page(mm, va));
    unpin_user_pages(&got, 1, false);
    expect_filled(va, 7);
    test_mm_leave();
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

KTEST(migrate, shared_by_fork)
{
    struct mm *a = test_mm_enter(), *b, *c;
    vaddr_t va = map_filled(ANON, 20);
    struct page *p;

    b = mm_fork(a);
    c = mm_fork(a);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N);
    for (u64 i = 0; i < N; i++) {
        p = test_page(a, va + i * PAGE_SIZE);
        EXPECT(p == test_page(b, va + i * PAGE_SIZE) && p == test_page(c, va + i * PAGE_SIZE));
        EXPECT_EQ(page_mapcount(p), 3);
        EXPECT_EQ(page_refs(p), 3);
    }
    EXPECT(test_write(va, 1000)); /* a copy */
    mm_get(a);
    live_in(b);
    expect_filled(va, 20);
    EXPECT(test_write(va + PAGE_SIZE, 1));
    mm_put(b);
    live_in(c);
    expect_filled(va, 20);
    mm_put(c);
    live_in(a);
    mm_put(a);
    EXPECT_EQ(test_read(va + PAGE_SIZE), 21);
    EXPECT_EQ(test_check(a), 0);
    test_mm_leave();
}

KTEST(migrate, memory_of_an_object)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = map_filled(MAP_SHARED | MAP_ANONYMOUS, 50);
    struct page *before = test_page(mm, va), *pin;

    child = mm_fork(mm);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N);
    expect_filled(va, 50);
    EXPECT(test_page(mm, va) != before);
    EXPECT(test_write(va, 51));
    mm_get(mm);
    live_in(child);
    EXPECT_EQ(test_read(va), 51);
    EXPECT(test_write(va, 50));
    mm_put(child);
    live_in(mm);
    mm_put(mm);
    expect_filled(va, 50);
    EXPECT_EQ(pin_user_pages(mm, va + 3 * PAGE_SIZE, 1, GUP_WRITE, &pin), 1);
    EXPECT_EQ(move(va, N * PAGE_SIZE), N - 1);
    unpin_user_pages(&pin, 1, false);
    expect_filled(va, 50);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* ---- huge pages ---- */

static vaddr_t map_huge(u64 value)
{
    vaddr_t va = test_map(2 * SIZE, RW, ANON), first = ALIGN_UP(va, SIZE);

    EXPECT_EQ(mm_madvise(current->mm, va, 2 * SIZE, MADV_HUGEPAGE), 0);
    for (vaddr_t at = first; at < first + SIZE; at += PAGE_SIZE)
        EXPECT(test_write(at, value + at));
    return first;
}

static void expect_huge(vaddr_t first, u64 value)
{
    for (vaddr_t at = first; at < first + SIZE; at += PAGE_SIZE)
        EXPECT_EQ(test_read(at), value + at);
}

static bool have_huge(unsigned long nr)
{
    if (huge_words != NULL && buddy_nr_free() > nr * huge_nr())
        return true;
    ktest_skip("no huge pages, or no memory");
    return false;
}

static unsigned int level_at(struct mm *mm, vaddr_t va)
{
    unsigned int level;

    (void)test_entry(mm, va, &level);
    return level;
}

KTEST(migrate, huge_page)
{
    struct mm *mm;
    struct page *before;
    vaddr_t va;

    if (!have_huge(8))
        return;
    mm = test_mm_enter();
    va = map_huge(1);
    before = test_page(mm, va);
    EXPECT(huge_is(before));
    EXPECT_EQ(move(va, SIZE), huge_nr());
    EXPECT(test_page(mm, va) != before && huge_is(test_page(mm, va)));
    expect_huge(va, 1);
    EXPECT(test_write(va, 3));
    EXPECT_EQ(mm_munmap(mm, va, PAGE_SIZE), 0); /* splits it */
    EXPECT_EQ(level_at(mm, va + PAGE_SIZE), 0);
    EXPECT_EQ(move(va, SIZE), huge_nr() - 1);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(migrate, huge_page_shared_by_fork)
{
    struct mm *mm, *child;
    struct page *before;
    vaddr_t va;

    if (!have_huge(8))
        return;
    mm = test_mm_enter();
    va = map_huge(2);
    before = test_page(mm, va);
    child = mm_fork(mm);
    EXPECT_EQ(move(va, SIZE), huge_nr());
    EXPECT(test_page(mm, va) != before && test_page(mm, va) == test_page(child, va));
    EXPECT_EQ(page_mapcount(test_page(mm, va)), 2);
    expect_huge(va, 2);
    EXPECT(test_write(va, 3)); /* splits it in both */
    mm_get(mm);
    live_in(child);
    expect_huge(va, 2);
    mm_put(child);
    live_in(mm);
    mm_put(mm);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

KTEST(migrate, huge_page_with_a_pin_stays)
{
    struct page *before, *pin;
    struct mm *mm;
    vaddr_t va;

    if (!have_huge(8))
        return;
    mm = test_mm_enter();
    va = map_huge(4);
    before = test_page(mm, va);
    EXPECT_EQ(pin_user_pages(mm, va + 5 * PAGE_SIZE, 1, GUP_WRITE, &pin), 1);
    EXPECT_EQ(move(va, SIZE), 0);
    EXPECT(test_page(mm, va) == before);
    EXPECT(test_write(va + 5 * PAGE_SIZE, 77));
    EXPECT_EQ(*(u64 *)page_to_virt(pin), 77);
    unpin_user_pages(&pin, 1, true);
    EXPECT_EQ(move(va, SIZE), huge_nr());
    EXPECT_EQ(test_read(va + 5 * PAGE_SIZE), 77);
    test_mm_leave();
}

/* ---- other CPUs' TLBs ---- */

/* A CPU reads a page all the time, so that its TLB has the translation again at once whenever it
 * may. What it reads never changes; in a frame that was given back is something else. */
static struct watched {
    struct mm *mm;
    vaddr_t va;
    u64 want;
    bool done;
    unsigned long wrong, reads;
    void (*disturb)(unsigned long round);
    unsigned long least, most; /* rounds: an emulator's CPUs may take long to answer each other */
} watched;

static void watch_or_disturb(struct team *team, unsigned int nr)
{
    mm_get(watched.mm);
    mm_set_current(watched.mm);
    if (nr == 0) {
        while (READ_ONCE(watched.reads) == 0) /* the other CPU may come late */
            cpu_relax();
        for (unsigned long i = 0; team_round(team, nr, watched.most) || i < watched.least; i++)
            watched.disturb(i);
        WRITE_ONCE(watched.done, true);
    }
    while (!READ_ONCE(watched.done)) {
        watched.wrong += test_read(watched.va) != watched.want;
        WRITE_ONCE(watched.reads, watched.reads + 1);
    }
    mm_set_current(NULL);
}

static void watch_while(vaddr_t va, void (*disturb)(unsigned long round), unsigned long least,
                        unsigned long most)
{
    struct team team;

    watched = (struct watched){
        .mm = current->mm, .va = va, .disturb = disturb, .least = least, .most = most};
    watched.want = test_read(va);
    team_run(&team, 2, watch_or_disturb, true);
    EXPECT_EQ(watched.wrong, 0);
    EXPECT(watched.reads != 0);
}

static void move_to_and_fro(unsigned long round)
{
    (void)move(watched.va, PAGE_SIZE);
}

/* Apart, one page elsewhere, together again by copying. */
static void split_and_collapse(unsigned long round)
{
    vaddr_t first = ALIGN_DOWN(watched.va, SIZE), other = first + SIZE - PAGE_SIZE;

    EXPECT_EQ(mm_madvise(watched.mm, other, PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT(test_write(other, round));
    (void)thp_collapse_range(watched.mm, first, first + SIZE);
}

KTEST(migrate, other_cpus_follow)
{
    struct mm *mm;
    vaddr_t va;

    if (nr_cpus_online < 2) {
        ktest_skip("one CPU only");
        return;
    }
    mm = test_mm_enter();
    va = map_filled(ANON, 4711);
    watch_while(va + 3 * PAGE_SIZE, move_to_and_fro, 50, 1000);
    if (huge_words != NULL && buddy_nr_free() > 8 * huge_nr())
        watch_while(map_huge(9) + 5 * PAGE_SIZE, split_and_collapse, 5, 60);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* ---- races ---- */

#define SMALL 48u
#define MAX_PAGES (4096u + SMALL)

/* An area of base pages and one of a huge page, of an object, and what each page holds. */
static struct arena {
    struct mm *mm;
    vaddr_t small, shared, huge;
    u64 stamp[3][SMALL];
    bool has_huge;
    unsigned long moves, forks, pins;
} arena;

static vaddr_t area(unsigned int which)
{
    return which == 0 ? arena.small : which == 1 ? arena.shared : arena.huge;
}

static void write_and_check(struct team *team)
{
    u64 seed = 5, nr = arena.has_huge ? 3 : 2;

    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        unsigned int which = r % nr, i = (r >> 4) % SMALL;
        vaddr_t at = area(which) + i * PAGE_SIZE;

        EXPECT_EQ(test_read(at), arena.stamp[which][i]);
        arena.stamp[which][i]++;
        EXPECT(test_write(at, arena.stamp[which][i]));
        if ((r >> 12) % 64 == 0 && which == 0) {
            EXPECT_EQ(mm_madvise(arena.mm, at, PAGE_SIZE, MADV_DONTNEED), 0);
            arena.stamp[0][i] = 0;
        }
        if ((r >> 12) % 512 == 1 && which == 2) { /* splits a huge page */
            EXPECT_EQ(mm_mprotect(arena.mm, at, PAGE_SIZE, PROT_READ), 0);
            EXPECT_EQ(mm_mprotect(arena.mm, at, PAGE_SIZE, RW), 0);
        }
    }
    for (unsigned int which = 0; which < nr; which++)
        for (unsigned int i = 0; i < SMALL; i++)
            EXPECT_EQ(test_read(area(which) + i * PAGE_SIZE), arena.stamp[which][i]);
}

/* A few pages at a time: each move of a base page is a round of calls to all CPUs. */
static void move_all_the_time(struct team *team)
{
    u64 seed = 13;

    while (!team_stopped(team)) {
        arena.moves += move(arena.small, SMALL * PAGE_SIZE);
        arena.moves += move(arena.shared, SMALL * PAGE_SIZE);
        if (arena.has_huge) {
            vaddr_t at = arena.huge + test_random(&seed) % (huge_nr() / 16) * 16 * PAGE_SIZE;

            arena.moves += move(at, 16 * PAGE_SIZE); /* or all of it */
            (void)thp_collapse_range(arena.mm, arena.huge, arena.huge + SIZE);
        }
    }
}

/* A device: what it writes by the frame's address the program reads at the virtual one. The pages
 * behind those that the writer has are this one's. */
static void pin_all_the_time(struct team *team)
{
    u64 seed = 9;

    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        vaddr_t base = (r & 1) && arena.has_huge ? arena.huge : arena.small;
        vaddr_t at = base + (SMALL + (r >> 4) % 16) * PAGE_SIZE;
        struct page *p;

        if (pin_user_pages_fast(at, 1, GUP_WRITE, &p) != 1)
            continue;
        WRITE_ONCE(*(u64 *)page_to_virt(p), r);
        EXPECT_EQ(test_read(at), r);
        EXPECT(test_write(at, r + 1ul));
        EXPECT_EQ(READ_ONCE(*(u64 *)page_to_virt(p)), r + 1ul);
        unpin_user_pages(&p, 1, true);
        arena.pins++;
    }
}

/* A child's memory stands still. */
static void fork_all_the_time(struct team *team)
{
    while (!team_stopped(team)) {
        struct mm *child;
        u64 seen[SMALL];

        mm_get(arena.mm);
        mm_set_current(NULL);
        child = mm_fork(arena.mm);
        if (!IS_ERR(child)) {
            mm_set_current(child);
            for (unsigned int i = 0; i < SMALL; i++)
                seen[i] = test_read(arena.small + i * PAGE_SIZE);
            for (unsigned int i = 0; i < 4; i++)
                EXPECT(test_write(arena.small + i * PAGE_SIZE, 1));
            test_spin_us(200);
            for (unsigned int i = 4; i < SMALL; i++)
                EXPECT_EQ(test_read(arena.small + i * PAGE_SIZE), seen[i]);
            mm_set_current(NULL);
            arena.forks++;
        }
        mm_set_current(arena.mm);
        test_sleep_ms(2);
    }
}

static void worker(struct team *team, unsigned int nr)
{
    mm_get(arena.mm);
    mm_set_current(arena.mm);
    switch (nr) {
    case 0: write_and_check(team); break;
    case 1: move_all_the_time(team); break;
    case 2: pin_all_the_time(team); break;
    case 3: fork_all_the_time(team); break;
    default: move_all_the_time(team);
    }
    mm_set_current(NULL);
}

KTEST(migrate, against_everything)
{
    struct team team;

    memset(&arena, 0, sizeof(arena));
    arena.mm = test_mm_enter();
    arena.has_huge = huge_words != NULL && buddy_nr_free() > 16 * huge_nr();
    arena.small = test_map((SMALL + 16) * PAGE_SIZE, RW, ANON);
    arena.shared = test_map(SMALL * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    if (arena.has_huge) {
        vaddr_t va = test_map(2 * SIZE, RW, ANON);

        EXPECT_EQ(mm_madvise(arena.mm, va, 2 * SIZE, MADV_HUGEPAGE), 0);
        arena.huge = ALIGN_UP(va, SIZE);
    }
    team_start(&team, 5, worker, false);
    test_sleep_ms(2500);
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    pr_info("migrate: %lu pages moved, %lu pins, %lu forks\n", arena.moves, arena.pins,
            arena.forks);
    EXPECT(arena.moves != 0 && arena.pins != 0 && arena.forks != 0);
    EXPECT_EQ(test_check(arena.mm), 0);
    test_mm_leave();
}
