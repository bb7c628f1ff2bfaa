/* SPDX-License-Identifier: MIT */
/* gup_ktest.c: pinned pages: what each way gives and refuses, what fork, zapping and copy-on-write
 * do around pins, and the lock-free way against them on all CPUs. */
#include <kernel/vfs.h>
#include <mm/gup.h>
#include "../team.h"
#include "pt_test.h"

#define N 8

/* After every test, whatever it is about: nobody has forgotten to unpin. */
static int check_pins(void)
{
    int bad = 0;

    for (pfn_t pfn = mem_map_first; pfn < mem_map_end; pfn++) {
        struct page *p = pfn_to_page(pfn);

        if (likely(page_pins(p) == 0))
            continue;
        pr_err("gup: frame 0x%lx of kind %u has %u pins\n", pfn, p->kind, page_pins(p));
        bad++;
    }
    return bad;
}
KCHECK("pins", check_pins);

static unsigned long fast(vaddr_t va, unsigned long nr, unsigned int flags, struct page **pages)
{
    return gup_fast_only(va, nr, flags, pages, true);
}

KTEST(gup, fast_takes_what_needs_no_fault)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(N * PAGE_SIZE, RW, ANON);
    struct page *pages[N];

    EXPECT_EQ(fast(va, N, 0, pages), 0);
    for (unsigned int i = 0; i < N - 2; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    EXPECT_EQ(fast(va + 17, N, GUP_WRITE, pages), N - 2);
    for (unsigned int i = 0; i < N - 2; i++) {
        EXPECT(pages[i] == test_page(mm, va + i * PAGE_SIZE));
        EXPECT(page_pins(pages[i]) == 1 && page_refs(pages[i]) == 2);
    }
    unpin_user_pages(pages, N - 2, false);
    EXPECT_EQ(page_pins(pages[0]), 0);
    EXPECT_EQ(gup_fast_only(va, 1, GUP_WRITE, pages, false), 1);
    EXPECT(page_pins(pages[0]) == 0 && page_refs(pages[0]) == 2);
    page_put(pages[0]);
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(fast(va, 1, GUP_WRITE, pages), 0);
    EXPECT_EQ(fast(va, 1, 0, pages), 1);
    unpin_user_pages(pages, 1, false);
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_NONE), 0);
    EXPECT_EQ(fast(va, 1, 0, pages), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* More than one table, and the end in the middle of one. */
KTEST(gup, fast_over_tables)
{
    struct mm *mm = test_mm_enter();
    unsigned long nr = pt_entries(0) + 5, got;
    vaddr_t va = test_map_file(MIB(512) - PAGE_SIZE * 3, nr * PAGE_SIZE, RW, ANON, NULL);
    unsigned int order = 1; /* tables have more entries on some machines than on others */
    struct page **pages;

    while ((nr + 1) * sizeof(*pages) > PAGE_SIZE << order)
        order++;
    pages = page_to_virt(alloc_pages(order, GFP_KERNEL));
    EXPECT_EQ(mm_populate(mm, va, va + nr * PAGE_SIZE, true), 0);
    got = fast(va, nr + 1, GUP_WRITE, pages);
    EXPECT_EQ(got, nr);
    for (unsigned long i = 0; i < got; i++)
        EXPECT(pages[i] == test_page(mm, va + i * PAGE_SIZE));
    unpin_user_pages(pages, got, true);
    free_pages(virt_to_page(pages), order);
    test_mm_leave();
}

KTEST(gup, slow_makes_the_faults)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(N * PAGE_SIZE, RW, ANON);
    struct page *pages[N + 1];

    EXPECT_EQ(pin_user_pages(mm, va, N, GUP_WRITE, pages), N);
    unpin_user_pages(pages, N, true);
    EXPECT_EQ(test_rss(mm, MM_ANON), N);
    /* short, and what makes it so */
    EXPECT_EQ(pin_user_pages_fast(va, N + 1, GUP_WRITE, pages), N);
    unpin_user_pages(pages, N, false);
    EXPECT_EQ(pin_user_pages_fast(va + N * PAGE_SIZE, 1, 0, pages), -EFAULT);
    EXPECT_EQ(mm_mprotect(mm, va, PAGE_SIZE, PROT_READ), 0);
    EXPECT_EQ(pin_user_pages_fast(va, 2, GUP_WRITE, pages), -EFAULT);
    EXPECT_EQ(get_user_pages_fast(va, 2, 0, pages), 2);
    EXPECT_EQ(page_pins(pages[0]), 0);
    page_put(pages[0]);
    page_put(pages[1]);
    EXPECT_EQ(pin_user_pages(mm, user_top() - PAGE_SIZE, 2, 0, pages), -EFAULT);
    EXPECT_EQ(pin_user_pages_fast(user_top(), 1, 0, pages), -EFAULT);
    EXPECT_EQ(pin_user_pages_fast(~0UL, ~0UL, 0, pages), -EFAULT);
    EXPECT_EQ(pin_user_pages_fast(va, 0, 0, pages), 0);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}

/* The count of references is bounded: refused, not wrapped. */
KTEST(gup, too_many_references)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(PAGE_SIZE, RW, ANON);
    struct page *p, *again;

    EXPECT(test_write(va, 1));
    EXPECT_EQ(pin_user_pages(mm, va, 1, GUP_WRITE, &p), 1);
    page_get_n(p, GUP_REFS_MAX);
    EXPECT_EQ(fast(va, 1, GUP_WRITE, &again), 0);
    EXPECT_EQ(pin_user_pages(mm, va, 1, GUP_WRITE, &again), -ENOMEM);
    EXPECT_EQ(page_pins(p), 1);
    page_put_units(p, (u64)GUP_REFS_MAX * PAGE_REF);
    unpin_user_page(p);
    test_mm_leave();
}

KTEST(gup, fork_copies_exactly_the_pinned_pages)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(N * PAGE_SIZE, RW, ANON);
    struct page *pinned[2], *got;

    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, i));
    EXPECT_EQ(pin_user_pages_fast(va + 2 * PAGE_SIZE, 1, GUP_WRITE, &pinned[0]), 1);
    EXPECT_EQ(pin_user_pages_fast(va + 5 * PAGE_SIZE, 1, 0, &pinned[1]), 1);
    EXPECT_EQ(get_user_pages_fast(va + 6 * PAGE_SIZE, 1, GUP_WRITE, &got), 1);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    for (unsigned int i = 0; i < N; i++) {
        bool same = test_page(mm, va + i * PAGE_SIZE) == test_page(child, va + i * PAGE_SIZE);

        EXPECT_EQ(same, i != 2 && i != 5);
        EXPECT(test_write(va + i * PAGE_SIZE, 100 + i));
    }
    EXPECT_EQ(*(u64 *)page_to_virt(pinned[0]), 102);
    EXPECT_EQ(*(u64 *)page_to_virt(pinned[1]), 105);
    EXPECT_EQ(*(u64 *)page_to_virt(got), 6); /* a reference is no pin */
    EXPECT_EQ(test_check(mm) + test_check(child), 0);
    unpin_user_pages(pinned, 2, true);
    page_put(got);
    mm_put(child);
    test_mm_leave();
}

/* A pin for reading sees later writes of the process; so the page must be its own first. */
KTEST(gup, pin_for_reading_unshares)
{
    struct mm *mm = test_mm_enter(), *child;
    vaddr_t va = test_map(2 * PAGE_SIZE, RW, ANON);
    struct page *p, *ref;

    EXPECT(test_write(va, 7) && test_write(va + PAGE_SIZE, 8));
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(fast(va, 1, 0, &p), 0);
    EXPECT_EQ(get_user_pages_fast(va, 1, 0, &ref), 1);
    EXPECT(ref == test_page(child, va));
    page_put(ref);
    EXPECT_EQ(pin_user_pages_fast(va, 1, 0, &p), 1);
    EXPECT(p == test_page(mm, va) && p != test_page(child, va) && page_test(p, PG_EXCLUSIVE));
    EXPECT(test_write(va, 9));
    EXPECT(p == test_page(mm, va));
    EXPECT_EQ(*(u64 *)page_to_virt(p), 9);
    EXPECT_EQ(*(u64 *)page_to_virt(test_page(child, va)), 7);
    unpin_user_page(p);
    EXPECT_EQ(test_check(mm) + test_check(child), 0);
    mm_put(child);
    test_mm_leave();
}

KTEST(gup, longterm_replaces_what_is_not_private)
{
    struct mm *mm = test_mm_enter();
    struct file *f = shmem_file_create("ktest", 2 * PAGE_SIZE, 0);
    vaddr_t anon = test_map(PAGE_SIZE, RW, ANON), priv, shared;
    struct page *p;

    EXPECT_OR_RETURN(!IS_ERR(f));
    priv = test_map_file(0, 2 * PAGE_SIZE, RW, MAP_PRIVATE, f);
    shared = test_map_file(0, 2 * PAGE_SIZE, RW, MAP_SHARED, f);
    EXPECT_EQ(pin_user_pages_fast(anon, 1, 0, &p), 1);
    EXPECT(p == zero_page);
    unpin_user_page(p);
    EXPECT_EQ(pin_user_pages_fast(anon, 1, GUP_LONGTERM, &p), 1);
    EXPECT(p != zero_page && p == test_page(mm, anon) && page_test(p, PG_EXCLUSIVE));
    unpin_user_page(p);
    EXPECT(test_write(shared, 33));
    EXPECT_EQ(pin_user_pages_fast(priv, 1, GUP_LONGTERM, &p), 1);
    EXPECT(p->kind == PAGE_ANON && *(u64 *)page_to_virt(p) == 33);
    unpin_user_page(p);
    EXPECT_EQ(pin_user_pages_fast(shared, 1, GUP_LONGTERM | GUP_WRITE, &p), 1);
    EXPECT(p->kind == PAGE_FILE && page_test(p, PG_DIRTY));
    unpin_user_page(p);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
}

static int map_ram(struct file *f, struct vma *v)
{
    static struct pfnmap ram;

    ram = (struct pfnmap){.base = 0, .len = (u64)mem_map_end << PAGE_SHIFT};
    v->flags &= ~(VM_MAYWRITE | VM_WRITE);
    return pfnmap_setup(v, &ram);
}

/* Frames that the process only looks at are not its to hold, by neither way; its own are, still. */
KTEST(gup, device_memory_is_refused)
{
    static const struct file_ops ops = {.mmap = map_ram};
    struct mm *mm = test_mm_enter();
    vaddr_t own = test_map(PAGE_SIZE, RW, ANON), at;
    struct file *f = file_alloc_anon("ktest", &ops, O_RDWR, NULL);
    struct page *p, *q;

    EXPECT_OR_RETURN(!IS_ERR(f));
    EXPECT(test_write(own, 5));
    EXPECT_EQ(fast(own, 1, 0, &p), 1);
    at = test_map_file(0, (size_t)mem_map_end << PAGE_SHIFT, PROT_READ, MAP_SHARED, f);
    EXPECT_EQ(test_read(at + page_to_phys(p)), 5);
    EXPECT_EQ(fast(at + page_to_phys(p), 1, 0, &q), 0);
    EXPECT_EQ(pin_user_pages_fast(at + page_to_phys(p), 1, 0, &q), -EFAULT);
    EXPECT_EQ(page_pins(p), 1);
    EXPECT_EQ(pin_user_pages_fast(own, 1, GUP_WRITE, &q), 1);
    EXPECT(p == q);
    unpin_user_pages(&p, 1, false);
    unpin_user_pages(&q, 1, false);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    file_put(f);
}

KTEST(gup, frame_outlives_its_mapping)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(3 * PAGE_SIZE, RW, ANON);
    struct page *p[3];

    EXPECT_EQ(pin_user_pages(mm, va, 3, GUP_WRITE, p), 3);
    for (unsigned int i = 0; i < 3; i++)
        EXPECT(test_write(va + i * PAGE_SIZE, 40 + i));
    EXPECT_EQ(mm_madvise(mm, va, PAGE_SIZE, MADV_DONTNEED), 0);
    EXPECT_EQ(mm_munmap(mm, va + PAGE_SIZE, PAGE_SIZE), 0);
    EXPECT_EQ(test_read(va), 0);
    EXPECT(test_page(mm, va) != p[0]);
    test_mm_leave();
    for (unsigned int i = 0; i < 3; i++) {
        EXPECT_EQ(*(u64 *)page_to_virt(p[i]), 40 + i);
        EXPECT(page_refs(p[i]) == 1 && page_pins(p[i]) == 1 && page_mapcount(p[i]) == 0);
    }
    unpin_user_pages(p, 3, true);
}

/* ---- against the others ---- */

struct race {
    struct mm *mm;
    vaddr_t va; /* N pages; the last two come and go */
    unsigned long forks, quick, slow;
};

static void join_mm(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* The promise of a pin, in both directions, as long as the pin is held. */
static void check_coherent(struct page *p, vaddr_t va, unsigned int nr, u64 stamp)
{
    u64 *seen = (u64 *)page_to_virt(p) + nr;

    WRITE_ONCE(*seen, stamp);
    EXPECT_EQ(test_read(va + nr * 8), stamp);
    EXPECT(test_write(va + nr * 8, ~stamp));
    EXPECT_EQ(READ_ONCE(*seen), ~stamp);
}

static void race_pin(struct team *team, struct race *r, unsigned int nr)
{
    u64 random = nr, stamp = 0;

    while (team_round(team, nr, 20000)) {
        vaddr_t va = r->va + test_random(&random) % (N - 2) * PAGE_SIZE;
        unsigned int how = test_random(&random) & 1 ? GUP_WRITE : 0;
        struct page *p;

        if (fast(va, 1, how, &p) == 1) {
            (void)__atomic_fetch_add(&r->quick, 1, __ATOMIC_RELAXED);
        } else {
            EXPECT_EQ(pin_user_pages(r->mm, va, 1, how, &p), 1);
            (void)__atomic_fetch_add(&r->slow, 1, __ATOMIC_RELAXED);
        }
        check_coherent(p, va, nr, ++stamp);
        unpin_user_pages(&p, 1, true);
    }
}

/* Pages that may be taken away at any time: what was pinned stays whole. */
static void race_pin_zapped(struct race *r, unsigned int nr)
{
    vaddr_t va = r->va + (N - 2 + nr % 2) * PAGE_SIZE;
    struct page *p;

    if (pin_user_pages_fast(va, 1, GUP_WRITE, &p) != 1)
        return; /* nothing mapped just now */
    u64 *seen = (u64 *)page_to_virt(p) + nr;

    WRITE_ONCE(*seen, (u64)va + nr);
    test_spin_us(5);
    EXPECT_EQ(READ_ONCE(*seen), (u64)va + nr);
    EXPECT(p->kind == PAGE_ANON && page_pins(p) > 0);
    unpin_user_pages(&p, 1, true);
}

static void race_zap(struct race *r, u64 *random)
{
    vaddr_t va = r->va + (N - 2) * PAGE_SIZE;

    if (test_random(random) & 1) {
        EXPECT_EQ(mm_madvise(r->mm, va, 2 * PAGE_SIZE, MADV_DONTNEED), 0);
        return;
    }
    EXPECT_EQ(mm_munmap(r->mm, va, 2 * PAGE_SIZE), 0);
    (void)test_map_file(va, 2 * PAGE_SIZE, RW, ANON, NULL);
}

static void race_fork(struct team *team, struct race *r, unsigned int nr)
{
    u64 random = 99;

    while (team_round(team, nr, 1000)) {
        struct mm *child = mm_fork(r->mm);

        EXPECT(!IS_ERR(child));
        if (IS_ERR(child))
            return;
        r->forks++;
        race_zap(r, &random);
        mm_put(child);
    }
}

static void race_member(struct team *team, unsigned int nr)
{
    struct race *r = team->arg;

    join_mm(r->mm);
    if (nr == 0)
        race_fork(team, r, nr);
    else if (nr == 1)
        while (team_round(team, nr, 20000))
            race_pin_zapped(r, nr);
    else
        race_pin(team, r, nr);
    mm_set_current(NULL);
}

KTEST(gup, fast_against_fork_and_zap)
{
    struct race r = {.mm = test_mm_enter()};
    struct team team = {.arg = &r};

    r.va = test_map(N * PAGE_SIZE, RW, ANON);
    for (unsigned int i = 0; i < N; i++)
        EXPECT(test_write(r.va + i * PAGE_SIZE, i));
    team_start(&team, 4, race_member, true);
    team.end_ns += 2 * NSEC_PER_SEC;
    team_join(&team);
    EXPECT(r.forks > 0 && team.rounds[1] > 0 && team.rounds[2] > 0);
    pr_info("gup race: %lu forks, %lu pins without a lock, %lu with\n", r.forks, r.quick, r.slow);
    EXPECT_EQ(test_check(r.mm), 0);
    test_mm_leave();
}
