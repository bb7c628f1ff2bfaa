#!/bin/sh
# SPDX-License-Identifier: MIT
# mkinitrd.sh OUT INIT BUSYBOX: an initramfs of Quire's /init, the unmodified busybox with its links, and the test script.
set -eu
out=$(realpath "$1")
init=$2
busybox=$3
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root/bin" "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/etc" "$root/root"
cp "$init" "$root/init"
cp "$busybox" "$root/bin/busybox"
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
cp "$(dirname "$0")/test.sh" "$root/test.sh"
chmod 755 "$root/test.sh" "$root/init"
echo 'root:x:0:0:root:/root:/bin/sh' > "$root/etc/passwd"
echo 'root:x:0:' > "$root/etc/group"
(cd "$root" && find . -mindepth 1 | sort | cpio --quiet -o -H newc --owner=0:0) > "$out"
