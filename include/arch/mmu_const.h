/* SPDX-License-Identifier: MIT */
/*
 * arch/mmu_const.h: contract for fixed addresses. <asm/quire_mmu_const.h> provides:
 *   void *phys_to_virt(paddr_t)       direct map;  paddr_t virt_to_phys(const void *) direct map or
 * kernel image USER_TOP (end of user half for this boot, function-like when it varies: user_top()),
 * VMALLOC_START, VMALLOC_END, KERNEL_BASE
 */
#pragma once
#include <kernel/types.h>
#include <asm/quire_mmu_const.h>
