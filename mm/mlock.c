/* SPDX-License-Identifier: MIT */
/*
 * mlock.c: memory that must stay resident, and faulting ranges in ahead of time.
 *
 * Nothing is ever swapped out or dropped here, so a locked page is simply one that is present:
 * locking an area sets its flag, counts it against RLIMIT_MEMLOCK, and faults all of it in;
 * MADV_DONTNEED and the like refuse it. VM_LOCKONFAULT leaves the faulting to the program. Special
 * areas (device memory) are passed over silently, as on Linux.
 *
 * Locks: flags change under mmap_lock for writing; faulting in holds it for reading, a batch of
 * pages at a time.
 * Invariants: I1 mm->locked_vm counts the pages of areas with VM_LOCKED (vma_check). Checked by
 * tests/kernel/mm/madvise_ktest.c.
 * Source: mlock(2), mlockall(2), setrlimit(2) RLIMIT_MEMLOCK. Read next: fault.c.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

#define POPULATE_BATCH 256 /* pages between two chances for writers of mmap_lock */

/* One page of @v through the normal fault path, *level gets its leaf's. 0, -EXDEV: pt_leave_at is
 * due, or -errno as mm_populate. mmap_lock held for reading. */
static int fault_in(struct vma *v, vaddr_t va, bool write, unsigned int *level)
{
    lock_assert_held(&v->mm->mmap_lock);
    for (;;) {
        if (fatal_signal_pending())
            return -EINTR;
        switch (mm_handle_fault_level(v, va, write ? FAULT_WRITE : 0, level)) {
        case FAULT_OK:
            return 0;
        case FAULT_RETRY:
            break;
        case FAULT_OOM:
            return -ENOMEM;
        case FAULT_INTR:
            return -EINTR;
        case FAULT_SHARED: return -EXDEV;
        default:
            return -EFAULT;
        }
    }
}

/* From *at to the end of the batch, of @v, or of the range; *at moves on. */
static int fault_in_batch(struct vma *v, vaddr_t *at, vaddr_t end, bool write)
{
    vaddr_t stop = min(v->end, end);
    unsigned int level = 0;
    int err = 0;

    ASSERT(*at >= v->start && *at < stop && IS_ALIGNED(*at, PAGE_SIZE));
    if (stop - *at > POPULATE_BATCH << PAGE_SHIFT)
        stop = *at + (POPULATE_BATCH << PAGE_SHIFT);
    while (*at < stop && !err) {
        err = fault_in(v, *at, write, &level);
        if (!err)
            *at = pt_next(*at, stop, level);
    }
    return err;
}

int mm_populate(struct mm *mm, vaddr_t start, vaddr_t end, bool write)
{
    vaddr_t at = start;
    int err = 0;

    while (at < end && !err) {
        struct vma *v;

        mmap_read_lock(mm);
        v = vma_lookup(mm, at);
        if (!v)
            err = -ENOMEM;
        else if (!vma_has_pages(v) || !(v->flags & (write ? VM_WRITE : VM_READ)))
            err = -EINVAL;
        else
            err = fault_in_batch(v, &at, end, write);
        mmap_read_unlock(mm);
        if (err == -EXDEV)
            err = pt_leave_at(mm, at);
    }
    return err;
}

int mm_populate_areas(struct mm *mm, vaddr_t start, vaddr_t end, bool ignore_errors)
{
    vaddr_t at = start;

    ASSERT(start <= end && IS_ALIGNED(start | end, PAGE_SIZE));
    while (at < end) {
        struct vma *v;
        int err = 0;

        mmap_read_lock(mm);
        v = vma_find_intersection(mm, at, end);
        if (!v) {
            mmap_read_unlock(mm);
            return 0;
        }
        at = max(at, v->start);
        if (!vma_has_pages(v) || v->flags & VM_LOCKONFAULT)
            at = v->end;
        else if (!vma_is_accessible(v)) /* mlock of PROT_NONE memory is told so */
            err = -EFAULT;
        else /* private writable memory gets its own pages now, not the shared zero page */
            err = fault_in_batch(v, &at, end, (v->flags & (VM_WRITE | VM_SHARED)) == VM_WRITE);
        if (err && err != -EXDEV)
            at = v->end;
        mmap_read_unlock(mm);
        if (err == -EXDEV)
            err = pt_leave_at(mm, at);
        if (err && (!ignore_errors || err == -EINTR))
            return err;
    }
    return 0;
}

static bool may_lock(void)
{
    return has_capability() || task_rlimit(RLIMIT_MEMLOCK) != 0;
}

/* Gives the part [start, end) of @v the locked state @lock (of VM_LOCKED_MASK). Returns the area
 * with the part. */
static struct vma *lock_area(struct vma *v, vaddr_t start, vaddr_t end, unsigned long lock)
{
    unsigned long flags = (v->flags & ~VM_LOCKED_MASK) | lock;

    ASSERT((lock & ~VM_LOCKED_MASK) == 0 && start >= v->start && end <= v->end);
    if (flags == v->flags || v->flags & VM_SPECIAL)
        return v;
    if (lock != 0 && pt_fork_leave(v, start, end))
        return ERR_PTR(-ENOMEM);
    v = vma_modify_flags(v, start, end, flags);
    if (!IS_ERR(v) && lock != 0) { /* what is locked has tables of its own */
        vma_write_lock(v);
        pt_unshare_range(v, start, end, PT_UNSHARE_lock);
    }
    return v;
}

/* mmap_lock held for writing. 0, -ENOMEM (a hole, or no memory), -EINVAL (wraps). */
static int lock_range(struct mm *mm, vaddr_t start, size_t len, unsigned long lock)
{
    vaddr_t end = start + len, at = start;
    struct vma *v;

    ASSERT(rwsem_is_write_locked(&mm->mmap_lock) && IS_ALIGNED(start | len, PAGE_SIZE));
    if (end < start)
        return -EINVAL;
    if (end == start)
        return 0;
    v = vma_lookup(mm, start);
    while (v && v->start <= at) {
        vaddr_t next = min(v->end, end);

        v = lock_area(v, at, next, lock);
        if (IS_ERR(v))
            return (int)PTR_ERR(v);
        at = next;
        if (at >= end)
            return 0;
        v = v->end > at ? v : v->next;
    }
    return -ENOMEM;
}

/* Pages of [start, end) that are locked already: they are not counted twice. */
static unsigned long locked_pages(struct mm *mm, vaddr_t start, size_t len)
{
    vaddr_t end = start + len < start ? user_top() : start + len;
    unsigned long n = 0;

    for (struct vma *v = vma_find(mm, start); v && v->start < end; v = v->next)
        if (v->flags & VM_LOCKED)
            n += (min(v->end, end) - max(v->start, start)) >> PAGE_SHIFT;
    ASSERT(n <= mm->locked_vm); /* I1 */
    return n;
}

int mm_mlock(struct mm *mm, vaddr_t start, size_t len, unsigned long lock)
{
    unsigned long limit, want;
    int err;

    ASSERT((lock & VM_LOCKED) && !(lock & ~VM_LOCKED_MASK));
    if (!may_lock())
        return -EPERM;
    len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
    start &= PAGE_MASK;
    limit = task_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    want = mm->locked_vm + (len >> PAGE_SHIFT);
    if (want > limit && !has_capability())
        want -= locked_pages(mm, start, len);
    err = want <= limit || has_capability() ? lock_range(mm, start, len, lock) : -ENOMEM;
    mmap_write_unlock(mm);
    if (err)
        return err;
    err = mm_populate_areas(mm, start, start + len, false);
    if (err == -EFAULT)
        return -ENOMEM;
    return err == -ENOMEM ? -EAGAIN : err;
}

int mm_munlock(struct mm *mm, vaddr_t start, size_t len)
{
    int err;

    len = PAGE_ALIGN(len + (start & ~PAGE_MASK));
    start &= PAGE_MASK;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    err = lock_range(mm, start, len, 0);
    mmap_write_unlock(mm);
    return err;
}

/* All areas there are; one that cannot be cut or merged for want of memory keeps its state. */
static void lock_all(struct mm *mm, unsigned long lock)
{
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    for (struct vma *v = mm->first_vma, *changed; v; v = changed->next) {
        changed = lock_area(v, v->start, v->end, lock);
        if (IS_ERR(changed))
            changed = v;
    }
}

int mm_mlockall(struct mm *mm, int flags)
{
    unsigned long lock = VM_LOCKED | (flags & MCL_ONFAULT ? VM_LOCKONFAULT : 0);
    int err;

    if (flags == 0 || flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) || flags == MCL_ONFAULT)
        return -EINVAL;
    if (!may_lock())
        return -EPERM;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    if (flags & MCL_CURRENT && mm->total_vm > task_rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT &&
        !has_capability()) {
        mmap_write_unlock(mm);
        return -ENOMEM;
    }
    mm->def_flags = (mm->def_flags & ~VM_LOCKED_MASK) | (flags & MCL_FUTURE ? lock : 0);
    if (flags & MCL_CURRENT)
        lock_all(mm, lock);
    mmap_write_unlock(mm);
    if (flags & MCL_CURRENT)
        (void)mm_populate_areas(mm, 0, user_top(), true);
    return 0;
}

int mm_munlockall(struct mm *mm)
{
    int err = mmap_write_lock_killable(mm);

    if (err)
        return err;
    mm->def_flags &= ~VM_LOCKED_MASK;
    lock_all(mm, 0);
    mmap_write_unlock(mm);
    return 0;
}

SYSCALL2(mlock, vaddr_t, start, size_t, len)
{
    return mm_mlock(current->mm, start, len, VM_LOCKED);
}

SYSCALL3(mlock2, vaddr_t, start, size_t, len, int, flags)
{
    if (flags & ~MLOCK_ONFAULT)
        return -EINVAL;
    return mm_mlock(current->mm, start, len,
                    VM_LOCKED | (flags & MLOCK_ONFAULT ? VM_LOCKONFAULT : 0));
}

SYSCALL2(munlock, vaddr_t, start, size_t, len)
{
    return mm_munlock(current->mm, start, len);
}

SYSCALL1(mlockall, int, flags)
{
    return mm_mlockall(current->mm, flags);
}

SYSCALL0(munlockall)
{
    return mm_munlockall(current->mm);
}
