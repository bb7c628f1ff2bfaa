#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Documentation cites code by symbol and path; this fails on one that no longer exists.

In *.md files, `name()` in back quotes must be a function or macro somewhere in the tree, and `path/file.c` must exist. In
sources, tests and models that a comment names must exist, and what the comment at the head calls "Read next" or "Checked by":
in the tree, beside the source, one folder up, beside the file named before it, or among the public headers. A README's reading
order misses no source: of each of the kernel's, the next README above must have the name.
"""
import os
import re
import subprocess
import sys

PATH = re.compile(r"`((?:arch|boot|kernel|mm|fs|drivers|lib|user|include|tests|tools|models|bench|docs|labs)/[\w./-]+)`")
CHECKED_BY = re.compile(r"\b((?:tests|models)/[\w/-]+\.(?:c|h|pml|sh|py))\b")
CALL = re.compile(r"`(\w+)\(\)`")
HEAD = re.compile(r"/\* SPDX[^\n]*\n/\*(.*?)\*/", re.S)
GUIDE = re.compile(r"(?:Read next|Checked by|See also):? (.*?)(?:\. [A-Z]|$)", re.S)
FILE = re.compile(r"(?<![\w./<*-])((?:[\w.-]+/)*[\w-]+\.(?:c|h|S|pml|py|sh|md)|(?:[\w.-]+/)+)(?![\w/])")
ARCHES = ("x86_64", "ppc64")
KERNEL = re.compile(r"(arch|boot|drivers|fs|kernel|lib|mm)/.*\.(c|S)$")


def guides(source, text, known):
    """Yields the files that the comment at the head of @source names as a guide; those that do not exist with True."""
    head = HEAD.match(text)
    for guide in GUIDE.findall(re.sub(r"\s*\n \* ?", " ", head[1]).strip() if head else ""):
        folders = ["", os.path.dirname(source), os.path.dirname(os.path.dirname(source)), "include"]
        for path in FILE.findall(guide):
            places = [os.path.normpath(os.path.join(f, path.replace("ARCH", a))) for f in folders for a in ARCHES]
            yield path, not any(p in known for p in places)
            folders[4:] = [os.path.dirname(path)]


def left_out(files):
    """Yields (source, README) where the reading order does not name the source."""
    texts = {p: open(p, encoding="utf-8").read() for p in files if os.path.basename(p) == "README.md"}
    for p in filter(KERNEL.match, files):
        folder = os.path.dirname(p)
        while folder and folder + "/README.md" not in texts:
            folder = os.path.dirname(folder)
        readme = folder + "/README.md" if folder else "README.md"
        if os.path.basename(p) not in texts[readme]:
            yield p, readme


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
        text = open(p, encoding="utf-8").read()
        for n, line in enumerate(text.splitlines(), 1):
            for path in CHECKED_BY.findall(line):
                cited += 1
                if path not in known_paths:
                    print(f"{p}:{n}: {path} does not exist")
                    bad += 1
        for path, missing in guides(p, text, known_paths):
            cited += 1
            if missing:
                print(f"{p}:1: {path}, named at its head, does not exist")
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
    for p, readme in left_out(files):
        print(f"{p}:1: not in {readme}")
        bad += 1
    print(f"docs: {cited} citations, {bad} of what does not exist")
    sys.exit(bool(bad))


main()
