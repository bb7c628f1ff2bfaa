/* SPDX-License-Identifier: MIT */
/*
 * quire_mmu_const.h: the host's fixed addresses. "Physical memory" is a file in memory that is
 * mapped at host_direct_map; the window for kernel mappings is a reserved range of the program
 * (tests/host/fake/memory.c makes both).
 */
#pragma once
#include <kernel/types.h>

extern char *host_direct_map;
extern vaddr_t host_vmalloc_start;

#define HOST_VMALLOC_SIZE MIB(64)
#define VMALLOC_START host_vmalloc_start
#define VMALLOC_END   (host_vmalloc_start + HOST_VMALLOC_SIZE)
#define KERNEL_BASE   (~0UL << 31)

#define USER_WINDOW_TOP ((1UL << 47) - PAGE_SIZE)

static inline vaddr_t user_top(void)
{
    return USER_WINDOW_TOP;
}

static inline void *phys_to_virt(paddr_t pa)
{
    return host_direct_map + pa;
}

static inline paddr_t virt_to_phys(const void *p)
{
    return (paddr_t)((const char *)p - host_direct_map);
}
