/* SPDX-License-Identifier: MIT */
/*
 * memblock_test.c: memblock's lists against a map of pages, by random adds, reservations and
 * returns, and its allocator. The module is included, so that each round starts with empty lists.
 */
#include "../../../mm/memblock.c"
#include "host.h"

#define NR_PAGES 256 /* of the model; ranges are whole pages here */
#define BASE (16 * PAGE_SIZE) /* address 0 is never handed out */

static bool model_memory[NR_PAGES], model_reserved[NR_PAGES], seen_free[NR_PAGES];

/* No buddy allocator here: what it would be given is noted. */
static pfn_t given_start, given_end;
void buddy_add_range(pfn_t start, pfn_t end)
{
    given_start = start;
    given_end = end;
}

static void reset(void)
{
    memory.nr = reserved.nr = 0;
    closed = false;
    limit = ~(paddr_t)0;
    memset(model_memory, 0, sizeof(model_memory));
    memset(model_reserved, 0, sizeof(model_reserved));
}

static void set(bool *model, unsigned int first, unsigned int n, bool value)
{
    for (unsigned int i = first; i < first + n; i++)
        model[i] = value;
}

static void note_free(pfn_t start, pfn_t end)
{
    for (pfn_t p = start; p < end; p++) {
        EXPECT(!seen_free[p - BASE / PAGE_SIZE]);
        seen_free[p - BASE / PAGE_SIZE] = true;
    }
}

static void compare(void)
{
    u64 total = 0;

    memset(seen_free, 0, sizeof(seen_free));
    memblock_for_each_free(note_free);
    closed = false;
    for (unsigned int i = 0; i < NR_PAGES; i++) {
        EXPECT_EQ(seen_free[i], model_memory[i] && !model_reserved[i]);
        total += model_memory[i] * PAGE_SIZE;
    }
    EXPECT_EQ(memblock_total(), total);
    EXPECT_EQ(memblock_check(), 0);
}

HTEST(memblock_random_ranges)
{
    for (unsigned int round = 0; round < 300; round++) {
        reset();
        for (unsigned int step = 0; step < 60; step++) {
            unsigned int first = host_random_below(NR_PAGES - 1),
                         n = 1 + host_random_below(min(20u, NR_PAGES - first));
            paddr_t at = BASE + first * PAGE_SIZE;

            switch (host_random_below(3)) {
            case 0:
                memblock_add(at, n * PAGE_SIZE);
                set(model_memory, first, n, true);
                break;
            case 1:
                memblock_reserve(at, n * PAGE_SIZE);
                set(model_reserved, first, n, true);
                break;
            default:
                memblock_free_reserved(at, n * PAGE_SIZE);
                set(model_reserved, first, n, false);
            }
        }
        compare();
    }
}

HTEST(memblock_alloc_top_down)
{
    static u8 arena[64 * PAGE_SIZE] __aligned(4096);
    paddr_t a, b;

    host_direct_map = (char *)arena - PAGE_SIZE;
    reset();
    memset(arena, 0xff, sizeof(arena));
    memblock_add(PAGE_SIZE, 63 * PAGE_SIZE);
    memblock_reserve(32 * PAGE_SIZE, 4 * PAGE_SIZE);
    a = memblock_alloc(PAGE_SIZE, PAGE_SIZE);
    EXPECT_EQ(a, 63 * PAGE_SIZE);
    b = memblock_alloc(100, 256);
    EXPECT_EQ(b, 63 * PAGE_SIZE - 256);
    for (unsigned int i = 0; i < 100; i++)
        EXPECT_EQ(((u8 *)phys_to_virt(b))[i], 0);
    memblock_set_limit(34 * PAGE_SIZE); /* inside the reservation */
    EXPECT_EQ(memblock_alloc(2 * PAGE_SIZE, PAGE_SIZE), 30 * PAGE_SIZE);
    EXPECT_EQ(memblock_alloc(8, 16 * PAGE_SIZE), 16 * PAGE_SIZE);
    EXPECT_EQ(memblock_check(), 0);
}

/* The allocator's answer always lies in memory, outside all reservations, and is aligned. */
HTEST(memblock_random_alloc)
{
    static u8 arena[NR_PAGES * PAGE_SIZE] __aligned(4096);

    host_direct_map = (char *)arena - BASE;
    for (unsigned int round = 0; round < 100; round++) {
        reset();
        for (unsigned int i = 0; i < NR_PAGES; i += 8) {
            if (host_random_below(4) != 0) {
                memblock_add(BASE + i * PAGE_SIZE, 8 * PAGE_SIZE);
                set(model_memory, i, 8, true);
            }
        }
        memblock_add(BASE, 4 * PAGE_SIZE);
        set(model_memory, 0, 4, true);
        for (unsigned int step = 0; step < 12; step++) {
            u64 align = PAGE_SIZE << host_random_below(2),
                len = PAGE_SIZE * (1 + host_random_below(2));
            struct alloc_request req = { .len = len, .align = align };
            paddr_t at;

            if (!for_each_gap_down(gap_fits, &req))
                break;
            at = memblock_alloc(len, align);
            EXPECT(IS_ALIGNED(at, align));
            for (u64 i = (at - BASE) / PAGE_SIZE; i < (at - BASE + len) / PAGE_SIZE; i++) {
                EXPECT(model_memory[i] && !model_reserved[i]);
                model_reserved[i] = true;
            }
        }
        compare();
    }
}

HTEST(memblock_partial_frames_are_not_free)
{
    reset();
    memblock_add(BASE + 100, 3 * PAGE_SIZE);
    memblock_reserve(BASE + 2 * PAGE_SIZE + 50, 10);
    memset(seen_free, 0, sizeof(seen_free));
    memblock_for_each_free(note_free);
    EXPECT(!seen_free[0] && seen_free[1] && !seen_free[2] && !seen_free[3]);
    /* closed now: whole frames go to the buddy allocator */
    memblock_free_reserved(BASE + PAGE_SIZE + 1, 3 * PAGE_SIZE);
    EXPECT_EQ(given_start, BASE / PAGE_SIZE + 2);
    EXPECT_EQ(given_end, BASE / PAGE_SIZE + 4);
}

static void too_many(void *unused)
{
    for (paddr_t i = 1; i < 1000; i++)
        memblock_add(i * 2 * PAGE_SIZE, PAGE_SIZE);
}

static void no_memory(void *unused)
{
    (void)memblock_alloc(GIB(64), PAGE_SIZE);
}

HTEST(memblock_panics_say_why)
{
    reset();
    EXPECT(host_panics(too_many, NULL, "more than 128 memory ranges"));
    memblock_add(BASE, 4 * PAGE_SIZE);
    EXPECT(host_panics(no_memory, NULL, "16 KiB of RAM in 1 ranges"));
    memblock_add(~0ULL - PAGE_SIZE, ~0ULL); /* a firmware table may lie: no wrap-around */
    EXPECT_EQ(memblock_check(), 0);
}
