#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a fault pays for going through the table of pagetable operations: instructions, exactly.

Builds a second kernel from a copy of the tree in which dispatch() of mm/fault.c calls the row's function by its name,
runs the faults of bench/mmbench on both under -icount, and prints the difference per fault. One virtual nanosecond is one
instruction. The kernel under test must have been built (make DEBUG=0).

On the hash MMU a run's figures move by a few instructions with the groups in which translations meet, so the difference is
the median of several seeds of the kernel's random numbers; elsewhere all of these are the same.
Exit status 1 when a fault pays more than BOUND.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile

THROUGH_TABLE = "return vma_ops(f->vma)->fault(f);"
DIRECT = "return pt_default_fault(f);"  # every area that these figures touch has that row
TREE = ["Makefile", "linker.ld", "arch", "boot", "drivers", "fs", "include", "kernel", "lib", "mm", "models", "tests",
        "tools", "user"]
FIGURES = ["anon_write_touch", "anon_read_zeropage", "cow_after_read", "refault_after_dontneed"]
BOUND = 12
SEEDS = 5


def build_direct(tree, arch):
    """The kernel with the direct call, in a copy of the tree whose objects are those that are there."""
    for name in TREE + [f"build/{arch}"]:
        os.makedirs(os.path.dirname(f"{tree}/{name}"), exist_ok=True)
        subprocess.run(["cp", "-a", name, f"{tree}/{name}"], check=True)
    path = f"{tree}/mm/fault.c"
    with open(path, encoding="utf-8") as f:
        text = f.read()
    if text.count(THROUGH_TABLE) != 1:
        sys.exit(f"bench_dispatch: mm/fault.c does not have one '{THROUGH_TABLE}'")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(THROUGH_TABLE, DIRECT))
    subprocess.run(["make", "-s", "-C", tree, f"ARCH={arch}", "DEBUG=0", "kernel"], check=True,
                   stdout=subprocess.DEVNULL, env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"})
    return f"{tree}/build/{arch}/quire.elf"


def figures(kernel, initrd, timeout, seed):
    env = {**os.environ, "KERNEL": kernel, "INITRD": initrd, "APPEND": f"quiet seed={seed} -- -o anon"}
    out = subprocess.run(["tools/run-qemu.sh", "bench"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=timeout, check=False).stdout.decode("utf-8", "replace")
    if "@@MMBENCH-END" not in out:
        sys.stderr.write(out[-3000:])
        sys.exit(f"bench_dispatch: the run of {kernel} did not reach its end")
    return {m.group(1): float(m.group(2)) for m in re.finditer(r"^(\w+) ([\d.]+) ns", out, re.M)}


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--arch", default="x86_64")
    ap.add_argument("--timeout", type=int, default=600, help="host seconds for each run")
    args = ap.parse_args()
    initrd = os.path.abspath(f"build/{args.arch}/bench.cpio")
    tree = tempfile.mkdtemp(prefix="quire-dispatch-")
    try:
        kernels = f"build/{args.arch}/quire.elf", build_direct(tree, args.arch)
        runs = [[figures(k, initrd, args.timeout, seed) for k in kernels] for seed in range(SEEDS)]
    finally:
        shutil.rmtree(tree)
    late = 0
    print(f"{'dispatch, per fault':40} {'table':>14} {'direct':>14} {'difference':>10}")
    for name in FIGURES:
        by_difference = sorted((table[name] - direct[name], table[name], direct[name]) for table, direct in runs)
        more, table, direct = by_difference[SEEDS // 2]
        late += more > BOUND
        print(f"{name:40} {table:14,.1f} {direct:14,.1f} {more:10.1f}  "
              f"{'ok' if more <= BOUND else f'above {BOUND}'}")
    sys.exit(1 if late else 0)


main()
