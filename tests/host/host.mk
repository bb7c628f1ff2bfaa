# SPDX-License-Identifier: MIT
#
# Tests of mm/ and lib/ as ordinary programs of the build machine, under AddressSanitizer and UBSan.
#
#   make -f tests/host/host.mk test           everything, KTAP on stdout; FUZZ_RUNS=n for longer fuzzing
#   make -f tests/host/host.mk fuzz T=buddy   fuzzes one target without end (corpus in build/host/corpus/)
#
# Each tests/host/DIR/NAME_test.c is a program that is linked with the kernel's own objects and with fake/, which
# plays CPUs, locks, memory and panic. Each tests/host/fuzz/NAME_fuzz.c is a libFuzzer target; without clang it is skipped.

.SUFFIXES:
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

HB := build/host
T  ?=
FUZZ_RUNS ?= 20000
HOST_CLANG := $(shell command -v clang 2>/dev/null)
HOST_CC    := $(if $(HOST_CLANG),clang,gcc)

# What of the kernel is linked; only what a program needs is taken out of the archive.
HOST_SRCS := $(addprefix mm/,memblock.c buddy.c buddy_check.c pcp.c page.c page_poison.c slab.c slab_check.c slab_debug.c kmalloc.c notifier.c vmalloc.c kstack.c \
               page_cache.c page_lock.c hugetlb.c hugetlb_pool.c hugetlb_zero.c hugetlb_object.c tlb.c vmstat.c fault.c vma.c vma_tree.c vma_lock.c vma_check.c \
               mm.c mmap.c munmap.c mprotect.c mremap.c brk.c madvise.c lazyfree.c mlock.c process_vm.c gup.c stack.c \
               overcommit.c rmap_file.c huge.c rmap_huge.c split.c thp.c thp_range.c collapse.c rmap_anon.c gib.c gib_collapse.c migrate_huge.c) \
             $(wildcard mm/pt_*.c arch/host/mm/*.c) lib/rbtree.c lib/radix_tree.c lib/fdt.c lib/memchr_inv.c fs/cpio.c \
             boot/bootinfo.c boot/ppc64/platform.c
FAKE_SRCS := $(wildcard tests/host/fake/*.c)
TEST_SRCS := $(filter $(if $(T),%/$(T)_test.c,%),$(wildcard tests/host/lib/*_test.c tests/host/mm/*_test.c))
FUZZ_SRCS := $(filter $(if $(T),%/$(T)_fuzz.c,%),$(wildcard tests/host/fuzz/*_fuzz.c))

HOST_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -fsanitize=address,undefined \
               -fno-sanitize-recover=all -Wall -Wextra -Werror -Wno-unused-parameter -Wno-sign-compare \
               -Wno-missing-field-initializers -DCONFIG_DEBUG=1 -DQUIRE_HOST=1 \
               -D_POSIX_C_SOURCE=200809L -Iarch/host/include -Iinclude -I. -Itests/host/fake -pthread
# The fuzzer's coverage counters are in all objects: a test does not look at them, and nothing is compiled twice.
ifneq ($(HOST_CLANG),)
HOST_CFLAGS += -Wno-gnu -Wno-address-of-packed-member -fsanitize=fuzzer-no-link
endif

objs_in = $(patsubst %.c,$(HB)/obj/%.o,$(1))
TESTS := $(patsubst tests/host/%.c,$(HB)/bin/%,$(TEST_SRCS))
FUZZERS := $(if $(HOST_CLANG),$(patsubst tests/host/fuzz/%.c,$(HB)/bin/fuzz/%,$(FUZZ_SRCS)))

.PHONY: all test fuzz clean
all: $(TESTS) $(FUZZERS)

HOST_FLAGS_FILE := $(HB)/flags
$(shell mkdir -p $(HB); echo '$(HOST_CC) $(HOST_CFLAGS)' | cmp -s - $(HOST_FLAGS_FILE) || \
        echo '$(HOST_CC) $(HOST_CFLAGS)' > $(HOST_FLAGS_FILE))

$(HB)/obj/%.o: %.c $(HOST_FLAGS_FILE)
	@mkdir -p $(@D)
	@echo "  HOSTCC  $<"
	@$(HOST_CC) $(HOST_CFLAGS) -MMD -MP -c -o $@ $<

# mm/ gets BUG_ON and ASSERT through an arch header in the kernel; the host's are smaller.
$(HB)/obj/mm/%.o: HOST_CFLAGS += -include include/kernel/printk.h

# What a device tree says of a machine is read by code of that machine; it runs on any.
$(HB)/obj/boot/ppc64/platform.o $(HB)/obj/tests/host/lib/fdt_test.o $(HB)/obj/tests/host/fuzz/fdt_fuzz.o: \
    HOST_CFLAGS += -idirafter arch/ppc64/include

$(HB)/libquire.a: $(call objs_in,$(HOST_SRCS) $(FAKE_SRCS)) tests/host/host.mk
	@rm -f $@
	@ar rcs $@ $(filter %.o,$^)

$(HB)/bin/%: $(HB)/obj/tests/host/%.o $(HB)/libquire.a
	@mkdir -p $(@D)
	@$(HOST_CC) $(HOST_CFLAGS) -o $@ $^
$(HB)/bin/fuzz/%: $(HB)/obj/tests/host/fuzz/%.o $(HB)/libquire.a
	@mkdir -p $(@D)
	@$(HOST_CC) $(HOST_CFLAGS) -fsanitize=fuzzer -o $@ $^

.SECONDARY:

test: $(TESTS) $(FUZZERS)
	@sh tests/host/run.sh $(FUZZ_RUNS) $(if $(HOST_CLANG),,--no-fuzz) $(TESTS) $(FUZZERS)

fuzz: $(FUZZERS)
	@test -n "$(FUZZERS)" || { echo "fuzzing needs clang; T=name chooses one of: $(notdir $(FUZZ_SRCS:_fuzz.c=))" >&2; exit 1; }
	@mkdir -p $(HB)/corpus/$(T)
	@$(firstword $(FUZZERS)) -max_len=1024 $(HB)/corpus/$(T)

clean:
	@rm -rf $(HB)

-include $(shell find $(HB) -name '*.d' 2>/dev/null)
