/* SPDX-License-Identifier: MIT */
/*
 * trap.h: what the machines' exception handlers (arch/ARCH/kernel/traps.c) have in common: the note
 * of what happened, and the end of a fault of the kernel that nobody can resolve.
 */
#pragma once
#include <arch/current.h>
#include <arch/mmu.h>
#include <arch/mmu_const.h>
#include <kernel/task.h>

struct pt_regs;

/*
 * Keeps a fault's machine details in current, for its signal frame and for a panic's report: what
 * happened, the error code, the address. A macro, so that what the handler reads for it need not be
 * in registers at the same time.
 */
#define trap_note(nr, err, at)                                                                     \
    do {                                                                                           \
        struct trap_note *note_ = &current->trap;                                                  \
        note_->number = (nr);                                                                      \
        note_->error = (err);                                                                      \
        note_->addr = (at);                                                                        \
    } while (0)

/*
 * May this fault of the kernel at a user address be resolved by mm_fault(), which can sleep? The
 * machine adds what its registers say: interrupts were on.
 */
static inline bool trap_may_fault_in(const struct fault_info *fi)
{
    const struct task *t = current;

    return fi->addr < user_top() && t && t->mm && t->pagefault_disabled == 0 &&
           this_cpu()->irq_depth == 0 && !(fi->flags & (FAULT_EXEC | FAULT_RSVD));
}

/* Panics with what the kernel tried and why it cannot be; @number and @error are the machine's. */
__noreturn void trap_bad_kernel_fault(const struct pt_regs *regs, const struct fault_info *fi,
                                      unsigned long number, unsigned long error);

/*
 * For a panic's report: current's note, when it @is_fault, and @addr, which the CPU keeps of its
 * last fault; 0: none. @can_walk: also the entry that maps it.
 */
void trap_show_last_fault(bool is_fault, vaddr_t addr, bool can_walk);
