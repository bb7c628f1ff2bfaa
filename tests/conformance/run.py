#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs Linux's own tests of huge pages and mappings on Linux and on Quire, and writes docs/CONFORMANCE.md.

The programs are built, unchanged, from Debian's package linux-source-6.1; Linux is Debian's own kernel package in
QEMU. Nothing of them enters the tree: packages and programs live in build/conformance/. Both kernels boot the same
initramfs on the same machine (x86-64, TCG).

Exit status 1 when a test that passes on Linux does not pass on Quire.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

HERE = "tests/conformance"
WORK = "build/conformance"
SOURCE = "linux-source-6.1"
SELFTESTS = "linux-source-6.1/tools/testing/selftests"
EXTRA_SOURCES = {"madv_populate": ["vm_util.c"]}
SKIP = 4  # kselftest's exit status
# What Linux 6.1 itself does not get right; Quire does what the test means.
REMARKS = {
    "hugetlb-madvise": "Linux 6.1 rounds the length of MADV_DONTNEED down to huge pages; the test expects up",
    "mremap_test": "needs more than 1 GiB of memory",
    "on-fault-limit": "runs as an ordinary user",
}


def sh(*command, **kw):
    return subprocess.run(command, check=True, **kw)


def download(package):
    """The package's file in WORK; fetched with apt when it is not there."""
    found = sorted(glob.glob(f"{WORK}/{package}_*.deb"))
    if not found:
        print(f"conformance: fetching {package}", flush=True)
        sh("apt-get", "download", package, cwd=WORK, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        found = sorted(glob.glob(f"{WORK}/{package}_*.deb"))
    return found[-1]


def unpack(deb, member):
    """One file of a package, below WORK; its path."""
    path = os.path.join(WORK, member.lstrip("./"))
    if not os.path.exists(path):
        data = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
        sh("tar", "xf", "-", "-C", WORK, member, stdin=data.stdout)
    return path


def linux_kernel():
    depends = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], check=True, capture_output=True,
                             text=True).stdout
    package = re.search(r"Depends: (linux-image-\S+)", depends).group(1)
    version = package[len("linux-image-"):]
    return unpack(download(package), f"./boot/vmlinuz-{version}"), version


def build(names):
    """The programs and the initramfs; its path and the source package's version."""
    deb = download(SOURCE)
    archive = unpack(deb, f"./usr/src/{SOURCE}.tar.xz")
    if not os.path.isdir(f"{WORK}/{SELFTESTS}/vm"):
        sh("tar", "xf", os.path.abspath(archive), "-C", WORK, f"{SELFTESTS}/vm", f"{SELFTESTS}/kselftest.h")
    root = f"{WORK}/root"
    for d in ("conformance", "dev", "proc", "sys", "tmp", "huge"):
        os.makedirs(f"{root}/{d}", exist_ok=True)
    sh("gcc", "-O2", "-Wall", "-Wextra", "-static", "-o", f"{root}/init", f"{HERE}/init.c")
    for name in names:
        sources = [f"{WORK}/{SELFTESTS}/vm/{f}" for f in [name + ".c"] + EXTRA_SOURCES.get(name, [])]
        sh("gcc", "-O2", "-w", "-static", "-pthread", "-o", f"{root}/conformance/{name}", *sources, "-lrt")
    sh("cp", f"{HERE}/list", f"{root}/conformance/list")
    initrd = os.path.abspath(f"{WORK}/initrd.cpio")
    files = subprocess.run(["find", "."], cwd=root, check=True, capture_output=True).stdout
    with open(initrd, "wb") as out:
        sh("cpio", "--quiet", "-o", "-H", "newc", cwd=root, input=files, stdout=out)
    return initrd, re.search(r"_([^_]+)_all\.deb", deb).group(1)


def parse(text):
    """{name: (verdict, last lines)}"""
    results = {}
    for m in re.finditer(r"@@BEGIN (\S+)\n(.*?)\n?@@END \1 ([^\n]*)", text, re.S):
        name, output, end = m.group(1), m.group(2).strip(), m.group(3).strip()
        verdict = {"exit 0": "pass", f"exit {SKIP}": "skip"}.get(end, f"fail ({end})")
        results[name] = (verdict, output)
    return results


def boot(command, env, timeout, log):
    try:
        out = subprocess.run(command, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, timeout=timeout, check=False).stdout
    except subprocess.TimeoutExpired as e:
        out = e.stdout or b""
    text = out.decode("utf-8", "replace").replace("\r", "")
    with open(f"{WORK}/{log}", "w", encoding="utf-8") as f:
        f.write(text)
    if "@@DONE" not in text:
        print(f"conformance: the run did not reach its end; see {WORK}/{log}")
    return parse(text)


def on_linux(kernel, initrd, mem, timeout):
    command = ["qemu-system-x86_64", "-M", "q35", "-cpu", "max", "-smp", "2", "-m", mem, "-kernel", kernel, "-initrd",
               initrd, "-append", "console=ttyS0 quiet mitigations=off no_timer_check panic=-1", "-display", "none", "-serial", "stdio",
               "-no-reboot", "-monitor", "none"]
    return boot(command, {}, timeout, "linux.log")


def on_quire(initrd, mem, timeout):
    env = {"KERNEL": "build/x86_64/quire.elf", "INITRD": initrd, "SMP": "2", "MEM": mem, "FIRMWARE": "direct",
           "APPEND": "quiet"}
    return boot(["tools/run-qemu.sh", "test"], env, timeout, "quire.log")


def detail(output):
    """The line that says what went wrong, for the table."""
    lines = [l.strip() for l in output.splitlines() if l.strip() and not re.match(r"\[ *\d+\.\d+\]", l.strip())]
    return lines[-1][:90].replace("|", "/") if lines else ""


def write(path, names, linux, quire, versions):
    behind = []
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Conformance: Linux's own tests on Linux and on Quire\n\n")
        f.write("Written by `make conformance` (tests/conformance/run.py); do not edit. The programs are those of "
                f"Debian's package {SOURCE} {versions[1]},\ntools/testing/selftests/vm, built unchanged and statically. "
                f"Linux is Debian's kernel {versions[0]} in QEMU, Quire its release\nflavour; both boot the same initramfs "
                "with the same memory and CPUs and 300 huge pages.\n\n")
        f.write("| test | Linux | Quire | remark |\n|---|---|---|---|\n")
        for name in names:
            lv, lo = linux.get(name, ("did not run", ""))
            qv, qo = quire.get(name, ("did not run", ""))
            remark = REMARKS.get(name, "")
            for who, verdict, output in (("Linux", lv, lo), ("Quire", qv, qo)):
                if verdict.startswith("fail"):
                    remark += ("; " if remark else "") + f"{who}: “{detail(output)}”"
            if lv == "pass" and qv != "pass":
                behind.append(name)
            f.write(f"| {name} | {lv} | {qv} | {remark} |\n")
        count = sum(quire.get(n, ("",))[0] == "pass" for n in names)
        f.write(f"\n{count} of {len(names)} pass on Quire, {sum(linux.get(n, ('',))[0] == 'pass' for n in names)} on "
                "Linux. ")
        f.write("Whatever passes on Linux passes on Quire.\n" if not behind else
                "Behind Linux: " + ", ".join(behind) + ".\n")
    return behind


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--mem", default="4G")
    ap.add_argument("--timeout", type=int, default=1500, help="host seconds for each kernel")
    ap.add_argument("--out", default="docs/CONFORMANCE.md")
    args = ap.parse_args()
    names = [l.split()[0] for l in open(f"{HERE}/list", encoding="utf-8") if l.strip()]
    os.makedirs(WORK, exist_ok=True)
    initrd, source_version = build(names)
    kernel, kernel_version = linux_kernel()
    quire = on_quire(initrd, args.mem, args.timeout)
    linux = on_linux(kernel, initrd, args.mem, args.timeout)
    behind = write(args.out, names, linux, quire, (kernel_version, source_version))
    for name in names:
        print(f"{name:24} Linux {linux.get(name, ('did not run',))[0]:18} Quire {quire.get(name, ('did not run',))[0]}")
    print(f"conformance: {len(behind)} tests behind Linux; {args.out} is written")
    sys.exit(1 if behind else 0)


main()
