/* SPDX-License-Identifier: MIT */
/*
 * memfd.c: memfd_create(2): a file of shared memory that has no name in any directory. Its contents
 * are tmpfs's, its seals are set with fcntl. Huge pages are not offered: ENOSYS, as from a Linux
 * built without hugetlbfs. Source: memfd_create(2). Read next: tmpfs/super.c (shmem_file_create),
 * fcntl.c (seals).
 */
#include "internal.h"
#include <kernel/syscall.h>
#include <linux/memfd.h>
#include <mm/mm.h>

#define PREFIX         "memfd:"
#define NAME_MAX_MEMFD (NAME_MAX_LEN - (sizeof(PREFIX) - 1))

SYSCALL2(memfd_create, const char __user *, uname, unsigned int, flags)
{
    char name[sizeof(PREFIX) + NAME_MAX_MEMFD] = PREFIX;
    struct file *f;
    ssize_t n;
    int fd;

    if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_HUGETLB |
                  (flags & MFD_HUGETLB ? MFD_HUGE_MASK << MFD_HUGE_SHIFT : 0)))
        return -EINVAL;
    n = strncpy_from_user(name + sizeof(PREFIX) - 1, uname, NAME_MAX_MEMFD + 1);
    if (n < 0)
        return n == -ENAMETOOLONG ? -EINVAL : n;
    if (flags & MFD_HUGETLB)
        return -ENOSYS;
    fd = fd_reserve(flags & MFD_CLOEXEC ? O_CLOEXEC : 0);
    if (fd < 0)
        return fd;
    f = shmem_file_create(name, 0, VM_NORESERVE);
    if (IS_ERR(f)) {
        fd_unreserve(fd);
        return PTR_ERR(f);
    }
    if (flags & MFD_ALLOW_SEALING)
        f->inode->seals = 0;
    fd_install(fd, f);
    return fd;
}
