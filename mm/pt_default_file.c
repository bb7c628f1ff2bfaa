/* SPDX-License-Identifier: MIT */
/*
 * pt_default_file.c: row PT_DEFAULT: a fault on an empty entry of a mapping of an object: a file, a
 * memfd, shared anonymous memory.
 *
 * It does not fill pages (mm/page_cache.c does). A read, or a write to a shared mapping, maps the
 * object's page; a write to a private one maps a copy. A read also maps up to 15 neighbours that
 * are in memory anyway.
 *
 * Locks: page_lock around the check of the object's size and the installation, in this order with
 * truncation (page_cache.h says why); PT inside it. Neighbours are taken only when their lock is
 * free.
 * Invariants: I1 a leaf for page i of an object is installed only while i < its size, under the
 * page's lock; I2 a leaf of a shared mapping is writable only when it is dirty. Checked by
 * pt_check, tests/kernel/mm/fault_ktest.c.
 * Read next: pt_default_range.c.
 */
#include "pt_internal.h"
#include <kernel/vfs.h>

#define AROUND_PAGES 16u

/* Pages that the object has by its size; any index is allowed where nobody says. */
static u64 object_pages(const struct mapping *m)
{
    return m->host != NULL ? (READ_ONCE(m->host->size) + PAGE_SIZE - 1) >> PAGE_SHIFT : ~0ULL;
}

static u64 vma_index(const struct vma *v, vaddr_t addr)
{
    ASSERT(addr >= v->start && addr < v->end);
    return v->pgoff + ((addr - v->start) >> PAGE_SHIFT);
}

/* Maps the object's page at the empty @slot; takes over a reference. Table locked, page locked. */
static void install(struct page *table, pte_t *slot, struct page *p, pt_prot_t prot,
                    unsigned int state)
{
    lock_assert_held(&table->ptl);
    ASSERT(page_test(p, PG_LOCKED) && page_test(p, PG_UPTODATE) && p->kind == PAGE_FILE);
    ASSERT(!(prot & PT_W) || (state & PT_DIRTY)); /* I2 */
    ASSERT(pte_is_none(pte_load(slot)) && table->pt_used < pt_entries(0));
    page_map_inc(p);
    pte_store(slot, pte_with_state(pte_make_leaf(page_to_phys(p), 0, prot), state));
    table->pt_used++;
}

/* Is @p, found without a lock, a page that may be mapped at @index of @m? On true it is locked. */
static bool lock_if_mappable(struct page *p, const struct mapping *m, u64 index)
{
    if (!page_test(p, PG_UPTODATE) || !page_trylock(p))
        return false;
    if (likely(p->mapping == m && p->index == index && page_test(p, PG_UPTODATE) &&
               index < object_pages(m)))
        return true;
    page_unlock(p);
    return false;
}

/* Read fault: maps what is in memory around the address, in one table. True when the address itself
 * is mapped now. */
static bool fault_around(struct fault_ctx *f)
{
    struct vma *v = f->vma;
    struct mapping *m = v->mapping;
    vaddr_t span = AROUND_PAGES * PAGE_SIZE; /* a power of two, so it never crosses a table */
    vaddr_t first = max(ALIGN_DOWN(f->addr, span), v->start);
    vaddr_t last = min(ALIGN_DOWN(f->addr, span) + span, v->end);
    u64 index = vma_index(v, first), base = index, count = (last - first) >> PAGE_SHIFT;
    pte_t *slots = f->slot - ((f->addr - first) >> PAGE_SHIFT);
    struct page *pages[AROUND_PAGES];
    unsigned int n = mapping_find_batch(m, &index, base + count, pages, AROUND_PAGES);
    pt_prot_t prot = pt_leaf_prot_ro(v, f->table);
    unsigned int nr = 0;
    bool hit;

    if (n == 0)
        return false;
    pt_lock(f->table);
    for (unsigned int i = 0; i < n; i++) {
        struct page *p = pages[i];
        u64 at = READ_ONCE(p->index) - base; /* anything when the page left the object meanwhile */

        if (at >= count || !pte_is_none(pte_load(slots + at)) || !lock_if_mappable(p, m, base + at))
            continue;
        install(f->table, slots + at, p, prot, slots + at == f->slot ? PT_YOUNG : 0);
        page_unlock(p);
        pages[i] = NULL;
        nr++;
    }
    hit = pte_is_leaf(pte_load(f->slot), 0);
    pt_unlock(f->table);
    if (nr != 0)
        pt_count_object_pages(v, f->table, nr);
    vmstat_add(VMSTAT_pgmap_around, nr);
    if (unlikely(nr != n))
        for (unsigned int i = 0; i < n; i++)
            if (pages[i] != NULL)
                page_put(pages[i]);
    return hit;
}

/* Maps @p itself. Consumes the reference and unlocks. */
static enum fault_result map_object_page(struct fault_ctx *f, struct page *p)
{
    struct vma *v = f->vma;
    bool write = (f->flags & FAULT_WRITE) != 0, done;

    ASSERT(!write || (v->flags & VM_SHARED));
    f->kind = write ? "shared" : "file";
    pt_lock(f->table);
    done = pte_is_none(pte_load(f->slot));
    if (likely(done)) {
        if (write)
            install(f->table, f->slot, p, pt_leaf_prot(v, f->table), PT_YOUNG | PT_DIRTY);
        else
            install(f->table, f->slot, p, pt_leaf_prot_ro(v, f->table), PT_YOUNG);
    }
    pt_unlock(f->table);
    if (write && !page_test(p, PG_DIRTY))
        page_set(p, PG_DIRTY);
    page_unlock(p);
    if (likely(done))
        pt_count_object_pages(v, f->table, 1);
    else
        page_put(p);
    return FAULT_OK;
}

/* Maps a copy of @p. Consumes the reference and unlocks. */
static enum fault_result map_private_copy(struct fault_ctx *f, struct page *p)
{
    struct vma *v = f->vma;
    struct page *new = pt_anon_page(v, f->addr);
    bool done;

    ASSERT(!(v->flags & VM_SHARED) && page_test(p, PG_LOCKED));
    f->kind = "cow";
    if (unlikely(new == NULL)) {
        page_unlock(p);
        page_put(p);
        return FAULT_OOM;
    }
    copy_page(page_to_virt(new), page_to_virt(p));
    ASSERT(!pt_is_shared(f->table)); /* who may write has none in a private mapping */
    pt_lock(f->table);
    done = pte_is_none(pte_load(f->slot));
    if (likely(done)) {
        pte_t e = pte_make_leaf(page_to_phys(new), 0, vma_prot(v));

        v->has_anon = true;
        pte_store(f->slot, pte_with_state(e, PT_YOUNG | PT_DIRTY));
        f->table->pt_used++;
    }
    pt_unlock(f->table);
    page_unlock(p);
    page_put(p);
    if (likely(done)) {
        atomic_long_inc(&v->mm->rss[MM_ANON]);
        vmstat_inc(VMSTAT_pgcow);
    } else {
        new->mapcount = 0;
        page_put(new);
    }
    return FAULT_OK;
}

enum fault_result pt_default_file(struct fault_ctx *f)
{
    struct vma *v = f->vma;
    struct mapping *m = v->mapping;
    u64 index = vma_index(v, f->addr);
    struct page *p;
    int err;

    f->kind = "file";
    if (unlikely(index >= object_pages(m)))
        return FAULT_SIGBUS;
    if (!(f->flags & FAULT_WRITE) && fault_around(f))
        return FAULT_OK;
    err = mapping_get_page(m, index, MAPPING_LOCK, &p);
    if (unlikely(err))
        return err == -ENOMEM ? FAULT_OOM : err == -EINTR ? FAULT_INTR : FAULT_SIGBUS;
    if (unlikely(index >= object_pages(m))) {
        page_unlock(p);
        page_put(p);
        return FAULT_SIGBUS;
    }
    if ((f->flags & FAULT_WRITE) && !(v->flags & VM_SHARED))
        return map_private_copy(f, p);
    return map_object_page(f, p);
}
