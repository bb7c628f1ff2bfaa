/* SPDX-License-Identifier: MIT */
/* migrate_batch_ktest.c: pages move many at a time: rounds of calls to other CPUs, batches of which
 * some pages cannot, pages of locked memory. */
#include <linux/mman.h>
#include <mm/gup.h>
#include <mm/migrate.h>
#include "../team.h"
#include "pt_test.h"

#define NR 512ul /* pages of a block of 2 MiB */

static void fill(vaddr_t va, unsigned long nr)
{
    for (u64 i = 0; i < nr; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
}

static void expect_filled(vaddr_t va, unsigned long nr)
{
    unsigned long wrong = 0;

    for (u64 i = 0; i < nr; i++)
        wrong += test_read(va + i * PAGE_SIZE) != i;
    EXPECT_EQ(wrong, 0);
}

static vaddr_t map_block(unsigned long flags)
{
    vaddr_t va = ALIGN_UP(test_map(2 * NR * PAGE_SIZE, RW, flags), NR * PAGE_SIZE);

    if (pt_level_can_leaf(1))
        EXPECT_EQ(mm_madvise(current->mm, va, NR * PAGE_SIZE, MADV_NOHUGEPAGE), 0);
    fill(va, NR);
    return va;
}

/* ---- rounds ---- */

static struct {
    struct mm *mm;
    vaddr_t va;
    atomic_t there;
    unsigned long moved;
    u64 rounds;
} block;

static void move_before_all(struct team *team, unsigned int nr)
{
    mm_get(block.mm);
    mm_set_current(block.mm);
    EXPECT_EQ(test_read(block.va + nr * PAGE_SIZE), nr);
    atomic_inc(&block.there);
    while (atomic_read(&block.there) != (int)nr_cpus_online)
        cpu_relax();
    if (nr == 0) {
        block.rounds = vmstat_sum(VMSTAT_tlb_flush_rounds);
        block.moved = migrate_range(block.mm, block.va, block.va + NR * PAGE_SIZE);
        block.rounds = vmstat_sum(VMSTAT_tlb_flush_rounds) - block.rounds;
        WRITE_ONCE(team->stop, true);
    }
    while (!team_stopped(team))
        (void)test_read(block.va + nr * PAGE_SIZE);
    mm_set_current(NULL);
}

static void count_rounds(const char *what, unsigned long flags)
{
    struct team team;

    memset(&block, 0, sizeof(block));
    block.mm = test_mm_enter();
    block.va = map_block(flags);
    team_run(&team, nr_cpus_online, move_before_all, true);
    pr_info("migrate: %lu pages of %s moved, %llu rounds of calls to %u CPUs\n", block.moved, what,
            (unsigned long long)block.rounds, nr_cpus_online - 1);
    /* An object's page that somebody is just faulting for stays: one for each CPU in each round. */
    EXPECT(block.moved >= NR - (nr_cpus_online - 1) * (NR / MIGRATE_BATCH));
    EXPECT(block.rounds <= NR / MIGRATE_BATCH + 4);
    expect_filled(block.va, NR);
    EXPECT_EQ(test_check(block.mm), 0);
    test_mm_leave();
}

KTEST(migrate_batch, one_round_for_many)
{
    count_rounds("anonymous memory", ANON);
    count_rounds("an object", MAP_SHARED | MAP_ANONYMOUS);
}

KTEST(migrate_batch, one_round_for_each_of_a_family)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = map_block(ANON);
    u64 flushes;

    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    flushes = vmstat_sum(VMSTAT_tlb_flush_rounds) + vmstat_sum(VMSTAT_tlb_flush_local);
    EXPECT_EQ(migrate_range(mm, va, va + NR * PAGE_SIZE), NR);
    flushes = vmstat_sum(VMSTAT_tlb_flush_rounds) + vmstat_sum(VMSTAT_tlb_flush_local) - flushes;
    EXPECT(flushes <= 2 * NR / MIGRATE_BATCH + 4);
    for (u64 i = 0; i < NR; i++)
        EXPECT(test_page(mm, va + i * PAGE_SIZE) == test_page(child, va + i * PAGE_SIZE));
    expect_filled(va, NR);
    mm_put(child);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* ---- some can, some cannot ---- */

KTEST(migrate_batch, neighbours_of_pinned_pages_move)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = map_block(ANON);
    struct page *pin[NR / 8];

    for (u64 i = 0; i < NR / 8; i++)
        EXPECT_EQ(pin_user_pages(mm, va + i * 8 * PAGE_SIZE, 1, i & 1 ? GUP_WRITE : 0, &pin[i]), 1);
    EXPECT_EQ(migrate_range(mm, va, va + NR * PAGE_SIZE), NR - NR / 8);
    for (u64 i = 0; i < NR / 8; i++) {
        EXPECT(test_page(mm, va + i * 8 * PAGE_SIZE) == pin[i]);
        EXPECT(test_write(va + i * 8 * PAGE_SIZE, i * 8));
    }
    expect_filled(va, NR);
    unpin_user_pages(pin, NR / 8, false);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* Pages of two objects, of nobody, of a child and a parent, in one range. */
KTEST(migrate_batch, of_all_kinds)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = map_block(ANON);
    unsigned long moved;

    for (u64 i = 0; i < NR; i += 16) {
        vaddr_t at = va + i * PAGE_SIZE;

        EXPECT_EQ(test_map_file(at, 4 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS, NULL), at);
        for (u64 k = i; k < i + 3; k++)
            EXPECT(test_write(va + k * PAGE_SIZE, k));
    }
    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    for (u64 i = 9; i < NR; i += 16)
        EXPECT(test_write(va + i * PAGE_SIZE, i)); /* its own again */
    moved = migrate_range(mm, va, va + NR * PAGE_SIZE);
    EXPECT_EQ(moved, NR - NR / 16);
    for (u64 i = 3; i < NR; i += 16)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    expect_filled(va, NR);
    mm_put(child);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* ---- memory that is locked ---- */

static bool is_writable(struct mm *mm, vaddr_t va)
{
    unsigned int level;
    pte_t e = test_entry(mm, va, &level);

    return pte_is_leaf(e, level) && (pte_prot(e, level) & PT_W);
}

KTEST(migrate_batch, locked_pages_move_and_need_no_fault)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(64 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    struct page *old[64], *pin;

    fill(va, 64);
    child = mm_fork(mm); /* it has not locked them */
    EXPECT(!IS_ERR(child));
    EXPECT_EQ(mm_mlock(mm, va, 48 * PAGE_SIZE, VM_LOCKED), 0);
    for (u64 i = 0; i < 64; i++)
        old[i] = test_page(mm, va + i * PAGE_SIZE);
    EXPECT_EQ(migrate_range(mm, va, va + 64 * PAGE_SIZE), 64);
    for (u64 i = 0; i < 64; i++) {
        EXPECT(test_page(mm, va + i * PAGE_SIZE) != old[i]);
        EXPECT_EQ(is_writable(mm, va + i * PAGE_SIZE), i < 48);
    }
    EXPECT_EQ(test_rss(mm, MM_SHMEM), 48);
    EXPECT_EQ(pin_user_pages(mm, va + 5 * PAGE_SIZE, 1, GUP_WRITE, &pin), 1);
    EXPECT_EQ(migrate_range(mm, va, va + 48 * PAGE_SIZE), 47);
    EXPECT(test_page(mm, va + 5 * PAGE_SIZE) == pin && is_writable(mm, va + 5 * PAGE_SIZE));
    unpin_user_pages(&pin, 1, false);
    expect_filled(va, 64);
    EXPECT_EQ(mm_mprotect(mm, va, 8 * PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(migrate_range(mm, va, va + 48 * PAGE_SIZE), 48);
    EXPECT(test_page(mm, va) != NULL && !is_writable(mm, va) && !test_write(va, 1));
    EXPECT(is_writable(mm, va + 8 * PAGE_SIZE));
    mm_put(child);
    EXPECT_EQ(mm_munlock(mm, va, 64 * PAGE_SIZE), 0);
    expect_filled(va, 64);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* Who locks memory shall not find its pages gone, whatever moves and truncates meanwhile. */
static struct {
    struct mm *mm;
    vaddr_t va;
    unsigned long moved, locked, wrong;
} arena;

static void lock_and_look(struct team *team)
{
    u64 seed = 3;

    while (team_round(team, 0, 100000)) {
        vaddr_t at = arena.va + test_random(&seed) % 48 * PAGE_SIZE;
        unsigned int n = 1 + test_random(&seed) % 16;

        EXPECT_EQ(mm_mlock(arena.mm, at, n * PAGE_SIZE, VM_LOCKED), 0);
        test_spin_us(20);
        for (unsigned int i = 0; i < n; i++)
            EXPECT(test_read(at + i * PAGE_SIZE) <= 64);
        arena.locked += n;
        EXPECT_EQ(mm_munlock(arena.mm, at, n * PAGE_SIZE), 0);
        if (test_random(&seed) % 8 == 0)
            EXPECT_EQ(mm_madvise(arena.mm, at, n * PAGE_SIZE, MADV_REMOVE), 0);
    }
    WRITE_ONCE(team->stop, true);
}

static void lock_or_move(struct team *team, unsigned int nr)
{
    mm_get(arena.mm);
    mm_set_current(arena.mm);
    if (nr == 0)
        lock_and_look(team);
    while (!team_stopped(team))
        if (nr == 1)
            arena.moved += migrate_range(arena.mm, arena.va, arena.va + 64 * PAGE_SIZE);
        else
            (void)test_write(arena.va + (team->rounds[nr]++ & 63) * PAGE_SIZE, nr);
    mm_set_current(NULL);
}

KTEST(migrate_batch, locked_and_unlocked_while_it_moves)
{
    struct team team;

    memset(&arena, 0, sizeof(arena));
    arena.mm = test_mm_enter();
    arena.va = test_map(64 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    fill(arena.va, 64);
    team_run(&team, 4, lock_or_move, false);
    pr_info("migrate: %lu pages moved, %lu locked\n", arena.moved, arena.locked);
    EXPECT(arena.moved != 0 && arena.locked != 0);
    EXPECT_EQ(test_check(arena.mm), 0);
    test_mm_leave();
}

/* An address space with locked memory ends while others move its pages: who moves puts them back
 * before the end looks, or not at all. */
static void end_many(struct team *team)
{
    while (team_round(team, 0, 3000)) {
        struct mm *child = mm_fork(arena.mm);

        EXPECT(!IS_ERR(child));
        EXPECT_EQ(mm_mlock(child, arena.va, 8 * PAGE_SIZE, VM_LOCKED), 0);
        arena.locked += 8;
        mm_put(child);
    }
    WRITE_ONCE(team->stop, true);
}

static void end_or_move(struct team *team, unsigned int nr)
{
    mm_get(arena.mm);
    mm_set_current(arena.mm);
    if (nr == 0)
        end_many(team);
    while (!team_stopped(team)) {
        expect_filled(arena.va, 8); /* what has moved is mapped here again, or would not be found */
        arena.moved += migrate_range(arena.mm, arena.va, arena.va + 8 * PAGE_SIZE);
    }
    mm_set_current(NULL);
}

KTEST(migrate_batch, locked_memory_ends_while_it_moves)
{
    struct team team;

    memset(&arena, 0, sizeof(arena));
    arena.mm = test_mm_enter();
    arena.va = test_map(8 * PAGE_SIZE, RW, MAP_SHARED | MAP_ANONYMOUS);
    fill(arena.va, 8);
    team_run(&team, 2, end_or_move, false);
    pr_info("migrate: %lu pages moved, %lu locked\n", arena.moved, arena.locked);
    EXPECT(arena.moved != 0 && arena.locked != 0);
    expect_filled(arena.va, 8);
    EXPECT_EQ(test_check(arena.mm), 0);
    test_mm_leave();
}
