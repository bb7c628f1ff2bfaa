/* SPDX-License-Identifier: MIT */
/* buddy_test.c: the page allocator: conservation, coalescing, kinds, reserve, failure, poison, and
 * CPUs at once. */
#include <kernel/task.h>
#include <mm/buddy.h>
#include <mm/memblock.h>
#include <mm/slab.h>
#include "../../../mm/buddy_internal.h"
#include "host.h"

#define MEMORY MIB(64)
#define LOW MIB(1)

static u64 nr_free_at_start;

static void start(void)
{
    if (nr_free_at_start == 0) {
        host_boot(MEMORY, LOW);
        page_shrink_caches();
        nr_free_at_start = buddy_nr_free();
    }
    page_shrink_caches();
    EXPECT_EQ(buddy_nr_free(), nr_free_at_start);
    EXPECT_EQ(buddy_check(), 0);
}

HTEST(boot)
{
    start();
    EXPECT(buddy_nr_total() <= (MEMORY - LOW) / PAGE_SIZE);
    EXPECT(buddy_nr_total() > (MEMORY - LOW) / PAGE_SIZE - 300); /* page structures: 1 MiB */
    EXPECT(buddy_nr_free_order(BUDDY_MAX_ORDER) == 0);
}

/* Twice: the second time the frames are dirty. */
HTEST(single_frames)
{
    struct page *p[500];

    start();
    for (unsigned int i = 0; i < 2 * ARRAY_SIZE(p); i++) {
        struct page **slot = &p[i % ARRAY_SIZE(p)];

        if (i >= ARRAY_SIZE(p))
            page_put(*slot);
        *slot = page_alloc(PAGE_ANON, i & 1 ? GFP_KERNEL : GFP_ZERO);
        EXPECT(*slot != NULL && (*slot)->kind == PAGE_ANON && (*slot)->flags == 0 &&
               (*slot)->mapcount == 0);
        EXPECT_EQ(page_refs(*slot), 1);
        for (unsigned int b = 0; b < PAGE_SIZE && !(i & 1); b++)
            EXPECT_EQ(((u8 *)page_to_virt(*slot))[b], 0);
        ((u8 *)page_to_virt(*slot))[i] = 7;
    }
    EXPECT_EQ(page_nr_kind(PAGE_ANON), ARRAY_SIZE(p));
    EXPECT_EQ(buddy_nr_free(), nr_free_at_start - ARRAY_SIZE(p));
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        page_put(p[i]);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
    start();
}

HTEST(blocks_of_every_order)
{
    start();
    for (unsigned int order = 0; order <= BUDDY_MAX_ORDER + 1; order++) {
        struct page *p = alloc_pages(order, GFP_NOOOM);

        if (order > 12) { /* of 64 MiB both ends are taken */
            EXPECT(p == NULL);
            continue;
        }
        EXPECT(p != NULL && IS_ALIGNED(page_to_pfn(p), 1UL << order) && p->order == order);
        for (unsigned long i = 0; i < 1UL << order; i++)
            EXPECT(p[i].kind == PAGE_KERNEL && p[i].word == 0);
        EXPECT_EQ(buddy_nr_free(), nr_free_at_start - (1UL << order));
        free_pages(p, order);
        start();
    }
}

/* Freed one by one in any order, frames become the blocks they came from. */
HTEST(coalescing)
{
    u64 before[BUDDY_MAX_ORDER + 1];
    struct page *p, *shuffled[256];

    start();
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
        before[o] = buddy_nr_free_order(o);
    p = alloc_pages(8, GFP_KERNEL);
    for (unsigned int i = 0; i < 256; i++)
        shuffled[i] = p + i;
    for (unsigned int i = 255; i > 0; i--) {
        unsigned int k = host_random_below(i + 1);
        struct page *t = shuffled[i];

        shuffled[i] = shuffled[k];
        shuffled[k] = t;
    }
    for (unsigned int i = 0; i < 200; i++)
        free_pages(shuffled[i], 0);
    free_pages_bulk(shuffled + 200, 56);
    start();
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
        EXPECT_EQ(buddy_nr_free_order(o), before[o]);
}

/* Pages in a block of the kernel's may have become one huge page where they are, which is given
 * back as one. */
HTEST(a_block_given_back_whole_is_nobodys)
{
    const unsigned int half = zone.block_order - 1;
    struct page *p[16], *whole = NULL;

    start();
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = buddy_alloc_block(half, false, 0);
        EXPECT(p[i] != NULL && is_kernel_block(p[i]));
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        for (unsigned int k = 0; k < ARRAY_SIZE(p) && whole == NULL; k++)
            if (IS_ALIGNED(page_to_pfn(p[i]), 2UL << half) && p[k] == p[i] + (1UL << half)) {
                whole = p[i];
                p[i] = p[k] = NULL;
            }
    EXPECT(whole != NULL);
    buddy_free_block(whole, half + 1);
    EXPECT(!is_kernel_block(whole));
    EXPECT_EQ(buddy_check(), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        if (p[i] != NULL)
            buddy_free_block(p[i], half);
    start();
}

/* What is enough from the kernel's blocks takes no other over. */
HTEST(half_of_a_bulk_is_enough)
{
    struct piece {
        struct page *p;
        unsigned int order;
    } pieces[64];
    struct page *bulk[32];
    unsigned int n = 0, got;

    start();
    while (zone.sort[SORT_KERNEL].nonempty != 0 && n < ARRAY_SIZE(pieces)) {
        unsigned int order = 31 - (unsigned int)__builtin_clz(zone.sort[SORT_KERNEL].nonempty);

        pieces[n++] = (struct piece){buddy_alloc_block(order, false, 0), order};
    }
    EXPECT(n != 0 && n < ARRAY_SIZE(pieces) && pieces[0].order > 4);
    buddy_free_block(pieces[0].p, 4); /* all that the kernel's lists have */
    got = buddy_alloc_bulk(bulk, ARRAY_SIZE(bulk), false, 0);
    EXPECT_EQ(got, 16);
    EXPECT_EQ(buddy_check(), 0);
    buddy_free_bulk(bulk, got);
    for (unsigned int order = 4; order < pieces[0].order; order++)
        buddy_free_block(pieces[0].p + (1UL << order), order);
    while (--n != 0)
        buddy_free_block(pieces[n].p, pieces[n].order);
    start();
}

HTEST(kinds_are_counted)
{
    struct page *p;

    start();
    p = page_alloc(PAGE_FILE, GFP_KERNEL);
    EXPECT_EQ(page_nr_kind(PAGE_FILE), 1);
    page_set_kind(p, PAGE_ANON);
    EXPECT_EQ(page_nr_kind(PAGE_FILE), 0);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 1);
    page_put(p);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
}

/* All of memory: ordinary allocations leave the reserve, atomic ones half of it, a victim
 * nothing. */
HTEST(reserve)
{
    static struct page *p[MEMORY / PAGE_SIZE];
    struct task task = { .flags = TF_OOM_VICTIM };
    unsigned int n = 0;
    u64 left;

    start();
    while ((p[n] = page_alloc(PAGE_ANON, GFP_NOOOM)) != NULL)
        n++;
    left = buddy_nr_free();
    EXPECT(left > 0 && left <= buddy_nr_total() / 128);
    while ((p[n] = page_alloc(PAGE_ANON, GFP_ATOMIC)) != NULL)
        n++;
    EXPECT_EQ(buddy_nr_free(), left / 2);
    set_current_task(&task);
    while ((p[n] = page_alloc(PAGE_ANON, GFP_ATOMIC)) != NULL)
        n++;
    EXPECT_EQ(buddy_nr_free(), 0);
    EXPECT_EQ(buddy_check(), 0);
    set_current_task(NULL);
    while (n > 0)
        page_put(p[--n]);
    start();
}

HTEST(injected_failure)
{
    struct page *p;

    start();
    host_fail_nth(2);
    p = page_alloc(PAGE_ANON, GFP_KERNEL);
    EXPECT(p != NULL);
    EXPECT(page_alloc(PAGE_ANON, GFP_KERNEL) == NULL);
    host_fail_nth(1);
    EXPECT(alloc_pages(3, GFP_KERNEL) == NULL);
    host_fail_from(1);
    page_put(p);
    p = page_alloc(PAGE_ANON, GFP_NOFAIL_INJECT);
    EXPECT(p != NULL);
    host_fail_nth(0);
    page_put(p);
    start();
}

HTEST(late_memblock_frames)
{
    u64 before = buddy_nr_total();

    start();
    memblock_free_reserved(LOW / 2, 16 * PAGE_SIZE);
    EXPECT_EQ(buddy_nr_total(), before + 16);
    nr_free_at_start += 16;
    start();
}

static void write_after_free(void *unused)
{
    struct page *p = page_alloc(PAGE_KERNEL, GFP_KERNEL);
    u8 *bytes = page_to_virt(p);

    page_put(p);
    bytes[123] = 1;
    (void)page_alloc(PAGE_KERNEL, GFP_KERNEL);
}

static void free_twice(void *unused)
{
    struct page *p = alloc_pages(0, GFP_KERNEL);

    free_pages(p, 0);
    free_pages(p, 0);
}

static void free_referenced(void *unused)
{
    free_pages(page_alloc(PAGE_KERNEL, GFP_KERNEL), 0);
}

static void put_mapped(void *unused)
{
    struct page *p = page_alloc(PAGE_ANON, GFP_KERNEL);

    p->mapcount = 1;
    page_put(p);
}

HTEST(misuse_panics)
{
    start();
    EXPECT(host_panics(write_after_free, NULL, "was written to: byte 0x7b is 0x01"));
    EXPECT(host_panics(free_twice, NULL, "kind != PAGE_PCP"));
    EXPECT(host_panics(free_referenced, NULL, "word == 0"));
    EXPECT(host_panics(put_mapped, NULL, "page_mapcount(&p[i]) == 0"));
}

/* Each CPU keeps a set of frames and blocks with its stamp in them; nobody else's stamp may
 * appear. */
#define SLOTS 200
static void hammer(void *unused, unsigned int cpu)
{
    struct page *p[SLOTS] = { NULL };
    unsigned int order[SLOTS];

    for (unsigned int step = 0; step < 20000; step++) {
        unsigned int i = host_random_below(SLOTS);

        if (p[i] != NULL) {
            u64 *w = page_to_virt(p[i]);

            EXPECT_EQ(w[0], (u64)cpu << 32 | i);
            EXPECT_EQ(w[(PAGE_SIZE << order[i]) / 8 - 1], (u64)cpu << 32 | i);
            free_pages(p[i], order[i]);
            p[i] = NULL;
        } else {
            order[i] = host_random_below(8) == 0 ? host_random_below(5) : 0;
            p[i] = alloc_pages(order[i], GFP_NOOOM);
            if (p[i] == NULL)
                continue;
            ((u64 *)page_to_virt(p[i]))[0] = (u64)cpu << 32 | i;
            ((u64 *)page_to_virt(p[i]))[(PAGE_SIZE << order[i]) / 8 - 1] = (u64)cpu << 32 | i;
        }
        if (cpu == 0 && step % 1000 == 0)
            buddy_drain_pcp();
    }
    for (unsigned int i = 0; i < SLOTS; i++)
        if (p[i] != NULL)
            free_pages(p[i], order[i]);
}

HTEST(cpus_at_once)
{
    start();
    host_run_cpus(4, hammer, NULL);
    start();
}
