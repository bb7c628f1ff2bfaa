/* SPDX-License-Identifier: MIT */
/*
 * stack.c: areas that grow down when they are touched below.
 *
 * The hole below a stack area is kept free for STACK_GUARD_GAP bytes (the search for holes counts
 * it as the stack's, and growing stops at that distance from an accessible area below), so that a
 * program that jumps over one page with a large frame still faults instead of writing into a
 * neighbour.
 *
 * Locks: takes mmap_lock for writing: the area's range changes. The fault that asks has let go of
 * its locks and starts over.
 * Invariants: those of vma.c. Checked by tests/kernel/mm/mmap_ktest.c. Source: mmap(2)
 * MAP_GROWSDOWN, setrlimit(2) RLIMIT_STACK. Read next: fault.c.
 */
#include <asm/errno.h>
#include <mm/pt_share.h>
#include "vma_internal.h"

/* Limits for @v growing down by @len bytes. Charges; 0 or -ENOMEM. */
static int charge_growth(struct vma *v, size_t len)
{
    struct mm *mm = v->mm;

    ASSERT(len != 0 && IS_ALIGNED(len, PAGE_SIZE));
    if (v->end - v->start + len > task_rlimit(RLIMIT_STACK))
        return -ENOMEM;
    if (!mm_may_expand(mm, v->flags, len >> PAGE_SHIFT) || mm_check_future_lock(mm, v->flags, len))
        return -ENOMEM;
    return v->flags & VM_ACCOUNT ? vm_commit(mm, len >> PAGE_SHIFT) : 0;
}

/* Is the area below, which ends at or before @addr, far enough away? It may be near when nobody can
 * touch it or it is a stack. */
static bool keeps_distance(const struct vma *below, vaddr_t addr)
{
    if (!below || !vma_is_accessible(below) || below->flags & VM_GROWSDOWN)
        return true;
    return addr - below->end >= STACK_GUARD_GAP;
}

static int grow_down(struct vma *v, vaddr_t addr)
{
    size_t len = v->start - addr;
    int err;

    ASSERT(addr < v->start && IS_ALIGNED(addr, PAGE_SIZE) && (v->flags & VM_GROWSDOWN));
    ASSERT(!v->prev || v->prev->end <= addr);
    if (addr < sysctl_mmap_min_addr || len >> PAGE_SHIFT > v->pgoff ||
        !keeps_distance(v->prev, addr))
        return -EFAULT;
    err = charge_growth(v, len);
    if (err)
        return err;
    vma_write_lock(v);
    vma_tree_set_range(v, addr, v->end, v->pgoff - (len >> PAGE_SHIFT));
    pt_share_claim(v);
    vma_account(v->mm, v->flags, (long)(len >> PAGE_SHIFT));
    return 0;
}

int vma_grow_stack(struct mm *mm, vaddr_t addr)
{
    struct vma *v;
    bool locked;
    int err = mmap_write_lock_killable(mm);

    if (err)
        return err;
    addr &= PAGE_MASK;
    v = vma_find(mm, addr);
    if (!v)
        err = -EFAULT;
    else if (v->start > addr)
        err = v->flags & VM_GROWSDOWN ? grow_down(v, addr) : -EFAULT;
    locked = !err && (v->flags & VM_LOCKED_MASK) == VM_LOCKED;
    mmap_write_unlock(mm);
    if (locked)
        (void)mm_populate_areas(mm, addr, addr + PAGE_SIZE, true);
    return err;
}
