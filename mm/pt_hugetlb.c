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
 * Read next: pt_hugetlb_char.c.
 */
#include "pt_internal.h"
#include <kernel/fail.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/vfs.h>
#include <mm/gup.h>
#include <mm/hugetlb.h>

#define MARKER_UNPROMISED 1u
#define MARKER_LOST       2u
#define BUSY_WAIT         (NSEC_PER_MSEC / 4)

/* vma->private of an owner. */
static u8 owner_mark;

static inline bool is_owner(const struct vma *v)
{
    return v->private == &owner_mark;
}

static inline bool is_lost(pte_t e)
{
    return pte_is_marker(e) && pte_marker_type(e) == MARKER_LOST;
}

static inline bool is_private_page(const struct page *p)
{
    return p->kind == PAGE_HUGETLB && huge_is_private(p);
}

static u64 number_at(const struct vma *v, vaddr_t addr)
{
    u64 index = v->pgoff + ((addr - v->start) >> PAGE_SHIFT);

    return index >> huge_object_of(v->mapping)->pool->order;
}

/* Is the page with that number inside the object, as large as it is now? */
static bool in_object(const struct huge_object *o, u64 number)
{
    const struct inode *host = o->m.host;

    return host == NULL || number < DIV_ROUND_UP(READ_ONCE(host->size), huge_size(o->pool));
}

static void count_rss(const struct vma *v, long leaves)
{
    long pages = (long)pt_leaf_pages(v->level);

    if (leaves != 0)
        atomic_long_add(&v->mm->rss[MM_HUGETLB], leaves * pages);
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
    v->private = &owner_mark;
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

/* A page for this area alone, contents undefined. FAULT_OK with NULL: somebody else has answered
 * the fault. No lock. */
static enum fault_result take_page(struct fault_ctx *f, bool promised, struct page **out)
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

static void fill_page(const struct vma *v, struct page *to, struct page *from)
{
    char *at = page_to_virt(to), *end = at + pt_size(v->level);
    char *source = from != NULL ? page_to_virt(from) : NULL;

    for (; at < end && source == NULL; at += PAGE_SIZE)
        clear_page(at);
    for (; at < end; at += PAGE_SIZE, source += PAGE_SIZE)
        copy_page(at, source);
}

/* Stores a leaf over an entry that is none or a marker. Table locked. */
static void store_leaf(struct fault_ctx *f, struct page *p, pt_prot_t prot, unsigned int state)
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
    if (!in_object(huge_object_of(v->mapping), number_at(v, f->addr))) {
        result = FAULT_SIGBUS;
    } else if (lock_unchanged(f)) {
        page_map_inc(p);
        page_get(p);
        store_leaf(f, p, write ? pt_leaf_prot(v, f->table) : pt_leaf_prot_ro(v, f->table),
                   write ? PT_YOUNG | PT_DIRTY : PT_YOUNG);
        pt_unlock(f->table);
        if (!pt_is_shared(f->table))
            count_rss(v, 1);
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

    if (!in_object(o, number))
        return FAULT_SIGBUS;
    err = huge_object_get_page(o, number, &p);
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
    bool promised = is_owner(v) && pte_is_none(f->entry), done;
    enum fault_result result;
    struct page *object, *p;

    if (!in_object(o, number))
        return FAULT_SIGBUS;
    object = object_page(o, number);
    if (object != NULL && !(f->flags & FAULT_WRITE))
        return map_object_page(f, object);
    f->kind = object != NULL ? "cow" : "anon";
    result = take_page(f, promised, &p);
    if (result != FAULT_OK || p == NULL) {
        unlock_put(object);
        return result;
    }
    fill_page(v, p, object);
    unlock_put(object);
    if (!lock_unchanged(f)) {
        give_page(p, promised);
        return FAULT_OK;
    }
    done = in_object(o, number);
    if (likely(done))
        store_leaf(f, p, vma_prot(v), PT_YOUNG | PT_DIRTY);
    pt_unlock(f->table);
    if (unlikely(!done)) {
        give_page(p, promised);
        return FAULT_SIGBUS;
    }
    count_rss(v, 1);
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
        count_rss(v, -1);
        pt_unlock(table);
        page_put(p); /* never the last: the owner holds one */
        return;
    }
    pt_unlock(table);
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
        if (o == v || (o->flags & VM_MAYSHARE) || is_owner(o) || pgoff < o->pgoff ||
            pgoff >= o->pgoff + vma_pages(o))
            continue;
        lose_page(o, o->start + ((pgoff - o->pgoff) << PAGE_SHIFT), p);
    }
    rwsem_read_unlock(&v->mapping->vmas_lock);
    /* Ours and the leaf's: the access is tried again and finds the page to be its own. */
    return page_refs(p) <= 2 ? FAULT_OK : FAULT_SIGBUS;
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
        count_rss(v, 1);
    else
        page_map_dec(old);
    vmstat_inc(VMSTAT_pgcow);
}

/* Table locked on entry, not on return. */
static enum fault_result copy_page_of(struct fault_ctx *f, struct page *old)
{
    bool zero = old->kind == PAGE_ZERO, promised = is_owner(f->vma) && !is_private_page(old);
    enum fault_result result;
    struct page *new;

    f->kind = "cow";
    page_get(old); /* zeroes too: their last user may go meanwhile */
    pt_unlock(f->table);
    result = take_page(f, promised, &new);
    if (result == FAULT_SIGBUS && is_owner(f->vma))
        result = take_from_others(f, old);
    if (result != FAULT_OK || new == NULL) {
        page_put(old);
        return result;
    }
    fill_page(f->vma, new, zero ? NULL : old);
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

    if (!is_private_page(p) || !pt_is_own(p))
        return copy_page_of(f, p);
    if (!(f->flags & FAULT_WRITE))
        return pt_answered(f);
    f->kind = "reuse";
    pt_make_usable(f, vma_prot(f->vma), PT_YOUNG | PT_DIRTY);
    pt_unlock(f->table);
    vmstat_inc(VMSTAT_pgreuse);
    return FAULT_OK;
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
    if (unlikely(is_lost(f->entry)))
        return FAULT_SIGBUS;
    return v->flags & VM_MAYSHARE ? missing_shared(f) : missing_private(f);
}

/* ---- removing ---- */

struct zap {
    struct tlb_gather *tlb;
    struct vma *v;
    bool gone, owner; /* the area itself goes: its promises end */
    u64 used;         /* entries of an owner that go and had no promise */
    long leaves;
};

/* The area stays and its private page @p goes: the entry is promised again, or else marked. */
static void promise_again(struct zap *z, pte_t *slot, struct page *table, struct page *p)
{
    struct huge_object *o = huge_object_of(z->v->mapping);

    if (page_refs(p) == 1) {
        huge_keep(p);
    } else if (!huge_try_reserve_one(o->pool, o->sub)) {
        pte_store(slot, pte_make_marker(MARKER_UNPROMISED, 0));
        table->pt_used++;
    }
}

static void zap_entry(struct zap *z, const struct pt_run *r, pte_t *slot)
{
    pte_t e = pte_load(slot);
    struct page *p;

    if (!pte_is_leaf(e, r->level)) {
        if (z->gone) {
            pte_store(slot, pte_none());
            r->table->pt_used--;
            z->used++;
        }
        return;
    }
    p = pte_page(e, r->level);
    if (z->tlb->keep_private && is_private_page(p))
        return;
    e = pte_xchg(slot, pte_none());
    r->table->pt_used--;
    if (p->kind == PAGE_ZERO)
        return;
    z->leaves++;
    if ((pte_state(e) & PT_DIRTY) && !page_test(p, PG_DIRTY))
        page_set(p, PG_DIRTY);
    page_map_dec(p);
    if (is_private_page(p)) {
        z->used++;
        if (z->owner && !z->gone)
            promise_again(z, slot, r->table, p);
    }
    if (tlb_gather_page(z->tlb, p))
        tlb_gather_flush(z->tlb);
}

/*
 * An area that stays keeps the entries without a leaf as they are. The cursor does not skip holes,
 * so that each entry is looked at under its lock. Truncation needs that: a fault that looked at the
 * object's size before it was lowered either has stored its leaf when we look, or looks at the size
 * after. And so does munmap: truncation of the object may be about to put a marker in a leaf's
 * place.
 */
void pt_hugetlb_zap(struct tlb_gather *tlb, struct vma *v, vaddr_t start, vaddr_t end)
{
    struct zap z = {.tlb = tlb, .v = v, .gone = tlb->areas_go, .owner = is_owner(v)};
    struct huge_object *o = huge_object_of(v->mapping);
    size_t size = pt_size(v->level);
    struct pt_cursor c;
    struct pt_run r;

    start = ALIGN_DOWN(start, size);
    end = ALIGN_UP(end, size);
    pt_cursor_begin(&c, v->mm, start, end, false);
    c.own = true;
    while (pt_cursor_next(&c, &r)) {
        if (r.kind == PT_KIND_HOLE)
            continue;
        ASSERT(r.level == v->level);
        tlb_gather_range(tlb, r.va, r.end, r.level);
        for (unsigned int i = 0; i < r.nr; i++)
            zap_entry(&z, &r, r.slot + i);
    }
    count_rss(v, -z.leaves);
    if (z.gone && z.owner)
        huge_unreserve(o->pool, o->sub, (end - start) / size - z.used);
}

/* ---- fork ---- */

/* The child's own copy of a page that somebody has pinned. Both tables unlocked. */
static int copy_pinned(struct fault_ctx *child, struct page *p)
{
    struct page *new;
    enum fault_result result = take_page(child, false, &new);

    if (result != FAULT_OK || new == NULL)
        return -ENOMEM;
    fill_page(child->vma, new, p);
    pt_lock(child->table);
    store_leaf(child, new, vma_prot_ro(child->vma), PT_DIRTY);
    pt_unlock(child->table);
    count_rss(child->vma, 1);
    return 0;
}

/* One entry. @src's table is not locked; nothing but truncation changes it. */
static int copy_entry(struct fault_ctx *child, struct page *src_table, pte_t *src)
{
    pt_prot_t ro = vma_prot_ro(child->vma);
    struct page *p;
    pte_t e, new;
    int err = 0;

    pt_lock_two(src_table, child->table);
    e = pte_load(src);
    p = pte_is_leaf(e, child->level) ? pte_page(e, child->level) : NULL;
    if (is_lost(e)) {
        pte_store(child->slot, e);
        child->table->pt_used++;
    } else if (p != NULL && is_private_page(p)) {
        page_get(p);
        if (page_test(p, PG_EXCLUSIVE) && !page_try_share(p)) {
            pt_unlock_two(src_table, child->table);
            err = copy_pinned(child, p);
            page_put(p);
            return err;
        }
        page_map_inc(p);
        do
            new = pte_with_prot(e, child->level, ro);
        while (!pte_cmpxchg(src, &e, new));
        pte_store(child->slot, new);
        child->table->pt_used++;
        count_rss(child->vma, 1);
    }
    pt_unlock_two(src_table, child->table);
    return err;
}

static int copy_run(struct vma *dst_vma, const struct pt_run *r)
{
    for (unsigned int i = 0; i < r->nr; i++) {
        struct fault_ctx child = {.vma = dst_vma, .addr = r->va + i * pt_size(r->level)};
        int err;

        child.entry = pte_none();
        child.slot = pt_get_slot(dst_vma->mm, child.addr, r->level, &child.table, &child.level);
        if (child.slot == NULL)
            return -ENOMEM;
        err = copy_entry(&child, r->table, r->slot + i);
        if (err)
            return err;
    }
    return 0;
}

/* Private pages are shared until one side writes. The child was promised nothing; what the object
 * has comes by its faults. */
int pt_hugetlb_copy(struct mm *dst, struct vma *dst_vma, struct vma *src)
{
    struct pt_cursor c;
    struct pt_run r;
    int err = 0;

    (void)dst;
    dst_vma->private = NULL;
    dst_vma->has_anon = src->has_anon;
    if (src->flags & VM_MAYSHARE)
        return 0;
    pt_cursor_begin(&c, src->mm, src->start, src->end, true);
    while (err == 0 && pt_cursor_next(&c, &r)) {
        pt_cursor_unlock(&c);
        err = copy_run(dst_vma, &r);
    }
    pt_cursor_end(&c);
    return err;
}

/* ---- mremap ---- */

struct ends {
    struct page *src_table, *dst_table;
    pte_t *src, *dst;
};

/* The entries of both places; tables are made where they are missing. */
static bool get_ends(struct mm *mm, vaddr_t from, vaddr_t to, unsigned int level, struct ends *e)
{
    unsigned int found;

    e->src = pt_get_slot(mm, from, level, &e->src_table, &found);
    if (e->src == NULL)
        return false;
    e->dst = pt_get_slot(mm, to, level, &e->dst_table, &found);
    return e->dst != NULL;
}

/* With an entry goes its promise; where an owner's was, it is said that there is none any more. */
static void move_entry(const struct ends *e, bool owner)
{
    pte_t left = owner ? pte_make_marker(MARKER_UNPROMISED, 0) : pte_none(), old;

    pt_lock_two(e->src_table, e->dst_table);
    old = pte_xchg(e->src, left);
    e->src_table->pt_used += !pte_is_none(left);
    e->src_table->pt_used -= !pte_is_none(old);
    e->dst_table->pt_used -= !pte_is_none(pte_load(e->dst));
    e->dst_table->pt_used += !pte_is_none(old);
    pte_store(e->dst, old);
    pt_unlock_two(e->src_table, e->dst_table);
}

/* All memory that is needed is got before the first entry moves, so all or nothing does. */
int pt_hugetlb_move(struct vma *v, vaddr_t old_start, struct vma *new_vma, vaddr_t new_start,
                    size_t len, size_t *moved)
{
    bool owner = is_owner(v) || is_owner(new_vma);
    size_t size = pt_size(v->level);
    struct ends e;

    *moved = 0;
    new_vma->has_anon = v->has_anon;
    pt_unshare_range(v, old_start, old_start + len, PT_UNSHARE_move);
    pt_unshare_range(new_vma, new_start, new_start + len, PT_UNSHARE_move);
    for (size_t at = 0; at < len; at += size) {
        if (!get_ends(v->mm, old_start + at, new_start + at, v->level, &e)) {
            new_vma->private = NULL; /* nothing has moved: no promise either */
            return -ENOMEM;
        }
    }
    rwsem_write_lock(&v->mapping->vmas_lock);
    for (size_t at = 0; at < len; at += size) {
        bool found = get_ends(v->mm, old_start + at, new_start + at, v->level, &e);

        BUG_ON(!found);
        move_entry(&e, owner);
    }
    mmu_quiesce_walkers(v->mm);
    mm_flush_range(v->mm, old_start, old_start + len, v->level);
    rwsem_write_unlock(&v->mapping->vmas_lock);
    *moved = len;
    return 0;
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

static u64 promises_of(struct vma *v)
{
    u64 n = (v->end - v->start) >> pt_shift(v->level);
    struct pt_cursor c;
    struct pt_run r;

    pt_cursor_begin(&c, v->mm, v->start, v->end, true);
    while (pt_cursor_next(&c, &r)) {
        for (unsigned int i = 0; i < r.nr; i++) {
            pte_t e = pte_load(r.slot + i);

            if (!pte_is_leaf(e, r.level) || is_private_page(pte_page(e, r.level)))
                n--;
        }
    }
    return n;
}

u64 hugetlb_private_promises(struct huge_pool *pool)
{
    u64 sum = 0;

    for (struct mm *mm = mm_next(NULL); mm; mm = mm_next(mm)) {
        mmap_read_lock(mm);
        for_each_vma (v, mm)
            if (is_owner(v) && huge_object_of(v->mapping)->pool == pool)
                sum += promises_of(v);
        mmap_read_unlock(mm);
    }
    return sum;
}
