/* SPDX-License-Identifier: MIT */
/*
 * mincore.c: which pages of a range are in memory, one byte each.
 *
 * A page counts when it is mapped here, or, in a mapping of an object, when the object has it. To
 * keep one user from watching what others read, objects that the caller neither owns nor may write
 * answer that everything is there, as on Linux.
 *
 * Locks: mmap_lock for reading, for one batch of pages; the result is copied out after it is
 * dropped.
 * Source: mincore(2). Checked by tests/kernel/mm/madvise_ktest.c. Read next: pt_walk.c,
 * page_cache.c.
 */
#include <asm/errno.h>
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <kernel/vfs.h>
#include <mm/page_cache.h>
#include "vma_internal.h"

static bool object_has(struct vma *v, vaddr_t va)
{
    struct page *p;
    bool there;

    if (!v->mapping)
        return false;
    va = ALIGN_DOWN(va, vma_page_size(v));
    p = mapping_find_get(v->mapping, v->pgoff + ((va - v->start) >> PAGE_SHIFT));
    there = p && page_test(p, PG_UPTODATE);
    if (p)
        page_put(p);
    return there;
}

static bool may_watch(const struct vma *v)
{
    const struct file *f = v->file;

    if (vma_is_anon(v))
        return true;
    return f &&
           (f->f_mode & FMODE_WRITE || has_capability() || f->inode->uid == current->proc->fsuid);
}

/* Fills vec for [start, end) of @v. */
static void look(struct vma *v, vaddr_t start, vaddr_t end, u8 *vec)
{
    struct pt_cursor c;
    struct pt_run r;

    lock_assert_held(&v->mm->mmap_lock);
    ASSERT(start >= v->start && start < end && end <= v->end);
    if (!may_watch(v)) {
        memset(vec, 1, (end - start) >> PAGE_SHIFT);
        return;
    }
    pt_cursor_begin(&c, v->mm, start, end, false);
    c.reads = true;
    while (pt_cursor_next(&c, &r)) {
        pt_cursor_unlock(&c);
        for (vaddr_t va = r.va; va < r.end; va += PAGE_SIZE)
            vec[(va - start) >> PAGE_SHIFT] = r.kind == PT_KIND_LEAF || object_has(v, va);
    }
}

/* A batch: bytes filled, or -ENOMEM at a hole. */
static long look_batch(struct mm *mm, vaddr_t start, vaddr_t end, u8 *vec)
{
    struct vma *v;
    long done = -ENOMEM;

    mmap_read_lock(mm);
    v = vma_lookup(mm, start);
    if (v) {
        end = min(end, v->end);
        look(v, start, end, vec);
        done = (long)((end - start) >> PAGE_SHIFT);
    }
    mmap_read_unlock(mm);
    return done;
}

SYSCALL3(mincore, vaddr_t, start, size_t, len, u8 __user *, out)
{
    size_t pages = (len >> PAGE_SHIFT) + ((len & ~PAGE_MASK) != 0);
    u8 vec[256];

    if (!IS_ALIGNED(start, PAGE_SIZE))
        return -EINVAL;
    if (!access_ok((void *)start, len))
        return -ENOMEM;
    if (!access_ok(out, pages))
        return -EFAULT;
    while (pages) {
        size_t batch = min(pages, sizeof(vec));
        long done = look_batch(current->mm, start, start + (batch << PAGE_SHIFT), vec);

        if (done < 0)
            return done;
        ASSERT(done > 0 && (size_t)done <= batch);
        if (copy_to_user(out, vec, (size_t)done))
            return -EFAULT;
        out += done;
        start += (vaddr_t)done << PAGE_SHIFT;
        pages -= (size_t)done;
    }
    return 0;
}
