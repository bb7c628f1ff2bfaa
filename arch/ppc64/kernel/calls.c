/* SPDX-License-Identifier: MIT */
/*
 * calls.c: system calls that only ppc64 has: older forms, which the C library still prefers here.
 * Each rearranges its arguments and goes on to the common one through the table, so a call that
 * does not exist says so.
 *
 * Locks: none. Source: llseek(2), statfs(2), ipc(2), send(2), recv(2), waitpid(2), select(2);
 * numbers in <asm/unistd.h>, sub-calls of ipc in <linux/ipc.h>.
 */
#include <asm/errno.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <linux/ipc.h>

#define IPC_VERSION_64 0x100ul /* in a command: the only version there is here */

static long go_on(unsigned int nr, unsigned long a, unsigned long b, unsigned long c,
                  unsigned long d)
{
    return syscall_table[nr](a, b, c, d, 0, 0);
}

/* @low is the whole offset on a 64-bit machine; @high its upper half again. */
SYSCALL5(_llseek, int, fd, unsigned long, high, unsigned long, low, u64 __user *, result,
         unsigned int, whence)
{
    long ret = go_on(__NR_lseek, (unsigned long)fd, high << 32 | low, whence, 0);

    return ret < 0 ? ret : put_user_u64((u64)ret, result);
}

/* struct statfs64 is struct statfs here; its size is passed as a version. */
#define STATFS64_SIZE 120u

SYSCALL3(statfs64, const char __user *, name, size_t, size, void __user *, st)
{
    if (size != STATFS64_SIZE)
        return -EINVAL;
    return go_on(__NR_statfs, (unsigned long)name, (unsigned long)st, 0, 0);
}

SYSCALL3(fstatfs64, int, fd, size_t, size, void __user *, st)
{
    if (size != STATFS64_SIZE)
        return -EINVAL;
    return go_on(__NR_fstatfs, (unsigned long)fd, (unsigned long)st, 0, 0);
}

/* Shared memory's part; there are no messages and semaphores. */
SYSCALL6(ipc, unsigned int, call, int, first, unsigned long, second, unsigned long, third,
         unsigned long, ptr, long, fifth)
{
    unsigned long id = (unsigned long)first;
    long ret;

    (void)fifth;
    switch (call) {
    case SHMGET: return go_on(__NR_shmget, id, second, third, 0);
    case SHMAT:
        ret = go_on(__NR_shmat, id, ptr, second, 0);
        return ret < 0 && ret > -4096 ? ret : put_user_u64((u64)ret, (u64 __user *)third);
    case SHMDT: return go_on(__NR_shmdt, ptr, 0, 0, 0);
    case SHMCTL: return go_on(__NR_shmctl, id, second & ~IPC_VERSION_64, ptr, 0);
    default: return -ENOSYS;
    }
}

SYSCALL4(send, int, fd, void __user *, buf, size_t, n, unsigned int, flags)
{
    return go_on(__NR_sendto, (unsigned long)fd, (unsigned long)buf, n, flags);
}

SYSCALL4(recv, int, fd, void __user *, buf, size_t, n, unsigned int, flags)
{
    return go_on(__NR_recvfrom, (unsigned long)fd, (unsigned long)buf, n, flags);
}

SYSCALL3(waitpid, int, pid, int __user *, status, int, options)
{
    return go_on(__NR_wait4, (unsigned long)pid, (unsigned long)status, (unsigned long)options, 0);
}

SYSCALL5(_newselect, int, n, void __user *, in, void __user *, out, void __user *, ex,
         void __user *, timeout)
{
    return syscall_table[__NR_select]((unsigned long)n, (unsigned long)in, (unsigned long)out,
                                      (unsigned long)ex, (unsigned long)timeout, 0);
}
