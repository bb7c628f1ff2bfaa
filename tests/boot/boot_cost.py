#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""What a boot costs, as KTAP: instructions to the first program, memory the kernel holds, and time to the first line.

usage: boot_cost.py [--strict] KERNEL INITRD
The first two are counted under -icount and exact. The third is processor time of QEMU, which depends on the machine it
runs on: it is printed, and judged with --strict only.
"""
import os
import re
import subprocess
import sys

INSTRUCTIONS = 30_000_000   # to the first program, with 256 MiB
KERNEL_KIB = 24 * 1024      # held then with 1 GiB, page structures included
FIRST_LINE_S = 0.1
ARCH = os.environ.get("ARCH", "x86_64")
TICKS_PER_NS = {"x86_64": 1.0, "ppc64": 0.512}[ARCH]  # the time stamp counter, the time base
TRIES = 5                   # the quickest counts: other programs run on this machine


def environment(kernel, initrd, append, memory):
    return dict(os.environ, KERNEL=kernel, INITRD=initrd, APPEND=append, MEM=memory, SMP="1", FIRMWARE="direct")


def first_program(kernel, initrd, memory):
    env = environment(kernel, initrd, "init=/tests/boot_cost", memory)
    run = subprocess.run(["timeout", "120", "tools/run-qemu.sh", "bench"], env=env, stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    text = run.stdout.decode("utf-8", "replace")
    figures = {name: int(number) for name, number in re.findall(r"^([\w ()]+): +(\d+)", text, re.M)}
    if "MemFree" not in figures:
        print("# " + text.replace("\n", "\n# "))
        sys.exit("Bail out! the first program did not report")
    return figures


def first_line_seconds(kernel, initrd):
    """Processor time of QEMU, user and system, when the kernel's first line arrives."""
    env = environment(kernel, initrd, "run=/bin/true", "256M")
    process = subprocess.Popen(["tools/run-qemu.sh", "test"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    process.stdout.readline()
    spent = 0
    tasks = f"/proc/{process.pid}/task"
    for thread in os.listdir(tasks):
        with open(f"{tasks}/{thread}/schedstat", encoding="ascii") as stat:
            spent += int(stat.read().split()[0])
    process.stdout.read()
    process.wait()
    return spent / 1e9


class Report:
    def __init__(self, planned):
        self.number = 0
        self.failed = False
        print(f"KTAP version 1\n1..{planned}")

    def result(self, ok, text):
        self.number += 1
        self.failed |= not ok
        print(f"{'ok' if ok else 'not ok'} {self.number} {text}", flush=True)


def main():
    strict = sys.argv[1:2] == ["--strict"]
    kernel, initrd = sys.argv[-2:]
    report = Report(3 if strict else 2)

    small = first_program(kernel, initrd, "256M")
    counted = int(small["ticks at the first program"] / TICKS_PER_NS)
    report.result(counted <= INSTRUCTIONS, f"boot to the first program, 256 MiB: {counted:,} instructions, "
                                           f"at most {INSTRUCTIONS:,}")

    large = first_program(kernel, initrd, "1G")
    files, programs = large["Shmem"], large["AnonPages"]
    held = (1 << 20) - large["MemFree"] - files - programs
    report.result(held <= KERNEL_KIB, f"the kernel holds {held:,} KiB of 1 GiB, at most {KERNEL_KIB:,} "
                                      f"(besides {files:,} KiB of files and {programs:,} KiB of the program)")

    seconds = min(first_line_seconds(kernel, initrd) for _ in range(TRIES))
    text = f"first line after {seconds:.3f} s of host processor time, under {FIRST_LINE_S} s"
    if strict:
        report.result(seconds < FIRST_LINE_S, text)
    else:
        print("# " + text)
    sys.exit(1 if report.failed else 0)


main()
