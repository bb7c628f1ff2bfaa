/* SPDX-License-Identifier: MIT */
/*
 * thp_race_ktest.c: everything that can happen to huge pages, at once, on all CPUs.
 *
 * Each owner has an area of its own and a model of what each of its pages must hold; it writes,
 * unmaps, protects, moves and discards wholes and parts. Meanwhile a splitter takes all areas' huge
 * pages apart, a forker makes and checks children, a pinner holds pages by reference and writes
 * them through the physical address, as a device would. In the end every byte and every frame is
 * looked at (frames by the runner's leak check).
 */
#include <linux/mman.h>
#include <mm/huge.h>
#include <mm/thp.h>
#include "../team.h"
#include "pt_test.h"

#define SIZE      pt_size(HUGE_LEVEL)
#define NR_OWNERS 2u
#define NR_HUGE   2u    /* of an owner's area */
#define MAX_PAGES 8192u /* 16 MiB pages, too */
#define NR_PINS   24u
#define DURATION  (4 * NSEC_PER_SEC)

struct owner {
    vaddr_t va;          /* of its area, which has a hole of the same size behind */
    u8 stamp[MAX_PAGES]; /* what each page's first word holds */
};

static struct arena {
    struct mm *mm;
    struct owner owner[NR_OWNERS];
    vaddr_t pinned; /* the pinner's area */
    u64 splits;     /* of all causes */
    unsigned long collapses, forks, pins, moves, parts;
} arena;

static unsigned int nr_pages(void)
{
    return NR_HUGE * (unsigned int)huge_nr();
}

static void check_page(const struct owner *o, unsigned int i, const char *when)
{
    u64 got = test_read(o->va + i * PAGE_SIZE);

    if (got == o->stamp[i])
        return;
    pr_err("page %u holds 0x%llx, not 0x%x: %s\n", i, (unsigned long long)got, o->stamp[i], when);
    ktest_fail(__FILE__, __LINE__, when, (long)got, o->stamp[i]);
}

static void write_page(struct owner *o, unsigned int i, u8 stamp)
{
    o->stamp[i] = stamp;
    EXPECT(test_write(o->va + i * PAGE_SIZE, stamp));
}

/* [first, first + n) of the area: a part, a whole huge page, or all. */
static void choose_range(u64 *seed, unsigned int *first, unsigned int *n)
{
    unsigned int huge = test_random(seed) % NR_HUGE, per = (unsigned int)huge_nr();

    switch (test_random(seed) % 3) {
    case 0:
        *first = huge * per;
        *n = per;
        break;
    case 1:
        *first = huge * per + test_random(seed) % (per - 40);
        *n = 1 + test_random(seed) % 40;
        break;
    default: *first = 0; *n = nr_pages();
    }
}

static void discard(struct owner *o, unsigned int first, unsigned int n)
{
    EXPECT_EQ(mm_madvise(arena.mm, o->va + first * PAGE_SIZE, n * PAGE_SIZE, MADV_DONTNEED), 0);
    memset(o->stamp + first, 0, n);
}

static void remap_anew(struct owner *o, unsigned int first, unsigned int n)
{
    vaddr_t at = o->va + first * PAGE_SIZE;

    EXPECT_EQ(mm_munmap(arena.mm, at, n * PAGE_SIZE), 0);
    EXPECT(test_map_file(at, n * PAGE_SIZE, RW, ANON, NULL) == at);
    EXPECT_EQ(mm_madvise(arena.mm, at, n * PAGE_SIZE, MADV_HUGEPAGE), 0);
    memset(o->stamp + first, 0, n);
}

static void protect_and_back(struct owner *o, unsigned int first, unsigned int n)
{
    vaddr_t at = o->va + first * PAGE_SIZE;

    EXPECT_EQ(mm_mprotect(arena.mm, at, n * PAGE_SIZE, PROT_READ), 0);
    EXPECT(!test_write(at, 1));
    check_page(o, first, "read-only");
    EXPECT_EQ(mm_mprotect(arena.mm, at, n * PAGE_SIZE, RW), 0);
}

/* To the hole behind the area and back. */
static void move_and_back(struct owner *o, unsigned int first, unsigned int n)
{
    vaddr_t at = o->va + first * PAGE_SIZE, other = at + (NR_HUGE + 1) * SIZE;

    for (unsigned int i = 0; i < 2; i++) {
        struct mremap_request r = {.addr = i ? other : at,
                                   .old_len = n * PAGE_SIZE,
                                   .new_len = n * PAGE_SIZE,
                                   .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                   .new_addr = i ? at : other};

        EXPECT_EQ(mm_mremap(arena.mm, &r), (long)r.new_addr);
    }
}

static void own(struct team *team, struct owner *o, u64 seed)
{
    unsigned int n = nr_pages(), first, len;

    while (!team_stopped(team)) {
        choose_range(&seed, &first, &len);
        switch (test_random(&seed) % 6) {
        case 0: discard(o, first, len); break;
        case 1: remap_anew(o, first, len); break;
        case 2: protect_and_back(o, first, len); break;
        case 3:
            move_and_back(o, first, len);
            arena.moves++;
            break;
        default:
            for (unsigned int i = first; i < first + min(len, 96u); i++)
                write_page(o, i, (u8)(1 + test_random(&seed) % 255));
        }
        for (unsigned int k = 0; k < 16; k++)
            check_page(o, test_random(&seed) % n, "after an operation");
        arena.parts++;
    }
    for (unsigned int i = 0; i < n; i++)
        check_page(o, i, "in the end");
}

/* The page of a huge leaf at @va, or NULL. */
static struct page *huge_at(vaddr_t va)
{
    unsigned int level;
    pte_t e = test_entry(arena.mm, va, &level);
    struct page *p;

    if (level != HUGE_LEVEL || !pte_is_leaf(e, level))
        return NULL;
    p = pfn_to_page(pte_paddr(e, level) >> PAGE_SHIFT);
    return p->kind == PAGE_ANON ? p : NULL;
}

static void split_all_the_time(struct team *team, u64 seed)
{
    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        vaddr_t base = r % 3 == 2 ? arena.pinned : arena.owner[r % 2].va, va;
        struct page *p;

        va = base + (r >> 4) % (2 * NR_HUGE + 1) * SIZE;
        mmap_read_lock(arena.mm); /* the tables */
        p = huge_at(va);
        mmap_read_unlock(arena.mm);
        if (p != NULL)
            split_huge_page(p + (r >> 12) % huge_nr());
    }
}

static void collapse_all_the_time(struct team *team, u64 seed)
{
    const struct collapse_limits limits = {.none = ~0u, .shared = ~0u, .gfp = GFP_USER | GFP_NOOOM};

    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        vaddr_t base = r % 3 == 2 ? arena.pinned : arena.owner[r % 2].va;

        if (thp_collapse(arena.mm, base + (r >> 4) % NR_HUGE * SIZE, &limits) == COLLAPSE_OK)
            arena.collapses++;
        test_sleep_ms(1);
    }
}

/* A child's memory stands still: what it reads twice is the same. */
static void fork_all_the_time(struct team *team, u64 seed)
{
    while (!team_stopped(team)) {
        struct mm *child;
        vaddr_t va = arena.owner[test_random(&seed) % NR_OWNERS].va;
        u64 seen[16];

        mm_get(arena.mm);
        mm_set_current(NULL);
        child = mm_fork(arena.mm);
        if (IS_ERR(child)) {
            EXPECT_EQ(PTR_ERR(child), -ENOMEM);
        } else {
            mm_set_current(child);
            for (unsigned int i = 0; i < 16; i++)
                seen[i] = test_read(va + i * 61 * PAGE_SIZE);
            for (unsigned int i = 0; i < 4; i++)
                (void)test_write(va + i * 61 * PAGE_SIZE, 1000 + i);
            test_spin_us(100);
            for (unsigned int i = 4; i < 16; i++)
                EXPECT_EQ(test_read(va + i * 61 * PAGE_SIZE), seen[i]);
            mm_set_current(NULL);
            arena.forks++;
        }
        mm_set_current(arena.mm);
    }
}

struct held {
    struct page *p;
    vaddr_t va;
    u64 value;
};

/* As a device: a page pinned for writing is written by its physical address later; the program sees
 * it at the address, and the other way round. */
static void take_pin(struct held *h, u64 seed)
{
    vaddr_t va = arena.pinned + seed % nr_pages() * PAGE_SIZE;
    struct vma *v;

    EXPECT(test_write(va, seed));
    mmap_read_lock(arena.mm);
    v = vma_lookup(arena.mm, va);
    h->p = vma_ops(v)->pin(v, va, true);
    mmap_read_unlock(arena.mm);
    h->va = va;
    if (h->p == NULL)
        return; /* fork was there in between */
    h->value = seed + 1;
    WRITE_ONCE(*(u64 *)page_to_virt(h->p), h->value);
    arena.pins++;
}

static void drop_pin(struct held *h, bool mapped)
{
    EXPECT_EQ(READ_ONCE(*(u64 *)page_to_virt(h->p)), h->value);
    if (mapped)
        EXPECT_EQ(test_read(h->va), h->value);
    page_unpin(h->p);
    h->p = NULL;
}

/* Nobody else changes what the pinned area maps, but now and then all of it goes. */
static void pin_all_the_time(struct team *team, u64 seed)
{
    struct held held[NR_PINS] = {{.p = NULL}};

    while (!team_stopped(team)) {
        u32 r = test_random(&seed);
        struct held *h = &held[r % NR_PINS];
        bool drop_all = (r >> 8) % 200 == 0, twice = false;

        if (drop_all) {
            EXPECT_EQ(mm_madvise(arena.mm, arena.pinned, NR_HUGE * SIZE, MADV_DONTNEED), 0);
            for (unsigned int i = 0; i < NR_PINS; i++)
                if (held[i].p != NULL)
                    drop_pin(&held[i], false);
        } else if (h->p != NULL) {
            drop_pin(h, true);
        } else {
            u64 at = test_random(&seed);

            for (unsigned int i = 0; i < NR_PINS; i++)
                twice |=
                    held[i].p != NULL && held[i].va == arena.pinned + at % nr_pages() * PAGE_SIZE;
            if (!twice)
                take_pin(h, at);
        }
    }
    for (unsigned int i = 0; i < NR_PINS; i++)
        if (held[i].p != NULL)
            drop_pin(&held[i], true);
}

static void worker(struct team *team, unsigned int nr)
{
    mm_get(arena.mm);
    mm_set_current(arena.mm);
    switch (nr) {
    case 0:
    case 1: own(team, &arena.owner[nr], nr + 1); break;
    case 2: split_all_the_time(team, 77); break;
    case 3: fork_all_the_time(team, 78); break;
    case 4: pin_all_the_time(team, 79); break;
    case 5: collapse_all_the_time(team, 81); break;
    default: split_all_the_time(team, 80);
    }
    mm_set_current(NULL);
}

static vaddr_t map_area(unsigned int n)
{
    vaddr_t va = test_map((n + 1) * SIZE, RW, ANON), first = ALIGN_UP(va, SIZE);

    EXPECT_EQ(mm_madvise(arena.mm, va, (n + 1) * SIZE, MADV_HUGEPAGE), 0);
    return first;
}

KTEST(thp_race, all_at_once)
{
    u64 end, splits = vmstat_sum(VMSTAT_thp_split_page);
    struct team team;

    if (huge_words == NULL || buddy_nr_free() < 40 * huge_nr()) {
        ktest_skip("no huge pages, or no memory");
        return;
    }
    EXPECT_OR_RETURN(nr_pages() <= MAX_PAGES);
    memset(&arena, 0, sizeof(arena));
    arena.mm = test_mm_enter();
    for (unsigned int i = 0; i < NR_OWNERS; i++)
        arena.owner[i].va = map_area(2 * NR_HUGE + 1);
    arena.pinned = map_area(NR_HUGE);
    for (unsigned int i = 0; i < NR_OWNERS; i++) {
        vaddr_t hole = arena.owner[i].va + NR_HUGE * SIZE;

        EXPECT_EQ(mm_munmap(arena.mm, hole, (NR_HUGE + 1) * SIZE), 0);
    }
    end = clock_monotonic_ns() + DURATION;
    team_start(&team, 7, worker, false);
    while (clock_monotonic_ns() < end)
        test_sleep_ms(50);
    WRITE_ONCE(team.stop, true);
    team_join(&team);
    arena.splits = vmstat_sum(VMSTAT_thp_split_page) - splits;
    pr_info(
        "thp_race: %lu operations, %lu moves, %llu splits, %lu collapses, %lu forks, %lu pins\n",
        arena.parts, arena.moves, (unsigned long long)arena.splits, arena.collapses, arena.forks,
        arena.pins);
    EXPECT(arena.parts != 0 && arena.splits != 0 && arena.forks != 0 && arena.pins != 0);
    EXPECT_EQ(test_check(arena.mm), 0);
    test_mm_leave();
}
