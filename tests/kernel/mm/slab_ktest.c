/* SPDX-License-Identifier: MIT */
/* slab_ktest.c: slab caches and kmalloc in the kernel: contents, damage found, interrupts, injected
 * failure, all CPUs at once. */
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <mm/slab.h>
#include "mm/internal.h"
#include "mm/slab_internal.h"
#include "tests/kernel/team.h"

KCHECK("slab", slab_check);

KTEST(slab, caches_of_many_sizes)
{
    static void *objs[300];
    static const size_t sizes[] = { 1, 8, 24, 100, 128, 250, 500, 1000, 2048 };

    for (unsigned int s = 0; s < ARRAY_SIZE(sizes); s++) {
        struct kmem_cache *c = kmem_cache_create("ktest", sizes[s], s % 2 == 0 ? 64 : 8, NULL);

        EXPECT_OR_RETURN(c != NULL);
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++) {
            objs[i] = kmem_cache_alloc(c, i & 1 ? GFP_KERNEL : GFP_ZERO);
            EXPECT_OR_RETURN(objs[i] != NULL);
            EXPECT(IS_ALIGNED((unsigned long)objs[i], s % 2 == 0 ? 64 : 8));
            EXPECT(i & 1 || *(u8 *)objs[i] == 0);
            memset(objs[i], (int)i, sizes[s]);
        }
        for (unsigned int i = 0; i < ARRAY_SIZE(objs); i++) {
            EXPECT(((u8 *)objs[i])[0] == (u8)i && ((u8 *)objs[i])[sizes[s] - 1] == (u8)i);
            kmem_cache_free(c, objs[i]);
        }
        kmem_cache_destroy(c);
    }
}

KTEST(slab, kmalloc_of_many_sizes)
{
    for (size_t size = 1; size <= MIB(1); size += 1 + size / 5) {
        u8 *p = kzalloc(size);

        EXPECT_OR_RETURN(p != NULL);
        EXPECT(p[0] == 0 && p[size - 1] == 0 && ksize(p) >= size &&
               IS_ALIGNED((unsigned long)p, size > 8 ? 16 : 8));
        memset(p, 0xa5, size);
        kfree(p);
    }
    kfree(NULL);
}

/* What a free would panic about, asked without freeing. */
KTEST(slab, damage_is_found)
{
    struct kmem_cache *c = kmem_cache_create("ktest", 40, 8, NULL);
    u8 *p, saved;

    EXPECT_OR_RETURN(c != NULL);
    p = kmem_cache_alloc(c, GFP_KERNEL);
    EXPECT_OR_RETURN(p != NULL);
    EXPECT(slab_debug_damage(c, p) == NULL);
    saved = p[40];
    p[40] = 0;
    EXPECT(slab_debug_damage(c, p) != NULL);
    p[40] = saved;
    saved = p[-1];
    p[-1] = 0;
    EXPECT(slab_debug_damage(c, p) != NULL);
    p[-1] = saved;
    EXPECT(slab_debug_damage(c, p) == NULL);
    kmem_cache_free(c, p);
    EXPECT(slab_debug_damage(c, p) == NULL);
    saved = p[7];
    p[7] = 0; /* a write after free; taken back before anybody gets the object */
    EXPECT(slab_debug_damage(c, p) != NULL);
    p[7] = saved;
    kmem_cache_destroy(c);
}

KTEST(slab, kmalloc_checks_the_size_asked_for)
{
    u8 *p = kmalloc(33), saved;
    struct kmem_cache *c;

    EXPECT_OR_RETURN(p != NULL);
    c = virt_to_page(p)->slab_cache;
    EXPECT_EQ(ksize(p), 33);
    saved = p[33];
    p[33] = 0;
    EXPECT(slab_debug_damage(c, p) != NULL);
    p[33] = saved;
    kfree(p);
}

KTEST(slab, injected_failure)
{
    bool asked = true;

    for (long n = 1; asked && n < 50; n++) {
        struct kmem_cache *c;
        void *p;

        fail_set_nth(current, n);
        c = kmem_cache_create("ktest", 333, 8, NULL);
        p = c != NULL ? kmem_cache_alloc(c, GFP_KERNEL) : NULL;
        asked = current->fail_nth == 0; /* it came */
        fail_set_nth(current, 0);
        EXPECT((p == NULL) == asked);
        if (p != NULL)
            kmem_cache_free(c, p);
        if (c != NULL)
            kmem_cache_destroy(c);
    }
    EXPECT(!asked);
}

/* As many objects in more slabs than before: no frame is lost. An object that is lost shows. */
KTEST(slab, scattered_objects_are_no_leak)
{
    static void *objs[64];
    struct kmem_cache *c = kmem_cache_create("ktest", 1000, 8, NULL);
    struct kcheck_counts dense, scattered;
    unsigned int last = 0;

    EXPECT_OR_RETURN(c != NULL);
    objs[0] = kmem_cache_alloc(c, GFP_KERNEL);
    dense = kcheck_count();
    for (unsigned int i = 1; i < ARRAY_SIZE(objs); i++)
        objs[i] = kmem_cache_alloc(c, GFP_KERNEL);
    for (unsigned int i = 1; i < ARRAY_SIZE(objs) && last == 0; i++)
        if (slab_of(objs[i]) != slab_of(objs[0]))
            last = i;
    EXPECT(last != 0);
    for (unsigned int i = 1; i < ARRAY_SIZE(objs); i++)
        if (i != last)
            kmem_cache_free(c, objs[i]);
    scattered = kcheck_count();
    EXPECT_EQ(scattered.objects, dense.objects + 1);
    EXPECT_EQ(scattered.free_pages, dense.free_pages);
    kmem_cache_free(c, objs[0]);
    kmem_cache_free(c, objs[last]);
    kmem_cache_destroy(c);
}

static struct kmem_cache *shared_cache;
static void handler(void *arg)
{
    void *a = kmem_cache_alloc(shared_cache, GFP_ATOMIC), *b = kmalloc_gfp(200, GFP_ATOMIC);

    EXPECT(a != NULL && b != NULL);
    if (a != NULL)
        kmem_cache_free(shared_cache, a);
    kfree(b);
}

/* Objects travel through a table: most are freed by another CPU than the one that allocated
 * them. */
static void *table[32];
static void hammer(struct team *team, unsigned int nr)
{
    u64 seed = nr + 1;

    for (unsigned int step = 0; step < 4000; step++) {
        u64 *p = test_random(&seed) & 1 ? kmem_cache_alloc(shared_cache, GFP_KERNEL)
                                        : kmalloc(8 + test_random(&seed) % 500);
        u64 *old;

        EXPECT_OR_RETURN(p != NULL);
        *p = (unsigned long)p;
        old = xchg(&table[test_random(&seed) % ARRAY_SIZE(table)], (void *)p);
        if (old != NULL) {
            EXPECT_EQ(*old, (unsigned long)old);
            kfree(old);
        }
        if (step % 700 == nr)
            smp_call_on(online_cpus(), handler, NULL);
        if (step % 1500 == nr)
            slab_shrink();
    }
}

KTEST(slab, cpus_at_once)
{
    struct team team;

    shared_cache = kmem_cache_create("ktest", 72, 8, NULL);
    EXPECT_OR_RETURN(shared_cache != NULL);
    team_run(&team, 2 * nr_cpus_online, hammer, false);
    for (unsigned int i = 0; i < ARRAY_SIZE(table); i++)
        kfree(xchg(&table[i], NULL));
    EXPECT_EQ(slab_check(), 0);
    kmem_cache_destroy(shared_cache);
}
