/* SPDX-License-Identifier: MIT */
/*
 * pt_share_protect.c: mprotect by one of several users of a table: what he may is in his link,
 * where the MMU has that, so it is changed there and no fault follows.
 *
 * That is for spans that the change covers as a whole, of areas that may share afterwards, too. All
 * others leave the table as before other changes of one user (pt_unshare.c).
 *
 * Hardware that walks the tree sees the link change and has forgotten the old one behind the flush.
 * An MMU with a cache by the tables' names would drop everybody's entries of a table that is linked
 * while the range is flushed: so there the link goes, the flush takes this address space's segment
 * away, and the link comes back. The area is write-locked meanwhile.
 *
 * Locks: PT of the table with the link; mmap_lock for writing, the area write-locked. Checked by
 * pt_check, tests/kernel/mm/share_ktest.c, space_ktest.c. Read next: pt_share_object.c.
 */
#include "pt_share_internal.h"

static void set_link_prot(struct tlb_gather *t, const struct share_link *l, pt_prot_t prot)
{
    unsigned int level = l->parent->level;
    vaddr_t end = l->va + pt_size(level);
    pte_t e;

    pt_lock(l->parent);
    e = pte_load(l->slot);
    ASSERT(pte_is_table(e, level));
    if (mmu_has(MMU_WALKS_TREE)) {
        while (!pte_cmpxchg(l->slot, &e, pte_with_prot(e, level, prot)))
            ;
        tlb_gather_range(t, l->va, end, 0);
    } else {
        pte_store(l->slot, pte_none());
        mmu_quiesce_walkers(l->mm);
        mm_flush_range(l->mm, l->va, end, 0);
        pte_store(l->slot, pte_with_prot(e, level, prot));
    }
    pt_unlock(l->parent);
    vmstat_inc(VMSTAT_pt_share_protect);
}

/* May the link stay when @v's protection is what it is by now? */
static bool may_stay(const struct vma *v, const struct share_link *l, vaddr_t start, vaddr_t end)
{
    if (!links_carry_prot() || vma_prot(v) == 0 || l->va < start ||
        end - l->va < pt_size(l->parent->level))
        return false;
    return !pt_is_shared(l->table) || vma_ops(v)->may_share(v);
}

void pt_share_protect(struct tlb_gather *t, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct share_link l;

    if (likely(!READ_ONCE(v->has_shared)))
        return;
    while (share_find_link(v->mm, &start, end, &l)) {
        vaddr_t next = pt_next(start, end, l.parent->level);

        if (may_stay(v, &l, start, end))
            set_link_prot(t, &l, vma_prot(v) | PT_R | PT_U);
        else
            pt_unshare(t, v, start, next, PT_UNSHARE_protect);
        start = next;
    }
}
