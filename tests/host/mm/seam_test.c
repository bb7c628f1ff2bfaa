/* SPDX-License-Identifier: MIT */
/* seam_test.c: the conformance suite on the MMU in plain memory; and that it notices a flush that
 * does not happen. */
#include <asm/host_mmu.h>
#include <mm/pt_ops.h>
#include <mm/slab.h>
#include "host.h"
#include "tests/kernel/mm/seam_suite.h"

static struct mm *mm_new(void)
{
    struct mm *mm = kzalloc(sizeof(*mm));

    EXPECT(mmu_mm_init(mm) == 0);
    return mm;
}

static void mm_free(struct mm *mm)
{
    EXPECT_EQ(atomic_long_read(&mm->pt_pages), 1L << pt_table_order(pt_top_level()));
    mmu_mm_destroy(mm);
    kfree(mm);
}

static void use(struct mm *mm)
{
    cpumask_set(&mm->cpus, 0);
    mmu_switch(mm);
}

static bool access_word(struct mm *mm, vaddr_t va, bool write, u64 *value)
{
    paddr_t pa;
    u64 *p;

    if (!host_mmu_access(mm, 0, va, write ? PT_W | PT_U : PT_R | PT_U, &pa))
        return false;
    p = phys_to_virt(pa);
    if (write)
        *p = *value;
    else
        *value = *p;
    return true;
}

static const struct seam_env env = { mm_new, mm_free, use, access_word };

static const struct host_geometry shapes[] = {
    { .top = 3, .bits = { 9, 9, 9, 9 }, .leaf_levels = 7, .abilities = ~0u },
    { .top = 3, .bits = { 9, 9, 9, 13 }, .leaf_levels = 7, .abilities = 1u << MMU_WALKS_TREE },
    { .top = 3, .bits = { 12, 4, 9, 9 }, .leaf_levels = 3, .abilities = 1u << MMU_LINK_WRITE },
};

static void boot(void)
{
    static bool booted;

    if (!booted)
        host_boot(MIB(96), PAGE_SIZE);
    booted = true;
    host_mmu_reset();
}

static void for_shapes(void (*fn)(const struct seam_env *))
{
    boot();
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        host_geometry = shapes[s];
        host_mmu_reset();
        fn(&env);
    }
}

static void pure(const struct seam_env *unused)
{
    seam_geometry();
    seam_values();
    seam_links_and_markers();
    seam_cells();
}

HTEST(values_and_geometry)
{
    for_shapes(pure);
}
HTEST(write_right)
{
    for_shapes(seam_write_right);
}
HTEST(flush)
{
    for_shapes(seam_flush);
}
HTEST(young_and_dirty)
{
    for_shapes(seam_young_dirty);
}
HTEST(huge_leaf)
{
    for_shapes(seam_huge_leaf);
}
HTEST(link)
{
    for_shapes(seam_link);
}
HTEST(switch_between_address_spaces)
{
    for_shapes(seam_switch);
}

HTEST(mm_init_can_fail)
{
    struct mm *mm = kzalloc(sizeof(*mm));

    boot();
    host_mmu_fail_init(1);
    EXPECT(mmu_mm_init(mm) != 0);
    EXPECT(mmu_mm_init(mm) == 0);
    mm_free(mm);
}

/* The suite can fail: a lost flush leaves the old page visible. */
HTEST(lost_flush_is_seen)
{
    struct mm *mm;
    struct page *a, *b;

    boot();
    host_geometry = shapes[0];
    mm = mm_new();
    a = seam_page(0, 1);
    b = seam_page(0, 2);
    use(mm);
    seam_set(mm, SEAM_VA, 0, pte_make_leaf(page_to_phys(a), 0, SEAM_RW));
    EXPECT_EQ(seam_read(&env, mm, SEAM_VA), 1);
    seam_set(mm, SEAM_VA, 0, pte_make_leaf(page_to_phys(b), 0, SEAM_RW));
    host_mmu_lose_flushes(1);
    mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
    EXPECT_EQ(seam_read(&env, mm, SEAM_VA), 1);
    mmu_flush_range(mm, SEAM_VA, SEAM_VA + PAGE_SIZE, 0);
    EXPECT_EQ(seam_read(&env, mm, SEAM_VA), 2);
    seam_set(mm, SEAM_VA, 0, pte_none());
    seam_drop_tables(mm);
    mm_free(mm);
    free_pages(a, 0);
    free_pages(b, 0);
}
