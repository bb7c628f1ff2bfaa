/* SPDX-License-Identifier: MIT */
/*
 * memfd.c: memfd_create(2): a file of shared memory that has no name in any directory. Its contents
 * are tmpfs's or, with MFD_HUGETLB, hugetlbfs's; its seals are set with fcntl. ENODEV: no huge
 * pages of that size. Source: memfd_create(2). Read next: tmpfs/super.c (shmem_file_create),
 * fcntl.c (seals).
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <linux/memfd.h>
#include <mm/hugetlb.h>
#include <mm/mm.h>

#define PREFIX         "memfd:"
#define NAME_MAX_MEMFD (NAME_MAX_LEN - (sizeof(PREFIX) - 1))

static struct file *huge_file(const char *name, unsigned int flags)
{
    struct huge_pool *pool = huge_pool_by_log((flags >> MFD_HUGE_SHIFT) & MFD_HUGE_MASK);

    return pool ? hugetlb_file_create(name, pool, 0, false) : ERR_PTR(-ENODEV);
}

SYSCALL2(memfd_create, const char __user *, uname, unsigned int, flags)
{
    char name[sizeof(PREFIX) + NAME_MAX_MEMFD] = PREFIX;
    struct file *f;
    ssize_t n;
    int fd;

    if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB |
                  (flags & MFD_HUGETLB ? (unsigned int)MFD_HUGE_MASK << MFD_HUGE_SHIFT : 0)))
        return -EINVAL;
    n = strncpy_from_user(name + sizeof(PREFIX) - 1, uname, NAME_MAX_MEMFD + 1);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    fd = fd_reserve(flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
    if (fd < 0)
        return fd;
    f = flags & MFD_HUGETLB ? huge_file(name, flags) : shmem_file_create(name, 0, VM_NORESERVE);
    if (IS_ERR(f)) {
        fd_unreserve(fd);
        return PTR_ERR(f);
    }
    if (flags & MFD_ALLOW_SEALING)
        f->inode->seals = 0;
    fd_install(fd, f);
    return fd;
}
