# SPDX-License-Identifier: MIT
#
# User programs, their tests, and the initramfs. Included by the top-level Makefile, and usable alone:
#
#   make -f user/user.mk B=/tmp/u ARCH=x86_64 USER_CC='musl-gcc -static' all-user
#
# In:  USER_B, or B (build directory), ARCH; USER_CC (a compiler that makes static programs) and USER_STRIP may be given.
# Out: $(USER_B)/user/bin/*  $(USER_B)/user/tests/*  $(USER_B)/initrd.cpio
#      targets all-user, initrd, user-test (runs the user tests on the build machine's own Linux)

ifndef B
$(error B is not set: user/user.mk needs a build directory, e.g. B=build/x86_64)
endif
USER_B ?= $(B)
USER_CC ?= $(if $(filter ppc64,$(ARCH)),powerpc64-linux-gnu-gcc,musl-gcc) -static
USER_STRIP ?= $(CROSS)strip
USER_Q := $(if $(V),,@)

USER_CFLAGS := -std=gnu11 -O2 -g -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror \
               -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter -Wno-format-truncation \
               -fno-strict-aliasing -ffunction-sections -fdata-sections -MMD -MP
# musl brings no <linux/...>: Linux's own headers come last, so that they only fill the gap.
USER_UAPI ?= $(if $(findstring musl,$(USER_CC)),-idirafter /usr/include \
               -idirafter /usr/include/$(shell gcc -print-multiarch))
USER_CFLAGS += $(USER_UAPI)
USER_LDFLAGS := -static -Wl,--gc-sections -Wl,-z,noseparate-code

USER_LIB_SRC := $(sort $(wildcard user/lib/*.c))
USER_SH_SRC := $(sort $(wildcard user/sh/*.c))
USER_TOOL_SRC := $(sort $(wildcard user/tools/*.c user/demos/*.c))
USER_TEST_SRC := $(sort $(wildcard tests/user/*.c tests/user/$(ARCH)/*.c))

USER_LIB_OBJ := $(USER_LIB_SRC:user/%.c=$(USER_B)/user/obj/%.o)
USER_SH_OBJ := $(USER_SH_SRC:user/%.c=$(USER_B)/user/obj/%.o)
USER_BINS := $(USER_B)/user/bin/init $(USER_B)/user/bin/sh \
             $(foreach src,$(USER_TOOL_SRC),$(USER_B)/user/bin/$(basename $(notdir $(src))))
USER_TESTS := $(sort $(foreach src,$(USER_TEST_SRC),$(USER_B)/user/tests/$(basename $(notdir $(src)))))
# The same threads test with glibc, whose threads use more of the kernel (clone3, rseq, robust lists).
USER_GLIBC_CC ?= $(if $(findstring musl,$(USER_CC)),gcc -static)
USER_TESTS += $(if $(USER_GLIBC_CC),$(USER_B)/user/tests/threads_stress_glibc)
# With musl every program is a small file of its own; with glibc they share one.
USER_MULTI ?= $(if $(findstring musl,$(USER_CC)),,1)
USER_SCRIPTS := tests/user/run-tests tests/user/sh_test
USER_ETC := $(sort $(wildcard user/etc/*))

.PHONY: all-user initrd user-test user-clean
all-user: $(USER_BINS) $(USER_TESTS) $(USER_B)/initrd.cpio
initrd: $(USER_B)/initrd.cpio

$(USER_B)/user/obj/%.o: user/%.c
	@mkdir -p $(@D)
	@echo '  CC     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) -Iuser/lib -c -o $@ $<

$(USER_B)/user/obj/libuser.a: $(USER_LIB_OBJ)
	@rm -f $@
	@echo '  AR     ' $@
	$(USER_Q)ar rcsD $@ $^

ifneq ($(USER_MULTI),)

# Many programs in one file, see multicall.c. obj/multi/NAME.o is a program whose only global symbol is main_NAME.
USER_PROGRAMS := $(notdir $(USER_BINS))
USER_PARTS := $(USER_PROGRAMS:%=$(USER_B)/user/obj/multi/%.o)
USER_TEST_PARTS := $(sort $(filter-out exec_pie,$(basename $(notdir $(USER_TEST_SRC)))))
USER_OBJCOPY ?= $(CROSS)objcopy

define part
	@mkdir -p $(@D)
	$(USER_Q)$(USER_CC) -r -nostdlib -o $@.all $^
	$(USER_Q)$(USER_OBJCOPY) --redefine-sym main=main_$(basename $(@F)) --keep-global-symbol=main_$(basename $(@F)) $@.all $@
	@rm $@.all
endef
$(USER_B)/user/obj/multi/init.o: $(USER_B)/user/obj/init.o
	$(part)
$(USER_B)/user/obj/multi/sh.o: $(USER_SH_OBJ)
	$(part)
$(USER_B)/user/obj/multi/%.o: $(USER_B)/user/obj/tools/%.o
	$(part)
$(USER_B)/user/obj/multi/%.o: $(USER_B)/user/obj/demos/%.o
	$(part)
$(USER_B)/user/obj/multi/tests/%.o: $(USER_B)/user/obj/tests/%.o
	$(part)

$(USER_B)/user/obj/tests/%.o: tests/user/%.c
	@mkdir -p $(@D)
	@echo '  CC     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) -c -o $@ $<
$(USER_B)/user/obj/tests/%.o: tests/user/$(ARCH)/%.c
	@mkdir -p $(@D)
	@echo '  CC     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) -c -o $@ $<

# $(1): the programs' names.
multi_table = { echo '\#include "multicall.h"'; printf 'int main_%s(int, char **);\n' $(1); \
    echo 'const struct multicall_program multicall_programs[] = {'; \
    for p in $(1); do echo "    {\"$$p\", main_$$p},"; done; echo '    {0}};'; }

$(USER_B)/user/obj/multi/table.c: user/user.mk $(USER_PARTS)
	@$(call multi_table,$(USER_PROGRAMS)) > $@
$(USER_B)/user/obj/multi/tests/table.c: user/user.mk $(USER_TEST_PARTS:%=$(USER_B)/user/obj/multi/tests/%.o)
	@$(call multi_table,$(USER_TEST_PARTS)) > $@

# Beside the directories that are packed: it comes into the archive by its links.
$(USER_B)/user/multi-bin: $(USER_B)/user/obj/multi/table.c $(USER_PARTS) $(USER_B)/user/obj/multicall.o $(USER_B)/user/obj/libuser.a
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) $(USER_LDFLAGS) -Iuser -pthread -o $@ $^
$(USER_B)/user/multi-tests: $(USER_B)/user/obj/multi/tests/table.c $(USER_TEST_PARTS:%=$(USER_B)/user/obj/multi/tests/%.o) \
                       $(USER_B)/user/obj/multicall.o
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) $(USER_LDFLAGS) -Iuser -pthread -o $@ $^

$(USER_BINS): $(USER_B)/user/multi-bin
	@mkdir -p $(@D)
	@ln -f $< $@
$(USER_TEST_PARTS:%=$(USER_B)/user/tests/%): $(USER_B)/user/multi-tests
	@mkdir -p $(@D)
	@ln -f $< $@

else

$(USER_B)/user/bin/init: $(USER_B)/user/obj/init.o $(USER_B)/user/obj/libuser.a
	@mkdir -p $(@D)
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_LDFLAGS) -o $@ $^

$(USER_B)/user/bin/sh: $(USER_SH_OBJ) $(USER_B)/user/obj/libuser.a
	@mkdir -p $(@D)
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_LDFLAGS) -o $@ $^

$(USER_B)/user/bin/%: $(USER_B)/user/obj/tools/%.o $(USER_B)/user/obj/libuser.a
	@mkdir -p $(@D)
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_LDFLAGS) -pthread -o $@ $^

$(USER_B)/user/bin/%: $(USER_B)/user/obj/demos/%.o $(USER_B)/user/obj/libuser.a
	@mkdir -p $(@D)
	@echo '  LD     ' $@
	$(USER_Q)$(USER_CC) $(USER_LDFLAGS) -pthread -o $@ $^

# A test is one file and the headers beside it; pthread for all, so that one rule serves.
$(USER_B)/user/tests/%: tests/user/%.c
	@mkdir -p $(@D)
	@echo '  CC     ' $@
	$(USER_Q)$(USER_CC) $(USER_CFLAGS) $(USER_LDFLAGS) -pthread -MF $(USER_B)/user/obj/$*.test.d -o $@ $<

# Tests of one machine's own ways.
$(USER_B)/user/tests/%: tests/user/$(ARCH)/%.c
	@mkdir -p $(@D)
	$(USER_CC) $(USER_CFLAGS) $(USER_LDFLAGS) -pthread -MF $(USER_B)/user/obj/$*.test.d -o $@ $<

$(USER_B)/user/tests/threads_stress_glibc: tests/user/threads_stress.c
	@mkdir -p $(@D)
	@echo '  CC      ' $@
	$(USER_Q)$(USER_GLIBC_CC) $(filter-out $(USER_UAPI),$(USER_CFLAGS)) $(USER_LDFLAGS) -pthread \
	    -MF $(USER_B)/user/obj/threads_stress_glibc.test.d -o $@ $<

endif

, := ,
# exec_test's example of a static PIE; musl's compiler wrapper cannot link one by itself, and gcc takes the wrong start
# files when it is told -static, too.
USER_MUSL_LIB := $(firstword $(wildcard /usr/lib/$(subst linux-gnu,linux-musl,$(shell gcc -print-multiarch))))
USER_PIE_CC ?= $(if $(findstring musl,$(USER_CC)),$(USER_CC) -nostartfiles -Wl$(,)-pie -Wl$(,)--no-dynamic-linker \
                 $(USER_MUSL_LIB)/rcrt1.o,$(filter-out -static,$(USER_CC)) -static-pie)
# A machine whose C library has no start file for such programs has a source of its own, without the library.
USER_PIE_OWN := $(wildcard tests/user/$(ARCH)/exec_pie.c)
$(USER_B)/user/tests/exec_pie: $(or $(USER_PIE_OWN),tests/user/exec_pie.c)
	@mkdir -p $(@D)
	@echo '  CC      ' $@
	$(USER_Q)$(USER_PIE_CC) $(USER_CFLAGS) -fPIE $(if $(USER_PIE_OWN),-ffreestanding -nostdlib) \
	    -MF $(USER_B)/user/obj/exec_pie.test.d -o $@ $<

$(USER_SCRIPTS:tests/user/%=$(USER_B)/user/tests/%): $(USER_B)/user/tests/%: tests/user/%
	@mkdir -p $(@D)
	$(USER_Q)install -m 755 $< $@

$(USER_B)/initrd.cpio: tools/mkinitrd.sh $(USER_BINS) $(USER_TESTS) $(USER_ETC) \
                  $(USER_SCRIPTS:tests/user/%=$(USER_B)/user/tests/%)
	@echo '  CPIO   ' $@
	$(USER_Q)STRIP="$(USER_STRIP)" tools/mkinitrd.sh $(USER_B)/user user/etc $@

user-test: all-user
	$(USER_B)/user/bin/sh $(USER_B)/user/tests/run-tests -d $(USER_B)/user/tests $(T)

user-clean:
	rm -rf $(USER_B)/user $(USER_B)/initrd.cpio

-include $(USER_LIB_OBJ:.o=.d) $(USER_SH_OBJ:.o=.d) $(wildcard $(USER_B)/user/obj/*.d) \
         $(wildcard $(USER_B)/user/obj/*/*.d)
.SECONDARY: $(USER_PARTS) $(USER_TEST_PARTS:%=$(USER_B)/user/obj/tests/%.o) $(USER_TEST_PARTS:%=$(USER_B)/user/obj/multi/tests/%.o) \
            $(USER_LIB_OBJ) $(USER_SH_OBJ) $(USER_TOOL_SRC:user/%.c=$(USER_B)/user/obj/%.o) $(USER_B)/user/obj/init.o
