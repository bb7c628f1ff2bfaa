/* SPDX-License-Identifier: MIT */
/* pt_test.h: an address space for a test, and its memory seen as a user program would see it. */
#pragma once
#include <asm/errno.h>
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <mm/pt_ops.h>

#define RW (PROT_READ | PROT_WRITE)
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)

/* The test thread lives in a new address space until test_mm_leave. */
static inline struct mm *test_mm_enter(void)
{
    struct mm *mm = mm_alloc();

    EXPECT(mm != NULL);
    mm_set_current(mm);
    return mm;
}

static inline void test_mm_leave(void)
{
    mm_set_current(NULL);
}

static inline vaddr_t test_map_file(vaddr_t at, size_t len, unsigned long prot, unsigned long flags,
                                    struct file *f)
{
    struct mmap_request r = {
        .addr = at, .len = len, .prot = prot, .flags = flags | (at ? MAP_FIXED : 0), .file = f};
    long va = mm_mmap(current->mm, &r);

    EXPECT(va > 0);
    return (vaddr_t)va;
}

static inline vaddr_t test_map(size_t len, unsigned long prot, unsigned long flags)
{
    return test_map_file(0, len, prot, flags, NULL);
}

static inline bool test_write(vaddr_t va, u64 v)
{
    return put_user_u64(v, (void *)va) == 0;
}

/* ~0 when the read faults. */
static inline u64 test_read(vaddr_t va)
{
    u64 v;

    return get_user_u64(&v, (void *)va) == 0 ? v : ~0ULL;
}

/* The entry that decides about @va. */
static inline pte_t test_entry(struct mm *mm, vaddr_t va, unsigned int *level)
{
    struct page *table;
    pte_t *slot = pt_look_locked(mm, va, &table, level), e;

    if (slot == NULL)
        return pte_none();
    e = pte_load(slot);
    pt_unlock(table);
    return e;
}

static inline struct page *test_page(struct mm *mm, vaddr_t va)
{
    unsigned int level;
    pte_t e = test_entry(mm, va, &level);

    if (!pte_is_leaf(e, level))
        return NULL;
    return pfn_to_page((pte_paddr(e, level) >> PAGE_SHIFT) +
                       ((va & (pt_size(level) - 1)) >> PAGE_SHIFT));
}

/* The table of level 0 for @va, or NULL. */
static inline struct page *test_small_table(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level;

    return pt_find_slot(mm, va, 0, &table, &level) != NULL ? table : NULL;
}

static inline long test_rss(struct mm *mm, enum mm_counter i)
{
    return atomic_long_read(&mm->rss[i]);
}

static inline int test_check(struct mm *mm)
{
    int bad;

    mmap_write_lock(mm);
    bad = pt_check(mm);
    mmap_write_unlock(mm);
    return bad;
}
