/* SPDX-License-Identifier: MIT */
/*
 * pt_walk_test.c: the walker on trees of several shapes against one that looks at a single address
 * from the root each time; splitting, freeing, moving, zapping and copying of leaves of every
 * level; each allocation failing once.
 */
#include <asm/errno.h>
#include <asm/host_mmu.h>
#include <mm/huge.h>
#include <mm/pt_ops.h>
#include <stdio.h>
#include <string.h>
#include "host.h"

static const struct {
    const char *name;
    struct host_geometry g;
} shapes[] = {
    {"4 x 9 bits", {.top = 3, .bits = {9, 9, 9, 9}, .leaf_levels = 7, .abilities = ~0u}},
    {"5 x 9 bits", {.top = 4, .bits = {9, 9, 9, 9, 9}, .leaf_levels = 7, .abilities = ~0u}},
    {"9 9 9 13 bits",
     {.top = 3, .bits = {9, 9, 9, 13}, .leaf_levels = 7, .abilities = 1u << MMU_WALKS_TREE}},
    {"12 4 9 9 bits", {.top = 3, .bits = {12, 4, 9, 9}, .leaf_levels = 3, .abilities = 0}},
    {"6 x 4 bits", {.top = 5, .bits = {4, 4, 4, 4, 4, 4}, .leaf_levels = 31, .abilities = ~0u}},
};

static struct mm mm;
static vaddr_t region; /* tests work in [region, region + region_size) */
static vaddr_t region_size;

static void begin(unsigned int shape)
{
    static bool booted;

    if (!booted) {
        host_boot(MIB(64), PAGE_SIZE);
        pt_init();
        booted = true;
    }
    host_geometry = shapes[shape].g;
    host_mmu_reset();
    memset(&mm, 0, sizeof(mm));
    rwsem_init(&mm.mmap_lock, LOCK_MMAP);
    EXPECT(mmu_mm_init(&mm) == 0);
    cpumask_set(&mm.cpus, 0);
    unsigned int level = min(pt_top_level(), 2u);
    region_size = 3 * pt_size(level);
    region = 5 * pt_size(level);
}

static void free_all(void)
{
    struct tlb_gather tlb;

    tlb_gather_begin(&tlb, &mm, false);
    pt_free_tables(&tlb, region, region + region_size, 0, 0);
    tlb_gather_end(&tlb);
}

/* Clears every entry of the region, not caring what it maps. */
static void clear_all(void)
{
    struct pt_cursor c;
    struct pt_run r;

    pt_cursor_begin(&c, &mm, region, region + region_size, true);
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr; i++)
            pte_store(r.slot + i, pte_none());
        r.table->pt_used -= r.nr;
    }
}

static void end(void)
{
    clear_all();
    free_all();
    EXPECT_EQ(atomic_long_read(&mm.pt_pages), 1L << pt_table_order(pt_top_level()));
    mmu_mm_destroy(&mm);
}

/* The naive walker. */
static pte_t look(vaddr_t va, unsigned int *level, pt_prot_t *link)
{
    pte_t *base = mm.root;

    *link = PT_RWXU;
    for (*level = pt_top_level();; --*level) {
        pte_t e = base[pt_index(va, *level)];

        if (!pte_is_table(e, *level))
            return e;
        *link &= pte_prot(e, *level);
        base = phys_to_virt(pte_paddr(e, *level));
    }
}

/* Puts @e at @va unless a table or something else is in the way. */
static bool put(vaddr_t va, unsigned int level, pte_t e)
{
    struct page *table;
    unsigned int found;
    pte_t *slot = pt_get_locked(&mm, va, level, &table, &found);
    bool free;

    if (slot == NULL)
        return false;
    free = found == level && pte_is_none(pte_load(slot));
    if (free) {
        pte_store(slot, e);
        table->pt_used++;
    }
    pt_unlock(table);
    return free;
}

static vaddr_t random_va(void)
{
    /* Often near a border of the level-1 span, where the mistakes are. */
    vaddr_t va = region + host_random() % region_size;

    if (host_random_below(3) == 0)
        va = ALIGN_DOWN(va, pt_size(1)) + ((int)host_random_below(5) - 2) * (long)PAGE_SIZE;
    va = ALIGN_DOWN(va, PAGE_SIZE);
    return va < region                  ? region
           : va >= region + region_size ? region + region_size - PAGE_SIZE
                                        : va;
}

static void fill(unsigned int n)
{
    for (unsigned int i = 0; i < n; i++) {
        unsigned int level = host_random_below(12) == 0 ? host_random_below(3) : 0;
        vaddr_t va = random_va();

        if (!pt_level_can_leaf(level))
            level = 0;
        for (unsigned int run = 1 + host_random_below(6); run > 0 && va < region + region_size;
             run--, va += pt_size(level)) {
            va = ALIGN_DOWN(va, pt_size(level));
            if (host_random_below(8) == 0)
                put(va, level, pte_make_marker(3, va >> PAGE_SHIFT));
            else
                put(va, level, pte_make_leaf(ALIGN_DOWN(va, pt_size(level)), level, PT_R | PT_U));
        }
    }
}

static enum pt_kind kind(pte_t e, unsigned int level)
{
    return pte_is_none(e) ? PT_KIND_HOLE : pte_is_leaf(e, level) ? PT_KIND_LEAF : PT_KIND_MARKER;
}

/* [va, end) holds nothing. */
static void expect_hole(vaddr_t va, vaddr_t end)
{
    unsigned int level;
    pt_prot_t link;

    for (; va < end; va = pt_next(va, end, level))
        EXPECT(pte_is_none(look(va, &level, &link)));
}

static void check_run(const struct pt_run *r, bool mixed)
{
    vaddr_t va = r->va;

    EXPECT(spin_is_locked(&r->table->ptl));
    for (unsigned int i = 0; i < r->nr; i++) {
        unsigned int level;
        pt_prot_t link;
        pte_t e = look(va, &level, &link);

        EXPECT_EQ(level, r->level);
        EXPECT_EQ(link, r->link);
        EXPECT(r->slot[i].v == e.v);
        EXPECT(mixed || kind(e, level) == r->kind);
        va = pt_next(va, r->end, level);
    }
    EXPECT(va == r->end);
}

static void walk_range(vaddr_t start, vaddr_t stop, bool skip_holes, bool mixed)
{
    struct pt_cursor c;
    struct pt_run r;
    vaddr_t at = start;

    pt_cursor_begin(&c, &mm, start, stop, skip_holes);
    while (mixed ? pt_cursor_next_table(&c, &r) : pt_cursor_next(&c, &r)) {
        EXPECT(skip_holes ? r.va >= at : r.va == at);
        expect_hole(at, r.va);
        check_run(&r, mixed);
        EXPECT(mixed || !skip_holes || r.kind != PT_KIND_HOLE);
        at = r.end;
        if (host_random_below(4) == 0)
            pt_cursor_unlock(&c);
    }
    if (skip_holes)
        expect_hole(at, stop);
    else
        EXPECT(at == stop);
    pt_cursor_end(&c);
}

HTEST(cursor_against_naive_walker)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        begin(s);
        for (unsigned int round = 0; round < 8; round++) {
            fill(12);
            for (unsigned int i = 0; i < 24; i++) {
                vaddr_t a = random_va(), b = random_va();

                if (a > b)
                    walk_range(b, a, i & 1, i & 2);
                walk_range(a, max(a, b) + PAGE_SIZE, i & 1, i & 2);
            }
            walk_range(region, region + region_size, round & 1, round & 2);
        }
        end();
    }
}

/* As mremap and the cut of an area call it. */
static int split_at(vaddr_t va)
{
    int err;

    rwsem_write_lock(&mm.mmap_lock);
    err = pt_split_leaf_at(&mm, va);
    rwsem_write_unlock(&mm.mmap_lock);
    return err;
}

HTEST(split_leaf_keeps_translations)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        for (unsigned int top = 1; top <= 2; top++) {
            unsigned int level;
            pt_prot_t link;

            begin(s);
            if (pt_level_can_leaf(top)) {
                pte_t leaf = pte_with_state(
                    pte_make_leaf(pt_size(top) * 2, top, PT_R | PT_W | PT_U), PT_DIRTY);
                vaddr_t at = region + pt_size(top) / 2 + PAGE_SIZE * 3;

                EXPECT(put(region, top, leaf));
                EXPECT_EQ(split_at(region), 0);
                EXPECT_EQ(look(region, &level, &link).v, leaf.v);
                host_fail_nth(1);
                EXPECT_EQ(split_at(at), -ENOMEM);
                host_fail_nth(0);
                EXPECT_EQ(look(region, &level, &link).v, leaf.v);
                EXPECT_EQ(split_at(at), 0);
                for (vaddr_t va = region; va < region + pt_size(top); va += pt_size(level)) {
                    pte_t e = look(va, &level, &link);

                    EXPECT(pte_is_leaf(e, level));
                    EXPECT_EQ(pte_paddr(e, level), pt_size(top) * 2 + (va - region));
                    EXPECT_EQ(pte_prot(e, level), PT_R | PT_W | PT_U);
                    EXPECT_EQ(pte_state(e), PT_DIRTY);
                    EXPECT(va + pt_size(level) <= at || va >= at);
                }
                EXPECT_EQ(host_mmu_counts.flush_range, top);
            }
            end();
        }
    }
}

/* Tables that a neighbour on either side needs stay; all others go, and every failure of an
 * allocation leaves nothing behind. */
HTEST(tables_are_freed_up_to_the_neighbours)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct tlb_gather tlb;
        struct page *table;
        unsigned int found;
        long before;

        begin(s);
        vaddr_t a = region + pt_size(1) - PAGE_SIZE, b = region + 2 * pt_size(1);
        for (vaddr_t va = a; va < b; va += PAGE_SIZE)
            EXPECT(put(va, 0, pte_make_leaf(va, 0, PT_R | PT_U)));
        before = atomic_long_read(&mm.pt_pages);
        clear_all();
        tlb_gather_begin(&tlb, &mm, false);
        /* The table before @a serves a neighbour that ends at @a. */
        pt_free_tables(&tlb, a, b, a, b);
        tlb_gather_end(&tlb);
        EXPECT_EQ(atomic_long_read(&mm.pt_pages), before - (1L << pt_table_order(0)));
        EXPECT_EQ(host_mmu_counts.flush_range, 1);
        EXPECT(host_mmu_counts.quiesce >= 1);
        free_all();
        for (unsigned int n = 1; n <= pt_top_level(); n++) {
            host_fail_nth(n);
            EXPECT(pt_get_slot(&mm, region, 0, &table, &found) == NULL);
            host_fail_nth(0);
            free_all();
        }
        EXPECT(pt_get_slot(&mm, region, 0, &table, &found) != NULL);
        EXPECT(pt_find_slot(&mm, region + pt_size(pt_top_level()) - PAGE_SIZE, 0, &table, &found) ==
               NULL);
        end();
    }
}

static void make_vma(struct vma *v, vaddr_t start, vaddr_t stop, unsigned long flags)
{
    *v = (struct vma){.start = start,
                      .end = stop,
                      .mm = &mm,
                      .flags = flags,
                      .pgoff = start >> PAGE_SHIFT,
                      .has_anon = true};
}

/* As huge_init, for the shape of this round. */
static void make_huge_words(void)
{
    static u64 words[4096];

    EXPECT((mem_map_end - mem_map_first) >> huge_order() < ARRAY_SIZE(words));
    memset(words, 0, sizeof(words));
    huge_words = words - (mem_map_first >> huge_order());
}

/* A huge page with two references, the leaf's and ours. */
static struct page *map_huge(struct vma *v, vaddr_t va)
{
    struct page *head = huge_alloc(PAGE_ANON, GFP_KERNEL);
    struct huge_place at = {.mm = &mm, .va = va};
    unsigned int level;
    pte_t e;

    EXPECT(pt_get_slot(&mm, va, HUGE_LEVEL, &at.parent, &level) != NULL && level == HUGE_LEVEL);
    e = pte_make_leaf(page_to_phys(head), HUGE_LEVEL, vma_prot(v));
    huge_get(head);
    head->flags = PG_EXCLUSIVE;
    huge_map_new(head, huge_table_alloc(&mm), &at);
    EXPECT(put(va, HUGE_LEVEL, pte_with_state(e, PT_DIRTY)));
    atomic_long_add(&mm.rss[MM_ANON], (long)huge_nr());
    return head;
}

static u32 refs_of(const struct page *p)
{
    return huge_is(p) ? huge_refs(huge_load(p)) : page_refs(p);
}

static struct page *map_anon(struct vma *v, vaddr_t va, unsigned int level)
{
    struct page *p = alloc_pages(pt_shift(level) - PAGE_SHIFT, GFP_KERNEL | GFP_ZERO);
    pte_t e = pte_with_state(pte_make_leaf(page_to_phys(p), level, vma_prot(v)), PT_DIRTY);

    p->word = 2 * PAGE_REF; /* the leaf's, and ours */
    p->mapcount = 1;
    p->flags = PG_EXCLUSIVE;
    for (unsigned int i = 0; i < (1u << (pt_shift(level) - PAGE_SHIFT)); i++)
        page_set_kind(p + i, PAGE_ANON);
    EXPECT(put(va, level, e));
    atomic_long_add(&mm.rss[MM_ANON], 1L << (pt_shift(level) - PAGE_SHIFT));
    return p;
}

/* A leaf of each level that fits into the host's memory, one behind the other. Fork copies them. */
static unsigned int map_levels(struct vma *v, struct page **pages)
{
    unsigned int n = 0;

    make_vma(v, region, region + 3 * pt_size(1), VM_READ | VM_WRITE | VM_NOSHAREPT);
    for (unsigned int level = 0; level < 2; level++)
        if (pt_level_can_leaf(level) && pt_size(level) <= MIB(16))
            pages[n++] = level == 0 ? map_anon(v, region, 0) : map_huge(v, region + pt_size(1));
    return n;
}

HTEST(protect_zap_and_copy_at_every_level)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct page *pages[2];
        struct mm child;
        struct vma v, cv;
        struct tlb_gather tlb;
        unsigned int n, level;
        pt_prot_t link;
        paddr_t pa;

        begin(s);
        make_huge_words();
        n = map_levels(&v, pages);
        EXPECT(!mmu_has(MMU_HW_YOUNG) || host_mmu_access(&mm, 0, v.start, PT_W | PT_U, &pa));

        memset(&child, 0, sizeof(child));
        EXPECT(mmu_mm_init(&child) == 0);
        cv = v;
        cv.mm = &child;
        EXPECT_EQ(pt_ops_table[PT_DEFAULT].copy(&child, &cv, &v), 0);
        mmu_flush_mm(&mm);
        EXPECT(!host_mmu_access(&mm, 0, v.start, PT_W | PT_U, &pa));
        EXPECT_EQ(atomic_long_read(&child.rss[MM_ANON]), atomic_long_read(&mm.rss[MM_ANON]));
        for (unsigned int i = 0; i < n; i++) {
            EXPECT_EQ(page_mapcount(pages[i]), 2);
            EXPECT_EQ(refs_of(pages[i]), 3);
            EXPECT(!page_test(pages[i], PG_EXCLUSIVE));
        }
        tlb_gather_begin(&tlb, &child, false);
        pt_ops_table[PT_DEFAULT].zap(&tlb, &cv, cv.start, cv.end);
        pt_free_tables(&tlb, cv.start, cv.end, 0, 0);
        tlb_gather_end(&tlb);
        EXPECT_EQ(atomic_long_read(&child.rss[MM_ANON]), 0);
        mmu_mm_destroy(&child);

        v.flags = 0; /* PROT_NONE */
        tlb_gather_begin(&tlb, &mm, false);
        pt_ops_table[PT_DEFAULT].protect(&tlb, &v, v.start, v.end);
        EXPECT(tlb.need_flush);
        tlb_gather_end(&tlb);
        EXPECT_EQ(pte_prot(look(v.start, &level, &link), 0), 0);
        EXPECT(pte_is_leaf(look(v.start, &level, &link), level));
        v.flags = VM_READ | VM_WRITE;
        page_set(pages[0], PG_EXCLUSIVE);
        tlb_gather_begin(&tlb, &mm, false);
        pt_ops_table[PT_DEFAULT].protect(&tlb, &v, v.start, v.end);
        EXPECT(!tlb.need_flush); /* permissions only grew */
        tlb_gather_end(&tlb);
        EXPECT_EQ(pte_prot(look(v.start, &level, &link), 0), PT_R | PT_W | PT_U);

        host_mmu_reset();
        tlb_gather_begin(&tlb, &mm, false);
        pt_ops_table[PT_DEFAULT].zap(&tlb, &v, v.start, v.end);
        tlb_gather_end(&tlb);
        EXPECT_EQ(host_mmu_counts.flush_range, 1);
        EXPECT(host_mmu_counts.start == v.start);
        EXPECT_EQ(atomic_long_read(&mm.rss[MM_ANON]), 0);
        for (unsigned int i = 0; i < n; i++) {
            EXPECT_EQ(page_mapcount(pages[i]), 0);
            EXPECT_EQ(refs_of(pages[i]), 1);
            if (huge_is(pages[i]))
                huge_put(pages[i]);
            else
                page_put(pages[i]);
        }
        huge_words = NULL;
        end();
    }
}

HTEST(move_hangs_whole_tables_elsewhere)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct vma from, to;
        unsigned int level, nr = 0;
        size_t moved;
        pt_prot_t link;

        begin(s);
        for (unsigned int odd = 0; odd < 2; odd++) {
            vaddr_t len = 2 * pt_size(1) + 5 * PAGE_SIZE,
                    target = region + 4 * pt_size(1) + odd * PAGE_SIZE;
            long tables;

            make_vma(&from, region, region + len, VM_READ | VM_WRITE);
            make_vma(&to, target, target + len, VM_READ | VM_WRITE);
            for (vaddr_t va = region; va < region + len; va += 3 * PAGE_SIZE)
                EXPECT(put(va, 0, pte_make_leaf(va, 0, PT_R | PT_U)));
            tables = atomic_long_read(&mm.pt_pages);
            rwsem_write_lock(&mm.mmap_lock);
            EXPECT_EQ(pt_ops_table[PT_DEFAULT].move(&from, region, &to, target, len, &moved), 0);
            rwsem_write_unlock(&mm.mmap_lock);
            EXPECT_EQ(moved, len);
            if (!odd) /* two tables moved, one is needed for the rest */
                EXPECT(atomic_long_read(&mm.pt_pages) <= tables + 2 * (1L << pt_table_order(0)));
            for (vaddr_t va = 0; va < len; va += PAGE_SIZE) {
                EXPECT(pte_is_none(look(region + va, &level, &link)));
                nr += pte_paddr(look(target + va, &level, &link), 0) == region + va;
            }
            EXPECT_EQ(nr, (len / PAGE_SIZE + 2) / 3);
            nr = 0;
            clear_all();
            free_all();
        }
        end();
    }
}
