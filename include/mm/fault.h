/* SPDX-License-Identifier: MIT */
/* fault.h: what arch's page-fault handlers call. Results and steps: pt_ops.h, mm/fault.c. */
#pragma once
#include <arch/mmu.h>

/* True: handled. False: the access cannot succeed; a user has a signal queued, who came from the
 * kernel looks for a fixup. */
bool mm_fault(const struct fault_info *fi);
