#!/bin/sh
# SPDX-License-Identifier: MIT
# What a user can get wrong at the command line is answered with what is wrong and what to do. Prints KTAP.
# Each case: a command that must fail, and a text that its output must contain. Needs a built debug kernel.
# cli_test.sh [x86_64 | ppc64]
set -u
cd "$(dirname "$0")/../.." || exit 1
unset MAKEFLAGS MFLAGS MAKELEVEL

# --boot ARCH INITRD APPEND: a kernel with this initramfs, without the build's own. A program, so that timeout can run it.
if [ "${1:-}" = --boot ]; then
    exec env ARCH="$2" KERNEL="build/$2-debug/quire.elf" INITRD="$3" APPEND="$4" SMP=1 FIRMWARE=direct \
        tools/run-qemu.sh test
fi
arch=${1:-x86_64}
debug=build/$arch-debug
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

boot="tests/cli/cli_test.sh --boot $arch"

# archive FILE: a cpio whose /init is FILE
archive() {
    rm -rf "$tmp/root"
    mkdir -p "$tmp/root/dev"
    cp "$1" "$tmp/root/init"
    chmod 755 "$tmp/root/init"
    (cd "$tmp/root" && printf 'dev\ninit\n' | cpio --quiet -o -H newc) > "$tmp/init.cpio"
}

# without_qemu COMMAND...: with a PATH that has none
without_qemu() {
    mkdir "$tmp/bin"
    for tool in sh env mktemp rm sed cat uname dirname; do ln -s "$(command -v $tool)" "$tmp/bin/$tool"; done
    expect "missing QEMU" "$1" env PATH="$tmp/bin" ARCH="$arch" KERNEL="$debug/quire.elf" tools/run-qemu.sh test
}

# An executable's header is enough to be refused. elf_header BYTE_ORDER TYPE_AND_MACHINE (octal, in that order)
elf_header() {
    printf "\\177ELF\\002\\00$1\\001\\000\\000\\000\\000\\000\\000\\000\\000\\000$2\\000\\000\\000\\001" > "$tmp/foreign"
    head -c 4096 /dev/zero >> "$tmp/foreign"
    archive "$tmp/foreign"
}

echo "KTAP version 1"
case $arch in
x86_64)
    echo "1..13"
    expect "unknown ARCH" "ARCH=foo is not known. There is: .*x86_64" make ARCH=foo run
    expect "unknown FIRMWARE" "FIRMWARE=coreboot is not known" make FIRMWARE=coreboot run
    expect "unknown MMU" "MMU=hash is not known on x86_64" make MMU=hash run
    expect "unknown DEBUG" "DEBUG=yes is not known" make DEBUG=yes run
    expect "unknown ACCEL" "ACCEL=xen is not known" make ACCEL=xen run
    expect "INITRD that does not exist" "there is no such file" make INITRD=/nonexistent.cpio run
    without_qemu "qemu-system-x86_64 is missing; make deps installs it"
    elf_header 2 '\000\002\000\025'
    expect "/init for another machine" "is an ELF for .*[Pp]ower" $boot "$tmp/init.cpio" ""
    ;;
ppc64)
    echo "1..18"
    expect "FIRMWARE of another machine" "FIRMWARE=bios is not known on ppc64" make ARCH=ppc64 FIRMWARE=bios run
    expect "iso" "ARCH=ppc64 has no boot image" make ARCH=ppc64 iso
    expect "unknown MMU" "MMU=soft is not known on ppc64. There is: hash radix" make ARCH=ppc64 MMU=soft run
    expect "unknown CPU" "CPU=foo is not known on ppc64. There is: power8 power9" make ARCH=ppc64 CPU=foo run
    expect "a CPU without radix" "MMU=radix: a power8 has the hash MMU only" make ARCH=ppc64 MMU=radix CPU=power8 test
    expect "MEM that is no multiple" "MEM=300M: a pseries machine has a multiple of 256M" make ARCH=ppc64 MEM=300M run
    expect "MEM too small" "MEM=128M: a pseries machine has a multiple of 256M" make ARCH=ppc64 MEM=128M debug
    expect "MEM that is no number" "MEM=lots: a pseries machine has a multiple of 256M" make ARCH=ppc64 MEM=lots bench
    expect "INITRD that does not exist" "there is no such file" make ARCH=ppc64 INITRD=/nonexistent.cpio run
    without_qemu "qemu-system-ppc64 is missing; make deps ARCH=ppc64 installs it"
    expect "mmu= that does not exist" "mmu=soft is not known" $boot "build/$arch/initrd.cpio" "mmu=soft"
    elf_header 1 '\002\000\076\000'
    expect "/init for another machine" "is an ELF for .*x86-64" $boot "$tmp/init.cpio" ""
    elf_header 1 '\002\000\025\000'
    expect "/init of the other byte order" "/init.*little-endian" $boot "$tmp/init.cpio" ""
    ;;
*)
    echo "Bail out! no tests for $arch"
    exit 1
    ;;
esac
expect "missing kernel" "no such kernel; run make first" env ARCH="$arch" KERNEL=/nonexistent tools/run-qemu.sh test
printf 'not a program' > "$tmp/text"
archive "$tmp/text"
expect "/init that is no program" "/init" $boot "$tmp/init.cpio" ""
head -c 70000 "build/$arch/initrd.cpio" > "$tmp/short.cpio"
expect "truncated cpio" "truncated" $boot "$tmp/short.cpio" ""
head -c 70000 /dev/urandom > "$tmp/noise"
expect "initramfs that is no cpio" "cpio" $boot "$tmp/noise" ""
expect "init= that does not exist" "/no/such/init" $boot "build/$arch/initrd.cpio" "init=/no/such/init"
echo "# totals: pass:$((n - failed)) fail:$failed skip:0"
[ $failed = 0 ]
