/* SPDX-License-Identifier: MIT */
/*
 * arch/setup.h: contract between kernel/main.c's boot order and the machine. Boot CPU, interrupts
 * off until the end.
 */
#pragma once
#include <kernel/types.h>

struct bootinfo;

/*
 * First step: a console that works, CPU features, exceptions that panic with a report, the clock.
 * No memory is allocated.
 */
void arch_setup_early(const struct bootinfo *bi);
/* Early view ends here: what firmware tables said is read now. Before mmu_boot_map. */
void arch_setup_firmware(const struct bootinfo *bi);
/* With slab and vmalloc: interrupt controllers, timer, FPU, system calls. */
void arch_setup_devices(void);
/* Console input may arrive from now on: the terminal exists. */
void arch_setup_console_input(void);
/* syscall_table is filled: what the machine's entry code needs in front of some calls. */
void arch_setup_syscalls(void);
/* Lowest address of RAM that the page allocator may have; what lies below belongs to arch. */
paddr_t arch_first_usable(void);
/* Physical memory below this address is visible before mmu_boot_map. */
paddr_t arch_early_limit(void);
/* Continues with fn() on another stack, whose highest address is @top; the old one is forgotten. */
__noreturn void arch_continue_on_stack(unsigned long top, void (*fn)(void));
/* For the log: "x86-64". */
const char *arch_name(void);
