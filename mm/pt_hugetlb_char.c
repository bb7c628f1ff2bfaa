/* SPDX-License-Identifier: MIT */
/*
 * pt_hugetlb_char.c: row PT_HUGETLB_CHAR: private huge memory without a file system,
 * /dev/page-huge.
 *
 * What differs from PT_HUGETLB_FS is one thing: a read of memory that was never written maps the
 * huge page of zeroes, and the first write takes a page of the pool. The promise made by mmap stays
 * until then, so the write cannot fail. Everything else is the other row's.
 *
 * Locks: PT. Invariants: those of pt_hugetlb.c; I5 a leaf that maps zeroes is not writable, holds
 * no reference and is counted nowhere. Checked by pt_check, tests/kernel/mm/hugetlb_ktest.c.
 * Source: Adam Litke, "pagetable_ops: Hugetlb character device example", linux-mm, March 2007.
 * Read next: drivers/page_huge.c.
 */
#include "pt_internal.h"
#include <mm/hugetlb.h>

/* Maps zeroes at the place, if nothing is there yet. */
static enum fault_result map_zeroes(struct fault_ctx *f, struct page *zero)
{
    pte_t e = pte_make_leaf(page_to_phys(zero), f->level, vma_prot_ro(f->vma));

    f->kind = "anon-zero";
    pt_lock(f->table);
    if (likely(pte_is_none(pte_load(f->slot)))) {
        pte_store(f->slot, pte_with_state(e, PT_YOUNG));
        f->table->pt_used++;
    }
    pt_unlock(f->table);
    return FAULT_OK;
}

enum fault_result pt_hugetlb_char_fault(struct fault_ctx *f)
{
    unsigned int level = f->vma->level;
    struct page *zero;

    if (f->flags & FAULT_WRITE)
        return pt_hugetlb_fault(f);
    f->slot = pt_get_slot(f->vma->mm, f->addr, level, &f->table, &f->level);
    if (unlikely(f->slot == NULL))
        return FAULT_OOM;
    if (!pte_is_none(pte_load(f->slot)))
        return pt_hugetlb_fault(f);
    zero = huge_zero_page(level);
    if (zero == NULL)
        return pt_hugetlb_fault(f);
    return map_zeroes(f, zero);
}
