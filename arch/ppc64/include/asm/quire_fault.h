/* SPDX-License-Identifier: MIT */
/*
 * quire_fault.h: what the exception code of arch/ppc64/kernel asks of arch/ppc64/mm besides the
 * seam. README.md of this folder says in which state the CPU is.
 */
#pragma once
#include <kernel/types.h>

/* In fault_info.flags: mm_fault has answered the fault; mmu_refill then also enters what it has
 * mapped around a read's address. */
#define PPC_FAULT_ANSWERED (1u << 16)

/*
 * Loads the segment of @ea into this CPU's segment table. 0, or -EFAULT when the address has none.
 * Real mode, interrupts off, its own small stack: no locks, no output, direct map and image only.
 */
int ppc_slb_miss(vaddr_t ea);
