#!/bin/sh
# SPDX-License-Identifier: MIT
#
# experiment_test.sh [x86_64 | ppc64]: the worked example of labs/experiment is built into a kernel, in a copy of the tree whose
# objects are those that are there, and must do what it says. Prints KTAP. Needs a built debug kernel.
# For ppc64 the environment has MMU and CPU.
set -u
cd "$(dirname "$0")/../.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL
arch=${1:-x86_64}
debug=build/$arch-debug
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp -a --parents Makefile linker.ld arch boot drivers fs include kernel labs lib mm models tests tools user "$debug" "$tree" || exit 1
make -s -C "$tree" ARCH="$arch" DEBUG=1 EXPERIMENT=labs/experiment/row.c kernel > "$tree/log" 2>&1 || {
    cat "$tree/log"
    exit 1
}
ARCH=$arch KERNEL=$tree/$debug/quire.elf INITRD=build/$arch/initrd.cpio SMP=2 MEM=256M FIRMWARE=direct \
    APPEND="run=/tests/experiment_test" tools/run-qemu.sh test > "$tree/log" 2>&1
tr -d '\r' < "$tree/log" > "$tree/out"
grep -a '^KTAP\|^1\.\.\|^ok \|^not ok \|^# ' "$tree/out"
grep -qa '^ok 2 two_pages_per_fault$' "$tree/out" # not skipped
