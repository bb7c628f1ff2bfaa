/* SPDX-License-Identifier: MIT */
/*
 * hugetlb_pool.c: the pools of huge pages: which there are, what the command line sets aside,
 * blocks from the page allocator and back, the number of persistent pages.
 *
 * Locks: pool->resize for one change of the number at a time, pool->lock inside it, not while a
 * block is taken from the page allocator. Invariants: those of hugetlb.c, which hugetlb_check looks
 * at. Checked by tests/kernel/mm/hugetlb_ktest.c.
 * Source: Linux Documentation/admin-guide/mm/hugetlbpage.rst.
 * Read next: hugetlb_object.c.
 */
#include <arch/mmu.h>
#include <kernel/ktest.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <mm/memblock.h>
#include "hugetlb_internal.h"

#define MAX_POOLS  3
#define MAX_WISHES 8
#define MAX_EARLY  64

static struct huge_pool pools[MAX_POOLS];
static unsigned int nr_pools;
static struct huge_pool *default_pool;

/* ---- the command line ---- */

/* hugepagesz=, hugepages= in the order in which they were given; sizes are judged later, when the
 * MMU's geometry is known. */
static struct wish {
    u64 size; /* bytes; 0: the default size */
    u64 nr;
} wishes[MAX_WISHES];
static unsigned int nr_wishes;
static u64 wished_size, wished_default;

/* Blocks that were set aside before the page allocator came up. */
static struct early_block {
    paddr_t at;
    u64 size;
} early[MAX_EARLY];
static unsigned int nr_early;

static void set_size(const char *value)
{
    const char *end;

    wished_size = parse_size(value, &end);
}
KPARAM("hugepagesz", set_size, "size (2M, 1G) of the huge pages that the next hugepages= counts");

static void set_default_size(const char *value)
{
    const char *end;

    wished_default = parse_size(value, &end);
}
KPARAM("default_hugepagesz", set_default_size, "size of huge pages where none is named");

static void set_number(const char *value)
{
    const char *end;
    u64 n = parse_u64(value, &end);

    if (end == value || nr_wishes == MAX_WISHES)
        return;
    wishes[nr_wishes++] = (struct wish){.size = wished_size, .nr = n};
}
KPARAM("hugepages", set_number, "number of huge pages to set aside at boot");

static unsigned int level_of_size(u64 bytes)
{
    for (unsigned int level = 1; level < pt_top_level(); level++)
        if (pt_level_can_leaf(level) && 1UL << pt_shift(level) == bytes)
            return level;
    return 0;
}

static unsigned int smallest_level(void)
{
    unsigned int level = 1;

    while (level < pt_top_level() && !pt_level_can_leaf(level))
        level++;
    return level;
}

static unsigned int level_of_wish(const struct wish *w)
{
    unsigned int level = level_of_size(w->size ? w->size : wished_default);

    return level == 0 && w->size == 0 ? smallest_level() : level;
}

/* Blocks as large as the page allocator's largest: after it came up few would be whole. They become
 * its blocks, and at once the pool's. */
void hugetlb_reserve_boot(void)
{
    for (const struct wish *w = wishes; w < wishes + nr_wishes; w++) {
        unsigned int level = level_of_wish(w);
        u64 size = 1UL << pt_shift(level);

        if (level == 0 || pt_shift(level) - PAGE_SHIFT < BUDDY_MAX_ORDER)
            continue;
        for (u64 n = 0; n < w->nr && nr_early < MAX_EARLY; n++) {
            paddr_t at = memblock_try_reserve(size, size);

            if (at == 0)
                break;
            early[nr_early++] = (struct early_block){at, size};
        }
    }
}

/* ---- blocks ---- */

void huge_block_prepare(struct page *head, unsigned int order, enum page_kind kind)
{
    for (unsigned long i = 0; i < 1UL << order; i++) {
        struct page *p = head + i;

        page_set_kind(p, kind);
        p->order = (u8)order;
        p->mapping = NULL;
        p->word = i ? PAGE_TAIL : 0;
    }
    head->private = HUGE_OBJECTS;
}

void huge_block_release(struct page *head)
{
    unsigned int order = head->order;

    for (unsigned long i = 0; i < 1UL << order; i++) {
        struct page *p = head + i;

        p->word = 0;
        p->flags = 0;
        p->mapping = NULL;
        page_set_kind(p, PAGE_KERNEL);
    }
    free_pages(head, order);
}

struct page *huge_block_alloc(const struct huge_pool *pool, gfp_t gfp)
{
    struct page *p = alloc_pages(pool->order, gfp);

    if (p)
        huge_block_prepare(p, pool->order, PAGE_HUGETLB);
    return p;
}

/* ---- pools ---- */

struct huge_pool *huge_pool_by_size(u64 bytes)
{
    if (bytes == 0)
        return default_pool;
    for (unsigned int i = 0; i < nr_pools; i++)
        if (huge_size(&pools[i]) == bytes)
            return &pools[i];
    return NULL;
}

struct huge_pool *huge_pool_by_log(unsigned int log)
{
    return log < 64 ? huge_pool_by_size(log ? 1UL << log : 0) : NULL;
}

struct huge_pool *huge_pool_by_level(unsigned int level)
{
    for (unsigned int i = 0; i < nr_pools; i++)
        if (pools[i].level == level)
            return &pools[i];
    return NULL;
}

struct huge_counts huge_pool_counts(struct huge_pool *pool)
{
    struct huge_counts c;

    spin_lock(&pool->lock);
    c = (struct huge_counts){pool->nr, pool->nr_free, pool->nr_reserved, pool->nr_surplus,
                             pool->max_surplus};
    spin_unlock(&pool->lock);
    return c;
}

/* Adds persistent pages up to @want; surplus ones first, since they are there. */
static void grow(struct huge_pool *pool, u64 want, gfp_t gfp)
{
    spin_lock(&pool->lock);
    while (pool->nr_surplus != 0 && pool->nr - pool->nr_surplus < want)
        pool->nr_surplus--;
    while (pool->nr - pool->nr_surplus < want) {
        struct page *p;

        spin_unlock(&pool->lock);
        p = current && fatal_signal_pending() ? NULL : huge_block_alloc(pool, gfp);
        if (!p)
            return;
        spin_lock(&pool->lock);
        pool->nr++;
        huge_list_push(pool, p);
    }
    spin_unlock(&pool->lock);
}

/* Frees what nobody uses or was promised; the rest of what is too much becomes surplus, which goes
 * when its users go. */
static void shrink(struct huge_pool *pool, u64 want)
{
    spin_lock(&pool->lock);
    if (pool->nr - pool->nr_surplus > want)
        pool->nr_surplus = pool->nr - want;
    huge_unlock_and_trim(pool);
}

void huge_pool_resize(struct huge_pool *pool, u64 want)
{
    mutex_lock(&pool->resize);
    shrink(pool, want);
    grow(pool, want, GFP_POOL);
    mutex_unlock(&pool->resize);
}

static void pool_init(struct huge_pool *pool, unsigned int level)
{
    pool->level = level;
    pool->order = pt_shift(level) - PAGE_SHIFT;
    spin_init(&pool->lock, LOCK_HUGETLB);
    mutex_init(&pool->resize, LOCK_HUGETLB_RESIZE);
    list_init(&pool->free);
    list_init(&pool->subpools);
}

/* At boot nothing may sleep, and nothing is there that could be shrunk. */
static void fulfil(const struct wish *w)
{
    struct huge_pool *pool = w->size ? huge_pool_by_size(w->size) : default_pool;

    if (!pool) {
        pr_warn("hugetlb: this MMU has no pages of %llu KiB\n", (unsigned long long)w->size >> 10);
        return;
    }
    grow(pool, w->nr, GFP_ATOMIC | GFP_NOOOM | GFP_NOFAIL_INJECT);
    if (pool->nr < w->nr)
        pr_warn("hugetlb: only %llu of %llu pages of %llu KiB\n", (unsigned long long)pool->nr,
                (unsigned long long)w->nr, (unsigned long long)huge_size(pool) >> 10);
}

void hugetlb_init(void)
{
    for (unsigned int level = 1; level < pt_top_level() && nr_pools < MAX_POOLS; level++)
        if (pt_level_can_leaf(level) && pt_shift(level) - PAGE_SHIFT <= BUDDY_MAX_ORDER)
            pool_init(&pools[nr_pools++], level);
    if (nr_pools == 0)
        return;
    default_pool = wished_default ? huge_pool_by_size(wished_default) : &pools[0];
    if (!default_pool) {
        pr_warn("hugetlb: default_hugepagesz: this MMU has no such pages\n");
        default_pool = &pools[0];
    }
    for (unsigned int i = 0; i < nr_early; i++)
        memblock_free_reserved(early[i].at, early[i].size);
    for (unsigned int i = 0; i < nr_wishes; i++)
        fulfil(&wishes[i]);
}

/* ---- invariants ---- */

static int check_pool(struct huge_pool *pool)
{
    struct page *p;
    u64 n = 0;
    int bad = 0;

    spin_lock(&pool->lock);
    list_for_each_entry (p, &pool->free, link) {
        n++;
        if (p->kind == PAGE_HUGETLB && p->order == pool->order && p->word == 0 &&
            p->mapcount == 0 && p[1].word == PAGE_TAIL)
            continue;
        pr_err("hugetlb: free page 0x%lx: kind %u, order %u, word 0x%llx, mapped %d\n",
               page_to_pfn(p), p->kind, p->order, (unsigned long long)p->word, p->mapcount);
        bad++;
    }
    if (n != pool->nr_free || pool->nr_reserved > pool->nr_free + pool->nr_kept ||
        pool->nr_surplus > pool->nr || pool->nr_free > pool->nr ||
        (pool->nr_surplus != 0 && huge_available(pool) != 0 && pool->nr_free != 0)) {
        pr_err("hugetlb: level %u: %llu pages, %llu free (%llu listed), %llu reserved, "
               "%llu surplus, %llu kept\n",
               pool->level, (unsigned long long)pool->nr, (unsigned long long)pool->nr_free,
               (unsigned long long)n, (unsigned long long)pool->nr_reserved,
               (unsigned long long)pool->nr_surplus, (unsigned long long)pool->nr_kept);
        bad++;
    }
    spin_unlock(&pool->lock);
    return bad;
}

static int hugetlb_check(void)
{
    int bad = 0;

    for (unsigned int i = 0; i < nr_pools; i++)
        bad += check_pool(&pools[i]);
    return bad;
}
KCHECK("hugetlb pools", hugetlb_check);
