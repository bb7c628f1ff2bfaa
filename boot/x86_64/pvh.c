/* SPDX-License-Identifier: MIT */
/*
 * pvh.c: reads what QEMU's -kernel hands over (struct hvm_start_info).
 * Source: Xen, "x86/HVM direct boot ABI", public header arch-x86/hvm/start_info.h, version 1 of the
 * structure. Every pointer is checked against the early map before use. Read next: boot/bootinfo.c.
 */
#include <boot/x86_64/boot.h>

struct pvh_start_info {
    u32 magic;
    u32 version;
    u32 flags;
    u32 nr_modules;
    u64 modules;
    u64 cmdline;
    u64 rsdp;
    u64 memmap;         /* from version 1 on */
    u32 memmap_entries;
    u32 reserved;
};

struct pvh_module {
    u64 paddr, size, cmdline, reserved;
};

struct pvh_memmap_entry {
    u64 addr, size;
    u32 type, reserved; /* types as in E820 */
};

#define E820_RAM  1
#define E820_ACPI 3
#define MAX_ENTRIES 1024

bool pvh_parse(struct bootinfo *bi, u64 pa)
{
    const struct pvh_start_info *si = boot_ptr(pa, sizeof(*si));

    if (!si || si->version < 1 || si->memmap_entries > MAX_ENTRIES)
        return false;
    const struct pvh_memmap_entry *e = boot_ptr(si->memmap, si->memmap_entries * sizeof(*e));

    if (!e)
        return false;
    for (u32 i = 0; i < si->memmap_entries; i++)
        bootinfo_add_range(e[i].addr, e[i].size,
                           e[i].type == E820_RAM    ? BOOT_RAM
                           : e[i].type == E820_ACPI ? BOOT_ACPI
                                                    : BOOT_RESERVED);
    const char *cmdline = boot_ptr(si->cmdline, 1);

    if (cmdline)
        bootinfo_set_cmdline(bi, cmdline, BOOT_MAPPED - si->cmdline);
    const struct pvh_module *module = boot_ptr(si->modules, sizeof(*module));

    if (si->nr_modules > 0 && module) {
        bi->initrd_base = module->paddr;
        bi->initrd_len = module->size;
    }
    bi->rsdp = si->rsdp;
    bi->loader = "PVH";
    return true;
}
