/* SPDX-License-Identifier: MIT */
/*
 * brk.c: the heap that begins behind the program's data.
 *
 * brk(2) never fails with an errno: it returns the break that holds now. The heap is ordinary
 * private anonymous memory between mm->start_brk and mm->brk; whatever else was mapped there is
 * unmapped when the break moves down over it, as on Linux.
 *
 * Locks: mmap_lock for writing guards mm->brk. Invariants: I1 start_brk <= brk. Checked by
 * tests/kernel/mm/mmap_ktest.c.
 * Source: brk(2), setrlimit(2) RLIMIT_DATA. Read next: mmap.c (mm_add_anon), munmap.c.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include "vma_internal.h"

#define BRK_FLAGS (VM_READ | VM_WRITE | VM_MAYREAD | VM_MAYWRITE | VM_MAYEXEC)

static bool within_data_limit(const struct mm *mm, vaddr_t brk)
{
    u64 limit = task_rlimit(RLIMIT_DATA);

    return limit == RLIM_INFINITY ||
           (brk - mm->start_brk) + (mm->end_data - mm->start_data) <= limit;
}

/* Adds [old, new) to the heap, when nothing is in the way: the page behind must stay free too, and
 * a stack's guard gap. */
static bool grow(struct mm *mm, vaddr_t old, vaddr_t new)
{
    struct vma *next = vma_find(mm, old);
    unsigned long flags = BRK_FLAGS | mm->def_flags;

    ASSERT(old < new && IS_ALIGNED(old | new, PAGE_SIZE));
    if (new > user_top() || mm_check_future_lock(mm, flags, new - old))
        return false;
    if (next && new + PAGE_SIZE > vma_guarded_start(next))
        return false;
    return mm_add_anon(mm, old, new, flags, next) == 0;
}

long mm_brk(struct mm *mm, vaddr_t brk)
{
    vaddr_t old, new = PAGE_ALIGN(brk), now;
    struct vma *dead = NULL;
    bool populate = false;

    if (mmap_write_lock_killable(mm))
        return -EINTR;
    now = mm->brk;
    old = PAGE_ALIGN(now);
    ASSERT(now >= mm->start_brk);
    if (brk < mm->start_brk || !within_data_limit(mm, brk) || new < brk)
        goto out;
    if (new < old && mm_unmap_locked(mm, new, old, &dead) != 0)
        goto out;
    if (new > old) {
        if (!grow(mm, old, new))
            goto out;
        populate = mm->def_flags & VM_LOCKED;
    }
    mm->brk = now = brk;
out:
    mmap_write_unlock(mm);
    vma_free_chain(dead);
    if (populate)
        (void)mm_populate_areas(mm, old, new, true);
    return (long)now;
}

SYSCALL1(brk, vaddr_t, brk)
{
    return mm_brk(current->mm, brk);
}
