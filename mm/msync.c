/* SPDX-License-Identifier: MIT */
/*
 * msync.c: writing back what shared mappings changed.
 *
 * Objects live in memory, and a mapping shows the object's own pages, so every other reader sees a
 * change at once. What is left is the file system's fsync, for objects that have one, and Linux's
 * checks.
 *
 * Locks: mmap_lock for reading, dropped around fsync. Source: POSIX.1-2017 msync; msync(2).
 * Checked by tests/kernel/mm/madvise_ktest.c. Read next: mmap.c.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <kernel/vfs.h>
#include "vma_internal.h"

/* The area at *at (or the next one): checks, and its file with a reference when it must be synced.
 * *at moves to its end. */
static int sync_step(struct mm *mm, vaddr_t *at, vaddr_t end, int flags, struct file **f)
{
    struct vma *v = vma_find(mm, *at);
    int err = 0;

    ASSERT(*at < end && IS_ALIGNED(*at | end, PAGE_SIZE));
    *f = NULL;
    if (!v || v->start >= end) {
        *at = end;
        return -ENOMEM;
    }
    if (v->start > *at)
        err = -ENOMEM;
    if (flags & MS_INVALIDATE && v->flags & VM_LOCKED)
        return -EBUSY;
    if (flags & MS_SYNC && v->file && v->flags & VM_SHARED && v->file->op->fsync)
        *f = file_get(v->file);
    *at = min(v->end, end);
    return err;
}

SYSCALL3(msync, vaddr_t, start, size_t, len, int, flags)
{
    struct mm *mm = current->mm;
    vaddr_t end = start + PAGE_ALIGN(len);
    int hole = 0;

    if (flags & ~(MS_ASYNC | MS_INVALIDATE | MS_SYNC) || !IS_ALIGNED(start, PAGE_SIZE))
        return -EINVAL;
    if (flags & MS_ASYNC && flags & MS_SYNC)
        return -EINVAL;
    if (end < start)
        return -ENOMEM;
    while (start < end) {
        struct file *f;
        int err;

        mmap_read_lock(mm);
        err = sync_step(mm, &start, end, flags, &f);
        mmap_read_unlock(mm);
        if (err == -EBUSY)
            return err;
        if (err)
            hole = err;
        if (f) {
            err = f->op->fsync(f);
            file_put(f);
            if (err)
                return err;
        }
    }
    return hole;
}
