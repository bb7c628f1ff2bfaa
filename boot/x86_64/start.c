/* SPDX-License-Identifier: MIT */
/*
 * start.c: the first C code: asks the right parser for the boot information and decides on the
 * paging depth.
 *
 * It does not print (the console comes later) except that it stops with a message when the loader's
 * data make no sense. No locks: boot CPU, interrupts off. Read next: multiboot2.c, pvh.c, then
 * kernel/main.c.
 */
#include <boot/x86_64/boot.h>
#include <asm/quire_cpu.h>
#include <kernel/sections.h>

static struct bootinfo boot_info;

/* Straight to the first serial port: nothing else works yet. */
static __noreturn void boot_fail(const char *why)
{
    for (; *why != '\0'; why++)
        outb(0x3f8, (u8)*why);
    for (;;)
        __asm__ volatile("cli; hlt");
}

/* Source: SDM volume 2, CPUID leaf 7: ECX bit 16 is LA57. */
static bool cpu_has_la57(void)
{
    return cpuid(0, 0).eax >= 7 && (cpuid(7, 0).ecx & (1u << 16)) != 0;
}

/* An initramfs that is not wholly in RAM, or that the kernel image lies on, is worse than none. */
static void check_initrd(struct bootinfo *bi)
{
    if (bi->initrd_len == 0)
        return;
    u64 start = bi->initrd_base, end = start + bi->initrd_len;
    bool bad = end < start || end > BOOT_MAPPED ||
               (start < bi->kernel_end && end > bi->kernel_start);

    if (bad) {
        bi->initrd_base = 0;
        bi->initrd_len = 0;
    }
}

__noreturn void boot_start(u32 magic, u32 info)
{
    struct bootinfo *bi = &boot_info;
    const u32 *first_word = boot_ptr(info, sizeof(u32));
    bool ok;

    /* EAX says nothing under PVH; some firmware leaves another protocol's magic in it. */
    if (first_word && *first_word == PVH_START_MAGIC)
        ok = pvh_parse(bi, info);
    else if (magic == MULTIBOOT2_BOOTLOADER_MAGIC)
        ok = multiboot2_parse(bi, info);
    else
        boot_fail("Quire: started by an unknown loader; it needs multiboot2 or PVH\r\n");
    if (!ok)
        boot_fail("Quire: the loader's boot information is malformed\r\n");

    bi->kernel_start = (paddr_t)__kernel_start - KERNEL_LINK_OFFSET;
    bi->kernel_end = (paddr_t)__kernel_end - KERNEL_LINK_OFFSET;
    check_initrd(bi);
    bootinfo_finish(bi);
    if (bi->nr_ranges == 0)
        boot_fail("Quire: the loader gave no memory map\r\n");
    if (cpu_has_la57() && !bootinfo_has_option(bi, "la57=off"))
        boot_enable_la57();
    kernel_main(bi);
}
