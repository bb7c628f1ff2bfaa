# SPDX-License-Identifier: MIT
# What the Makefile must know about ppc64.

CROSS        := powerpc64-linux-gnu-
FIRMWARES    := direct flat
MMUS         := hash radix
MKRESCUE     :=
UAPI_ROOT    := /usr/powerpc64-linux-gnu/include
UAPI_LINUX   := $(UAPI_ROOT)/linux
UAPI_GENERIC := $(UAPI_ROOT)/asm-generic
UAPI_ASM     := $(UAPI_ROOT)/asm

# No floating point or vector registers: they belong to user programs and are saved at a context switch only.
ARCH_CFLAGS  := -m64 -mbig-endian -mabi=elfv2 -mcpu=power8 -mno-altivec -mno-vsx -msoft-float -mcmodel=medium \
                -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -include arch/ppc64/include/asm/quire_hidden.h
# Backtraces follow the back chain that the ABI demands, without a frame pointer.
ARCH_CFLAGS_RELEASE := -fomit-frame-pointer
ARCH_ASFLAGS := -m64 -mbig-endian -mabi=elfv2 -mcpu=power8 -Wa,-mregnames
ARCH_LDFLAGS := -m elf64ppc -z max-page-size=65536
# At 0: the exception vectors are the first bytes of the image. Segments in units of the hash MMU's kernel pages.
ARCH_LDS_DEFS := -DKERNEL_LINK_OFFSET=0xc000000000000000 -DKERNEL_LOAD_ADDRESS=0 -DPAGE_BYTES=65536 \
                 -DKERNEL_ENTRY=boot_entry

# Alignment is looked at on x86-64, which runs the same code: a test at each access is a third of the debug kernel's text.
ARCH_UBSAN   := -fno-sanitize=alignment

# Runs before the console, on addresses that a fault could not be reported from.
ARCH_NO_UBSAN :=

# The flat image, which QEMU starts in place of a firmware, and the shim for -kernel.
ARCH_IMAGES  := $(B)/quire.bin $(B)/shim.bin

# As Linux's figures were taken: see bench/linux-baseline.md. Huge pages of the hash MMU are of 16 MiB.
ARCH_BENCH_CFLAGS    := -mcpu=power8 -msoft-float -mno-altivec -mno-vsx
BENCH_HUGEPAGES_hash := 4
