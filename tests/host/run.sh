#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh RUNS [--no-fuzz] PROGRAM...: runs the host tests, prints their KTAP as subtests and one line
# "N passed, N failed, N skipped"; exit status 1 when something failed. Fuzz targets (in bin/fuzz/) get a fixed seed.
runs=$1
shift
passed=0 failed=0 skipped=0 n=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

if [ "$1" = --no-fuzz ]; then
    shift
    skipped=1
    note="# SKIP fuzz targets: clang is not installed"
fi
echo "KTAP version 1"
echo "1..$#"
[ -n "$note" ] && echo "$note"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1
for prog in "$@"; do
    n=$((n + 1))
    name=${prog#build/host/bin/}
    case $name in
    fuzz/*)
        timeout 300 "$prog" -runs="$runs" -seed=1 -max_len=512 -verbosity=0 -artifact_prefix=build/host/ >"$log" 2>&1
        status=$?
        [ $status -eq 0 ] && echo "ok 1 $runs inputs" >"$log"
        ;;
    *)
        timeout 300 "$prog" >"$log" 2>&1
        status=$?
        ;;
    esac
    sed 's/^/    /' "$log"
    ok=$(grep -c '^ok ' "$log")
    bad=$(grep -c '^not ok ' "$log")
    # A program that died, or printed no result at all, is one failure more.
    if [ $status -ne 0 ] && [ "$bad" -eq 0 ] || [ $((ok + bad)) -eq 0 ]; then
        bad=$((bad + 1))
    fi
    passed=$((passed + ok))
    failed=$((failed + bad))
    if [ "$bad" -eq 0 ]; then echo "ok $n $name"; else echo "not ok $n $name # exit status $status"; fi
done
echo "# $passed passed, $failed failed, $skipped skipped"
[ $failed -eq 0 ]
