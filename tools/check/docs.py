#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documentation cites code by symbol and path; this fails on one that no longer exists.

In *.md files, `name()` in back quotes must be a function or macro somewhere in the tree, and `path/file.c` must exist. In
sources, tests and models that a comment names must exist.
"""
import re
import subprocess
import sys

PATH = re.compile(r"`((?:arch|boot|kernel|mm|fs|drivers|lib|user|include|tests|tools|models|bench|docs|labs)/[\w./-]+)`")
CHECKED_BY = re.compile(r"\b((?:tests|models)/[\w/-]+\.(?:c|h|pml|sh|py))\b")
CALL = re.compile(r"`(\w+)\(\)`")


def main():
    files = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], stdout=subprocess.PIPE,
                           check=True).stdout.decode().splitlines()
    known_paths = set(files) | {"/".join(p.split("/")[:n]) for p in files for n in range(1, p.count("/") + 1)}
    words = set()
    for p in files:
        if p.endswith((".c", ".h", ".S", ".py", ".pml", ".sh")):
            words.update(re.findall(r"\w+", open(p, encoding="utf-8").read()))
    bad = 0
    cited = 0
    for p in files:
        if not p.endswith((".c", ".h", ".S", ".pml")):
            continue
        for n, line in enumerate(open(p, encoding="utf-8"), 1):
            for path in CHECKED_BY.findall(line):
                cited += 1
                if path not in known_paths:
                    print(f"{p}:{n}: {path} does not exist")
                    bad += 1
    for p in files:
        if not p.endswith(".md"):
            continue
        for n, line in enumerate(open(p, encoding="utf-8"), 1):
            for path in PATH.findall(line):
                cited += 1
                if path.rstrip("/") not in known_paths and not path.startswith("build"):
                    print(f"{p}:{n}: `{path}` does not exist")
                    bad += 1
            for name in CALL.findall(line):
                cited += 1
                if name not in words:
                    print(f"{p}:{n}: `{name}()` does not exist in the code")
                    bad += 1
    print(f"docs: {cited} citations, {bad} of what does not exist")
    sys.exit(bool(bad))


main()
