/* SPDX-License-Identifier: MIT */
/*
 * pt_share.h: page tables that an object owns and the address spaces that map it link.
 *
 * A span is what one table of a level covers. The table of a span is found from the object by what
 * its entries map (first page, part of the span that is in use, permission where links cannot carry
 * it), so whoever maps the same thing in the same place of a span meets the same table. The entries
 * map pages of the object and nothing else; the permission of one user is in his link, where the
 * MMU has that.
 *
 * The count of links is page->pt_shared, and it is the one predicate: not 0 means that the table
 * belongs to an object. It is no reference count. A link is taken away in this order: cleared,
 * flushed in its address space, only then uncounted (tlb_gather_link); so when the count is 0 no
 * TLB and no walker knows the table, and it is emptied without a flush.
 *
 * An address space changes its links with mmap_lock held for writing and the area write-locked, or
 * out of the tree; a fault may add one under the area's lock. The object changes entries in place
 * (pt_share_zap).
 *
 * Locks: mapping->share_lock (PT_SHARE), outside PT: the index, all counts. docs/SHARING.md.
 */
#pragma once
#include <mm/mm.h>
#include <mm/pt_walk.h>

/* Quire's own, in numbers that Linux does not use. madvise: may the range use such tables? */
#define MADV_SHAREPT   0x5100
#define MADV_NOSHAREPT 0x5101
/* prctl: arg2 says what this process, and children that it forks, may share: PT_SHARE_*. */
#define PR_SET_PT_SHARE 0x51510001
/* The same; without bits for what machine or boot parameters exclude. */
#define PR_GET_PT_SHARE 0x51510002

extern bool pt_share_enabled; /* shared_pt= */

/* The table belongs to an object: it may be changed by that, not by an address space. (A table with
 * links and an owner is of the host of a space, pt_space.h.) */
static inline bool pt_is_shared(const struct page *table)
{
    return READ_ONCE(table->pt_shared) != 0 && READ_ONCE(table->pt_mm) == NULL;
}

/* A link in @mm's tables leads to a table that is not its own: an object's, or a space's. */
static inline bool pt_is_foreign(const struct page *table, const struct mm *mm)
{
    return READ_ONCE(table->pt_mm) != mm;
}

/* How many address spaces map @p, which the leaf of @r maps (a huge page's first): a leaf in a
 * table of an object counts once in mapcount and stands for all who link the table. */
static inline u64 pt_nr_mappings(const struct page *p, const struct pt_run *r)
{
    s32 maps = page_mapcount(p);

    return (u64)max(maps, 1) + (r->sharers > 1 ? r->sharers - 1 : 0);
}

void pt_share_init(void);
unsigned int pt_share_possible(void); /* PT_SHARE_*: by the machine and the boot parameters */
bool pt_fork_possible(void);
/* As pt_get_slot, for a fault in @v: tables that are missing are the object's where that may be. */
pte_t *pt_share_get_slot(struct vma *v, vaddr_t va, unsigned int level, struct page **table,
                         unsigned int *level_found) __must_check;
/* Where a mapping of an object should lie so that it can share: adds to *align_mask; *room, @len at
 * first, is what should be free there. */
void pt_share_place(size_t len, u64 pgoff, vaddr_t *align_mask, size_t *room);
/* What a leaf in @table, which is shared, may allow; links take away what @v may not. */
pt_prot_t pt_share_leaf_prot(const struct vma *v, const struct page *table);

/* Why links go, for /proc/vmstat. */
enum pt_unshare_why {
    PT_UNSHARE_unmap, /* the area goes: links are dropped, nothing is kept */
    PT_UNSHARE_protect,
    PT_UNSHARE_move,
    PT_UNSHARE_dontneed,
    PT_UNSHARE_split, /* the border of an area moves into the span */
    PT_UNSHARE_lock,
    PT_UNSHARE_advice,
};
/*
 * No table that maps [start, end) of @v is shared on return. The only user of one takes it over as
 * his own, with all its entries; one of several drops the link and faults again (of unmap: drops in
 * any case). @v is write-locked, or out of the tree; mmap_lock held for writing (for unmap perhaps
 * downgraded). Flushes are @t's.
 */
void pt_unshare(struct tlb_gather *t, struct vma *v, vaddr_t start, vaddr_t end,
                enum pt_unshare_why why);
/* The same with a flush of its own. */
void pt_unshare_range(struct vma *v, vaddr_t start, vaddr_t end, enum pt_unshare_why why);
/* mprotect: @v's flags have changed. Links to spans inside [start, end) get its permission where
 * the MMU has that in links; other shared tables are left as by pt_unshare. */
void pt_share_protect(struct tlb_gather *t, struct vma *v, vaddr_t start, vaddr_t end);
/* @addr becomes a border of @v, which is write-locked. */
void pt_unshare_at(struct vma *v, vaddr_t addr);
/* @v has just come, or grown: a neighbour that had a span for itself no longer has. mmap_lock held
 * for writing. */
void pt_share_claim(struct vma *v);

/* The answer to FAULT_SHARED: no table around @va is shared on return, until the next fork or
 * fault. 0, -EINTR, -ENOMEM. Nothing locked; may sleep. */
int __must_check pt_leave_at(struct mm *mm, vaddr_t va);

/*
 * pt_share_fork.c: private memory, also of files. fork gives @src's tables, one after the other, to
 * the child's @dst_vma, too, where that is worth it. Both sides are locked for writing; the caller
 * flushes the parent.
 */
struct pt_fork {
    struct mm *dst;
    struct vma *src, *dst_vma;
    bool more; /* tables that are not shared yet may be */
    unsigned long nr, anon, file; /* links, and pages behind them, not yet counted */
};
/* 0 or -ENOMEM. */
int __must_check pt_fork_begin(struct pt_fork *f, struct mm *dst, struct vma *dst_vma,
                               struct vma *src);
/* @table, of level 0, the parent's own or shared already, behind the link in @slot of @parent; all
 * of it lies in the area. 1: the child has a link; 0: it is to be copied; -ENOMEM. */
int __must_check pt_fork_table(struct pt_fork *f, vaddr_t va, struct page *table,
                               struct page *parent, pte_t *slot);
/* The links stand, also after an error, and go with the child. */
void pt_fork_end(const struct pt_fork *f);
/* No table that maps a part of [start, end) of @v is shared with another process on return: comes
 * before any change of it but the end of whole spans. 0, or -ENOMEM and nothing has changed that
 * anybody sees. mmap_lock held for writing; write-locks @v where it has to. */
int __must_check pt_fork_leave_links(struct vma *v, vaddr_t start, vaddr_t end);
static inline int __must_check pt_fork_leave(struct vma *v, vaddr_t start, vaddr_t end)
{
    return likely(!READ_ONCE(v->has_shared)) ? 0 : pt_fork_leave_links(v, start, end);
}
/* The same for the tables that reach out of the range; pt_unshare sees to the others. */
static inline int __must_check pt_fork_leave_edges(struct vma *v, vaddr_t start, vaddr_t end)
{
    int err = 0;

    if (!IS_ALIGNED(start, pt_size(1)))
        err = pt_fork_leave(v, start, start + PAGE_SIZE);
    if (!err && !IS_ALIGNED(end, pt_size(1)))
        err = pt_fork_leave(v, end - PAGE_SIZE, end);
    return err;
}
/* Tables that nobody else uses any more, only. */
void pt_fork_adopt(struct vma *v, vaddr_t start, vaddr_t end);
/* Has nobody but @mm the @table of private memory, which is locked? mmap_lock is held. */
bool pt_fork_is_sole_user(const struct page *table, const struct mm *mm);
/* Leaves of @table, which is locked and has several users, are changed in place for all of them. */
void pt_fork_note_move(struct page *table);
/* @nr anonymous pages are no longer in the locked @table, whose only user took them out. */
void pt_fork_lost_pages(struct page *table, unsigned long nr);
/* Is @va of @v in such a table? mmap_lock, or the area's. */
bool pt_fork_is_at(const struct vma *v, vaddr_t va);
/* A walk from a page to its leaves comes to the shared @table, which is locked: for the first time?
 * *walk is the walk's number, 0 at its begin. */
bool pt_fork_first_visit(struct page *table, u32 *walk);
/* @table is one that fork shared: its leaves say nothing about the right to write, and do not
 * change. An area of a file may have such ones and the file's, too, in different places. By a mark,
 * not by what the table's struct pt_share says: that may be gone for who looks without a lock. */
static inline bool pt_is_forked(const struct page *table)
{
    return unlikely(pt_is_shared(table)) && page_test(table, PG_FORKED);
}
/* Truncation: does a link of @v in [start, end) lead to such a table? The object's vmas_lock is
 * held: such links may go meanwhile, but none comes. */
bool pt_fork_has_links(const struct vma *v, vaddr_t start, vaddr_t end);

/* Pages [first, last) leave the object: their leaves in tables that it owns go, and one round
 * reaches all users. */
void pt_share_zap(struct mapping *m, u64 first, u64 last);

/* What @mm has through links. Pages by counter; base pages of tables. mmap_lock held. */
struct pt_share_usage {
    unsigned long rss[NR_MM_COUNTERS];
    unsigned long tables;
};
void pt_share_usage(struct mm *mm, struct pt_share_usage *u);
/* Pages behind @mm's links that count for what is resident. Does not wait: while mmap_lock is
 * taken, or when there are very many areas, it is what was found last. */
unsigned long pt_share_rss(struct mm *mm);
/* @mm is about to clear links: mm->hiwater_rss. mmap_lock held. */
void pt_share_note_peak(struct mm *mm);
/* Bytes of tables below the root's entries for @v: its address space's own that lie around it (a
 * table that serves two areas is each one's), and shared ones. Added to what is there. */
void pt_share_count_tables(const struct vma *v, u64 *own, u64 *shared);
/* pt_check: is the link to @table around @va, of @v's address space, as it should be? What is
 * wrong, or NULL. rss[]: what it means for mm->rss is added. */
const char *pt_share_check_link(const struct vma *v, vaddr_t va, pte_t link,
                                const struct page *table, long *rss);

/* pt_walk.h's gather: links that were flushed are uncounted, the last of a table ends it. */
void pt_share_put_links(struct mm *mm, struct page **tables, unsigned int n);
