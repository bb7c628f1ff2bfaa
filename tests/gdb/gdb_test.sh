#!/bin/sh
# SPDX-License-Identifier: MIT
#
# gdb_test.sh KERNEL INITRD: boots the kernel under gdb and tries each command of tools/gdb/quire.py. Prints KTAP.
# The steps and what they must print are in commands_test.py, which gdb itself runs.
set -u
cd "$(dirname "$0")/../.." || exit 1
kernel=$1 initrd=$2
: "${ARCH:=x86_64}"
gdb=gdb
[ "$ARCH" = x86_64 ] || gdb=gdb-multiarch
dir=$(mktemp -d)
qemu=
trap '[ -z "$qemu" ] || kill "$qemu" 2> /dev/null; rm -rf "$dir"' EXIT
trap 'exit 130' HUP INT TERM

# The first program is one that waits in a system call, with an address space to look at.
env ARCH="$ARCH" KERNEL="$kernel" INITRD="$initrd" APPEND="run=/bin/sleep,1000" SMP=2 MEM=256M FIRMWARE=direct \
    QEMU_EXTRA="-S -chardev socket,path=$dir/gdb,server=on,wait=off,id=gdb -gdb chardev:gdb" \
    tools/run-qemu.sh test > "$dir/console" 2>&1 &
qemu=$!
i=0
while [ ! -S "$dir/gdb" ] && [ $i -lt 100 ]; do
    sleep 0.1
    i=$((i + 1))
done
timeout 200 $gdb -q -nx -batch -ex "target remote $dir/gdb" -x tools/gdb/init.gdb -x tests/gdb/commands_test.py "$kernel" \
    > "$dir/out" 2>&1
status=$?
# gdb tells of its own stops between the results; KTAP lines and diagnostics are ours.
grep -E '^(KTAP|1\.\.|ok |not ok |# )' "$dir/out"
if [ $status -ne 0 ] || ! grep -q '^# end of the steps' "$dir/out"; then
    echo "Bail out! gdb ended with status $status"
    for f in "$dir/out" "$dir/console"; do
        tail -n 20 "$f" | sed 's/^/# /'
    done
    exit 1
fi
! grep -q '^not ok' "$dir/out"
