/* SPDX-License-Identifier: MIT */
/* slab_test.c: slab caches and kmalloc: contents, alignment, constructors, statistics, misuse,
 * failure, CPUs at once. */
#include <kernel/string.h>
#include <mm/slab.h>
#include "../../../mm/slab_internal.h"
#include "host.h"

static u64 nr_free_at_start;

static void start(void)
{
    if (nr_free_at_start == 0) {
        host_boot(MIB(64), MIB(1));
        kfree(kmalloc(8));
        page_shrink_caches();
        nr_free_at_start = buddy_nr_free();
    }
    EXPECT_EQ(slab_check(), 0);
}

HTEST(sizes)
{
    static void *objs[1000];
    size_t sizes[] = {1, 7, 8, 9, 24, 40, 64, 96, 100, 128, 192, 200, 500, 1000, 1024, 2000, 2048};

    start();
    for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct kmem_cache *c = kmem_cache_create("test", sizes[s], s % 3 == 0 ? 64 : 8, NULL);

        EXPECT(c->order <= 3);
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++) {
            objs[i] = kmem_cache_alloc(c, GFP_KERNEL);
            EXPECT(IS_ALIGNED((unsigned long)objs[i], s % 3 == 0 ? 64 : 8));
            memset(objs[i], (int)i, sizes[s]);
        }
        EXPECT_EQ(slab_check(), 0);
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++) {
            unsigned int k = (i * 7919u) % ARRAY_SIZE(objs);

            for (size_t b = 0; b < sizes[s]; b++)
                if (((u8 *)objs[k])[b] != (u8)k)
                    EXPECT(false);
            kmem_cache_free(c, objs[k]);
            if (i % 250 == 200) { /* slabs in every state */
                slab_shrink();
                EXPECT_EQ(slab_check(), 0);
            }
        }
        EXPECT_EQ(slab_check(), 0);
        kmem_cache_destroy(c);
    }
}

HTEST(kmalloc_classes)
{
    start();
    for (size_t size = 0; size < 300000; size += size < 300 ? 1 : size / 3) {
        u8 *p = kzalloc(size);

        EXPECT(p != NULL && IS_ALIGNED((unsigned long)p, size > 8 ? 16 : 8));
        for (size_t b = 0; b < size; b++)
            if (p[b] != 0)
                EXPECT(false);
        memset(p, 0xff, size);
        EXPECT(ksize(p) >= size);
        kfree(p);
    }
    kfree(NULL);
    EXPECT(kmalloc((size_t)-1) == NULL);
    EXPECT_EQ(slab_check(), 0);
}

static unsigned int nr_constructed;
static void construct(void *obj)
{
    *(u64 *)obj = 0x1234;
    nr_constructed++;
}

HTEST(constructor)
{
    struct kmem_cache *c = kmem_cache_create("test-ctor", 40, 8, construct);
    void *objs[100];

    start();
    for (unsigned int round = 0; round < 3; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++) {
            objs[i] = kmem_cache_alloc(c, GFP_KERNEL);
            EXPECT_EQ(*(u64 *)objs[i], 0x1234);
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++)
            kmem_cache_free(c, objs[i]);
    }
    EXPECT(nr_constructed >= 100 && nr_constructed < 200); /* once per slot, not per allocation */
    kmem_cache_destroy(c);
}

HTEST(nothing_is_lost)
{
    static void *p[3000];
    u64 before = slab_nr_objects();

    start();
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = kmalloc(1 + host_random_below(5000));
    EXPECT_EQ(slab_nr_objects(), before + ARRAY_SIZE(p));
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        kfree(p[i]);
    EXPECT_EQ(slab_nr_objects(), before);
    page_shrink_caches();
    /* What stays: slabs that hold the CPUs' stacks of the caches that were used. */
    EXPECT(buddy_nr_free() + 32 >= nr_free_at_start);
    EXPECT_EQ(slab_check(), 0);
}

HTEST(statistics)
{
    static struct slab_stat stat[64];
    struct kmem_cache *c = kmem_cache_create("test-stat", 100, 8, NULL);
    void *obj = kmem_cache_alloc(c, GFP_KERNEL);
    unsigned int n = slab_stats(stat, ARRAY_SIZE(stat));
    bool found = false;

    EXPECT(n >= 10 && n <= ARRAY_SIZE(stat));
    for (unsigned int i = 0; i < n; i++) {
        if (strcmp(stat[i].name, "test-stat") != 0)
            continue;
        found = true;
        EXPECT_EQ(stat[i].nr_objects, 1);
        EXPECT_EQ(stat[i].object_size, 100);
        EXPECT(stat[i].nr_pages > 0);
    }
    EXPECT(found);
    EXPECT_EQ(slab_stats(NULL, 0), n);
    kmem_cache_free(c, obj);
    kmem_cache_destroy(c);
}

HTEST(injected_failure)
{
    unsigned long asked = 1;
    void *p;

    start();
    host_fail_nth(1);
    EXPECT(kmalloc(100) == NULL);
    /* Each place where an allocation from a new cache can fail; then none does. */
    for (unsigned int n = 1; asked >= n; n++) {
        struct kmem_cache *c;

        host_fail_nth(n);
        c = kmem_cache_create("test-fail", 300, 8, NULL);
        p = c != NULL ? kmem_cache_alloc(c, GFP_KERNEL) : NULL;
        asked = host_fail_asked();
        host_fail_nth(0);
        EXPECT((p != NULL) == (asked < n));
        if (p != NULL)
            kmem_cache_free(c, p);
        if (c != NULL)
            kmem_cache_destroy(c);
        EXPECT_EQ(slab_check(), 0);
    }
}

static struct kmem_cache *cache_a, *cache_b;

static void overrun(void *size)
{
    u8 *p = kmalloc(*(size_t *)size);

    p[*(size_t *)size] = 0;
    kfree(p);
}

static void underrun(void *unused)
{
    u8 *p = kmem_cache_alloc(cache_a, GFP_KERNEL);

    p[-1] = 0;
    kmem_cache_free(cache_a, p);
}

static void double_free(void *unused)
{
    void *p = kmem_cache_alloc(cache_a, GFP_KERNEL);

    kmem_cache_free(cache_a, p);
    kmem_cache_free(cache_a, p);
}

static void wrong_cache(void *unused)
{
    kmem_cache_free(cache_b, kmem_cache_alloc(cache_a, GFP_KERNEL));
}

static void write_after_free(void *unused)
{
    u8 *p = kmem_cache_alloc(cache_a, GFP_KERNEL);

    kmem_cache_free(cache_a, p);
    p[20] = 1;
    (void)kmem_cache_alloc(cache_a, GFP_KERNEL);
}

static void inner_pointer(void *unused)
{
    kfree((u8 *)kmalloc(100) + 8);
}

static void not_slab(void *unused)
{
    kfree((u8 *)page_alloc_virt(GFP_KERNEL) + 16);
}

static void leaked(void *unused)
{
    (void)!kmem_cache_alloc(cache_a, GFP_KERNEL);
    kmem_cache_destroy(cache_a);
}

HTEST(misuse_panics)
{
    size_t odd = 33, full = 64;

    start();
    cache_a = kmem_cache_create("test-a", 48, 8, NULL);
    cache_b = kmem_cache_create("test-b", 48, 8, NULL);
    /* inside the class, beyond what was asked */
    EXPECT(host_panics(overrun, &odd, "bytes behind it are overwritten"));
    EXPECT(host_panics(overrun, &full, "bytes behind it are overwritten"));
    EXPECT(host_panics(underrun, NULL, "bytes in front of it are overwritten"));
    EXPECT(host_panics(double_free, NULL, "is freed twice"));
    EXPECT(host_panics(wrong_cache, NULL, "which is of cache test-a"));
    EXPECT(host_panics(write_after_free, NULL, "written to after it was freed"));
    EXPECT(host_panics(inner_pointer, NULL, "points into an object"));
    EXPECT(host_panics(not_slab, NULL, "kfree of"));
    EXPECT(host_panics(leaked, NULL, "1 objects in use"));
    kmem_cache_destroy(cache_a);
    kmem_cache_destroy(cache_b);
}

/* CPUs free what others allocated: objects travel through a shared table. */
#define TABLE 64
static void *table[TABLE];

static void hammer(void *cache, unsigned int cpu)
{
    for (unsigned int step = 0; step < 30000; step++) {
        u64 *p = host_random_below(2) ? kmem_cache_alloc(cache, GFP_KERNEL)
                                      : kmalloc(16 + host_random_below(300));
        u64 *old;

        p[0] = (unsigned long)p;
        old = xchg(&table[host_random_below(TABLE)], p);
        if (old != NULL) {
            EXPECT_EQ(old[0], (unsigned long)old);
            kfree(old);
        }
        if (cpu == 1 && step % 3000 == 0)
            slab_shrink();
    }
}

HTEST(cpus_at_once)
{
    struct kmem_cache *c = kmem_cache_create("test-cpus", 72, 8, NULL);
    u64 before = slab_nr_objects();

    start();
    host_run_cpus(4, hammer, c);
    for (unsigned int i = 0; i < TABLE; i++)
        kfree(table[i]);
    EXPECT_EQ(slab_check(), 0);
    EXPECT_EQ(slab_nr_objects(), before);
    kmem_cache_destroy(c);
    EXPECT_EQ(buddy_check(), 0);
}
