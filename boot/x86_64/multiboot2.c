/* SPDX-License-Identifier: MIT */
/*
 * multiboot2.c: reads what GRUB hands over: a list of tags.
 * Source: Multiboot2 Specification version 2.0, section 3.6 (boot information format).
 * A tag that does not fit into the structure's own length ends the walk with a failure. The
 * structure and the modules lie in memory that the map calls usable: the caller copies what it
 * keeps. Read next: boot/bootinfo.c.
 */
#include <boot/x86_64/boot.h>
#include <kernel/string.h>

struct mb2_info {
    u32 total_size;
    u32 reserved;
};

struct mb2_tag {
    u32 type;
    u32 size; /* with this header, without the padding to 8 bytes */
};

struct mb2_module {
    struct mb2_tag tag;
    u32 start, end;
};

struct mb2_mmap {
    struct mb2_tag tag;
    u32 entry_size, entry_version;
};

struct mb2_mmap_entry {
    u64 addr, len;
    u32 type, reserved;
};

enum {
    TAG_END = 0, TAG_CMDLINE = 1, TAG_MODULE = 3, TAG_MMAP = 6, TAG_ACPI_OLD = 14, TAG_ACPI_NEW = 15
};
enum { MB2_RAM = 1, MB2_ACPI = 3 };

static bool parse_mmap(const struct mb2_tag *tag)
{
    const struct mb2_mmap *m = (const void *)tag;
    const u8 *p = (const u8 *)(m + 1), *end = (const u8 *)tag + tag->size;

    if (tag->size < sizeof(*m) || m->entry_size < sizeof(struct mb2_mmap_entry))
        return false;
    for (; (size_t)(end - p) >= m->entry_size; p += m->entry_size) {
        const struct mb2_mmap_entry *e = (const void *)p;

        bootinfo_add_range(e->addr, e->len,
                           e->type == MB2_RAM    ? BOOT_RAM
                           : e->type == MB2_ACPI ? BOOT_ACPI
                                                 : BOOT_RESERVED);
    }
    return true;
}

static bool parse_tag(struct bootinfo *bi, const struct mb2_tag *tag)
{
    const struct mb2_module *module = (const void *)tag;
    size_t body = tag->size - sizeof(*tag);

    switch (tag->type) {
    case TAG_CMDLINE:
        bootinfo_set_cmdline(bi, (const char *)(tag + 1), body);
        return true;
    case TAG_MODULE: /* the first one is the initramfs */
        if (tag->size < sizeof(*module) || module->end < module->start)
            return false;
        if (bi->initrd_len == 0) {
            bi->initrd_base = module->start;
            bi->initrd_len = module->end - module->start;
        }
        return true;
    case TAG_MMAP:
        return parse_mmap(tag);
    case TAG_ACPI_OLD:
    case TAG_ACPI_NEW: /* the newer one is longer and replaces the other */
        if (body > bi->rsdp_copy_len) {
            bi->rsdp_copy_len = (unsigned int)min(body, (size_t)BOOT_RSDP_LEN);
            memcpy(bi->rsdp_copy, tag + 1, bi->rsdp_copy_len);
        }
        return true;
    default:
        return true;
    }
}

bool multiboot2_parse(struct bootinfo *bi, u64 pa)
{
    const struct mb2_info *info = boot_ptr(pa, sizeof(*info));

    if (!info || info->total_size < sizeof(*info) || !boot_ptr(pa, info->total_size))
        return false;
    bi->loader = "multiboot2";
    for (u32 at = sizeof(*info); info->total_size - at >= sizeof(struct mb2_tag);) {
        const struct mb2_tag *tag = (const void *)((const u8 *)info + at);

        if (tag->size < sizeof(*tag) || tag->size > info->total_size - at)
            return false;
        if (tag->type == TAG_END)
            return true;
        if (!parse_tag(bi, tag))
            return false;
        if (ALIGN_UP(tag->size, 8u) > info->total_size - at)
            break;
        at += ALIGN_UP(tag->size, 8u);
    }
    return true;
}
