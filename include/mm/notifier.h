/* SPDX-License-Identifier: MIT */
/*
 * notifier.h: those who keep copies of an address space's translations, as a TLB does, but are no
 * CPU: devices with page tables of their own (drivers/dmatest_iommu.c).
 *
 * A client copies a leaf while it holds the lock of the leaf's table, and its own lock inside that.
 * Whoever changes a leaf does so under the lock of its table, and flushes afterwards, before what
 * it mapped is freed or used for something else; the flush tells the clients. So a copy is either
 * made before the change, and dropped by the flush, or of the leaf as it is after it. There is no
 * other place to be told from, as there is none for the CPUs' TLBs: munmap, mprotect, madvise,
 * copy-on-write, fork, mremap, move, split and collapse of pages, truncation are all covered.
 *
 * A client uses a copy only under the lock, for a short time: after `invalidate` no use of an old
 * copy is under way.
 */
#pragma once
#include <mm/mm.h>

struct mm_notifier;

struct mm_notifier_ops {
    /* Copies for [start, end) go. The lock is held, and perhaps PT locks: does not sleep. */
    void (*invalidate)(struct mm_notifier *n, vaddr_t start, vaddr_t end);
};

struct mm_notifier {
    struct list_head link; /* mm->notify_lock */
    const struct mm_notifier_ops *ops;
    struct mm *mm; /* set once; a reference to the structure */
};

/* @n is told from now on, of the address space @mm, whose user count the caller holds. */
void mm_notifier_register(struct mm_notifier *n, const struct mm_notifier_ops *ops, struct mm *mm);
/* It is not any more; may sleep. */
void mm_notifier_unregister(struct mm_notifier *n);
/* The clients' lock, one per address space. */
static inline void mm_notifier_lock(struct mm_notifier *n)
{
    spin_lock(&n->mm->notify_lock);
}
static inline void mm_notifier_unlock(struct mm_notifier *n)
{
    spin_unlock(&n->mm->notify_lock);
}
