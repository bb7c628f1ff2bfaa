/* SPDX-License-Identifier: MIT */
/*
 * start.c: the first C code, in real mode: finds the device tree, has it read, goes on to
 * kernel_main.
 *
 * No locks: boot CPU, interrupts off. Read next: platform.c, then kernel/main.c.
 */
#include <arch/mmu_const.h>
#include <asm/quire_hcall.h>
#include <asm/quire_platform.h>
#include <boot/ppc64/boot.h>
#include <kernel/sections.h>
#include <kernel/string.h>

#define FDT_MAX_BYTES MIB(2)
/* The loader's tree: below this address, as real mode and a 32-bit loader reach it. */
#define FDT_LIMIT GIB(4)

static struct bootinfo boot_info;

/* Straight to the default terminal: nothing else works yet. */
static void early_puts(const char *s)
{
    for (; *s != '\0'; s++)
        (void)hcall(H_PUT_TERM_CHAR, 0, 1, (unsigned long)(u8)*s << 56, 0);
}

static __noreturn void boot_fail(const char *why, const char *what)
{
    early_puts("Quire: ");
    early_puts(why);
    early_puts(what);
    early_puts("\r\n");
    for (;;)
        (void)hcall(H_CEDE, 0, 0, 0, 0);
}

/* An initramfs that the image lies on is worse than none. */
static void check_initrd(struct bootinfo *bi)
{
    u64 start = bi->initrd_base, end = start + bi->initrd_len;

    if (bi->initrd_len != 0 && (end < start || start < bi->kernel_end)) {
        bi->initrd_base = 0;
        bi->initrd_len = 0;
    }
}

__noreturn void boot_start(u64 fdt, u64 of_entry, paddr_t loaded_at)
{
    struct bootinfo *bi = &boot_info;
    const char *missing;
    struct fdt f;

    if (of_entry != 0)
        boot_fail("started by Open Firmware; it wants a device tree: ",
                  "give QEMU -bios shim.bin beside -kernel, or -bios quire.bin");
    if (fdt == 0 || fdt >= FDT_LIMIT || !fdt_open(&f, phys_to_virt(fdt), FDT_MAX_BYTES))
        boot_fail("there is no device tree at the address in r3", "");
    bi->loader = "a device tree";
    missing = platform_parse(bi, &f, loaded_at);
    if (missing)
        boot_fail("the device tree lacks ", missing);
    bi->kernel_start = virt_to_phys(__kernel_start);
    bi->kernel_end = virt_to_phys(__kernel_end);
    check_initrd(bi);
    bootinfo_finish(bi);
    kernel_main(bi);
}
