#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-host.sh [-n] [PATTERN]: shows that the host tests can fail. Applies each seeded fault of host.list (those whose line contains
# PATTERN) to a copy of the tree and runs the test named there; a fault that no test notices is a failure. -n: only look whether
# all apply.
# Exit status 1 when one survived or no longer applies.
list=tests/mutants/host.list
dry=
[ "$1" = -n ] && { dry=1; shift; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ -z "$dry" ]; then
    make -s -j2 -f tests/host/host.mk all >/dev/null || exit 1
    cp -a --parents mm lib include boot fs arch/host arch/ppc64/include tests/host build/host "$work" || exit 1
fi

n=0 survived=0
grep -v '^#' "$list" | grep -F -e "$1" >"$work/list"
echo "KTAP version 1"
echo "1..$(wc -l <"$work/list")"
while IFS= read -r line; do
    n=$((n + 1))
    test=$(echo "$line" | cut -d'|' -f1 | tr -d ' ')
    file=$(echo "$line" | cut -d'|' -f2 | tr -d ' ')
    expr=$(echo "$line" | cut -d'|' -f3- | sed 's/^ //')
    sed "$expr" "$file" >"$work/mutant"
    if cmp -s "$file" "$work/mutant"; then
        echo "not ok $n $test: does not apply to $file: $expr"
        survived=$((survived + 1))
        continue
    fi
    if [ -n "$dry" ]; then
        echo "ok $n $test: applies to $file: $expr"
        continue
    fi
    cp "$work/mutant" "$work/$file"
    if ! make -s -C "$work" -f tests/host/host.mk all T="$test" >"$work/log" 2>&1 </dev/null; then
        echo "not ok $n $test: does not compile: $expr"
        survived=$((survived + 1))
    elif make -s -C "$work" -f tests/host/host.mk test T="$test" FUZZ_RUNS=3000 >"$work/log" 2>&1 </dev/null; then
        echo "not ok $n $test: survived in $file: $expr"
        survived=$((survived + 1))
    else
        echo "ok $n $test: caught in $file: $expr"
    fi
    cp -p "$file" "$work/$file"
    touch "$work/$file"
done <"$work/list"
echo "# $((n - survived)) caught, $survived survived"
[ "$survived" -eq 0 ]
