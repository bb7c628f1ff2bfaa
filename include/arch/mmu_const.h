/* SPDX-License-Identifier: MIT */
/*
 * arch/mmu_const.h: contract for fixed addresses. <asm/quire_mmu_const.h> provides:
 *   void *phys_to_virt(paddr_t)          in the direct map
 *   paddr_t virt_to_phys(const void *)   of an address in the direct map or the kernel image
 *   vaddr_t user_top(void)               end of the user half for this boot
 *   USER_WINDOW_TOP                      below it lie mappings without an address hint
 *   DIRECT_MAP_START, VMALLOC_START, VMALLOC_END, KERNEL_BASE
 */
#pragma once
#include <kernel/types.h>
#include <asm/quire_mmu_const.h>
