/* SPDX-License-Identifier: MIT */
/*
 * buddy_fuzz.c: a byte string is a program for the page allocator; a table of owners is the model.
 * No frame is handed out twice, counts agree, and when all is freed the free lists are what they
 * were at the start.
 */
#include <kernel/string.h>
#include <mm/buddy.h>
#include <mm/slab.h>
#include "../../../mm/internal.h"
#include "host.h"

#define MEMORY MIB(8)
#define NR_FRAMES (MEMORY / PAGE_SIZE)
#define SLOTS 64

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct block {
    struct page *p;
    unsigned int order;
    bool referenced;
} blocks[SLOTS];
static u8 owner[NR_FRAMES]; /* slot + 1, 0 = free */
static u64 nr_held, nr_free_at_start, lists_at_start[BUDDY_MAX_ORDER + 1];

static void start(void)
{
    if (nr_free_at_start != 0)
        return;
    host_boot(MEMORY, MIB(1));
    page_shrink_caches();
    nr_free_at_start = buddy_nr_free();
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
        lists_at_start[o] = buddy_nr_free_order(o);
}

static void take(unsigned int slot, struct page *p, unsigned int order, bool referenced)
{
    if (p == NULL)
        return;
    REQUIRE(IS_ALIGNED(page_to_pfn(p), 1UL << order));
    for (unsigned long i = 0; i < 1UL << order; i++) {
        REQUIRE(page_to_pfn(p) + i < NR_FRAMES && owner[page_to_pfn(p) + i] == 0);
        owner[page_to_pfn(p) + i] = (u8)(slot + 1);
    }
    nr_held += 1UL << order;
    blocks[slot] = (struct block){ p, order, referenced };
}

static void disown(struct block *b)
{
    for (unsigned long i = 0; i < 1UL << b->order; i++) {
        REQUIRE(owner[page_to_pfn(b->p) + i] == b - blocks + 1);
        owner[page_to_pfn(b->p) + i] = 0;
    }
    nr_held -= 1UL << b->order;
}

static void give(struct block *b, unsigned int how)
{
    struct page *p = b->p, *pages[1 << 8];

    disown(b);
    b->p = NULL;
    if (b->referenced) {
        page_put(p);
    } else if (b->order > 8 || how == 0) {
        free_pages(p, b->order);
    } else if (how == 1) {
        for (unsigned long i = 1UL << b->order; i-- > 0;)
            free_pages(p + i, 0);
    } else {
        for (unsigned long i = 0; i < 1UL << b->order; i++)
            pages[i ^ (how - 2)] = p + i; /* neighbours swapped or not */
        free_pages_bulk(pages, 1u << b->order);
    }
}

static void step(u8 op, u8 arg)
{
    unsigned int slot = arg % SLOTS;

    if (op >= 250) {
        buddy_drain_pcp();
    } else if (op >= 245) {
        REQUIRE(buddy_check() == 0);
    } else if (blocks[slot].p != NULL) {
        give(&blocks[slot], blocks[slot].order == 0 ? 0 : op % 4);
    } else if (op < 100) {
        take(slot, page_alloc(PAGE_ANON, op & 1 ? GFP_ATOMIC : GFP_NOOOM), 0, true);
    } else {
        take(slot, alloc_pages(op % 12, GFP_NOOOM), op % 12, false);
    }
    REQUIRE(buddy_nr_free() + nr_held == nr_free_at_start);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    start();
    for (size_t i = 0; i + 1 < size; i += 2)
        step(data[i], data[i + 1]);
    for (unsigned int i = 0; i < SLOTS; i++)
        if (blocks[i].p != NULL)
            give(&blocks[i], 0);
    buddy_drain_pcp();
    REQUIRE(buddy_check() == 0);
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
        REQUIRE(buddy_nr_free_order(o) == lists_at_start[o]);
    return 0;
}
