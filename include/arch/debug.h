/* SPDX-License-Identifier: MIT */
/*
 * arch/debug.h: contract for what a panic and the test runner need from the machine.
 * arch/ARCH/kernel implements.
 */
#pragma once
#include <kernel/types.h>

struct pt_regs;

/* Prints the registers of an interrupted context, and the control registers that matter. */
void arch_show_regs(const struct pt_regs *regs);
/*
 * Prints what this CPU's last memory fault was: address, cause, the entry that maps it. Nothing
 * when there was none.
 */
void arch_show_last_fault(void);
/*
 * Fills @pc with return addresses, innermost first; returns how many. @regs names the context, NULL
 * the caller's own. Follows frame pointers, touches no unmapped memory.
 */
unsigned int arch_backtrace(const struct pt_regs *regs, unsigned long *pc, unsigned int max);

/* Other CPUs stop where they are, also with interrupts off; waits a bounded time. For panic. */
void arch_stop_other_cpus(void);

enum machine_exit { MACHINE_PASS, MACHINE_FAIL, MACHINE_PANIC };
/*
 * Ends the emulator with a status that a test runner can tell apart (QEMU: 33 pass, 35 fail, 37
 * panic); halts for ever where nobody listens.
 */
__noreturn void arch_machine_exit(enum machine_exit how);
/* Interrupts off, this CPU stops for good. */
__noreturn void arch_halt(void);
