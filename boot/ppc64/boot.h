/* SPDX-License-Identifier: MIT */
/*
 * boot.h: private to boot/ppc64 and the CPU start-up code of arch/ppc64: the entry from the loader
 * and from RTAS.
 */
#pragma once

/* Vectors, translated vectors and the code before the jump to C lie below this address. */
#define BOOT_HEAD_BYTES 0x8000
/* Where interrupts go with translation on, less the vector's number. AIL 3. */
#define AIL_OFFSET 0x4000
#define BOOT_STACK_SIZE 16384

#ifndef __ASSEMBLY__
#include <boot/bootinfo.h>
#include <kernel/fdt.h>

/*
 * Fills @bi and ppc_platform from the device tree. NULL, or what is missing that the kernel cannot
 * do without. @loaded_at: where the image was put before it copied itself to 0; 0: there at once.
 */
const char *platform_parse(struct bootinfo *bi, const struct fdt *f, paddr_t loaded_at);

/* boot.S */
extern u32 reset_vector[];          /* at 0x100: the entry, later the branch to nmi_entry */
extern char boot_stack[], boot_stack_top[];
void nmi_entry(void);
/* What RTAS starts a CPU with: real mode, its number in r3. */
void secondary_entry(void);
/*
 * start.c: called by boot.S in real mode. @fdt: physical; @of_entry: not 0 when Open Firmware runs;
 * @loaded_at as above.
 */
__noreturn void boot_start(u64 fdt, u64 of_entry, paddr_t loaded_at);
#endif
