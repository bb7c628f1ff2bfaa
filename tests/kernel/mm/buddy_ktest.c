/* SPDX-License-Identifier: MIT */
/* buddy_ktest.c: the page allocator in the kernel: counts, coalescing, poison, injected failure,
 * all CPUs at once. */
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <arch/mmu.h>
#include <mm/buddy.h>
#include "mm/internal.h"
#include "tests/kernel/team.h"

KCHECK("buddy", buddy_check);

KTEST(buddy, single_frames)
{
    struct page *p[200];

    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0); /* nobody else makes these while tests run */
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        p[i] = page_alloc(PAGE_ANON, i & 1 ? GFP_KERNEL : GFP_ZERO);
        EXPECT_OR_RETURN(p[i] != NULL);
        EXPECT(p[i]->kind == PAGE_ANON && p[i]->flags == 0 && p[i]->mapcount == 0 &&
               page_refs(p[i]) == 1);
        if (!(i & 1))
            for (unsigned int w = 0; w < PAGE_SIZE / 8; w++)
                EXPECT(((u64 *)page_to_virt(p[i]))[w] == 0);
        memset(page_to_virt(p[i]), (int)i, PAGE_SIZE);
    }
    EXPECT_EQ(page_nr_kind(PAGE_ANON), ARRAY_SIZE(p));
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        EXPECT_EQ(((u8 *)page_to_virt(p[i]))[i], (u8)i);
        page_put(p[i]);
    }
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
}

KTEST(buddy, blocks)
{
    for (unsigned int order = 0; order <= 10; order++) {
        struct page *p = alloc_pages(order, GFP_NOOOM);

        EXPECT_OR_RETURN(p != NULL);
        EXPECT(IS_ALIGNED(page_to_pfn(p), 1UL << order) && p->order == order);
        for (unsigned long i = 0; i < 1UL << order; i++)
            EXPECT(p[i].kind == PAGE_KERNEL && p[i].word == 0);
        free_pages(p, order);
    }
    EXPECT(alloc_pages(BUDDY_MAX_ORDER + 1, GFP_NOOOM) == NULL);
}

/* The order of the free block that contains @p, or -1. */
static int free_block_order(struct page *p)
{
    for (unsigned int order = 0; order <= BUDDY_MAX_ORDER; order++) {
        pfn_t head = page_to_pfn(p) & ~((1UL << order) - 1);

        if (pfn_valid(head) && pfn_to_page(head)->kind == PAGE_FREE &&
            pfn_to_page(head)->order == order)
            return (int)order;
    }
    return -1;
}

KTEST(buddy, coalescing)
{
    struct page *p = alloc_pages(8, GFP_NOOOM), *pages[128];

    EXPECT_OR_RETURN(p != NULL);
    for (unsigned int i = 0; i < 128; i++)
        free_pages(p + (i * 37 % 128), 0);
    for (unsigned int i = 0; i < 128; i++)
        pages[i] = p + 128 + i;
    free_pages_bulk(pages, 128);
    buddy_drain_pcp();
    EXPECT(free_block_order(p) >= 8);
    EXPECT(free_block_order(p + 255) >= 8);
}

/* What cannot be moved does not come out of the same blocks as what can, in whatever order they are
 * asked for. */
#define NR_KEPT 20u
static bool shares_block(struct page *const *kept, const struct page *p, unsigned int order)
{
    for (unsigned int i = 0; i < NR_KEPT; i++)
        if (page_to_pfn(kept[i]) >> order == page_to_pfn(p) >> order)
            return true;
    return false;
}

KTEST(buddy, kernel_frames_have_blocks_of_their_own)
{
    const unsigned int order = pt_shift(1) - PAGE_SHIFT;
    struct page *kept[NR_KEPT], *p;
    unsigned int mixed = 0;
    struct list_head others;

    list_init(&others);
    buddy_drain_pcp(); /* frames that were something else before */
    for (unsigned int i = 0; i < NR_KEPT; i++) { /* two and a half blocks, and five */
        kept[i] = alloc_pages(order - 3, GFP_NOOOM);
        EXPECT_OR_RETURN(kept[i] != NULL);
        for (unsigned int k = 0; k < 1u << (order - 2); k++) {
            p = page_alloc(PAGE_ANON, GFP_NOOOM);
            EXPECT_OR_RETURN(p != NULL);
            list_add(&p->link, &others);
        }
    }
    while (!list_empty(&others)) {
        p = list_first_entry(&others, struct page, link);
        list_del(&p->link);
        mixed += shares_block(kept, p, order);
        page_put(p);
    }
    EXPECT_EQ(mixed, 0);
    for (unsigned int i = 0; i < NR_KEPT; i++)
        free_pages(kept[i], order - 3);
}

KTEST(buddy, poison)
{
    struct page *p = alloc_pages(0, GFP_KERNEL);
    u8 *bytes;

    EXPECT_OR_RETURN(p != NULL);
    bytes = page_to_virt(p);
    page_poison(p, 0);
    EXPECT_EQ(page_poison_damage(p), -1);
    bytes[PAGE_SIZE - 1] ^= 1;
    EXPECT_EQ(page_poison_damage(p), PAGE_SIZE - 1);
    bytes[100] = 0;
    EXPECT_EQ(page_poison_damage(p), 100);
    p->flags = 0;
    free_pages(p, 0);
}

KTEST(buddy, injected_failure)
{
    struct page *p;

    fail_set_nth(current, 2);
    p = page_alloc(PAGE_ANON, GFP_KERNEL);
    EXPECT(p != NULL);
    EXPECT(page_alloc(PAGE_ANON, GFP_KERNEL) == NULL);
    page_put(p);
    fail_set_nth(current, 1);
    EXPECT(alloc_pages(2, GFP_KERNEL) == NULL);
    fail_set_nth(current, 1);
    p = page_alloc(PAGE_ANON, GFP_NOFAIL_INJECT);
    EXPECT(p != NULL);
    fail_set_nth(current, 0);
    page_put(p);
}

/* Interrupt handlers may allocate and free, also between a CPU's own operations. */
static void handler(void *arg)
{
    struct page *p = page_alloc(PAGE_ANON, GFP_ATOMIC), *block = alloc_pages(1, GFP_ATOMIC);

    EXPECT(p != NULL && block != NULL);
    if (p != NULL)
        page_put(p);
    if (block != NULL)
        free_pages(block, 1);
}

#define SLOTS 64
static void hammer(struct team *team, unsigned int nr)
{
    struct page *p[SLOTS] = { NULL };
    u8 order[SLOTS];
    u64 seed = nr + 1;

    for (unsigned int step = 0; step < 3000; step++) {
        unsigned int i = test_random(&seed) % SLOTS;

        if (p[i] != NULL) {
            EXPECT_EQ(*(u64 *)page_to_virt(p[i]), (u64)nr << 32 | i);
            free_pages(p[i], order[i]);
            p[i] = NULL;
        } else {
            order[i] = (u8)(test_random(&seed) % 8 == 0 ? test_random(&seed) % 4 : 0);
            p[i] = alloc_pages(order[i], GFP_NOOOM);
            if (p[i] != NULL)
                *(u64 *)page_to_virt(p[i]) = (u64)nr << 32 | i;
        }
        if (step % 500 == nr)
            smp_call_on(online_cpus(), handler, NULL);
        if (step % 1000 == 999)
            buddy_drain_pcp();
    }
    for (unsigned int i = 0; i < SLOTS; i++)
        if (p[i] != NULL)
            free_pages(p[i], order[i]);
}

KTEST(buddy, cpus_at_once)
{
    struct team team;

    team_run(&team, 2 * nr_cpus_online, hammer, false);
    EXPECT_EQ(buddy_check(), 0);
}

/* A frame freed on another CPU than where it was allocated is still counted right. */
static struct page *travellers[256];
static void free_elsewhere(struct team *team, unsigned int nr)
{
    for (unsigned int i = nr; i < ARRAY_SIZE(travellers); i += nr_cpus_online)
        page_put(travellers[i]);
}

KTEST(buddy, freed_on_other_cpus)
{
    struct team team;

    for (unsigned int i = 0; i < ARRAY_SIZE(travellers); i++) {
        travellers[i] = page_alloc(PAGE_ANON, GFP_KERNEL);
        EXPECT_OR_RETURN(travellers[i] != NULL);
    }
    team_run(&team, nr_cpus_online, free_elsewhere, true);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
}

/* Frames inside a free block are seen as free, whatever their last owner left in them. */
KTEST(buddy, kind_inside_free_blocks)
{
    struct page *p = alloc_pages(6, GFP_NOOOM);

    EXPECT_OR_RETURN(p != NULL);
    for (unsigned int i = 0; i < 64; i++) {
        page_set_kind(&p[i], PAGE_FILE);
        EXPECT_EQ(page_kind_now(&p[i]), PAGE_FILE);
    }
    p->order = 6;
    free_pages(p, 6);
    for (unsigned int i = 0; i < 64; i++)
        EXPECT_EQ(page_kind_now(&p[i]), PAGE_FREE);
}
