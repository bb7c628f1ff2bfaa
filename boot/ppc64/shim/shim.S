/* SPDX-License-Identifier: MIT */
/*
 * shim.S: stands in for the firmware when QEMU loads the kernel's ELF file itself (-bios shim.bin
 * -kernel quire.elf -append ... -initrd ...). The CPU starts at 0x100 with the device tree's
 * address in r3; QEMU has put the image at 4 MiB. An image of its own, not part of the kernel.
 */
    .text
    . = 0x100
    lis 12, 0x40
    mtctr 12
    bctr
