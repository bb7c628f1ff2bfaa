#!/bin/sh
# SPDX-License-Identifier: MIT
# Static analysis of the kernel with cppcheck. analyse.sh ARCH; status 1 when something is found that is not listed here.
set -eu
arch=${1:-x86_64}

# What is left out, and why it is not a fault.
cat > /tmp/analyse.$$ << 'END'
# Tables between two linker symbols are compared by address on purpose.
comparePointers
# cppcheck's own parser gives up on some ternaries and macros.
internalAstError
unknownMacro
# report() does not return, so there is no va_end.
va_end_missing:kernel/panic.c
# A deliberate overflow, to see UBSan's report.
integerOverflow:kernel/crash.c
# The reader of a structure gets one that another function filled.
uninitvar:fs/open.c
# Tests of a pointer that the analyser takes for proof that it may be NULL before.
nullPointerRedundantCheck:kernel/signal/send.c
nullPointerArithmeticRedundantCheck:kernel/task/exec.c
# A register variable that is given its value from an array.
constStatement:arch/ppc64/include/asm/quire_hcall.h
# The shift's bound is checked on the same line.
shiftTooManyBits:lib/radix_tree.c
END
trap 'rm -f /tmp/analyse.$$' EXIT
cppcheck -q -j"$(nproc)" --std=c11 --enable=warning,portability --suppress=missingInclude \
    --suppressions-list=/tmp/analyse.$$ --inline-suppr --error-exitcode=1 -DCONFIG_DEBUG=1 -D__"$arch"__=1 \
    -Iinclude -Iarch/"$arch"/include -I. kernel mm fs lib drivers boot arch/"$arch" && echo "analysis: nothing found"
