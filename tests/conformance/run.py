#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs Linux's own tests of huge pages, pinning and mappings on Linux and on Quire, and writes docs/CONFORMANCE.md.

The programs are built from Debian's package linux-source-6.1, unchanged but for those whose name ends in "+": what
CORRECTIONS leaves out or mends there cannot pass on any kernel as it stands. Linux is Debian's own kernel package in
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
VM = f"{SELFTESTS}/vm"
# Besides the folder vm: what its programs include.
HEADERS = [f"{SELFTESTS}/kselftest.h", f"{SELFTESTS}/kselftest_harness.h", "linux-source-6.1/mm/gup_test.h"]
EXTRA_SOURCES = {name: ["vm_util.c"] for name in ("madv_populate", "split_huge_page_test", "khugepaged")}
LIBRARIES = {"migration": ["-lnuma"]}
SKIP = 4  # kselftest's exit status
COUNTS_FAILURES = ("khugepaged", "khugepaged+")  # their exit status is a number of failures
# For a program "NAME+": replacements in NAME.c, all occurrences, of which there must be one.
CORRECTIONS = {
    "split_huge_page_test": [
        ("check_huge_anon(one_page, 1, pmd_pagesize)", "check_huge_anon(one_page, 4, pmd_pagesize)"),
        ("if (check_huge_anon(one_page, 0, pmd_pagesize))", "if (!check_huge_anon(one_page, 0, pmd_pagesize))"),
        ("if (thp_size != 4) {", "if (0) {"),
        ("\tsplit_file_backed_thp();\n", ""),
    ],
    "khugepaged": [
        ('\twrite_string("shmem_enabled",\n\t\t\tshmem_enabled_strings[settings->shmem_enabled]);\n', ""),
        ('\t\t.shmem_enabled =\n\t\t\tread_string("shmem_enabled", shmem_enabled_strings),\n', ""),
        ('still has huge page...");\n\tif (ops->check_huge(p, 1))', 'still has huge page...");\n\tif (1)'),
        ("\tTEST(collapse_swapin_single_pte, khugepaged_context, anon_ops);\n", ""),
        ("\tTEST(collapse_swapin_single_pte, madvise_context, anon_ops);\n", ""),
        ("\tTEST(collapse_max_ptes_swap, khugepaged_context, anon_ops);\n", ""),
        ("\tTEST(collapse_max_ptes_swap, madvise_context, anon_ops);\n", ""),
    ],
}
# What Linux 6.1 itself does not get right; Quire does what the test means.
REMARKS = {
    "hugetlb-madvise": "Linux 6.1 rounds the length of MADV_DONTNEED down to huge pages; the test expects up",
    "mremap_test": "needs more than 1 GiB of memory",
    "on-fault-limit": "runs as an ordinary user",
    "split_huge_page_test": "faults in four huge pages and expects smaps to show one, and one more than none after the split",
    "split_huge_page_test+": "expects four, and none afterwards; does not ask whether a part that moved away still belongs to a huge page "
                             "(here it never does), and leaves out files in tmpfs, which have no huge pages here",
    "khugepaged": "wants swap space for four of its tests, and a knob for huge pages in tmpfs",
    "khugepaged+": "without those four and that knob; does not ask whether a parent's huge page is whole after its child has "
                   "split it (here a page is split for all who map it)",
    "transhuge-stress": "has no end: half a minute of it, in which no huge page may fail",
    "migration": "wants two memory nodes; what it means is in `tests/kernel/mm/migrate_ktest.c`",
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


def compile_program(program, out):
    name = program.rstrip("+")
    source = f"{WORK}/{VM}/{name}.c"
    if program != name:
        with open(source, encoding="utf-8") as f:
            text = f.read()
        for old, new in CORRECTIONS[name]:
            assert old in text, (program, old)
            text = text.replace(old, new)
        source = f"{WORK}/{VM}/{name}-corrected.c"
        with open(source, "w", encoding="utf-8") as f:
            f.write(text)
    sources = [source] + [f"{WORK}/{VM}/{f}" for f in EXTRA_SOURCES.get(name, [])]
    # <mm/gup_test.h> is the kernel's own header; <numa.h> comes out of a package.
    sh("gcc", "-O2", "-w", "-static", "-pthread", f"-I{WORK}/linux-source-6.1", f"-I{WORK}/usr/include", "-o", out,
       *sources, "-Wl,--no-warnings", f"-L{WORK}/usr/lib/x86_64-linux-gnu", *LIBRARIES.get(name, []), "-lrt")


def build(programs):
    """The programs and the initramfs; its path and the source package's version."""
    deb = download(SOURCE)
    archive = unpack(deb, f"./usr/src/{SOURCE}.tar.xz")
    if not all(os.path.exists(f"{WORK}/{f}") for f in [VM] + HEADERS):
        sh("tar", "xf", os.path.abspath(archive), "-C", WORK, VM, *HEADERS)
    numa = download("libnuma-dev")
    for member in ("./usr/include/numa.h", "./usr/include/numaif.h", "./usr/lib/x86_64-linux-gnu/libnuma.a"):
        unpack(numa, member)
    root = f"{WORK}/root"
    subprocess.run(["rm", "-rf", root], check=True)
    for d in ("conformance", "dev", "proc", "sys", "tmp", "huge", "bin"):
        os.makedirs(f"{root}/{d}", exist_ok=True)
    sh("gcc", "-O2", "-Wall", "-Wextra", "-static", "-o", f"{root}/init", f"{HERE}/init.c")
    for program in programs:
        compile_program(program, f"{root}/conformance/{program}")
    sh("cp", f"{HERE}/list", f"{root}/conformance/list")
    # compaction_test calls a shell, cat and grep.
    sh("cp", unpack(download("busybox-static"), "./bin/busybox"), f"{root}/bin/sh")
    for tool in ("cat", "grep"):
        os.symlink("sh", f"{root}/bin/{tool}")
    initrd = os.path.abspath(f"{WORK}/initrd.cpio")
    files = subprocess.run(["find", "."], cwd=root, check=True, capture_output=True).stdout
    with open(initrd, "wb") as out:
        sh("cpio", "--quiet", "-o", "-H", "newc", cwd=root, input=files, stdout=out)
    return initrd, re.search(r"_([^_]+)_all\.deb", deb).group(1)


def verdict_of(name, end, output):
    if end == "ran on":  # transhuge-stress: its lines say how many huge pages it got
        counts = re.findall(r"(\d+) succeed, +(\d+) failed", output)
        return "pass" if counts and all(failed == "0" for _, failed in counts) else "fail (huge pages failed)"
    # kselftest's harness exits with 0 when all its tests were skipped.
    if end == "exit 0" and re.search(r"^# Totals: pass:0 fail:0 .*skip:[1-9]", output, re.M):
        return "skip"
    if end == f"exit {SKIP}" and name not in COUNTS_FAILURES:
        return "skip"
    return "pass" if end == "exit 0" else f"fail ({end})"


def parse(text):
    """{name: (verdict, last lines)}"""
    results = {}
    for m in re.finditer(r"@@BEGIN (\S+)\n(.*?)\n?@@END (\S+) ([^\n]*)", text, re.S):
        name, output, end = m.group(1), m.group(2).strip(), m.group(4).strip()
        results[name] = (verdict_of(name, end, output), output)
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
    output = re.sub(r"\x1b\[[0-9;]*m", "", output)  # colours
    lines = [l.strip() for l in output.splitlines() if l.strip() and not re.match(r"\[ *\d+\.\d+\]", l.strip())]
    return lines[-1][:90].replace("|", "/") if lines else ""


def write(path, names, linux, quire, versions):
    behind = []
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Conformance: Linux's own tests on Linux and on Quire\n\n")
        f.write("Written by `make conformance` (tests/conformance/run.py); do not edit. The programs are those of "
                f"Debian's package {SOURCE} {versions[1]},\ntools/testing/selftests/vm, built statically and, but for "
                f"those with a +, unchanged. Linux is Debian's kernel {versions[0]} in QEMU, Quire its release\nflavour; both boot the same initramfs "
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
    ap.add_argument("--timeout", type=int, default=2400, help="host seconds for each kernel")
    ap.add_argument("--out", default="docs/CONFORMANCE.md")
    ap.add_argument("--keep-linux", action="store_true", help="take Linux's results from its last run: only Quire has changed")
    args = ap.parse_args()
    rows = [l.split() for l in open(f"{HERE}/list", encoding="utf-8") if l.strip()]
    names = [row[0] for row in rows]
    os.makedirs(WORK, exist_ok=True)
    initrd, source_version = build(sorted({row[1] for row in rows}))
    kernel, kernel_version = linux_kernel()
    quire = on_quire(initrd, args.mem, args.timeout)
    if args.keep_linux:
        with open(f"{WORK}/linux.log", encoding="utf-8") as f:
            linux = parse(f.read())
    else:
        linux = on_linux(kernel, initrd, args.mem, args.timeout)
    behind = write(args.out, names, linux, quire, (kernel_version, source_version))
    for name in names:
        print(f"{name:24} Linux {linux.get(name, ('did not run',))[0]:18} Quire {quire.get(name, ('did not run',))[0]}")
    print(f"conformance: {len(behind)} tests behind Linux; {args.out} is written")
    sys.exit(1 if behind else 0)


main()
