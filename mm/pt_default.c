/* SPDX-License-Identifier: MIT */
/*
 * pt_default.c: row PT_DEFAULT, ordinary memory: the fault's first decision, demand-zero memory,
 * pins.
 *
 * An anonymous page is born by a write into a hole, alone with its process (PG_EXCLUSIVE), and may
 * be written in place as long as that holds. A read of a hole maps the shared zero page. What else
 * can happen is in the neighbouring files: pt_default_cow.c (writes to what is present),
 * pt_default_file.c (objects), pt_default_range.c (zap, protect), pt_default_fork.c,
 * pt_default_move.c.
 *
 * Locks: the VMA's or mmap_lock keeps VMA and tables; memory is allocated without a table's lock,
 * then the entry is looked at again under it: whoever comes second gives his page back.
 * Invariants: I1 a writable leaf of a private VMA maps a PG_EXCLUSIVE page; I2 PG_EXCLUSIVE =>
 * mapcount <= 1; I3 each leaf holds one reference and one mapcount, the zero page's none; I4
 * v->has_anon before the VMA's first anonymous page. Checked by pt_check.
 * Read next: pt_default_cow.c.
 */
#include "pt_internal.h"
#include "thp_internal.h"

int pt_default_may_map(const struct vma *v, unsigned long flags)
{
    (void)v, (void)flags;
    return 0;
}

/* A huge leaf across the cut becomes small ones. */
int pt_default_may_split(struct vma *v, vaddr_t addr)
{
    ASSERT(rwsem_is_write_locked(&v->mm->mmap_lock) && IS_ALIGNED(addr, PAGE_SIZE));
    thp_split_at(v->mm, addr);
    return 0;
}

bool pt_default_may_share(const struct vma *v)
{
    return v->mapping != NULL &&
           ((v->flags & VM_SHARED) || (!(v->flags & VM_WRITE) && !v->has_anon));
}

/* A read of memory that was never written. */
static enum fault_result map_zero(struct fault_ctx *f)
{
    pte_t e = pte_make_leaf(page_to_phys(zero_page), 0, vma_prot_ro(f->vma));

    f->kind = "anon-zero";
    pt_lock(f->table);
    if (likely(pte_is_none(pte_load(f->slot)))) {
        ASSERT(f->table->pt_mm == f->vma->mm && f->table->pt_used < pt_entries(0));
        pte_store(f->slot, pte_with_state(e, PT_YOUNG));
        f->table->pt_used++;
        if (!page_test(f->table, PG_HAD_ZEROES))
            page_set(f->table, PG_HAD_ZEROES);
    }
    pt_unlock(f->table);
    return FAULT_OK;
}

static enum fault_result fault_anon(struct fault_ctx *f)
{
    struct vma *v = f->vma;
    struct page *p;
    pte_t e;

    ASSERT(!(v->flags & VM_SHARED)); /* shared memory has an object */
    if (unlikely(v->flags & VM_USERFAULT))
        return userfault_begin(f);
    if (!(f->flags & FAULT_WRITE))
        return map_zero(f);
    f->kind = "anon";
    p = pt_anon_page(v, f->addr);
    if (unlikely(p == NULL))
        return FAULT_OOM;
    clear_page(page_to_virt(p));
    e = pte_with_state(pte_make_leaf(page_to_phys(p), 0, vma_prot(v)), PT_YOUNG | PT_DIRTY);
    pt_lock(f->table);
    if (unlikely(!pte_is_none(pte_load(f->slot)))) {
        pt_unlock(f->table);
        p->mapcount = 0;
        page_put(p);
        return FAULT_OK;
    }
    v->has_anon = true;
    ASSERT(f->table->pt_used < pt_entries(0));
    f->table->pt_used++;
    pte_store(f->slot, e);
    pt_unlock(f->table);
    atomic_long_inc(&v->mm->rss[MM_ANON]);
    vmstat_inc(VMSTAT_pgzero);
    return FAULT_OK;
}

/* A leaf in the hole at f->addr. 0, -EEXIST, -ENOMEM. */
static int fill_hole(struct fault_ctx *f, pte_t leaf, bool anon)
{
    bool empty;

    ASSERT(vma_is_anon(f->vma) && f->addr >= f->vma->start && f->addr < f->vma->end);
    f->slot = pt_get_slot(f->vma->mm, f->addr, 0, &f->table, &f->level);
    if (f->slot == NULL)
        return -ENOMEM;
    pt_lock(f->table);
    ASSERT(!pt_is_shared(f->table)); /* areas that a user fills have none */
    empty = f->level == 0 && pte_is_none(pte_load(f->slot));
    if (empty) {
        if (anon)
            f->vma->has_anon = true;
        else
            page_set(f->table, PG_HAD_ZEROES);
        pte_store(f->slot, leaf);
        f->table->pt_used++;
    }
    pt_unlock(f->table);
    return empty ? 0 : -EEXIST;
}

int pt_fill_hole(struct vma *v, vaddr_t addr, struct page *p)
{
    struct fault_ctx f = { .vma = v, .addr = addr };
    pte_t e = pte_make_leaf(page_to_phys(p), 0, vma_prot(v));
    int err;

    ASSERT(p->kind == PAGE_ANON && page_refs(p) > 0 && page_mapcount(p) == 0);
    p->flags = PG_EXCLUSIVE | PG_UPTODATE;
    p->mapcount = 1;
    p->family = v->mm->family;
    p->index = v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
    err = fill_hole(&f, pte_with_state(e, PT_YOUNG | PT_DIRTY), true);
    if (err)
        p->mapcount = 0;
    else
        atomic_long_inc(&v->mm->rss[MM_ANON]);
    return err;
}

int pt_fill_hole_zero(struct vma *v, vaddr_t addr)
{
    struct fault_ctx f = { .vma = v, .addr = addr };

    return fill_hole(&f, pte_make_leaf(page_to_phys(zero_page), 0, vma_prot_ro(v)), false);
}

/* Does the fault change more than the state of a leaf? Where there was none, somebody may be moving
 * its page, for all who have the table. */
static bool changes_table(struct fault_ctx *f)
{
    if (f->flags & (FAULT_WRITE | FAULT_UNSHARE))
        return true;
    if (unlikely(pte_is_none(f->entry))) {
        pt_lock(f->table);
        f->entry = pte_load(f->slot);
        pt_unlock(f->table);
    }
    return !pte_is_leaf(f->entry, f->level);
}

static __always_inline enum fault_result fault_once(struct fault_ctx *f)
{
    f->slot = pt_find_slot(f->vma->mm, f->addr, 0, &f->table, &f->level);
    if (unlikely(f->slot == NULL)) {
        enum fault_result result;

        if (thp_eligible(f->vma) && thp_fault(f, &result))
            return result;
        f->slot = pt_share_get_slot(f->vma, f->addr, 0, &f->table, &f->level);
        if (unlikely(f->slot == NULL))
            return FAULT_OOM;
    }
    ASSERT(f->table->kind == PAGE_TABLE);
    ASSERT(f->table->pt_mm == f->vma->mm || pt_is_shared(f->table));
    f->entry = pte_load(f->slot);
    if (pt_is_forked(f->table) && changes_table(f))
        return FAULT_SHARED;
    if (pte_is_none(f->entry)) {
        if (unlikely(f->level != 0))
            return FAULT_AGAIN; /* a huge leaf went meanwhile */
        return f->vma->mapping != NULL ? pt_default_file(f) : fault_anon(f);
    }
    if (likely(pte_is_leaf(f->entry, f->level)))
        return pt_default_present(f);
    if (pte_is_table(f->entry, f->level))
        return FAULT_AGAIN; /* a larger leaf has become a table meanwhile */
    return FAULT_SIGBUS; /* a marker: the page is lost */
}

enum fault_result pt_default_fault(struct fault_ctx *f)
{
    enum fault_result result;

    do
        result = fault_once(f);
    while (unlikely(result == FAULT_AGAIN));
    return result;
}

static bool is_used(pte_t e)
{
    return (~pte_state(e) & (PT_YOUNG | PT_DIRTY)) == 0;
}

static pte_t used(pte_t e)
{
    return pte_with_state(e, pte_state(e) | PT_YOUNG | PT_DIRTY);
}

/*
 * The reference and the pin are one atomic step, under the table's lock: fork either finds the pin
 * and copies the page for the child, or has write-protected the entry before, and then a pin for
 * writing asks for a fault first. A pin for reading may be of a page that is shared copy-on-write:
 * it shows the contents of the time of the pin. Whether that will do is gup.c's decision.
 */
struct page *pt_default_pin(struct vma *v, vaddr_t va, bool write)
{
    struct page *table, *p = NULL;
    unsigned int level;
    pte_t *slot = pt_look_locked(v->mm, va, &table, &level), e; /* young, dirty: they are */
    pt_prot_t need = write ? PT_W : PT_R;

    if (slot == NULL)
        return NULL;
    e = pte_load(slot);
    if (write && pt_is_forked(table)) {
        pt_unlock(table);
        return NULL;
    }
    if (pte_is_leaf(e, level) && (pte_prot(e, level) & need)) {
        p = pte_page(e, level) + ((va & (pt_size(level) - 1)) >> PAGE_SHIFT);
        /* In the midst of a split, which cannot end while this table is locked, a part has neither
         * the whole's fields nor its own. */
        ASSERT(p->kind == PAGE_ZERO || page_mapcount(page_whole(p)) > 0 ||
               huge_is_splitting(huge_head(p)));
        ASSERT(!write || p->kind != PAGE_ANON || page_test(page_whole(p), PG_EXCLUSIVE) ||
               huge_is_splitting(huge_head(p)));
        if (level == 0 && !page_test(table, PG_HAD_PINS))
            page_set(table, PG_HAD_PINS); /* fork is excluded: order does not matter */
        page_pin(p);
        if (write) {
            while (!is_used(e) && !pte_cmpxchg(slot, &e, used(e)))
                ;
            page_set(page_head(p), PG_DIRTY);
        }
    }
    pt_unlock(table);
    return p;
}
