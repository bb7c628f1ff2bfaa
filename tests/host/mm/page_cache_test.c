/* SPDX-License-Identifier: MIT */
/* page_cache_test.c: mappings: find or make, fill, errors, truncation against lookups, quotas,
 * seals. */
#include <kernel/string.h>
#include <linux/errno.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "host.h"

static int fill_error;
static unsigned int nr_fills;
static u64 quota, used;

static int fill(struct mapping *m, struct page *p)
{
    nr_fills++;
    if (fill_error != 0)
        return fill_error;
    memset(page_to_virt(p), (int)p->index, PAGE_SIZE);
    return 0;
}

static int charge(struct mapping *m, u64 nr)
{
    if (used + nr > quota)
        return -ENOSPC;
    used += nr;
    return 0;
}

static void uncharge(struct mapping *m, u64 nr)
{
    used -= nr;
}

static const struct mapping_ops filling = { .fill = fill };
static const struct mapping_ops limited = { .charge = charge, .uncharge = uncharge };

/* What truncation must unmap: noted, and the "mapping" of the page undone. */
static u64 unmap_first, unmap_last;
static struct page *mapped_page;
void mapping_unmap_range(struct mapping *m, u64 first, u64 last, bool even_cow)
{
    unmap_first = first;
    unmap_last = last;
    if (mapped_page != NULL) {
        mapped_page->mapcount--;
        page_put(mapped_page);
        mapped_page = NULL;
    }
}

static u64 nr_free_at_start;
static void start(struct mapping *m, const struct mapping_ops *ops)
{
    static bool booted;

    if (!booted)
        host_boot(MIB(64), MIB(1));
    booted = true;
    if (nr_free_at_start == 0) { /* the caches' first slabs */
        struct page *p;

        mapping_init(m, &filling, NULL, 0);
        EXPECT_EQ(mapping_get_page(m, 1ULL << 40, 0, &p), 0);
        page_put(p);
        mapping_destroy(m);
        rcu_barrier();
        page_shrink_caches();
        nr_free_at_start = buddy_nr_free();
    }
    mapping_init(m, ops, NULL, MAPPING_SHMEM);
    nr_fills = 0;
}

static void end(struct mapping *m)
{
    EXPECT_EQ(page_cache_check(m), 0);
    mapping_destroy(m);
    EXPECT_EQ(page_cache_nr_pages(), 0);
    EXPECT_EQ(page_cache_nr_shmem(), 0);
    rcu_barrier();
    page_shrink_caches();
    EXPECT_EQ(buddy_nr_free(), nr_free_at_start);
    EXPECT_EQ(page_nr_kind(PAGE_FILE), 0);
}

HTEST(find_or_make)
{
    struct mapping m;
    struct page *p, *q;

    start(&m, &filling);
    EXPECT(mapping_find_get(&m, 5) == NULL);
    EXPECT_EQ(mapping_get_page(&m, 5, 0, &p), 0);
    EXPECT(page_test(p, PG_UPTODATE) && !page_test(p, PG_LOCKED) && p->kind == PAGE_FILE &&
           p->index == 5);
    EXPECT_EQ(*(u8 *)page_to_virt(p), 5);
    EXPECT_EQ(page_refs(p), 2);
    EXPECT_EQ(mapping_get_page(&m, 5, MAPPING_LOCK, &q), 0);
    EXPECT(p == q && page_test(p, PG_LOCKED) && !page_trylock(p));
    page_unlock(q);
    EXPECT_EQ(nr_fills, 1);
    EXPECT(mapping_find_get(&m, 5) == p);
    page_put_units(p, 3 * PAGE_REF);
    EXPECT_EQ(page_refs(p), 1);
    EXPECT_EQ(mapping_get_page(&m, 6, MAPPING_NOFILL, &p), 0);
    EXPECT(!page_test(p, PG_UPTODATE) && page_test(p, PG_LOCKED));
    EXPECT_EQ(nr_fills, 1);
    page_unlock(p);
    page_put(p);
    EXPECT_EQ(mapping_nr_pages(&m), 2);
    EXPECT_EQ(page_cache_nr_shmem(), 2);
    end(&m);
}

HTEST(fill_error_leaves_page_for_next_try)
{
    struct mapping m;
    struct page *p;

    start(&m, &filling);
    fill_error = -EIO;
    EXPECT_EQ(mapping_get_page(&m, 1, 0, &p), -EIO);
    fill_error = 0;
    EXPECT_EQ(mapping_get_page(&m, 1, 0, &p), 0);
    EXPECT_EQ(nr_fills, 2);
    page_put(p);
    end(&m);
}

HTEST(cleared_without_fill)
{
    struct mapping m;
    struct page *p;

    used = 0;
    quota = 2;
    start(&m, &limited);
    for (u64 i = 0; i < 2; i++) {
        EXPECT_EQ(mapping_get_page(&m, i, 0, &p), 0);
        for (unsigned int b = 0; b < PAGE_SIZE; b++)
            EXPECT_EQ(((u8 *)page_to_virt(p))[b], 0);
        page_put(p);
    }
    EXPECT_EQ(mapping_get_page(&m, 7, 0, &p), -ENOSPC);
    EXPECT_EQ(mapping_truncate(&m, 1, 2), 1);
    EXPECT_EQ(used, 1);
    EXPECT_EQ(mapping_get_page(&m, 7, 0, &p), 0);
    page_put(p);
    end(&m);
    EXPECT_EQ(used, 0);
}

HTEST(batches_and_truncation)
{
    struct mapping m;
    struct page *p, *pages[40];
    u64 index = 10;

    start(&m, &filling);
    for (u64 i = 0; i < 1000; i += 3) {
        EXPECT_EQ(mapping_get_page(&m, i, 0, &p), 0);
        page_put(p);
    }
    EXPECT_EQ(mapping_find_batch(&m, &index, 500, pages, 40), 40);
    EXPECT_EQ(index, 12 + 39 * 3 + 1);
    for (unsigned int i = 0; i < 40; i++) {
        EXPECT_EQ(pages[i]->index, 12 + i * 3);
        page_put(pages[i]);
    }
    EXPECT_EQ(mapping_truncate(&m, 100, 200), 33);
    EXPECT_EQ(page_cache_check(&m), 0);
    index = 100;
    EXPECT_EQ(mapping_find_batch(&m, &index, 200, pages, 40), 0);
    EXPECT_EQ(index, 200);
    EXPECT_EQ(mapping_truncate(&m, 500, ~0ULL), 167); /* 501, 504 ... 999 */
    end(&m);
}

HTEST(truncation_unmaps)
{
    struct mapping m;
    struct page *p;

    start(&m, &filling);
    unmap_last = 0;
    EXPECT_EQ(mapping_get_page(&m, 3, 0, &p), 0);
    p->mapcount = 1; /* the reference is the entry's */
    mapped_page = p;
    EXPECT_EQ(mapping_truncate(&m, 0, ~0ULL), 1);
    EXPECT(mapped_page == NULL && unmap_first == 3 && unmap_last == 4);
    end(&m);
}

HTEST(insert_and_remove)
{
    struct mapping m;
    struct page *p = NULL, *q;

    start(&m, &filling);
    p = page_alloc(PAGE_KERNEL, GFP_KERNEL);
    q = page_alloc(PAGE_KERNEL, GFP_KERNEL);
    page_lock(p);
    EXPECT_EQ(mapping_insert(&m, p, 9, GFP_KERNEL), 0);
    EXPECT_EQ(p->kind, PAGE_FILE);
    page_unlock(p);
    page_lock(q);
    EXPECT_EQ(mapping_insert(&m, q, 9, GFP_KERNEL), -EEXIST);
    EXPECT(q->kind == PAGE_KERNEL && q->mapping == NULL && page_refs(q) == 1);
    page_unlock(q);
    page_put(q);
    page_lock(p);
    mapping_remove(&m, p);
    page_unlock(p);
    EXPECT(p->mapping == NULL && page_refs(p) == 1);
    page_put(p);
    end(&m);
}

HTEST(injected_failure)
{
    struct mapping m;
    unsigned long asked = 1;

    start(&m, &filling);
    for (unsigned int n = 1; asked >= n; n++) {
        struct page *p;
        int err;

        host_fail_nth(n);
        err = mapping_get_page(&m, 1ULL << 33, 0, &p);
        asked = host_fail_asked();
        host_fail_nth(0);
        EXPECT_EQ(err, asked >= n ? -ENOMEM : 0);
        EXPECT_EQ(page_cache_check(&m), 0);
        if (err == 0)
            page_put(p);
    }
    end(&m);
}

HTEST(seals)
{
    struct mapping m;

    start(&m, &filling);
    EXPECT_EQ(mapping_map_writable(&m), 0);
    EXPECT_EQ(mapping_map_writable(&m), 0);
    EXPECT_EQ(mapping_deny_writable(&m), -EBUSY);
    mapping_unmap_writable(&m);
    mapping_unmap_writable(&m);
    EXPECT_EQ(mapping_deny_writable(&m), 0);
    EXPECT_EQ(mapping_map_writable(&m), -EPERM);
    mapping_allow_writable(&m);
    EXPECT_EQ(mapping_map_writable(&m), 0);
    mapping_unmap_writable(&m);
    end(&m);
}

/* CPUs find, make and truncate: a page found has the index asked for, as long as it is held. */
#define RANGE 200
static void hammer(void *arg, unsigned int cpu)
{
    struct mapping *m = arg;

    for (unsigned int step = 0; step < 6000; step++) {
        u64 index = host_random_below(RANGE);
        struct page *p;

        if (step % 64 == cpu) {
            (void)mapping_truncate(m, index, index + host_random_below(20));
            if (cpu == 0)
                rcu_barrier();
        } else if (host_random_below(2)) {
            p = mapping_find_get(m, index);
            if (p == NULL)
                continue;
            EXPECT_EQ(p->index, index);
            EXPECT_EQ(p->kind, PAGE_FILE);
            page_put(p);
        } else {
            EXPECT_EQ(mapping_get_page(m, index, MAPPING_LOCK, &p), 0);
            EXPECT(p->mapping == m && p->index == index);
            EXPECT_EQ(*(u8 *)page_to_virt(p), (u8)index);
            page_unlock(p);
            page_put(p);
        }
    }
}

HTEST(cpus_at_once)
{
    struct mapping m;

    start(&m, &filling);
    host_run_cpus(4, hammer, &m);
    nr_cpus_online = 4; /* their stacks of objects are drained, too */
    EXPECT_EQ(page_cache_check(&m), 0);
    mapping_destroy(&m);
    rcu_barrier();
    EXPECT_EQ(page_nr_kind(PAGE_FILE), 0);
    EXPECT_EQ(buddy_check(), 0);
    EXPECT_EQ(slab_check(), 0);
}
