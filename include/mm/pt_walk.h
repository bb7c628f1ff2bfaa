/* SPDX-License-Identifier: MIT */
/*
 * pt_walk.h: the one walker over page tables of every size, and the gather that frees behind it.
 *
 * A cursor yields runs: neighbouring entries of one table that are of one kind. While a run is out, the lock of the table
 * that contains it is held (LOCK_PT; it lives in the table's struct page), at every level, so a huge leaf is locked like a small one.
 */
#pragma once
#include <arch/mmu.h>
#include <mm/page.h>

struct vma;

enum pt_kind {
    PT_KIND_HOLE,         /* no entry; may stand at any level, nr entries of that level */
    PT_KIND_LEAF,
    PT_KIND_MARKER,       /* software entry: swap, migration, poison */
    PT_KIND_SHARED_TABLE, /* a link to a table that other address spaces use too */
};

struct pt_run {
    vaddr_t va;
    unsigned int level;
    unsigned int nr;      /* entries; each maps 1 << pt_shift(level) bytes */
    enum pt_kind kind;
    pte_t *slot;          /* the first of them */
    pt_prot_t link;       /* AND of the permissions of all links above */
};

struct pt_cursor {
    struct mm *mm;
    vaddr_t va, end;
    struct page *table;   /* locked table of the run that is out, or NULL */
    unsigned int level;
    bool skip_holes;
    pte_t *path[6];       /* table base by level */
    pt_prot_t link[6];
    vaddr_t table_end;
};

/* Starts over [start, end). skip_holes: HOLE runs are passed over without being returned. */
void pt_cursor_begin(struct pt_cursor *c, struct mm *mm, vaddr_t start, vaddr_t end, bool skip_holes);
/* Next run, or false at the end. Drops the previous run's lock, takes the new one's when the table differs. */
bool pt_cursor_next(struct pt_cursor *c, struct pt_run *r);
/* Ends early: drops the lock. Harmless after false. */
void pt_cursor_end(struct pt_cursor *c);

/*
 * The entry for @va at @level, tables above made as needed; returned locked (*table has the lock), or NULL when out of memory.
 * A leaf or shared table met above @level is returned with *level_found > level (caller decides).
 */
pte_t *pt_get_locked(struct mm *mm, vaddr_t va, unsigned int level, struct page **table, unsigned int *level_found);
/* Same without making tables: NULL when a table on the way is missing. */
pte_t *pt_find_locked(struct mm *mm, vaddr_t va, struct page **table, unsigned int *level_found);
static inline void pt_unlock(struct page *table)
{
    spin_unlock(&table->ptl);
}

/* Batched freeing: entries cleared first, one flush round, then pages and tables go back. */
#define TLB_GATHER_PAGES 506
struct tlb_gather {
    struct mm *mm;
    vaddr_t start, end;      /* range that needs a flush; start >= end: none */
    unsigned int level_min;  /* smallest leaf level changed */
    bool full_mm;            /* exit: no CPU uses the address space any more */
    bool need_flush;
    struct page *tables;     /* chain of table pages to free, through page->spare */
    unsigned int nr_pages, max_pages;
    struct page **pages;     /* filled batch: one page of the kernel, or local_pages when that could not be had */
    struct page *local_pages[16];
    long rss[3];             /* changes of mm->rss, applied at the end */
};
void tlb_gather_begin(struct tlb_gather *t, struct mm *mm, bool full_mm);
/* Entry at va, @level, was changed so that old translations must go. */
static inline void tlb_gather_range(struct tlb_gather *t, vaddr_t va, vaddr_t end, unsigned int level)
{
    if (va < t->start)
        t->start = va;
    if (end > t->end)
        t->end = end;
    if (level < t->level_min)
        t->level_min = level;
    t->need_flush = true;
}
/* Queues one reference of @p to be put after the flush. True when the batch is full: the caller must call tlb_gather_flush
 * (no PT lock may be needed for longer: flush may be called with a PT lock held, it does not sleep). */
bool tlb_gather_page(struct tlb_gather *t, struct page *p);
void tlb_gather_table(struct tlb_gather *t, struct page *table);
void tlb_gather_flush(struct tlb_gather *t);
void tlb_gather_end(struct tlb_gather *t);

/* Invariant walkers. */
int pt_check(struct mm *mm);   /* counts, kinds, permissions within the VMA's, mapcounts reachable */
int pt_check_all(void);
/* Page table as text for /proc/pid/pagetable and the debugger: calls emit for every table link and leaf run. */
struct pt_dump_entry {
    unsigned int level;
    vaddr_t start, end;
    bool is_table;
    pfn_t pfn;
    pt_prot_t prot;
    unsigned int state;
    u32 shared;
};
int pt_dump(struct mm *mm, vaddr_t start, vaddr_t end, int (*emit)(void *ctx, const struct pt_dump_entry *e), void *ctx);
