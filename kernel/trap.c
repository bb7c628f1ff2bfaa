/* SPDX-License-Identifier: MIT */
/*
 * trap.c: the end of a memory fault of the kernel that nobody can resolve, and what a panic tells
 * of the last fault.
 *
 * The machines decode a fault into a struct fault_info and try mm_fault() and the exception table
 * first. No locks, any context: the state may be the reason for the panic.
 * Checked by tests/panic/. Read next: arch/ARCH/kernel/traps.c, extable.c, panic.c.
 */
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/trap.h>
#include <mm/vmalloc.h>

static const char *why_bad(const struct fault_info *fi)
{
    return vmalloc_is_guard(fi->addr)  ? "guard page of a stack or area"
           : fi->flags & FAULT_RSVD    ? "malformed page-table entry"
           : fi->flags & FAULT_PRESENT ? "not permitted"
           : fi->addr < PAGE_SIZE      ? "NULL pointer"
           : fi->addr < user_top()     ? "user address outside the uaccess functions"
                                       : "not mapped";
}

void trap_bad_kernel_fault(const struct pt_regs *regs, const struct fault_info *fi,
                           unsigned long number, unsigned long error)
{
    const char *what = fi->flags & FAULT_EXEC    ? "execute"
                       : fi->flags & FAULT_WRITE ? "write"
                                                 : "read";

    if (current)
        trap_note(number, error, fi->addr);
    panic_regs(regs, "cannot %s %#lx in the kernel: %s", what, fi->addr, why_bad(fi));
}

void trap_show_last_fault(bool is_fault, vaddr_t addr, bool can_walk)
{
    unsigned int level = 0;

    if (is_fault)
        pr_err("Last fault of the task: address %#lx, error code %#lx\n", current->trap.addr,
               current->trap.error);
    if (addr == 0)
        return;
    if (addr < user_top()) {
        pr_err("Last fault of the CPU: %#lx, a user address\n", addr);
        return;
    }
    if (!can_walk) {
        pr_err("Last fault of the CPU: %#lx\n", addr);
        return;
    }
    pte_t entry = kernel_lookup(addr, &level);

    pr_err("Last fault of the CPU: %#lx, entry %016llx at level %u\n", addr,
           (unsigned long long)entry.v, level);
}
