/* SPDX-License-Identifier: MIT */
/*
 * compact.c: large free blocks out of scattered free frames.
 *
 * A block, an aligned run of 2^order frames, becomes free when every page in it that is in use has
 * moved elsewhere. Its free frames are taken out of the allocator first, so that nothing moves into
 * it, and the frames that become empty are kept until the last one is; then all go back at once and
 * join. Where a page cannot be moved, all goes back as it was, but for the pages that have moved.
 *
 * Blocks with few pages in use come first: several passes over memory, each of which takes fuller
 * ones. New frames are whatever the allocator gives first, which are those of the smallest free
 * blocks; a block is begun only while small blocks have room for its pages, so no large one is
 * broken up.
 *
 * Who finds no memory meanwhile takes the kept frames back (compact_give_way), and the run ends.
 *
 * Locks: none held, and only tried ones taken; one run at a time; kept.lock (LEAF) around its list.
 * Invariants: I1 a frame is either the allocator's, or its page's, or on that list. Checked by
 * tests/kernel/mm/compact_ktest.c, tests/user/gib_memory_test.c. Source: Linux,
 * Documentation/admin-guide/sysctl/vm.rst; the indexes: mm/vmstat.c. Read next: pcp.c (who calls).
 */
#include <kernel/ktest.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <kernel/workqueue.h>
#include <mm/compact.h>
#include <mm/huge.h>
#include <mm/migrate.h>
#include <mm/mm.h>
#include "internal.h"

#define GFP_TARGET      (GFP_USER | GFP_NOOOM | GFP_NORECLAIM)
#define PASSES          4 /* pass i looks at blocks that are at most i / PASSES in use */
#define MAX_DEFER_SHIFT 6
#define WAIT_NS         NSEC_PER_MSEC

static int running; /* 1 while somebody compacts; changed by cmpxchg */
/* Runs for those who can do without are left out after failures: the next `skip` ones. */
static unsigned int defer_shift, skip;

/* Empty frames of the block that is at work. */
static struct {
    spinlock_t lock;
    struct list_head frames; /* through page->link */
    unsigned long nr;
    bool wanted; /* somebody took them away since the block was begun */
} kept = {.lock = SPINLOCK_INIT(LOCK_LEAF), .frames = {&kept.frames, &kept.frames}};

/* ---- one block ---- */

struct block {
    struct page *first;
    unsigned int order;
};

struct survey {
    unsigned long used, free; /* can be moved; free */
    bool fixed;               /* something cannot be moved */
};

static bool is_inside(const struct block *b, const struct page *p)
{
    return p >= b->first && p < b->first + (1UL << b->order);
}

/* A glance at each frame, until something cannot be moved, or more than @most can. */
static struct survey look_at(const struct block *b, unsigned long most)
{
    struct survey s = {.fixed = false};
    unsigned long nr = 1UL << b->order;

    for (unsigned long i = 0; i < nr && !s.fixed && s.used <= most;) {
        const struct page *p = b->first + i;
        unsigned int kind = READ_ONCE(p->kind), order = READ_ONCE(p->order);

        if (kind == PAGE_FREE && order <= BUDDY_MAX_ORDER) {
            s.free += 1UL << order;
            i += 1UL << order;
            continue;
        }
        i++;
        if (kind == PAGE_PCP)
            s.free++;
        else if (migrate_is_movable(p))
            s.used++;
        else
            s.fixed = true;
    }
    return s;
}

static void keep(struct page *p)
{
    unsigned long flags = spin_lock_irqsave(&kept.lock);
    list_add_tail(&p->link, &kept.frames);
    kept.nr++;
    spin_unlock_irqrestore(&kept.lock, flags);
}

/* What is free in the block. */
static void keep_free(const struct block *b)
{
    struct list_head frames;
    unsigned long n, flags;

    list_init(&frames);
    n = take_free_range(b->first, b->order, &frames);
    flags = spin_lock_irqsave(&kept.lock);
    ASSERT(list_empty(&kept.frames) && kept.nr == 0);
    list_splice_tail_init(&frames, &kept.frames);
    ASSERT(!kept.wanted); /* it ended the run, and there was nothing to take since */
    kept.nr = n;
    spin_unlock_irqrestore(&kept.lock, flags);
}

static bool is_wanted(void)
{
    return READ_ONCE(kept.wanted);
}

/* A new frame outside of the block; what is inside is kept. NULL: no memory, or others want it. */
static struct page *take_target(const struct block *b, enum page_kind kind)
{
    for (;;) {
        struct page *to = page_alloc(kind, GFP_TARGET);

        if (to == NULL)
            return NULL;
        to->mapping = NULL;
        if (!is_inside(b, to))
            return to;
        keep(to);
        if (is_wanted())
            return NULL; /* else what was given away is taken again */
    }
}

/* The pages move, and their frames are kept. False: not all of them. */
static bool empty_frames(struct migration *m, unsigned int n)
{
    unsigned int done = n != 0 ? migrate_batch(m, n) : 0;

    for (unsigned int i = 0; i < n; i++) {
        page_put(m[i].to);
        if (m[i].err == 0 && page_refs(m[i].from) == 1) {
            keep(m[i].from);
            vmstat_inc(VMSTAT_compact_isolated);
        } else {
            page_put(m[i].from);
            done = 0;
        }
    }
    return done == n;
}

/* @p and a new frame for it. False: it was freed meanwhile, or is just being moved; or no memory.
 */
static bool prepare_move(const struct block *b, struct page *p, struct migration *m)
{
    if (!page_try_get(p))
        return false;
    *m = (struct migration){.from = p, .to = take_target(b, (enum page_kind)p->kind)};
    if (m->to != NULL)
        return true;
    page_put(p);
    return false;
}

#define BATCH 64u

/* Takes up to BATCH of the frames; @wanted: for who needs them. */
static unsigned int take_kept(struct page **batch, bool wanted)
{
    unsigned long flags = spin_lock_irqsave(&kept.lock);
    unsigned int n = 0;

    for (; n < BATCH && !list_empty(&kept.frames); n++) {
        batch[n] = list_first_entry(&kept.frames, struct page, link);
        list_del(&batch[n]->link);
    }
    ASSERT(kept.nr >= n);
    kept.nr -= n;
    kept.wanted |= wanted && n != 0;
    spin_unlock_irqrestore(&kept.lock, flags);
    return n;
}

/* Everything that was kept goes back to the allocator; neighbours join. False: there was nothing.
 */
static bool give_back(bool wanted)
{
    struct page *batch[BATCH];
    unsigned int taken;
    bool any = false;

    while ((taken = take_kept(batch, wanted)) != 0) {
        unsigned int n = 0;

        for (unsigned int i = 0; i < taken; i++) {
            struct page *p = batch[i];

            /* A reference of somebody who found the frame by number may outlive ours. */
            if (p->word == 0 || __atomic_sub_fetch(&p->word, PAGE_REF, __ATOMIC_ACQ_REL) == 0)
                batch[n++] = p;
        }
        free_pages_bulk(batch, n);
        any = true;
    }
    return any;
}

bool compact_give_way(void)
{
    return give_back(true);
}

/* Those that wait on a CPU's stack may be taken, by us too, until the last page has moved: so they
 * are counted last. */
static bool is_empty(const struct block *b)
{
    unsigned long n = READ_ONCE(kept.nr);

    for (unsigned long i = 0; i < 1UL << b->order; i++)
        n += READ_ONCE(b->first[i].kind) == PAGE_PCP;
    return n == 1UL << b->order && !is_wanted();
}

/* True: all frames of the block are free now. */
static bool empty_block(const struct block *b)
{
    struct page *end = b->first + (1UL << b->order);
    struct migration m[MIGRATE_BATCH];
    unsigned int n = 0;
    bool done = true;

    keep_free(b);
    for (struct page *p = b->first; p < end && done && !is_wanted(); p++) {
        vmstat_inc(VMSTAT_compact_migrate_scanned);
        if (migrate_is_movable(p)) {
            done = prepare_move(b, p, &m[n]);
            n += done;
        }
        if (n == MIGRATE_BATCH) {
            done = empty_frames(m, n) && done;
            n = 0;
        }
    }
    done = empty_frames(m, n) && done && is_empty(b);
    (void)give_back(false);
    return done;
}

/* ---- a run ---- */

/* New frames come from these; what is free among the kernel's own is the last resort. */
static u64 small_movable(unsigned int order)
{
    u64 n = 0;

    for (unsigned int o = 0; o < order; o++)
        n += buddy_nr_movable_order(o) << o;
    return n;
}

/* Free frames in blocks smaller than 2^@order. */
static u64 small_free(unsigned int order)
{
    u64 n = 0;

    for (unsigned int o = 0; o < order; o++)
        n += buddy_nr_free_order(o) << o;
    return n;
}

static bool is_free_block(unsigned int order)
{
    for (unsigned int o = order; o <= BUDDY_MAX_ORDER; o++)
        if (buddy_nr_free_order(o) != 0)
            return true;
    return false;
}

/* May pass @pass take this block? */
static bool is_worth(const struct block *b, unsigned int pass)
{
    unsigned long most = ((unsigned long)pass << b->order) / PASSES;
    struct survey s = look_at(b, most);

    return !s.fixed && s.used != 0 && s.used <= most &&
           small_movable(b->order) >= s.free + s.used &&
           buddy_nr_free() >= s.free + s.used + buddy_keep(GFP_TARGET);
}

/* Blocks of 2^@order frames until @want are free. How many. */
static unsigned long run(unsigned int order, unsigned long want)
{
    unsigned long nr = 1UL << order, done = 0;
    pfn_t first = ALIGN_UP(mem_map_first, nr);

    WRITE_ONCE(kept.wanted, false);
    buddy_drain_pcp();
    for (unsigned int pass = 1; pass <= PASSES; pass++) {
        for (pfn_t pfn = first; pfn + nr <= mem_map_end && done < want; pfn += nr) {
            struct block b = {.first = pfn_to_page(pfn), .order = order};

            if (is_worth(&b, pass) && empty_block(&b))
                done++;
            if (is_wanted() || (current->mm != NULL && fatal_signal_pending()))
                want = 0;
        }
    }
    if (done != 0)
        buddy_drain_pcp();
    return done;
}

static bool begin(void)
{
    return cmpxchg(&running, 0, 1) == 0;
}

static void end(void)
{
    smp_store_release(&running, 0);
}

/* ---- who asks ---- */

/* Is it fragmentation that is in the way? */
static bool is_suitable(unsigned int order)
{
    return small_free(order) + pcp_nr_free() > 1UL << order;
}

bool compact_direct(unsigned int order, gfp_t gfp)
{
    bool done;

    might_sleep();
    if (order > BUDDY_MAX_ORDER || !is_suitable(order))
        return false;
    if ((gfp & GFP_USER) && READ_ONCE(skip) != 0) {
        WRITE_ONCE(skip, skip - 1);
        return false;
    }
    if (!begin())
        return false;
    vmstat_inc(VMSTAT_compact_stall);
    done = run(order, 1) != 0 || is_free_block(order);
    vmstat_inc(done ? VMSTAT_compact_success : VMSTAT_compact_fail);
    defer_shift = done ? 0 : min(defer_shift + 1, (unsigned int)MAX_DEFER_SHIFT);
    WRITE_ONCE(skip, done ? 0 : 1u << defer_shift);
    end();
    return done;
}

static unsigned int later_order;

static void compact_work(struct work *unused)
{
    vmstat_inc(VMSTAT_compact_daemon_wake);
    if (!begin())
        return;
    if (!is_free_block(later_order) && is_suitable(later_order))
        (void)run(later_order, 1);
    end();
}

void compact_later(unsigned int order)
{
    static struct work work = {.fn = compact_work};

    WRITE_ONCE(later_order, order);
    (void)work_queue(&work);
}

unsigned long compact_all(void)
{
    unsigned long done;

    while (!begin())
        (void)nanosleep_until(clock_monotonic_ns() + WAIT_NS, false, NULL);
    done = run(pt_shift(1) - PAGE_SHIFT, ~0UL);
    skip = defer_shift = 0;
    end();
    return done;
}

/* ---- what Linux's tools read ---- */

int compact_unusable_index(unsigned int order)
{
    u64 all = small_free(BUDDY_MAX_ORDER + 1);

    return all == 0 ? 1000 : (int)(small_free(order) * 1000 / all);
}

int compact_fragmentation_index(unsigned int order)
{
    u64 all = small_free(BUDDY_MAX_ORDER + 1), blocks = 0;

    if (is_free_block(order))
        return -1000;
    for (unsigned int o = 0; o <= BUDDY_MAX_ORDER; o++)
        blocks += buddy_nr_free_order(o);
    if (blocks == 0)
        return 0;
    return 1000 - (int)((1000 + (all * 1000 >> order)) / blocks);
}

static int show_index(struct seq *s, void *arg)
{
    int (*index)(unsigned int order) = arg;

    seq_puts(s, "Node 0, zone   Normal ");
    for (unsigned int order = 0; order <= BUDDY_MAX_ORDER; order++) {
        int v = index(order), abs = v < 0 ? -v : v;

        seq_printf(s, "%s%d.%03d ", v < 0 ? "-" : "", abs / 1000, abs % 1000);
    }
    seq_puts(s, "\n");
    return 0;
}

void compact_init(void)
{
    sysfs_create("kernel/debug/extfrag/unusable_index", 0444, show_index, NULL,
                 compact_unusable_index);
    sysfs_create("kernel/debug/extfrag/extfrag_index", 0444, show_index, NULL,
                 compact_fragmentation_index);
}
