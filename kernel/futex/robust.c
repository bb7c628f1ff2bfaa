/* SPDX-License-Identifier: MIT */
/*
 * robust.c: futexes whose owner dies: the list that a thread keeps in its own memory, and what is
 * done with it when the thread ends. Source: get_robust_list(2), and <linux/futex.h> for the
 * format.
 *
 * The list is user data: any part of it may be garbage, endless or gone. Every word is read through
 * uaccess, the walk ends after ROBUST_LIMIT entries, and errors only end it.
 *
 * Locks: none of its own. Invariants: none in the kernel.
 * Read next: kernel/task/exit.c.
 */
#include "internal.h"
#include <kernel/futex.h>
#include <kernel/syscall.h>
#include <kernel/task.h>
#include <kernel/uaccess.h>
#include <asm/errno.h>
#include <linux/futex.h>

#define ROBUST_LIMIT 2048 /* also the UAPI's ROBUST_LIST_LIMIT */

/* Bit 0 of a link marks a priority-inheritance futex, which the kernel does not offer: only the
 * word is marked then. */
struct robust_link {
    vaddr_t entry;
    bool pi;
};

static int read_link(struct robust_link *l, vaddr_t from)
{
    unsigned long word;

    if (copy_from_user(&word, (const void __user *)from, sizeof(word)) != 0)
        return -EFAULT;
    l->entry = word & ~1UL;
    l->pi = (word & 1) != 0;
    return 0;
}

/* The thread @tid died: the word says so, and a waiter learns it. @pending: it was about to lock or
 * unlock. */
static void mark_owner_died(vaddr_t va, pid_t tid, bool pi, bool pending)
{
    u32 __user *uaddr = (u32 __user *)va;
    u32 value, found;

    if ((va & 3) != 0 || get_user_u32(&value, uaddr) != 0)
        return;
    if (pending && !pi && value == 0) {
        /* Unlocked, but perhaps killed before the wake-up. */
        (void)futex_wake(uaddr, FUTEX_SHARED, 1, FUTEX_ANY_BIT);
        return;
    }
    while ((value & FUTEX_TID_MASK) == (u32)tid) {
        if (user_cmpxchg_u32(uaddr, value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED, &found) != 0)
            return;
        if (found == value) {
            if (!pi && (value & FUTEX_WAITERS) != 0)
                (void)futex_wake(uaddr, FUTEX_SHARED, 1, FUTEX_ANY_BIT);
            return;
        }
        value = found;
    }
}

static void walk(vaddr_t head, pid_t tid)
{
    struct robust_link pending, cur, next;
    long offset;

    if (copy_from_user(
            &offset, (const void __user *)(head + offsetof(struct robust_list_head, futex_offset)),
            sizeof(offset)) != 0)
        return;
    if (read_link(&pending, head + offsetof(struct robust_list_head, list_op_pending)) != 0)
        return;
    if (read_link(&cur, head + offsetof(struct robust_list_head, list)) != 0)
        return;
    for (int n = 0; cur.entry != head && n < ROBUST_LIMIT; n++) {
        /* The next link first: once marked, the entry may belong to somebody else. */
        int err = read_link(&next, cur.entry);

        if (cur.entry != pending.entry)
            mark_owner_died(cur.entry + (unsigned long)offset, tid, cur.pi, false);
        if (err != 0)
            return;
        cur = next;
    }
    if (pending.entry != 0)
        mark_owner_died(pending.entry + (unsigned long)offset, tid, pending.pi, true);
}

void futex_exit_robust(struct task *t)
{
    vaddr_t head = (vaddr_t)t->robust_list;

    t->robust_list = NULL;
    if (head != 0)
        walk(head, t->tid);
}

SYSCALL2(set_robust_list, void __user *, head, size_t, len)
{
    if (len != sizeof(struct robust_list_head))
        return -EINVAL;
    current->robust_list = head;
    current->robust_len = len;
    return 0;
}

SYSCALL3(get_robust_list, pid_t, tid, void __user *, uhead, void __user *, ulen)
{
    struct task *t = tid == 0 ? current : task_find_get(tid);
    unsigned long head = 0, len = sizeof(struct robust_list_head);
    int err = -ESRCH;

    if (t == NULL)
        return err;
    err = process_may_access(t->proc) ? 0 : -EPERM;
    head = (unsigned long)READ_ONCE(t->robust_list);
    if (t != current)
        task_put(t);
    if (err != 0)
        return err;
    if (copy_to_user(ulen, &len, sizeof(len)) != 0)
        return -EFAULT;
    return copy_to_user(uhead, &head, sizeof(head));
}
