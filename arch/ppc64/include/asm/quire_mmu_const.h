/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu_const.h: ppc64's fixed addresses, the same for the hash table and the radix tree.
 *
 *   0                    .. user_top()           user: 64 TiB with hash, 4 PiB with radix
 *   DIRECT_MAP_START     .. + 1 TiB              all physical memory; the image is a part of it
 *   VMALLOC_START        .. VMALLOC_END          vmalloc, stacks, ioremap: one segment of 1 TiB
 *
 * Real mode ignores the top four address bits, so the direct map's addresses are valid before the
 * MMU is on, and in interrupt handlers that run without it. Source: Power ISA 3.0B Book III section
 * 5.7.3 (real mode), 5.7.5.1 (quadrants).
 */
#pragma once
#include <kernel/types.h>

#define DIRECT_MAP_START 0xc000000000000000UL
#define KERNEL_BASE      DIRECT_MAP_START
#define VMALLOC_START    0xc000200000000000UL
#define VMALLOC_END      (VMALLOC_START + (1UL << 40))

/* Without an address hint, mappings stay below this, with either MMU. */
#define USER_WINDOW_TOP ((1UL << 46) - PAGE_SIZE)

extern vaddr_t ppc_user_top; /* set once at boot */

/* End of the user half. The last page stays unused, so that the end of an area is below it. */
static inline vaddr_t user_top(void)
{
    return ppc_user_top;
}

static inline void *phys_to_virt(paddr_t pa)
{
    return (void *)(pa | DIRECT_MAP_START);
}

/* Of an address in the direct map, to which the kernel image belongs. */
static inline paddr_t virt_to_phys(const void *p)
{
    return (vaddr_t)p & ~DIRECT_MAP_START;
}
