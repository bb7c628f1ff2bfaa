#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs a real program that shares memory between processes, with shared page tables and without: the results are the same.

The program is LMDB, a database in one file that all its users map, built unchanged and statically from Debian's source
package `lmdb`. Nothing of it enters the tree: it is fetched with apt into build/lmdb/, with package lists of its own, since
machines seldom have those of sources. Six readers at once, then six beside a writer (init.c); x86-64, TCG.

Exit status 1 when results differ, or a tool fails, or nothing was shared when it should have been.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

HERE = "tests/lmdb"
WORK = os.path.abspath("build/lmdb")
TOOLS = ("mdb_load", "mdb_dump", "mdb_stat")


def sh(*command, **kw):
    return subprocess.run(command, check=True, **kw)


def source_lists():
    """The machine's package sources again, as sources of source packages; apt's options that make it use them."""
    parts, lists = f"{WORK}/sources.d", f"{WORK}/lists"
    os.makedirs(parts, exist_ok=True)
    os.makedirs(f"{lists}/partial", exist_ok=True)
    for path in glob.glob("/etc/apt/sources.list.d/*.sources"):
        text = re.sub(r"(?m)^Types:.*", "Types: deb-src", open(path, encoding="utf-8").read())
        open(f"{parts}/{os.path.basename(path)}", "w", encoding="utf-8").write(text)
    for path in ["/etc/apt/sources.list"] + glob.glob("/etc/apt/sources.list.d/*.list"):
        if os.path.exists(path):
            lines = [l for l in open(path, encoding="utf-8") if l.startswith("deb ")]
            with open(f"{parts}/{os.path.basename(path).removesuffix('.list')}.list", "w", encoding="utf-8") as out:
                out.writelines("deb-src " + l[4:] for l in lines)
    return ["-o", "Dir::Etc::SourceList=/dev/null", "-o", f"Dir::Etc::SourceParts={parts}", "-o", f"Dir::State::Lists={lists}"]


def fetch():
    """The unpacked sources' directory."""
    found = glob.glob(f"{WORK}/lmdb-*/libraries/liblmdb")
    if not found:
        print("lmdb: fetching the source package", flush=True)
        options = source_lists()
        sh("apt-get", *options, "update", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        sh("apt-get", *options, "source", "--download-only", "lmdb", cwd=WORK, stdout=subprocess.DEVNULL,
           stderr=subprocess.DEVNULL)
        archive = glob.glob(f"{WORK}/lmdb_*.orig.tar.*")[0]
        os.makedirs(f"{WORK}/lmdb-src", exist_ok=True)
        sh("tar", "xf", archive, "-C", f"{WORK}/lmdb-src", "--strip-components=1")
        found = glob.glob(f"{WORK}/lmdb-*/libraries/liblmdb")
    return found[0]


def build():
    """The initramfs; its path."""
    source, root = fetch(), f"{WORK}/root"
    for d in ("bin", "dev", "proc", "tmp"):
        os.makedirs(f"{root}/{d}", exist_ok=True)
    sh("gcc", "-O2", "-Wall", "-Wextra", "-Wno-unused-result", "-static", "-o", f"{root}/init", f"{HERE}/init.c")
    for tool in TOOLS:
        sh("gcc", "-O2", "-w", "-static", "-pthread", "-o", f"{root}/bin/{tool}",
           *(f"{source}/{f}.c" for f in (tool, "mdb", "midl")))
    files = subprocess.run(["find", "."], cwd=root, check=True, capture_output=True).stdout
    with open(f"{WORK}/initrd.cpio", "wb") as out:
        sh("cpio", "--quiet", "-o", "-H", "newc", cwd=root, input=files, stdout=out)
    return f"{WORK}/initrd.cpio"


def run(initrd, append, timeout):
    """(lines that must be the same, counters)"""
    env = {"ARCH": "x86_64", "KERNEL": "build/x86_64/quire.elf", "INITRD": initrd, "APPEND": append, "SMP": "4", "MEM": "1G",
           "FIRMWARE": "direct"}
    out = subprocess.run(["tools/run-qemu.sh", "test"], env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=timeout, check=False).stdout.decode("utf-8", "replace")
    lines = out.replace("\r", "").splitlines()
    if "@@DONE" not in lines:
        print("\n".join(lines[-30:]))
        sys.exit(f"lmdb: the run with {append} did not reach its end")
    counters = dict(re.findall(r"(?m)^# (\w+) (\d+)$", "\n".join(lines)))
    return [l for l in lines if l.startswith("= ")], {k: int(v) for k, v in counters.items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--timeout", type=int, default=600, help="host seconds for each run")
    args = ap.parse_args()
    os.makedirs(WORK, exist_ok=True)
    initrd = build()
    shared, on = run(initrd, "shared_pt=on", args.timeout)
    private, off = run(initrd, "shared_pt=off", args.timeout)
    print("\n".join(shared))
    bad = [l for l in shared + private if "status" in l and "status 0" not in l]
    if shared != private:
        bad.append("the results differ without sharing:\n" + "\n".join(private))
    if "pt_share_link" in on and (on["pt_share_link"] < 12 or off["pt_share_link"] != 0):
        bad.append("nothing was shared, or something with shared_pt=off")
    print(f"links to shared tables: {on.get('pt_share_link')}, with shared_pt=off {off.get('pt_share_link')}")
    for line in bad:
        print("lmdb: wrong:", line)
    print("lmdb: the same results with shared page tables and without" if not bad else "lmdb: failed")
    sys.exit(1 if bad else 0)


main()
