/* SPDX-License-Identifier: MIT */
/*
 * syscall.c: the table of system calls, filled once at boot from what the SYSCALLn macros left in
 * the image. Does not enter or leave the kernel (arch's entry code indexes the table).
 *
 * Locks: none: read-only after boot, but for one bit per unknown number.
 * Invariants: I1 no entry is NULL; I2 no number is defined twice.
 * Checked by tests/kernel/task/task_ktest.c. docs/SYSCALLS.md is made by tools/gen-syscalls-doc.
 */
#include <arch/ptrace.h>
#include <arch/setup.h>
#include <kernel/atomic.h>
#include <kernel/panic.h>
#include <kernel/printk.h>
#include <kernel/syscall.h>
#include <kernel/task_regs.h>
#include <asm/errno.h>

syscall_fn syscall_table[NR_SYSCALLS] __ro_after_init;
static const char *names[NR_SYSCALLS] __ro_after_init;
static bool log_unknown __ro_after_init;
static u32 told[NR_SYSCALLS / 32];

static long unknown_call(unsigned long a1, unsigned long a2, unsigned long a3, unsigned long a4,
                         unsigned long a5, unsigned long a6)
{
    long nr;

    (void)a1, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6;
    if (!log_unknown)
        return -ENOSYS;
    nr = regs_syscall_nr(current_regs());
    if (nr >= 0 && nr < NR_SYSCALLS) {
        u32 bit = 1u << (nr % 32);

        if ((__atomic_fetch_or(&told[nr / 32], bit, __ATOMIC_RELAXED) & bit) == 0)
            pr_info("%s[%d]: system call %ld does not exist here\n", current->comm, current->tid,
                    nr);
    }
    return -ENOSYS;
}

void syscall_log_unknown(void)
{
    log_unknown = true;
}

void syscall_init(void)
{
    for (unsigned int i = 0; i < NR_SYSCALLS; i++)
        syscall_table[i] = unknown_call;
    for (const struct syscall_def *d = __syscalls_start; d < __syscalls_end; d++) {
        if (d->nr >= NR_SYSCALLS || names[d->nr] != NULL)
            panic("system call %s has the number %u, which is %s", d->name, d->nr,
                  d->nr >= NR_SYSCALLS ? "too large" : names[d->nr]);
        syscall_table[d->nr] = d->fn;
        names[d->nr] = d->name;
    }
    arch_setup_syscalls();
}

const char *syscall_name(unsigned int nr)
{
    return nr < NR_SYSCALLS && names[nr] != NULL ? names[nr] : "?";
}
