/* SPDX-License-Identifier: MIT */
/*
 * pt_pfnmap.c: row PT_PFNMAP: device memory and other frames without a life of their own.
 *
 * A mapping is described by one struct pfnmap that the driver gives; a fault maps the largest leaf
 * that fits in the VMA and is aligned on both sides. Nothing is counted, no page is touched, so an
 * entry can be dropped at any time: fork and mremap let the other place fault. Not offered: private
 * writable mappings (there is nothing to copy from) and pins.
 *
 * Locks: PT. Invariants: I1 a leaf maps base + its offset, no byte outside [base, base + len); I2
 * leaves lie inside the VMA.
 * Checked by pt_check, tests/kernel/mm/pfnmap_ktest.c. Read next: fault.c.
 */
#include "pt_internal.h"

int pfnmap_setup(struct vma *v, const struct pfnmap *m)
{
    if (!IS_ALIGNED(m->base | m->len, PAGE_SIZE) || m->base + m->len < m->base)
        return -EINVAL;
    ASSERT(v->detached); /* no fault has chosen another row */
    v->pt_ops = PT_PFNMAP;
    v->private = (void *)m;
    v->flags |= VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP;
    return pt_pfnmap_may_map(v, v->flags);
}

int pt_pfnmap_may_map(const struct vma *v, unsigned long flags)
{
    (void)v;
    return !(flags & VM_SHARED) && (flags & VM_MAYWRITE) ? -EINVAL : 0;
}

int pt_pfnmap_may_split(struct vma *v, vaddr_t addr)
{
    return pt_split_leaf_at(v->mm, addr);
}

bool pt_pfnmap_may_share(const struct vma *v)
{
    (void)v;
    return false;
}

static u64 pfnmap_offset(const struct vma *v, vaddr_t va)
{
    ASSERT(va >= v->start && va < v->end);
    return (v->pgoff << PAGE_SHIFT) + (va - v->start);
}

/* Does a leaf of @level around @va lie inside VMA and region, equally aligned on both sides? */
static bool leaf_fits(const struct vma *v, vaddr_t va, unsigned int level)
{
    const struct pfnmap *m = v->private;
    vaddr_t first = ALIGN_DOWN(va, pt_size(level));
    u64 off;

    ASSERT(m != NULL && level <= pt_top_level());
    if (!(vma_ops(v)->page_sizes & BIT(level)) || !pt_level_can_leaf(level) || first < v->start ||
        v->end - first < pt_size(level))
        return false;
    off = pfnmap_offset(v, first);
    return off < m->len && m->len - off >= pt_size(level) &&
           IS_ALIGNED(m->base + off, pt_size(level));
}

enum fault_result pt_pfnmap_fault(struct fault_ctx *f)
{
    struct vma *v = f->vma;
    const struct pfnmap *m = v->private;
    unsigned int level = pt_top_level();
    vaddr_t first;
    pte_t e;

    f->kind = "file";
    if (pfnmap_offset(v, f->addr) >= m->len)
        return FAULT_SIGBUS;
    do {
        while (level > 0 && !leaf_fits(v, f->addr, level))
            level--;
        f->slot = pt_get_slot(v->mm, f->addr, level, &f->table, &f->level);
        if (f->slot == NULL)
            return FAULT_OOM;
        f->entry = pte_load(f->slot);
    } while (pte_is_table(f->entry, f->level) && level-- > 0); /* smaller ones are there already */
    first = ALIGN_DOWN(f->addr, pt_size(f->level));
    ASSERT(IS_ALIGNED(m->base + pfnmap_offset(v, max(first, v->start)), PAGE_SIZE));
    WRITE_ONCE(v->mm->has_pfnmap, true); /* before the entry, whose store is a release */
    e = pte_make_leaf(m->base + pfnmap_offset(v, first), f->level, vma_prot(v) | m->type);
    pt_lock(f->table);
    if (pte_is_none(pte_load(f->slot)) && f->level == level) {
        ASSERT(first >= v->start && v->end - first >= pt_size(level)); /* I2 */
        pte_store(f->slot, pte_with_state(e, PT_YOUNG | PT_DIRTY));
        f->table->pt_used++;
    } else {
        mmu_update_hint(v->mm, f->addr, pte_load(f->slot), f->level);
    }
    pt_unlock(f->table);
    return FAULT_OK;
}

/* The child's fault makes the same entries again. */
int pt_pfnmap_copy(struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    (void)dst, (void)dst_vma, (void)src;
    return 0;
}

void pt_pfnmap_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct pt_cursor c;
    struct pt_run r;

    ASSERT(tlb->mm == v->mm && start >= v->start && end <= v->end);
    pt_cursor_begin(&c, v->mm, start, end, true);
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr; i++)
            (void)pte_xchg(r.slot + i, pte_none());
        ASSERT(r.table->pt_used >= r.nr && r.kind != PT_KIND_HOLE);
        r.table->pt_used -= r.nr;
        tlb_gather_range(tlb, ALIGN_DOWN(r.va, pt_size(r.level)), r.end, r.level);
    }
}

/* May write at once what it may write: no page has to be told. */
void pt_pfnmap_protect(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    const struct pfnmap *m = v->private;
    pt_prot_t prot = vma_prot(v) ? vma_prot(v) | m->type : 0;
    struct pt_cursor c;
    struct pt_run r;

    ASSERT(tlb->mm == v->mm && start >= v->start && end <= v->end);
    pt_cursor_begin(&c, v->mm, start, end, true);
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr; i++) {
            pte_t e = pte_load(r.slot + i);

            while (!pte_cmpxchg(r.slot + i, &e, pte_with_prot(e, r.level, prot)))
                ;
        }
        tlb_gather_range(tlb, ALIGN_DOWN(r.va, pt_size(r.level)), r.end, r.level);
    }
}

int pt_pfnmap_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                   size_t len, size_t *moved)
{
    struct tlb_gather tlb;

    ASSERT(new_vma->private == v->private); /* whose faults make the same leaves again */
    (void)new_vma, (void)new_start;
    tlb_gather_begin(&tlb, v->mm, false);
    pt_pfnmap_zap(&tlb, v, old_start, old_start + len);
    tlb_gather_end(&tlb);
    *moved = len;
    return 0;
}

struct page *pt_pfnmap_pin(struct vma *v, vaddr_t va, bool write)
{
    (void)v, (void)va, (void)write;
    return ERR_PTR(-EFAULT);
}
