/* SPDX-License-Identifier: MIT */
/*
 * hugetlb.c: the pools of huge pages, and who was promised how many of them.
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
 * Checked by hugetlb_check, tests/kernel/mm/hugetlb_ktest.c.
 * Source: Linux Documentation/admin-guide/mm/hugetlbpage.rst, hugetlbfs_reserv.rst.
 * Read next: hugetlb_object.c, pt_hugetlb.c.
 */
#include <asm/errno.h>
#include <arch/mmu.h>
#include <kernel/ktest.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <mm/hugetlb.h>
#include <mm/memblock.h>
#include <mm/slab.h>

#define MAX_POOLS  3
#define MAX_WISHES 8
#define MAX_EARLY  64
#define GFP_POOL   (GFP_KERNEL | GFP_NOOOM)

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

/* The frames of a fresh block become one page of kind @kind without references. */
static void block_prepare(struct page *head, unsigned int order, enum page_kind kind)
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

/* A block without references goes back to the page allocator. */
static void block_release(struct page *head)
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

static struct page *block_alloc(const struct huge_pool *pool, gfp_t gfp)
{
    struct page *p = alloc_pages(pool->order, gfp);

    if (p)
        block_prepare(p, pool->order, PAGE_HUGETLB);
    return p;
}

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

/* Free pages that nobody was promised; may be short while kept ones are on their way. */
static u64 available(const struct huge_pool *pool)
{
    u64 left = pool->nr_free + pool->nr_kept;

    ASSERT(left >= pool->nr_reserved);
    return left - pool->nr_reserved;
}

static void list_push(struct huge_pool *pool, struct page *p)
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
    if (likely(pool->nr_surplus == 0) || available(pool) == 0 || pool->nr_free == 0)
        return NULL;
    pool->nr--;
    pool->nr_surplus--;
    return list_pop(pool);
}

/* Lock held on entry, not on return. */
static void unlock_and_trim(struct huge_pool *pool)
{
    for (;;) {
        struct page *p = pop_unneeded(pool);

        spin_unlock(&pool->lock);
        if (likely(!p))
            return;
        block_release(p);
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
    p = block_alloc(pool, GFP_POOL);
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
    u64 need = subpool_add(sub, n), left = available(pool);

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
            unlock_and_trim(pool);
            return done ? 0 : -ENOMEM;
        }
        spin_unlock(&pool->lock);
        for (; missing != 0; missing--) {
            struct page *p = surplus_alloc(pool);

            spin_lock(&pool->lock);
            if (!p) {
                unlock_and_trim(pool);
                return -ENOMEM;
            }
            list_push(pool, p);
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
    unlock_and_trim(pool);
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
    } else if (available(pool) == 0) {
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
    list_push(pool, p);
    p = take_locked(pool, sub, false); /* somebody may have been promised it meanwhile */
    unlock_and_trim(pool);
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
    list_push(pool, p);
}

void huge_page_free(struct page *p)
{
    struct huge_pool *pool;

    ASSERT(page_mapcount(p) == 0 && !page_test(p, PG_LOCKED));
    if (p->kind == PAGE_ZERO) {
        block_release(p);
        return;
    }
    pool = huge_pool_by_size(PAGE_SIZE << p->order);
    spin_lock(&pool->lock);
    put_locked(pool, p, (struct huge_subpool *)(unsigned long)p->spare);
    unlock_and_trim(pool);
}

void huge_give_back(struct page *p, bool promised)
{
    p->mapcount = 0;
    p->flags = 0;
    if (promised)
        huge_keep(p);
    page_put(p);
}

/* ---- the page of zeroes ---- */

static spinlock_t zero_lock = SPINLOCK_INIT(LOCK_HUGETLB);
static struct page *zero_pages[PT_MAX_LEVELS]; /* zero_lock, or a user's */
static unsigned int nr_zero_users;
static bool zero_page_off;

static void set_zero_page(const char *value)
{
    zero_page_off = strcmp(value, "off") == 0;
}
KPARAM("hugetlb_zero_page", set_zero_page, "off: reads of /dev/page-huge get a page of their own");

void huge_zero_get(void)
{
    spin_lock(&zero_lock);
    nr_zero_users++;
    spin_unlock(&zero_lock);
}

void huge_zero_put(void)
{
    struct page *gone[PT_MAX_LEVELS] = {NULL};

    spin_lock(&zero_lock);
    if (--nr_zero_users == 0) {
        memcpy(gone, zero_pages, sizeof(gone));
        memset(zero_pages, 0, sizeof(zero_pages));
    }
    spin_unlock(&zero_lock);
    for (unsigned int level = 0; level < PT_MAX_LEVELS; level++)
        if (gone[level])
            page_put(gone[level]); /* pins may keep it for a moment */
}

struct page *huge_zero_page(unsigned int level)
{
    struct page *p = READ_ONCE(zero_pages[level]), *old;
    unsigned int order = pt_shift(level) - PAGE_SHIFT;

    if (p || zero_page_off)
        return p;
    p = alloc_pages(order, GFP_POOL | GFP_ZERO);
    if (!p)
        return NULL;
    block_prepare(p, order, PAGE_ZERO);
    page_set(p, PG_UPTODATE);
    __atomic_store_n(&p->word, PAGE_REF, __ATOMIC_RELEASE);
    spin_lock(&zero_lock);
    old = zero_pages[level];
    if (!old)
        zero_pages[level] = p;
    spin_unlock(&zero_lock);
    if (!old)
        return p;
    page_put(p);
    return old;
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
    unlock_and_trim(pool);
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
        p = current && fatal_signal_pending() ? NULL : block_alloc(pool, gfp);
        if (!p)
            return;
        spin_lock(&pool->lock);
        pool->nr++;
        list_push(pool, p);
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
    unlock_and_trim(pool);
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
        (pool->nr_surplus != 0 && available(pool) != 0 && pool->nr_free != 0)) {
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
