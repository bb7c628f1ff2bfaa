/* SPDX-License-Identifier: MIT */
/*
 * xattr.c: extended attributes, which no file system here has: reading and setting one gives
 * EOPNOTSUPP, the list of them is empty. The object must exist. Source: xattr(7).
 */
#include "internal.h"
#include <kernel/syscall.h>

static long by_path(const char __user *name, unsigned int walk, long answer)
{
    struct path p;
    int ret = walk_user_path(AT_FDCWD, name, walk, &p);

    if (ret)
        return ret;
    path_put(&p);
    return answer;
}

static long by_fd(int fd, long answer)
{
    struct fdref r = fdref_get(fd);

    if (!r.file)
        return -EBADF;
    fdref_put(r);
    return answer;
}

#define XATTR_CALLS(call, answer)                                                                  \
    SYSCALL1(call, const char __user *, name)                                                      \
    {                                                                                              \
        return by_path(name, WALK_FOLLOW, answer);                                                 \
    }                                                                                              \
    SYSCALL1(l##call, const char __user *, name)                                                   \
    {                                                                                              \
        return by_path(name, 0, answer);                                                           \
    }                                                                                              \
    SYSCALL1(f##call, int, fd)                                                                     \
    {                                                                                              \
        return by_fd(fd, answer);                                                                  \
    }

XATTR_CALLS(setxattr, -EOPNOTSUPP)
XATTR_CALLS(getxattr, -EOPNOTSUPP)
XATTR_CALLS(removexattr, -EOPNOTSUPP)
XATTR_CALLS(listxattr, 0)
