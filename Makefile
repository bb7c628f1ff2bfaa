# SPDX-License-Identifier: MIT
#
# Builds Quire, runs it in QEMU and tests it. `make help` lists what there is.
#
# Non-recursive: every rule of the kernel is in this file, arch/$(ARCH)/arch.mk (compiler flags and QEMU's
# name) and user/user.mk (the programs in the initramfs). A second make runs only to build the other flavour.

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

# ---- what is built -------------------------------------------------------------------------------------------------

ARCH ?= x86_64
ARCHES := $(patsubst arch/%/arch.mk,%,$(wildcard arch/*/arch.mk))
ifeq ($(filter $(ARCH),$(ARCHES)),)
$(error ARCH=$(ARCH) is not known. There is: $(ARCHES))
endif

# A goal below build/x86_64-debug/ asks for the debug flavour by its name.
ifneq ($(findstring -debug/,$(MAKECMDGOALS)),)
DEBUG := 1
endif
DEBUG ?= 0
ifeq ($(filter $(DEBUG),0 1),)
$(error DEBUG=$(DEBUG) is not known. There is: 0 1)
endif
FLAVOUR := $(if $(filter 1,$(DEBUG)),-debug)
B := build/$(ARCH)$(FLAVOUR)
USER_B := build/$(ARCH)# the programs are the same for both flavours

# ---- how it is run -------------------------------------------------------------------------------------------------

MMU      ?=
CPU      ?=
SMP      ?= 2
MEM      ?= 256M
APPEND   ?=
INITRD   ?=
DISK     ?=
T        ?=
GDB      ?= 0
ACCEL    ?= tcg

include arch/$(ARCH)/arch.mk
FIRMWARE ?= $(firstword $(FIRMWARES))

ifeq ($(filter $(FIRMWARE),$(FIRMWARES)),)
$(error FIRMWARE=$(FIRMWARE) is not known on $(ARCH). There is: $(FIRMWARES))
endif
ifneq ($(MMU),)
ifeq ($(filter $(MMU),$(MMUS)),)
$(error MMU=$(MMU) is not known on $(ARCH). There is: $(if $(MMUS),$(MMUS),no choice, leave MMU out))
endif
endif
ifeq ($(filter $(ACCEL),tcg kvm),)
$(error ACCEL=$(ACCEL) is not known. There is: tcg kvm)
endif
ifneq ($(INITRD),)
ifeq ($(wildcard $(INITRD)),)
$(error INITRD=$(INITRD): there is no such file. Give the path of a newc cpio archive, or leave INITRD out)
endif
endif

# ---- compiler ------------------------------------------------------------------------------------------------------

CC      := $(CROSS)gcc
LD      := $(CROSS)ld
NM      := $(CROSS)nm
OBJCOPY := $(CROSS)objcopy
PYTHON  := python3

WARNINGS := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wvla -Wundef -Wpointer-arith \
            -Wwrite-strings -Wno-unused-parameter -Wno-sign-compare -Wno-missing-field-initializers
INCLUDES := -nostdinc -Iinclude -Iarch/$(ARCH)/include -I. \
            -isystem $(shell $(CC) -print-file-name=include 2>/dev/null) -isystem $(B)/uapi
CFLAGS   := -std=gnu11 -O2 -g -ffreestanding -fno-strict-aliasing -fno-omit-frame-pointer -fno-common \
            -fno-delete-null-pointer-checks -ffile-prefix-map=$(CURDIR)/= $(ARCH_CFLAGS) $(WARNINGS) $(INCLUDES)
ASFLAGS  := -g -D__ASSEMBLY__ $(ARCH_ASFLAGS) $(INCLUDES) -I$(B)/gen
LDFLAGS  := -nostdlib -static --build-id=none -z noexecstack $(ARCH_LDFLAGS)
# Without runtime or before it is up, and where the debug kernel only fills and compares whole frames: no instrumentation.
NO_UBSAN := kernel/ubsan.c mm/page_poison.c lib/memchr_inv.c $(ARCH_NO_UBSAN)
ifeq ($(DEBUG),1)
CFLAGS += -DCONFIG_DEBUG=1
ASFLAGS += -DCONFIG_DEBUG=1
# User pointers may wrap: the uaccess functions judge them, not the arithmetic. A null pointer is the MMU's to find: nothing
# is mapped there, and a test of each pointer is an eighth of the kernel. The instrumentation makes gcc see paths that do
# not exist, so warnings about paths stay with the release flavour.
UBSAN  := -fsanitize=undefined -fno-sanitize=pointer-overflow,null $(ARCH_UBSAN) -Wno-array-bounds -Wno-stringop-overflow \
          -Wno-maybe-uninitialized
else
CFLAGS += $(ARCH_CFLAGS_RELEASE)
endif

# ---- sources -------------------------------------------------------------------------------------------------------

SRCS := $(wildcard kernel/*.c kernel/*/*.c mm/*.c mm/*/*.c fs/*.c fs/*/*.c drivers/*.c drivers/*/*.c lib/*.c boot/*.c boot/$(ARCH)/*.[cS] \
                   arch/$(ARCH)/kernel/*.[cS] arch/$(ARCH)/mm/*.[cS])
ifeq ($(DEBUG),1)
SRCS += $(filter-out $(patsubst %,tests/kernel/%/%.c,$(filter-out $(ARCH),$(ARCHES))),$(wildcard tests/kernel/*/*.c))
endif
OBJS := $(patsubst %,$(B)/obj/%.o,$(basename $(SRCS)))

.PHONY: all kernel iso run test stress sweep gigantic mutants debug bench bench-frag bench-share conformance lmdb check help doctor deps clean FORCE
all: kernel $(USER_B)/initrd.cpio compile_commands.json
kernel: $(B)/quire.elf $(ARCH_IMAGES)

# The initramfs: user/user.mk says how $(USER_B)/initrd.cpio is made.
-include user/user.mk
# `make model` checks the protocols' models.
-include models/models.mk

# The part of Linux's UAPI headers that kernel code may include, and nothing else of the C library's directory.
UAPI := $(B)/uapi/.stamp
$(UAPI): Makefile arch/$(ARCH)/arch.mk
	@mkdir -p $(@D)
	@test -e $(UAPI_ASM)/unistd.h || { echo "Linux's headers are missing: run make deps" >&2; exit 1; }
	@ln -sfn $(UAPI_LINUX) $(@D)/linux
	@ln -sfn $(UAPI_GENERIC) $(@D)/asm-generic
	@ln -sfn $(UAPI_ASM) $(@D)/asm
	@touch $@

# Objects depend on the flags, so that another APPEND does not rebuild and another -O does. Where the tree is does not
# matter: a copy of it (tests/mutants) begins with the objects that are there.
FLAGS_FILE := $(B)/flags
FLAGS_TEXT := $(subst $(CURDIR)/,./,$(CC) $(CFLAGS) $(UBSAN) $(ASFLAGS))
$(shell mkdir -p $(B); echo '$(FLAGS_TEXT)' | cmp -s - $(FLAGS_FILE) || echo '$(FLAGS_TEXT)' > $(FLAGS_FILE))

# gcc would turn the loop inside strlen into a call of strlen.
$(B)/obj/lib/string.o: CFLAGS += -fno-tree-loop-distribute-patterns

# Another row PT_EXPERIMENT: make EXPERIMENT=path/to/row.c. mm/pt_ops.c includes the file.
EXPERIMENT ?=
ifneq ($(EXPERIMENT),)
ifeq ($(wildcard $(EXPERIMENT)),)
$(error EXPERIMENT=$(EXPERIMENT): there is no such file. Give the path of a row, for example labs/experiment/row.c)
endif
$(B)/obj/mm/pt_ops.o: CFLAGS += -DEXPERIMENT='"$(abspath $(EXPERIMENT))"'
endif
$(shell echo '$(abspath $(EXPERIMENT))' | cmp -s - $(B)/experiment || echo '$(abspath $(EXPERIMENT))' > $(B)/experiment)
$(B)/obj/mm/pt_ops.o: $(B)/experiment

# Offsets of C structures for assembly code.
OFFSETS := $(B)/gen/asm_offsets.h
$(OFFSETS): arch/$(ARCH)/asm_offsets.c $(FLAGS_FILE) | $(UAPI)
	@mkdir -p $(@D)
	@$(CC) $(CFLAGS) -MMD -MF $@.d -MT $@ -S -o $(@:.h=.s) $<
	@sed -n 's/^#DEFINE /#define /p' $(@:.h=.s) > $@.$$$$ && mv $@.$$$$ $@

cflags_of = $(CFLAGS) $(if $(filter $(NO_UBSAN),$(1)),,$(UBSAN))

# Written under another name first, so that two makes at a time do no harm.
$(B)/obj/%.o: %.c $(FLAGS_FILE) | $(UAPI)
	@mkdir -p $(@D)
	@echo "  CC      $<"
	@$(CC) $(call cflags_of,$<) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.$$$$ $< && mv $@.$$$$ $@

$(B)/obj/%.o: %.S $(FLAGS_FILE) $(OFFSETS) | $(UAPI)
	@mkdir -p $(@D)
	@echo "  AS      $<"
	@$(CC) $(ASFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@.$$$$ $< && mv $@.$$$$ $@

$(B)/linker.ld: linker.ld $(FLAGS_FILE) | $(UAPI)
	@mkdir -p $(@D)
	@$(CC) -E -P -x c -D__ASSEMBLY__ $(ARCH_LDS_DEFS) $(INCLUDES) -MMD -MF $@.d -MT $@ -o $@ $<

# No kernel whose mm/ asks for the kind of a mapping.
$(B)/kinds: tools/check/kinds.py $(wildcard mm/*.[ch] include/mm/*.h)
	@$(PYTHON) tools/check/kinds.py
	@touch $@

$(B)/quire.elf: $(OBJS) $(B)/linker.ld tools/link-kernel.sh tools/gen-kallsyms.py $(B)/kinds
	@echo "  LD      $@"
	@LD='$(LD)' LDFLAGS='$(LDFLAGS)' NM='$(NM)' PYTHON='$(PYTHON)' AS_CMD='$(CC) $(ASFLAGS)' \
	  tools/link-kernel.sh $@ $(B)/linker.ld $(OBJS)

-include $(OBJS:.o=.d) $(B)/linker.ld.d $(OFFSETS).d

# One entry per source, for editors and analysers.
compile_commands.json: Makefile $(FLAGS_FILE) $(SRCS)
	@{ sep='['; for s in $(SRCS); do \
	     printf '%s\n{"directory":"%s","file":"%s","command":"%s -c %s"}' "$$sep" '$(CURDIR)' "$$s" \
	            '$(CC) $(CFLAGS)' "$$s"; sep=','; done; printf '\n]\n'; } > $@

# A flat image, for machines that start one in place of a firmware, and the few instructions that stand in for a firmware.
$(B)/quire.bin: $(B)/quire.elf
	@$(OBJCOPY) -O binary -R .notes $< $@

$(B)/shim.bin: boot/$(ARCH)/shim/shim.S $(FLAGS_FILE)
	@$(CC) $(ARCH_ASFLAGS) -c -o $(@:.bin=.o) $<
	@$(OBJCOPY) -O binary $(@:.bin=.o) $@

# ---- images --------------------------------------------------------------------------------------------------------

iso: $(if $(MKRESCUE),$(B)/quire.iso,no-iso)

.PHONY: no-iso
no-iso:
	@echo "ARCH=$(ARCH) has no boot image: QEMU starts the kernel itself, see make run" >&2; exit 1

RUN_INITRD := $(if $(INITRD),$(INITRD),$(USER_B)/initrd.cpio)

$(B)/quire.iso: $(B)/quire.elf $(RUN_INITRD) iso/grub.cfg tools/make-iso.sh FORCE
	@tools/make-iso.sh $@ $(B)/quire.elf $(RUN_INITRD) iso/grub.cfg "$(APPEND)"

# The benchmark is /init itself; it uses no library. The compiler must not turn its loops into calls or string instructions.
BENCH_INITRD := build/$(ARCH)/bench.cpio
BENCH_CFLAGS := -O2 -ffreestanding -fno-stack-protector -fno-pie -no-pie -fno-builtin -fno-tree-loop-distribute-patterns \
                -fno-asynchronous-unwind-tables $(ARCH_BENCH_CFLAGS) -nostdlib -static -Wl,-z,noexecstack

$(BENCH_INITRD): bench/mmbench.c
	@mkdir -p $(@D)/bench/dev $(@D)/bench/tmp
	@echo "  BENCH   $@"
	@$(CC) $(BENCH_CFLAGS) -o $(@D)/bench/init $<
	@cd $(@D)/bench && printf 'init\ndev\ntmp\n' | cpio --quiet -o -H newc > ../bench.cpio

# ---- running and testing -------------------------------------------------------------------------------------------

deps:
	@tools/deps.sh $(ARCH)

doctor:
	@tools/deps.sh --doctor $(ARCH)

RUN_ENV = ARCH=$(ARCH) FIRMWARE=$(FIRMWARE) MMU=$(MMU) CPU=$(CPU) SMP=$(SMP) MEM=$(MEM) GDB=$(GDB) ACCEL=$(ACCEL) \
          KERNEL=$(B)/quire.elf ISO=$(B)/quire.iso INITRD=$(RUN_INITRD) DISK=$(DISK) APPEND="$(APPEND)"

# What cannot be run is said before anything is built; then the tools, since a fresh machine has no compiler yet; then the build.
.PHONY: runnable
runnable:
	@$(RUN_ENV) tools/run-qemu.sh check

run: runnable deps
	@$(MAKE) --no-print-directory all $(if $(MKRESCUE),$(if $(filter direct,$(FIRMWARE)),,$(B)/quire.iso))
	@$(RUN_ENV) tools/run-qemu.sh run

debug: runnable deps
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(RUN_ENV) KERNEL=build/$(ARCH)-debug/quire.elf tools/run-qemu.sh debug

test: runnable deps
	@$(MAKE) --no-print-directory DEBUG=0 all $(if $(MKRESCUE),build/$(ARCH)/quire.iso)
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(PYTHON) tools/run-tests.py --arch $(ARCH) --mmu '$(MMU)' --cpu '$(CPU)' --match '$(T)' \
	  --smp '$(if $(filter command%,$(origin SMP)),$(SMP))'

# Long runs that look for rare interleavings: the list is STRESS in tools/run-tests.py.
stress: runnable deps
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(PYTHON) tools/run-tests.py --stress --arch $(ARCH) --mmu '$(MMU)' --cpu '$(CPU)' --match '$(T)' \
	  --smp '$(if $(filter command%,$(origin SMP)),$(SMP))'

# Every place of every user test fails once, by its number; an hour. The gate's own sweep goes by chains of callers.
sweep: runnable deps
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(PYTHON) tools/run-tests.py --sweep --arch $(ARCH) --mmu '$(MMU)' --cpu '$(CPU)' --match '$(T)' \
	  --smp '$(if $(filter command%,$(origin SMP)),$(SMP))'

# Pages of 1 GiB, for which the machines of `make test` are too small: the list is GIGANTIC in tools/run-tests.py.
gigantic: runnable deps
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(PYTHON) tools/run-tests.py --gigantic --arch $(ARCH) --mmu '$(MMU)' --cpu '$(CPU)' --match '$(T)' --jobs 1

# Every MMU of the machine, or the one that is named.
bench: runnable deps
	@$(MAKE) --no-print-directory DEBUG=0 all $(BENCH_INITRD)
	@for mmu in $(or $(MMU),$(MMUS),one); do \
	  case $$mmu in $(foreach m,$(MMUS) one,($(m)) huge=$(or $(BENCH_HUGEPAGES_$(m)),32) ;;) esac; \
	  if [ $$mmu = one ]; then config=$(ARCH) mmu=; else config=$(ARCH)-$$mmu; fi; \
	  $(PYTHON) tools/bench.py --config $$config -- env ARCH=$(ARCH) SMP=1 MEM=1G CPU=$(or $(CPU),$(BENCH_CPU)) MMU=$$mmu \
	    KERNEL=build/$(ARCH)/quire.elf INITRD=$(BENCH_INITRD) APPEND="quiet hugepages=$$huge $(APPEND)" \
	    tools/run-qemu.sh bench || exit 1; \
	  ARCH=$(ARCH) SMP=1 MEM=1G CPU=$(or $(CPU),$(BENCH_CPU)) MMU=$$mmu tools/bench_dispatch.py --arch $(ARCH) || exit 1; done
	@ARCH=$(ARCH) tests/boot/boot_cost.py --strict build/$(ARCH)/quire.elf build/$(ARCH)/initrd.cpio

# Processes that map the same object of 1 GiB, with shared page tables and without: faults, table memory, instructions per page.
bench-share: runnable deps
	@$(MAKE) --no-print-directory DEBUG=0 all
	@for mmu in $(or $(MMU),$(MMUS),one); do [ $$mmu != one ] || mmu=; \
	  for how in "shared_pt=on run=/bin/sharebench" "shared_pt=off run=/bin/sharebench,2,8"; do echo "$$mmu $$how"; \
	    ARCH=$(ARCH) SMP=1 MEM=$(if $(filter command%,$(origin MEM)),$(MEM),2G) CPU=$(or $(CPU),$(BENCH_CPU)) MMU=$$mmu \
	      KERNEL=build/$(ARCH)/quire.elf INITRD=build/$(ARCH)/initrd.cpio APPEND="quiet $$how $(APPEND)" \
	      tools/run-qemu.sh bench || exit 1; done; done

# Huge pages on a fragmented machine. One instruction is one nanosecond.
bench-frag: runnable deps
	@$(MAKE) --no-print-directory DEBUG=0 all
	@ARCH=$(ARCH) SMP=1 MEM=512M CPU=$(or $(CPU),$(BENCH_CPU)) MMU=$(MMU) KERNEL=build/$(ARCH)/quire.elf \
	  INITRD=build/$(ARCH)/initrd.cpio APPEND="quiet run=/bin/fragbench $(APPEND)" tools/run-qemu.sh bench

# Linux's own tests on Linux and on Quire, side by side: docs/CONFORMANCE.md. Fetches Debian packages.
conformance: deps
	@$(MAKE) --no-print-directory DEBUG=0 kernel
	@$(PYTHON) tests/conformance/run.py

# A database whose processes share memory, with shared page tables and without. Fetches a Debian source package.
lmdb: deps
	@$(MAKE) --no-print-directory DEBUG=0 kernel
	@$(PYTHON) tests/lmdb/run.py

# Both flavours compile without a warning; then the gates.
check: deps
	@$(MAKE) --no-print-directory DEBUG=0 all
	@$(MAKE) --no-print-directory DEBUG=1 all
	@$(PYTHON) tools/check/style.py
	@$(PYTHON) tools/check/docs.py
	@tools/gen-syscalls-doc --check
	@tools/gen-locking-doc --check
	@tools/check/headers.sh $(CC) $(CFLAGS)
	@tools/check/analyse.sh $(ARCH)
	@tools/check/faults.sh

# Takes most of an hour: every seeded fault is built, and booted with the test that shall notice it.
mutants: deps
	@tests/mutants/run-host.sh '$(T)'
	@tests/mutants/run-kernel.sh '$(T)'
	@ARCH=ppc64 tests/mutants/run-kernel.sh '$(T)'

clean:
	rm -rf build compile_commands.json

help:
	@sed -n '/^Usage/,$$p' tools/help.txt

FORCE:
