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

static const struct exception_entry *find(unsigned long pc)
{
    for (const struct exception_entry *e = __exceptions_start; e < __exceptions_end; e++)
        if (target(&e->insn) == pc)
            return e;
    return NULL;
}

bool exception_has_fixup(const struct pt_regs *regs)
{
    return find(regs->nip) != NULL;
}

bool exception_fixup(struct pt_regs *regs)
{
    const struct exception_entry *e = find(regs->nip);

    if (e)
        regs->nip = target(&e->fixup);
    return e != NULL;
}
