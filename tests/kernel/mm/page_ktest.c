/* SPDX-License-Identifier: MIT */
/* page_ktest.c: the reference word: units, pins, kinds, and speculative gets against the last
 * put. */
#include <kernel/ktest.h>
#include <mm/buddy.h>
#include "tests/kernel/team.h"

KTEST(page, references_and_pins)
{
    struct page *p = page_alloc(PAGE_ANON, GFP_KERNEL);

    EXPECT_OR_RETURN(p != NULL);
    page_get(p);
    page_get_n(p, 3);
    page_pin(p);
    EXPECT_EQ(page_refs(p), 6);
    EXPECT_EQ(page_pins(p), 1);
    EXPECT(page_try_get(p));
    page_put_units(p, 5 * PAGE_REF);
    page_unpin(p);
    EXPECT_EQ(page_refs(p), 1);
    EXPECT_EQ(page_pins(p), 0);
    page_put(p);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
}

KTEST(page, no_get_of_unreferenced_frames)
{
    struct page *p = alloc_pages(0, GFP_KERNEL);

    EXPECT_OR_RETURN(p != NULL);
    EXPECT(!page_try_get(p)); /* the kernel's own */
    p->word = PAGE_TAIL | PAGE_REF;
    EXPECT(!page_try_get(p));
    p->word = 0;
    free_pages(p, 0);
}

KTEST(page, kinds)
{
    u64 before = page_nr_kind(PAGE_ANON);
    struct page *p = page_alloc(PAGE_KERNEL, GFP_KERNEL);

    EXPECT_OR_RETURN(p != NULL);
    page_set_kind(p, PAGE_ANON);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), before + 1);
    page_put(p);
    EXPECT_EQ(page_nr_kind(PAGE_ANON), before);
}

/*
 * Member 0 of each team publishes frames and drops its reference; the others look at what is
 * published, as lockless lookups do. A frame that was got is of the kind published, until it is
 * put.
 */
static struct page *published;

static void publish_or_look(struct team *team, unsigned int nr)
{
    for (unsigned int step = 0; nr == 0 ? step < 20000 : !team_stopped(team); step++) {
        struct page *p;

        if (nr == 0) {
            p = page_alloc(PAGE_ANON, GFP_KERNEL);
            EXPECT_OR_RETURN(p != NULL);
            p->index = 4711;
            __atomic_store_n(&published, p, __ATOMIC_RELEASE);
            page_put(p);
        } else {
            p = __atomic_load_n(&published, __ATOMIC_ACQUIRE);
            if (p == NULL || !page_try_get(p))
                continue;
            if (p->kind == PAGE_ANON) /* another kind: the frame went elsewhere before we got it */
                EXPECT(page_refs(p) >= 1);
            page_put(p);
        }
    }
    WRITE_ONCE(team->stop, true);
}

KTEST(page, speculative_get_against_last_put)
{
    struct team team;

    published = NULL;
    team_run(&team, max(2u, nr_cpus_online), publish_or_look, true);
    published = NULL;
    EXPECT_EQ(page_nr_kind(PAGE_ANON), 0);
}
