/* SPDX-License-Identifier: MIT */
/*
 * user_return.c: what a thread still has to do before it is in user mode again: let others run, act
 * on signals, and, when it is new, store its own id. Called by arch's entry code on the slow way
 * out only.
 *
 * Locks: none held on entry or exit. Invariants: I1 on return neither flag was set a moment ago;
 * arch looks again with interrupts off.
 * Read next: kernel/signal/deliver.c.
 */
#include "internal.h"
#include <kernel/uaccess.h>

/* CLONE_CHILD_SETTID: only the child can reach its own copy of the memory. A bad pointer is
 * ignored, as on Linux. */
static void store_own_tid(void)
{
    struct process *p = current->proc;
    pid_t *where = current->set_child_tid;
    unsigned long flags;

    current->set_child_tid = NULL;
    if (put_user_u32((u32)current->tid, where) != 0)
        barrier();
    flags = sighand_lock(p);
    signal_recalc(current);
    sighand_unlock(p, flags);
}

void exit_to_user_work(struct pt_regs *regs)
{
    while (this_cpu()->need_resched || signal_pending_fast(&current->sigpending_flag)) {
        if (this_cpu()->need_resched)
            sched_user_return();
        if (unlikely(current->set_child_tid != NULL))
            store_own_tid();
        if (signal_pending_fast(&current->sigpending_flag))
            signal_deliver(regs);
    }
}
