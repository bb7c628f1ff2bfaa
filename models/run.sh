#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run.sh [NAME]: checks the Spin models and their mutants. A line per run in KTAP: the model itself must pass, each mutant that
# its head lists as "must fail" must be caught (and "must pass" ones not). Needs spin and gcc.
here=$(cd "$(dirname "$0")" && pwd)
command -v spin >/dev/null || { echo "1..0 # SKIP spin is not installed (apt-get install spin)"; exit 0; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1
n=0 bad=0

# check MODEL FLAGS WANT: WANT is pass (no errors) or fail (an error must be found).
check()
{
    n=$((n + 1))
    rm -f pan*
    # -m: depth; SAFETY: assertions and invalid end states.
    if spin -a $2 "$here/$1.pml" >spin.out 2>&1 && gcc -w -O2 -DSAFETY -o pan pan.c 2>gcc.out &&
        timeout 300 ./pan -m100000 >pan.out 2>&1 && grep -q 'errors:' pan.out; then
        errors=$(sed -n 's/.*errors: //p' pan.out)
        states=$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.out)
        [ "$errors" = 0 ] && found=pass || found=fail
        if [ $found = "$3" ]; then
            echo "ok $n $1 ${2:-as it is} # $states states"
            return
        fi
    fi
    bad=$((bad + 1))
    echo "not ok $n $1 ${2:-as it is}"
    cat spin.out gcc.out pan.out 2>/dev/null | sed 's/^/# /' | head -20
}

echo "KTAP version 1"
for model in "$here"/${1:-*}.pml; do
    name=$(basename "$model" .pml)
    check "$name" "" pass
    for want in fail pass; do
        for mutant in $(sed -n "s/^ \\*   \\([A-Z_]*\\) .*must $want\$/\\1/p" "$model"); do
            check "$name" "-D$mutant" $want
        done
    done
done
echo "1..$n"
[ $bad -eq 0 ]
