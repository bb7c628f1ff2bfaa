#!/bin/sh
# SPDX-License-Identifier: MIT
#
# mkinitrd.sh USERDIR ETCDIR OUT: packs USERDIR/bin, USERDIR/tests and ETCDIR into a newc cpio.
#
# The same input gives the same bytes: sorted names, owner 0:0, times set to SOURCE_DATE_EPOCH (0 when
# unset), inode numbers renumbered by cpio. Programs are stripped in the archive only.
set -eu

userdir=${1:?user directory} etcdir=${2:?etc directory} out=${3:?output file}
strip=${STRIP:-strip}
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

mkdir -p "$root/bin" "$root/etc" "$root/tests" "$root/proc" "$root/sys" "$root/dev/shm" \
    "$root/tmp" "$root/root" "$root/mnt" "$root/run" "$root/var"

# A program is stripped; a script (no ELF magic) is copied as it is.
install_program() {
    cp "$1" "$2"
    if [ "$(head -c 4 "$1" | tail -c 3)" = ELF ]; then
        $strip "$2"
    fi
    chmod 755 "$2"
}

for program in "$userdir"/bin/*; do
    name=$(basename "$program")
    case $name in
    init) install_program "$program" "$root/init" ;;
    *) install_program "$program" "$root/bin/$name" ;;
    esac
done
for program in "$userdir"/tests/*; do
    [ -f "$program" ] || continue
    install_program "$program" "$root/tests/$(basename "$program")"
done
cp "$etcdir"/* "$root/etc/"
chmod 644 "$root"/etc/*
find "$root" -type d -exec chmod 755 {} +
chmod 1777 "$root/tmp" "$root/dev/shm"
chmod 700 "$root/root"
find "$root" -exec touch -h -d "@${SOURCE_DATE_EPOCH:-0}" {} +

(cd "$root" && find . | LC_ALL=C sort |
    cpio --quiet --reproducible -o -H newc --owner=0:0) > "$out.tmp"
mv "$out.tmp" "$out"
