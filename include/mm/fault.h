/* SPDX-License-Identifier: MIT */
/* fault.h: what arch's page-fault handlers call. Results and steps: pt_ops.h, mm/fault.c. */
#pragma once
#include <arch/mmu.h>

/* True: handled, or a signal was queued for the user. False: a kernel-mode access that cannot
 * succeed. */
bool mm_fault(const struct fault_info *fi);
