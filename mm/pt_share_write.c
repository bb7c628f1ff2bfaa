/* SPDX-License-Identifier: MIT */
/*
 * pt_share_write.c: the right to write through a table of private memory that fork shares
 * (pt_share_fork.c), and to pin pages behind it.
 *
 * Where links carry it (MMU_LINK_WRITE), the link loses it and gets it again, and no leaf is looked
 * at. Else the table is closed (PG_CLOSED), which is what walkers of the kernel go by, and its
 * leaves lose the right, which is what hardware goes by: one pass over the table, at the first fork
 * only, for a table that is shared already is as it must be. Fork's flush is for both.
 *
 * Who takes the table over as its only user opens it. If he goes on using it the leaves get back
 * what they may have without a fault to look at first, in one pass: dirty leaves of PG_EXCLUSIVE
 * pages, if the area may be written. That is what they had before, for mprotect and clear_refs
 * leave a table before they change it; who copied it meanwhile has taken PG_EXCLUSIVE away.
 *
 * A page that is pinned must stay the parent's own. A pin marks the table before it takes the page,
 * and afterwards looks again whether link and table are as they were; fork takes the right to write
 * from the link, or closes the table, then looks at the mark: one of the two sees the other. The
 * leaves' own right would not do: a pin for reading may be of a leaf that has none anyway.
 *
 * Locks: PT of the table for its leaves, of the parent for the link; the hardware sets young and
 * dirty meanwhile. Checked by pt_share_check, models/fork_share.pml (RADIX),
 * tests/kernel/mm/fork_share_ktest.c. Read next: gup.c.
 */
#include <kernel/task.h>
#include "pt_share_internal.h"

/* The address space's hardware, too, may write the state of a link. */
static void set_link_prot(struct page *parent, pte_t *slot, pt_prot_t prot)
{
    pte_t e;

    pt_lock(parent);
    e = pte_load(slot);
    while (!pte_cmpxchg(slot, &e, pte_with_prot(e, 1, prot)))
        ;
    pt_unlock(parent);
}

/* Does no hardware set young and dirty meanwhile? No other task of @mm, nor will there be one. */
static bool is_quiet(const struct mm *mm)
{
    return mm == current->mm && mm_is_single_user(mm);
}

bool fork_share_close(struct page *table, struct page *parent, pte_t *slot)
{
    bool quiet = is_quiet(table->pt_mm); /* before the barrier, which its answer needs, too */

    if (mmu_has(MMU_LINK_WRITE))
        set_link_prot(parent, slot, FORK_LINK_PROT);
    else
        page_set(table, PG_CLOSED);
    smp_mb(); /* before the mark; pairs with gup.c, F3 */
    if (unlikely(page_test(table, PG_HAD_PINS))) {
        fork_share_open(table, parent, slot);
        return false;
    }
    if (!mmu_has(MMU_LINK_WRITE)) {
        pt_lock(table);
        pte_take_write(page_to_virt(table), quiet);
        pt_unlock(table);
    }
    return true;
}

void fork_share_open(struct page *table, struct page *parent, pte_t *slot)
{
    if (mmu_has(MMU_LINK_WRITE))
        set_link_prot(parent, slot, PT_RWXU);
    else
        page_clear(table, PG_CLOSED);
}

void fork_share_give_back(const struct vma *v, struct page *table)
{
    pte_t *base = page_to_virt(table);
    unsigned int left;

    if (mmu_has(MMU_LINK_WRITE) || !(v->flags & VM_WRITE))
        return;
    pt_lock(table);
    left = table->pt_used;
    for (pte_t *slot = base; left != 0; slot++) {
        pte_t e = pte_load(slot);

        if (pte_is_none(e))
            continue;
        left--;
        if (pt_may_write_at_once(e, 0, false)) {
            ASSERT(pte_prot(e, 0) & PT_R);
            pte_give_write(slot);
        }
    }
    pt_unlock(table);
}

bool fork_share_is_closed(pte_t link, const struct page *table)
{
    const pte_t *base = page_to_virt(table);

    if (mmu_has(MMU_LINK_WRITE))
        return !(pte_prot(link, 1) & PT_W);
    for (unsigned int i = 0; i < pt_entries(0); i++)
        if (pte_is_leaf(pte_load(base + i), 0) && (pte_prot(pte_load(base + i), 0) & PT_W))
            return false;
    return page_test(table, PG_CLOSED);
}
