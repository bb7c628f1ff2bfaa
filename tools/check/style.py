#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The style gates of `make check`, and the figures they publish. What they measure is in docs/STYLE.md.

Exit status 1 when a gate fails; each failure is a line `path:line: what`.
"""
import collections
import re
import subprocess
import sys

CODE = re.compile(r"^(arch|boot|kernel|mm|fs|drivers|lib|user|include|tests|tools)/.*\.(c|h|S)$")
CORE = re.compile(r"^(kernel|mm|fs|drivers|lib|include/(kernel|mm))/")
MM_ROWS = re.compile(r"^mm/pt_")
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|not implemented yet|\bstub\b")
ARCH_IF = re.compile(r"^\s*#\s*(el)?if.*(ARCH|__x86_64__|__powerpc)")
LEVEL_NAME = re.compile(r"\b(p[mug]d|p4d)_[a-z]")
KIND = re.compile(r"is_(vm_)?huge(tlb)?|pt_ops\s*==|VM_PFNMAP\b.*\?")
FUNCTION = re.compile(r"^(?!typedef|struct|enum|union|#|/|\*|\}|_Static_assert)[A-Za-z_].*\)\s*$|^[A-Z]+[0-9]?\(.*\)\s*$")
STATIC = ("static", "SYSCALL", "KTEST", "TEST(", "HTEST(")  # the macros say static themselves
MAX_FUNCTION, MAX_FILE, MAX_COLUMNS = 100, 1000, 100
GOAL_P99, GOAL_STATIC, GOAL_IF_PER_1000 = 80, 0.65, 1.0


def tracked():
    out = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], stdout=subprocess.PIPE,
                         check=True).stdout.decode()
    return [p for p in out.splitlines() if CODE.match(p)]


class Report:
    def __init__(self):
        self.failures = []
        self.lengths = []
        self.static = self.functions = 0
        self.core_lines = self.core_ifs = 0
        self.mm_lines = self.mm_asserts = 0
        self.lines = collections.Counter()

    def fail(self, path, line, what):
        self.failures.append(f"{path}:{line}: {what}")


def functions(lines):
    """Yields (name line number, first line of the definition's head, length)."""
    head = None
    for n, line in enumerate(lines, 1):
        if line.startswith("{") and head:
            start = n
        elif line.startswith("}") and head and "start" in locals() and start:
            yield head[0], head[1], n - start + 1
            head = start = None
        elif re.match(r"^[A-Za-z_]", line) and not line.rstrip().endswith((";", "{", ":", ",")) \
                and FUNCTION.match(line.rstrip()):
            head, start = (n, line), None
        elif re.match(r"^[A-Za-z_].*\(.*,$", line):
            head, start = (n, line), None


def look_at(path, text, r):
    lines = text.splitlines()
    r.lines[path.split("/")[0]] += len(lines)
    if len(lines) > MAX_FILE:
        r.fail(path, len(lines), f"{len(lines)} lines (at most {MAX_FILE})")
    if "SPDX-License-Identifier" not in (lines[0] if lines else ""):
        r.fail(path, 1, "first line is not the licence")
    core, mm = bool(CORE.match(path)), path.startswith("mm/") or path.startswith("include/mm/")
    for n, line in enumerate(lines, 1):
        if len(line) > MAX_COLUMNS and path != "bench/mmbench.c":
            r.fail(path, n, f"{len(line)} columns (at most {MAX_COLUMNS})")
        if UNFINISHED.search(line):
            r.fail(path, n, "unfinished: " + line.strip()[:60])
        if core and ARCH_IF.match(line):
            r.fail(path, n, "an architecture is named outside arch/ and boot/")
        if mm and LEVEL_NAME.search(line):
            r.fail(path, n, "a level by name where it should be an argument")
        if path.startswith("mm/") and not MM_ROWS.match(path) and KIND.search(line):
            r.fail(path, n, "the core asks for a kind of mapping: make it a slot of the row")
    if re.match(r"^(kernel|mm)/", path):
        r.core_lines += len(lines)
        r.core_ifs += sum(bool(re.match(r"\s*#\s*if", l)) for l in lines)
    if path.startswith("mm/"):
        r.mm_lines += len(lines)
        r.mm_asserts += len(re.findall(r"\b(ASSERT|BUG_ON|_Static_assert|lock_assert_held)\b", text))
    if path.endswith(".c"):
        if not re.match(r"/\* SPDX[^\n]*\n/\*", text):
            r.fail(path, 2, "no header comment")
        for n, head, length in functions(lines):
            r.functions += 1
            r.static += head.startswith(STATIC)
            if not path.startswith(("tests/", "user/")):
                r.lengths.append(length)
            if length > MAX_FUNCTION:
                r.fail(path, n, f"function of {length} lines (at most {MAX_FUNCTION})")


def publish(r):
    r.lengths.sort()
    p = lambda q: r.lengths[min(len(r.lengths) - 1, int(q * len(r.lengths)))] if r.lengths else 0
    print(f"functions: {r.functions}, length median {p(.5)}, p90 {p(.9)}, p99 {p(.99)} (goal <= {GOAL_P99}), max {p(1)}")
    buckets = collections.Counter(min(l // 10, 10) for l in r.lengths)
    for b in range(11):
        label = f"{b * 10}-{b * 10 + 9}" if b < 10 else "100+"
        print(f"  {label:>7} {buckets[b]:5} {'#' * (buckets[b] * 60 // max(1, max(buckets.values(), default=1)))}")
    print(f"static functions: {100 * r.static / max(1, r.functions):.1f} % (goal >= {100 * GOAL_STATIC:.0f} %)")
    print(f"#if per 1,000 lines of kernel/ and mm/: {1000 * r.core_ifs / max(1, r.core_lines):.2f} (goal <= {GOAL_IF_PER_1000})")
    print(f"asserts per 1,000 lines of mm/: {1000 * r.mm_asserts / max(1, r.mm_lines):.1f}")
    print("lines: " + ", ".join(f"{k} {v:,}" for k, v in sorted(r.lines.items())))
    if p(.99) > GOAL_P99:
        r.failures.append(f"p99 of function length is {p(.99)} (goal {GOAL_P99})")


def main():
    r = Report()
    for path in tracked():
        with open(path, encoding="utf-8") as f:
            look_at(path, f.read(), r)
    publish(r)
    print("\n".join(r.failures))
    print(f"style: {len(r.failures)} failures")
    sys.exit(bool(r.failures))


main()
