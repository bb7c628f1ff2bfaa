#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs bench/mmbench under -icount and prints its figures beside Linux's.

One virtual nanosecond is one guest instruction (-icount shift=0), so the figures are exact and repeat. Linux's come from
bench/linux-baseline.md. "net" has the clearing of bytes taken away on both sides, as that file says.
Exit status: 0 when the run was complete; --strict: 1 when a figure that is due misses its bound.
"""
import argparse
import re
import subprocess
import sys

# Counted steps that clear one base page: rep stosq on x86-64, 32 dcbz and their loop on ppc64.
CLEAR_4K = {"x86_64": 512, "ppc64-hash": 74, "ppc64-radix": 74}
# Pages cleared per operation of the figure.
CLEARED = {
    "anon_write_touch_cold": 1, "anon_write_touch": 1, "cow_after_read": 1, "refault_after_dontneed": 1,
    "shm_write_alloc": 1, "mmap_touch_munmap_1page": 1, "mmap_touch_munmap_kept_pt": 1,
    "mmap_touch_munmap_fresh_pt": 1, "vmas_1_fault": 1, "vmas_1000_fault": 1, "vmas_10000_fault": 1,
    "vmas_60000_fault": 1,
}
NOT_A_COST = re.compile(r"page_size|tick_rate|selfcheck|thp_cover|hugetlb_size")
# What Linux reaches with huge pages is compared when Quire has them.
HUGE = re.compile(r"thp|populate_64m")
BOUND = 0.5
# A fault of a huge page against the clearing of its bytes alone, on x86-64: the figure, and the one that has its size.
FAULT_BOUND = 1.05
FAULTS = {"hugetlb_touch": "hugetlb_size", "thp_touch": "thp_cover"}
# Others against Linux; of transparent huge pages on x86-64.
BOUNDS = {"hugetlb_munmap_per_huge_page": 0.3, "fork_exit_wait_thp_512m": 0.2, "thp_mprotect_1page_split": 25000 / 52761}
COLUMN = {"x86_64": 0, "ppc64-hash": 1, "ppc64-radix": 2}


def read_baseline(path, column):
    figures = {}
    for line in open(path, encoding="utf-8"):
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 4:
            try:
                figures[cells[0]] = float(cells[1 + column].replace(",", ""))
            except ValueError:
                pass
    return figures


def run(command, timeout):
    out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                         stdin=subprocess.DEVNULL, check=False).stdout.decode("utf-8", "replace")
    if "@@MMBENCH-END" not in out:
        sys.stderr.write(out[-3000:])
        sys.exit("bench: the run did not reach its end")
    return out


def parse(text):
    figures, missing = {}, {}
    for line in text.replace("\r", "").splitlines():
        m = re.match(r"(\w+) (?:(NA) (.*)|([\d.]+) (\w+))$", line)
        if m and m.group(2):
            missing[m.group(1)] = m.group(3)
        elif m:
            figures[m.group(1)] = float(m.group(4))
    return figures, missing


def report(quire, linux, missing, clear_4k):
    late = []
    print(f"{'figure':40} {'Quire':>14} {'Linux':>14} {'net ratio':>10}")
    for name, value in quire.items():
        base = linux.get(name)
        if base is None or NOT_A_COST.search(name):
            print(f"{name:40} {value:14,.1f} {base if base is not None else '-':>14}")
            continue
        x86 = "selfcheck_rep_stosq_512" in quire
        if name in FAULTS and x86:
            clearing = quire[FAULTS[name]] / 4096 * clear_4k
            verdict = "ok" if value <= FAULT_BOUND * clearing else f"above {FAULT_BOUND} of clearing"
            print(f"{name:40} {value:14,.1f} {base:14,.1f} {value / clearing:10.3f}  {verdict} (against clearing)")
            if verdict != "ok":
                late.append(name)
            continue
        if name in BOUNDS and (x86 or name.startswith("hugetlb")):
            verdict = "ok" if value <= BOUNDS[name] * base else f"above {BOUNDS[name]:.2f}"
            print(f"{name:40} {value:14,.1f} {base:14,.1f} {value / base:10.3f}  {verdict}")
            if verdict != "ok":
                late.append(name)
            continue
        cleared = CLEARED.get(name, 0) * clear_4k
        ratio = max(value - cleared, 0) / max(base - cleared, 1)
        if HUGE.search(name):
            verdict = "due with huge pages"
        elif ratio <= BOUND:
            verdict = "ok"
        else:
            verdict = f"above {BOUND}"
            late.append(name)
        print(f"{name:40} {value:14,.1f} {base:14,.1f} {ratio:10.3f}  {verdict}")
    for name, why in missing.items():
        print(f"{name:40} {'NA':>14}  {why}")
        if name.startswith("hugetlb"):  # it was given a pool
            late.append(name)
    for kind in ("mmap_one_more", "fault", "mmap_munmap_pair"):
        one, many = quire.get(f"vmas_1_{kind}"), quire.get(f"vmas_60000_{kind}")
        if one and many:
            verdict = "ok" if many <= 1.5 * one else "above 1.5"
            if verdict != "ok":
                late.append(f"vmas_60000/1 {kind}")
            print(f"{'60,000 areas against one: ' + kind:40} {many / one:14.3f} {'<= 1.5':>14} {'':10}  {verdict}")
    return late


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--baseline", default="bench/linux-baseline.md")
    ap.add_argument("--config", default="x86_64", choices=COLUMN)
    ap.add_argument("--timeout", type=int, default=1800, help="host seconds before the run counts as hung")
    ap.add_argument("--strict", action="store_true")
    ap.add_argument("command", nargs="+", help="QEMU's command line, behind --")
    args = ap.parse_args()
    quire, missing = parse(run(args.command, args.timeout))
    print(f"==== {args.config}")
    late = report(quire, read_baseline(args.baseline, COLUMN[args.config]), missing, CLEAR_4K[args.config])
    print(f"\n{len(late)} figures above their bound" + (": " + " ".join(late) if late else ""))
    sys.exit(1 if late and args.strict else 0)


main()
