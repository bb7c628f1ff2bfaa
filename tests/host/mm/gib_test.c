/* SPDX-License-Identifier: MIT */
/*
 * gib_test.c: leaves over tables of huge leaves (mm/gib.c) on trees so small that such a leaf fits
 * anywhere: what is promoted and what is not, that each change of a part puts the link back with
 * one flush, and that pins do not matter. With pages of 1 GiB: tests/kernel/mm/gib_ktest.c,
 * tests/user/gib_test.c.
 */
#include <asm/errno.h>
#include <asm/host_mmu.h>
#include <kernel/task.h>
#include <stdio.h>
#include <string.h>
#include "mm/pt_internal.h"
#include "mm/thp_internal.h"
#include "host.h"

static const struct host_geometry shapes[] = {
    {.top = 3, .bits = {4, 3, 4, 4}, .leaf_levels = 7, .abilities = ~0u},
    {.top = 4, .bits = {5, 5, 2, 3, 4}, .leaf_levels = 7, .abilities = 1u << MMU_WALKS_TREE},
};

static struct mm mm;
static struct vma v;
static struct page *block;
static u64 words[8192];

/* As huge_init, for the shape of this round. */
static void make_huge_words(void)
{
    EXPECT((mem_map_end - mem_map_first) >> huge_order() < ARRAY_SIZE(words));
    memset(words, 0, sizeof(words));
    huge_words = words - (mem_map_first >> huge_order());
}

static vaddr_t part(unsigned int i)
{
    return v.start + i * pt_size(HUGE_LEVEL);
}

/* Where hardware notes a use, there was none yet. */
static unsigned int first_state(void)
{
    return mmu_has(MMU_HW_YOUNG) ? PT_DIRTY : PT_YOUNG | PT_DIRTY;
}

/* The leaf of part @i: a huge page whose only reference is the leaf's. */
static void map_part(unsigned int i, struct page *head)
{
    struct huge_place at = {.mm = &mm, .va = part(i)};
    pte_t e = pte_make_leaf(page_to_phys(head), HUGE_LEVEL, vma_prot(&v)), *slot;
    unsigned int level;

    slot = pt_get_slot(&mm, at.va, HUGE_LEVEL, &at.parent, &level);
    EXPECT(slot != NULL && level == HUGE_LEVEL && pte_is_none(pte_load(slot)));
    head->flags = PG_EXCLUSIVE;
    head->index = v.pgoff + i * huge_nr();
    huge_map_new(head, huge_table_alloc(&mm), &at);
    pt_lock(at.parent);
    pte_store(slot, pte_with_state(e, first_state()));
    at.parent->pt_used++;
    pt_unlock(at.parent);
    atomic_long_add(&mm.rss[MM_ANON], (long)huge_nr());
    for (unsigned long n = 0; n < huge_nr(); n++)
        *(u64 *)page_to_virt(head + n) = part(i) + n;
}

/* An area of one leaf of GIB_LEVEL, whose huge pages lie side by side. */
static void begin(unsigned int shape)
{
    static struct task task; /* a split notes there that it must not allocate */
    static bool booted;

    if (!booted) {
        host_boot(MIB(64), PAGE_SIZE);
        pt_init();
        booted = true;
    }
    set_current_task(&task);
    host_geometry = shapes[shape];
    host_mmu_reset();
    make_huge_words();
    memset(&mm, 0, sizeof(mm));
    rwsem_init(&mm.mmap_lock, LOCK_MMAP);
    EXPECT(mmu_mm_init(&mm) == 0);
    cpumask_set(&mm.cpus, 0);
    v = (struct vma){.start = 3 * pt_size(GIB_LEVEL),
                     .end = 4 * pt_size(GIB_LEVEL),
                     .mm = &mm,
                     .flags = VM_READ | VM_WRITE,
                     .has_anon = true};
    mm.first_vma = &v;
    rwsem_write_lock(&mm.mmap_lock);
    block = huge_alloc_block(pt_shift(GIB_LEVEL) - PAGE_SHIFT, GFP_KERNEL);
    EXPECT(block != NULL && IS_ALIGNED(page_to_phys(block), pt_size(GIB_LEVEL)));
}

static void map_all(void)
{
    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++)
        map_part(i, block + i * huge_nr());
}

static void zap(vaddr_t start, vaddr_t end)
{
    struct tlb_gather tlb;

    tlb_gather_begin(&tlb, &mm, false);
    pt_ops_table[PT_DEFAULT].zap(&tlb, &v, start, end);
    tlb_gather_end(&tlb);
}

static void end(void)
{
    struct tlb_gather tlb;

    EXPECT_EQ(pt_check(&mm), 0);
    zap(v.start, v.end);
    tlb_gather_begin(&tlb, &mm, false);
    pt_free_tables(&tlb, 0, 8 * pt_size(GIB_LEVEL), 0, 0); /* where it was, too */
    tlb_gather_end(&tlb);
    EXPECT_EQ(atomic_long_read(&mm.rss[MM_ANON]), 0);
    EXPECT_EQ(atomic_long_read(&mm.pt_pages), 1L << pt_table_order(pt_top_level()));
    rwsem_write_unlock(&mm.mmap_lock);
    mmu_mm_destroy(&mm);
}

/* Level of the leaf that hardware finds at @va; checks that it leads to the right bytes. */
static unsigned int leaf_at(vaddr_t va)
{
    pte_t *base = mm.root;
    paddr_t pa = 0;

    EXPECT(host_mmu_access(&mm, 0, va, PT_W | PT_U, &pa));
    EXPECT_EQ(*(u64 *)phys_to_virt(pa),
              va - va % pt_size(HUGE_LEVEL) + va % pt_size(HUGE_LEVEL) / PAGE_SIZE);
    for (unsigned int level = pt_top_level();; level--) {
        pte_t e = pte_load(base + pt_index(va, level));

        if (!pte_is_table(e, level))
            return level;
        base = pt_link_table(e, level);
    }
}

static unsigned long flushes(void)
{
    return host_mmu_counts.flush_range + host_mmu_counts.flush_mm;
}

static void expect_all(unsigned int level)
{
    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++)
        EXPECT_EQ(leaf_at(part(i) + i % huge_nr() * PAGE_SIZE), level);
    EXPECT_EQ(pt_check(&mm), 0);
}

HTEST(there_and_back)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct page *table;
        unsigned int level;
        unsigned long before;
        struct pt_cursor c;
        struct pt_run r;

        begin(s);
        map_all();
        expect_all(HUGE_LEVEL);
        before = flushes();
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        EXPECT_EQ(flushes(), before + 1);
        EXPECT_EQ(host_mmu_counts.level, HUGE_LEVEL); /* the smallest that was there */
        expect_all(GIB_LEVEL);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_IS);

        /* Who reads finds the huge leaves, and leaves them. */
        pt_cursor_begin(&c, &mm, v.start, v.end, true);
        c.reads = true;
        EXPECT(pt_cursor_next(&c, &r) && r.level == HUGE_LEVEL && r.nr == pt_entries(HUGE_LEVEL));
        EXPECT(r.link == PT_RWXU && r.sharers == 0 && !pt_cursor_next(&c, &r));
        EXPECT(pt_look_locked(&mm, part(1), &table, &level) != NULL && level == HUGE_LEVEL);
        pt_unlock(table);
        EXPECT_EQ(leaf_at(v.start), GIB_LEVEL);

        /* Who may change one finds the link back, after one flush of the leaf. */
        before = flushes();
        EXPECT(pt_find_locked(&mm, part(1), &table, &level) != NULL && level == HUGE_LEVEL);
        pt_unlock(table);
        EXPECT_EQ(flushes(), before + 1);
        EXPECT_EQ(host_mmu_counts.level, GIB_LEVEL);
        EXPECT_EQ(host_mmu_counts.end - host_mmu_counts.start, pt_size(GIB_LEVEL));
        expect_all(HUGE_LEVEL);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        EXPECT_EQ(gib_demote_range(&mm, v.start, v.end), 1);
        EXPECT_EQ(gib_demote_range(&mm, v.start, v.end), 0);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        end();
    }
}

/* What is in the way, each alone. */
HTEST(not_promoted)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct page *table, *second;
        unsigned int level, last;
        pte_t *slot, e;

        begin(s);
        last = pt_entries(HUGE_LEVEL) - 1;
        second = block + huge_nr();
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_NOT_FULL); /* nothing there */
        for (unsigned int i = 0; i < last; i++)
            map_part(i, block + i * huge_nr());
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_NOT_FULL); /* one is missing */
        map_part(last, block + last * huge_nr());
        page_clear(second, PG_EXCLUSIVE);
        huge_get(second); /* as a child's leaf does */
        EXPECT_EQ(gib_promote(&v, v.start, true), GIB_NOT_YET);
        EXPECT(!page_test(second, PG_EXCLUSIVE));
        huge_put(second);
        EXPECT(huge_trylock(second));
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_BUSY);
        huge_unlock(second);
        slot = pt_find_slot(&mm, part(1), HUGE_LEVEL, &table, &level);
        e = pte_load(slot);
        EXPECT(!page_test(second, PG_EXCLUSIVE));
        pte_store(slot, pte_with_state(e, PT_YOUNG));
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_NOT_YET); /* somebody watches for writes */
        pte_store(slot, e);
        v.flags = 0;
        EXPECT_EQ(gib_promote(&v, v.start, true), GIB_NO);
        v.flags = VM_READ | VM_WRITE;
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        split_huge_page(second);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_NOT_FULL);
        end();

        begin(s);
        map_part(0, block + huge_nr());
        map_part(1, block);
        for (unsigned int i = 2; i <= last; i++)
            map_part(i, block + i * huge_nr());
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_SCATTERED);
        end();

        begin(s); /* side by side, but from the block's second huge page on */
        map_part(last, huge_alloc(PAGE_ANON, GFP_KERNEL));
        zap(part(last), v.end);
        for (unsigned int i = 0; i < last; i++)
            map_part(i, block + (i + 1) * huge_nr());
        huge_put(block);
        block = huge_alloc_block(pt_shift(GIB_LEVEL) - PAGE_SHIFT, GFP_KERNEL);
        map_part(last, block);
        for (unsigned int i = 1; i <= last; i++)
            huge_put(block + i * huge_nr());
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_SCATTERED);
        end();
    }
}

static void set_leaf(unsigned int i, pt_prot_t prot, unsigned int state)
{
    struct page *table;
    unsigned int level;
    pte_t *slot = pt_find_locked(&mm, part(i), &table, &level);

    EXPECT(slot != NULL && level == HUGE_LEVEL);
    pte_store(slot, pte_with_state(pte_with_prot(pte_load(slot), level, prot), state));
    pt_unlock(table);
}

/* Fork made a page a child's, too, who is gone: it is this address space's own, without a write. */
HTEST(own_again)
{
    for (unsigned int round = 0; round < 2 * ARRAY_SIZE(shapes); round++) {
        bool advised = round % 2 != 0;

        begin(round / 2);
        map_all();
        page_clear(block + huge_nr(), PG_EXCLUSIVE);
        set_leaf(1, vma_prot(&v) & ~PT_W, PT_DIRTY);
        EXPECT_EQ(gib_promote(&v, v.start, advised), GIB_OK);
        expect_all(GIB_LEVEL);
        EXPECT(page_test(block + huge_nr(), PG_EXCLUSIVE));
        set_leaf(2, vma_prot(&v) & ~PT_W, PT_YOUNG); /* clear_refs, and mprotect there and back */
        EXPECT_EQ(gib_promote(&v, v.start, advised), advised ? GIB_OK : GIB_NOT_YET);
        set_leaf(2, vma_prot(&v), PT_DIRTY);
        end();
    }
}

/* One flush for the leaf and the part, whatever is pinned; the other parts stay huge. */
HTEST(split_of_a_part)
{
    for (unsigned int round = 0; round < 3 * ARRAY_SIZE(shapes); round++) {
        unsigned long pins, before;
        struct page *head;

        begin(round / 3);
        map_all();
        pins = round % 3 == 0 ? 0 : round % 3 == 1 ? 1 : huge_nr();
        head = block + 2 * huge_nr();
        for (unsigned long i = 0; i < pins; i++)
            EXPECT(page_try_pin(head + i));
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        before = flushes();
        split_huge_page(head + 1);
        EXPECT_EQ(flushes(), before + 1);
        EXPECT_EQ(host_mmu_counts.end - host_mmu_counts.start, pt_size(GIB_LEVEL));
        EXPECT(!huge_is(head) && huge_is(block));
        for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++)
            EXPECT_EQ(leaf_at(part(i)), i == 2 ? 0 : HUGE_LEVEL);
        for (unsigned long i = 0; i < huge_nr(); i++) {
            EXPECT_EQ(page_pins(head + i), i < pins);
            EXPECT_EQ(page_refs(head + i), i < pins ? 2 : 1);
        }
        zap(part(2), part(3));
        for (unsigned long i = 0; i < pins; i++)
            page_unpin(head + i);
        end();
    }
}

/* Each operation on a part puts the link back and does what it says. */
HTEST(operations_on_parts)
{
    for (unsigned int s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct vma whole, to;
        struct tlb_gather tlb;
        size_t moved;
        paddr_t pa;

        begin(s);
        map_all();
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        EXPECT_EQ(pt_check(&mm), 0);
        EXPECT_EQ(leaf_at(part(0)), GIB_LEVEL);
        whole = v;
        v.flags = VM_READ;
        tlb_gather_begin(&tlb, &mm, false);
        pt_ops_table[PT_DEFAULT].protect(&tlb, &v, part(1), part(2));
        tlb_gather_end(&tlb);
        EXPECT(!host_mmu_access(&mm, 0, part(1), PT_W | PT_U, &pa));
        EXPECT_EQ(leaf_at(part(2)), HUGE_LEVEL);
        v.flags = whole.flags;
        tlb_gather_begin(&tlb, &mm, false);
        pt_ops_table[PT_DEFAULT].protect(&tlb, &v, v.start, v.end);
        tlb_gather_end(&tlb);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        zap(part(1), part(2));
        EXPECT(!host_mmu_access(&mm, 0, part(1), PT_U, &pa));
        EXPECT_EQ(leaf_at(part(2)), HUGE_LEVEL);
        end();

        begin(s);
        map_all();
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        to = v;
        to.start += 2 * pt_size(GIB_LEVEL);
        to.end += 2 * pt_size(GIB_LEVEL);
        EXPECT_EQ(
            pt_ops_table[PT_DEFAULT].move(&v, v.start, &to, to.start, v.end - v.start, &moved), 0);
        EXPECT(!host_mmu_access(&mm, 0, part(0), PT_U, &pa));
        v = to;
        for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL); i++)
            *(u64 *)page_to_virt(block + i * huge_nr()) = part(i);
        EXPECT_EQ(leaf_at(part(1)), HUGE_LEVEL);
        EXPECT_EQ(gib_promote(&v, v.start, false), GIB_OK);
        end();
    }
}
