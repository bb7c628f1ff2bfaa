/* SPDX-License-Identifier: MIT */
/*
 * hugetlb_object.c: objects whose memory is huge pages of a pool: which of their pages are there,
 * and which were promised.
 *
 * A promise belongs to a number of the object, not to who asked for it: a shared mapping promises
 * what it covers, and the promise stays until the page is made or the object is cut. Making a page,
 * taking its promise and putting it into the tree is one step under the tree's lock, so two faults
 * never take two pages for one number. The page is cleared afterwards, under its own lock.
 *
 * Private pages are not here: they are found by their leaf alone (pt_hugetlb.c).
 *
 * Locks: mapping->lock for both trees; pool->lock inside it; page_lock while a page is cleared.
 * Invariants: I1 a number is not both promised and present; I2 nr_promised is the number of items
 * of the tree; I3 the tree's index is the number of the page's first frame.
 * Checked by hugetlb_promises_check, tests/kernel/mm/hugetlb_ktest.c. Read next: pt_hugetlb.c.
 */
#include <asm/errno.h>
#include <asm/quire_page.h>
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <mm/hugetlb.h>
#include <mm/mm.h>

#define BATCH     16
#define BUSY_WAIT (NSEC_PER_MSEC / 4)

static const struct mapping_ops object_ops = {0};

static struct mutex objects_lock = MUTEX_INIT(objects_lock, LOCK_MISC_SLEEP);
static LIST_HEAD(objects);

/* What an item of the tree of promises points to: any address will do. */
static u64 promise;

void huge_object_init(struct huge_object *o, struct huge_pool *pool, struct huge_subpool *sub,
                      struct inode *host)
{
    mapping_init(&o->m, &object_ops, host, MAPPING_POOL);
    o->m.private = o;
    o->pool = pool;
    o->sub = sub;
    o->promised = (struct radix_tree)RADIX_TREE_INIT;
    o->nr_promised = 0;
    mutex_lock(&objects_lock);
    list_add(&o->link, &objects);
    mutex_unlock(&objects_lock);
}

void huge_object_destroy(struct huge_object *o)
{
    huge_object_unpromise(o, 0, ~0ULL);
    mapping_destroy(&o->m);
    mutex_lock(&objects_lock);
    list_del(&o->link);
    mutex_unlock(&objects_lock);
}

/* ---- promises ---- */

/* o->m.lock held. */
static bool has_number(const struct huge_object *o, u64 i)
{
    return radix_lookup(&o->promised, i) || radix_lookup(&o->m.tree, i << o->pool->order);
}

static u64 count_missing(struct huge_object *o, u64 first, u64 last)
{
    u64 n = 0;

    for (u64 i = first; i < last; i++) {
        spin_lock(&o->m.lock);
        n += !has_number(o, i);
        spin_unlock(&o->m.lock);
    }
    return n;
}

/* One number, marked with @mark; *left, pages reserved for it and others, goes down. 1: nothing is
 * left of them. 0, -ENOMEM. */
static int promise_one(struct huge_object *o, u64 i, void *mark, u64 *left)
{
    struct radix_spare spare = {NULL, 0};
    int err;

    do {
        err = 0;
        spin_lock(&o->m.lock);
        if (!has_number(o, i)) {
            err = *left == 0 ? 1 : radix_insert(&o->promised, i, mark, &spare);
            if (!err) {
                o->nr_promised++;
                (*left)--;
            }
        }
        spin_unlock(&o->m.lock);
        if (err == -EAGAIN)
            err = radix_prepare(&o->promised, i, &spare, GFP_KERNEL) ? -ENOMEM : -EAGAIN;
    } while (err == -EAGAIN);
    radix_spare_free(&spare);
    return err;
}

/* The call that used @mark is over: its promises stay, or go. Returns how many went. */
static u64 promise_settle(struct huge_object *o, u64 first, u64 last, void *mark, bool stay)
{
    u64 gone = 0;

    for (u64 i = first; i < last; i++) {
        spin_lock(&o->m.lock);
        if (radix_lookup(&o->promised, i) == mark) {
            if (stay) {
                (void)radix_replace(&o->promised, i, &promise);
            } else {
                (void)radix_remove(&o->promised, i);
                o->nr_promised--;
                gone++;
            }
        }
        spin_unlock(&o->m.lock);
    }
    return gone;
}

/* Pages can leave the object while we count, so the number that was reserved may be too small or
 * too large. */
int huge_object_promise(struct huge_object *o, u64 first, u64 last)
{
    u64 left = 0, mark; /* the address of mark is this call's own */
    int err = 0;

    for (u64 i = first; i < last; i += !err) {
        if (left == 0) {
            u64 missing = count_missing(o, i, last);

            if (missing == 0)
                break;
            err = huge_reserve(o->pool, o->sub, missing);
            if (err)
                break;
            left = missing;
        }
        err = promise_one(o, i, &mark, &left);
        if (err == 1)
            continue;
        if (err)
            break;
    }
    if (err == 1)
        err = 0;
    left += promise_settle(o, first, last, &mark, err == 0);
    huge_unreserve(o->pool, o->sub, left);
    return err;
}

void huge_object_unpromise(struct huge_object *o, u64 first, u64 last)
{
    u64 index = first, gone = 0;
    void *items[BATCH];
    u64 idx[BATCH];
    unsigned int n;

    do {
        spin_lock(&o->m.lock);
        n = radix_lookup_batch(&o->promised, &index, last, items, idx, BATCH);
        for (unsigned int i = 0; i < n; i++)
            (void)radix_remove(&o->promised, idx[i]);
        o->nr_promised -= n;
        spin_unlock(&o->m.lock);
        gone += n;
    } while (n != 0);
    huge_unreserve(o->pool, o->sub, gone);
}

/* ---- pages ---- */

/* The page is in the tree and locked: it gets its contents, if nobody has given it any. */
static void make_uptodate(struct huge_object *o, struct page *p)
{
    char *at = page_to_virt(p), *end = at + huge_size(o->pool);

    if (page_test(p, PG_UPTODATE))
        return;
    for (; at < end; at += PAGE_SIZE)
        clear_page(at);
    smp_wmb(); /* contents before the flag, which is read without the lock */
    page_set(p, PG_UPTODATE);
}

/* A step of huge_object_get_page under the tree's lock. */
struct attempt {
    struct radix_spare spare;
    struct page *page; /* found or made, with a reference; or NULL */
    struct page *free; /* taken without a promise, not used yet */
    bool made;         /* page is new, and locked */
    bool promised;     /* the number is promised */
};

/* 0, or -EAGAIN: the tree needs nodes. */
static int attempt_locked(struct huge_object *o, u64 i, struct attempt *a)
{
    u64 index = i << o->pool->order;
    struct page *p = radix_lookup(&o->m.tree, index);
    int err;

    a->page = p;
    a->made = false;
    if (p) {
        page_get(p);
        return 0;
    }
    a->promised = radix_lookup(&o->promised, i) != NULL;
    p = a->promised ? huge_take(o->pool, o->sub, true) : a->free;
    if (!p)
        return 0;
    a->made = page_trylock(p);
    p->mapping = &o->m;
    p->index = index;
    err = radix_insert(&o->m.tree, index, p, &a->spare);
    if (err) {
        page_unlock(p);
        p->mapping = NULL;
        if (a->promised)
            huge_give_back(p, true);
        return err;
    }
    o->m.nr_pages++;
    page_get(p);
    if (a->promised) {
        (void)radix_remove(&o->promised, i);
        o->nr_promised--;
    } else {
        a->free = NULL;
    }
    a->page = p;
    return 0;
}

/* No page yet: gets one outside the lock, or waits for one that is promised and in somebody's hands
 * for a moment. */
static int get_free_page(struct huge_object *o, struct attempt *a, bool *tried)
{
    if (a->promised) {
        if (fatal_signal_pending())
            return -EINTR;
        (void)nanosleep_until(clock_monotonic_ns() + BUSY_WAIT, false, NULL);
        return 0;
    }
    if (*tried)
        return -ENOSPC;
    a->free = huge_take(o->pool, o->sub, false);
    *tried = !a->free; /* somebody may have made the page, or promised it: one more look */
    return 0;
}

/* Finds or makes the page and locks it; it may have left the object while we waited. */
static int find_or_make(struct huge_object *o, u64 i, struct attempt *a)
{
    bool tried = false;
    int err;

    for (;;) {
        spin_lock(&o->m.lock);
        err = attempt_locked(o, i, a);
        spin_unlock(&o->m.lock);
        if (err == -EAGAIN)
            err = radix_prepare(&o->m.tree, i << o->pool->order, &a->spare, GFP_KERNEL);
        else if (a->page)
            break;
        else
            err = get_free_page(o, a, &tried);
        if (err)
            return err;
    }
    if (!a->made)
        page_lock(a->page);
    return 0;
}

bool huge_object_contains(const struct huge_object *o, u64 i)
{
    const struct inode *host = o->m.host;

    return host == NULL || i < DIV_ROUND_UP(READ_ONCE(host->size), huge_size(o->pool));
}

/* A page beyond the size is not for a fault. One that was made for it, by a step that truncation
 * did not see, goes again. */
static void leave_alone(struct huge_object *o, struct attempt *a)
{
    if (a->made)
        mapping_remove(&o->m, a->page);
    page_unlock(a->page);
    page_put(a->page);
}

int huge_object_get_page(struct huge_object *o, u64 i, bool beyond, struct page **out)
{
    struct attempt a = {.page = NULL};
    int err;

    for (;;) {
        err = find_or_make(o, i, &a);
        if (err || a.page->mapping == &o->m)
            break;
        page_unlock(a.page);
        page_put(a.page);
    }
    radix_spare_free(&a.spare);
    if (a.free)
        huge_give_back(a.free, false);
    if (err)
        return err;
    smp_mb(); /* the page is in the tree before the look at the size; truncation: vice versa */
    if (!beyond && !huge_object_contains(o, i)) {
        leave_alone(o, &a);
        return -ENXIO;
    }
    make_uptodate(o, a.page);
    *out = a.page;
    return 0;
}

void huge_object_drop(struct huge_object *o, u64 first, u64 last)
{
    unsigned int order = o->pool->order;
    u64 end = last > ~0ULL >> order ? ~0ULL : last << order;

    huge_object_unpromise(o, first, last);
    if (!list_empty(&o->m.vmas))
        mapping_unmap_range(&o->m, first << order, end, true);
    (void)mapping_truncate(&o->m, first << order, end);
}

/* ---- invariants ---- */

static int check_object(struct huge_object *o, u64 *promises)
{
    u64 index = 0, idx, n = 0;
    void *item;
    int bad = 0;

    spin_lock(&o->m.lock);
    while (radix_lookup_batch(&o->promised, &index, ~0ULL, &item, &idx, 1) != 0) {
        n++;
        if (radix_lookup(&o->m.tree, idx << o->pool->order)) {
            pr_err("hugetlb: page %llu of an object is there and promised\n",
                   (unsigned long long)idx);
            bad++;
        }
    }
    if (n != o->nr_promised) {
        pr_err("hugetlb: an object counts %llu promises and has %llu\n",
               (unsigned long long)o->nr_promised, (unsigned long long)n);
        bad++;
    }
    *promises += n;
    spin_unlock(&o->m.lock);
    return bad;
}

/* Every page that is reserved was promised to somebody who can be named. */
static int check_promises(struct huge_pool *pool)
{
    u64 sum = hugetlb_private_promises(pool) + huge_pool_subpool_reserves(pool);
    struct huge_object *o;
    int bad = 0;

    mutex_lock(&objects_lock);
    list_for_each_entry (o, &objects, link)
        if (o->pool == pool)
            bad += check_object(o, &sum);
    mutex_unlock(&objects_lock);
    if (sum != huge_pool_counts(pool).nr_reserved) {
        pr_err("hugetlb: level %u: %llu pages reserved, %llu promised\n", pool->level,
               (unsigned long long)huge_pool_counts(pool).nr_reserved, (unsigned long long)sum);
        bad++;
    }
    return bad;
}

int hugetlb_promises_check(void)
{
    int bad = 0;

    for (unsigned int level = 1; level < pt_top_level(); level++)
        if (huge_pool_by_level(level))
            bad += check_promises(huge_pool_by_level(level));
    return bad;
}
KCHECK("hugetlb promises", hugetlb_promises_check);
