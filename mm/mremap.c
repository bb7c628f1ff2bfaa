/* SPDX-License-Identifier: MIT */
/*
 * mremap.c: making a mapping larger, smaller, or have it elsewhere, without copying a byte: entries
 * move.
 *
 * A move makes the new area first, moves the entries, and unmaps the old range last, so that a
 * failure on the way can move them back. The row moves under the object's vmas_lock, and both areas
 * are on the object's list then, so truncation meets each entry at one of the two places. old_len 0
 * maps a shared object a second time. MREMAP_DONTUNMAP leaves the old area in place, empty.
 *
 * Offsets: an area of anonymous memory that never had a page takes offsets by its new address, so
 * that it can merge there; one with pages keeps them, as its pages do.
 *
 * Locks: mmap_lock for writing, both areas write-locked while entries move.
 * Invariants: I1 the commit charge follows the pages: the moved part is charged once, in the new
 * area; I2 on an error the old mapping is as it was, apart from cuts and from what MREMAP_FIXED had
 * already unmapped at the target. Checked by vma_check, tests/kernel/mm/mmap_ktest.c. Source:
 * mremap(2). Read next: pt_default.c (move).
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

/* One call. Lengths are page-aligned. */
struct remap {
    struct mm *mm;
    vaddr_t old, new;
    size_t old_len, new_len;
    unsigned long flags;
    struct vma *dead;
    vaddr_t populate, populate_end; /* grown part of a locked area */
};

/* The area at r->old when it may get r->new_len; ERR_PTR otherwise. */
static struct vma *check_resize(const struct remap *r)
{
    struct vma *v = vma_lookup(r->mm, r->old);
    u64 pgoff;
    int err;

    if (!v)
        return ERR_PTR(-EFAULT);
    if (r->old_len == 0 && !(v->flags & VM_MAYSHARE))
        return ERR_PTR(-EINVAL);
    if (r->flags & MREMAP_DONTUNMAP && v->flags & (VM_DONTEXPAND | VM_PFNMAP))
        return ERR_PTR(-EINVAL);
    if (r->old_len > v->end - r->old)
        return ERR_PTR(-EFAULT);
    if (r->new_len == r->old_len)
        return v;
    pgoff = v->pgoff + ((r->old - v->start) >> PAGE_SHIFT);
    if (pgoff + (r->new_len >> PAGE_SHIFT) < pgoff)
        return ERR_PTR(-EINVAL);
    if (v->flags & (VM_DONTEXPAND | VM_PFNMAP))
        return ERR_PTR(-EFAULT);
    err = mm_check_future_lock(r->mm, v->flags, r->new_len - r->old_len);
    if (err)
        return ERR_PTR(err);
    if (!mm_may_expand(r->mm, v->flags, (r->new_len - r->old_len) >> PAGE_SHIFT))
        return ERR_PTR(-ENOMEM);
    return v;
}

static void note_growth(struct remap *r, const struct vma *v, vaddr_t start)
{
    if (v->flags & VM_LOCKED && r->new_len > r->old_len) {
        ASSERT(start >= v->start && start + r->new_len <= v->end);
        r->populate = start + r->old_len;
        r->populate_end = start + r->new_len;
    }
}

/* Grows @v into the hole behind it; *done tells whether there was one. 0 or -ENOMEM. */
static int grow_in_place(struct remap *r, struct vma *v, bool *done)
{
    size_t more = r->new_len - r->old_len;
    unsigned long pages = more >> PAGE_SHIFT;
    struct vma_attr a = vma_attr_at(v, v->end);
    struct vma *merged;
    vaddr_t end = v->end;

    ASSERT(r->new_len > r->old_len && r->old >= v->start);
    *done = false;
    if (r->old_len != end - r->old || more > user_top() - end)
        return 0;
    if (v->next && end + more > vma_guarded_start(v->next))
        return 0;
    if (v->flags & VM_ACCOUNT && vm_commit(r->mm, pages))
        return -ENOMEM;
    merged = vma_merge_new(r->mm, v, end, end + more, &a);
    if (!merged) { /* a special area: it never merges */
        if (v->flags & VM_ACCOUNT)
            vm_uncommit(pages);
        return -ENOMEM;
    }
    ASSERT(merged->start <= r->old && merged->end >= end + more);
    note_growth(r, merged, r->old);
    *done = true;
    return 0;
}

/* An area at the new place, merged with a neighbour when one fits. NULL when out of memory. */
static struct vma *make_target(struct remap *r, struct vma *v, struct vma *next)
{
    struct vma_attr a = vma_attr_at(v, r->old);
    struct vma *prev = next ? next->prev : r->mm->last_vma, *to;

    ASSERT(!next || next->start >= r->new + r->new_len);
    ASSERT(!prev || prev->end <= r->new);
    vma_attr_drop_userfault(&a);
    if (vma_is_anon(v) && !v->has_anon)
        a.pgoff = r->new >> PAGE_SHIFT;
    to = vma_merge_new(r->mm, prev, r->new, r->new + r->new_len, &a);
    if (to)
        return to;
    to = vma_alloc(r->mm);
    if (!to)
        return NULL;
    vma_set_attr(to, r->new, r->new + r->new_len, &a);
    vma_link(r->mm, to, prev, next);
    return to;
}

/* Moves the entries; on an error all are back. */
static int move_entries(struct remap *r, struct vma *v, struct vma *to)
{
    size_t moved = 0, back = 0;
    int err;

    ASSERT(r->old_len <= r->new_len && v->mapping == to->mapping);
    ASSERT(r->old + r->old_len <= v->end && r->new + r->old_len <= to->end);
    vma_write_lock(v);
    vma_write_lock(to);
    if (v->has_anon)
        to->has_anon = true;
    err = vma_ops(v)->move(v, r->old, to, r->new, r->old_len, &moved);
    if (!err)
        return 0;
    /* Cannot fail: the tables at the old place still stand. */
    if (vma_ops(v)->move(to, r->new, v, r->old, moved, &back) || back != moved)
        panic("mremap: entries lost on the way back");
    return err;
}

/*
 * Charges the new area in full: what is added must pass the commit limit; what only moves must not
 * be refused, and the unmapping of the old range will give it back.
 */
static int charge_target(const struct remap *r, const struct vma *v)
{
    size_t added = r->flags & MREMAP_DONTUNMAP ? r->new_len : r->new_len - r->old_len;

    ASSERT(added <= r->new_len);
    if (!(v->flags & VM_ACCOUNT))
        return 0;
    if (vm_commit(r->mm, added >> PAGE_SHIFT))
        return -ENOMEM;
    vm_commit_unchecked((r->new_len - added) >> PAGE_SHIFT);
    return 0;
}

static int may_cut(const struct remap *r, struct vma *v)
{
    vaddr_t end = r->old + r->old_len;
    int err = pt_fork_leave(v, r->old, end);

    if (!err && v->start != r->old)
        err = vma_ops(v)->may_split(v, r->old);
    if (!err && v->end != end && end != r->old)
        err = vma_ops(v)->may_split(v, end);
    return err;
}

/* MREMAP_DONTUNMAP: the old range stays, without pages and no longer locked in memory. */
static void empty_old(struct remap *r, struct vma *v)
{
    vaddr_t end = r->old + r->old_len;

    ASSERT((r->flags & MREMAP_DONTUNMAP) && v->start <= r->old && v->end >= end);
    if (v->flags & VM_LOCKED) {
        struct vma *changed = vma_modify_flags(v, r->old, end, v->flags & ~VM_LOCKED_MASK);

        if (IS_ERR(changed))
            return; /* out of memory for the cut: it stays locked, and counted so */
        v = changed;
    }
    if (v->start == r->old && v->end == end && vma_is_anon(v))
        v->has_anon = false;
}

/* [r->new, + new_len) is a hole and @next the area above it. */
static long move_area(struct remap *r, struct vma *v, struct vma *next)
{
    bool charged = v->flags & VM_ACCOUNT;
    struct vma *to;
    int err = may_cut(r, v);

    ASSERT(rwsem_is_write_locked(&r->mm->mmap_lock));
    ASSERT(v->start <= r->old && r->old + r->old_len <= v->end);
    if (err)
        return err;
    if (r->mm->nr_vmas + 3 >= sysctl_max_map_count || charge_target(r, v))
        return -ENOMEM;
    to = make_target(r, v, next);
    if (!to) {
        if (charged)
            vm_uncommit(r->new_len >> PAGE_SHIFT);
        return -ENOMEM;
    }
    if (r->old_len != 0) {
        v = vma_lookup(r->mm, r->old); /* a merge at the target may have swallowed the old one */
        ASSERT(v != NULL);
        err = move_entries(r, v, to);
    }
    if (err) {
        /* The cuts were allowed above; when memory is out for one, the empty area stays, and is
         * charged. */
        (void)mm_unmap_locked(r->mm, r->new, r->new + r->new_len, &r->dead);
        return err;
    }
    note_growth(r, to, r->new);
    if (r->flags & MREMAP_DONTUNMAP)
        empty_old(r, v);
    else if (r->old_len != 0) /* when memory is out for a cut, both stay: the old one empty */
        (void)mm_unmap_locked(r->mm, r->old, r->old + r->old_len, &r->dead);
    return (long)r->new;
}

/* Where mmap would put it. */
static long choose(const struct remap *r, const struct vma *v, unsigned long flags,
                   struct vma **next)
{
    struct mmap_request q = {
        .addr = r->new, .len = r->new_len, .flags = flags, .level = v->level };

    if (v->flags & VM_MAYSHARE)
        q.flags |= MAP_SHARED;
    return mm_choose_address(r->mm, &q, next);
}

/* MREMAP_FIXED and MREMAP_DONTUNMAP. */
static long remap_to(struct remap *r)
{
    bool fixed = r->flags & MREMAP_FIXED;
    struct vma *v, *next;
    long at;
    int err = 0;

    if (!IS_ALIGNED(r->new, PAGE_SIZE) || r->new_len > user_top() ||
        r->new > user_top() - r->new_len)
        return -EINVAL;
    if (r->old + r->old_len > r->new && r->new + r->new_len > r->old)
        return -EINVAL;
    if (r->mm->nr_vmas + 2 >= sysctl_max_map_count - 3)
        return -ENOMEM;
    if (fixed)
        err = mm_unmap_locked(r->mm, r->new, r->new + r->new_len, &r->dead);
    if (!err && r->old_len > r->new_len) {
        err = mm_unmap_locked(r->mm, r->old + r->new_len, r->old + r->old_len, &r->dead);
        r->old_len = r->new_len;
    }
    if (err)
        return err;
    v = check_resize(r);
    if (IS_ERR(v))
        return PTR_ERR(v);
    if (r->flags & MREMAP_DONTUNMAP && !mm_may_expand(r->mm, v->flags, r->old_len >> PAGE_SHIFT))
        return -ENOMEM;
    at = choose(r, v, fixed ? MAP_FIXED : 0, &next);
    if (IS_ERR((void *)at))
        return at;
    r->new = (vaddr_t)at;
    return move_area(r, v, next);
}

/* An area of larger pages moves and shrinks by those. It does not grow, as on Linux: what it was
 * promised is as large as it is. */
static int round_to_leaves(struct remap *r, const struct vma *v)
{
    size_t size = vma_page_size(v);

    if (!IS_ALIGNED(r->old | r->new, size))
        return -EINVAL;
    r->old_len = ALIGN_UP(r->old_len, size);
    r->new_len = ALIGN_UP(r->new_len, size);
    return r->new_len > r->old_len ? -EINVAL : 0;
}

/* mmap_lock held for writing. */
static long remap(struct remap *r)
{
    struct vma *v = vma_lookup(r->mm, r->old), *next;
    bool done;
    long at;
    int err;

    ASSERT(IS_ALIGNED(r->old | r->old_len | r->new_len, PAGE_SIZE) && r->new_len != 0);
    if (!v)
        return -EFAULT;
    if (v->level > 0) {
        err = round_to_leaves(r, v);
        if (err)
            return err;
    }
    if (r->flags & (MREMAP_FIXED | MREMAP_DONTUNMAP))
        return remap_to(r);
    if (r->old_len >= r->new_len) {
        err = r->old_len == r->new_len
                  ? 0
                  : mm_unmap_locked(r->mm, r->old + r->new_len, r->old + r->old_len, &r->dead);
        return err ? err : (long)r->old;
    }
    v = check_resize(r);
    if (IS_ERR(v))
        return PTR_ERR(v);
    err = grow_in_place(r, v, &done);
    if (err || done)
        return err ? err : (long)r->old;
    if (!(r->flags & MREMAP_MAYMOVE))
        return -ENOMEM;
    r->new = 0;
    at = choose(r, v, 0, &next);
    if (IS_ERR((void *)at))
        return at;
    r->new = (vaddr_t)at;
    return move_area(r, v, next);
}

long mm_mremap(struct mm *mm, const struct mremap_request *q)
{
    unsigned long flags = q->flags;
    struct remap r = { .mm = mm,
                       .old = q->addr,
                       .new = q->new_addr,
                       .old_len = PAGE_ALIGN(q->old_len),
                       .new_len = PAGE_ALIGN(q->new_len),
                       .flags = flags };
    long ret;
    int err;

    if (flags & ~(unsigned long)(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP))
        return -EINVAL;
    if (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP) && !(flags & MREMAP_MAYMOVE))
        return -EINVAL;
    if (flags & MREMAP_DONTUNMAP && q->old_len != q->new_len)
        return -EINVAL;
    if (!IS_ALIGNED(q->addr, PAGE_SIZE) || r.new_len == 0)
        return -EINVAL;
    err = mmap_write_lock_killable(r.mm);
    if (err)
        return err;
    ret = remap(&r);
    mmap_write_unlock(r.mm);
    vma_free_chain(r.dead);
    if (r.populate != r.populate_end && !IS_ERR((void *)ret))
        (void)mm_populate_areas(r.mm, r.populate, r.populate_end, true);
    return ret;
}

SYSCALL5(mremap, vaddr_t, addr, size_t, old_len, size_t, new_len, unsigned long, flags, vaddr_t,
         new_addr)
{
    struct mremap_request q = {
        .addr = addr, .old_len = old_len, .new_len = new_len, .flags = flags, .new_addr = new_addr
    };

    return mm_mremap(current->mm, &q);
}
