/* SPDX-License-Identifier: MIT */
/*
 * slab_fuzz.c: a byte string is a program for the slab allocator. Objects never overlap, keep what
 * was written to them, and are all accounted for; in between memory is taken back (slab_shrink) and
 * allocations fail.
 */
#include <kernel/string.h>
#include <mm/slab.h>
#include "host.h"

#define SLOTS 128

int LLVMFuzzerTestOneInput(const u8 *data, size_t size);

static struct object {
    u8 *p;
    size_t size;
    u8 fill;
    struct kmem_cache *cache; /* NULL: kmalloc */
} objects[SLOTS];
static struct kmem_cache *caches[3];
static u64 nr_at_start, nr_held;

static void start(void)
{
    if (caches[0] != NULL)
        return;
    host_boot(MIB(16), MIB(1));
    caches[0] = kmem_cache_create("fuzz-24", 24, 8, NULL);
    caches[1] = kmem_cache_create("fuzz-700", 700, 64, NULL);
    caches[2] = kmem_cache_create("fuzz-2000", 2000, 8, NULL);
    nr_at_start = slab_nr_objects();
}

static const size_t cache_size[] = { 24, 700, 2000 };

static void take(struct object *o, u8 op, u8 arg)
{
    gfp_t gfp = op & 1 ? GFP_ATOMIC : GFP_NOOOM;

    if (op < 120) {
        o->cache = caches[op % 3];
        o->size = cache_size[op % 3];
        o->p = kmem_cache_alloc(o->cache, gfp);
    } else {
        o->cache = NULL;
        o->size = op % 7 == 0 ? (size_t)arg * 37 : (size_t)arg + 1;
        o->p = kmalloc_gfp(o->size, gfp);
    }
    if (o->p == NULL)
        return;
    o->fill = op;
    memset(o->p, o->fill, o->size);
    nr_held += o->cache != NULL || o->size <= 8192;
}

static void give(struct object *o)
{
    for (size_t i = 0; i < o->size; i++)
        REQUIRE(o->p[i] == o->fill);
    nr_held -= o->cache != NULL || o->size <= 8192;
    if (o->cache != NULL)
        kmem_cache_free(o->cache, o->p);
    else
        kfree(o->p);
    o->p = NULL;
}

static void step(u8 op, u8 arg)
{
    struct object *o = &objects[arg % SLOTS];

    if (op >= 252)
        slab_shrink();
    else if (op >= 248)
        REQUIRE(slab_check() == 0);
    else if (op >= 240)
        host_fail_nth(arg % 8);
    else if (o->p != NULL)
        give(o);
    else
        take(o, op, arg);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t size)
{
    start();
    for (size_t i = 0; i + 1 < size; i += 2)
        step(data[i], data[i + 1]);
    host_fail_nth(0);
    REQUIRE(slab_nr_objects() == nr_at_start + nr_held);
    for (unsigned int i = 0; i < SLOTS; i++)
        if (objects[i].p != NULL)
            give(&objects[i]);
    REQUIRE(slab_check() == 0);
    REQUIRE(slab_nr_objects() == nr_at_start);
    return 0;
}
