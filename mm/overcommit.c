/* SPDX-License-Identifier: MIT */
/*
 * overcommit.c: how much memory has been promised, and whether more may be.
 *
 * Promised is what could become private pages: writable private areas (VM_ACCOUNT) and shared
 * memory objects. Mode 0, the default, refuses only a single request that exceeds all memory; mode
 * 1 refuses nothing; mode 2 keeps the sum below the commit limit, with a reserve for root and one
 * that lets a user recover from a runaway process. There is no swap.
 *
 * Locks: none, one atomic counter. Invariants: I1 committed equals the pages of VM_ACCOUNT areas of
 * all address spaces plus what shared objects charged. Checked by tests/kernel/mm/mmap_ktest.c
 * (back to the start after each test).
 * Source: proc(5), /proc/sys/vm/overcommit_memory. Read next: sysctl.c, oom.c.
 */
#include <asm/errno.h>
#include <kernel/task.h>
#include <mm/buddy.h>
#include "vma_internal.h"

int sysctl_overcommit_memory, sysctl_overcommit_ratio = 50;
unsigned long sysctl_overcommit_kbytes, sysctl_max_map_count = 65530, sysctl_mmap_min_addr = 65536,
              sysctl_admin_reserve_kbytes = 8192, sysctl_user_reserve_kbytes = 131072;

static atomic_long_t committed;

unsigned long vm_committed(void)
{
    long n = atomic_long_read(&committed);

    return n > 0 ? (unsigned long)n : 0;
}

unsigned long vm_commit_limit(void)
{
    if (sysctl_overcommit_kbytes)
        return sysctl_overcommit_kbytes >> (PAGE_SHIFT - 10);
    return buddy_nr_total() * (unsigned long)sysctl_overcommit_ratio / 100;
}

static bool below_limit(const struct mm *mm, unsigned long now)
{
    unsigned long limit = vm_commit_limit(), reserve = 0;

    if (!has_capability())
        reserve = sysctl_admin_reserve_kbytes >> (PAGE_SHIFT - 10);
    if (mm)
        reserve += min(mm->total_vm / 32, sysctl_user_reserve_kbytes >> (PAGE_SHIFT - 10));
    return reserve < limit && now < limit - reserve;
}

int vm_commit(struct mm *mm, unsigned long pages)
{
    unsigned long now = (unsigned long)atomic_long_add_return(&committed, (long)pages);

    ASSERT((long)pages >= 0 && (long)now >= 0);
    if (sysctl_overcommit_memory == 1)
        return 0;
    if (sysctl_overcommit_memory == 0 ? pages <= buddy_nr_total() : below_limit(mm, now))
        return 0;
    atomic_long_add(&committed, -(long)pages);
    return -ENOMEM;
}

void vm_commit_unchecked(unsigned long pages)
{
    ASSERT((long)pages >= 0 && atomic_long_read(&committed) >= 0);
    atomic_long_add(&committed, (long)pages);
}

void vm_uncommit(unsigned long pages)
{
    long left = atomic_long_add_return(&committed, -(long)pages);

    ASSERT(left >= 0); /* given back only what was charged */
    (void)left;
}
