#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-kernel.sh [-n] [PATTERN]: shows that the tests of a booted kernel can fail. Applies each seeded fault of kernel.list
# (those whose line contains PATTERN) to a copy of the tree, builds the debug kernel there and boots it with the test named; a
# fault that no test notices is a failure. A panic or a hang is noticed, too. -n: only look whether all apply.
# ARCH=ppc64: those of ppc64.list, on that machine.
# Exit status 1 when one survived, does not apply or does not compile. Takes about half a minute for each.
arch=${ARCH:-x86_64}
case $arch in
x86_64) list=tests/mutants/kernel.list ;;
*) list=tests/mutants/$arch.list ;;
esac
dry=
[ "$1" = -n ] && { dry=1; shift; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
initrd=$PWD/build/$arch/initrd.cpio
tree=.

n=0 survived=0
grep -v '^#' "$list" | grep -F -e "$1" >"$work/list"
if [ -z "$dry" ]; then
    make -s ARCH=$arch DEBUG=1 all || exit 1
    cp -a --parents Makefile linker.ld arch boot drivers fs include kernel lib mm models tests tools user "build/$arch-debug" "$work" || exit 1
    make -s -C "$work" -j2 ARCH=$arch DEBUG=1 kernel >/dev/null || exit 1
    cp "$initrd" "$work/initrd.cpio"
    initrd=$work/initrd.cpio tree=$work # from here on the tree may change
fi
echo "KTAP version 1"
echo "1..$(wc -l <"$work/list")"

fails() {
    echo "not ok $n $test: $1 $file: $expr"
    survived=$((survived + 1))
}

# Status 0 when the test passes in spite of the fault.
run_test() {
    case $test in
    sweep=*) append="run=/tests/run-tests,-s,${test#sweep=}" ok=0 ;;
    ktest=*) append="$test ktest_timeout=40" ok=33 ;;
    *) append=$test ok=0 ;;
    esac
    [ "$arch" = x86_64 ] || ok=0 # tools/run-qemu.sh: what a machine's QEMU can say
    case $arch-$mmu in
    ppc64-radix) machine="MMU=radix CPU=power9" ;;
    ppc64-*) machine="MMU=hash CPU=power8" ;;
    *) machine="FIRMWARE=direct" ;;
    esac
    env ARCH=$arch $machine KERNEL=$work/build/$arch-debug/quire.elf INITRD=$initrd APPEND="$append" SMP=$cpus MEM=512M \
        timeout 240 tools/run-qemu.sh test >"$work/log" 2>&1 </dev/null
    [ $? -eq $ok ] && grep -q '^# totals: pass:[1-9][0-9]* fail:0 ' "$work/log"
}

# What noticed the fault, from the log of the run that did not pass.
noticed() {
    if grep -q 'KERNEL PANIC' "$work/log"; then
        sed -n 's/^.*KERNEL PANIC: */panic: /p' "$work/log" | head -n 1
    elif grep -q '^ *not ok' "$work/log"; then
        sed -n 's/^ *not ok [0-9]* *-* *//p' "$work/log" | head -n 1
    else
        echo "a hang"
    fi
}

while IFS= read -r line; do
    n=$((n + 1))
    test=$(echo "$line" | cut -d'|' -f1 | tr -d ' ')
    cpus=$(echo "$line" | cut -d'|' -f2 | tr -dc '0-9')
    mmu=$(echo "$line" | cut -d'|' -f2 | tr -dc 'a-z')
    file=$(echo "$line" | cut -d'|' -f3 | tr -d ' ')
    expr=$(echo "$line" | cut -d'|' -f4- | sed 's/^ //')
    cp -p "$tree/$file" "$work/original"
    sed "$expr" "$work/original" >"$work/mutant"
    if cmp -s "$work/original" "$work/mutant"; then
        fails "does not apply to"
        continue
    fi
    if [ -n "$dry" ]; then
        echo "ok $n $test: applies to $file: $expr"
        continue
    fi
    cp "$work/mutant" "$work/$file"
    if ! make -s -C "$work" -j2 ARCH=$arch DEBUG=1 kernel >"$work/log" 2>&1 </dev/null; then
        fails "does not compile in"
    elif run_test; then
        fails "survived in"
    else
        echo "ok $n $test: caught in $file: $expr ($(noticed | tr -d '\r'))"
    fi
    cp "$work/original" "$work/$file"
    touch "$work/$file"
done <"$work/list"
echo "# $((n - survived)) caught, $survived survived"
[ "$survived" -eq 0 ]
