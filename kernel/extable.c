/* SPDX-License-Identifier: MIT */
/*
 * extable.c: the exception table: instructions that may fault on purpose, and where the kernel goes
 * on then.
 *
 * The linker collects the entries in link order; they are sorted once, before the image is made
 * read-only. With POWER's hash table a fault of the kernel at a user address is often a mere
 * refill, and each is looked up, so that no other code reaches user memory by mistake.
 * Read-only after that, no locks. Invariant: I1 sorted by the instruction's address.
 * Checked by tests/kernel/arch/uaccess_ktest.c. Read next: arch/ARCH/kernel/user_copy.S, trap.c.
 */
#include <arch/ptrace.h>
#include <kernel/extable.h>

struct exception_entry {
    s32 insn, fixup; /* relative to the field itself */
};

extern struct exception_entry __exceptions_start[], __exceptions_end[];

static unsigned long target(const s32 *field)
{
    return (unsigned long)field + (unsigned long)(long)*field;
}

/* The fields are relative to where they lie. */
static void put(struct exception_entry *e, unsigned long insn, unsigned long fixup)
{
    e->insn = (s32)(insn - (unsigned long)&e->insn);
    e->fixup = (s32)(fixup - (unsigned long)&e->fixup);
}

void exception_table_init(void)
{
    struct exception_entry *e = __exceptions_start, *at;

    for (e++; e < __exceptions_end; e++) {
        unsigned long insn = target(&e->insn), fixup = target(&e->fixup);

        for (at = e; at > __exceptions_start && target(&at[-1].insn) > insn; at--)
            put(at, target(&at[-1].insn), target(&at[-1].fixup));
        put(at, insn, fixup);
    }
}

static const struct exception_entry *find(unsigned long pc)
{
    const struct exception_entry *low = __exceptions_start, *high = __exceptions_end, *mid;

    while (low < high) {
        mid = low + (high - low) / 2;
        if (target(&mid->insn) == pc)
            return mid;
        if (target(&mid->insn) < pc)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

bool exception_has_fixup(const struct pt_regs *regs)
{
    return find(regs_pc(regs)) != NULL;
}

bool exception_fixup(struct pt_regs *regs)
{
    const struct exception_entry *e = find(regs_pc(regs));

    if (e)
        regs_set_pc(regs, target(&e->fixup));
    return e != NULL;
}
