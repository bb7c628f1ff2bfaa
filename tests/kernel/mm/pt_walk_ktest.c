/* SPDX-License-Identifier: MIT */
/* pt_walk_ktest.c: the walker, pt_dump and pt_check on the trees of living address spaces. */
#include <kernel/printk.h>
#include "pt_test.h"

KTEST(pt_walk, runs_of_a_mapping)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map_file(16 * pt_size(1), 2 * pt_size(1), RW, ANON, NULL);
    struct pt_cursor c;
    struct pt_run r;
    unsigned int n = 0, leaves = 0;
    vaddr_t at = va;

    for (unsigned int i = 0; i < 10; i++)
        EXPECT(test_write(va + pt_size(1) - 5 * PAGE_SIZE + i * PAGE_SIZE, i));
    pt_cursor_begin(&c, mm, va, va + 2 * pt_size(1), false);
    for (; pt_cursor_next(&c, &r); n++) {
        EXPECT(r.va == at);
        at = r.end;
        EXPECT_EQ(r.link, PT_RWXU);
        if (r.kind == PT_KIND_LEAF)
            leaves += r.nr;
    }
    EXPECT(at == va + 2 * pt_size(1));
    EXPECT_EQ(leaves, 10);
    EXPECT_EQ(n, 4); /* hole, leaves | leaves, hole */
    test_mm_leave();
}

struct seen {
    unsigned int tables, leaves;
    vaddr_t last;
    unsigned long pages;
};

static int note(void *ctx, const struct pt_dump_entry *e)
{
    struct seen *s = ctx;

    EXPECT(e->end > e->start && (e->is_table || e->start >= s->last));
    if (e->is_table) {
        s->tables++;
        EXPECT_EQ(e->prot & PT_U, PT_U);
    } else {
        s->leaves++;
        s->pages += (e->end - e->start) >> PAGE_SHIFT;
        s->last = e->end;
    }
    return s->leaves == 1000 ? -EINTR : 0;
}

KTEST(pt_walk, dump)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map_file(16 * pt_size(1), 2 * pt_size(1), RW, ANON, NULL);
    struct seen s = { 0 };

    for (unsigned int i = 0; i < 30; i++)
        EXPECT(test_write(va + pt_size(1) - 10 * PAGE_SIZE + i * PAGE_SIZE, i));
    mmap_read_lock(mm);
    EXPECT_EQ(pt_dump(mm, 0, user_top(), note, &s), 0);
    mmap_read_unlock(mm);
    EXPECT_EQ(s.tables, pt_top_level() + 1); /* one chain, two tables at its end */
    EXPECT_EQ(s.pages, 30);
    s.leaves = 999;
    mmap_read_lock(mm);
    s.last = 0;
    EXPECT_EQ(pt_dump(mm, 0, user_top(), note, &s), -EINTR);
    mmap_read_unlock(mm);
    test_mm_leave();
}

/* pt_check sees what it is there for. */
KTEST(pt_walk, check_finds_planted_faults)
{
    struct mm *mm = test_mm_enter();
    vaddr_t va = test_map(4 * PAGE_SIZE, RW, ANON);
    struct page *table, *p;
    unsigned int level;
    pte_t *slot, e;

    EXPECT(test_write(va, 1));
    EXPECT_EQ(test_read(va + PAGE_SIZE), 0);
    EXPECT_EQ(test_check(mm), 0);
    pr_info("pt_check: the following reports are wanted\n");
    atomic_long_inc(&mm->rss[MM_ANON]);
    EXPECT_EQ(test_check(mm), 1);
    atomic_long_dec(&mm->rss[MM_ANON]);
    slot = pt_find_locked(mm, va, &table, &level);
    EXPECT_OR_RETURN(slot != NULL);
    pt_unlock(table);
    table->pt_used++;
    EXPECT_EQ(test_check(mm), 1);
    table->pt_used--;
    p = test_page(mm, va);
    page_clear(p, PG_EXCLUSIVE);
    EXPECT_EQ(test_check(mm), 1);
    page_set(p, PG_EXCLUSIVE);
    p->mapcount++;
    EXPECT(test_check(mm) >= 1);
    p->mapcount--;
    e = pte_load(slot);
    pte_store(slot, pte_with_prot(e, 0, PT_RWXU)); /* executable, which the VMA is not */
    EXPECT_EQ(test_check(mm), 1);
    pte_store(slot, e);
    pte_store(slot - 8, e); /* outside every VMA */
    table->pt_used++;
    EXPECT_EQ(test_check(mm), 1);
    pte_store(slot - 8, pte_none());
    table->pt_used--;
    mmu_flush_mm(mm);
    EXPECT_EQ(test_check(mm), 0);
    test_mm_leave();
}
