# SPDX-License-Identifier: MIT
# What the Makefile must know about x86-64.

CROSS        :=
FIRMWARES    := bios uefi direct
MMUS         :=
MKRESCUE     := 1
UAPI_LINUX   := /usr/include/linux
UAPI_GENERIC := /usr/include/asm-generic
UAPI_ASM     := /usr/include/x86_64-linux-gnu/asm

# general-regs-only: the vector registers belong to user programs and are saved at a context switch only.
ARCH_CFLAGS  := -m64 -mcmodel=kernel -mno-red-zone -mgeneral-regs-only -fno-pic -fno-pie -fcf-protection=none \
                -mpreferred-stack-boundary=3 -fno-stack-protector -fno-asynchronous-unwind-tables
ARCH_CFLAGS_RELEASE := -momit-leaf-frame-pointer
ARCH_ASFLAGS := -m64 -fno-pic -fno-pie
ARCH_LDFLAGS := -m elf_x86_64 -no-pie -z max-page-size=4096
# Loaded at 16 MiB: UEFI firmware keeps its own tables below, GRUB does not notice an overlap.
ARCH_LDS_DEFS := -DKERNEL_LINK_OFFSET=0xffffffff80000000 -DKERNEL_LOAD_ADDRESS=0x1000000 -DPAGE_BYTES=4096 \
                 -DKERNEL_ENTRY=boot_entry

# Runs before the console, on addresses that a fault could not be reported from.
ARCH_NO_UBSAN := boot/x86_64/multiboot2.c boot/x86_64/pvh.c

# The compiler of the programs in user/: small static ones.
USER_CC      := musl-gcc -static

# As Linux's figures were taken: see bench/linux-baseline.md.
ARCH_BENCH_CFLAGS := -mgeneral-regs-only -mno-red-zone
BENCH_CPU    := max,-erms,-la57
