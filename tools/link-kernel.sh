#!/bin/sh
# SPDX-License-Identifier: MIT
#
# link-kernel.sh OUTPUT LINKER_SCRIPT OBJECT...: links the kernel twice. The symbol table of the first link becomes a table
# inside the second. It lies behind the text, so filling it moves no function; the last step proves that.
# In the environment: LD, LDFLAGS, NM, AS_CMD (assembles $1 to $2), PYTHON.
set -eu
out=$1 script=$2
shift 2
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT

table() { # of symbols on stdin, as an object
    $PYTHON tools/gen-kallsyms.py > "$work/$1.S"
    $AS_CMD -c -o "$work/$1.o" "$work/$1.S"
}

table empty < /dev/null
$LD $LDFLAGS -T "$script" -o "$work/pass1" "$@" "$work/empty.o"
$NM -n "$work/pass1" | table full
$LD $LDFLAGS -T "$script" -o "$work/pass2" "$@" "$work/full.o"
$NM -n "$work/pass2" | $PYTHON tools/gen-kallsyms.py > "$work/check.S"
cmp "$work/full.S" "$work/check.S"
mv "$work/pass2" "$out"
