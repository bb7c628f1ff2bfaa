#!/bin/sh
# SPDX-License-Identifier: MIT
# make-iso.sh OUTPUT KERNEL INITRD GRUB_CFG APPEND: a GRUB image that boots on BIOS and on UEFI.
# Does nothing when the image is newer than its parts and was made for the same command line.
set -eu
out=$1 kernel=$2 initrd=$3 cfg=$4 append=$5
dir=${out%.iso}.iso.d

mkdir -p "$dir/boot/grub"
sed "s|@APPEND@|$(printf '%s' "$append" | sed 's/[&|\\]/\\&/g')|" "$cfg" > "$dir/grub.cfg.new"
if [ -e "$out" ] && cmp -s "$dir/grub.cfg.new" "$dir/boot/grub/grub.cfg" &&
   [ ! "$kernel" -nt "$out" ] && [ ! "$initrd" -nt "$out" ] && [ "$(cat "$dir/initrd.name")" = "$initrd" ]; then
    rm "$dir/grub.cfg.new"
    exit 0
fi
mv "$dir/grub.cfg.new" "$dir/boot/grub/grub.cfg"
cp "$kernel" "$dir/boot/quire.elf"
cp "$initrd" "$dir/boot/initrd.cpio"
printf '%s' "$initrd" > "$dir/initrd.name"
if ! grub-file --is-x86-multiboot2 "$kernel"; then
    echo "make-iso.sh: $kernel has no multiboot2 header" >&2
    exit 1
fi
echo "  ISO     $out"
# Only modules that exist for both firmwares may be named.
grub-mkrescue --install-modules="multiboot2 normal serial terminal iso9660 part_msdos part_gpt search configfile all_video" \
    --fonts= --locales= --themes= -o "$out" "$dir" > "$dir.log" 2>&1 || { cat "$dir.log" >&2; exit 1; }
