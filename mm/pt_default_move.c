/* SPDX-License-Identifier: MIT */
/*
 * pt_default_move.c: moving translations to another place of the same address space, for mremap.
 *
 * Where both addresses lie on the border of a table's span, the whole table is hung below another
 * entry: one link per table instead of 512 entries. All else moves entry by entry. Pages are not
 * touched.
 *
 * Locks: mmap_lock and both VMAs' locks for writing; the object's vmas_lock, so that truncation
 * meets each page either at the old or at the new place; PT of two tables in address order.
 * Invariants: I1 an entry is in one place at a time; I2 on return no TLB translates the old range.
 * Checked by pt_check, tests/kernel/mm/fault_ktest.c. Read next: pt_pfnmap.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

struct move {
    struct mm *mm;
    vaddr_t from, to, end; /* [from, end) is left */
};

/* Largest level whose whole entry can be moved: both ends on its border and enough left. */
static unsigned int move_level(const struct move *m)
{
    unsigned int level = pt_top_level();

    while (level > 0 &&
           (!IS_ALIGNED(m->from | m->to, pt_size(level)) || m->end - m->from < pt_size(level)))
        level--;
    return level;
}

/* How many entries of @level the two tables have from here on, that lie in the range. */
static unsigned int entries_beside(const struct move *m, unsigned int level)
{
    unsigned int last = max(pt_index(m->from, level), pt_index(m->to, level));

    return (unsigned int)min((u64)(pt_entries(level) - last), (m->end - m->from) / pt_size(level));
}

/* A link or a leaf, with all that hangs below; both tables are locked. False: it cannot go as a
 * whole; *wait is the huge page that is being split, if that is why. */
static bool move_whole(pte_t *src, pte_t *dst, unsigned int level, const struct huge_place *to,
                       struct page **wait)
{
    pte_t e = pte_load(src);

    if (pte_is_none(e) || !pte_is_none(pte_load(dst)))
        return false;
    if (pte_is_leaf(e, level)) {
        if (thp_move(src, dst, to))
            return true;
        *wait = pte_page(e, level);
        return false;
    }
    if (level > HUGE_LEVEL && pte_is_table(e, level) && thp_is_below(e, level))
        return false; /* each huge leaf knows its address */
    pte_store(dst, pte_xchg(src, pte_none()));
    return true;
}

/* Entries at @level, as many as lie side by side in two tables. Bytes, 0 when the first cannot go
 * as a whole, or -ENOMEM. *wait: as move_whole has it. */
static s64 try_move_entries(const struct move *m, unsigned int level, struct page **wait)
{
    struct huge_place to = { .mm = m->mm, .va = m->to };
    unsigned int n = entries_beside(m, level), moved = 0;
    unsigned int src_level, dst_level;
    struct page *src_table;
    pte_t *src = pt_find_slot(m->mm, m->from, level, &src_table, &src_level), *dst;

    ASSERT(level > 0 && n != 0 && IS_ALIGNED(m->from | m->to, pt_size(level)));
    if (src == NULL || src_level != level || pte_is_none(pte_load(src)))
        return 0;
    dst = pt_get_slot(m->mm, m->to, level, &to.parent, &dst_level);
    if (dst == NULL)
        return -ENOMEM;
    if (dst_level != level)
        return 0;
    pt_lock_two(src_table, to.parent);
    while (moved < n && move_whole(src + moved, dst + moved, level, &to, wait)) {
        moved++;
        to.va += pt_size(level);
    }
    ASSERT(src_table->pt_used >= moved);
    src_table->pt_used -= moved;
    to.parent->pt_used += moved;
    pt_unlock_two(src_table, to.parent);
    return (s64)(moved * pt_size(level));
}

/* The same, also when somebody takes the first apart, who may be preempted for a while. */
static s64 move_entries(const struct move *m, unsigned int level)
{
    struct page *wait;
    s64 moved;

    for (;;) {
        wait = NULL;
        moved = try_move_entries(m, level, &wait);
        if (moved != 0 || wait == NULL)
            return moved;
        huge_wait(wait);
    }
}

/* @nr entries from @src on; both tables locked. */
static unsigned int move_run(pte_t *src, pte_t *dst, unsigned int nr)
{
    unsigned int moved = 0;

    for (unsigned int i = 0; i < nr; i++) {
        if (pte_is_none(pte_load(src + i)))
            continue;
        ASSERT(pte_is_none(pte_load(dst + i)));
        pte_store(dst + i, pte_xchg(src + i, pte_none()));
        moved++;
    }
    return moved;
}

/* Entries of the level-0 tables around both places; returns how many bytes were dealt with, 0 when
 * out of memory. */
static vaddr_t move_small(const struct move *m)
{
    vaddr_t left = m->end - m->from;
    vaddr_t len =
        min(pt_next(m->from, m->end, 1) - m->from, pt_next(m->to, m->to + left, 1) - m->to);
    struct page *src_table, *dst_table;
    unsigned int level, moved;
    pte_t *src, *dst;

    while ((src = pt_find_slot(m->mm, m->from, 0, &src_table, &level)) != NULL && level != 0)
        thp_split_at(m->mm, m->from + (IS_ALIGNED(m->from, pt_size(level)) ? PAGE_SIZE : 0));
    if (src == NULL)
        return len; /* a hole */
    dst = pt_get_slot(m->mm, m->to, 0, &dst_table, &level);
    if (dst == NULL || level != 0)
        return 0;
    pt_lock_two(src_table, dst_table);
    moved = move_run(src, dst, (unsigned int)(len >> PAGE_SHIFT));
    ASSERT(src_table->pt_used >= moved);
    src_table->pt_used -= moved;
    dst_table->pt_used += moved;
    page_set(dst_table, READ_ONCE(src_table->flags) & (PG_HAD_PINS | PG_HAD_ZEROES));
    pt_unlock_two(src_table, dst_table);
    return len;
}

/* A step; returns bytes dealt with, 0 when out of memory. */
static vaddr_t move_step(const struct move *m)
{
    for (unsigned int level = move_level(m); level > 0; level--) {
        s64 moved = move_entries(m, level);

        if (moved != 0)
            return moved > 0 ? (vaddr_t)moved : 0;
    }
    return move_small(m);
}

int pt_default_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                    size_t len, size_t *moved)
{
    struct move m = { .mm = v->mm, .from = old_start, .to = new_start, .end = old_start + len };
    int err = 0;

    ASSERT(rwsem_is_write_locked(&v->mm->mmap_lock));
    ASSERT(IS_ALIGNED(old_start | new_start | len, PAGE_SIZE));
    ASSERT(v->mm == new_vma->mm && v->mapping == new_vma->mapping);
    ASSERT(old_start >= v->start && old_start + len <= v->end);
    ASSERT(new_start >= new_vma->start && new_start + len <= new_vma->end);
    if (v->has_anon)
        new_vma->has_anon = true;
    pt_unshare_range(v, old_start, old_start + len, PT_UNSHARE_move);
    pt_unshare_range(new_vma, new_start, new_start + len, PT_UNSHARE_move);
    (void)gib_demote_range(m.mm, old_start, old_start + len);
    if (v->mapping != NULL)
        rwsem_write_lock(&v->mapping->vmas_lock);
    while (m.from < m.end) {
        vaddr_t step = move_step(&m);

        if (step == 0) {
            err = -ENOMEM;
            break;
        }
        m.from += step;
        m.to += step;
    }
    ASSERT(m.from <= m.end);
    *moved = m.from - old_start;
    if (m.from != old_start) {
        mmu_quiesce_walkers(m.mm);
        mm_flush_range(m.mm, old_start, m.from, 0);
    }
    if (v->mapping != NULL)
        rwsem_write_unlock(&v->mapping->vmas_lock);
    return err;
}
