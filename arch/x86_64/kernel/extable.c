/* SPDX-License-Identifier: MIT */
/*
 * extable.c: the exception table: instructions that may fault on purpose, and where the kernel goes
 * on then.
 *
 * The linker collects the entries in link order, which is not the order of addresses, and there are
 * a few dozen of them, looked at only when a user passed a bad pointer: a linear search will do.
 * Read-only, no locks.
 * Read next: user_copy.S, traps.c.
 */
#include "internal.h"

extern const struct exception_entry __exceptions_start[], __exceptions_end[];

static unsigned long target(const s32 *field)
{
    return (unsigned long)field + (unsigned long)(long)*field;
}

bool exception_fixup(struct pt_regs *regs)
{
    for (const struct exception_entry *e = __exceptions_start; e < __exceptions_end; e++) {
        if (target(&e->insn) == regs->rip) {
            regs->rip = target(&e->fixup);
            return true;
        }
    }
    return false;
}
