/* SPDX-License-Identifier: MIT */
/* page_cache_ktest.c: mappings in the kernel: page_lock among sleepers, lookups against truncation,
 * injected failure. */
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <linux/errno.h>
#include <mm/page_cache.h>
#include <mm/slab.h>
#include "tests/kernel/team.h"

static int fill(struct mapping *m, struct page *p)
{
    memset(page_to_virt(p), (int)p->index, PAGE_SIZE);
    return 0;
}

static const struct mapping_ops ops = { .fill = fill };
static struct mapping m;

static void finish(void)
{
    EXPECT_EQ(page_cache_check(&m), 0);
    mapping_destroy(&m);
}

KTEST(page_cache, find_make_truncate)
{
    struct page *p;
    u64 index = 0;

    mapping_init(&m, &ops, NULL, MAPPING_SHMEM);
    for (u64 i = 0; i < 1 << 20; i += 1 + i / 2) {
        EXPECT_OR_RETURN(mapping_get_page(&m, i, 0, &p) == 0);
        EXPECT(page_test(p, PG_UPTODATE) && p->index == i && *(u8 *)page_to_virt(p) == (u8)i);
        page_put(p);
        EXPECT(mapping_find_get(&m, i) == p);
        page_put(p);
    }
    EXPECT_EQ(mapping_find_batch(&m, &index, ~0ULL, &p, 1), 1);
    EXPECT_EQ(p->index, 0);
    page_put(p);
    EXPECT(mapping_truncate(&m, 1000, ~0ULL) > 5);
    EXPECT(mapping_find_get(&m, 0) == p);
    page_put(p);
    finish();
}

KTEST(page_cache, injected_failure)
{
    bool came = true;

    mapping_init(&m, &ops, NULL, 0);
    for (long n = 1; came && n < 50; n++) {
        struct page *p;
        int err;

        fail_set_nth(current, n);
        err = mapping_get_page(&m, 1ULL << 40, 0, &p);
        came = current->fail_nth == 0;
        fail_set_nth(current, 0);
        EXPECT_EQ(err, came ? -ENOMEM : 0);
        EXPECT_EQ(page_cache_check(&m), 0);
        if (err == 0)
            page_put(p);
    }
    EXPECT(!came);
    finish();
}

/* A plain counter, changed by many who sleep for the page's lock: no turn may be lost, no wake-up
 * either. */
static unsigned int counter;
static void count_locked(struct team *team, unsigned int nr)
{
    struct page *p = team->arg;

    for (unsigned int i = 0; i < 300; i++) {
        unsigned int seen;

        page_lock(p);
        seen = READ_ONCE(counter);
        if (i % 16 == 0)
            sched_yield_current();
        WRITE_ONCE(counter, seen + 1);
        page_unlock(p);
    }
}

KTEST(page_cache, page_lock_excludes_and_wakes)
{
    struct page *p = page_alloc(PAGE_KERNEL, GFP_KERNEL);
    struct team team = { .arg = p };

    EXPECT_OR_RETURN(p != NULL);
    counter = 0;
    team_run(&team, 6, count_locked, false);
    EXPECT_EQ(counter, 6 * 300);
    EXPECT(!page_test(p, PG_LOCKED) && !page_test(p, PG_WAITERS));
    page_put(p);
}

#define RANGE 100
static void hammer(struct team *team, unsigned int nr)
{
    u64 seed = nr + 1;

    for (unsigned int step = 0; step < 2500; step++) {
        u64 index = test_random(&seed) % RANGE;
        struct page *p;

        if (step % 32 == nr) {
            (void)mapping_truncate(&m, index, index + test_random(&seed) % 10);
        } else if (test_random(&seed) & 1) {
            p = mapping_find_get(&m, index);
            if (p == NULL)
                continue;
            EXPECT(p->index == index && p->kind == PAGE_FILE);
            page_put(p);
        } else {
            EXPECT_OR_RETURN(mapping_get_page(&m, index, MAPPING_LOCK, &p) == 0);
            EXPECT(p->mapping == &m && p->index == index && *(u8 *)page_to_virt(p) == (u8)index);
            page_unlock(p);
            page_put(p);
        }
    }
}

KTEST(page_cache, cpus_at_once)
{
    struct team team;

    mapping_init(&m, &ops, NULL, 0);
    team_run(&team, 2 * nr_cpus_online, hammer, false);
    finish();
}

/* ---- pages that move under those who look them up ---- */

#define MOVED 3u
static struct page *spare[MOVED]; /* with a reference, as page_alloc makes it */

/* Each page to its spare frame, which was its own before: a lookup may have found that one. */
static void move_pages(struct team *team)
{
    while (team_round(team, 0, 200000)) {
        u64 i = team->rounds[0] % MOVED;
        struct page *from = mapping_find_get(&m, i), *to = spare[i];
        bool done;

        EXPECT_OR_RETURN(from != NULL && from != to);
        memset(page_to_virt(to), 0xee, PAGE_SIZE);
        page_clear(to, PG_UPTODATE | PG_DIRTY | PG_REFERENCED);
        page_lock(from);
        done = page_trylock(to) && mapping_replace(&m, from, to, false);
        page_unlock(to);
        page_unlock(from);
        if (done)
            spare[i] = from;
        page_put(done ? to : from);
    }
    team->stop = true;
}

static void move_or_use(struct team *team, unsigned int nr)
{
    u64 index = nr - 1, stamp = (u8)index * 0x0101010101010101ULL;

    if (nr == 0) {
        move_pages(team);
        return;
    }
    while (!READ_ONCE(team->stop)) {
        struct page *p;
        u64 *at;

        EXPECT_OR_RETURN(mapping_get_page(&m, index, 0, &p) == 0);
        at = page_to_virt(p);
        EXPECT_EQ(READ_ONCE(*at), stamp);
        WRITE_ONCE(*at, ++stamp);
        page_put(p);
        team->rounds[nr]++;
    }
}

KTEST(page_cache, found_while_it_moves)
{
    struct team team;
    struct page *p;

    mapping_init(&m, &ops, NULL, 0);
    for (u64 i = 0; i < MOVED; i++) {
        EXPECT_OR_RETURN(mapping_get_page(&m, i, 0, &p) == 0);
        page_put(p);
        spare[i] = page_alloc(PAGE_FILE, GFP_KERNEL);
        EXPECT_OR_RETURN(spare[i] != NULL);
        spare[i]->mapping = NULL;
    }
    team_run(&team, 1 + MOVED, move_or_use, false);
    pr_info("page cache: %lu moves, %lu uses\n", team.rounds[0], team_total(&team));
    for (u64 i = 0; i < MOVED; i++)
        page_put(spare[i]);
    finish();
}
