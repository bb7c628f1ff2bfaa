#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-qemu.sh MODE: every QEMU command line of the project. The caller's environment says what to run:
#   ARCH KERNEL INITRD APPEND SMP MEM ACCEL CPU MMU TCG_THREAD   FIRMWARE ISO   GDB   DISK   QEMU_EXTRA
# DISK is a raw image that the machine sees as /dev/vda.
#
# MODE check  runs nothing; says what is wrong with CPU, MMU and MEM, which are the machine's own business
#      run    a terminal on stdin and stdout; Ctrl-A x ends QEMU
#      debug  QEMU paused in the background, gdb in the foreground
#      test   no input, serial output on stdout, fastest firmware; the status is the kernel's: on x86-64 33 pass, 35 fail,
#             37 panic; on ppc64, where QEMU has no more to say, 0 pass, 1 fail or panic
#      bench  like test, one instruction is one nanosecond
set -eu
mode=$1
: "${ARCH:=x86_64}" "${SMP:=2}" "${MEM:=256M}" "${ACCEL:=tcg}" "${CPU:=}" "${MMU:=}" "${FIRMWARE:=direct}" "${GDB:=0}"
: "${APPEND:=}" "${INITRD:=}" "${ISO:=}" "${DISK:=}" "${QEMU_EXTRA:=}"

# The debugger wants the kernel whose symbols it has, not what is on an image.
[ "$mode" = debug ] && FIRMWARE=direct

deps="make deps"
[ "$ARCH" = x86_64 ] || deps="make deps ARCH=$ARCH"

fail() {
    echo "run-qemu.sh: $*" >&2
    exit 2
}

# KVM only where it is known to work: a nested, page-table based one crashes on ordinary instructions.
accelerator() {
    [ "$ACCEL" = kvm ] || { echo tcg; return; }
    if [ ! -r /dev/kvm ] || [ ! -w /dev/kvm ]; then
        echo "run-qemu.sh: /dev/kvm cannot be used, running under TCG" >&2
        echo tcg
    elif [ -e /sys/module/kvm_pvm ] || { [ ! -e /sys/module/kvm_intel ] && [ ! -e /sys/module/kvm_amd ]; }; then
        echo "run-qemu.sh: this machine's KVM is not Intel's or AMD's own, running under TCG" >&2
        echo tcg
    else
        echo kvm
    fi
}

find_file() {
    for f in "$@"; do
        [ -r "$f" ] && { echo "$f"; return; }
    done
    fail "none of these exists: $* ($deps installs it)"
}

# Not in mode check, which comes before the build.
check_files() {
    [ "$mode" = check ] && exit 0
    [ -r "$KERNEL" ] || fail "$KERNEL: no such kernel; run make first"
    if [ -n "$INITRD" ] && [ ! -r "$INITRD" ]; then
        fail "INITRD=$INITRD: there is no such file"
    fi
    command -v "$qemu" > /dev/null || fail "$qemu is missing; $deps installs it"
}

if [ -n "$DISK" ] && [ ! -w "$DISK" ]; then
    fail "DISK=$DISK: there is no such file that may be written; truncate -s 64M $DISK makes one"
fi

x86_64() {
    qemu=qemu-system-x86_64
    check_files
    : "${CPU:=max}"
    accel=$(accelerator)
    [ "$accel" = kvm ] && [ "$CPU" = max ] && CPU=host
    set -- -M q35 -accel "$accel" -cpu "$CPU" -m "$MEM" -smp "$SMP" -nodefaults -display none -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4
    if [ "$mode" = test ] || [ "$mode" = bench ]; then
        [ "$FIRMWARE" = direct ] && set -- "$@" -bios "$(find_file /usr/share/qemu/qboot.rom /usr/share/seabios/qboot.rom)"
    fi
    case $FIRMWARE in
    bios) set -- "$@" -cdrom "$ISO" ;;
    uefi) set -- "$@" -bios "$(find_file /usr/share/ovmf/OVMF.fd /usr/share/OVMF/OVMF.fd)" -cdrom "$ISO" ;;
    *)
        set -- "$@" -kernel "$KERNEL" -append "$APPEND"
        [ -n "$INITRD" ] && set -- "$@" -initrd "$INITRD"
        ;;
    esac
    finish "$@"
}

# POWER on QEMU's pseries. The kernel is started in place of a firmware: at once, by a shim that jumps to it, with a device
# tree that names initramfs and command line. What the options are for:
#   cap-...=broken, off       defences against speculation that TCG does not have and would warn of
#   cap-hpt-max-page-size     16 MiB pages of the hash MMU
#   thread=single             with a thread per CPU QEMU 7.2 loses invalidations of another CPU's translations now and then;
#                             TCG_THREAD=multi to look for races that only real concurrency shows
#   tick_ms=1                 (to the kernel) in one thread a CPU that computes gives way when some CPU's timer fires; others
#                             would wait for 10 ms wherever they need an answer
#   -action                   the one way to end with another status than 0
ppc64_caps=cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off,cap-hpt-max-page-size=16M

mem_mib() {
    case $MEM in
    *[!0-9]*[!MG] | *[!0-9MG]* | '') echo 0 ;;
    *M) echo "${MEM%M}" ;;
    *G) echo $((${MEM%G} * 1024)) ;;
    *) echo "$MEM" ;;
    esac
}

ppc64() {
    qemu=qemu-system-ppc64
    : "${MMU:=hash}"
    [ "$mode-$MMU" = bench-hash ] && : "${CPU:=power8}" # as Linux's figures were taken
    : "${CPU:=power9}" "${TCG_THREAD:=single}"
    case $CPU in power8 | power9) ;; *) fail "CPU=$CPU is not known on ppc64. There is: power8 power9" ;; esac
    case $MMU in hash | radix) ;; *) fail "MMU=$MMU is not known on ppc64. There is: hash radix" ;; esac
    [ "$CPU-$MMU" != power8-radix ] || fail "MMU=radix: a power8 has the hash MMU only. Say CPU=power9, or MMU=hash"
    mib=$(mem_mib)
    if [ "$mib" -lt 256 ] || [ $((mib % 256)) != 0 ]; then
        fail "MEM=$MEM: a pseries machine has a multiple of 256M, for example MEM=512M"
    fi
    [ "$ACCEL" = tcg ] || echo "run-qemu.sh: this machine is no POWER machine with KVM, running under TCG" >&2
    check_files
    [ "$TCG_THREAD-$SMP" = single-1 ] || [ "$mode" = bench ] || APPEND="tick_ms=1 $APPEND"
    set -- -M "pseries,$ppc64_caps" -accel "tcg,thread=$TCG_THREAD" -cpu "$CPU" -m "$mib" -smp "$SMP" -nodefaults -display none \
        -no-reboot -action panic=exit-failure -kernel "$KERNEL" -append "mmu=$MMU $APPEND"
    case $FIRMWARE in
    flat) set -- "$@" -bios "${KERNEL%.elf}.bin" ;; # the copy that -kernel loads is not used
    *) set -- "$@" -bios "$(dirname "$KERNEL")/shim.bin" ;;
    esac
    [ -n "$INITRD" ] && set -- "$@" -initrd "$INITRD"
    finish "$@"
}

# gdb for $ARCH: the machine's own, or the one that knows them all.
find_gdb() {
    for g in gdb-multiarch gdb; do
        if [ "$ARCH" = "$(uname -m)" ] && [ $g = gdb-multiarch ]; then
            continue
        fi
        command -v $g > /dev/null && { echo $g; return; }
    done
    fail "gdb is missing; $deps installs it"
}

finish() {
    # A comma in a name is doubled in QEMU's options.
    [ -z "$DISK" ] || set -- "$@" -device virtio-blk-pci,drive=disk0 \
        -drive "if=none,id=disk0,format=raw,file=$(printf '%s' "$DISK" | sed 's/,/,,/g')"
    case $mode in
    run)
        set -- "$@" -serial mon:stdio
        if [ "$GDB" = 1 ]; then
            echo "QEMU waits for gdb on localhost:1234: $(find_gdb) -x tools/gdb/init.gdb -ex 'target remote :1234' $KERNEL"
            set -- "$@" -s -S
        else
            echo "Ctrl-A x ends QEMU, Ctrl-A c leads to its monitor."
        fi
        # shellcheck disable=SC2086
        exec $qemu "$@" $QEMU_EXTRA
        ;;
    test)
        # shellcheck disable=SC2086
        exec $qemu "$@" -serial stdio $QEMU_EXTRA < /dev/null
        ;;
    bench)
        # shellcheck disable=SC2086
        exec $qemu "$@" -serial stdio -icount shift=0,sleep=off $QEMU_EXTRA < /dev/null
        ;;
    debug)
        gdb=$(find_gdb)
        dir=$(mktemp -d)
        pid=
        trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null || true; rm -rf "$dir"' EXIT
        trap 'exit 130' HUP TERM
        # A session of its own: Ctrl-C is for gdb. vapic off: reverse debugging needs it.
        # shellcheck disable=SC2086
        setsid $qemu "$@" -serial stdio -S -chardev "socket,path=$dir/gdb,server=on,wait=off,id=gdb" -gdb chardev:gdb \
            $QEMU_EXTRA < /dev/null &
        pid=$!
        i=0
        while [ ! -S "$dir/gdb" ] && [ $i -lt 50 ]; do
            sleep 0.1
            i=$((i + 1))
        done
        $gdb -q "$KERNEL" -ex "target remote $dir/gdb" -x tools/gdb/init.gdb -ex "hbreak kernel_main" -ex continue
        ;;
    *) fail "unknown mode $mode" ;;
    esac
}

case $ARCH in
x86_64) x86_64 ;;
ppc64) ppc64 ;;
*) fail "no QEMU command line for ARCH=$ARCH" ;;
esac
