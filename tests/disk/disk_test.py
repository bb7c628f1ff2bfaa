#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""disk_test.py KERNEL INITRD SMP: boots with four disks, runs tests/user/blk_test.c, then looks at what is on the disk.

The first disk has known contents, the second fails at one sector (QEMU's blkdebug), the third is read-only, and the fourth is
the first one's image once more: what can be read there has left the first one's cache. The output is KTAP: the program's
results as one test, then one test per region of the disk as this machine sees it.
"""
import os
import struct
import subprocess
import sys
import tempfile

SECTOR = 512
MIB = 1 << 20
DISK_BYTES = 48 * MIB
REGION = 64 << 10
BAD_SECTOR = 64
# name, where, length, seed of the pattern: as in blk_test.c
WRITTEN = [("known contents are as before", SECTOR, MIB - SECTOR, 0), ("buffered write", 2 * MIB, REGION, 1),
           ("direct write", 3 * MIB, REGION, 2), ("vector write", 4 * MIB, REGION, 3),
           ("write and close", 5 * MIB, REGION, 4), ("mixed writes", 6 * MIB, REGION, 5)]
WRITTEN += [(f"thread {n}", (8 + n) * MIB, MIB, 10 + n) for n in range(8)]
UNTOUCHED = (20 * MIB, 20 * MIB)  # where, length: zeroes


def pattern(seed, at, length):
    return b"".join(struct.pack("<QQ", seed, n) * (SECTOR // 16) for n in range(at // SECTOR, (at + length) // SECTOR))


def make_disks(folder):
    paths = [os.path.join(folder, name) for name in ("good", "bad", "ro")]
    first = bytearray(pattern(0, 0, MIB))
    first[:16] = b"QUIRE TEST DISK\n"
    with open(paths[0], "wb") as f:
        f.write(first)
        f.truncate(DISK_BYTES)
    for path in paths[1:]:
        with open(path, "wb") as f:
            f.truncate(MIB)
    return paths


def boot(kernel, initrd, smp, good, bad, ro):
    faults = f",inject-error.0.event=none,inject-error.0.errno=5,inject-error.0.sector={BAD_SECTOR}"
    extra = [f"-blockdev driver=blkdebug,node-name=bad,image.driver=file,image.filename={bad}{faults}",
             "-device virtio-blk-pci,drive=bad,werror=report,rerror=report",
             f"-blockdev driver=file,node-name=ro,read-only=on,filename={ro}", "-device virtio-blk-pci,drive=ro",
             f"-blockdev driver=file,node-name=again,read-only=on,locking=off,filename={good}",
             "-device virtio-blk-pci,drive=again,share-rw=on"]
    env = dict(os.environ, KERNEL=kernel, INITRD=initrd, SMP=smp, MEM="256M", FIRMWARE="direct", DISK=good,
               APPEND="run=/tests/blk_test", QEMU_EXTRA=" ".join(extra))
    return subprocess.Popen(["tools/run-qemu.sh", "test"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)


def differs(data, want):
    return next((i for i in range(len(want)) if data[i] != want[i]), None)


def main():
    kernel, initrd, smp = sys.argv[1:]
    number = failed = 0
    print(f"KTAP version 1\n1..{len(WRITTEN) + 2}")

    def result(ok, name):
        nonlocal number, failed
        number += 1
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {number} {name}", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        good, bad, ro = make_disks(folder)
        process = boot(kernel, initrd, smp, good, bad, ro)
        for line in process.stdout:
            sys.stdout.write("  " + line.decode("utf-8", "replace").replace("\r", ""))
            sys.stdout.flush()
        result(process.wait() == 0, "blk_test")
        with open(good, "rb") as f:
            disk = f.read()
        for name, at, length, seed in WRITTEN:
            want = pattern(seed, at, length)
            ok = disk[at:at + length] == want
            if not ok:
                print(f"# differs from byte {at + differs(disk[at:at + length], want)} on")
            result(ok, "host sees: " + name)
        at, length = UNTOUCHED
        result(disk[at:at + length] == bytes(length), "host sees: nothing where nothing was written")
    sys.exit(failed != 0)


main()
