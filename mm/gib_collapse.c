/* SPDX-License-Identifier: MIT */
/*
 * gib_collapse.c: who gets leaves of 1 GiB: MADV_COLLAPSE and khugepaged, by the knob
 * /sys/kernel/mm/transparent_hugepage/hugepages-1048576kB/enabled (thp_sysfs.c).
 *
 * Where the huge pages of an aligned GiB lie side by side already, both put the leaf there; that
 * costs no memory, and pins do not matter. Where they do not, MADV_COLLAPSE moves them one by one
 * to a free block of 1 GiB, if the knob is not "never"; khugepaged does not.
 *
 * Who finds no memory meanwhile gets what is not filled of the block (gib_give_way).
 *
 * Locks: mmap_lock and the area's lock for writing around each promotion; none while pages move;
 * gathers.lock (LEAF) around the list of blocks being filled and what is left of each. Invariants:
 * I1 a huge page of [next, end) has one reference, the block's.
 * Checked by tests/user/gib_test.c, tests/user/gib_memory_test.c. Source: Linux,
 * Documentation/admin-guide/mm/transhuge.rst (hugepages-<size>kB/enabled). Read next: khugepaged.c.
 */
#include <kernel/task.h>
#include <kernel/time.h>
#include <mm/migrate.h>
#include "pt_internal.h"
#include "thp_internal.h"
#include "thp_knobs.h"
#include "vma_internal.h"

#define TRIES 20 /* a millisecond apart */

/* What the knob says about @v. */
static bool is_wanted(const struct vma *v)
{
    switch (READ_ONCE(thp_knobs.gib)) {
    case GIB_ALWAYS: return true;
    case GIB_INHERIT: return thp_eligible(v);
    case GIB_MADVISE: return (v->flags & VM_HUGEPAGE) != 0;
    default: return false;
    }
}

bool gib_enabled(void)
{
    return gib_possible() && READ_ONCE(thp_knobs.gib) != GIB_NEVER;
}

/* May @v have such a leaf at @va? */
static bool covers(const struct vma *v, vaddr_t va)
{
    return v != NULL && thp_can_collapse(v) && va >= v->start && v->end - va >= pt_size(GIB_LEVEL);
}

static enum gib try_promote(struct mm *mm, vaddr_t va, bool advised)
{
    enum gib result = GIB_NO;
    struct vma *v;

    mmap_write_lock(mm);
    v = vma_lookup(mm, va);
    if (covers(v, va)) {
        vma_write_lock(v);
        result = gib_promote(v, va, advised);
    }
    mmap_write_unlock(mm);
    return result;
}

/* ---- MADV_COLLAPSE ---- */

/* The huge page mapped at @va, with a reference to the whole, or NULL. */
static struct page *huge_page_at(struct mm *mm, vaddr_t va)
{
    struct page *table, *head = NULL;
    unsigned int level;
    pte_t *slot, e;

    mmap_read_lock(mm);
    slot = vma_lookup(mm, va) != NULL ? pt_look_locked(mm, va, &table, &level) : NULL;
    if (slot != NULL) {
        e = pte_load(slot);
        if (level == HUGE_LEVEL && pte_is_leaf(e, level) && pte_page(e, level)->kind == PAGE_ANON)
            head = pte_page(e, level);
        if (head != NULL && !huge_try_get(head))
            head = NULL;
        pt_unlock(table);
    }
    mmap_read_unlock(mm);
    return head;
}

/* Does anybody but its leaf, and the caller, have @head or a part? A glance. */
static bool is_held(struct page *head)
{
    return huge_refs(huge_load(head)) != huge_maps(huge_load(head)) + 1 || !huge_pages_idle(head);
}

/* The same of any huge page from @va on; what cannot move for long is found before any has moved.
 */
static bool is_any_held(struct mm *mm, vaddr_t va)
{
    bool held = false;

    for (unsigned int i = 0; i < pt_entries(HUGE_LEVEL) && !held; i++) {
        struct page *head = huge_page_at(mm, va + i * pt_size(HUGE_LEVEL));

        if (head == NULL)
            continue; /* being split */
        held = is_held(head);
        huge_put(head);
    }
    return held;
}

/* The huge page at @va, which may have been split meanwhile, moves to @to. 0 or -EAGAIN. */
static int try_move(struct mm *mm, vaddr_t va, struct page *to)
{
    const struct collapse_limits all = {.none = ~0u, .shared = ~0u, .gfp = GFP_USER | GFP_NOOOM};
    struct page *from = huge_page_at(mm, va);
    int err;

    if (from == NULL && thp_collapse(mm, va, &all) <= COLLAPSE_IS_HUGE)
        from = huge_page_at(mm, va);
    if (from == NULL)
        return -EAGAIN;
    err = migrate_huge(from, to);
    huge_put(from);
    return err ? -EAGAIN : 0;
}

/* Who pins a page for a moment is waited for: half a block of moved pages helps nobody. */
static int move_one(struct mm *mm, vaddr_t va, struct page *to)
{
    int err = try_move(mm, va, to);

    for (unsigned int i = 0; err && i < TRIES && !fatal_signal_pending(); i++) {
        (void)nanosleep_until(clock_monotonic_ns() + NSEC_PER_MSEC, false, NULL);
        err = try_move(mm, va, to);
    }
    return err;
}

/* A block that pages move to: huge pages [next, end) are still to be filled. */
struct gather {
    struct list_head link;
    struct page *block;
    unsigned int next, end;
};

static struct {
    spinlock_t lock;
    struct list_head list;
} gathers = {SPINLOCK_INIT(LOCK_LEAF), {&gathers.list, &gathers.list}};

static void gather_begin(struct gather *g)
{
    unsigned long flags = spin_lock_irqsave(&gathers.lock);

    list_add_tail(&g->link, &gathers.list);
    spin_unlock_irqrestore(&gathers.lock, flags);
}

/* The next huge page is the caller's; NULL: they were given away. */
static struct page *gather_next(struct gather *g)
{
    struct page *to = NULL;
    unsigned long flags;

    flags = spin_lock_irqsave(&gathers.lock);
    if (g->next < g->end)
        to = g->block + g->next++ * huge_nr();
    spin_unlock_irqrestore(&gathers.lock, flags);
    return to;
}

/* What is left becomes free. False: nothing. */
static bool put_left(struct page *block, unsigned int from, unsigned int end)
{
    for (unsigned int i = from; i < end; i++)
        huge_put(block + i * huge_nr());
    return from < end;
}

static void gather_end(struct gather *g)
{
    unsigned long flags = spin_lock_irqsave(&gathers.lock);

    list_del(&g->link);
    spin_unlock_irqrestore(&gathers.lock, flags);
    (void)put_left(g->block, g->next, g->end);
}

bool gib_give_way(void)
{
    unsigned int from = 0, end = 0;
    struct page *block = NULL;
    unsigned long flags;
    struct gather *g;

    flags = spin_lock_irqsave(&gathers.lock);
    list_for_each_entry (g, &gathers.list, link) {
        if (g->next == g->end)
            continue;
        block = g->block;
        from = g->next;
        end = g->end;
        g->end = g->next;
        break;
    }
    spin_unlock_irqrestore(&gathers.lock, flags);
    return put_left(block, from, end);
}

static int fill(struct mm *mm, vaddr_t va, struct gather *g)
{
    int err = 0;

    for (vaddr_t end = va + pt_size(GIB_LEVEL); va < end && err == 0; va += pt_size(HUGE_LEVEL)) {
        struct page *to = gather_next(g);

        if (to == NULL)
            return -ENOMEM;
        err = move_one(mm, va, to);
        huge_put(to);
        if (fatal_signal_pending())
            err = -EINTR;
    }
    return err;
}

/* The huge pages from @va on move into one block. 0; -ENOMEM: there is none, or somebody needed
 * what was not filled yet; -EAGAIN: not all could be moved; -EINTR: the task is to die. Nobody sees
 * a difference either way. */
static int gather(struct mm *mm, vaddr_t va)
{
    struct gather g = {.end = pt_entries(HUGE_LEVEL)};
    int err;

    if (is_any_held(mm, va))
        return -EAGAIN;
    g.block = huge_alloc_block(pt_shift(GIB_LEVEL) - PAGE_SHIFT, GFP_USER | GFP_NOOOM);
    if (g.block == NULL) {
        vmstat_inc(VMSTAT_thp_collapse_alloc_failed);
        return -ENOMEM;
    }
    vmstat_inc(VMSTAT_thp_collapse_alloc);
    gather_begin(&g);
    err = fill(mm, va, &g);
    gather_end(&g);
    return err;
}

static int errno_of(enum gib result)
{
    switch (result) {
    case GIB_OK:
    case GIB_IS: return 0;
    case GIB_NO: return -EINVAL;
    default: return -EAGAIN;
    }
}

int gib_collapse(struct mm *mm, vaddr_t va)
{
    enum gib result = try_promote(mm, va, true);
    int err;

    ASSERT(IS_ALIGNED(va, pt_size(GIB_LEVEL)));
    if (READ_ONCE(thp_knobs.gib) == GIB_NEVER)
        return 0; /* it was worth a look */
    if (result != GIB_SCATTERED)
        return errno_of(result);
    err = gather(mm, va);
    return err ? err : errno_of(try_promote(mm, va, true));
}

/* ---- khugepaged ---- */

/* The next span from *at on that may be promoted; *at moves to it. */
static bool next_full(struct mm *mm, vaddr_t *at)
{
    bool found = false;

    mmap_read_lock(mm);
    for (struct vma *v = vma_find(mm, *at); v != NULL && !found; v = v->next) {
        vaddr_t va = ALIGN_UP(max(v->start, *at), pt_size(GIB_LEVEL));

        if (!is_wanted(v))
            continue;
        for (; !found && va < v->end && covers(v, va); va += pt_size(GIB_LEVEL)) {
            struct page *table;
            unsigned int level;
            pte_t *slot = pt_find_slot(mm, va, HUGE_LEVEL, &table, &level);

            found = slot != NULL && level == HUGE_LEVEL && !pt_is_gib(table) &&
                    READ_ONCE(table->pt_used) == pt_entries(HUGE_LEVEL);
            *at = va;
        }
    }
    mmap_read_unlock(mm);
    return found;
}

void gib_scan(struct mm *mm)
{
    vaddr_t at = 0;

    if (!gib_enabled())
        return;
    for (; next_full(mm, &at); at += pt_size(GIB_LEVEL))
        (void)try_promote(mm, at, false);
}
