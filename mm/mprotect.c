/* SPDX-License-Identifier: MIT */
/*
 * mprotect.c: changing what may be done with memory.
 *
 * The range is worked through area by area from below; an area that refuses stops the call, and
 * what lies below it stays changed, as POSIX allows and Linux does. One gather and so at most one
 * flush serves the whole call. Private memory that becomes writable is charged then; it stays
 * charged when it is made read-only again, because its pages stay.
 *
 * Locks: mmap_lock for writing. Invariants: I1 entries never allow more than the area does, except
 * between the change of the flags and the row's protect, when the area is write-locked. Checked by
 * pt_check, tests/kernel/mm/mmap_ktest.c.
 * Source: POSIX.1-2017 mprotect; mprotect(2). Read next: vma.c (vma_modify_flags), pt_default.c
 * (protect).
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

/* The limits that apply when @v's pages [start, end) turn into data; adds VM_ACCOUNT to *flags when
 * they are charged now. */
static int charge_writable(struct vma *v, unsigned long pages, unsigned long *flags)
{
    struct mm *mm = v->mm;

    ASSERT(pages != 0 && pages <= vma_pages(v));
    if (!(*flags & VM_WRITE))
        return 0;
    if (!mm_may_expand(mm, *flags, pages) && mm_may_expand(mm, v->flags, pages))
        return -ENOMEM;
    if (v->flags & (VM_ACCOUNT | VM_WRITE | VM_SHARED | VM_NORESERVE | VM_POOL))
        return 0;
    if (vm_commit(mm, pages))
        return -ENOMEM;
    *flags |= VM_ACCOUNT;
    return 0;
}

/* One area's part. *v becomes the area that holds the range afterwards. */
static int protect_area(struct tlb_gather *tlb, struct vma **v, vaddr_t start, vaddr_t end,
                        unsigned long flags)
{
    unsigned long old = (*v)->flags, pages = (end - start) >> PAGE_SHIFT;
    struct vma *changed;
    int err;

    ASSERT(start >= (*v)->start && end <= (*v)->end && start < end);
    if (flags == old)
        return 0;
    err = vma_ops(*v)->may_map(*v, flags);
    if (!err)
        err = pt_fork_leave(*v, start, end);
    if (!err)
        err = charge_writable(*v, pages, &flags);
    if (err)
        return err;
    changed = vma_modify_flags(*v, start, end, flags);
    if (IS_ERR(changed)) {
        if ((flags ^ old) & VM_ACCOUNT)
            vm_uncommit(pages);
        return (int)PTR_ERR(changed);
    }
    ASSERT(changed->flags == flags && changed->start <= start && changed->end >= end);
    *v = changed;
    vma_ops(changed)->protect(tlb, changed, start, end);
    return 0;
}

/* PROT_GROWSDOWN: the range starts where the stack area does. 0 or -errno. */
static int first_area(struct mm *mm, vaddr_t *start, vaddr_t end, bool grows_down, struct vma **v)
{
    *v = vma_find(mm, *start);
    if (!*v)
        return -ENOMEM;
    if (!grows_down)
        return (*v)->start > *start ? -ENOMEM : 0;
    if ((*v)->start >= end)
        return -ENOMEM;
    *start = (*v)->start;
    return (*v)->flags & VM_GROWSDOWN ? 0 : -EINVAL;
}

/* mmap_lock held for writing. *locked: an area that is locked in memory became writable, so its
 * copies are due. */
static int protect_range(struct mm *mm, vaddr_t start, vaddr_t end, unsigned long prot,
                         bool *locked)
{
    struct tlb_gather tlb;
    vaddr_t at = start;
    struct vma *v;
    int err = first_area(mm, &at, end, prot & PROT_GROWSDOWN, &v);

    if (err)
        return err;
    ASSERT(rwsem_is_write_locked(&mm->mmap_lock));
    tlb_gather_begin(&tlb, mm, false);
    for (;;) {
        unsigned long flags = (v->flags & ~VM_ACCESS_FLAGS) | vm_prot_flags(prot);
        vaddr_t next = min(v->end, end);

        ASSERT(v->start <= at && at < v->end);
        err = flags & ~(flags >> 4) & VM_ACCESS_FLAGS ? -EACCES
                                                      : protect_area(&tlb, &v, at, next, flags);
        if (err)
            break;
        if ((v->flags & (VM_LOCKED | VM_WRITE | VM_SHARED)) == (VM_LOCKED | VM_WRITE))
            *locked = true;
        at = next;
        if (at >= end)
            break;
        v = v->end > at ? v : v->next; /* a merge may have swallowed the next area too */
        if (!v || v->start > at) {
            err = -ENOMEM;
            break;
        }
    }
    tlb_gather_end(&tlb);
    return err;
}

int mm_mprotect(struct mm *mm, vaddr_t start, size_t len, unsigned long prot)
{
    vaddr_t end = start + PAGE_ALIGN(len);
    bool locked = false;
    int err;

    _Static_assert(VM_MAYREAD == VM_READ << 4 && VM_MAYEXEC == VM_EXEC << 4, "may bits four above");
    if (prot & PROT_GROWSUP)
        return -EINVAL; /* no machine here has stacks that grow up */
    if (!IS_ALIGNED(start, PAGE_SIZE))
        return -EINVAL;
    if (len == 0)
        return 0;
    if (end <= start)
        return -ENOMEM;
    if (prot & ~(unsigned long)(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM | PROT_GROWSDOWN))
        return -EINVAL;
    err = mmap_write_lock_killable(mm);
    if (err)
        return err;
    err = protect_range(mm, start, end, prot, &locked);
    mmap_write_unlock(mm);
    if (locked)
        (void)mm_populate_areas(mm, start, end, true);
    return err;
}

SYSCALL3(mprotect, vaddr_t, start, size_t, len, unsigned long, prot)
{
    return mm_mprotect(current->mm, start, len, prot);
}
