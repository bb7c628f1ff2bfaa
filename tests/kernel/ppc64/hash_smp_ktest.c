/* SPDX-License-Identifier: MIT */
/* hash_smp_ktest.c: walks of the hash MMU, flushes and entries that leave, against other CPUs. */
#include "hash_test.h"
#include "tests/kernel/team.h"

/* And the hash MMU. */
static bool has_two_cpus(void)
{
    if (!is_hash())
        return false;
    if (nr_cpus_online < 2)
        ktest_skip("needs two CPUs");
    return nr_cpus_online >= 2;
}

static void enter_mm(struct mm *mm)
{
    mm_get(mm);
    mm_set_current(mm);
}

/* ---- the protocol of hash_walk.c, step by step ---- */

struct late_walk {
    struct mm *mm;
    u32 phase; /* 1: the walker has read the entry; 2: it is changed */
    bool ended;
};

static void wait_for(struct late_walk *l, u32 phase)
{
    while (smp_load_acquire(&l->phase) < phase)
        cpu_relax();
}

/* A refill that is slow between reading the entry and entering it. */
static void walk_late(struct late_walk *l)
{
    unsigned long irq = irq_save();
    struct hash_walk w;
    struct hpt_key k;
    u64 seg;

    hash_walk_begin();
    hash_walk(l->mm, BASE, &w);
    EXPECT(pte_is_leaf(w.entry, 0));
    smp_store_release(&l->phase, 1);
    wait_for(l, 2);
    test_spin_us(3000);
    seg = w.segment->pt_private;
    k = hpt_key(seg_vsid(seg), BASE, seg_base_shift(seg), false);
    EXPECT(hpt_insert(&k, hpt_second_word(pte_paddr(w.entry, 0), PAGE_SHIFT, USER_RW, USED), seg) >=
           0);
    smp_store_release(&l->ended, true);
    hash_walk_end();
    irq_restore(irq);
}

static void change_early(struct late_walk *l)
{
    wait_for(l, 1);
    set_entry(l->mm, BASE, 0, pte_none());
    smp_store_release(&l->phase, 2);
    mmu_quiesce_walkers(l->mm);
    EXPECT(smp_load_acquire(&l->ended)); /* else it would enter the old page behind the flush */
    EXPECT(explain(BASE).slot >= 0);
    mmu_flush_range(l->mm, BASE, BASE + PAGE_SIZE, 0);
    EXPECT_EQ(explain(BASE).slot, -1);
    EXPECT_EQ(read_word(BASE), ~0ULL);
}

static void late_walk_member(struct team *team, unsigned int nr)
{
    struct late_walk *l = team->arg;

    enter_mm(l->mm);
    if (nr == 0)
        change_early(l);
    else
        walk_late(l);
    mm_set_current(NULL);
}

KTEST(hash_smp, flush_waits_for_walks)
{
    struct late_walk late = {0};
    struct team team = {.arg = &late};
    struct page *p;

    if (!has_two_cpus())
        return;
    p = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    EXPECT_OR_RETURN(p != NULL);
    late.mm = test_mm_enter();
    set_entry(late.mm, BASE, 0, pte_make_leaf(page_to_phys(p), 0, USER_RW));
    EXPECT(can_write(BASE, 1)); /* the segment has a number */
    team_run(&team, 2, late_walk_member, true);
    drop_tables(late.mm, BASE, BASE + SEGMENT, 0, 0);
    test_mm_leave();
    free_pages(p, 0);
}

/* ---- base page size ---- */

struct toggle {
    struct mm *mm;
    struct page *small;
    unsigned int pages; /* of the large leaf */
};

/* A small page appears beside the large leaf and goes, with its table. */
static void toggle_small(struct team *team, struct toggle *t)
{
    vaddr_t va = BASE + 3 * pt_size(1);

    while (team_round(team, 0, 300)) {
        set_entry(t->mm, va, 0, pte_make_leaf(page_to_phys(t->small), 0, USER_RW));
        EXPECT_EQ(read_word(va), 4711);
        set_entry(t->mm, va, 0, pte_none());
        flush(t->mm, va, 0);
        EXPECT_EQ(read_word(va), ~0ULL);
        drop_tables(t->mm, va, va + pt_size(1), BASE, BASE + SEGMENT - 1);
        flush(t->mm, BASE, 1); /* its pieces go; the next access finds only the large leaf */
        EXPECT_EQ(read_word(BASE), 0);
    }
    WRITE_ONCE(team->stop, true);
}

static void read_large(struct team *team, struct toggle *t, unsigned int nr)
{
    u64 seed = nr;

    while (!team_stopped(team)) {
        u32 page = test_random(&seed) % t->pages;

        EXPECT_EQ(read_word(BASE + page * PAGE_SIZE), page);
        team->rounds[nr]++;
    }
}

static void toggle_member(struct team *team, unsigned int nr)
{
    struct toggle *t = team->arg;

    enter_mm(t->mm);
    if (nr == 0)
        toggle_small(team, t);
    else
        read_large(team, t, nr);
    mm_set_current(NULL);
}

KTEST(hash_smp, page_size_changes_under_readers)
{
    unsigned int order = pt_shift(1) - PAGE_SHIFT;
    struct toggle t = {.pages = 1u << order};
    struct team team = {.arg = &t};
    struct page *large;
    u64 changes;

    if (!has_large_pages())
        return;
    large = alloc_pages(order, GFP_KERNEL | GFP_ZERO | GFP_NOOOM);
    if (large == NULL) {
        ktest_skip("no 16 MiB of contiguous memory");
        return;
    }
    t.small = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    EXPECT_OR_RETURN(t.small != NULL);
    for (unsigned int i = 0; i < t.pages; i++)
        *(u64 *)page_to_virt(large + i) = i;
    *(u64 *)page_to_virt(t.small) = 4711;
    t.mm = test_mm_enter();
    set_entry(t.mm, BASE, 1, pte_make_leaf(page_to_phys(large), 1, USER_RW));
    EXPECT_EQ(read_word(BASE), 0); /* a number of large pages: the first round changes it, too */
    changes = hpt_event_sum("base_size_change");
    team_run(&team, 4, toggle_member, false);
    changes = hpt_event_sum("base_size_change") - changes;
    EXPECT_EQ(min(changes, team.rounds[0]), team.rounds[0]);
    hpt_sweep();
    EXPECT_EQ(read_word(BASE + 5 * PAGE_SIZE), 5);
    set_entry(t.mm, BASE, 1, pte_none());
    flush(t.mm, BASE, 1);
    EXPECT_EQ(read_word(BASE + 5 * PAGE_SIZE), ~0ULL);
    drop_tables(t.mm, BASE, BASE + SEGMENT, 0, 0);
    test_mm_leave();
    free_pages(large, order);
    free_pages(t.small, 0);
}

/* ---- a shared segment ---- */

struct shared_change {
    struct mm *a, *b;
    struct page *small;
    u32 phase; /* 1: @b's CPU has the segment's first number; 2: the page is unmapped in @a */
};

#define THERE (BASE + 9 * SEGMENT)

static void wait_phase(struct shared_change *c, u32 phase)
{
    while (smp_load_acquire(&c->phase) < phase)
        cpu_relax();
}

/* The empty table for @va below a shared one, whose object would do it. */
static void drop_table_of(struct mm *mm, vaddr_t va)
{
    struct page *table;
    unsigned int level;

    EXPECT(pt_find_slot(mm, va, 0, &table, &level) != NULL && level == 0);
    set_entry(mm, va, 1, pte_none());
    flush(mm, va, 0);
    pt_table_free(table);
}

static void change_and_unmap(struct shared_change *c)
{
    vaddr_t small = BASE + pt_size(1);

    wait_phase(c, 1);
    set_entry(c->a, small, 0, pte_none());
    flush(c->a, small, 0);
    drop_table_of(c->a, small);
    EXPECT_EQ(explain(BASE).base_shift, PAGE_SHIFT);
    EXPECT_EQ(read_word(BASE + 5 * PAGE_SIZE), 0);
    EXPECT_EQ(explain(BASE).base_shift, 24); /* its second number */
    set_entry(c->a, BASE, 1, pte_none());
    flush(c->a, BASE, 1);
    smp_store_release(&c->phase, 2);
}

static void read_before_and_after(struct shared_change *c)
{
    EXPECT_EQ(read_word(THERE), 7);
    smp_store_release(&c->phase, 1);
    wait_phase(c, 2);
    EXPECT_EQ(read_word(THERE), ~0ULL);
}

static void shared_change_member(struct team *team, unsigned int nr)
{
    struct shared_change *c = team->arg;

    enter_mm(nr == 0 ? c->a : c->b);
    if (nr == 0)
        change_and_unmap(c);
    else
        read_before_and_after(c);
    mm_set_current(NULL);
}

/* A page size that changes gives the number of a table that another address space links, too: what
 * is unmapped then is gone there as well. */
KTEST(hash_smp, page_size_of_a_shared_segment)
{
    unsigned int order = pt_shift(1) - PAGE_SHIFT;
    struct shared_change c = {0};
    struct team team = {.arg = &c};
    struct page *large;

    if (!has_large_pages())
        return;
    large = nr_cpus_online < 2 ? NULL : alloc_pages(order, GFP_KERNEL | GFP_ZERO | GFP_NOOOM);
    if (large == NULL) {
        ktest_skip("needs two CPUs and 16 MiB of contiguous memory");
        return;
    }
    c.small = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    c.a = test_mm_enter();
    c.b = mm_alloc();
    EXPECT_OR_RETURN(c.small != NULL && c.b != NULL);
    *(u64 *)page_to_virt(large) = 7;
    set_entry(c.a, BASE, 1, pte_make_leaf(page_to_phys(large), 1, USER_RW));
    set_entry(c.a, BASE + pt_size(1), 0, pte_make_leaf(page_to_phys(c.small), 0, USER_RW));
    EXPECT_EQ(read_word(BASE), 7);
    share_segment(c.a, BASE, c.b, THERE);
    team_run(&team, 2, shared_change_member, true);
    unshare_segment(c.a, BASE, c.b, THERE);
    drop_tables(c.b, THERE, THERE + SEGMENT, 0, 0);
    drop_tables(c.a, BASE, BASE + SEGMENT, 0, 0);
    mm_put(c.b);
    test_mm_leave();
    free_pages(large, order);
    free_pages(c.small, 0);
}

/* What a fork does with the numbers of its segments, before it asks the CPUs. */
static void retire_and_unmap(struct shared_change *c)
{
    struct page *table = segment_table(c->a, BASE);

    wait_phase(c, 1);
    seg_retire(xchg(&table->pt_private, 0));
    set_entry(c->a, BASE, 0, pte_none());
    flush(c->a, BASE, 0);
    smp_store_release(&c->phase, 2);
}

static void shared_retirement_member(struct team *team, unsigned int nr)
{
    struct shared_change *c = team->arg;

    enter_mm(nr == 0 ? c->a : c->b);
    if (nr == 0) {
        retire_and_unmap(c);
    } else {
        preempt_disable(); /* a switch would empty the SLB */
        read_before_and_after(c);
        preempt_enable();
    }
    mm_set_current(NULL);
}

/* A flush that finds a shared segment without a number may have come between the retirement of the
 * number and the round that takes it out of the SLBs: it is the same as one whose number has
 * changed. */
KTEST(hash_smp, flush_beside_a_retirement)
{
    struct shared_change c = {0};
    struct team team = {.arg = &c};

    if (!has_two_cpus())
        return;
    c.small = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    c.a = test_mm_enter();
    c.b = mm_alloc();
    EXPECT_OR_RETURN(c.small != NULL && c.b != NULL);
    *(u64 *)page_to_virt(c.small) = 7;
    set_entry(c.a, BASE, 0, pte_make_leaf(page_to_phys(c.small), 0, USER_RW));
    EXPECT_EQ(read_word(BASE), 7);
    share_segment(c.a, BASE, c.b, THERE);
    team_run(&team, 2, shared_retirement_member, true);
    unshare_segment(c.a, BASE, c.b, THERE);
    drop_tables(c.b, THERE, THERE + SEGMENT, 0, 0);
    drop_tables(c.a, BASE, BASE + SEGMENT, 0, 0);
    mm_put(c.b);
    test_mm_leave();
    free_pages(c.small, 0);
}

/* ---- entries that leave in a batch ---- */

struct leaving {
    u64 seg, r;
    struct hpt_key key;
};

/* Enters the translation, and one of two takes it out again. */
static void enter_and_leave(struct team *team, unsigned int nr)
{
    const struct leaving *l = team->arg;

    while (team->rounds[nr] < 100 || clock_monotonic_ns() < team->end_ns) {
        struct hpt_batch batch = {.nr = 0};
        unsigned long irq = irq_save();

        EXPECT(hpt_insert(&l->key, l->r, l->seg) >= 0);
        if (nr == 0) {
            hpt_batch_add(&batch, &l->key);
            hpt_batch_end(&batch);
        }
        irq_restore(irq);
        team->rounds[nr]++;
    }
}

/* Who finds an entry that is about to leave waits, and does not take it for one that is there when
 * it goes in this moment. */
KTEST(hash_smp, entered_while_it_leaves)
{
    struct leaving l = {0};
    struct team team = {.arg = &l};
    struct hpt_batch batch = {.nr = 0};
    unsigned long irq;
    struct page *p;

    if (!has_two_cpus())
        return;
    p = alloc_pages(0, GFP_KERNEL | GFP_ZERO);
    EXPECT_OR_RETURN(p != NULL);
    l.seg = seg_alloc(0);
    l.key = hpt_key(seg_vsid(l.seg), BASE, PAGE_SHIFT, false);
    l.r = hpt_second_word(page_to_phys(p), PAGE_SHIFT, USER_RW, USED);
    team_run(&team, 2, enter_and_leave, true);
    irq = irq_save();
    hpt_batch_add(&batch, &l.key);
    hpt_batch_end(&batch);
    irq_restore(irq);
    seg_retire(l.seg);
    free_pages(p, 0);
}
