/* SPDX-License-Identifier: MIT */
/*
 * pt_walk.h: the one walker over page tables of every size, and the gather that frees behind it.
 *
 * A cursor yields runs: neighbouring entries of one table that are of one kind. While a run is out,
 * the lock of the table that contains it is held (LOCK_PT; it lives in the table's struct page), at
 * every level, so a huge leaf is locked like a small one.
 */
#pragma once
#include <arch/mmu.h>
#include <mm/buddy.h>
#include <mm/mm.h>

struct mapping;
struct vma;
struct tlb_gather;

#define PT_SHARE_LEVELS 2u /* tables below this level may be an object's (pt_share.h) */

enum pt_kind {
    PT_KIND_HOLE,         /* no entry; may stand at any level, nr entries of that level */
    PT_KIND_LEAF,
    PT_KIND_MARKER,       /* software entry: swap, migration, poison */
};

struct pt_run {
    vaddr_t va, end;      /* the part inside the cursor's range; a huge leaf may reach over both */
    unsigned int level;
    unsigned int nr;      /* entries; each maps pt_size(level) bytes */
    enum pt_kind kind;
    pte_t *slot;          /* the first of them */
    pt_prot_t link;       /* AND of the permissions of all links above */
    u32 sharers;          /* 0: the table is the address space's own; else who else has it */
    struct page *table;   /* the table they are in, locked */
};

struct pt_cursor {
    struct mm *mm;
    vaddr_t va, end;      /* what is still to be visited */
    struct page *table;   /* locked table of the run that is out, or NULL */
    unsigned int level;   /* deepest level whose path is known */
    bool skip_holes;
    bool own;             /* links to tables not @mm's own are passed over; set after begin */
    bool reads;           /* no entry is changed: leaves of GIB_LEVEL stay. Set after begin */
    vaddr_t path_va;      /* path[] is the way to this address */
    vaddr_t table_end;    /* end of the locked table, or of the range */
    pte_t *path[PT_MAX_LEVELS]; /* table by level */
    /* Of tables below PT_SHARE_LEVELS, and one entry for all above, which are the address space's
     * own: what the links allow; links to the table, or to a shared one above it (0: own). */
    pt_prot_t link[PT_SHARE_LEVELS + 1];
    u32 sharers[PT_SHARE_LEVELS + 1];
};

static inline vaddr_t pt_size(unsigned int level)
{
    return 1UL << pt_shift(level);
}
/* First address behind the entry that maps @va at @level, not beyond @end. No overflow at the top
 * of the address space. */
static inline vaddr_t pt_next(vaddr_t va, vaddr_t end, unsigned int level)
{
    vaddr_t last = va | (pt_size(level) - 1);

    return last < end - 1 ? last + 1 : end;
}
/* @slot, for @va in a table at @level, is empty: behind it and the empty ones that follow in the
 * table, @end at most. */
static inline vaddr_t pt_skip_empty(const pte_t *slot, vaddr_t va, vaddr_t end, unsigned int level)
{
    unsigned int shift = pt_shift(level);
    u64 in_range = ((end - 1) >> shift) - (va >> shift) + 1, nr = 1;
    u64 left = min((u64)pt_entries(level) - pt_index(va, level), in_range);

    while (nr < left && pte_is_none(pte_load(slot + nr)))
        nr++;
    return pt_next(va + ((nr - 1) << shift), end, level);
}
static inline struct page *pt_table_page(const pte_t *base)
{
    return virt_to_page(base);
}
static inline pte_t *pt_link_table(pte_t link, unsigned int level)
{
    return phys_to_virt(pte_paddr(link, level));
}

/*
 * gib.c. A leaf of GIB_LEVEL over anonymous memory stands for the link to a table of huge leaves,
 * which is still there. Walkers go through it; who changes an entry of such a table, which is
 * marked, puts the link back first.
 */
#define GIB_LEVEL 2u
static inline bool pt_is_gib(const struct page *table)
{
    return (READ_ONCE(table->flags) & PG_GIB) != 0;
}
/* The table below the leaf @e, found at @slot; NULL: it is none of these, or changed meanwhile. */
pte_t *gib_below(const pte_t *slot, pte_t e);
static inline pte_t *pt_gib_below(const pte_t *slot, pte_t e, unsigned int level)
{
    return unlikely(level == GIB_LEVEL && !pte_is_none(e)) ? gib_below(slot, e) : NULL;
}
/* The link of the marked, locked @table, which has an entry for @va, is back, and no TLB knows the
 * leaf. Needs no memory. */
void gib_demote(struct page *table, vaddr_t va);
/* The same in two halves, with the caller's flush of the whole leaf between them. The table may be
 * unlocked meanwhile, then the mark may be gone. */
void gib_invalidate(struct page *table, vaddr_t va);
void gib_link(struct page *table, vaddr_t va);
/* An access that the table's entry allows has made a fault: a split of another part holds the leaf
 * without permissions, and need not be waited for. Table locked. */
void gib_answer(struct page *table, vaddr_t va);
/* All leaves of [start, end): how many. mmap_lock or the areas' lock held. */
unsigned int gib_demote_range(struct mm *mm, vaddr_t start, vaddr_t end);

/*
 * Starts over [start, end) of the user half. skip_holes: HOLE runs are passed over without being
 * returned. The caller keeps the tables of the range from being freed: mmap_lock or the VMA's lock,
 * either way; or the mapping's vmas_lock (free_tables runs after the VMA has left that list).
 */
static inline void pt_cursor_begin(struct pt_cursor *c, struct mm *mm, vaddr_t start, vaddr_t end,
                     bool skip_holes)
{
    unsigned int top = pt_top_level();

    ASSERT(start <= end && end <= user_top());
    c->mm = mm;
    c->va = c->path_va = start;
    c->end = end;
    c->table = NULL;
    c->level = top;
    c->skip_holes = skip_holes;
    c->own = false;
    c->reads = false;
    c->path[top] = mm->root;
    c->link[PT_SHARE_LEVELS] = PT_RWXU;
    c->sharers[PT_SHARE_LEVELS] = 0;
}
/* Next run, or false at the end. Drops the previous run's lock, takes the new one's when the table
 * differs. */
bool pt_cursor_next(struct pt_cursor *c, struct pt_run *r);
/* Like pt_cursor_next, but a run is all that the range covers of one table up to the next link, of
 * any kind mixed (kind is the first entry's): for loops that look at each entry anyway. skip_holes
 * skips only tables that are empty. */
bool pt_cursor_next_table(struct pt_cursor *c, struct pt_run *r);
/* Drops the lock, so that the caller may sleep; the next run starts where the last one ended. */
void pt_cursor_unlock(struct pt_cursor *c);
/* Goes back (or on) to @va, which lies in the cursor's original range; drops the lock. */
void pt_cursor_seek(struct pt_cursor *c, vaddr_t va);
/* Ends early: drops the lock. Harmless after false. */
void pt_cursor_end(struct pt_cursor *c);

/*
 * The entry for @va at @level, tables above made as needed (may sleep); NULL when out of memory.
 * Not locked: the caller locks *table and looks at the entry again. A leaf or marker met above
 * @level is returned with *level_found > level.
 */
pte_t *pt_get_slot(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                   unsigned int *level_found);
/* Same without making tables: NULL when one on the way is missing. */
pte_t *pt_find_slot(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                    unsigned int *level_found);
/* pt_get_slot, returned with *table locked: then an entry above @level is no link, and holes above
 * @level were filled with tables. */
pte_t *pt_get_locked(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                     unsigned int *level_found);
/* The entry that decides about @va, without making tables: NULL when a table on the way is missing.
 * Locked, and free to be changed; pt_look_locked: to be read only. */
pte_t *pt_look_locked(struct mm *mm, vaddr_t va, struct page **table, unsigned int *level_found);
pte_t *pt_find_locked(struct mm *mm, vaddr_t va, struct page **table, unsigned int *level_found);
static inline void pt_lock(struct page *table)
{
    spin_lock(&table->ptl);
}
static inline void pt_unlock(struct page *table)
{
    spin_unlock(&table->ptl);
}
/* Two tables that may be one: locks them in address order. */
void pt_lock_two(struct page *a, struct page *b);
void pt_unlock_two(struct page *a, struct page *b);

/* A table of @mm's own below the empty @slot of @parent, ours or that of somebody faster; false
 * when out of memory. */
bool __must_check pt_fill_slot(struct mm *mm, struct page *parent, pte_t *slot);

/* pt_table.c: tables themselves. A table is private to its maker until it is linked. */
struct page *pt_table_alloc(struct mm *mm, unsigned int level, gfp_t gfp); /* empty; NULL */
void pt_table_free(struct page *table); /* never linked, or unlinked and flushed */
/* The same for a table of an object (pt_share.h): no address space pays for it. */
struct page *pt_table_alloc_shared(unsigned int level, gfp_t gfp);
void pt_table_free_shared(struct page *table); /* mmu_forget was called if it ever was linked */
/* Up to @n tables with undefined contents and without a lock, which wait for leaves to be split:
 * how many, 0 when there is no memory. */
unsigned int pt_table_alloc_waiting(struct mm *mm, unsigned int level, struct page **tables,
                                    unsigned int n);
/* A chain of them through page->spare, all of one address space: pt_table_free of each. */
void pt_table_free_chain(struct page *table);
/* Such a table is about to be filled and linked. */
void pt_table_ready(struct page *table);
/* Links the empty slot of @parent (level @level) to @table; false when somebody was faster. Takes
 * @parent's lock. */
bool __must_check pt_table_link(struct page *parent, pte_t *slot, struct page *table);
/* The free_tables slot of rows without wishes of their own. */
void pt_free_tables(struct tlb_gather *tlb, vaddr_t start, vaddr_t end, vaddr_t floor,
                    vaddr_t ceiling);
/* Makes @va the border of a leaf: a larger leaf around it becomes leaves of lower levels. 0, or
 * -ENOMEM with nothing lost. Takes table locks, may sleep. mmap_lock held for writing. */
int __must_check pt_split_leaf_at(struct mm *mm, vaddr_t va);

/* Batched freeing: entries cleared first, one flush round, then pages and tables go back. */
#define TLB_GATHER_PAGES 506
struct tlb_gather {
    struct mm *mm;
    vaddr_t start, end;      /* range that needs a flush; start >= end: none */
    unsigned int level_min;  /* smallest leaf level changed */
    bool full_mm;            /* exit: no CPU uses the address space any more */
    bool keep_private;       /* hole punching: zap leaves private copies alone. Set after begin */
    bool areas_go;           /* munmap, exit: nobody will ask for the entries again. Likewise */
    bool need_flush;
    struct mapping *all_users; /* this object's tables are changed: every CPU takes part */
    struct page *tables;     /* chain of table pages to free, through page->spare */
    unsigned int nr_pages, max_pages;
    struct page **pages;     /* the batch: local_pages, later one page of the kernel */
    struct page *local_pages[16];
    struct page *huge[32];   /* huge pages: a reference to the whole each */
    unsigned int nr_huge;
    /* Links that are cleared: uncounted after the flush, by tlb_gather_end at the latest */
    struct page **links, *local_links[8];
    unsigned int nr_links, max_links;
    struct page *named;      /* all_users: start and end are bytes of this table's span */
    long rss[3];             /* changes of mm->rss (not MM_HUGETLB), applied at the end */
};
/* @full_mm: the address space dies; no task uses it. All CPUs leave it first, and no flush is
 * needed any more. */
void tlb_gather_begin(struct tlb_gather *t, struct mm *mm, bool full_mm);
/* Of no address space: what is queued needs no flush, unless all_users is set. */
void tlb_gather_begin_batch(struct tlb_gather *t);
/* Entries of [va, end), leaves at @level, were changed so that old translations must go. */
static inline void tlb_gather_range(struct tlb_gather *t, vaddr_t va, vaddr_t end,
                                    unsigned int level)
{
    if (va < t->start)
        t->start = va;
    if (end > t->end)
        t->end = end;
    if (level < t->level_min)
        t->level_min = level;
    t->need_flush = true;
}
/* The batch is full: a larger one (false), or the caller must call tlb_gather_flush (true). */
bool tlb_gather_full(struct tlb_gather *t);
/* Queues one reference of @p to be put after the flush. True when the caller must call
 * tlb_gather_flush before the next; that may be called with a PT lock held, it does not sleep. */
static inline bool tlb_gather_page(struct tlb_gather *t, struct page *p)
{
    ASSERT(t->nr_pages < t->max_pages); /* who was told that it is full has flushed */
    t->pages[t->nr_pages++] = p;
    return unlikely(t->nr_pages == t->max_pages) && tlb_gather_full(t);
}
/* The same for a reference to a whole huge page. */
static inline bool tlb_gather_huge(struct tlb_gather *t, struct page *head)
{
    ASSERT(t->nr_huge < ARRAY_SIZE(t->huge));
    t->huge[t->nr_huge++] = head;
    return t->nr_huge == ARRAY_SIZE(t->huge);
}
void tlb_gather_table(struct tlb_gather *t, struct page *table);
/* A link to @table, which is shared, was cleared; its range is in the gather. No PT lock held. */
void tlb_gather_link(struct tlb_gather *t, struct page *table);
/* all_users: what follows is about this table. */
void tlb_gather_named(struct tlb_gather *t, struct page *table);
void tlb_gather_flush(struct tlb_gather *t);
void tlb_gather_end(struct tlb_gather *t);

/* notifier.c: tells those who keep copies of translations. */
void mm_notify(struct mm *mm, vaddr_t start, vaddr_t end);
/* Entries of [start, end) were changed: after this nobody, CPU or device, can use what they were
 * before. As mmu_flush_range; mm/ calls that only here. */
static inline void mm_flush_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned int level)
{
    mmu_flush_range(mm, start, end, level);
    if (unlikely(READ_ONCE(mm->nr_notifiers) != 0))
        mm_notify(mm, start, end);
}

/* The same of all of @mm, for who changes leaves everywhere; mmap_lock held for writing. */
static inline void mm_flush_all(struct mm *mm)
{
    mmu_quiesce_walkers(mm);
    mmu_flush_mm(mm);
    if (unlikely(READ_ONCE(mm->nr_notifiers) != 0))
        mm_notify(mm, 0, user_top());
}

/*
 * One round for translations of several address spaces, for who walks from a page to its leaves:
 * each entry is changed, then added; after the end no CPU can use an old translation. No memory is
 * needed. @mm must not go away before it was added; later it may.
 */
struct tlb_batch {
    cpumask_t cpus;
    vaddr_t start, end;
    unsigned int level;
};
#define TLB_BATCH_INIT {.start = ~0UL, .level = PT_MAX_LEVELS}
void tlb_batch_add(struct tlb_batch *b, struct mm *mm, vaddr_t start, vaddr_t end,
                   unsigned int level);
/* PT locks may be held. The batch is empty again. */
void tlb_batch_end(struct tlb_batch *b);

/*
 * tlb.c, for the MMU's flush: asked on each CPU of a round, interrupts off. True: this CPU must
 * drop @mm's translations. False: it does not use them; a CPU that only kept @mm's tables under a
 * kernel thread has just switched to the kernel's own.
 */
bool mm_cpu_must_flush(struct mm *mm);
/* The same when tables of objects were changed: does what this CPU has loaded link any? */
bool mm_cpu_shares(void);
/* No CPU uses @mm's tables after this. @mm has no task. */
void mm_leave_cpus(struct mm *mm);

/*
 * pt_check.c, the invariant walker: prints and counts violations. Every leaf lies in a VMA, allows
 * no more than it, maps a frame of the right kind; pt_used, rss and pt_pages are what the tables
 * hold. mmap_lock held for writing, no task of @mm runs.
 */
int pt_check(struct mm *mm);
/* Page table as text for /proc/pid/pagetable and the debugger: calls emit for every table link and
 * leaf run. */
struct pt_dump_entry {
    unsigned int level;
    vaddr_t start, end;
    bool is_table;
    pfn_t pfn;
    pt_prot_t prot;
    unsigned int state;
    u32 shared;
};
int pt_dump(struct mm *mm, vaddr_t start, vaddr_t end,
            int (*emit)(void *ctx, const struct pt_dump_entry *e), void *ctx);
