#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Fails when mm/ asks which kind of mapping it has before it.

What a mapping means is decided by its row of the pagetable-operations table; a question such as "is it
hugetlb?" outside the files of the rows is how such tables die. Allowed outside: setting an index, comparing two
areas' indices, properties that any row may have (the page size, VM_POOL, VM_PFNMAP).

The build runs it before the kernel is linked. Exit status 1 with one line `path:line: what` per question.
"""
import glob
import re
import sys

ROW_FILES = re.compile(r"^mm/(pt_ops|pt_default\w*|pt_pfnmap|pt_hugetlb\w*|pt_space|space|pt_internal|lazyfree)\.[ch]$")
ROWS = r"PT_(DEFAULT|PFNMAP|HUGETLB_FS|HUGETLB_CHAR|SHARED_SPACE|EXPERIMENT)\b"
QUESTIONS = [
    (re.compile(r"pt_ops\s*[!=]=\s*" + ROWS), "compares a row's index"),
    (re.compile(ROWS + r"\s*[!=]="), "compares a row's index"),
    (re.compile(r"\bcase\s+" + ROWS), "switches over rows"),
    (re.compile(r"\bswitch\s*\(.*(->|\.)pt_ops\b"), "switches over rows"),
    (re.compile(r"!\s*\w+(->|\.)pt_ops\b|\bif\s*\(\s*\w+(->|\.)pt_ops\s*\)"), "takes a row's index for a truth"),
    (re.compile(r"pt_ops\s*[<>]=?\s*(?!NR_PT_OPS\b)\w"), "orders rows"),
    (re.compile(r"vma_ops\([^)]*\)\s*[!=]=|[!=]=\s*&?pt_ops_table\b"), "compares rows"),
    (re.compile(r"vma_ops\([^)]*\)->\w+\s*[!=]="), "compares a row's function"),
    (re.compile(r"\b(is_vm_|is_|vma_is_|vm_is_)(huge|pfnmap|hugetlb|experiment)\w*\s*\("), "asks for a kind by name"),
    (re.compile(r"->op\s*[!=]=\s*&\w*(huge|pfnmap)\w*"), "asks for a kind by the file's operations"),
]
# Lines that must be found, and lines that must not: a check that cannot fail says nothing.
SHOULD_FAIL = ["if (v->pt_ops == PT_HUGETLB_FS)", "switch (v->pt_ops) {", "    case PT_PFNMAP:", "if (is_vm_hugetlb_page(v))",
               "return PT_DEFAULT != v->pt_ops;", "if (v->pt_ops)", "if (vma_ops(v)->zap == pt_default_zap)",
               "if (f->op == &hugetlbfs_file_fops)", "x = !v->pt_ops;", "vma_ops(v) == &pt_ops_table[1]",
               "return vma_is_huge(v);", "if (v->pt_ops > 2)"]
SHOULD_PASS = ["v->pt_ops = a->pt_ops;", "p->attr.pt_ops = PT_DEFAULT;", "next->pt_ops != begin->pt_ops", "a.pt_ops = PT_DEFAULT;",
               "err = vma_ops(v)->may_map(v);", "if (v->level > 0) {", "vma_ops(c->v)->page_sizes & BIT(level)",
               "v->pt_ops != a->pt_ops)", "ASSERT(v->pt_ops < NR_PT_OPS);"]


def questions(line):
    code = re.sub(r"/\*.*?\*/|//.*", "", line)
    return [what for pattern, what in QUESTIONS if pattern.search(code)]


def self_test():
    wrong = [s for s in SHOULD_FAIL if not questions(s)] + [s for s in SHOULD_PASS if questions(s)]
    for line in wrong:
        print(f"tools/check/kinds.py: judges wrongly: {line}")
    return len(wrong)


def main():
    found = self_test()
    for path in sorted(glob.glob("mm/**/*.[ch]", recursive=True) + glob.glob("include/mm/*.h")):
        if ROW_FILES.match(path):
            continue
        comment = False
        for number, line in enumerate(open(path, encoding="utf-8"), 1):
            if line.lstrip().startswith("/*"):
                comment = True
            if not comment:
                for what in questions(line):
                    print(f"{path}:{number}: {what}; that is for the row's functions (mm/pt_ops.c)")
                    found += 1
            if "*/" in line:
                comment = False
    return 1 if found else 0


sys.exit(main())
