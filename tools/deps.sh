#!/bin/sh
# SPDX-License-Identifier: MIT
#
# deps.sh [--doctor] ARCH: the tools that building, running and testing need.
# Without --doctor: installs what is missing with apt on Debian and Ubuntu (one line says what and why), elsewhere prints
# the list and stops. With --doctor: a line per tool, with the command that installs it; status 1 when one is missing.
set -eu
doctor=0
[ "${1:-}" = --doctor ] && { doctor=1; shift; }
arch=${1:-x86_64}

# clang's sanitizers are a package of their own, only recommended by clang's. Debian 12's, until there is a clang to ask.
clang_major=$(clang -dumpversion 2> /dev/null | cut -d. -f1)
clang_runtime="$(clang -print-resource-dir 2> /dev/null || echo /usr/lib/llvm-14/lib/clang/14.0.6)/lib/linux/libclang_rt.asan-$(uname -m).a"
clang_runtime="$clang_runtime libclang-rt-${clang_major:-14}-dev"

# What to look for (a command, or a file when it starts with /), its Debian package, what for.
list() {
    echo "$clang_runtime the sanitizers of the memory code on this machine"
    cat << 'END'
gcc gcc compiling
ld binutils linking
python3 python3 the symbol table and the test runner
/usr/include/linux/types.h linux-libc-dev Linux's ABI headers
cpio cpio the initramfs
clang clang fuzzing the memory code on this machine
cppcheck cppcheck make check
spin spin make model
END
    case $arch in
    x86_64)
        cat << 'END'
/usr/include/x86_64-linux-gnu/asm/unistd.h linux-libc-dev Linux's ABI headers for x86-64
gdb gdb make debug
musl-gcc musl-tools compiling the user programs
qemu-system-x86_64 qemu-system-x86 running the kernel
/usr/share/qemu/qboot.rom qemu-system-data the fast firmware of the tests
/usr/share/ovmf/OVMF.fd ovmf FIRMWARE=uefi
grub-mkrescue grub-common the boot image
/usr/lib/grub/i386-pc/normal.mod grub-pc-bin the boot image on BIOS
/usr/lib/grub/x86_64-efi/normal.mod grub-efi-amd64-bin the boot image on UEFI
xorriso xorriso the boot image
/bin/busybox busybox-static unmodified Linux programs for make test
mformat mtools the boot image on UEFI
END
        ;;
    ppc64)
        cat << 'END'
powerpc64-linux-gnu-gcc gcc-powerpc64-linux-gnu compiling for POWER
powerpc64-linux-gnu-ld binutils-powerpc64-linux-gnu linking for POWER
/usr/powerpc64-linux-gnu/lib/libc.a libc6-dev-ppc64-cross compiling the user programs for POWER
/usr/powerpc64-linux-gnu/include/asm/unistd.h linux-libc-dev-ppc64-cross Linux's ABI headers for POWER
qemu-system-ppc64 qemu-system-ppc running the kernel
gdb-multiarch gdb-multiarch make debug
END
        ;;
    esac
}

present() {
    case $1 in
    /*) [ -e "$1" ] ;;
    *) command -v "$1" > /dev/null 2>&1 ;;
    esac
}

gcc_version() {
    cc=gcc
    [ "$arch" = ppc64 ] && cc=powerpc64-linux-gnu-gcc
    present $cc || return 0
    major=$($cc -dumpversion | cut -d. -f1)
    [ "$major" -ge 11 ] || echo "$cc is version $major; the kernel needs 11 or later"
}

missing=
why=
# Without a pipe, so that the variables survive.
while read -r what package purpose; do
    if present "$what"; then
        [ $doctor = 1 ] && printf 'ok       %-44s %s\n' "$what" "$purpose"
    else
        [ $doctor = 1 ] && printf 'MISSING  %-44s %s: apt-get install %s\n' "$what" "$purpose" "$package"
        case " $missing " in
        *" $package "*) ;;
        *) missing="$missing $package" why="$why, $package ($purpose)" ;;
        esac
    fi
done << END
$(list)
END

old=$(gcc_version)
[ -n "$old" ] && { echo "$old" >&2; [ $doctor = 1 ] || exit 1; }
if [ $doctor = 1 ]; then
    [ -z "$missing" ] && [ -z "$old" ] && echo "Everything is there." && exit 0
    exit 1
fi
[ -z "$missing" ] && exit 0

if ! command -v apt-get > /dev/null 2>&1; then
    echo "Missing${why#,}" >&2
    echo "This is no Debian or Ubuntu: install what these Debian packages contain, then try again:$missing" >&2
    exit 1
fi
sudo=
if [ "$(id -u)" != 0 ]; then
    command -v sudo > /dev/null 2>&1 || { echo "Not root and no sudo: run  apt-get install$missing  as root" >&2; exit 1; }
    sudo=sudo
fi
echo "Installing with apt-get${sudo:+ through sudo}:${why#,}"
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -qq
# shellcheck disable=SC2086
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing > /dev/null
