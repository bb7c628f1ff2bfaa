/* SPDX-License-Identifier: MIT */
/*
 * radix_fuzz.c: a byte string is a program for the radix tree; a short list of (index, item) is the
 * model. Indexes come from the input, shifted, so that trees of every height meet each other.
 */
#include <kernel/radix_tree.h>
#include <linux/errno.h>
#include <mm/slab.h>
#include "host.h"

#define MAX_ITEMS 256

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static u64 model_index[MAX_ITEMS], item_store[MAX_ITEMS];
static bool model_used[MAX_ITEMS];
static struct radix_tree tree;
static u64 nr_items;

static unsigned int model_find(u64 index)
{
    for (unsigned int i = 0; i < MAX_ITEMS; i++)
        if (model_used[i] && model_index[i] == index)
            return i;
    return MAX_ITEMS;
}

static void insert(u64 index, bool may_fail)
{
    struct radix_spare spare = { NULL, 0 };
    unsigned int slot = 0;
    int err;

    while (slot < MAX_ITEMS && model_used[slot])
        slot++;
    if (slot == MAX_ITEMS)
        return;
    host_fail_nth(may_fail ? 2 : 0);
    while ((err = radix_insert(&tree, index, &item_store[slot], &spare)) == -EAGAIN) {
        err = radix_prepare(&tree, index, &spare, GFP_NOOOM);
        if (err != 0)
            break;
    }
    host_fail_nth(0);
    radix_spare_free(&spare);
    REQUIRE((err == -EEXIST) == (model_find(index) != MAX_ITEMS) || err == -ENOMEM);
    if (err != 0)
        return;
    model_used[slot] = true;
    model_index[slot] = index;
    nr_items++;
}

static void remove_index(u64 index)
{
    unsigned int slot = model_find(index);

    REQUIRE(radix_remove(&tree, index) == (slot == MAX_ITEMS ? NULL : &item_store[slot]));
    if (slot == MAX_ITEMS)
        return;
    model_used[slot] = false;
    nr_items--;
}

static void lookup(u64 index, unsigned int n)
{
    void *items[16];
    u64 idx[16], at = index, end = index + (1ULL << n % 64);
    unsigned int slot = model_find(index), got;

    REQUIRE(radix_lookup(&tree, index) == (slot == MAX_ITEMS ? NULL : &item_store[slot]));
    got = radix_lookup_batch(&tree, &at, end, items, idx, 1 + n % 16);
    for (unsigned int i = 0; i < got; i++) {
        REQUIRE(idx[i] >= index && idx[i] < end && (i == 0 || idx[i] > idx[i - 1]));
        REQUIRE(items[i] == &item_store[model_find(idx[i])]);
    }
    /* Everything of the model before *at was found. */
    for (unsigned int i = 0; i < MAX_ITEMS; i++)
        got -=
            model_used[i] && model_index[i] >= index && model_index[i] < at && model_index[i] < end;
    REQUIRE(got == 0);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    static bool booted;
    u64 counted;

    if (!booted)
        host_boot(MIB(16), MIB(1));
    booted = true;
    for (size_t i = 0; i + 2 < size; i += 3) {
        u64 index = (u64)data[i + 1] << (data[i + 2] & 63);

        switch (data[i] & 3) {
        case 0:
            insert(index, data[i] >= 200);
            break;
        case 1:
            remove_index(index);
            break;
        case 2:
            insert(data[i + 1], false);
            break;
        default:
            lookup(index, data[i] >> 2);
        }
    }
    REQUIRE(radix_check(&tree, &counted) == 0 && counted == nr_items);
    for (unsigned int i = 0; i < MAX_ITEMS; i++)
        if (model_used[i])
            remove_index(model_index[i]);
    REQUIRE(radix_empty(&tree));
    rcu_barrier();
    return 0;
}
