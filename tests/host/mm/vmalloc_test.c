/* SPDX-License-Identifier: MIT */
/* vmalloc_test.c: areas alias their frames, guards fault, unmapping is batched, stacks are cached,
 * failure leaves nothing. */
#include <kernel/string.h>
#include <kernel/task.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>
#include "host.h"
#include "mm_calls.h"

static u64 nr_free_at_start;

static void start(void)
{
    static bool booted;

    if (!booted) {
        host_boot(MIB(64), MIB(1));
        vfree(vmalloc(1));
        booted = true;
    }
    page_shrink_caches();
    nr_free_at_start = buddy_nr_free();
    EXPECT_EQ(vmalloc_check(), 0);
    EXPECT_EQ(vmalloc_nr_pages(), 0);
}

static void end(void)
{
    page_shrink_caches();
    EXPECT_EQ(buddy_nr_free(), nr_free_at_start);
    EXPECT_EQ(vmalloc_nr_pages(), 0);
    EXPECT_EQ(vmalloc_check(), 0);
}

HTEST(areas)
{
    u8 *p[64];
    size_t len[64];

    start();
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        len[i] = 1 + host_random_below(100000);
        p[i] = vmalloc(len[i]);
        EXPECT(p[i] != NULL && IS_ALIGNED((unsigned long)p[i], PAGE_SIZE));
        for (size_t b = 0; b < len[i]; b++)
            if (p[i][b] != 0)
                EXPECT(false);
        memset(p[i], (int)i, len[i]);
        EXPECT(vmalloc_is_guard((vaddr_t)p[i] + PAGE_ALIGN(len[i])));
        EXPECT(!vmalloc_is_guard((vaddr_t)p[i] + PAGE_ALIGN(len[i]) - 1));
    }
    EXPECT_EQ(vmalloc_check(), 0);
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        for (size_t b = 0; b < len[i]; b++)
            if (p[i][b] != (u8)i)
                EXPECT(false);
        vfree(p[i]);
    }
    vfree(NULL);
    EXPECT(vmalloc(0) == NULL);
    EXPECT(vmalloc(GIB(1)) == NULL);
    end();
}

/* Hundreds of freed areas that lie side by side go in a few flush rounds. */
HTEST(unmapping_is_batched)
{
    void *p[400];
    unsigned long rounds = host_nr_unmaps;

    start();
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        p[i] = vmalloc(PAGE_SIZE);
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        vfree(p[i]);
    end();
    EXPECT(host_nr_unmaps - rounds <= 4);
}

/* The window is 64 MiB: addresses come round again, and never two areas overlap. */
HTEST(addresses_are_reused)
{
    start();
    for (unsigned int i = 0; i < 600; i++) {
        void *p = vmalloc(MIB(1));

        EXPECT(p != NULL);
        vfree(p);
    }
    end();
}

HTEST(stacks)
{
    void *s[40];
    unsigned long maps;

    start();
    for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
        s[i] = kstack_alloc();
        EXPECT(s[i] != NULL);
        memset(s[i], 1, KSTACK_SIZE);
        EXPECT(vmalloc_is_guard((vaddr_t)s[i] - 1));
        EXPECT(vmalloc_is_guard((vaddr_t)s[i] - PAGE_SIZE));
        EXPECT(!vmalloc_is_guard((vaddr_t)s[i]));
    }
    EXPECT_EQ(kstack_nr_used(), ARRAY_SIZE(s));
    for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
        kstack_free(s[i]);
    maps = host_nr_maps;
    for (unsigned int round = 0; round < 10; round++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
            s[i] = kstack_alloc();
        for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
            kstack_free(s[i]);
    }
    EXPECT_EQ(host_nr_maps, maps); /* all from the caches */
    EXPECT_EQ(kstack_nr_used(), 0);
    end();
}

HTEST(injected_failure)
{
    unsigned long asked = 1;

    start();
    for (unsigned int n = 1; asked >= n; n++) {
        void *p;

        page_shrink_caches();
        host_fail_nth(n);
        p = n & 1 ? vmalloc(3 * PAGE_SIZE) : kstack_alloc();
        asked = host_fail_asked();
        host_fail_nth(0);
        EXPECT((p != NULL) == (asked < n));
        if (n & 1)
            vfree(p);
        else
            kstack_free(p);
    }
    end();
}

static void touch(void *p)
{
    *(volatile u8 *)p = 1;
}

static void free_inner(void *p)
{
    vfree((u8 *)p + PAGE_SIZE);
}

static void free_twice(void *p)
{
    vfree(p);
    vfree(p);
}

HTEST(misuse)
{
    u8 *p;

    start();
    p = vmalloc(2 * PAGE_SIZE);
    EXPECT(!host_faults(touch, p + PAGE_SIZE));
    EXPECT(host_faults(touch, p + 2 * PAGE_SIZE));
    EXPECT(host_panics(free_inner, p, "is not the start of an area"));
    EXPECT(host_panics(free_twice, p, "is not the start of an area"));
    vfree(p);
    end();
}

static void hammer(void *unused, unsigned int cpu)
{
    void *p[8] = { NULL };

    for (unsigned int step = 0; step < 1500; step++) {
        unsigned int i = host_random_below(ARRAY_SIZE(p));

        if (p[i] == NULL) {
            p[i] = i & 1 ? kstack_alloc() : vmalloc(1 + host_random_below(40000));
            if (p[i] != NULL)
                *(u64 *)p[i] = (unsigned long)p[i];
        } else {
            EXPECT_EQ(*(u64 *)p[i], (unsigned long)p[i]);
            if (i & 1)
                kstack_free(p[i]);
            else
                vfree(p[i]);
            p[i] = NULL;
        }
        if (cpu == 0 && step % 100 == 0)
            vmalloc_shrink();
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        if (i & 1)
            kstack_free(p[i]);
        else
            vfree(p[i]);
    }
}

HTEST(cpus_at_once)
{
    start();
    host_run_cpus(4, hammer, NULL);
    page_shrink_caches();
    EXPECT_EQ(vmalloc_nr_pages(), 0);
    EXPECT_EQ(vmalloc_check(), 0);
    EXPECT_EQ(buddy_check(), 0);
}
