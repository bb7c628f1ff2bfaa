/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu_const.h: x86-64's fixed addresses. The kernel's half lies in the top 128 TiB, so that
 * the same addresses hold with four and with five levels. Source: Intel SDM volume 3 section
 * 3.3.7.1 (canonical addresses), 4.5.
 *
 *   0                    .. user_top()           user
 *   DIRECT_MAP_START     .. + 64 TiB             all physical memory
 *   VMALLOC_START        .. VMALLOC_END          vmalloc, stacks, ioremap (one entry of level 3)
 *   KERNEL_BASE          .. + 2 GiB              the kernel image, at its physical address
 */
#pragma once
#include <kernel/types.h>

#define DIRECT_MAP_START 0xffff888000000000UL
#define VMALLOC_START    0xffffc90000000000UL
#define VMALLOC_END      0xffffc98000000000UL
#define KERNEL_BASE      0xffffffff80000000UL

/* Without an address hint, mappings stay below this also where the CPU has five levels: programs
 * keep tags above bit 47. */
#define USER_WINDOW_TOP  ((1UL << 47) - PAGE_SIZE)

extern vaddr_t x86_user_top; /* set once at boot */

/* End of the user half. The last page below the hole stays unused: sysret faults on a return
 * address in it. */
static inline vaddr_t user_top(void)
{
    return x86_user_top;
}

static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(pa + DIRECT_MAP_START);
}

/* Of an address in the direct map or in the kernel image. */
static inline paddr_t virt_to_phys(const void *p)
{
    vaddr_t va = (vaddr_t)p;

    return va >= KERNEL_BASE ? va - KERNEL_BASE : va - DIRECT_MAP_START;
}
