/* SPDX-License-Identifier: MIT */
/*
 * notifier.c: the list of those who keep copies of an address space's translations, and the flush
 * that tells them. <mm/notifier.h> has the protocol.
 *
 * An address space without clients pays one load per flush. A client comes on the list before it
 * copies its first leaf, under the lock of the leaf's table; who changes that leaf later, under
 * that lock, then sees that there are clients.
 *
 * Locks: mm->notify_lock (NOTIFIER), inside PT and the list of a family. Invariants: I1
 * nr_notifiers is the length of the list. Checked by iommu_check, tests/user/iommu_test.c. Read
 * next: drivers/dmatest_iommu.c.
 */
#include <kernel/printk.h>
#include <mm/notifier.h>
#include <mm/pt_walk.h>

void mm_notifier_register(struct mm_notifier *n, const struct mm_notifier_ops *ops, struct mm *mm)
{
    ASSERT(ops->invalidate != NULL && atomic_read(&mm->users) > 0);
    mm_grab(mm);
    n->ops = ops;
    n->mm = mm;
    spin_lock(&mm->notify_lock);
    list_add(&n->link, &mm->notifiers);
    WRITE_ONCE(mm->nr_notifiers, mm->nr_notifiers + 1);
    spin_unlock(&mm->notify_lock);
}

void mm_notifier_unregister(struct mm_notifier *n)
{
    struct mm *mm = n->mm;

    spin_lock(&mm->notify_lock);
    ASSERT(mm->nr_notifiers != 0);
    list_del(&n->link);
    WRITE_ONCE(mm->nr_notifiers, mm->nr_notifiers - 1);
    spin_unlock(&mm->notify_lock);
    mm_drop(mm);
}

void mm_notify(struct mm *mm, vaddr_t start, vaddr_t end)
{
    struct mm_notifier *n;

    ASSERT(start <= end);
    spin_lock(&mm->notify_lock);
    list_for_each_entry (n, &mm->notifiers, link)
        n->ops->invalidate(n, start, end);
    spin_unlock(&mm->notify_lock);
}
