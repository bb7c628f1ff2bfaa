#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-kernel.sh [PATTERN]: shows that the in-kernel tests can fail. Applies each seeded fault of kernel.list (those whose line
# contains PATTERN) to a copy of the tree, builds the debug kernel there and runs the tests named (a ktest= pattern). A fault
# that no test notices is a failure: the run must end with a failed test, a panic, or not at all.
# Exit status 1 when one survived or no longer applies.
list=tests/mutants/kernel.list
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
make -s -j2 DEBUG=1 kernel >/dev/null && make -s DEBUG=1 build/x86_64-debug/initrd.cpio >/dev/null || exit 1
tar -c --exclude=.git --exclude=build/host --exclude=build/x86_64 . | tar -x -C "$work" || exit 1

n=0 survived=0
grep -v '^#' "$list" | grep -F -e "$1" >"$work/list"
echo "KTAP version 1"
echo "1..$(wc -l <"$work/list")"
while IFS= read -r line; do
    n=$((n + 1))
    test=$(echo "$line" | cut -d'|' -f1 | tr -d ' ')
    file=$(echo "$line" | cut -d'|' -f2 | tr -d ' ')
    expr=$(echo "$line" | cut -d'|' -f3- | sed 's/^ //')
    sed "$expr" "$file" >"$work/$file"
    if cmp -s "$file" "$work/$file"; then
        echo "not ok $n $test: does not apply to $file: $expr"
        survived=$((survived + 1))
    elif ! make -s -j2 -C "$work" DEBUG=1 kernel >"$work/log" 2>&1 </dev/null; then
        echo "not ok $n $test: does not compile: $expr"
        survived=$((survived + 1))
    else
        (cd "$work" && env KERNEL=build/x86_64-debug/quire.elf INITRD=build/x86_64-debug/initrd.cpio \
            APPEND="ktest=$test" SMP=4 MEM=512M FIRMWARE=direct timeout 120 tools/run-qemu.sh test) >"$work/log" 2>&1 </dev/null
        if [ $? -eq 33 ]; then # the exit status of a run without a failed test
            echo "not ok $n $test: survived in $file: $expr"
            survived=$((survived + 1))
        else
            echo "ok $n $test: caught in $file: $expr"
        fi
    fi
    cp -p "$file" "$work/$file"
    touch "$work/$file"
done <"$work/list"
echo "# $((n - survived)) caught, $survived survived"
[ "$survived" -eq 0 ]
