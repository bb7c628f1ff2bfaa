#!/bin/sh
# SPDX-License-Identifier: MIT
# Every public header compiles alone. Usage: headers.sh COMPILER FLAGS...; run from the top of the tree.
# lock_classes.h and the like, which are made to be included several times, say so with #error and are left out.
failed=0
count=0
for h in $(find include -name '*.h' | sort); do
    grep -q '^#error' "$h" && continue
    count=$((count + 1))
    if ! printf '#include "%s"\n' "$h" | "$@" -fsyntax-only -x c - 2>/tmp/headers.$$; then
        echo "$h does not compile alone:"
        head -5 /tmp/headers.$$
        failed=$((failed + 1))
    fi
done
rm -f /tmp/headers.$$
echo "headers: $count compile alone, $failed do not"
[ "$failed" = 0 ]
