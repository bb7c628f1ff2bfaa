/* SPDX-License-Identifier: MIT */
/* pt_hugetlb_internal.h: entries of row PT_HUGETLB_FS, for pt_hugetlb.c and pt_hugetlb_range.c. */
#pragma once
#include "pt_internal.h"

#define MARKER_UNPROMISED 1u
#define MARKER_LOST       2u

/* vma->private of an owner. */
extern u8 hugetlb_owner_mark;

static inline bool hugetlb_is_owner(const struct vma *v)
{
    return v->private == &hugetlb_owner_mark;
}

static inline bool hugetlb_is_lost(pte_t e)
{
    return pte_is_marker(e) && pte_marker_type(e) == MARKER_LOST;
}

static inline bool hugetlb_is_private_page(const struct page *p)
{
    return p->kind == PAGE_HUGETLB && huge_is_private(p);
}

static inline void hugetlb_count_rss(const struct vma *v, long leaves)
{
    long pages = (long)pt_leaf_pages(v->level);

    if (leaves != 0)
        atomic_long_add(&v->mm->rss[MM_HUGETLB], leaves * pages);
}

/* A page for this area alone, contents undefined. FAULT_OK with NULL: somebody else has answered
 * the fault. No lock. */
enum fault_result hugetlb_take_page(struct fault_ctx *f, bool promised, struct page **out);
/* Contents of @from, or zeroes. */
void hugetlb_fill_page(const struct vma *v, struct page *to, struct page *from);
/* Stores a leaf over an entry that is none or a marker. Table locked. */
void hugetlb_store_leaf(struct fault_ctx *f, struct page *p, pt_prot_t prot, unsigned int state);
