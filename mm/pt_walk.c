/* SPDX-License-Identifier: MIT */
/*
 * pt_walk.c: the one walker over page tables. The level is a number, so one piece of code serves 4
 * KiB, 2 MiB and 1 GiB leaves and trees of any depth.
 *
 * It does not know what a leaf means: that is the business of the row (pt_ops.h) that calls it. It
 * never frees tables.
 *
 * Locks: PT of the table whose entries are handed out. The way down is walked without a lock:
 * tables of the range are kept from being freed by the caller (pt_cursor_begin says how), links
 * appear but do not change, and the entry at which the walk stops is read again under its table's
 * lock.
 * Invariants: I1 the runs of a cursor tile its range, in order, without gap or overlap (holes
 * skipped apart); I2 at most one table is locked by a cursor; I3 path[l] for l >= level is the
 * table of level l around path_va.
 * Checked by tests/host/mm/pt_walk_test.c against a walker that takes one page at a time.
 * Read next: pt_default.c.
 */
#include <kernel/printk.h>
#include <mm/huge.h>
#include <mm/mm.h>
#include <mm/pt_walk.h>

void pt_cursor_unlock(struct pt_cursor *c)
{
    if (c->table != NULL) {
        pt_unlock(c->table);
        c->table = NULL;
    }
}

void pt_cursor_seek(struct pt_cursor *c, vaddr_t va)
{
    ASSERT(va <= c->end);
    pt_cursor_unlock(c);
    c->va = va;
}

void pt_cursor_end(struct pt_cursor *c)
{
    pt_cursor_unlock(c);
    c->va = c->end;
}

/* @e, a link at @level, leads to a table that may be an object's: what it allows, who has it. */
static __always_inline void note_link(struct pt_cursor *c, pte_t e, unsigned int level)
{
    u32 links = READ_ONCE(pfn_to_page(pte_paddr(e, level) >> PAGE_SHIFT)->pt_shared);

    c->link[level - 1] = c->link[level] & pte_prot(e, level);
    c->sharers[level - 1] = max(c->sharers[level], links);
}

/* From the deepest table known to cover c->va down to the entry that is no link. NULL: that way
 * leads to a table of an object or a space, and c->va is behind it. */
static pte_t *cursor_descend(struct pt_cursor *c)
{
    unsigned int level = c->level;
    vaddr_t va = c->va;
    pte_t *base;

    ASSERT(c->table == NULL && va < c->end);
    while (level < pt_top_level() && (va ^ c->path_va) >> pt_shift(level + 1) != 0)
        level++;
    c->path_va = va;
    base = c->path[level];
    for (;;) {
        pte_t *slot = base + pt_index(va, level);
        pte_t e = pte_load(slot);

        if (!pte_is_table(e, level)) {
            pte_t *below = pt_gib_below(slot, e, level);

            c->level = level;
            if (likely(below == NULL))
                return slot;
            base = c->path[level - 1] = below;
            c->link[level - 1] = c->link[level];
            c->sharers[level - 1] = c->sharers[level];
            level--;
            continue;
        }
        base = c->path[level - 1] = pt_link_table(e, level);
        if (level <= PT_SHARE_LEVELS) {
            note_link(c, e, level);
            if (unlikely(c->own && c->sharers[level - 1] != 0 &&
                         pt_table_page(base)->pt_mm != c->mm)) {
                c->level = level;
                c->va = pt_next(va, c->end, level);
                return NULL;
            }
        }
        level--;
    }
}

/* The same under RCU where that is needed: while the caller has no lock that keeps links, one may
 * be cleared as we read it, and its table's struct page says that it is shared until it is
 * freed. */
static inline pte_t *cursor_descend_safe(struct pt_cursor *c)
{
    pte_t *slot;

    if (!c->own)
        return cursor_descend(c);
    rcu_read_lock();
    slot = cursor_descend(c);
    rcu_read_unlock();
    return slot;
}

/* Locks the table that has the entry for c->va, passing over what skip_holes allows. NULL at the
 * end of the range. */
static pte_t *cursor_lock(struct pt_cursor *c)
{
    while (c->va < c->end) {
        pte_t *slot = cursor_descend_safe(c);
        unsigned int level = c->level;
        struct page *table = pt_table_page(c->path[level]);

        if (unlikely(slot == NULL))
            continue;
        if (c->skip_holes) {
            /* Nothing there: what appears now might as well have appeared after the walk. */
            if (level == 0 && READ_ONCE(table->pt_used) == 0) {
                c->va = pt_next(c->va, c->end, 1);
                continue;
            }
            if (level > 0 && pte_is_none(pte_load(slot))) {
                c->va = pt_skip_empty(slot, c->va, c->end, level);
                continue;
            }
        }
        pt_lock(table);
        if (likely(level == 0 || !pte_is_table(pte_load(slot), level))) {
            if (level == HUGE_LEVEL && unlikely(pt_is_gib(table)) && !c->reads)
                gib_demote(table, c->va);
            c->table = table;
            c->table_end = level == pt_top_level() ? c->end : pt_next(c->va, c->end, level + 1);
            return slot;
        }
        pt_unlock(table);
    }
    return NULL;
}

/* The entry for c->va in a locked table: the one locked already, while it reaches that far. NULL at
 * the end. */
static pte_t *cursor_step(struct pt_cursor *c)
{
    if (c->table != NULL) {
        if (c->va < c->table_end) {
            pte_t *slot = c->path[c->level] + pt_index(c->va, c->level);

            /* cursor_lock put the link back, and the mark comes under this lock only */
            ASSERT(c->reads || c->level != HUGE_LEVEL || !pt_is_gib(c->table));
            if (c->level == 0 || !pte_is_table(pte_load(slot), c->level))
                return slot;
        }
        pt_cursor_unlock(c);
    }
    return cursor_lock(c);
}

static enum pt_kind kind_of(pte_t e, unsigned int level)
{
    if (pte_is_none(e))
        return PT_KIND_HOLE;
    return pte_is_leaf(e, level) ? PT_KIND_LEAF : PT_KIND_MARKER;
}

/* Fills @r from the first entry; nr and end are still to be found. */
static __always_inline void run_begin(const struct pt_cursor *c, struct pt_run *r, pte_t *slot)
{
    unsigned int links = min(c->level, PT_SHARE_LEVELS);

    r->va = c->va;
    r->level = c->level;
    r->slot = slot;
    r->link = c->link[links];
    r->sharers = c->sharers[links];
    r->table = c->table;
    r->kind = kind_of(pte_load(slot), c->level);
}

/* Entries of @r's table between r->va and the end of table or range. */
static unsigned int entries_left(const struct pt_cursor *c)
{
    unsigned int shift = pt_shift(c->level);

    ASSERT(c->va < c->table_end);
    return (unsigned int)(((c->table_end - 1) >> shift) - (c->va >> shift)) + 1;
}

static __always_inline void run_finish(struct pt_cursor *c, struct pt_run *r, unsigned int nr)
{
    vaddr_t last = ALIGN_DOWN(r->va, pt_size(r->level)) + (nr - 1) * pt_size(r->level);

    ASSERT(nr != 0 && r->slot + nr <= c->path[r->level] + pt_entries(r->level));
    r->nr = nr;
    r->end = pt_next(last, c->end, r->level);
    ASSERT(r->end > r->va && r->end <= c->end);
    c->va = r->end;
}

bool pt_cursor_next(struct pt_cursor *c, struct pt_run *r)
{
    pte_t *slot;

    while ((slot = cursor_step(c)) != NULL) {
        unsigned int left = entries_left(c), nr = 1;

        run_begin(c, r, slot);
        while (nr < left) {
            pte_t e = pte_load(slot + nr);

            if (pte_is_table(e, r->level) || kind_of(e, r->level) != r->kind)
                break;
            nr++;
        }
        run_finish(c, r, nr);
        if (r->kind != PT_KIND_HOLE || !c->skip_holes)
            return true;
    }
    return false;
}

bool pt_cursor_next_table(struct pt_cursor *c, struct pt_run *r)
{
    unsigned int left, nr;
    pte_t *slot;

    if (c->va >= c->end) {
        pt_cursor_unlock(c);
        return false;
    }
    slot = cursor_step(c);
    if (slot == NULL)
        return false;
    ASSERT(c->table != NULL && c->va < c->table_end);
    run_begin(c, r, slot);
    left = nr = entries_left(c);
    if (r->level > 0)
        for (nr = 1; nr < left && !pte_is_table(pte_load(slot + nr), r->level);)
            nr++;
    run_finish(c, r, nr);
    return true;
}

bool pt_fill_slot(struct mm *mm, struct page *parent, pte_t *slot)
{
    struct page *table = pt_table_alloc(mm, parent->level - 1u, GFP_KERNEL);

    ASSERT(parent->kind == PAGE_TABLE && parent->pt_mm == mm && parent->level > 0);
    if (table == NULL)
        return false;
    if (!pt_table_link(parent, slot, table))
        pt_table_free(table);
    return true;
}

/* Down to @until, or to where no link leads on; *level gets where that was. */
static __always_inline pte_t *descend(struct mm *mm, vaddr_t va, unsigned int until,
                                      unsigned int *level, struct page **table)
{
    unsigned int l = pt_top_level();
    pte_t *slot = mm->root + pt_index(va, l);
    paddr_t pa = 0;
    pte_t e;

    while (l > until && (e = pte_load(slot), pte_is_table(e, l))) {
        pa = pte_paddr(e, l);
        l--;
        slot = (pte_t *)phys_to_virt(pa) + pt_index(va, l);
    }
    *level = l;
    *table = likely(pa != 0) ? pfn_to_page(pa >> PAGE_SHIFT) : pt_table_page(mm->root);
    return slot;
}

/* The walk has ended above the level that it was to go to: at a leaf that stands for a link? Then
 * it goes on. */
static bool go_through(vaddr_t va, pte_t **slot, struct page **table, unsigned int *level)
{
    pte_t *base = pt_gib_below(*slot, pte_load(*slot), *level);

    if (likely(base == NULL))
        return false;
    *table = pt_table_page(base);
    *level = HUGE_LEVEL;
    *slot = base + pt_index(va, HUGE_LEVEL);
    return true;
}

/* Makes tables until there is an entry at @level. */
static __noinline pte_t *make_slot(struct mm *mm, vaddr_t va, unsigned int level,
                                   struct page **table, unsigned int *level_found)
{
    pte_t *slot = descend(mm, va, level, level_found, table);

    while (*level_found != level) {
        pte_t e = pte_load(slot), *base;

        if (pte_is_none(e)) {
            if (!pt_fill_slot(mm, *table, slot))
                return NULL;
            continue; /* ours, or somebody else's who was faster */
        }
        if (!pte_is_table(e, *level_found)) {
            if (likely(!go_through(va, &slot, table, level_found)) &&
                likely(!pte_is_table(pte_load(slot), *level_found))) /* or split meanwhile */
                break;
            continue;
        }
        base = pt_link_table(e, *level_found);
        *table = pt_table_page(base);
        --*level_found;
        slot = base + pt_index(va, *level_found);
    }
    return slot;
}

pte_t *pt_get_slot(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                   unsigned int *level_found)
{
    pte_t *slot = descend(mm, va, level, level_found, table);

    if (likely(*level_found == level))
        return slot;
    return make_slot(mm, va, level, table, level_found);
}

/* pt_find_slot where the walk ends above @level. A function of its own, so that the ordinary walk
 * keeps all in registers. */
static __noinline pte_t *find_above(struct mm *mm, vaddr_t va, unsigned int level,
                                    struct page **table, unsigned int *level_found)
{
    for (;;) {
        pte_t *slot = descend(mm, va, level, level_found, table);

        if (*level_found == level || !go_through(va, &slot, table, level_found))
            return *level_found != level && pte_is_none(pte_load(slot)) ? NULL : slot;
        if (*level_found == level || !pte_is_table(pte_load(slot), HUGE_LEVEL))
            return slot;
    } /* split meanwhile */
}

pte_t *pt_find_slot(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                    unsigned int *level_found)
{
    pte_t *slot = descend(mm, va, level, level_found, table);

    if (likely(*level_found == level))
        return slot;
    return find_above(mm, va, level, table, level_found);
}

pte_t *pt_get_locked(struct mm *mm, vaddr_t va, unsigned int level, struct page **table,
                     unsigned int *level_found)
{
    for (;;) {
        pte_t *slot = pt_get_slot(mm, va, level, table, level_found), e;

        if (slot == NULL)
            return NULL;
        pt_lock(*table);
        e = pte_load(slot);
        if (*level_found == level || !(pte_is_none(e) || pte_is_table(e, *level_found)))
            return slot;
        pt_unlock(*table);
    }
}

pte_t *pt_look_locked(struct mm *mm, vaddr_t va, struct page **table, unsigned int *level_found)
{
    for (;;) {
        pte_t *slot = pt_find_slot(mm, va, 0, table, level_found);

        if (slot == NULL)
            return NULL;
        pt_lock(*table);
        if (*level_found == 0 || pte_is_leaf(pte_load(slot), *level_found) ||
            pte_is_marker(pte_load(slot)))
            return slot;
        pt_unlock(*table);
    }
}

pte_t *pt_find_locked(struct mm *mm, vaddr_t va, struct page **table, unsigned int *level_found)
{
    pte_t *slot = pt_look_locked(mm, va, table, level_found);

    if (slot != NULL && *level_found == HUGE_LEVEL && unlikely(pt_is_gib(*table)))
        gib_demote(*table, va);
    return slot;
}

void pt_lock_two(struct page *a, struct page *b)
{
    if (a > b) {
        pt_lock(b);
        spin_lock_nested(&a->ptl);
    } else {
        pt_lock(a);
        if (a != b)
            spin_lock_nested(&b->ptl);
    }
}

void pt_unlock_two(struct page *a, struct page *b)
{
    pt_unlock(a);
    if (a != b)
        pt_unlock(b);
}
