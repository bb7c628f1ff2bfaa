#!/bin/sh
# SPDX-License-Identifier: MIT
# What a user can get wrong at the command line is answered with what is wrong and what to do. Prints KTAP.
# Each case: a command that must fail, and a text that its output must contain. Needs a built debug kernel.
set -u
cd "$(dirname "$0")/../.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL

# --boot INITRD APPEND: a kernel with this initramfs, without the build's own. A program, so that timeout can run it.
if [ "${1:-}" = --boot ]; then
    exec env KERNEL=build/x86_64-debug/quire.elf INITRD="$2" APPEND="$3" SMP=1 FIRMWARE=direct tools/run-qemu.sh test
fi
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
n=0
failed=0

# expect NAME TEXT COMMAND...
expect() {
    name=$1
    text=$2
    shift 2
    n=$((n + 1))
    timeout 120 "$@" > "$tmp/out" 2>&1 < /dev/null
    status=$?
    if [ $status -ne 0 ] && [ $status -ne 124 ] && grep -q -- "$text" "$tmp/out"; then
        echo "ok $n - $name"
    else
        failed=$((failed + 1))
        echo "not ok $n - $name"
        echo "# status $status, wanted a failure that says: $text"
        tail -5 "$tmp/out" | sed 's/^/# /'
    fi
}

boot="tests/cli/cli_test.sh --boot"

# archive FILE: a cpio whose /init is FILE
archive() {
    rm -rf "$tmp/root"
    mkdir -p "$tmp/root/dev"
    cp "$1" "$tmp/root/init"
    chmod 755 "$tmp/root/init"
    (cd "$tmp/root" && printf 'dev\ninit\n' | cpio --quiet -o -H newc) > "$tmp/init.cpio"
}

echo "KTAP version 1"
echo "1..13"
expect "unknown ARCH" "ARCH=foo is not known. There is: x86_64" make ARCH=foo run
expect "unknown FIRMWARE" "FIRMWARE=coreboot is not known" make FIRMWARE=coreboot run
expect "unknown MMU" "MMU=hash is not known on x86_64" make MMU=hash run
expect "unknown DEBUG" "DEBUG=yes is not known" make DEBUG=yes run
expect "unknown ACCEL" "ACCEL=xen is not known" make ACCEL=xen run
expect "INITRD that does not exist" "there is no such file" make INITRD=/nonexistent.cpio run
expect "missing kernel" "no such kernel; run make first" env KERNEL=/nonexistent tools/run-qemu.sh test
mkdir "$tmp/bin"
for tool in sh env mktemp rm sed cat uname dirname; do ln -s "$(command -v $tool)" "$tmp/bin/$tool"; done
expect "missing QEMU" "qemu-system-x86_64 is missing; make deps installs it" \
    env PATH="$tmp/bin" KERNEL=build/x86_64-debug/quire.elf tools/run-qemu.sh test

# A 64-bit big-endian POWER executable: the header alone is enough to be refused.
printf '\177ELF\002\002\001\000\000\000\000\000\000\000\000\000\000\002\000\025\000\000\000\001' > "$tmp/ppc64"
head -c 4096 /dev/zero >> "$tmp/ppc64"
archive "$tmp/ppc64"
expect "/init for another machine" "is an ELF for .*[Pp]ower" $boot "$tmp/init.cpio" ""
printf 'not a program' > "$tmp/text"
archive "$tmp/text"
expect "/init that is no program" "/init" $boot "$tmp/init.cpio" ""
head -c 70000 build/x86_64-debug/initrd.cpio > "$tmp/short.cpio"
expect "truncated cpio" "truncated" $boot "$tmp/short.cpio" ""
head -c 70000 /dev/urandom > "$tmp/noise"
expect "initramfs that is no cpio" "cpio" $boot "$tmp/noise" ""
expect "init= that does not exist" "/no/such/init" $boot build/x86_64-debug/initrd.cpio "init=/no/such/init"
echo "# totals: pass:$((n - failed)) fail:$failed skip:0"
[ $failed = 0 ]
