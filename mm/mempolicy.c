/* SPDX-License-Identifier: MIT */
/*
 * mempolicy.c: NUMA calls on a machine that is one node.
 *
 * Every policy that can be asked for has the same effect here, all memory from node 0. So the calls
 * check their arguments as Linux does and remember nothing: get_mempolicy reports the default
 * policy.
 *
 * Locks: mmap_lock for reading, to see whether a range is mapped. Source: mbind(2),
 * set_mempolicy(2), get_mempolicy(2).
 * Checked by tests/kernel/mm/mmap_ktest.c.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/mempolicy.h>
#include "vma_internal.h"

#define MODE_FLAGS (MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES | MPOL_F_NUMA_BALANCING)

int mempolicy_read_nodes(const unsigned long __user *mask, unsigned long maxnode, bool *node0,
                         bool *others)
{
    unsigned long words = maxnode ? DIV_ROUND_UP(maxnode - 1, 8 * sizeof(long)) : 0, w;

    *node0 = *others = false;
    if (!mask || maxnode <= 1)
        return 0;
    if (words > PAGE_SIZE / sizeof(long))
        return -EINVAL;
    for (unsigned long i = 0; i < words; i++) {
        if (copy_from_user(&w, mask + i, sizeof(w)))
            return -EFAULT;
        if (i == 0)
            *node0 = w & 1;
        *others |= i == 0 ? (w & ~1UL) != 0 : w != 0;
    }
    return 0;
}

static int check_policy(int mode, const unsigned long __user *mask, unsigned long maxnode)
{
    bool node0, others;
    int err;

    if ((mode & MPOL_F_STATIC_NODES && mode & MPOL_F_RELATIVE_NODES) ||
        (mode & ~MODE_FLAGS) >= MPOL_MAX || mode < 0)
        return -EINVAL;
    err = mempolicy_read_nodes(mask, maxnode, &node0, &others);
    if (err)
        return err;
    switch (mode & ~MODE_FLAGS) {
    case MPOL_DEFAULT:
    case MPOL_LOCAL:
        return node0 || others ? -EINVAL : 0;
    case MPOL_PREFERRED:
        return others && !node0 ? -EINVAL : 0;
    default:
        return node0 ? 0 : -EINVAL;
    }
}

SYSCALL3(set_mempolicy, int, mode, const unsigned long __user *, mask, unsigned long, maxnode)
{
    return check_policy(mode, mask, maxnode);
}

SYSCALL6(mbind, vaddr_t, start, unsigned long, len, unsigned long, mode,
         const unsigned long __user *, mask, unsigned long, maxnode, unsigned int, flags)
{
    struct mm *mm = current->mm;
    vaddr_t end = start + PAGE_ALIGN(len), at = start;
    struct vma *v;
    int err;

    if (flags & ~(unsigned int)MPOL_MF_VALID || !IS_ALIGNED(start, PAGE_SIZE) || end < start)
        return -EINVAL;
    if (flags & MPOL_MF_MOVE_ALL && !has_capability())
        return -EPERM;
    err = check_policy((int)mode, mask, maxnode);
    if (err || end == start)
        return err;
    mmap_read_lock(mm);
    for (v = vma_lookup(mm, at); v && v->start <= at && at < end; v = v->next)
        at = v->end;
    mmap_read_unlock(mm);
    return at < end ? -EFAULT : 0;
}

/* A node set with node 0, or none, of @maxnode bits. */
static int write_nodes(unsigned long __user *mask, unsigned long maxnode, bool node0)
{
    unsigned long words = DIV_ROUND_UP(maxnode - 1, 8 * sizeof(long));

    ASSERT(maxnode != 0);
    if (words > PAGE_SIZE / sizeof(long))
        return -EINVAL;
    for (unsigned long i = 0; i < words; i++) {
        unsigned long w = node0 && i == 0;

        if (copy_to_user(mask + i, &w, sizeof(w)))
            return -EFAULT;
    }
    return 0;
}

SYSCALL5(get_mempolicy, int __user *, policy, unsigned long __user *, mask, unsigned long, maxnode,
         vaddr_t, addr, unsigned long, flags)
{
    int err = 0;

    if (flags & ~(unsigned long)(MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED) ||
        (mask && maxnode < 1))
        return -EINVAL;
    if (flags & MPOL_F_MEMS_ALLOWED && flags & (MPOL_F_NODE | MPOL_F_ADDR))
        return -EINVAL;
    if (flags & MPOL_F_ADDR) {
        struct vma *v;

        mmap_read_lock(current->mm);
        v = vma_lookup(current->mm, addr);
        mmap_read_unlock(current->mm);
        if (!v)
            return -EFAULT;
    } else if (addr != 0 || flags & MPOL_F_NODE) {
        return -EINVAL; /* the next interleave node of a policy that is not set */
    }
    if (policy) /* MPOL_DEFAULT, or node 0 */
        err = put_user_u32(0, policy);
    if (!err && mask)
        err = write_nodes(mask, maxnode, flags & MPOL_F_MEMS_ALLOWED);
    return err;
}
