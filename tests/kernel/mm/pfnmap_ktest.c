/* SPDX-License-Identifier: MIT */
/* pfnmap_ktest.c: row PT_PFNMAP: the largest leaves that fit, cuts through them, and what the row
 * refuses. */
#include <kernel/vfs.h>
#include "pt_test.h"

/* "Device memory" of two leaves of level 1. */
#define REGION_ORDER (pt_shift(1) + 1 - PAGE_SHIFT)
#define REGION_SIZE  (PAGE_SIZE << REGION_ORDER)

static struct pfnmap region;
static struct page *frames;

static int region_mmap(struct file *f, struct vma *v)
{
    return pfnmap_setup(v, &region);
}
static const struct file_ops region_ops = { .mmap = region_mmap };

/* Each page of the region says which it is. NULL: no such block of memory. */
static struct file *region_begin(void)
{
    struct file *f;

    if (!pt_level_can_leaf(1)) {
        ktest_skip("this machine has no large leaves");
        return NULL;
    }
    frames = alloc_pages(REGION_ORDER, GFP_KERNEL | GFP_ZERO | GFP_NOOOM);
    if (frames == NULL) {
        ktest_skip("no contiguous memory of two large leaves");
        return NULL;
    }
    for (unsigned int i = 0; i < 1u << REGION_ORDER; i++)
        *(u64 *)page_to_virt(frames + i) = i;
    region = (struct pfnmap){ .base = page_to_phys(frames), .len = REGION_SIZE };
    f = file_alloc_anon("ktest-region", &region_ops, O_RDWR, NULL);
    EXPECT(!IS_ERR(f));
    return f;
}

static void region_end(struct file *f)
{
    file_put(f);
    free_pages(frames, REGION_ORDER);
}

static vaddr_t map_region(struct file *f, vaddr_t at, size_t len)
{
    return test_map_file(at, len, RW, MAP_SHARED, f);
}

static unsigned int level_at(struct mm *mm, vaddr_t va)
{
    unsigned int level = 0;
    pte_t e = test_entry(mm, va, &level);

    return pte_is_leaf(e, level) ? level : 99;
}

static void expect_pages(vaddr_t va, unsigned int first, unsigned int nr)
{
    for (unsigned int i = 0; i < nr; i += 7)
        EXPECT_EQ(test_read(va + i * PAGE_SIZE), first + i);
}

KTEST(pfnmap, largest_leaf_that_fits)
{
    struct file *f = region_begin();
    vaddr_t base = 1UL << 32;
    struct mm *mm;
    vaddr_t va;

    if (f == NULL)
        return;
    mm = test_mm_enter();
    va = map_region(f, base, REGION_SIZE);
    expect_pages(va, 0, REGION_SIZE >> PAGE_SHIFT);
    EXPECT_EQ(level_at(mm, va), 1);
    EXPECT(test_write(va + 5 * PAGE_SIZE, 500));
    EXPECT_EQ(*(u64 *)page_to_virt(frames + 5), 500);
    EXPECT_EQ(mm_rss(mm), 0);
    EXPECT_EQ(test_check(mm), 0);
    va = map_region(f, 2 * base + PAGE_SIZE, REGION_SIZE); /* other alignment: base pages */
    EXPECT_EQ(test_read(va + 6 * PAGE_SIZE), 6);
    EXPECT_EQ(level_at(mm, va + 6 * PAGE_SIZE), 0);
    va = map_region(f, 3 * base, REGION_SIZE + 4 * PAGE_SIZE);
    EXPECT_EQ(test_read(va + REGION_SIZE), ~0ULL); /* behind the region */
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    region_end(f);
}

/* A cut through a huge leaf leaves the rest mapped, without a fault that would map it again. */
KTEST(pfnmap, cut_through_a_leaf)
{
    struct file *f = region_begin();
    unsigned int leaf = (unsigned int)(pt_size(1) >> PAGE_SHIFT);
    struct mm *mm;
    vaddr_t va;
    u64 faults;

    if (f == NULL)
        return;
    mm = test_mm_enter();
    va = map_region(f, 1UL << 32, REGION_SIZE);
    expect_pages(va, 0, REGION_SIZE >> PAGE_SHIFT);
    EXPECT_EQ(mm_munmap(mm, va + 3 * PAGE_SIZE, PAGE_SIZE), 0);
    faults = vmstat_sum(VMSTAT_pgfault);
    EXPECT_EQ(test_read(va + 2 * PAGE_SIZE), 2);
    EXPECT_EQ(test_read(va + 4 * PAGE_SIZE), 4);
    expect_pages(va + 4 * PAGE_SIZE, 4, 500);
    EXPECT_EQ(vmstat_sum(VMSTAT_pgfault), faults);
    EXPECT_EQ(test_read(va + 3 * PAGE_SIZE), ~0ULL);
    EXPECT_EQ(level_at(mm, va), 0);
    EXPECT_EQ(level_at(mm, va + pt_size(1)), 1);
    EXPECT_EQ(mm_mprotect(mm, va + pt_size(1) + 7 * PAGE_SIZE, 9 * PAGE_SIZE, PROT_READ), 0);
    EXPECT(!test_write(va + pt_size(1) + 7 * PAGE_SIZE, 1));
    EXPECT(test_write(va + pt_size(1) + 16 * PAGE_SIZE, leaf + 16));
    expect_pages(va + pt_size(1), leaf, leaf);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    region_end(f);
}

KTEST(pfnmap, fork_move_and_refusals)
{
    struct file *f = region_begin();
    struct mm *mm, *child;
    struct mmap_request private = { .len = PAGE_SIZE, .prot = RW, .flags = MAP_PRIVATE, .file = f };
    struct vma *v;
    size_t moved;
    vaddr_t va;

    if (f == NULL)
        return;
    mm = test_mm_enter();
    va = map_region(f, 1UL << 32, REGION_SIZE);
    expect_pages(va, 0, 1000);
    v = vma_lookup(mm, va);
    EXPECT_EQ(PTR_ERR(vma_ops(v)->pin(v, va, false)), -EFAULT);
    EXPECT_EQ(mm_mmap(mm, &private), -EINVAL);
    child = mm_fork(mm);
    EXPECT(!IS_ERR(child));
    mm_get(mm);
    mm_get(child);
    mm_set_current(child);
    expect_pages(va, 0, 1000);
    EXPECT_EQ(test_check(child), 0);
    mm_get(mm);
    mm_set_current(mm);
    mm_put(mm);
    mm_put(child);
    mmap_write_lock(mm);
    vma_write_lock(v);
    EXPECT_EQ(vma_ops(v)->move(v, va, v, va, pt_size(1), &moved), 0);
    mmap_write_unlock(mm);
    EXPECT_EQ(moved, pt_size(1));
    expect_pages(va, 0, 1000);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
    region_end(f);
}
