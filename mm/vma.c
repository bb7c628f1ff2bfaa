/* SPDX-License-Identifier: MIT */
/*
 * vma.c: one area: made, linked, cut in two, joined with its neighbours.
 *
 * Two areas that touch become one when nothing can tell them apart: same flags (soft-dirty aside),
 * same object and contiguous offsets in it, same row of the operations table and private word.
 * Areas of anonymous memory count their offsets from their address at creation, so neighbours are
 * contiguous unless one was moved with pages in it. Areas of device memory and others that must not
 * grow never merge. Merging an area with pages into one without makes the result one with pages
 * (has_anon).
 *
 * It does not check limits, charge commits or touch entries: the callers do (mmap.c, munmap.c,
 * mprotect.c …).
 *
 * Locks: mmap_lock for writing. Changing the range of an area of an object also takes the object's
 * vmas_lock, because mapping_unmap_range computes addresses from it. File references of removed
 * areas are put by vma_free_chain after mmap_lock is released: a file's release may take locks that
 * rank before it.
 *
 * Invariants: I1 an area in the tree with a mapping is on mapping->vmas, and only then; I2 an area
 * with VM_SHARED holds one count of mapping->nr_writable; I3 total_vm, data_vm, exec_vm, stack_vm,
 * locked_vm equal the sums over the areas.
 * Checked by vma_check and tests/host/mm/vma_test.c. Read next: munmap.c, mprotect.c.
 */
#include <kernel/vfs.h>
#include <mm/page_cache.h>
#include <mm/pt_share.h>
#include <mm/slab.h>
#include <asm/errno.h>
#include "vma_internal.h"

static struct kmem_cache *vma_cache;

void vma_cache_init(void)
{
    vma_cache = kmem_cache_create("vma", sizeof(struct vma), 64, NULL);
    if (!vma_cache)
        panic("no memory for the cache of areas");
}

struct vma *vma_alloc(struct mm *mm)
{
    struct vma *v = kmem_cache_alloc(vma_cache, GFP_KERNEL);

    if (!v)
        return NULL;
    v->mm = mm;
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    v->lock_seq = mm->lock_seq; /* write-locked before anybody can find it */
    v->readers = 0;
    v->detached = true;
    v->has_anon = v->has_shared = false;
    v->file = NULL;
    v->mapping = NULL;
    return v;
}

void vma_free_new(struct vma *v)
{
    ASSERT(v->detached && v->readers == 0);
    if (v->file)
        file_put(v->file);
    kmem_cache_free(vma_cache, v);
}

static void free_chain_rcu(struct rcu_head *head)
{
    struct vma *v = container_of(head, struct vma, rcu), *next;

    for (; v; v = next) {
        next = v->next;
        ASSERT(READ_ONCE(v->readers) == 0); /* a grace period ago at the latest */
        kmem_cache_free(vma_cache, v);
    }
}

void vma_free_chain(struct vma *v)
{
    if (!v)
        return;
    for (struct vma *i = v; i; i = i->next)
        if (i->file)
            file_put(i->file);
    call_rcu(&v->rcu, free_chain_rcu);
}

void vma_set_attr(struct vma *v, vaddr_t start, vaddr_t end, const struct vma_attr *a)
{
    ASSERT(start < end && IS_ALIGNED(start | end, PAGE_SIZE) && end <= user_top());
    ASSERT(v->detached); /* nobody can find it yet */
    v->start = start;
    v->end = end;
    v->flags = a->flags;
    v->pgoff = a->pgoff;
    v->file = a->file ? file_get(a->file) : NULL;
    v->mapping = a->mapping;
    v->private = a->private;
    v->pt_ops = a->pt_ops;
    v->level = a->level;
}

void vma_account(struct mm *mm, unsigned long flags, long pages)
{
    ASSERT((long)mm->total_vm + pages >= 0);
    ASSERT(!(flags & VM_LOCKED) || (long)mm->locked_vm + pages >= 0);
    mm->total_vm += pages;
    ASSERT(!vm_is_data(flags) || (long)mm->data_vm + pages >= 0);
    if (vm_is_data(flags))
        mm->data_vm += pages;
    else if ((flags & (VM_EXEC | VM_WRITE | VM_GROWSDOWN)) == VM_EXEC)
        mm->exec_vm += pages;
    else if (flags & VM_GROWSDOWN)
        mm->stack_vm += pages;
    if (flags & VM_LOCKED)
        mm->locked_vm += pages;
}

void vma_mapping_link(struct vma *v, struct vma *after)
{
    struct mapping *m = v->mapping;

    if (!m)
        return;
    ASSERT(!after || (after->mapping == m && !after->detached));
    rwsem_write_lock(&m->vmas_lock);
    if (after)
        list_add(&v->mapping_link, &after->mapping_link);
    else
        list_add_tail(&v->mapping_link, &m->vmas);
    rwsem_write_unlock(&m->vmas_lock);
    if (v->flags & VM_SHARED) { /* the caller's own count or another area's keeps seals out */
        int err = mapping_map_writable(m);

        BUG_ON(err);
    }
}

void vma_mapping_unlink(struct vma *v)
{
    struct mapping *m = v->mapping;

    if (!m)
        return;
    rwsem_write_lock(&m->vmas_lock);
    list_del(&v->mapping_link);
    rwsem_write_unlock(&m->vmas_lock);
    if (v->flags & VM_SHARED)
        mapping_unmap_writable(m);
}

static inline void range_lock(struct mapping *m)
{
    if (m)
        rwsem_write_lock(&m->vmas_lock);
}

static inline void range_unlock(struct mapping *m)
{
    if (m)
        rwsem_write_unlock(&m->vmas_lock);
}

static void resize(struct vma *v, vaddr_t start, vaddr_t end, u64 pgoff)
{
    ASSERT(!v->detached && start <= v->start && end >= v->end);
    vma_write_lock(v);
    pt_unshare_at(v, v->start);
    pt_unshare_at(v, v->end);
    range_lock(v->mapping);
    vma_tree_set_range(v, start, end, pgoff);
    range_unlock(v->mapping);
    pt_share_claim(v);
}

void vma_link(struct mm *mm, struct vma *v, struct vma *prev, struct vma *next)
{
    ASSERT(v->mm == mm && v->detached);
    ASSERT(!(v->flags & VM_SHARED) || v->mapping != NULL || !vma_has_pages(v));
    vma_tree_insert(mm, v, prev, next);
    pt_share_claim(v);
    vma_mapping_link(v, NULL);
    vma_account(mm, v->flags, (long)vma_pages(v));
}

static inline bool same_kind(const struct vma *v, const struct vma_attr *a)
{
    if (v->file != a->file || v->mapping != a->mapping || v->private != a->private ||
        v->pt_ops != a->pt_ops)
        return false;
    return ((v->flags ^ a->flags) & ~VM_SOFTDIRTY) == 0 && !(v->flags & VM_SPECIAL);
}

/* Is @v a neighbour that ends where @a begins and goes on in it? */
static inline bool joins_below(const struct vma *v, vaddr_t start, const struct vma_attr *a)
{
    return v && v->end == start && same_kind(v, a) && v->pgoff + vma_pages(v) == a->pgoff;
}

static inline bool joins_above(const struct vma *v, vaddr_t end, u64 pgoff_end,
                               const struct vma_attr *a)
{
    return v && v->start == end && same_kind(v, a) && v->pgoff == pgoff_end;
}

/* Stretches @into over its neighbour @v, whose pages it takes over, and frees @v. */
static void absorb(struct vma *into, struct vma *v)
{
    struct mapping *m = v->mapping;

    ASSERT(into->mm == v->mm && into->mapping == m && into->file == v->file);
    vma_write_lock(v);
    vma_write_lock(into);
    if (v->has_anon)
        into->has_anon = true;
    if (v->has_shared)
        into->has_shared = true;
    range_lock(m);
    vma_tree_absorb(into, v);
    if (m)
        list_del(&v->mapping_link);
    range_unlock(m);
    if (m && v->flags & VM_SHARED)
        mapping_unmap_writable(m);
    if (v->file)
        file_put(v->file); /* never the last: @into holds one */
    v->file = NULL;
    v->next = NULL;
    vma_free_chain(v);
}

struct vma *vma_merge_new(struct mm *mm, struct vma *prev, vaddr_t start, vaddr_t end,
                          const struct vma_attr *a)
{
    struct vma *next = prev ? prev->next : mm->first_vma, *v;
    u64 pgoff_end = a->pgoff + ((end - start) >> PAGE_SHIFT);
    bool above = joins_above(next, end, pgoff_end, a);

    ASSERT(start < end && (!prev || prev->end <= start) && (!next || next->start >= end));
    if (joins_below(prev, start, a)) {
        v = prev;
        resize(v, v->start, end, v->pgoff);
        if (above)
            absorb(v, next);
    } else if (above) {
        v = next;
        resize(v, start, v->end, a->pgoff);
    } else {
        return NULL;
    }
    v->flags |= a->flags & VM_SOFTDIRTY;
    vma_account(mm, a->flags, (long)((end - start) >> PAGE_SHIFT));
    return v;
}

struct vma *vma_split(struct vma *v, vaddr_t addr)
{
    struct mm *mm = v->mm;
    struct vma_attr a = vma_attr_at(v, addr);
    struct vma *upper;
    int err;

    ASSERT(addr > v->start && addr < v->end && IS_ALIGNED(addr, PAGE_SIZE));
    vma_write_lock(v); /* no fault puts a leaf across the cut any more */
    err = vma_ops(v)->may_split(v, addr);
    if (!err)
        err = pt_fork_leave_edges(v, addr, v->end);
    if (err)
        return ERR_PTR(err);
    upper = vma_alloc(mm);
    if (!upper)
        return ERR_PTR(-ENOMEM);
    vma_set_attr(upper, addr, v->end, &a);
    upper->has_anon = v->has_anon;
    pt_unshare_at(v, addr);
    upper->has_shared = v->has_shared;
    range_lock(v->mapping);
    vma_tree_split(v, upper);
    if (v->mapping) {
        list_add(&upper->mapping_link, &v->mapping_link);
        range_unlock(v->mapping);
        if (v->flags & VM_SHARED) {
            err = mapping_map_writable(v->mapping);
            BUG_ON(err);
        }
    }
    return upper;
}

/* The border between @low and its neighbour moves; the pages between change sides. 0, or what
 * may_split says. */
static int shift_border(struct vma *low, vaddr_t border)
{
    struct vma *high = low->next;
    int err;

    ASSERT(high != NULL && high->start == low->end);
    vma_write_lock(low);
    vma_write_lock(high);
    err = vma_ops(low)->may_split(low, border);
    if (!err)
        err = border < low->end ? pt_fork_leave_edges(low, border, low->end)
                                : pt_fork_leave_edges(high, border, high->end);
    if (err)
        return err;
    if (low->has_anon || high->has_anon)
        low->has_anon = high->has_anon = true;
    pt_unshare_at(border < low->end ? low : high, border);
    if (low->has_shared || high->has_shared)
        low->has_shared = high->has_shared = true;
    range_lock(low->mapping);
    vma_tree_shift_border(low, border);
    range_unlock(low->mapping);
    return 0;
}

/* Whole area: joined with those neighbours that fit, or NULL when none does. */
static struct vma *merge_whole(struct vma *v, const struct vma_attr *a)
{
    struct vma *prev = v->prev, *next = v->next;
    bool below = joins_below(prev, v->start, a);
    bool above = joins_above(next, v->end, a->pgoff + vma_pages(v), a);

    if (below)
        absorb(prev, v);
    if (above)
        absorb(below ? prev : next, below ? next : v);
    return below ? prev : above ? next : NULL;
}

struct vma *vma_modify_flags(struct vma *v, vaddr_t start, vaddr_t end, unsigned long flags)
{
    struct vma_attr a = vma_attr_at(v, start);
    struct mm *mm = v->mm;
    unsigned long old = v->flags;
    long pages = (long)((end - start) >> PAGE_SHIFT);
    struct vma *into = NULL;
    int err = 0;

    ASSERT(start >= v->start && end <= v->end && start < end);
    a.flags = flags;
    if (start == v->start && end == v->end) {
        into = merge_whole(v, &a);
    } else if (start == v->start && joins_below(v->prev, start, &a)) {
        into = v->prev;
        err = shift_border(into, end);
    } else if (end == v->end && joins_above(v->next, end, a.pgoff + (u64)pages, &a)) {
        into = v->next;
        err = shift_border(v, start);
    }
    if (err)
        return ERR_PTR(err);
    if (!into) {
        into = v;
        if (start > v->start)
            into = vma_split(v, start);
        if (!IS_ERR(into) && end < into->end) {
            struct vma *rest = vma_split(into, end);

            if (IS_ERR(rest))
                into = rest;
        }
        if (IS_ERR(into))
            return into;
        vma_write_lock(into);
        WRITE_ONCE(into->flags, flags);
    }
    ASSERT(into->start <= start && into->end >= end);
    ASSERT(((into->flags ^ flags) & ~VM_SOFTDIRTY) == 0 && !into->detached);
    vma_account(mm, old, -pages);
    vma_account(mm, flags, pages);
    return into;
}

size_t vma_perms(const struct vma *v, char buf[5])
{
    buf[0] = v->flags & VM_READ ? 'r' : '-';
    buf[1] = v->flags & VM_WRITE ? 'w' : '-';
    buf[2] = v->flags & VM_EXEC ? 'x' : '-';
    buf[3] = v->flags & VM_MAYSHARE ? 's' : 'p';
    buf[4] = '\0';
    return 4;
}
