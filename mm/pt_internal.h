/* SPDX-License-Identifier: MIT */
/* pt_internal.h: what the files of the pagetable-operations rows say to each other only. */
#pragma once
#include <kernel/printk.h>
#include <mm/hugetlb.h>
#include <mm/pt_ops.h>
#include <mm/pt_share.h>
#include <asm/errno.h>
#include <asm/quire_page.h>

static inline void page_map_inc(struct page *p)
{
    (void)__atomic_fetch_add(&p->mapcount, 1, __ATOMIC_RELAXED);
}
static inline void page_map_dec(struct page *p)
{
    (void)__atomic_fetch_sub(&p->mapcount, 1, __ATOMIC_RELAXED);
}
/* Who changes an entry has put back the link to its table, where a leaf stands for it (gib.c). The
 * files of the rows change entries through these. */
static inline void pt_assert_changeable(const pte_t *slot)
{
    ASSERT(!pt_is_gib(pt_table_page(slot)));
}
static inline void pt_store(pte_t *slot, pte_t e)
{
    pt_assert_changeable(slot);
    pte_store(slot, e);
}
static inline pte_t pt_xchg(pte_t *slot, pte_t e)
{
    pt_assert_changeable(slot);
    return pte_xchg(slot, e);
}
static inline bool pt_cmpxchg(pte_t *slot, pte_t *old, pte_t new)
{
    pt_assert_changeable(slot);
    return pte_cmpxchg(slot, old, new);
}
#define pte_store   pt_store
#define pte_xchg    pt_xchg
#define pte_cmpxchg pt_cmpxchg

static inline struct page *pte_page(pte_t e, unsigned int level)
{
    return pfn_to_page(pte_paddr(e, level) >> PAGE_SHIFT);
}
/* Base pages that a leaf of @level maps. */
static inline unsigned long pt_leaf_pages(unsigned int level)
{
    return pt_size(level) >> PAGE_SHIFT;
}
/* Which counter the pages of the VMA's object belong to. */
static inline enum mm_counter vma_file_counter(const struct vma *v)
{
    return v->mapping != NULL && (v->mapping->flags & MAPPING_SHMEM) ? MM_SHMEM : MM_FILE;
}
/* Entries of a VMA without the right to write: what a page gets that is not (or not yet) this
 * process' own. */
static inline pt_prot_t vma_prot_ro(const struct vma *v)
{
    return vma_prot(v) & ~PT_W;
}

/* What a leaf of @v in @table may allow; with write access, and without. Where links of shared
 * tables carry the permission of each user, leaves do not. */
static inline pt_prot_t pt_leaf_prot(const struct vma *v, const struct page *table)
{
    return unlikely(pt_is_shared(table)) ? pt_share_leaf_prot(v, table) : vma_prot(v);
}
static inline pt_prot_t pt_leaf_prot_ro(const struct vma *v, const struct page *table)
{
    return pt_leaf_prot(v, table) & ~PT_W;
}
/* The address space has @n pages more of @v's object, unless they are everybody's. */
static inline void pt_count_object_pages(struct vma *v, const struct page *table, long n)
{
    if (likely(!pt_is_shared(table)))
        atomic_long_add(&v->mm->rss[vma_file_counter(v)], n);
}

/* What the steps of PT_DEFAULT's fault say to each other besides its results: the entry changed,
 * look at it again. pt_default_fault does, and no caller sees it. */
#define FAULT_AGAIN ((enum fault_result)-1)

/* The entry allows what the fault wanted and remembers that it happened. Table locked. */
static inline void pt_make_usable(struct fault_ctx *f, pt_prot_t prot, unsigned int state)
{
    pte_t e = f->entry, new;

    do
        new = pte_with_state(pte_with_prot(e, f->level, prot), pte_state(e) | state);
    while (!pte_cmpxchg(f->slot, &e, new));
    mmu_update_hint(f->vma->mm, f->addr, new, f->level);
}
/* Leaf that already allows the access: another CPU was faster, or this MMU leaves it to software to
 * set young and dirty. Unlocks the table. */
static inline enum fault_result pt_answered(struct fault_ctx *f)
{
    bool write = (f->flags & FAULT_WRITE) != 0;
    pt_prot_t prot =
        pt_leaf_prot_ro(f->vma, f->table) | (pte_prot(f->entry, f->level) & PT_W);

    f->kind = "spurious";
    pt_make_usable(f, prot, write ? PT_YOUNG | PT_DIRTY : PT_YOUNG);
    pt_unlock(f->table);
    return FAULT_OK;
}
/* Write to a private page that is the process' own: in place. Unlocks the table. */
static inline enum fault_result pt_reuse(struct fault_ctx *f)
{
    f->kind = "reuse";
    pt_make_usable(f, vma_prot(f->vma), PT_YOUNG | PT_DIRTY);
    pt_unlock(f->table);
    vmstat_inc(VMSTAT_pgreuse);
    return FAULT_OK;
}
/* May this process write the private page @p in place? The table is locked. */
static inline bool pt_is_own(struct page *p)
{
    ASSERT(page_refs(p) > 0 && page_mapcount(p) > 0);
    if (page_test(p, PG_EXCLUSIVE))
        return true;
    if (page_refs(p) != 1)
        return false;
    /* Others' last accesses, before their references went. */
    __atomic_thread_fence(__ATOMIC_ACQUIRE);
    page_set(p, PG_EXCLUSIVE);
    return true;
}

/* May the leaf be written without a fault that looks at it first? */
static inline bool pt_may_write_at_once(pte_t e, unsigned int level, bool shared)
{
    const struct page *p;

    if (!(pte_state(e) & PT_DIRTY)) /* the write shall be seen: clear_refs took dirty away */
        return false;
    if (shared)
        return true;
    p = pte_page(e, level);
    return page_test(p, PG_EXCLUSIVE); /* only private pages ever are */
}

/* pt_default.c, for userfault.c: fills the hole at @addr of the anonymous area @v, with @p (one
 * reference, no mapping, contents done; taken over on success) or with zeroes. 0, -EEXIST, -ENOMEM.
 * mmap_lock or the VMA's lock held. */
int pt_fill_hole(struct vma *v, vaddr_t addr, struct page *p);
int pt_fill_hole_zero(struct vma *v, vaddr_t addr);

/* pt_default_cow.c */
/* A new page of anonymous memory, contents undefined, to be mapped once at @addr of @v; or NULL. */
struct page *pt_anon_page(const struct vma *v, vaddr_t addr);
/* Access that the present leaf f->entry does not allow, or allows by now. */
enum fault_result pt_default_present(struct fault_ctx *f);

/* pt_default_file.c: nothing is mapped and the VMA maps an object. */
enum fault_result pt_default_file(struct fault_ctx *f);

/* pt_default_range.c */
void pt_default_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
void pt_default_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
/* pt_default_fork.c */
int pt_default_copy(struct mm *dst, struct vma *dst_vma, struct vma *src);
/* @v leaves a table that fork shared, and whose span begins at @va: the entries as a child gets
 * them, into a new table that nobody knows. 0, or -ENOMEM with some of them. *new_pages: some do
 * not map the same frame as before. */
int __must_check pt_default_copy_shared(struct vma *v, vaddr_t va, struct page *from,
                                        struct page *to, bool *new_pages);
/* pt_default_move.c */
int pt_default_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                    size_t len, size_t *moved);
/* pt_default.c */
enum fault_result pt_default_fault(struct fault_ctx *f);
struct page *pt_default_pin(struct vma *v, vaddr_t va, bool write);
int pt_default_may_map(const struct vma *v, unsigned long flags);
int pt_default_may_split(struct vma *v, vaddr_t addr);
bool pt_default_may_share(const struct vma *v);

/* pt_hugetlb.c */
enum fault_result pt_hugetlb_fault(struct fault_ctx *f);
int pt_hugetlb_copy(struct mm *dst, struct vma *dst_vma, struct vma *src);
void pt_hugetlb_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
int pt_hugetlb_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                    size_t len, size_t *moved);
int pt_hugetlb_may_split(struct vma *v, vaddr_t addr);
bool pt_hugetlb_may_share(const struct vma *v);
/* pt_hugetlb_char.c */
enum fault_result pt_hugetlb_char_fault(struct fault_ctx *f);

/* pt_space.c */
int pt_space_may_map(const struct vma *v, unsigned long flags);
enum fault_result pt_space_fault(struct fault_ctx *f);
int pt_space_copy(struct mm *dst, struct vma *dst_vma, struct vma *src);
void pt_space_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
void pt_space_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
struct page *pt_space_pin(struct vma *v, vaddr_t va, bool write);
int pt_space_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                  size_t len, size_t *moved);
int pt_space_may_split(struct vma *v, vaddr_t addr);

/* pt_pfnmap.c */
int pt_pfnmap_may_map(const struct vma *v, unsigned long flags);
enum fault_result pt_pfnmap_fault(struct fault_ctx *f);
int pt_pfnmap_copy(struct mm *dst, struct vma *dst_vma, struct vma *src);
void pt_pfnmap_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
void pt_pfnmap_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end);
struct page *pt_pfnmap_pin(struct vma *v, vaddr_t va, bool write);
int pt_pfnmap_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                   size_t len, size_t *moved);
int pt_pfnmap_may_split(struct vma *v, vaddr_t addr);
bool pt_pfnmap_may_share(const struct vma *v);
