/* SPDX-License-Identifier: MIT */
/* vmalloc_ktest.c: areas, guards, stacks and their cache, injected failure, all CPUs at once. */
#include <arch/mmu.h>
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <mm/vmalloc.h>
#include "tests/kernel/team.h"

KCHECK("vmalloc", vmalloc_check);

static bool mapped(vaddr_t va)
{
    unsigned int level;
    pte_t e = kernel_lookup(va, &level);

    return pte_is_leaf(e, level);
}

KTEST(vmalloc, areas)
{
    u8 *p[24];

    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        size_t len = 1 + i * 1777;

        p[i] = vmalloc(len);
        EXPECT_OR_RETURN(p[i] != NULL);
        for (size_t b = 0; b < len; b++)
            if (p[i][b] != 0)
                EXPECT(false);
        memset(p[i], (int)i, PAGE_ALIGN(len));
        EXPECT(!mapped((vaddr_t)p[i] + PAGE_ALIGN(len)));
        EXPECT(vmalloc_is_guard((vaddr_t)p[i] + PAGE_ALIGN(len)));
        EXPECT(mapped((vaddr_t)p[i] + PAGE_ALIGN(len) - 1));
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        EXPECT(p[i][0] == (u8)i && p[i][i * 1777] == (u8)i);
        vfree(p[i]);
    }
    vmalloc_shrink();
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++)
        EXPECT(!mapped((vaddr_t)p[i]));
    vfree(NULL);
    EXPECT(vmalloc(0) == NULL);
    EXPECT(vmalloc(~0UL >> 1) == NULL);
}

KTEST(vmalloc, stacks)
{
    void *s[40], *first;
    u64 used = kstack_nr_used(), pages;

    for (unsigned int i = 0; i < ARRAY_SIZE(s); i++) {
        s[i] = kstack_alloc();
        EXPECT_OR_RETURN(s[i] != NULL);
        EXPECT(!mapped((vaddr_t)s[i] - 1) && vmalloc_is_guard((vaddr_t)s[i] - 1));
        memset(s[i], 0x5a, KSTACK_SIZE);
    }
    /* a thread of the last test may end meanwhile */
    EXPECT(kstack_nr_used() >= used + ARRAY_SIZE(s) - 2);
    for (unsigned int i = 0; i < ARRAY_SIZE(s); i++)
        kstack_free(s[i]);
    pages = vmalloc_nr_pages();
    for (unsigned int i = 0; i < 200; i++) {
        first = kstack_alloc();
        kstack_free(first);
    }
    EXPECT_EQ(vmalloc_nr_pages(), pages); /* nothing was mapped or unmapped for these */
}

KTEST(vmalloc, injected_failure)
{
    bool came = true;

    for (long n = 1; came && n < 100; n++) {
        void *p;

        vmalloc_shrink(); /* so that a stack is really made */
        fail_set_nth(current, n);
        p = n & 1 ? vmalloc(3 * PAGE_SIZE) : kstack_alloc();
        came = current->fail_nth == 0;
        fail_set_nth(current, 0);
        EXPECT((p == NULL) == came);
        if (n & 1)
            vfree(p);
        else
            kstack_free(p);
    }
    EXPECT(!came);
}

static void hammer(struct team *team, unsigned int nr)
{
    void *p[6] = { NULL };
    u64 seed = nr + 1;

    for (unsigned int step = 0; step < 400; step++) {
        unsigned int i = test_random(&seed) % ARRAY_SIZE(p);

        if (p[i] == NULL) {
            p[i] = i & 1 ? kstack_alloc() : vmalloc(1 + test_random(&seed) % 30000);
            EXPECT_OR_RETURN(p[i] != NULL);
            *(u64 *)p[i] = (unsigned long)p[i];
        } else {
            EXPECT_EQ(*(u64 *)p[i], (unsigned long)p[i]);
            if (i & 1)
                kstack_free(p[i]);
            else
                vfree(p[i]);
            p[i] = NULL;
        }
        if (step % 100 == nr)
            vmalloc_shrink();
    }
    for (unsigned int i = 0; i < ARRAY_SIZE(p); i++) {
        if (i & 1)
            kstack_free(p[i]);
        else
            vfree(p[i]);
    }
}

KTEST(vmalloc, cpus_at_once)
{
    struct team team;

    team_run(&team, 2 * nr_cpus_online, hammer, false);
    EXPECT_EQ(vmalloc_check(), 0);
}

/* Tables that kernel_map makes stay, and the leak check does not take them for lost. */
KTEST(vmalloc, kept_tables_are_not_a_leak)
{
    static unsigned int run; /* an address without tables each time */
    vaddr_t va = VMALLOC_END - ++run * GIB(1);
    struct page *p = page_alloc(PAGE_ANON, GFP_KERNEL);
    struct kcheck_counts before, after;
    u64 tables;

    EXPECT_OR_RETURN(p != NULL);
    before = kcheck_count();
    tables = kernel_nr_tables();
    EXPECT_EQ(kernel_map(va, page_to_phys(p), PAGE_SIZE, PT_R | PT_W), 0);
    EXPECT(kernel_nr_tables() > tables);
    kernel_unmap(va, PAGE_SIZE);
    after = kcheck_count();
    EXPECT_EQ(after.free_pages, before.free_pages);
    EXPECT_EQ(after.objects, before.objects);
    page_put(p);
}
