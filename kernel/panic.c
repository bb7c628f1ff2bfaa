/* SPDX-License-Identifier: MIT */
/*
 * panic.c: the end of a kernel that found itself wrong: says what, where and how it got there, then
 * ends the machine with a failing status.
 *
 * It takes no locks (it stops the other CPUs first and breaks the log's) and allocates nothing, so
 * it works in any context. A fault inside the report ends the machine at once.
 * I1: one CPU reports; the others stop. Checked by tests/panic/. Read next:
 *     arch/ARCH/kernel/traps.c.
 */
#include <kernel/console.h>
#include <kernel/kallsyms.h>
#include <kernel/panic.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/task.h>
#include <arch/cpu.h>
#include <arch/debug.h>

#define MAX_FRAMES 32

static u32 panic_cpu; /* CPU + 1 */

bool panic_in_progress(void)
{
    return READ_ONCE(panic_cpu) != 0;
}

void show_backtrace(const struct pt_regs *regs)
{
    unsigned long pc[MAX_FRAMES];
    unsigned int n = arch_backtrace(regs, pc, MAX_FRAMES);

    pr_err("Backtrace:\n");
    for (unsigned int i = 0; i < n; i++)
        pr_err("  %#018lx %pS\n", pc[i], (void *)pc[i]);
}

/* Lets one CPU through; a second entry on it means that the report itself failed. */
static void enter_panic(void)
{
    u32 me = smp_processor_id() + 1, expected = 0;

    irq_disable();
    preempt_disable();
    if (__atomic_compare_exchange_n(&panic_cpu, &expected, me, false, __ATOMIC_SEQ_CST,
                                    __ATOMIC_SEQ_CST))
        return;
    if (expected == me) {
        console_break_lock();
        pr_err("\nFault inside the panic report\n");
        arch_machine_exit(MACHINE_PANIC);
    }
    arch_halt();
}

static __noreturn void report(const struct pt_regs *regs, const char *fmt, va_list ap)
{
    static char text[256];
    const struct task *t = current;

    arch_stop_other_cpus();
    console_break_lock();
    vsnprintf(text, sizeof(text), fmt, ap);
    pr_err("\nKERNEL PANIC: %s\n", text);
    if (t)
        pr_err("CPU %u, task %d (%s)\n", smp_processor_id(), t->tid, t->comm);
    else
        pr_err("CPU %u, no task yet\n", smp_processor_id());
    if (regs)
        arch_show_regs(regs);
    show_backtrace(regs);
    arch_show_last_fault();
    arch_machine_exit(MACHINE_PANIC);
}

void panic(const char *fmt, ...)
{
    va_list ap;

    enter_panic();
    va_start(ap, fmt);
    report(NULL, fmt, ap);
}

void panic_regs(const struct pt_regs *regs, const char *fmt, ...)
{
    va_list ap;

    enter_panic();
    va_start(ap, fmt);
    report(regs, fmt, ap);
}
