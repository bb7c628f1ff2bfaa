/* SPDX-License-Identifier: MIT */
/*
 * bootinfo.h: the one structure in which every boot path hands over what the firmware and the
 * loader said.
 *
 * It holds copies, no pointers into loader memory: after bootinfo_finish() only the kernel image,
 * the initramfs and what the map calls reserved must be left alone.
 */
#pragma once
#include <kernel/types.h>

enum boot_range_kind {
    BOOT_RAM,      /* free for use */
    BOOT_ACPI,     /* firmware tables; may be reused after they were read */
    BOOT_RESERVED, /* anything else */
};

struct boot_range {
    paddr_t base;
    u64 len;
    enum boot_range_kind kind;
};

#define BOOT_MAX_RANGES  64
#define BOOT_CMDLINE_LEN 2048
#define BOOT_RSDP_LEN    36

struct bootinfo {
    /* Sorted, not overlapping, no empty range; RAM is whole pages. */
    struct boot_range map[BOOT_MAX_RANGES];
    unsigned int nr_ranges;
    unsigned int nr_dropped;          /* ranges that found no place */
    char cmdline[BOOT_CMDLINE_LEN];   /* terminated; cmdline_truncated when it was longer */
    bool cmdline_truncated;
    paddr_t initrd_base;              /* len 0 when there is none */
    u64 initrd_len;
    paddr_t rsdp;                     /* of the ACPI root pointer, 0 when only a copy came */
    u8 rsdp_copy[BOOT_RSDP_LEN];      /* valid when rsdp_copy_len is not 0 */
    unsigned int rsdp_copy_len;
    paddr_t kernel_start, kernel_end; /* the image with .bss */
    const char *loader;               /* name of the boot path, for the log */
};

/* Adds one range as the firmware names it, in any order, overlapping or not. */
void bootinfo_add_range(paddr_t base, u64 len, enum boot_range_kind kind);
/*
 * Sorts and untangles what was added into @bi->map; where ranges overlap, the larger kind wins.
 * Call once.
 */
void bootinfo_finish(struct bootinfo *bi);
/* Copies a command line of unknown length from loader memory. */
void bootinfo_set_cmdline(struct bootinfo *bi, const char *s, size_t max_len);
/*
 * Is @word among the blank-separated words of the command line? For decisions before the parameters
 * are parsed.
 */
bool bootinfo_has_option(const struct bootinfo *bi, const char *word);
/*
 * The machine-independent start: everything from here on is kernel/main.c. Runs on the boot CPU,
 * interrupts off.
 */
__noreturn void kernel_main(struct bootinfo *bi);
