#!/bin/sh
# SPDX-License-Identifier: MIT
#
# run-qemu.sh MODE: every QEMU command line of the project. The caller's environment says what to run:
#   ARCH KERNEL INITRD APPEND SMP MEM ACCEL CPU   FIRMWARE ISO   GDB   DISK   QEMU_EXTRA
# DISK is a raw image that the machine sees as /dev/vda.
#
# MODE run    a terminal on stdin and stdout; Ctrl-A x ends QEMU
#      debug  QEMU paused in the background, gdb in the foreground
#      test   no input, serial output on stdout, fastest firmware; the status is the kernel's (33 pass, 35 fail, 37 panic)
#      bench  like test, one instruction is one nanosecond
set -eu
mode=$1
: "${ARCH:=x86_64}" "${SMP:=2}" "${MEM:=256M}" "${ACCEL:=tcg}" "${CPU:=max}" "${FIRMWARE:=direct}" "${GDB:=0}"
: "${APPEND:=}" "${INITRD:=}" "${ISO:=}" "${DISK:=}" "${QEMU_EXTRA:=}"

# The debugger wants the kernel whose symbols it has, not what is on an image.
[ "$mode" = debug ] && FIRMWARE=direct

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
    fail "none of these exists: $* (make deps installs it)"
}

[ -r "$KERNEL" ] || fail "$KERNEL: no such kernel; run make first"
if [ -n "$INITRD" ] && [ ! -r "$INITRD" ]; then
    fail "INITRD=$INITRD: there is no such file"
fi

if [ -n "$DISK" ] && [ ! -w "$DISK" ]; then
    fail "DISK=$DISK: there is no such file that may be written; truncate -s 64M $DISK makes one"
fi

x86_64() {
    qemu=qemu-system-x86_64
    command -v $qemu > /dev/null || fail "$qemu is missing; make deps installs it"
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

finish() {
    # A comma in a name is doubled in QEMU's options.
    [ -z "$DISK" ] || set -- "$@" -device virtio-blk-pci,drive=disk0 \
        -drive "if=none,id=disk0,format=raw,file=$(printf '%s' "$DISK" | sed 's/,/,,/g')"
    case $mode in
    run)
        set -- "$@" -serial mon:stdio
        if [ "$GDB" = 1 ]; then
            echo "QEMU waits for gdb on localhost:1234: gdb -x tools/gdb/init.gdb -ex 'target remote :1234' $KERNEL"
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
        command -v gdb > /dev/null || fail "gdb is missing; make deps installs it"
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
        gdb -q -ex "target remote $dir/gdb" -x tools/gdb/init.gdb -ex "hbreak kernel_main" -ex continue "$KERNEL"
        ;;
    *) fail "unknown mode $mode" ;;
    esac
}

case $ARCH in
x86_64) x86_64 ;;
*) fail "no QEMU command line for ARCH=$ARCH" ;;
esac
