/* SPDX-License-Identifier: MIT */
/* hash_test.h: the hash MMU as its tests see it: accesses without mm_fault, entries by hand. */
#pragma once
#include <arch/ppc64/mm/hpt_policy.h>
#include <mm/pt_walk.h>
#include "tests/kernel/mm/pt_test.h"

#define SEGMENT (1UL << 28)
#define BASE    (1UL << 36)
#define USER_RW (PT_R | PT_W | PT_U)
#define USED    (PT_YOUNG | PT_DIRTY)

static inline bool is_hash(void)
{
    if (ppc_mmu.radix)
        ktest_skip("needs the hash MMU");
    return !ppc_mmu.radix;
}

/* And it has segments with 16 MiB pages. */
static inline bool has_large_pages(void)
{
    if (is_hash() && !pt_level_can_leaf(1))
        ktest_skip("needs 16 MiB pages");
    return pt_level_can_leaf(1) && !ppc_mmu.radix;
}

/* Without mm_fault: what the MMU and its refill say. */
static inline bool access(vaddr_t va, bool write, u64 *value)
{
    int err;

    current->pagefault_disabled++;
    err = write ? put_user_u64(*value, (void *)va) : get_user_u64(value, (void *)va);
    current->pagefault_disabled--;
    return err == 0;
}

static inline bool can_write(vaddr_t va, u64 v)
{
    return access(va, true, &v);
}

/* ~0 when it faults. */
static inline u64 read_word(vaddr_t va)
{
    u64 v;

    return access(va, false, &v) ? v : ~0ULL;
}

static inline struct hpt_info explain(vaddr_t va)
{
    struct hpt_info info;

    EXPECT(hpt_explain(current->mm, va, &info));
    return info;
}

static inline void set_entry(struct mm *mm, vaddr_t va, unsigned int level, pte_t e)
{
    struct page *table;
    unsigned int found;
    pte_t *slot = pt_get_slot(mm, va, level, &table, &found), old;

    EXPECT_OR_RETURN(slot != NULL && found == level);
    pt_lock(table);
    old = pte_xchg(slot, e);
    table->pt_used += !pte_is_none(e) - !pte_is_none(old);
    pt_unlock(table);
}

static inline void flush(struct mm *mm, vaddr_t va, unsigned int level)
{
    mmu_quiesce_walkers(mm);
    mmu_flush_range(mm, va, va + pt_size(level), level);
}

/* Tables around [va, end) that serve nothing outside [floor, ceiling); both 0: all of them. */
static inline void drop_tables(struct mm *mm, vaddr_t va, vaddr_t end, vaddr_t floor,
                               vaddr_t ceiling)
{
    struct tlb_gather tlb;

    tlb_gather_begin(&tlb, mm, false);
    pt_free_tables(&tlb, va, end, floor, ceiling);
    tlb_gather_end(&tlb);
}

/* The level-1 table around @va. */
static inline struct page *segment_table(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int found;
    pte_t *slot = pt_find_slot(mm, va, 1, &table, &found);

    EXPECT(slot != NULL && found == 1);
    return table;
}

/* Hangs the level-1 table around @from of @a below the entry for @to of @b, too, as one that an
 * object owns. */
static inline void share_segment(struct mm *a, vaddr_t from, struct mm *b, vaddr_t to)
{
    struct page *table = segment_table(a, from);

    table->pt_shared = 2;
    atomic_long_add(&a->nr_shared, 1);
    atomic_long_add(&b->nr_shared, 1);
    set_entry(b, to, 2, pte_make_table(page_to_phys(table), PT_RWXU));
}

/* Takes the link of @b out again; the table is @a's own. */
static inline void unshare_segment(struct mm *a, vaddr_t from, struct mm *b, vaddr_t to)
{
    set_entry(b, to, 2, pte_none());
    flush(b, to, 0);
    segment_table(a, from)->pt_shared = 0;
    atomic_long_add(&a->nr_shared, -1);
    atomic_long_add(&b->nr_shared, -1);
}
