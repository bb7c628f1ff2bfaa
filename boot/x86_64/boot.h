/* SPDX-License-Identifier: MIT */
/*
 * boot.h: private to boot/x86_64 and the CPU start-up code of arch/x86_64: the two boot protocols
 * and the early tables.
 */
#pragma once

/*
 * Where the early page tables show the first 4 GiB: at 0, at this address, and 2 GiB of it at the
 * kernel's own.
 */
#define BOOT_DIRECT_MAP 0xffff888000000000
#define BOOT_MAPPED     0x100000000
#define KERNEL_LINK_OFFSET 0xffffffff80000000

#define MULTIBOOT2_BOOTLOADER_MAGIC 0x36d76289
#define PVH_START_MAGIC             0x336ec578

#ifndef __ASSEMBLY__
#include <boot/bootinfo.h>

/*
 * Early view of physical memory, NULL unless all of [pa, pa+len) is below 4 GiB and does not wrap.
 */
static inline void *boot_ptr(u64 pa, u64 len)
{
    if (pa == 0 || pa >= BOOT_MAPPED || len > BOOT_MAPPED - pa)
        return NULL;
    return (void *)(BOOT_DIRECT_MAP + pa);
}

/* Each fills @bi from the loader's structure at @pa; false when it is malformed. */
bool multiboot2_parse(struct bootinfo *bi, u64 pa);
bool pvh_parse(struct bootinfo *bi, u64 pa);

/*
 * boot.S. Turns paging off and on again with five levels; runs on the identity map, keeps the
 * stack.
 */
void boot_enable_la57(void);
/* First C code; @magic is what the loader left in EAX, @info in EBX. */
__noreturn void boot_start(u32 magic, u32 info);

/* Tables that map low memory one to one: what a CPU that starts in real mode uses first. */
extern char boot_pml4[], boot_pml5[];
#endif
