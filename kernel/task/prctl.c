/* SPDX-License-Identifier: MIT */
/*
 * prctl.c: a process's and a thread's odd properties. Source: prctl(2), personality(2).
 *
 * Locks: none; each is one word, and its reader takes it once.
 * Invariants: none.
 * Read next: nothing.
 */
#include "internal.h"
#include <kernel/string.h>
#include <kernel/syscall.h>
#include <kernel/uaccess.h>
#include <mm/pt_share.h>
#include <asm/errno.h>
#include <linux/personality.h>
#include <linux/prctl.h>

static long set_name(const char __user *uname)
{
    char name[TASK_COMM_LEN] = { 0 };
    ssize_t n = strncpy_from_user(name, uname, sizeof(name));

    if (n < 0 && n != -ENAMETOOLONG)
        return n;
    name[sizeof(name) - 1] = '\0';
    task_set_comm(current, name);
    return 0;
}

static long set_dumpable(unsigned long value)
{
    if (value > 1)
        return -EINVAL;
    current->proc->dumpable = value != 0;
    current->mm->dumpable = value != 0;
    return 0;
}

static long no_new_privs(unsigned long a2, unsigned long rest)
{
    if (a2 != 1 || rest != 0)
        return -EINVAL;
    current->flags |= TF_NO_NEW_PRIVS;
    return 0;
}

static long bounding_set(unsigned long cap, bool drop)
{
    if (cap > 40) /* CAP_LAST_CAP */
        return -EINVAL;
    if (drop)
        return has_capability() ? 0 : -EPERM;
    return 1;
}

static long thp_disable(bool set, unsigned long a2, unsigned long rest)
{
    if (rest != 0)
        return -EINVAL;
    if (!set)
        return a2 != 0 ? -EINVAL : current->proc->thp_disable;
    current->proc->thp_disable = current->mm->thp_disable = a2 != 0;
    return 0;
}

static long pt_share(bool set, unsigned long what, unsigned long rest)
{
    if (rest != 0)
        return -EINVAL;
    if (!set)
        return what != 0 ? -EINVAL : (long)(pt_share_possible() & ~current->proc->pt_share_off);
    if (what & ~(unsigned long)PT_SHARE_ALL)
        return -EINVAL;
    current->proc->pt_share_off = current->mm->share_off = PT_SHARE_ALL & ~(u8)what;
    return 0;
}

static long pdeath_signal(unsigned long sig)
{
    if (sig > NSIGNALS)
        return -EINVAL;
    current->pdeath_signal = (int)sig;
    return 0;
}

static long keep_caps(unsigned long value)
{
    if (value > 1)
        return -EINVAL;
    current->proc->keep_caps = value != 0;
    return 0;
}

/* Options that only read. */
static long prctl_get(int option, unsigned long a2)
{
    switch (option) {
    case PR_GET_NAME: return copy_to_user((void __user *)a2, current->comm, TASK_COMM_LEN);
    case PR_GET_PDEATHSIG: return put_user_u32((u32)current->pdeath_signal, (void __user *)a2);
    case PR_GET_DUMPABLE: return current->proc->dumpable;
    case PR_GET_CHILD_SUBREAPER:
        return put_user_u32(current->proc->child_subreaper, (void __user *)a2);
    case PR_GET_KEEPCAPS: return current->proc->keep_caps;
    case PR_GET_TIMING: return PR_TIMING_STATISTICAL;
    case PR_GET_SECCOMP: return 0;
    case PR_GET_TIMERSLACK: return 50000; /* ns; timers here are as exact as the hardware */
    case PR_GET_TID_ADDRESS:
        return put_user_u64((u64)(unsigned long)current->clear_child_tid, (void __user *)a2);
    case PR_CAPBSET_READ: return bounding_set(a2, false);
    default: return -EINVAL;
    }
}

SYSCALL5(prctl, int, option, unsigned long, a2, unsigned long, a3, unsigned long, a4, unsigned long,
         a5)
{
    switch (option) {
    case PR_SET_NAME: return set_name((const char __user *)a2);
    case PR_SET_PDEATHSIG: return pdeath_signal(a2);
    case PR_SET_DUMPABLE: return set_dumpable(a2);
    case PR_SET_CHILD_SUBREAPER: current->proc->child_subreaper = a2 != 0; return 0;
    case PR_SET_NO_NEW_PRIVS: return no_new_privs(a2, a3 | a4 | a5);
    case PR_GET_NO_NEW_PRIVS:
        return (a2 | a3 | a4 | a5) != 0 ? -EINVAL : (current->flags & TF_NO_NEW_PRIVS) != 0;
    case PR_SET_THP_DISABLE: return thp_disable(true, a2, a3 | a4 | a5);
    case PR_GET_THP_DISABLE: return thp_disable(false, a2, a3 | a4 | a5);
    case PR_SET_PT_SHARE: return pt_share(true, a2, a3 | a4 | a5);
    case PR_GET_PT_SHARE: return pt_share(false, a2, a3 | a4 | a5);
    case PR_SET_KEEPCAPS: return keep_caps(a2);
    case PR_SET_TIMING: return a2 == PR_TIMING_STATISTICAL ? 0 : -EINVAL;
    case PR_SET_TIMERSLACK: return 0;
    case PR_CAPBSET_DROP: return bounding_set(a2, true);
    case PR_SET_MM: return has_capability() ? -EINVAL : -EPERM;
    default: return prctl_get(option, a2);
    }
}

SYSCALL1(personality, unsigned int, persona)
{
    struct process *p = current->proc;
    unsigned int old = p->personality;

    if (persona != 0xffffffff)
        p->personality = persona;
    return old;
}

SYSCALL1(set_tid_address, pid_t __user *, tidptr)
{
    current->clear_child_tid = tidptr;
    return current->tid;
}
