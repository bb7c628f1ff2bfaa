/* SPDX-License-Identifier: MIT */
/* radix_test.c: the radix tree against a plain table: all shapes, batches, failure to allocate,
 * readers beside a writer. */
#include <kernel/radix_tree.h>
#include <kernel/string.h>
#include <linux/errno.h>
#include <mm/slab.h>
#include "host.h"

#define NR_KEYS 300

static u64 keys[NR_KEYS]; /* ascending */
static bool present[NR_KEYS];
static u64 items[NR_KEYS]; /* what is pointed to: its own key */
static struct radix_tree tree;
static u64 nr_present;

/* Keys of every height, many in one node, and the two ends of the number range. */
static void setup(void)
{
    static bool booted;

    if (!booted)
        host_boot(MIB(32), MIB(1));
    booted = true;
    for (unsigned int i = 0; i < NR_KEYS; i++) {
        keys[i] =
            i < 100 ? i : keys[i - 1] + (host_random() >> (host_random_below(58) + 6)) / 128 + 1;
        items[i] = keys[i];
    }
    keys[NR_KEYS - 1] = items[NR_KEYS - 1] = ~0ULL;
    for (unsigned int i = 1; i < NR_KEYS; i++)
        EXPECT(keys[i] > keys[i - 1]);
}

static int insert(u64 index, void *item, gfp_t gfp)
{
    struct radix_spare spare = { NULL, 0 };
    int err;

    while ((err = radix_insert(&tree, index, item, &spare)) == -EAGAIN) {
        err = radix_prepare(&tree, index, &spare, gfp);
        if (err != 0)
            break;
    }
    radix_spare_free(&spare);
    return err;
}

static void check_tree(void)
{
    u64 n;

    EXPECT_EQ(radix_check(&tree, &n), 0);
    EXPECT_EQ(n, nr_present);
    EXPECT_EQ(radix_empty(&tree), nr_present == 0);
    for (unsigned int i = 0; i < NR_KEYS; i++) {
        EXPECT(radix_lookup(&tree, keys[i]) == (present[i] ? &items[i] : NULL));
        if (i + 1 < NR_KEYS && keys[i] + 1 != keys[i + 1])
            EXPECT(radix_lookup(&tree, keys[i] + 1) == NULL);
    }
}

static void check_batches(u64 from, u64 end, unsigned int n)
{
    void *found[64];
    u64 idx[64], at = from;
    unsigned int got, i = 0;

    while (i < NR_KEYS && keys[i] < from)
        i++;
    do {
        got = radix_lookup_batch(&tree, &at, end, found, idx, n);
        for (unsigned int k = 0; k < got; k++) {
            while (i < NR_KEYS && !present[i])
                i++;
            EXPECT(i < NR_KEYS && keys[i] < end && idx[k] == keys[i] && found[k] == &items[i]);
            i++;
        }
    } while (got == n);
    EXPECT_EQ(at, max(end, from));
    while (i < NR_KEYS && !present[i])
        i++;
    EXPECT(i == NR_KEYS || keys[i] >= end);
}

static void remove_all(void)
{
    for (unsigned int i = 0; i < NR_KEYS; i++) {
        EXPECT(radix_remove(&tree, keys[i]) == (present[i] ? &items[i] : NULL));
        nr_present -= present[i];
        present[i] = false;
    }
    check_tree();
    rcu_barrier();
}

HTEST(random_changes)
{
    setup();
    for (unsigned int round = 0; round < 20; round++) {
        unsigned int span = 1 + host_random_below(NR_KEYS);

        for (unsigned int step = 0; step < 400; step++) {
            unsigned int i = host_random_below(span);

            if (host_random_below(3) != 0) {
                EXPECT_EQ(insert(keys[i], &items[i], GFP_KERNEL), present[i] ? -EEXIST : 0);
                nr_present += !present[i];
                present[i] = true;
            } else {
                EXPECT(radix_remove(&tree, keys[i]) == (present[i] ? &items[i] : NULL));
                nr_present -= present[i];
                present[i] = false;
            }
            if (step % 20 == 0)
                check_tree();
        }
        for (unsigned int k = 0; k < 20; k++)
            check_batches(keys[host_random_below(NR_KEYS)], keys[host_random_below(NR_KEYS)],
                          1 + host_random_below(64));
        check_batches(0, ~0ULL, 64);
        if (round % 5 == 4)
            remove_all();
    }
    remove_all();
}

HTEST(replace)
{
    u64 other = 1;

    for (unsigned int i = 0; i < NR_KEYS; i += 7) {
        EXPECT_EQ(insert(keys[i], &items[i], GFP_KERNEL), 0);
        EXPECT(radix_replace(&tree, keys[i], &other) == &items[i]);
        EXPECT(radix_lookup(&tree, keys[i]) == &other);
        EXPECT(radix_replace(&tree, keys[i], &items[i]) == &other);
        EXPECT(radix_remove(&tree, keys[i]) == &items[i]);
    }
    EXPECT(radix_empty(&tree));
    rcu_barrier();
}

/* An insert that fails for lack of memory changes nothing. */
HTEST(injected_failure)
{
    for (unsigned int i = 0; i < NR_KEYS; i += 23) {
        for (unsigned int n = 1;; n++) {
            int err;

            host_fail_nth(n);
            err = insert(keys[i], &items[i], GFP_KERNEL);
            host_fail_nth(0);
            if (err == 0)
                break;
            EXPECT_EQ(err, -ENOMEM);
            check_tree();
        }
        present[i] = true;
        nr_present++;
        check_tree();
    }
    remove_all();
}

/* One CPU grows and shrinks the tree; items that stay must be found by all others at every
 * moment. */
static bool stop;
static void churn(void *unused, unsigned int cpu)
{
    static u64 far_item = 42;

    if (cpu == 0) {
        for (unsigned int step = 0; step < 3000; step++) {
            u64 far = 1ULL << host_random_below(64);

            far += far < 128 ? 128 : 0;
            EXPECT_EQ(insert(far, &far_item, GFP_KERNEL), 0);
            EXPECT(radix_remove(&tree, far) == &far_item);
            if (step % 50 == 0)
                rcu_barrier();
        }
        __atomic_store_n(&stop, true, __ATOMIC_SEQ_CST);
        return;
    }
    while (!__atomic_load_n(&stop, __ATOMIC_SEQ_CST)) {
        unsigned int i = host_random_below(100);
        void *found[64];
        u64 idx[64], at = 0;

        rcu_read_lock();
        EXPECT(radix_lookup(&tree, i) == &items[i]);
        EXPECT_EQ(radix_lookup_batch(&tree, &at, 64, found, idx, 64), 64);
        rcu_read_unlock();
    }
}

HTEST(readers_beside_a_writer)
{
    for (unsigned int i = 0; i < 100; i++) {
        EXPECT_EQ(insert(i, &items[i], GFP_KERNEL), 0);
        present[i] = true;
        nr_present++;
    }
    host_run_cpus(3, churn, NULL);
    nr_cpus_online = 1;
    check_tree();
    remove_all();
    EXPECT_EQ(slab_check(), 0);
}
