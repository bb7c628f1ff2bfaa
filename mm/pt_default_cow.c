/* SPDX-License-Identifier: MIT */
/*
 * pt_default_cow.c: row PT_DEFAULT: a fault on a leaf that is there. Copy-on-write, reuse of a page
 * that nobody else has, first write through a shared mapping, and faults that were answered in the
 * meantime.
 *
 * A page that is not PG_EXCLUSIVE becomes so when this leaf's reference is the only one: every
 * other user (another process' leaf, a pin, a transfer in progress) would hold one too, and new
 * ones come only through this entry, which is locked.
 *
 * Locks: PT of the entry; dropped while a page is allocated and copied, then the entry must still
 * be the same.
 * Invariants: those of pt_default.c; I5 between an old page's last use through a TLB and a new
 * page's first lies a flush: the entry is empty meanwhile. Checked by pt_check,
 * tests/kernel/mm/cow_ktest.c.
 * Read next: pt_default_file.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

struct page *pt_anon_page(const struct vma *v, vaddr_t addr)
{
    struct page *p = page_alloc(PAGE_ANON, GFP_USER);

    if (unlikely(p == NULL))
        return NULL;
    ASSERT(addr >= v->start && addr < v->end && page_refs(p) >= 1);
    p->flags = PG_EXCLUSIVE | PG_UPTODATE;
    p->mapcount = 1;
    p->family = v->mm->family;
    p->index = v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
    return p;
}

static void copy_contents(struct page *to, struct page *from)
{
    if (from == zero_page)
        clear_page(page_to_virt(to));
    else
        copy_page(page_to_virt(to), page_to_virt(from));
}

/* @new takes the place of @old. Table locked, the entry is f->entry. */
static void replace(struct fault_ctx *f, struct page *old, struct page *new, pte_t e)
{
    struct vma *v = f->vma;
    struct mm *mm = v->mm;

    ASSERT(!(v->flags & VM_SHARED) && page_refs(new) >= 1);
    ASSERT(old == zero_page || page_refs(old) >= 2); /* the leaf's and ours */
    (void)pte_xchg(f->slot, pte_none());
    mmu_quiesce_walkers(mm);
    mm_flush_range(mm, f->addr, f->addr + PAGE_SIZE, 0);
    v->has_anon = true;
    pte_store(f->slot, e);
    if (old == zero_page) {
        atomic_long_inc(&mm->rss[MM_ANON]);
    } else {
        page_map_dec(old);
        if (old->kind != PAGE_ANON) {
            atomic_long_inc(&mm->rss[MM_ANON]);
            atomic_long_dec(&mm->rss[vma_file_counter(v)]);
        }
    }
    vmstat_inc(VMSTAT_pgcow);
}

/* Table locked on entry, not on return. */
static enum fault_result copy_page_of(struct fault_ctx *f, struct page *old)
{
    pt_prot_t prot = f->flags & FAULT_WRITE ? vma_prot(f->vma) : vma_prot_ro(f->vma);
    bool counted = old != zero_page;
    struct page *new;
    pte_t e;

    lock_assert_held(&f->table->ptl);
    ASSERT(f->level == 0 && (!counted || page_mapcount(old) > 0));
    f->kind = "cow";
    if (counted)
        page_get(old);
    pt_unlock(f->table);
    new = pt_anon_page(f->vma, f->addr);
    if (unlikely(new == NULL)) {
        if (counted)
            page_put(old);
        return FAULT_OOM;
    }
    copy_contents(new, old);
    e = pte_with_state(pte_make_leaf(page_to_phys(new), 0, prot), PT_YOUNG | PT_DIRTY);
    pt_lock(f->table);
    if (likely(pte_load(f->slot).v == f->entry.v)) {
        replace(f, old, new, e);
        pt_unlock(f->table);
        if (counted)
            page_put_units(old, 2 * PAGE_REF);
        return FAULT_OK;
    }
    /* Changed meanwhile: the access is tried again and shows what it needs. */
    pt_unlock(f->table);
    new->mapcount = 0;
    page_put(new);
    if (counted)
        page_put(old);
    return FAULT_OK;
}

/* Write to, or unsharing of, a private leaf without write permission. Table locked on entry, not on
 * return. */
static enum fault_result private_write(struct fault_ctx *f)
{
    struct page *p = pte_page(f->entry, f->level);

    if (unlikely(f->level != 0))
        return thp_write(f);
    if (p->kind != PAGE_ANON || !pt_is_own(p))
        return copy_page_of(f, p);
    return f->flags & FAULT_WRITE ? pt_reuse(f) : pt_answered(f);
}

static enum fault_result shared_write(struct fault_ctx *f)
{
    ASSERT(f->vma->mapping != NULL && pte_page(f->entry, f->level)->kind == PAGE_FILE);
    f->kind = "shared";
    page_set(pte_page(f->entry, f->level), PG_DIRTY);
    pt_make_usable(f, pt_leaf_prot(f->vma, f->table), PT_YOUNG | PT_DIRTY);
    pt_unlock(f->table);
    return FAULT_OK;
}

enum fault_result pt_default_present(struct fault_ctx *f)
{
    bool shared = (f->vma->flags & VM_SHARED) != 0;

    ASSERT(f->addr >= f->vma->start && f->addr < f->vma->end);
    pt_lock(f->table);
    if (unlikely(pte_load(f->slot).v != f->entry.v)) {
        pt_unlock(f->table);
        f->kind = "spurious";
        return FAULT_OK;
    }
    if ((f->flags & FAULT_WRITE) && !(pte_prot(f->entry, f->level) & PT_W))
        return shared ? shared_write(f) : private_write(f);
    if ((f->flags & FAULT_UNSHARE) && !shared) {
        if (likely(!pt_is_shared(f->table)))
            return private_write(f);
        pt_unlock(f->table);
        return FAULT_SHARED;
    }
    if (unlikely(f->level != 0) && huge_is_splitting(pte_page(f->entry, f->level))) {
        pt_unlock(f->table);
        huge_wait(pte_page(f->entry, f->level));
        return FAULT_AGAIN; /* a table by now */
    }
    if (unlikely(f->level != 0) && unlikely(pt_is_gib(f->table))) {
        f->kind = "spurious";
        gib_answer(f->table, f->addr);
        pt_unlock(f->table);
        return FAULT_OK;
    }
    return pt_answered(f);
}
