/* SPDX-License-Identifier: MIT */
/*
 * hugetlb.c: who was promised how many pages of a pool of huge pages, and who has them.
 *
 * It knows nothing of mappings and files: an object or a mapping reserves when it is told yes
 * (huge_reserve), exchanges a promise for a page (huge_take) and gives the rest back
 * (huge_unreserve). A promise is a number, not a page: any free page will do.
 *
 * A subpool, one per file system with limits, counts promises and pages in use together, since both
 * are what its users may not exceed. Its min_size is a promise to the file system: while fewer are
 * used, the difference is reserved, and a user is served from it first.
 *
 * Locks: pool->lock for everything counted; blocks are taken from the page allocator and prepared
 * without it. Freeing takes it under page-table locks, so nothing sleeps below it.
 * Invariants: I1 nr_free pages are on the list, with word 0; I2 nr_reserved <= nr_free + nr_kept;
 * I3 nr_surplus <= nr, and nr_surplus > 0 => no free page is without promise; I4 nr_reserved is the
 * sum of what objects, private mappings and subpools were promised; I5 what a subpool has used is
 * at most its max.
 * Checked by hugetlb_check (hugetlb_pool.c), tests/kernel/mm/hugetlb_ktest.c.
 * Source: Linux Documentation/admin-guide/mm/hugetlbpage.rst, hugetlbfs_reserv.rst.
 * Read next: hugetlb_pool.c, hugetlb_object.c, pt_hugetlb.c.
 */
#include <asm/errno.h>
#include <kernel/printk.h>
#include <mm/slab.h>
#include "hugetlb_internal.h"

/* ---- counters; pool->lock held ---- */

static u64 subpool_reserve(const struct huge_subpool *sub)
{
    return sub->used < sub->min ? sub->min - sub->used : 0;
}

/* @n more are used of @sub: how many the pool must supply, the rest being reserved already. */
static u64 subpool_add(struct huge_subpool *sub, u64 n)
{
    u64 before;

    if (!sub)
        return n;
    before = subpool_reserve(sub);
    sub->used += n;
    return n - (before - subpool_reserve(sub));
}

/* @n fewer: how many the pool gets back, the rest staying reserved. */
static u64 subpool_sub(struct huge_subpool *sub, u64 n)
{
    u64 before;

    if (!sub)
        return n;
    before = subpool_reserve(sub);
    ASSERT(sub->used >= n);
    sub->used -= n;
    return n - (subpool_reserve(sub) - before);
}

static bool subpool_allows(const struct huge_subpool *sub, u64 n)
{
    return !sub || (sub->used <= sub->max && n <= sub->max - sub->used);
}

void huge_list_push(struct huge_pool *pool, struct page *p)
{
    p->private = HUGE_OBJECTS;
    list_add(&p->link, &pool->free);
    pool->nr_free++;
}

static struct page *list_pop(struct huge_pool *pool)
{
    struct page *p = list_first_entry(&pool->free, struct page, link);

    list_del(&p->link);
    pool->nr_free--;
    return p;
}

/* I3: a surplus page that nobody needs any more leaves the pool. NULL: there is none. */
static struct page *pop_unneeded(struct huge_pool *pool)
{
    if (likely(pool->nr_surplus == 0) || huge_available(pool) == 0 || pool->nr_free == 0)
        return NULL;
    pool->nr--;
    pool->nr_surplus--;
    return list_pop(pool);
}

void huge_unlock_and_trim(struct huge_pool *pool)
{
    for (;;) {
        struct page *p = pop_unneeded(pool);

        spin_unlock(&pool->lock);
        if (likely(!p))
            return;
        huge_block_release(p);
        spin_lock(&pool->lock);
    }
}

/* The last page of a file system that was unmounted. */
static void subpool_free_if_done(struct huge_subpool *sub)
{
    if (!sub || !sub->dead || sub->used != 0)
        return;
    list_del(&sub->link);
    kfree(sub);
}

/* ---- surplus ---- */

/* One more page from the page allocator, counted as surplus and not on the list. Lock not held.
 * NULL: not allowed, or no memory. */
static struct page *surplus_alloc(struct huge_pool *pool)
{
    bool allowed;
    struct page *p;

    spin_lock(&pool->lock);
    allowed = pool->nr_surplus < pool->max_surplus;
    if (allowed) {
        pool->nr_surplus++;
        pool->nr++;
    }
    spin_unlock(&pool->lock);
    if (!allowed)
        return NULL;
    p = huge_block_alloc(pool, GFP_POOL);
    if (p)
        return p;
    spin_lock(&pool->lock);
    /* The pool's pages may have been turned into persistent ones meanwhile, this one too. */
    if (pool->nr_surplus > 0)
        pool->nr_surplus--;
    pool->nr--;
    spin_unlock(&pool->lock);
    return NULL;
}

/* ---- promises ---- */

/* Lock held. */
static bool try_reserve(struct huge_pool *pool, struct huge_subpool *sub, u64 n, u64 *missing)
{
    u64 need = subpool_add(sub, n), left = huge_available(pool);

    if (need <= left) {
        pool->nr_reserved += need;
        return true;
    }
    (void)subpool_sub(sub, n);
    *missing = need - left;
    return false;
}

int huge_reserve(struct huge_pool *pool, struct huge_subpool *sub, u64 n)
{
    u64 missing = 0;

    for (;;) {
        bool done, allowed;

        spin_lock(&pool->lock);
        allowed = subpool_allows(sub, n) && n <= ~0ULL >> 1;
        done = allowed && try_reserve(pool, sub, n, &missing);
        if (!done && allowed)
            allowed = pool->nr_surplus < pool->max_surplus &&
                      missing <= pool->max_surplus - pool->nr_surplus;
        if (done || !allowed) {
            huge_unlock_and_trim(pool);
            return done ? 0 : -ENOMEM;
        }
        spin_unlock(&pool->lock);
        for (; missing != 0; missing--) {
            struct page *p = surplus_alloc(pool);

            spin_lock(&pool->lock);
            if (!p) {
                huge_unlock_and_trim(pool);
                return -ENOMEM;
            }
            huge_list_push(pool, p);
            spin_unlock(&pool->lock);
        }
    }
}

bool huge_try_reserve_one(struct huge_pool *pool, struct huge_subpool *sub)
{
    u64 missing;
    bool done;

    spin_lock(&pool->lock);
    done = subpool_allows(sub, 1) && try_reserve(pool, sub, 1, &missing);
    spin_unlock(&pool->lock);
    return done;
}

void huge_unreserve(struct huge_pool *pool, struct huge_subpool *sub, u64 n)
{
    u64 back;

    if (n == 0)
        return;
    spin_lock(&pool->lock);
    back = subpool_sub(sub, n);
    ASSERT(pool->nr_reserved >= back);
    pool->nr_reserved -= back;
    subpool_free_if_done(sub);
    huge_unlock_and_trim(pool);
}

/* ---- pages ---- */

static struct page *hand_out(struct page *p, struct huge_subpool *sub)
{
    ASSERT(p->word == 0 && p->kind == PAGE_HUGETLB && p->mapcount == 0);
    p->flags = 0;
    p->mapping = NULL;
    p->index = 0;
    p->spare = (u64)(unsigned long)sub;
    __atomic_store_n(&p->word, PAGE_REF, __ATOMIC_RELEASE);
    return p;
}

/* Lock held. NULL: none, or none that is free. */
static struct page *take_locked(struct huge_pool *pool, struct huge_subpool *sub, bool promised)
{
    if (promised) {
        if (pool->nr_free == 0 || pool->nr_reserved == 0)
            return NULL;
        pool->nr_reserved--;
        return hand_out(list_pop(pool), sub);
    }
    if (!subpool_allows(sub, 1) || pool->nr_free == 0)
        return NULL;
    if (subpool_add(sub, 1) == 0) { /* out of the file system's own reserve */
        pool->nr_reserved--;
    } else if (huge_available(pool) == 0) {
        (void)subpool_sub(sub, 1);
        return NULL;
    }
    return hand_out(list_pop(pool), sub);
}

struct page *huge_take(struct huge_pool *pool, struct huge_subpool *sub, bool promised)
{
    struct page *p;

    spin_lock(&pool->lock);
    p = take_locked(pool, sub, promised);
    spin_unlock(&pool->lock);
    if (likely(p) || promised)
        return p;
    p = surplus_alloc(pool);
    if (!p)
        return NULL;
    spin_lock(&pool->lock);
    huge_list_push(pool, p);
    p = take_locked(pool, sub, false); /* somebody may have been promised it meanwhile */
    huge_unlock_and_trim(pool);
    return p;
}

void huge_keep(struct page *p)
{
    struct huge_pool *pool = huge_pool_by_size(PAGE_SIZE << p->order);

    spin_lock(&pool->lock);
    p->private = HUGE_KEPT;
    pool->nr_kept++;
    pool->nr_reserved++;
    spin_unlock(&pool->lock);
}

struct page *huge_borrow(struct huge_pool *pool)
{
    struct page *p = NULL;

    spin_lock(&pool->lock);
    if (pool->nr_free != 0) {
        p = hand_out(list_pop(pool), NULL);
        p->private = HUGE_KEPT;
        pool->nr_kept++;
    }
    spin_unlock(&pool->lock);
    return p;
}

void huge_exchange(struct page *borrowed, struct page *used)
{
    struct huge_pool *pool = huge_pool_by_size(PAGE_SIZE << used->order);

    spin_lock(&pool->lock);
    ASSERT(borrowed->private == HUGE_KEPT && used->private != HUGE_KEPT);
    borrowed->spare = used->spare;
    borrowed->private = used->private;
    used->spare = 0;
    used->private = HUGE_KEPT;
    spin_unlock(&pool->lock);
}

/* Lock held. The page has no user any more. */
static void put_locked(struct huge_pool *pool, struct page *p, struct huge_subpool *sub)
{
    if (p->private == HUGE_KEPT) {
        pool->nr_kept--;
    } else {
        pool->nr_reserved += 1 - subpool_sub(sub, 1);
        subpool_free_if_done(sub);
    }
    p->mapping = NULL;
    huge_list_push(pool, p);
}

void huge_page_free(struct page *p)
{
    struct huge_pool *pool;

    ASSERT(page_mapcount(p) == 0 && !page_test(p, PG_LOCKED));
    if (p->kind == PAGE_ZERO) {
        huge_block_release(p);
        return;
    }
    pool = huge_pool_by_size(PAGE_SIZE << p->order);
    spin_lock(&pool->lock);
    put_locked(pool, p, (struct huge_subpool *)(unsigned long)p->spare);
    huge_unlock_and_trim(pool);
}

void huge_give_back(struct page *p, bool promised)
{
    p->mapcount = 0;
    p->flags = 0;
    if (promised)
        huge_keep(p);
    page_put(p);
}

/* ---- subpools ---- */

struct huge_subpool *huge_subpool_create(struct huge_pool *pool, u64 max, u64 min)
{
    struct huge_subpool *sub;

    if (min > max)
        return ERR_PTR(-EINVAL);
    sub = kzalloc(sizeof(*sub));
    if (!sub || huge_reserve(pool, NULL, min)) {
        kfree(sub);
        return ERR_PTR(-ENOMEM);
    }
    *sub = (struct huge_subpool){.pool = pool, .max = max, .min = min};
    spin_lock(&pool->lock);
    list_add(&sub->link, &pool->subpools);
    spin_unlock(&pool->lock);
    return sub;
}

void huge_subpool_destroy(struct huge_subpool *sub)
{
    struct huge_pool *pool = sub->pool;

    spin_lock(&pool->lock);
    pool->nr_reserved -= subpool_reserve(sub);
    sub->min = 0;
    sub->dead = true;
    subpool_free_if_done(sub);
    huge_unlock_and_trim(pool);
}

u64 huge_subpool_used(struct huge_subpool *sub)
{
    u64 used;

    spin_lock(&sub->pool->lock);
    used = sub->used;
    spin_unlock(&sub->pool->lock);
    return used;
}

u64 huge_pool_subpool_reserves(struct huge_pool *pool)
{
    struct huge_subpool *sub;
    u64 sum = 0;

    spin_lock(&pool->lock);
    list_for_each_entry (sub, &pool->subpools, link)
        sum += subpool_reserve(sub);
    spin_unlock(&pool->lock);
    return sum;
}
