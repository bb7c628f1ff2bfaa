/* SPDX-License-Identifier: MIT */
/* thp_internal.h: transparent huge pages: what row PT_DEFAULT asks of thp.c and thp_range.c. */
#pragma once
#include <mm/huge.h>
#include <mm/pt_ops.h>
#include <mm/thp.h>

/* thp.c */
/* Nothing, not even a table, stands where f->addr is: a huge page? False: small ones, and nothing
 * happened. */
bool thp_fault(struct fault_ctx *f, enum fault_result *result);
/* Write to, or unsharing of, the private huge leaf f->entry. Table locked, not on return. */
enum fault_result thp_write(struct fault_ctx *f);
/* May the address space of the leaf write the whole in place? It is marked so. BUSY and PT held. */
bool thp_is_own(struct page *head);

/* thp_range.c */
/* The huge leaf *@slot is the huge zero page's: it becomes a hole, which reads the same. @parent is
 * locked. The caller flushes, then calls huge_put of the page. */
void thp_drop_zero(struct page *parent, pte_t *slot);
/* Splits what lies across @va. mmap_lock, or something else that keeps the tables. */
void thp_split_at(struct mm *mm, vaddr_t va);
/* Every huge leaf of [start, end), which lies in one area. mmap_lock held. */
void thp_split_range(struct mm *mm, vaddr_t start, vaddr_t end);
/*
 * Leaves of @r that reach out of it are split. True: that happened, the lock is dropped and the
 * cursor is back at the run's begin.
 */
bool thp_cut_run(struct pt_cursor *c, const struct pt_run *r, struct tlb_gather *tlb);
/* The leaves of the run go. The cursor may be sent back to where a split is, or is due. */
void thp_zap(struct tlb_gather *tlb, struct pt_cursor *c, const struct pt_run *r);
/* fork: the leaves from @*va on up to @end, in one table. On return *va is where to go on; 0 or
 * -ENOMEM. */
struct thp_copy {
    struct mm *dst;
    pte_t *src_slot;
    struct page *src_table;
    pt_prot_t ro;
    unsigned long pages; /* out: base pages that the child got */
};
int thp_copy(struct thp_copy *c, vaddr_t *va, vaddr_t end);
/* mremap: the huge leaf at @src, both tables locked. False: unlock, huge_wait, begin again. */
bool __must_check thp_move(pte_t *src, pte_t *dst, const struct huge_place *to);
/* Does a huge leaf hang below this link of @level? Its address would change. */
bool thp_is_below(pte_t link, unsigned int level);

/* collapse.c: may @v have huge pages, whatever the knobs say? */
bool thp_can_collapse(const struct vma *v);

/* gib.c: leaves of GIB_LEVEL over huge pages that lie side by side (pt_walk.h has the rest). */
static inline bool gib_possible(void)
{
    return huge_words != NULL && pt_top_level() > GIB_LEVEL && pt_level_can_leaf(GIB_LEVEL) &&
           HUGE_LEVEL == GIB_LEVEL - 1;
}
enum gib {
    GIB_OK,
    GIB_IS,        /* it was one already */
    GIB_SCATTERED, /* huge pages, but not one aligned block */
    GIB_NOT_FULL,  /* something other than a huge page, or nothing, is there */
    GIB_NO,        /* never, as the area is */
    GIB_NOT_YET,   /* not all this process' own, or not all dirty */
    GIB_BUSY,      /* somebody is at work on one of them */
};
/* The span at @va, which lies in @v, in place. @advised: what is clean becomes dirty; else it is in
 * the way. mmap_lock and the area's lock held for writing. */
enum gib gib_promote(struct vma *v, vaddr_t va, bool advised);
/* gib_collapse.c. Does the knob allow any? */
bool gib_enabled(void);
/* MADV_COLLAPSE, all of the span at @va being huge pages: 0 or -errno. */
int gib_collapse(struct mm *mm, vaddr_t va);
/* For who finds no memory: huge pages that MADV_COLLAPSE has taken for a GiB and not filled yet go
 * back at once, and it fails. True: there were some. */
bool gib_give_way(void);
/* khugepaged: what of @mm can be promoted in place is. */
void gib_scan(struct mm *mm);
/* For pt_check: what is wrong with @leaf above @table, or NULL. */
const char *gib_check(struct mm *mm, pte_t leaf, const struct page *table);
