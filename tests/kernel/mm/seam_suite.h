/* SPDX-License-Identifier: MIT */
/*
 * seam_suite.h: what every implementation of <arch/mmu.h> must do, as tests. One source for all:
 * tests/kernel/mm/seam_ktest.c runs it in the kernel on real (emulated) MMUs,
 * tests/host/mm/seam_test.c on the one in plain memory. The includer defines EXPECT and EXPECT_EQ
 * and gives a struct seam_env.
 */
#pragma once
#include <mm/mm.h>
#include <mm/pt_walk.h>

struct seam_env {
    struct mm *(*mm_new)(void);
    void (*mm_free)(struct mm *mm);  /* user half empty */
    void (*use)(struct mm *mm);      /* the CPU runs on its tables from now on */
    /* Reads or writes the word at @va as user memory; false = fault, and nothing was repaired. */
    bool (*access)(struct mm *mm, vaddr_t va, bool write, u64 *value);
};

#define SEAM_VA (5UL << 30)
#define SEAM_RW (PT_R | PT_W | PT_U)

/* An empty or filled level-0 (or huge) mapping at SEAM_VA, by hand. */
static pte_t *seam_slot(struct mm *mm, vaddr_t va, unsigned int level, struct page **table)
{
    unsigned int found;
    pte_t *slot = pt_get_slot(mm, va, level, table, &found);

    EXPECT(slot != NULL && found == level);
    return slot;
}

static void seam_set(struct mm *mm, vaddr_t va, unsigned int level, pte_t e)
{
    struct page *table;
    pte_t *slot = seam_slot(mm, va, level, &table), old;

    pt_lock(table);
    old = pte_xchg(slot, e);
    table->pt_used += !pte_is_none(e) - !pte_is_none(old);
    pt_unlock(table);
}

static pte_t seam_get(struct mm *mm, vaddr_t va, unsigned int level)
{
    struct page *table;

    return pte_load(seam_slot(mm, va, level, &table));
}

static void seam_drop_tables(struct mm *mm)
{
    struct tlb_gather tlb;

    tlb_gather_begin(&tlb, mm, false);
    pt_free_tables(&tlb, SEAM_VA, SEAM_VA + 2 * pt_size(1), 0, 0);
    tlb_gather_end(&tlb);
}

/* A page whose first word of each page is @value. */
static struct page *seam_page(unsigned int order, u64 value)
{
    struct page *p = alloc_pages(order, GFP_KERNEL | GFP_ZERO);

    EXPECT(p != NULL);
    for (unsigned int i = 0; i < (1u << order); i++)
        *(u64 *)page_to_virt(p + i) = value + i;
    return p;
}

static u64 seam_read(const struct seam_env *env, struct mm *mm, vaddr_t va)
{
    u64 v = 0;

    EXPECT(env->access(mm, va, false, &v));
    return v;
}

static bool seam_can_write(const struct seam_env *env, struct mm *mm, vaddr_t va)
{
    u64 v = 77;

    return env->access(mm, va, true, &v);
}

static void seam_geometry(void)
{
    EXPECT_EQ(pt_shift(0), PAGE_SHIFT);
    EXPECT(pt_level_can_leaf(0) && pt_top_level() < PT_MAX_LEVELS);
    for (unsigned int l = 0; l <= pt_top_level(); l++) {
        EXPECT_EQ(pt_entries(l) * sizeof(pte_t) <= PAGE_SIZE << pt_table_order(l), 1);
        EXPECT_EQ(pt_index(0, l), 0);
        EXPECT_EQ(pt_index(pt_size(l) * 3, l), 3);
        EXPECT_EQ(pt_index(pt_size(l) - 1, l), 0);
        if (l < pt_top_level())
            EXPECT_EQ(1UL << (pt_shift(l + 1) - pt_shift(l)), pt_entries(l));
    }
    EXPECT(user_top() > SEAM_VA && IS_ALIGNED(user_top(), PAGE_SIZE));
}

static void seam_leaf_value(paddr_t pa, unsigned int level, pt_prot_t prot)
{
    pte_t e = pte_make_leaf(pa, level, prot);

    EXPECT(pte_is_leaf(e, level) && !pte_is_none(e) && !pte_is_marker(e) &&
           !pte_is_table(e, level));
    EXPECT_EQ(pte_paddr(e, level), pa);
    EXPECT_EQ(pte_state(e), 0);
    if (prot == 0)
        EXPECT_EQ(pte_prot(e, level), 0);
    else
        EXPECT_EQ(pte_prot(e, level) | PT_R, prot | PT_R);
    for (unsigned int state = 0; state < 8; state++) {
        pte_t s = pte_with_state(e, state), q;

        EXPECT_EQ(pte_state(s), state);
        EXPECT_EQ(pte_paddr(s, level), pa);
        EXPECT_EQ(pte_prot(s, level), pte_prot(e, level));
        q = pte_with_prot(s, level, 0);
        EXPECT(pte_is_leaf(q, level) && pte_prot(q, level) == 0);
        EXPECT_EQ(pte_paddr(q, level), pa);
        EXPECT_EQ(pte_state(q), state);
        q = pte_with_prot(q, level, PT_R | PT_U);
        EXPECT_EQ(pte_prot(q, level), PT_R | PT_U);
        EXPECT_EQ(pte_paddr(q, level), pa);
        EXPECT_EQ(pte_state(q), state);
        EXPECT(pte_with_prot(q, level, pte_prot(s, level)).v == s.v);
    }
}

static void seam_values(void)
{
    static const pt_prot_t prots[] = {
        0,           PT_R | PT_U,         SEAM_RW,           PT_R | PT_X | PT_U, PT_RWXU,
        PT_R | PT_W, PT_R | PT_W | PT_NC, PT_R | PT_X | PT_G};

    EXPECT(pte_is_none(pte_none()));
    EXPECT(!pte_is_marker(pte_none()));
    for (unsigned int l = 0; l <= pt_top_level(); l++) {
        EXPECT(!pte_is_leaf(pte_none(), l) && !pte_is_table(pte_none(), l));
        for (unsigned int i = 0; pt_level_can_leaf(l) && i < ARRAY_SIZE(prots); i++) {
            seam_leaf_value(0, l, prots[i]);
            seam_leaf_value(pt_size(l) * 5, l, prots[i]);
            seam_leaf_value(ALIGN_DOWN(1UL << 45, pt_size(l)), l, prots[i]);
        }
    }
}

static void seam_links_and_markers(void)
{
    static const u64 values[] = { 0, 1, 0x123456789abcULL, (1ULL << 50) - 1 };

    for (unsigned int l = 1; l <= pt_top_level(); l++) {
        pte_t e = pte_make_table(0x12345000, PT_RWXU);

        EXPECT(pte_is_table(e, l) && !pte_is_leaf(e, l) && !pte_is_none(e) && !pte_is_marker(e));
        EXPECT_EQ(pte_paddr(e, l), 0x12345000);
        EXPECT_EQ(pte_prot(e, l) & PT_RWXU, PT_RWXU);
        if (mmu_has(MMU_LINK_WRITE))
            EXPECT_EQ(pte_prot(pte_make_table(0x12345000, PT_RWXU & ~PT_W), l) & PT_W, 0);
        if (mmu_has(MMU_LINK_EXEC))
            EXPECT_EQ(pte_prot(pte_make_table(0x12345000, PT_RWXU & ~PT_X), l) & PT_X, 0);
    }
    for (unsigned int type = 0; type < 32; type++) {
        for (unsigned int i = 0; i < ARRAY_SIZE(values); i++) {
            pte_t e = pte_make_marker(type, values[i]);

            EXPECT(pte_is_marker(e) && !pte_is_none(e));
            EXPECT_EQ(pte_marker_type(e), type);
            EXPECT_EQ(pte_marker_value(e), values[i]);
            for (unsigned int l = 0; l <= pt_top_level(); l++)
                EXPECT(!pte_is_leaf(e, l) && !pte_is_table(e, l));
        }
    }
}

static void seam_cells(void)
{
    pte_t cell = pte_none(), a = pte_make_marker(1, 1), b = pte_make_marker(2, 2), old;

    pte_store(&cell, a);
    EXPECT(pte_load(&cell).v == a.v);
    EXPECT(pte_xchg(&cell, b).v == a.v && pte_load(&cell).v == b.v);
    old = a;
    EXPECT(!pte_cmpxchg(&cell, &old, a));
    EXPECT(old.v == b.v && pte_load(&cell).v == b.v);
    EXPECT(pte_cmpxchg(&cell, &old, a));
    EXPECT(old.v == b.v && pte_load(&cell).v == a.v);
}

/* The right to write, of a whole table and of one leaf. */
static void seam_write_right_by(const struct seam_env *env, bool quiet)
{
    struct mm *mm = env->mm_new();
    struct page *table = pt_table_alloc(mm, 0, GFP_KERNEL);
    pt_prot_t all = PT_R | PT_W | PT_U;
    pte_t *base;

    EXPECT_OR_RETURN(table != NULL);
    base = page_to_virt(table);
    for (unsigned int i = 0; i < pt_entries(0); i++)
        if (i % 7 != 0)
            pte_store(base + i, pte_with_state(pte_make_leaf(i * PAGE_SIZE, 0, all), i % 4));
    pte_take_write(base, quiet);
    for (unsigned int i = 0; i < pt_entries(0); i++) {
        pte_t leaf = pte_with_state(pte_make_leaf(i * PAGE_SIZE, 0, all), i % 4), e;

        e = i % 7 != 0 ? pte_with_prot(leaf, 0, PT_R | PT_U) : pte_none();
        EXPECT(pte_load(base + i).v == e.v);
        if (i % 7 == 0)
            continue;
        pte_give_write(base + i);
        EXPECT(pte_load(base + i).v == leaf.v);
    }
    pt_table_free(table);
    env->mm_free(mm);
}

static void seam_write_right(const struct seam_env *env)
{
    seam_write_right_by(env, false);
    seam_write_right_by(env, true);
}

/* A changed entry is used by the next access after the flush, whatever was cached: other page, less
 * permission, none at all. */
enum seam_way { SEAM_RANGE, SEAM_MM, SEAM_BATCH, SEAM_WAYS };

static void seam_flush_by(enum seam_way way, struct mm *mm)
{
    struct vma area = {.mm = mm, .start = SEAM_VA, .end = SEAM_VA + PAGE_SIZE};
    struct tlb_batch b = TLB_BATCH_INIT;

    switch (way) {
    case SEAM_RANGE:
        mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
        break;
    case SEAM_MM:
        mm->first_vma = &area;
        mmu_flush_mm(mm);
        mm->first_vma = NULL;
        break;
    default:
        tlb_batch_add(&b, mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
        tlb_batch_end(&b);
    }
}

static void seam_flush(const struct seam_env *env)
{
    struct mm *mm = env->mm_new();
    struct page *a = seam_page(0, 1111), *b = seam_page(0, 2222);
    pte_t map_a = pte_with_state(pte_make_leaf(page_to_phys(a), 0, SEAM_RW), PT_YOUNG | PT_DIRTY);
    pte_t map_b = pte_with_state(pte_make_leaf(page_to_phys(b), 0, SEAM_RW), PT_YOUNG | PT_DIRTY);
    u64 v;

    env->use(mm);
    EXPECT(!env->access(mm, SEAM_VA, false, &v));
    for (enum seam_way way = 0; way < SEAM_WAYS; way++) {
        seam_set(mm, SEAM_VA, 0, map_a);
        *(u64 *)page_to_virt(a) = 1111;
        EXPECT_EQ(seam_read(env, mm, SEAM_VA), 1111);
        seam_set(mm, SEAM_VA, 0, map_b);
        seam_flush_by(way, mm);
        EXPECT_EQ(seam_read(env, mm, SEAM_VA), 2222);
        EXPECT(seam_can_write(env, mm, SEAM_VA));
        EXPECT_EQ(*(u64 *)page_to_virt(b), 77);
        *(u64 *)page_to_virt(b) = 2222;
        seam_set(mm, SEAM_VA, 0, pte_with_prot(map_b, 0, PT_R | PT_U));
        seam_flush_by(way, mm);
        EXPECT(!seam_can_write(env, mm, SEAM_VA));
        EXPECT_EQ(seam_read(env, mm, SEAM_VA), 2222);
        seam_set(mm, SEAM_VA, 0, pte_with_prot(map_b, 0, 0));
        seam_flush_by(way, mm);
        EXPECT(!env->access(mm, SEAM_VA, false, &v));
        seam_set(mm, SEAM_VA, 0, map_b);
        EXPECT_EQ(seam_read(env, mm, SEAM_VA), 2222); /* permissions grew: no flush */
        seam_set(mm, SEAM_VA, 0, pte_none());
        seam_flush_by(way, mm);
        EXPECT(!env->access(mm, SEAM_VA, false, &v));
    }
    seam_drop_tables(mm);
    env->mm_free(mm);
    free_pages(a, 0);
    free_pages(b, 0);
}

/* Young and dirty: set by the MMU, or else by software after a fault. After clearing and a flush
 * they are set again. */
static void seam_young_dirty(const struct seam_env *env)
{
    struct mm *mm = env->mm_new();
    struct page *a = seam_page(0, 5);
    pte_t e = pte_make_leaf(page_to_phys(a), 0, SEAM_RW);
    u64 v;

    env->use(mm);
    seam_set(mm, SEAM_VA, 0, e);
    if (!mmu_has(MMU_HW_YOUNG)) {
        EXPECT(!env->access(mm, SEAM_VA, false, &v));
    } else {
        for (unsigned int i = 0; i < 2; i++) {
            EXPECT_EQ(seam_read(env, mm, SEAM_VA), i == 0 ? 5 : 77);
            EXPECT_EQ(pte_state(seam_get(mm, SEAM_VA, 0)), PT_YOUNG);
            EXPECT(seam_can_write(env, mm, SEAM_VA));
            EXPECT_EQ(pte_state(seam_get(mm, SEAM_VA, 0)), PT_YOUNG | PT_DIRTY);
            seam_set(mm, SEAM_VA, 0, pte_with_state(seam_get(mm, SEAM_VA, 0), 0));
            mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
        }
    }
    seam_set(mm, SEAM_VA, 0, pte_none());
    seam_drop_tables(mm);
    env->mm_free(mm);
    free_pages(a, 0);
}

/* A huge leaf translates every page of it, and goes with one flush. */
static void seam_huge_leaf(const struct seam_env *env)
{
    unsigned int order = pt_shift(1) - PAGE_SHIFT;
    struct page *huge;
    struct mm *mm;
    u64 v;

    if (!pt_level_can_leaf(1))
        return;
    huge = seam_page(order, 9000);
    mm = env->mm_new();
    env->use(mm);
    seam_set(mm, SEAM_VA, 1,
             pte_with_state(pte_make_leaf(page_to_phys(huge), 1, SEAM_RW), PT_YOUNG | PT_DIRTY));
    for (unsigned int i = 0; i < (1u << order); i += 37)
        EXPECT_EQ(seam_read(env, mm, SEAM_VA + i * PAGE_SIZE), 9000 + i);
    seam_set(mm, SEAM_VA, 1, pte_none());
    mmu_flush_range(mm, SEAM_VA, SEAM_VA + pt_size(1), 1);
    for (unsigned int i = 0; i < (1u << order); i += 37)
        EXPECT(!env->access(mm, SEAM_VA + i * PAGE_SIZE, false, &v));
    seam_drop_tables(mm);
    env->mm_free(mm);
    free_pages(huge, order);
}

/* Another table under a link is walked after the flush; a link can take writing away. */
static void seam_link(const struct seam_env *env)
{
    struct mm *mm = env->mm_new();
    struct page *a = seam_page(0, 1), *table, *other, *parent;
    pte_t map_a = pte_with_state(pte_make_leaf(page_to_phys(a), 0, SEAM_RW), PT_YOUNG | PT_DIRTY);
    pte_t *link, was;
    u64 v;

    env->use(mm);
    seam_set(mm, SEAM_VA, 0, map_a);
    (void)seam_slot(mm, SEAM_VA, 0, &table);
    link = seam_slot(mm, SEAM_VA, 1, &parent);
    EXPECT_EQ(seam_read(env, mm, SEAM_VA), 1);
    other = pt_table_alloc(mm, 0, GFP_KERNEL);
    EXPECT(other != NULL);
    was = pte_xchg(link, pte_make_table(page_to_phys(other), PT_RWXU));
    mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
    EXPECT(!env->access(mm, SEAM_VA, false, &v));
    if (mmu_has(MMU_LINK_WRITE)) {
        pte_store(link, pte_with_prot(was, 1, PT_RWXU & ~PT_W));
        EXPECT(!seam_can_write(env, mm, SEAM_VA));
        EXPECT_EQ(seam_read(env, mm, SEAM_VA), 1);
    }
    pte_store(link, was);
    mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
    EXPECT(seam_can_write(env, mm, SEAM_VA));
    pt_table_free(other);
    seam_set(mm, SEAM_VA, 0, pte_none());
    seam_drop_tables(mm);
    env->mm_free(mm);
    free_pages(a, 0);
}

/* Two address spaces, one address, two pages. */
static void seam_switch(const struct seam_env *env)
{
    struct mm *mm[2];
    struct page *p[2];

    for (unsigned int i = 0; i < 2; i++) {
        mm[i] = env->mm_new();
        p[i] = seam_page(0, 100 + i);
        seam_set(
            mm[i], SEAM_VA, 0,
            pte_with_state(pte_make_leaf(page_to_phys(p[i]), 0, SEAM_RW), PT_YOUNG | PT_DIRTY));
    }
    for (unsigned int i = 0; i < 4; i++) {
        env->use(mm[i & 1]);
        EXPECT_EQ(seam_read(env, mm[i & 1], SEAM_VA), 100 + (i & 1));
    }
    for (unsigned int i = 0; i < 2; i++) {
        seam_set(mm[i], SEAM_VA, 0, pte_none());
        seam_drop_tables(mm[i]);
        env->mm_free(mm[i]);
        free_pages(p[i], 0);
    }
}
