/* SPDX-License-Identifier: MIT */
/* cow_ktest.c: what fork shares, and who gets which page when one side writes; pins; memory running
 * out in fork. */
#include <kernel/vfs.h>
#include "../team.h"
#include "pt_test.h"

#define N 20

struct family {
    struct mm *parent, *child;
    vaddr_t va;
};

/* A parent with N written pages, and its child; the test thread stays in the parent. */
static struct family make_family(void)
{
    struct family f = { .parent = test_mm_enter() };

    f.va = test_map(N * PAGE_SIZE, RW, ANON);
    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(f.va + i * PAGE_SIZE, i));
    f.child = mm_fork(f.parent);
    EXPECT(!IS_ERR(f.child));
    return f;
}

static void live_in(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

KTEST(cow, pages_are_shared_until_written)
{
    struct family f = make_family();

    EXPECT_EQ(test_check(f.parent) + test_check(f.child), 0);
    EXPECT_EQ(test_rss(f.child, MM_ANON), N);
    for (unsigned int i = 0; i < N; i++) {
        struct page *p = test_page(f.parent, f.va + i * PAGE_SIZE);

        EXPECT(p != NULL && p == test_page(f.child, f.va + i * PAGE_SIZE));
        EXPECT(page_mapcount(p) == 2 && page_refs(p) == 2 && !page_test(p, PG_EXCLUSIVE));
    }
    mm_get(f.parent);
    EXPECT(test_write(f.va, 100));
    live_in(f.child);
    EXPECT_EQ(test_read(f.va), 0);
    EXPECT(test_write(f.va + PAGE_SIZE, 200));
    live_in(f.parent);
    EXPECT_EQ(test_read(f.va), 100);
    EXPECT_EQ(test_read(f.va + PAGE_SIZE), 1);
    EXPECT_EQ(test_check(f.parent) + test_check(f.child), 0);
    mm_put(f.child);
    EXPECT_EQ(test_check(f.parent), 0);
    mm_put(f.parent);
    test_mm_leave();
}

/* The last one who has a page writes it in place. */
KTEST(cow, sole_owner_reuses)
{
    struct family f = make_family();
    struct page *p = test_page(f.parent, f.va);
    u64 reuse;

    mm_put(f.child);
    EXPECT_EQ(page_refs(p), 1);
    reuse = vmstat_sum(VMSTAT_pgreuse);
    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(f.va + i * PAGE_SIZE, 300 + i));
    EXPECT_EQ(vmstat_sum(VMSTAT_pgreuse) - reuse, N);
    EXPECT(test_page(f.parent, f.va) == p && page_test(p, PG_EXCLUSIVE));
    EXPECT_EQ(test_check(f.parent), 0);
    test_mm_leave();
}

/* A pinned page stays the parent's, and the child gets its copy at fork. */
KTEST(cow, pinned_page_is_copied_for_the_child)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(3 * PAGE_SIZE, RW, ANON);
    struct vma *v = vma_lookup(mm, va);
    struct page *p;

    EXPECT(vma_ops(v)->pin(v, va, true) == NULL); /* a fault first */
    for (unsigned int i = 0; i < 3; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, 10 + i));
    p = vma_ops(v)->pin(v, va + PAGE_SIZE, true);
    EXPECT_OR_RETURN(p != NULL && !IS_ERR(p));
    EXPECT_EQ(page_pins(p), 1);
    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    EXPECT(test_page(child, va) == test_page(mm, va));
    EXPECT(test_page(child, va + PAGE_SIZE) != p);
    EXPECT(test_page(mm, va + PAGE_SIZE) == p);
    EXPECT(test_write(va + PAGE_SIZE, 55)); /* in place: the pin sees it */
    EXPECT_EQ(*(u64 *)page_to_virt(p), 55);
    EXPECT_EQ(*(u64 *)page_to_virt(test_page(child, va + PAGE_SIZE)), 11);
    EXPECT_EQ(test_check(mm) + test_check(child), 0);
    mm_put(child);
    EXPECT_EQ(mm_munmap(mm, va, 3 * PAGE_SIZE), 0);
    EXPECT_EQ(page_refs(p), 1); /* the pin's */
    page_unpin(p);
    test_mm_leave();
}

/* A pin for writing is not given on a page that others have. */
KTEST(cow, shared_page_is_not_pinned_for_writing)
{
    struct family f = make_family();
    struct vma *v = vma_lookup(f.parent, f.va);
    struct page *p;

    EXPECT(vma_ops(v)->pin(v, f.va, true) == NULL);
    p = vma_ops(v)->pin(v, f.va, false);
    EXPECT_OR_RETURN(p != NULL);
    page_unpin(p);
    mmap_read_lock(f.parent);
    EXPECT_EQ(mm_handle_fault(v, f.va, FAULT_WRITE | FAULT_REMOTE), FAULT_OK);
    p = vma_ops(v)->pin(v, f.va, true);
    mmap_read_unlock(f.parent);
    EXPECT_OR_RETURN(p != NULL);
    EXPECT(page_test(p, PG_EXCLUSIVE));
    page_unpin(p);
    EXPECT_EQ(test_check(f.parent) + test_check(f.child), 0);
    mm_put(f.child);
    test_mm_leave();
}

KTEST(cow, unshare_without_writing)
{
    struct family f = make_family();
    struct vma *v = vma_lookup(f.parent, f.va);

    mmap_read_lock(f.parent);
    EXPECT_EQ(mm_handle_fault(v, f.va, FAULT_UNSHARE), FAULT_OK);
    mmap_read_unlock(f.parent);
    EXPECT(test_page(f.parent, f.va) != test_page(f.child, f.va));
    EXPECT(page_test(test_page(f.parent, f.va), PG_EXCLUSIVE));
    EXPECT_EQ(test_check(f.parent) + test_check(f.child), 0);
    mm_put(f.child);
    test_mm_leave();
}

KTEST(cow, private_copies_of_an_object)
{
    struct mm *mm = test_mm_enter(), *child;
    struct file *f = shmem_file_create("ktest", 3 * PAGE_SIZE, 0);
    vaddr_t va;

    EXPECT_OR_RETURN(!IS_ERR(f));
    va = test_map_file(0, 3 * PAGE_SIZE, RW, MAP_PRIVATE, f);
    EXPECT_EQ(test_read(va), 0);
    EXPECT(test_write(va + PAGE_SIZE, 4));
    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    EXPECT(test_page(child, va + PAGE_SIZE) == test_page(mm, va + PAGE_SIZE));
    EXPECT(test_write(va + PAGE_SIZE, 5));
    mm_get(mm);
    live_in(child);
    EXPECT_EQ(test_read(va + PAGE_SIZE), 4);
    EXPECT_EQ(test_read(va), 0);
    live_in(mm);
    EXPECT_EQ(test_check(mm) + test_check(child), 0);
    mm_put(child);
    mm_put(mm);
    test_mm_leave();
    file_put(f);
}

/* Generations: each process sees what it saw when it was forked. */
KTEST(cow, grandchildren)
{
    struct mm *mm[4];
    vaddr_t va;

    mm[0] = test_mm_enter();
    mm_get(mm[0]);
    va = test_map(2 * PAGE_SIZE, RW, ANON);
    for (unsigned int i = 0; i < 4; i++) {
        live_in(mm[i]);
        EXPECT(test_write(va, i));
        if (i < 3) {
            mm[i + 1] = mm_fork(mm[i]);
            EXPECT(!IS_ERR(mm[i + 1]));
        }
    }
    for (unsigned int i = 0; i < 4; i++) {
        live_in(mm[i]);
        EXPECT_EQ(test_read(va), i);
        EXPECT_EQ(test_check(mm[i]), 0);
    }
    test_mm_leave();
    for (unsigned int i = 0; i < 4; i++)
        mm_put(mm[i]);
}

/* A CPU that reads all the time sees the copy as soon as the write is done. */
static struct watched {
    struct mm *mm;
    vaddr_t va;
    u64 written; /* what the page holds now */
    bool ready, done;
    unsigned long stale;
} watched;

static void watch(struct team *team)
{
    while (!READ_ONCE(watched.done)) {
        u64 before = smp_load_acquire(&watched.written), got = test_read(watched.va);

        if (got < before) /* later ones are as good */
            watched.stale++;
        smp_store_release(&watched.ready, true);
    }
}

#define WATCHED_CHILDREN 8
#define WATCHED_MOST     50 /* rounds; an emulator's two CPUs may take long for each hand-over */
#define WATCHED_LEAST    3

/* Each write copies: a child has the page, too. */
static void write_shared(unsigned long round)
{
    struct mm *children[WATCHED_CHILDREN];

    for (unsigned int k = 0; k < WATCHED_CHILDREN; k++) {
        unsigned long value = round * WATCHED_CHILDREN + k + 1;

        children[k] = mm_fork(watched.mm);
        EXPECT(!IS_ERR(children[k]));
        smp_store_release(&watched.ready, false);
        while (!smp_load_acquire(&watched.ready))
            cpu_relax();
        EXPECT(test_write(watched.va, value));
        smp_store_release(&watched.written, value);
    }
    for (unsigned int k = 0; k < WATCHED_CHILDREN; k++)
        mm_put(children[k]);
}

static void write_rounds(struct team *team, unsigned int nr)
{
    unsigned long round = 0;

    while (team_round(team, nr, WATCHED_MOST) || round < WATCHED_LEAST)
        write_shared(round++);
    test_sleep_ms(1); /* the watcher looks at the last one */
    WRITE_ONCE(watched.done, true);
}

static void write_and_watch(struct team *team, unsigned int nr)
{
    mm_get(watched.mm);
    mm_set_current(watched.mm);
    if (nr == 0)
        write_rounds(team, nr);
    else
        watch(team);
    mm_set_current(NULL);
}

KTEST(cow, other_cpus_see_the_copy)
{
    struct team team;

    if (nr_cpus_online < 2) {
        ktest_skip("one CPU only");
        return;
    }
    memset(&watched, 0, sizeof(watched));
    watched.mm = test_mm_enter();
    watched.va = test_map(PAGE_SIZE, RW, ANON);
    EXPECT(test_write(watched.va, 0));
    team_run(&team, 2, write_and_watch, true);
    EXPECT_EQ(watched.stale, 0);
    test_mm_leave();
}

KTEST(cow, fork_runs_out_of_memory)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(600 * PAGE_SIZE, RW, ANON);
    bool done = false;

    for (unsigned int i = 0; i < 600; i += 3)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    for (long n = 1; !done && n < 200; n++) {
        struct mm *child;

        fail_set_nth(current, n);
        child = mm_fork(mm);
        done = current->fail_nth != 0;
        fail_set_nth(current, 0);
        EXPECT(IS_ERR(child) == !done);
        if (!IS_ERR(child)) {
            EXPECT_EQ(test_check(child), 0);
            mm_put(child);
        }
        EXPECT_EQ(test_check(mm), 0);
        EXPECT(test_write(va, n)); /* the parent's entries stayed usable */
    }
    EXPECT(done);
    test_mm_leave();
}
