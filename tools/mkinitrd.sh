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
trap 'rm -rf "$root" "$root.stripped"' EXIT

mkdir -p "$root/bin" "$root/etc" "$root/tests" "$root/proc" "$root/sys" "$root/dev/shm" \
    "$root/tmp" "$root/root" "$root/mnt" "$root/run" "$root/var"

# Names of one file stay names of one file: cpio stores it once.
cp -a "$userdir/bin" "$userdir/tests" "$root/"
mv "$root/bin/init" "$root/init"

# A program is stripped, in its place because it may have other names; a script (no ELF magic) is left as it is.
stripped=
for program in "$root/init" "$root"/bin/* "$root"/tests/*; do
    inode=$(stat -c %i "$program")
    case $stripped in *" $inode "*) continue ;; esac
    stripped="$stripped $inode "
    if [ "$(head -c 4 "$program" | tail -c 3)" = ELF ]; then
        $strip -o "$root.stripped" "$program"
        cat "$root.stripped" > "$program"
    fi
    chmod 755 "$program"
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
