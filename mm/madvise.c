/* SPDX-License-Identifier: MIT */
/*
 * madvise.c: hints and orders about ranges of memory.
 *
 * Three kinds. Orders about pages (DONTNEED, FREE, REMOVE, POPULATE_*) hold mmap_lock for reading
 * (DONTNEED and FREE for writing where page tables are shared) and go through the row of each area.
 * Properties (DONTFORK, WIPEONFORK, DONTDUMP, RANDOM …) are flags of areas, so they split and merge
 * under the lock for writing; so do those about sharing of page tables. Hints that could only
 * matter with reclaim (COLD, PAGEOUT, WILLNEED) are checked as Linux checks them and change
 * nothing. MADV_FREE only marks pages (lazyfree.c). Without KSM and memory-failure handling, their
 * advice is unknown (EINVAL), as in a Linux built so; huge pages' too on a machine that has none.
 *
 * A hole in the range does not stop the walk; the call then ends with ENOMEM. Out of memory for a
 * split is EAGAIN.
 *
 * Locks: mmap_lock; dropped around a file's fallocate. Checked by tests/kernel/mm/madvise_ktest.c.
 * Source: madvise(2), process_madvise(2). Read next: pt_default_range.c (zap), mlock.c (populate).
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <linux/falloc.h>
#include <mm/huge.h>
#include <mm/pt_share.h>
#include <mm/thp.h>
#include "vma_internal.h"

struct advice {
    struct mm *mm;
    vaddr_t start, end;
    int behavior;
};

static int zap(struct vma *v, vaddr_t start, vaddr_t end)
{
    bool alone = rwsem_is_write_locked(&v->mm->mmap_lock);
    struct tlb_gather tlb;
    int err = alone ? pt_fork_leave_edges(v, start, end) : 0;

    ASSERT(start >= v->start && end <= v->end && start < end);
    if (err)
        return err;
    tlb_gather_begin(&tlb, v->mm, false);
    if (alone) {
        vma_write_lock(v);
        pt_unshare(&tlb, v, start, end, PT_UNSHARE_dontneed);
    }
    vma_ops(v)->zap(&tlb, v, start, end);
    tlb_gather_end(&tlb);
    return 0;
}

/* Punches a hole into the object. Drops mmap_lock; the caller looks the next area up again. */
static int remove_pages(struct vma *v, vaddr_t start, vaddr_t end)
{
    struct mm *mm = v->mm;
    struct file *f = v->file;
    loff_t off;
    long err;

    ASSERT(!rwsem_is_write_locked(&mm->mmap_lock)); /* it is dropped as a reader's */
    if (v->flags & VM_LOCKED || !f || !v->mapping)
        return -EINVAL;
    if ((v->flags & (VM_SHARED | VM_WRITE)) != (VM_SHARED | VM_WRITE))
        return -EACCES;
    if (!f->op->fallocate)
        return -EOPNOTSUPP;
    off = (loff_t)(v->pgoff << PAGE_SHIFT) + (loff_t)(start - v->start);
    file_get(f);
    mmap_read_unlock(mm);
    err =
        f->op->fallocate(f, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, (loff_t)(end - start));
    file_put(f);
    mmap_read_lock(mm);
    return (int)err;
}

/* May pages leave the area at all? */
static bool droppable(const struct vma *v)
{
    return vma_has_pages(v) && !(v->flags & VM_LOCKED);
}

/* The end of the range may lie inside a larger page, which then goes as a whole; not the start. */
static int drop(struct vma *v, vaddr_t start, vaddr_t end)
{
    return IS_ALIGNED(start, vma_page_size(v)) ? zap(v, start, end) : -EINVAL;
}

/* Advice about pages, in one area. mmap_lock held for reading. */
static int advise_pages(struct vma *v, vaddr_t start, vaddr_t end, int behavior)
{
    lock_assert_held(&v->mm->mmap_lock);
    switch (behavior) {
    case MADV_WILLNEED:
        return 0;
    case MADV_COLD:
    case MADV_PAGEOUT:
        return droppable(v) && !(v->flags & VM_POOL) ? 0 : -EINVAL;
    case MADV_DONTNEED:
        return droppable(v) ? drop(v, start, end) : -EINVAL;
    case MADV_DONTNEED_LOCKED:
        return vma_has_pages(v) ? drop(v, start, end) : -EINVAL;
    case MADV_FREE:
        if (!droppable(v) || !vma_is_anon(v))
            return -EINVAL;
        if (rwsem_is_write_locked(&v->mm->mmap_lock))
            pt_fork_adopt(v, start, end);
        lazyfree_mark(v, start, end);
        return 0;
    default:
        ASSERT(behavior == MADV_REMOVE);
        return remove_pages(v, start, end);
    }
}

/* The flags that @behavior gives an area, in *flags. 0 or -EINVAL. */
static int advised_flags(const struct vma *v, int behavior, unsigned long *flags)
{
    switch (behavior) {
    case MADV_NORMAL:
        *flags &= ~(VM_SEQ_READ | VM_RAND_READ);
        return 0;
    case MADV_SEQUENTIAL:
        *flags = (*flags & ~VM_RAND_READ) | VM_SEQ_READ;
        return 0;
    case MADV_RANDOM:
        *flags = (*flags & ~VM_SEQ_READ) | VM_RAND_READ;
        return 0;
    case MADV_DONTFORK:
        *flags |= VM_DONTCOPY;
        return 0;
    case MADV_DOFORK:
        *flags &= ~VM_DONTCOPY;
        return v->flags & VM_IO ? -EINVAL : 0;
    case MADV_WIPEONFORK:
        *flags |= VM_WIPEONFORK;
        return vma_is_anon(v) ? 0 : -EINVAL;
    case MADV_KEEPONFORK:
        *flags &= ~VM_WIPEONFORK;
        return 0;
    case MADV_DONTDUMP:
        *flags |= VM_DONTDUMP;
        return 0;
    case MADV_SHAREPT:
        *flags &= ~VM_NOSHAREPT;
        return 0;
    case MADV_NOSHAREPT:
        *flags |= VM_NOSHAREPT;
        return 0;
    case MADV_HUGEPAGE:
        *flags = (*flags & ~VM_NOHUGEPAGE) | VM_HUGEPAGE;
        return 0;
    case MADV_NOHUGEPAGE: /* what is huge stays so */
        *flags = (*flags & ~VM_HUGEPAGE) | VM_NOHUGEPAGE;
        return 0;
    default:
        ASSERT(behavior == MADV_DODUMP);
        *flags &= ~VM_DONTDUMP;
        return v->flags & VM_SPECIAL && !(v->flags & VM_POOL) ? -EINVAL : 0;
    }
}

static int advise_flags(struct vma *v, vaddr_t start, vaddr_t end, int behavior)
{
    unsigned long flags = v->flags;
    int err = advised_flags(v, behavior, &flags);

    ASSERT(rwsem_is_write_locked(&v->mm->mmap_lock));
    ASSERT(((flags ^ v->flags) & (VM_ACCESS_FLAGS | VM_SHARED | VM_ACCOUNT | VM_LOCKED)) == 0);
    if (err || flags == v->flags)
        return err;
    if ((flags & VM_NOSHAREPT) && pt_fork_leave(v, start, end))
        return -EAGAIN;
    v = vma_modify_flags(v, start, end, flags);
    if (IS_ERR(v))
        return PTR_ERR(v) == -ENOMEM ? -EAGAIN : (int)PTR_ERR(v);
    if (flags & VM_NOSHAREPT) {
        vma_write_lock(v);
        pt_unshare_range(v, start, end, PT_UNSHARE_advice);
    }
    return 0;
}

/* Area by area; lookups start anew each time, since an area may have been split, merged, or have
 * gone meanwhile. */
static int walk(const struct advice *a, int (*advise)(struct vma *, vaddr_t, vaddr_t, int))
{
    vaddr_t at = a->start;
    int hole = 0;

    while (at < a->end) {
        struct vma *v = vma_find(a->mm, at);
        vaddr_t stop;
        int err;

        if (!v)
            return -ENOMEM;
        if (v->start > at) {
            hole = -ENOMEM;
            at = v->start;
            if (at >= a->end)
                break;
        }
        stop = min(v->end, a->end);
        ASSERT(v->start <= at && at < stop);
        err = advise(v, at, stop, a->behavior);
        if (err)
            return err;
        at = stop;
    }
    return hole;
}

static bool is_page_advice(int behavior)
{
    return behavior == MADV_WILLNEED || behavior == MADV_COLD || behavior == MADV_PAGEOUT ||
           behavior == MADV_DONTNEED || behavior == MADV_DONTNEED_LOCKED || behavior == MADV_FREE ||
           behavior == MADV_REMOVE;
}

static bool is_flag_advice(int behavior)
{
    return behavior <= MADV_SEQUENTIAL || behavior == MADV_DONTFORK || behavior == MADV_DOFORK ||
           behavior == MADV_WIPEONFORK || behavior == MADV_KEEPONFORK ||
           behavior == MADV_DONTDUMP || behavior == MADV_DODUMP || behavior == MADV_SHAREPT ||
           behavior == MADV_NOSHAREPT ||
           ((behavior == MADV_HUGEPAGE || behavior == MADV_NOHUGEPAGE) && huge_words != NULL);
}

static bool is_populate_advice(int behavior)
{
    return behavior == MADV_POPULATE_READ || behavior == MADV_POPULATE_WRITE;
}

/* Shared page tables are in the way of dropping translations of this process alone, and links go
 * only while nothing else uses the area. (One that comes after this look comes after the
 * advice.) */
static bool needs_unshare(const struct advice *a)
{
    if (a->behavior != MADV_DONTNEED && a->behavior != MADV_DONTNEED_LOCKED &&
        a->behavior != MADV_FREE)
        return false;
    if (likely(atomic_long_read(&a->mm->nr_shared) == 0))
        return false;
    lock_assert_held(&a->mm->mmap_lock);
    for (struct vma *v = vma_find(a->mm, a->start); v && v->start < a->end; v = v->next)
        if (READ_ONCE(v->has_shared))
            return true;
    return false;
}

static int do_madvise(const struct advice *a)
{
    int err;

    if (a->behavior == MADV_COLLAPSE)
        return thp_collapse_range(a->mm, a->start, a->end);
    if (is_populate_advice(a->behavior))
        return mm_populate(a->mm, a->start, a->end, a->behavior == MADV_POPULATE_WRITE);
    if (is_flag_advice(a->behavior)) {
        err = mmap_write_lock_killable(a->mm);
        if (err)
            return err;
        err = walk(a, advise_flags);
        mmap_write_unlock(a->mm);
        return err;
    }
    mmap_read_lock(a->mm);
    if (unlikely(needs_unshare(a))) {
        mmap_read_unlock(a->mm);
        err = mmap_write_lock_killable(a->mm);
        if (err)
            return err;
        err = walk(a, advise_pages);
        mmap_write_unlock(a->mm);
        return err;
    }
    err = walk(a, advise_pages);
    mmap_read_unlock(a->mm);
    return err;
}

/* The checks before any area is looked at. 1 when there is nothing to do. */
static int advice_init(struct advice *a, struct mm *mm, vaddr_t start, size_t len, int behavior)
{
    if ((behavior == MADV_HWPOISON || behavior == MADV_SOFT_OFFLINE) && !has_capability())
        return -EPERM;
    if (behavior < 0 ||
        !(is_page_advice(behavior) || is_flag_advice(behavior) || is_populate_advice(behavior) ||
          (behavior == MADV_COLLAPSE && huge_words != NULL)))
        return -EINVAL;
    if (!IS_ALIGNED(start, PAGE_SIZE) || (len != 0 && PAGE_ALIGN(len) == 0))
        return -EINVAL;
    *a = (struct advice){
        .mm = mm, .start = start, .end = start + PAGE_ALIGN(len), .behavior = behavior};
    if (a->end < start)
        return -EINVAL;
    ASSERT(IS_ALIGNED(a->start | a->end, PAGE_SIZE));
    return a->end == start;
}

int mm_madvise(struct mm *mm, vaddr_t start, size_t len, int behavior)
{
    struct advice a;
    int err = advice_init(&a, mm, start, len, behavior);

    if (err)
        return err < 0 ? err : 0;
    return do_madvise(&a);
}

SYSCALL3(madvise, vaddr_t, start, size_t, len, int, behavior)
{
    return mm_madvise(current->mm, start, len, behavior);
}

/* Applies the vector to @mm: bytes advised, or the error of the first range when that failed at
 * once. */
static long advise_vector(struct mm *mm, const struct iovec __user *vec, size_t n, int behavior)
{
    long done = 0;

    for (size_t i = 0; i < n; i++) {
        struct iovec iov;
        int err;

        if (copy_from_user(&iov, vec + i, sizeof(iov)))
            return done ? done : -EFAULT;
        err = mm_madvise(mm, (vaddr_t)iov.iov_base, iov.iov_len, behavior);
        if (err)
            return done ? done : err;
        done += (long)iov.iov_len;
    }
    return done;
}

SYSCALL5(process_madvise, int, pidfd, const struct iovec __user *, vec, size_t, n, int, behavior,
         unsigned int, flags)
{
    int wait_options = 0;
    struct process *p;
    struct mm *mm;
    pid_t tgid;
    long ret;

    if (flags != 0 || n > UIO_MAXIOV)
        return -EINVAL;
    tgid = pidfd < 0 ? -EBADF : pidfd_tgid(pidfd, &wait_options);
    if (tgid < 0)
        return tgid;
    if (behavior != MADV_COLD && behavior != MADV_PAGEOUT && behavior != MADV_WILLNEED &&
        behavior != MADV_COLLAPSE)
        return -EINVAL;
    p = process_find_get(tgid);
    if (!p)
        return -ESRCH;
    if (!process_may_access(p) || (p != current->proc && !has_capability())) {
        process_put(p);
        return -EPERM;
    }
    mm = process_mm_get(p);
    process_put(p);
    if (!mm)
        return -ESRCH;
    ret = advise_vector(mm, vec, n, behavior);
    mm_put(mm);
    return ret;
}
