/* SPDX-License-Identifier: MIT */
/*
 * pt_hugetlb.c: row PT_HUGETLB_FS: mappings of huge pages of a pool. All leaves of an area have one
 * level, the area's own.
 *
 * Shared mappings map the object's pages, which the object was promised. A private mapping that was
 * promised its pages is their owner: for each entry it either has a page of its own or a promise,
 * and the entry itself tells which:
 *
 *   empty, the object's page, zeroes   promised (to an owner)
 *   private page                       the promise was used for it
 *   marker UNPROMISED                  empty and not promised: the promise moved (mremap), or a
 *                                      page went that others still have
 *   marker LOST                        the page was needed by its owner: SIGBUS
 *
 * fork gives the child no promises. When an owner must copy a page that it shares with a child and
 * the pool is empty, the child loses the page (take_from_others), for only the owner was told that
 * there is enough. Who comes without a promise and finds nothing gets SIGBUS.
 *
 * Locks: PT of the entry, and no other, for every decision about it; dropped while a page is taken,
 * cleared or copied, then the entry must still be the same, or the page goes back. page_lock around
 * the size check and the installation of an object's page; the object's vmas_lock to find others.
 * Invariants: I1 a writable leaf of a private area maps a PG_EXCLUSIVE page; I2 each leaf holds one
 * reference and one mapcount of the head, zeroes none; I3 hugetlb_private_promises is what entries
 * say; I4 a leaf lies inside the object's size when it is installed.
 * Checked by pt_check, hugetlb_promises_check, tests/kernel/mm/hugetlb_ktest.c.
 * Read next: pt_hugetlb_range.c, pt_hugetlb_char.c.
 */
#include <kernel/fail.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include "pt_hugetlb_internal.h"

#define BUSY_WAIT (NSEC_PER_MSEC / 4)
#define MAX_WAITS 4000u /* for references that others hold for the time of a copy: a second */

u8 hugetlb_owner_mark;

static u64 number_at(const struct vma *v, vaddr_t addr)
{
    u64 index = v->pgoff + ((addr - v->start) >> PAGE_SHIFT);

    return index >> huge_object_of(v->mapping)->pool->order;
}

int hugetlb_setup_vma(struct vma *v, struct huge_object *o, u8 row)
{
    size_t size = huge_size(o->pool);

    if (!IS_ALIGNED(v->start | v->end | v->pgoff << PAGE_SHIFT, size))
        return -EINVAL;
    v->mapping = &o->m;
    v->pt_ops = row;
    v->level = (u8)o->pool->level;
    v->private = NULL;
    v->flags |= VM_POOL | VM_DONTEXPAND;
    if (v->flags & VM_MAYSHARE)
        return 0;
    v->has_anon = true; /* so that fork asks this row */
    if (v->flags & VM_NORESERVE)
        return 0;
    if (huge_reserve(o->pool, o->sub, (v->end - v->start) / size))
        return -ENOMEM;
    v->private = &hugetlb_owner_mark;
    return 0;
}

/* ---- faults ---- */

/* Unlocks what is as it was when the fault was decided; false: it is not, and somebody else has
 * answered. */
static bool lock_unchanged(struct fault_ctx *f)
{
    pt_lock(f->table);
    if (likely(pte_load(f->slot).v == f->entry.v))
        return true;
    pt_unlock(f->table);
    f->kind = "spurious";
    return false;
}

enum fault_result hugetlb_take_page(struct fault_ctx *f, bool promised, struct page **out)
{
    struct huge_object *o = huge_object_of(f->vma->mapping);

    for (;;) {
        struct page *p = huge_take(o->pool, o->sub, promised);

        *out = p;
        if (likely(p != NULL)) {
            p->flags = PG_EXCLUSIVE | PG_UPTODATE;
            p->mapcount = 1;
            p->index = f->vma->pgoff + ((f->addr - f->vma->start) >> PAGE_SHIFT);
            p->private = HUGE_PRIVATE;
            return FAULT_OK;
        }
        if (!promised) {
            fail_tolerated(); /* as Linux does */
            return FAULT_SIGBUS;
        }
        if (fatal_signal_pending())
            return FAULT_INTR;
        if (pte_load(f->slot).v != f->entry.v)
            return FAULT_OK;
        (void)nanosleep_until(clock_monotonic_ns() + BUSY_WAIT, false, NULL);
    }
}

static void give_page(struct page *p, bool promised)
{
    p->private = HUGE_OBJECTS;
    huge_give_back(p, promised);
}

void hugetlb_fill_page(const struct vma *v, struct page *to, struct page *from)
{
    char *at = page_to_virt(to), *end = at + pt_size(v->level);
    char *source = from != NULL ? page_to_virt(from) : NULL;

    for (; at < end && source == NULL; at += PAGE_SIZE)
        clear_page(at);
    for (; at < end; at += PAGE_SIZE, source += PAGE_SIZE)
        copy_page(at, source);
}

void hugetlb_store_leaf(struct fault_ctx *f, struct page *p, pt_prot_t prot, unsigned int state)
{
    if (pte_is_none(f->entry))
        f->table->pt_used++;
    pte_store(f->slot, pte_with_state(pte_make_leaf(page_to_phys(p), f->level, prot), state));
}

/* The object's page for a number, locked and with a reference, when it is there; or NULL. */
static struct page *object_page(struct huge_object *o, u64 number)
{
    struct page *p = mapping_find_get(&o->m, number << o->pool->order);

    if (p == NULL)
        return NULL;
    page_lock(p);
    if (p->mapping == &o->m && page_test(p, PG_UPTODATE))
        return p;
    page_unlock(p);
    page_put(p);
    return NULL;
}

static void unlock_put(struct page *p)
{
    if (p != NULL) {
        page_unlock(p);
        page_put(p);
    }
}

/* Maps the object's page @p. Consumes the reference and unlocks. */
static enum fault_result map_object_page(struct fault_ctx *f, struct page *p)
{
    struct vma *v = f->vma;
    bool write = (f->flags & FAULT_WRITE) != 0;
    enum fault_result result = FAULT_OK;

    f->kind = write ? "shared" : "file";
    if (!huge_object_contains(huge_object_of(v->mapping), number_at(v, f->addr))) {
        result = FAULT_SIGBUS;
    } else if (lock_unchanged(f)) {
        page_map_inc(p);
        page_get(p);
        hugetlb_store_leaf(f, p, write ? pt_leaf_prot(v, f->table) : pt_leaf_prot_ro(v, f->table),
                           write ? PT_YOUNG | PT_DIRTY : PT_YOUNG);
        pt_unlock(f->table);
        if (!pt_is_shared(f->table))
            hugetlb_count_rss(v, 1);
    }
    unlock_put(p);
    return result;
}

static enum fault_result missing_shared(struct fault_ctx *f)
{
    struct huge_object *o = huge_object_of(f->vma->mapping);
    u64 number = number_at(f->vma, f->addr);
    struct page *p;
    int err;

    if (!huge_object_contains(o, number))
        return FAULT_SIGBUS;
    err = huge_object_get_page(o, number, false, &p);
    if (unlikely(err == -ENOSPC))
        fail_tolerated(); /* SIGBUS, as Linux does */
    if (unlikely(err))
        return err == -ENOMEM ? FAULT_OOM : err == -EINTR ? FAULT_INTR : FAULT_SIGBUS;
    return map_object_page(f, p);
}

/* Nothing is mapped: a page of our own, empty or a copy of the object's. The size is looked at
 * again under the table's lock: truncation, which lowers it first, takes that lock after. */
static enum fault_result missing_private(struct fault_ctx *f)
{
    struct vma *v = f->vma;
    struct huge_object *o = huge_object_of(v->mapping);
    u64 number = number_at(v, f->addr);
    bool promised = hugetlb_is_owner(v) && pte_is_none(f->entry), done;
    enum fault_result result;
    struct page *object, *p;

    if (!huge_object_contains(o, number))
        return FAULT_SIGBUS;
    object = object_page(o, number);
    if (object != NULL && !(f->flags & FAULT_WRITE))
        return map_object_page(f, object);
    f->kind = object != NULL ? "cow" : "anon";
    result = hugetlb_take_page(f, promised, &p);
    if (result != FAULT_OK || p == NULL) {
        unlock_put(object);
        return result;
    }
    hugetlb_fill_page(v, p, object);
    unlock_put(object);
    if (!lock_unchanged(f)) {
        give_page(p, promised);
        return FAULT_OK;
    }
    done = huge_object_contains(o, number);
    if (likely(done))
        hugetlb_store_leaf(f, p, vma_prot(v), PT_YOUNG | PT_DIRTY);
    pt_unlock(f->table);
    if (unlikely(!done)) {
        give_page(p, promised);
        return FAULT_SIGBUS;
    }
    hugetlb_count_rss(v, 1);
    vmstat_inc(VMSTAT_pgzero);
    return FAULT_OK;
}

/* @v, without a promise, no longer maps @p at @addr, and its next access there is an error. */
static void lose_page(struct vma *v, vaddr_t addr, struct page *p)
{
    struct page *table;
    unsigned int level;
    pte_t *slot = pt_find_locked(v->mm, addr, &table, &level), e;

    if (slot == NULL)
        return;
    e = pte_load(slot);
    if (pte_is_leaf(e, level) && pte_page(e, level) == p) {
        (void)pte_xchg(slot, pte_make_marker(MARKER_LOST, 0));
        mmu_quiesce_walkers(v->mm);
        mm_flush_range(v->mm, addr, addr + pt_size(level), level);
        page_map_dec(p);
        hugetlb_count_rss(v, -1);
        pt_unlock(table);
        page_put(p); /* never the last: the owner holds one */
        return;
    }
    pt_unlock(table);
}

/* Nobody else maps @p any more, but who has lost it may be in the middle of a fault that copies it.
 * References that stay (a pipe's) make it SIGBUS. */
static enum fault_result wait_for_own(struct page *p)
{
    /* Ours and the leaf's: the access is tried again and finds the page to be its own. */
    for (unsigned int i = 0; page_refs(p) > 2; i++) {
        if (i == MAX_WAITS)
            return FAULT_SIGBUS;
        if (fatal_signal_pending())
            return FAULT_INTR;
        (void)nanosleep_until(clock_monotonic_ns() + BUSY_WAIT, false, NULL);
    }
    return FAULT_OK;
}

/* The owner needs a copy of @p, of which the caller holds a reference, and there is no page left:
 * those who share it and were promised nothing lose it. Then it is the owner's own. */
static enum fault_result take_from_others(struct fault_ctx *f, struct page *p)
{
    struct vma *v = f->vma, *o;
    u64 pgoff = v->pgoff + ((f->addr - v->start) >> PAGE_SHIFT);

    f->kind = "reuse";
    rwsem_read_lock(&v->mapping->vmas_lock);
    list_for_each_entry (o, &v->mapping->vmas, mapping_link) {
        if (o == v || (o->flags & VM_MAYSHARE) || hugetlb_is_owner(o) || pgoff < o->pgoff ||
            pgoff >= o->pgoff + vma_pages(o))
            continue;
        lose_page(o, o->start + ((pgoff - o->pgoff) << PAGE_SHIFT), p);
    }
    rwsem_read_unlock(&v->mapping->vmas_lock);
    return wait_for_own(p);
}

/* @new takes the place of @old. Table locked, the entry is f->entry. */
static void replace(struct fault_ctx *f, struct page *old, struct page *new)
{
    struct vma *v = f->vma;
    pt_prot_t prot = f->flags & FAULT_WRITE ? vma_prot(v) : vma_prot_ro(v);
    pte_t e = pte_make_leaf(page_to_phys(new), f->level, prot);

    (void)pte_xchg(f->slot, pte_none());
    mmu_quiesce_walkers(v->mm);
    mm_flush_range(v->mm, f->addr, f->addr + pt_size(f->level), f->level);
    pte_store(f->slot, pte_with_state(e, PT_YOUNG | PT_DIRTY));
    if (old->kind == PAGE_ZERO)
        hugetlb_count_rss(v, 1);
    else
        page_map_dec(old);
    vmstat_inc(VMSTAT_pgcow);
}

/* Table locked on entry, not on return. */
static enum fault_result copy_page_of(struct fault_ctx *f, struct page *old)
{
    bool zero = old->kind == PAGE_ZERO;
    bool promised = hugetlb_is_owner(f->vma) && !hugetlb_is_private_page(old);
    enum fault_result result;
    struct page *new;

    f->kind = "cow";
    page_get(old); /* zeroes too: their last user may go meanwhile */
    pt_unlock(f->table);
    result = hugetlb_take_page(f, promised, &new);
    if (result == FAULT_SIGBUS && hugetlb_is_owner(f->vma))
        result = take_from_others(f, old);
    if (result != FAULT_OK || new == NULL) {
        page_put(old);
        return result;
    }
    hugetlb_fill_page(f->vma, new, zero ? NULL : old);
    if (!lock_unchanged(f)) {
        page_put(old);
        give_page(new, promised);
        return FAULT_OK;
    }
    replace(f, old, new);
    pt_unlock(f->table);
    page_put_units(old, zero ? PAGE_REF : 2 * PAGE_REF);
    return FAULT_OK;
}

/* Table locked on entry, not on return. */
static enum fault_result private_write(struct fault_ctx *f)
{
    struct page *p = pte_page(f->entry, f->level);

    if (!hugetlb_is_private_page(p) || !pt_is_own(p))
        return copy_page_of(f, p);
    return f->flags & FAULT_WRITE ? pt_reuse(f) : pt_answered(f);
}

static enum fault_result present(struct fault_ctx *f)
{
    bool shared = (f->vma->flags & VM_SHARED) != 0;

    if (!lock_unchanged(f))
        return FAULT_OK;
    if (!shared && ((f->flags & FAULT_UNSHARE) ||
                    ((f->flags & FAULT_WRITE) && !(pte_prot(f->entry, f->level) & PT_W))))
        return private_write(f);
    if (shared && (f->flags & FAULT_WRITE)) {
        f->kind = "shared";
        pt_make_usable(f, pt_leaf_prot(f->vma, f->table), PT_YOUNG | PT_DIRTY);
        pt_unlock(f->table);
        return FAULT_OK;
    }
    return pt_answered(f);
}

enum fault_result pt_hugetlb_fault(struct fault_ctx *f)
{
    struct vma *v = f->vma;

    f->addr = ALIGN_DOWN(f->addr, pt_size(v->level));
    f->slot = pt_share_get_slot(v, f->addr, v->level, &f->table, &f->level);
    if (unlikely(f->slot == NULL))
        return FAULT_OOM;
    ASSERT(f->level == v->level);
    f->entry = pte_load(f->slot);
    if (pte_is_leaf(f->entry, f->level))
        return present(f);
    if (unlikely(hugetlb_is_lost(f->entry)))
        return FAULT_SIGBUS;
    return v->flags & VM_MAYSHARE ? missing_shared(f) : missing_private(f);
}

/* ---- the rest ---- */

int pt_hugetlb_may_split(struct vma *v, vaddr_t addr)
{
    return IS_ALIGNED(addr, pt_size(v->level)) ? 0 : -EINVAL;
}

bool pt_hugetlb_may_share(const struct vma *v)
{
    return (v->flags & VM_MAYSHARE) != 0;
}
