#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Runs every test on every configuration and ends with one line `N passed, N failed`.

A configuration is one command whose output is KTAP: a boot of the debug kernel with its own tests (`ktest`), a boot that
runs the user programs' tests (`test`), a boot that must reach a program and power off, or the tests of the build machine.
A configuration fails as a whole, and counts one failure more, when it panics, says nothing for too long, ends with the
wrong status or breaks off before its plan is fulfilled. Logs: build/test-logs/.

Some more run at a time than there are host CPUs (jobs_for()); their results are printed in the order of the list all the same.

Where a machine comes in several kinds (ppc64: hash MMU on POWER8 and POWER9, radix MMU on POWER9), the same configurations
run on each, their names begin with the kind's, and a line of totals follows each kind.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time

RESULT = re.compile(r"^(\s*)(not ok|ok) (\d+)\s*-?\s*(.*)$")
PLAN = re.compile(r"^(\s*)1\.\.(\d+)")
NOTHING = re.compile(r"^# no test matches")  # of T=; that some test does is looked at in the end
PANIC = re.compile(r"KERNEL PANIC: (.*)")
SWEPT = re.compile(r"# (\S+): by numbers 1 to (\d+) of (\d+), (to the end|then by chains)")
LOGS = "build/test-logs"
BUSYBOX_INITRD = "build/test-logs/busybox.cpio"
SILENCE_S = 240  # host seconds without a line
SWEEP_PARTS = 3  # of the sweep, side by side with each other and the rest
STRESS_S = 300   # of a stress run that ends by the clock


class Config:
    def __init__(self, name, command, env=None, statuses=(0,), expect=None, limit_s=1500, ktap=True, long=False,
                 silence_s=SILENCE_S):
        self.name = name
        self.command = command
        self.env = env or {}
        self.statuses = statuses
        self.expect = expect    # text that must appear
        self.limit_s = limit_s
        self.ktap = ktap
        self.long = long        # begins first: no CPU of the host idles at the end beside a long one
        self.silence_s = silence_s


class Outcome:
    def __init__(self):
        self.passed = self.failed = 0
        self.skips = []     # name and reason
        self.failures = []
        self.swept = []     # tests by numbers (make sweep): name, last number, places, whether that was the end
        self.problem = None
        self.seconds = self.cpu_seconds = 0


def parse_ktap(lines, out):
    """Counts leaves: a result that closes a group of deeper results only repeats them."""
    deeper = {}  # indent -> results were seen below it
    plans = []   # (indent, planned, seen)
    for line in lines:
        plan = PLAN.match(line)
        if plan:
            plans.append([len(plan.group(1)), int(plan.group(2)), 0])
            continue
        swept = SWEPT.search(line)
        if swept:
            out.swept.append((swept.group(1), int(swept.group(2)), int(swept.group(3)), swept.group(4) == "to the end"))
        result = RESULT.match(line)
        if not result:
            continue
        indent, verdict, text = len(result.group(1)), result.group(2), result.group(4)
        closes = any(level > indent for level in deeper)
        for level in [level for level in deeper if level > indent]:
            del deeper[level]
        deeper[indent] = True
        for plan in reversed(plans):
            if plan[0] == indent:
                plan[2] += 1
                break
        if closes:
            continue
        if "# SKIP" in text:
            out.skips.append(text)
        elif verdict == "ok":
            out.passed += 1
        else:
            out.failed += 1
            out.failures.append(text)
    short = [p for p in plans if p[2] < p[1]]
    if not plans:
        out.problem = out.problem or "no test plan in the output"
    elif short:
        out.problem = out.problem or f"broke off after {short[0][2]} of {short[0][1]} tests"


running = set()  # processes; what Ctrl-C must end
stall_s = 0      # --stall: how long a configuration stands still, again and again


def kill_group(process):
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def stall(process):
    """What a busy host does to a machine: it stands still while its clocks go on."""
    try:
        os.killpg(process.pid, signal.SIGSTOP)
        time.sleep(stall_s)
        os.killpg(process.pid, signal.SIGCONT)
    except ProcessLookupError:
        pass


def run(config):
    start = time.monotonic()
    out, lines = Outcome(), []
    env = dict(os.environ, **config.env)
    for name in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL"):
        env.pop(name, None)
    process = subprocess.Popen(config.command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    running.add(process)
    last = [time.monotonic()]
    end = last[0] + config.limit_s
    ended = threading.Event()

    def watch():
        while not ended.wait(0.2):
            now = time.monotonic()
            if now > end or now - last[0] > config.silence_s:
                out.problem = "hangs: " + ("over the time limit" if now > end else f"silent for {config.silence_s} s")
                kill_group(process)
                return
            if stall_s:
                stall(process)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    path = os.path.join(LOGS, re.sub(r"[^a-z0-9.=-]+", "_", config.name) + ".log")
    with open(path, "w", buffering=1) as log:
        for raw in process.stdout:
            last[0] = time.monotonic()
            line = raw.decode("utf-8", "replace").replace("\r", "").rstrip("\n")
            lines.append(line)
            log.write(line + "\n")
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status = os.waitstatus_to_exitcode(status)
    ended.set()
    watcher.join()
    running.discard(process)
    out.seconds, out.cpu_seconds = time.monotonic() - start, usage.ru_utime + usage.ru_stime
    if not out.problem and any(NOTHING.match(line) for line in lines):
        return out
    for line in lines:
        panic = PANIC.search(line)
        if panic and not (config.expect and config.expect.search(line)):
            out.problem = "panic: " + panic.group(1)
            break
    if config.ktap:
        parse_ktap(lines, out)
    if not out.problem and config.expect and not any(config.expect.search(line) for line in lines):
        out.problem = f"did not print {config.expect.pattern!r}"
    if not out.problem and status not in config.statuses and not (config.ktap and out.failed):
        out.problem = f"ended with status {status} instead of {config.statuses[0]}"
    if not config.ktap and not out.problem:
        out.passed += 1
    if out.problem:
        out.failed += 1
        out.failures.append(out.problem)
        out.failures += ["    " + line for line in lines[-25:]]
    return out


def qemu(kernel, append, smp, initrd=None, **more):
    env = {"ARCH": "x86_64", "KERNEL": kernel, "APPEND": append, "SMP": str(smp), "INITRD": initrd or "", "MEM": "256M",
           "FIRMWARE": "direct"}
    env.update(more)
    return env


def panic_configs(kernel, prefix="", status=37, **more):
    """`crash= kind | what the report must say`: tests/panic/list."""
    for line in open("tests/panic/list"):
        line = line.strip()
        if line and not line.startswith("#"):
            kind, text = (part.strip() for part in line.split("|", 1))
            yield Config(f"{prefix}panic {kind}", ["tools/run-qemu.sh", "test"], qemu(kernel, f"crash={kind}", 2, **more),
                         statuses=(status,), expect=re.compile(text), limit_s=60, ktap=False)


def x86_64(match, smps):
    release, debug = "build/x86_64", "build/x86_64-debug"
    command = ["tools/run-qemu.sh", "test"]
    kernel, initrd = f"{debug}/quire.elf", f"{release}/initrd.cpio"
    ktest, test = (f"ktest={match}", f"test={match}") if match else ("ktest", "test")
    for smp in smps:
        yield Config(f"kernel smp={smp}", command, qemu(kernel, ktest, smp, initrd), statuses=(33,))
    yield Config("kernel smp=2 dmap=4k la57=off", command, qemu(kernel, ktest + " dmap=4k la57=off", 2, initrd),
                 statuses=(33,))
    for smp in smps:
        yield Config(f"user smp={smp}", command, qemu(kernel, test, smp, initrd, MEM="512M"), long=True)
    for part in range(1, SWEEP_PARTS + 1):
        yield Config(f"sweep {part}/{SWEEP_PARTS}", command,
                     qemu(kernel, f"run=/tests/run-tests,-s,-p,{part}/{SWEEP_PARTS}" + (f",{match}" if match else ""), 1,
                          initrd, MEM="512M"), limit_s=3600, long=True)
    if match:
        return
    reached = re.compile(r"^Linux|^Quire")
    for name, more in {
            "bios": {"FIRMWARE": "bios"}, "uefi": {"FIRMWARE": "uefi", "MEM": "512M"}, "direct": {},
            "cpu=qemu64": {"CPU": "qemu64"}, "cpu=EPYC": {"CPU": "EPYC"}, "mem=6G": {"MEM": "6G"}}.items():
        env = qemu(f"{release}/quire.elf", "run=/bin/uname,-a", 2, initrd,
                   ISO=f"{release}/boot-test.iso", **more)
        yield Config(f"boot {name}", command, env, expect=reached, limit_s=120, ktap=False)
    yield from panic_configs(kernel)
    yield Config("busybox", command, qemu(kernel, "run=/bin/busybox,sh,/test.sh", 2, BUSYBOX_INITRD, MEM="512M"))
    for name, more in {"shell": [initrd], "busybox shell": [BUSYBOX_INITRD, "--busybox"]}.items():
        yield Config(name, ["python3", "tests/interactive/shell_test.py", kernel] + more)
    yield Config("command line", ["tests/cli/cli_test.sh", "x86_64"])
    yield Config("boot cost", ["tests/boot/boot_cost.py", f"{release}/quire.elf", initrd])
    yield Config("experiment", ["tests/experiment/experiment_test.sh", "x86_64"])
    yield Config("page-huge hugetlb_zero_page=off", command,
                 qemu(kernel, "run=/tests/page_huge_test,reads_take_pages hugetlb_zero_page=off", 2, initrd),
                 expect=re.compile(r"^ok 1 reads_take_pages$"))
    yield Config("gdb commands", ["tests/gdb/gdb_test.sh", kernel, initrd])
    for smp in smps:
        yield Config(f"disk smp={smp}", ["tests/disk/disk_test.py", kernel, initrd, str(smp)])
    # eight threads for a minute, with musl and with glibc
    yield Config("threads_stress", command,
                 qemu(kernel, "run=/tests/threads_stress,-s,60,-b,/tests/threads_stress_glibc", 4, initrd, MEM="512M"), long=True)
    yield Config("share_random", command, qemu(kernel, "run=/tests/share_random", 4, initrd, MEM="512M"))
    # fork shares every table that it can, also those that are not worth it
    everything = "run=/tests/share_random,-n,3000 fork_share=all"
    yield Config("share_random fork_share=all", command, qemu(kernel, everything, 4, initrd, MEM="512M"))
    yield Config("user share fork_share=all", command,
                 qemu(kernel, "test=share fork_share=all", 2, initrd, MEM="512M"))


# MMU and CPU of each kind of pseries machine.
PPC64_KINDS = [("hash", "power8"), ("hash", "power9"), ("radix", "power9")]


def ppc64_kind(mmu, cpu, match, smps):
    release, debug = "build/ppc64", "build/ppc64-debug"
    prefix = f"ppc64-{mmu}-{cpu}: "
    command = ["tools/run-qemu.sh", "test"]
    kernel, initrd = f"{debug}/quire.elf", f"{release}/initrd.cpio"
    ktest, test = (f"ktest={match}", f"test={match}") if match else ("ktest", "test")
    machine = {"ARCH": "ppc64", "MMU": mmu, "CPU": cpu}
    for smp in smps:
        yield Config(f"{prefix}kernel smp={smp}", command, qemu(kernel, ktest, smp, initrd, **machine))
    if mmu == "radix":
        yield Config(f"{prefix}kernel smp=2 dmap=4k", command, qemu(kernel, ktest + " dmap=4k", 2, initrd, **machine))
    else:
        yield Config(f"{prefix}kernel smp=2 pages=64k", command,
                     qemu(kernel, ktest, 2, initrd, QEMU_EXTRA="-M cap-hpt-max-page-size=64k", **machine))
    for smp in smps:
        yield Config(f"{prefix}user smp={smp}", command, qemu(kernel, test, smp, initrd, MEM="512M", **machine), long=True)
    if match:
        return
    for name, more in {"direct": {}, "flat": {"FIRMWARE": "flat"}, "mem=4G": {"MEM": "4G"}}.items():
        env = qemu(f"{release}/quire.elf", "run=/bin/uname,-a", 2, initrd, **{**machine, **more})
        yield Config(f"{prefix}boot {name}", command, env, expect=re.compile(r"^Linux|^Quire"), limit_s=120, ktap=False)
    yield from panic_configs(kernel, prefix, 1, **machine)
    yield Config(f"{prefix}shell", ["python3", "tests/interactive/shell_test.py", kernel, initrd], machine)
    yield Config(f"{prefix}share_random", command,
                 qemu(kernel, "run=/tests/share_random,-n,2000", 4, initrd, MEM="512M", **machine))
    yield Config(f"{prefix}share_random fork_share=all", command,
                 qemu(kernel, "run=/tests/share_random,-n,1000 fork_share=all", 4, initrd, MEM="512M", **machine))
    if (mmu, cpu) != ("hash", "power9"):  # once per MMU
        yield Config(f"{prefix}user share fork_share=all", command,
                     qemu(kernel, "test=share fork_share=all", 2, initrd, MEM="512M", **machine))
    if mmu == "hash":  # needs CPUs that run at the same time, and nothing that QEMU might lose then
        yield Config(f"{prefix}entered_while_it_leaves thread=multi", command,
                     qemu(kernel, "ktest=hash_smp.entered_while_it_leaves", 4, initrd, TCG_THREAD="multi", **machine))
    yield Config(f"{prefix}experiment", ["tests/experiment/experiment_test.sh", "ppc64"], machine)
    yield Config(f"{prefix}disk smp=2", ["tests/disk/disk_test.py", kernel, initrd, "2"], machine)


def ppc64(match, smps, mmu, cpu):
    for kind in PPC64_KINDS:
        if mmu in ("", kind[0]) and cpu in ("", kind[1]):
            yield from ppc64_kind(*kind, match, smps)
    if not match:
        yield Config("ppc64: command line", ["tests/cli/cli_test.sh", "ppc64"])


def machines(arch, mmu, cpu):
    """The prefix of the configurations' names and the variables of tools/run-qemu.sh of each kind of machine."""
    if arch == "x86_64":
        yield "", {}
    for kind in PPC64_KINDS if arch == "ppc64" else []:
        if mmu in ("", kind[0]) and cpu in ("", kind[1]):
            yield f"ppc64-{kind[0]}-{kind[1]}: ", {"ARCH": "ppc64", "MMU": kind[0], "CPU": kind[1]}


# `make stress`: name, program and arguments, CPUs, host seconds that it may take. One line is one long run on every machine.
STRESS = [
    ("thp_stress", "/tests/thp_stress_test,-s,600", 4, 2400),
    ("share_random", "/tests/share_random,-n,100000,-r,0", 4, 2400),
    ("threads_stress", f"/tests/threads_stress,-t,16,-s,{STRESS_S}", 4, 3 * STRESS_S),
]


def stress(arch, match, smps, mmu, cpu):
    debug = f"build/{arch}-debug"
    for prefix, machine in machines(arch, mmu, cpu):
        for name, run_arg, smp, limit_s in STRESS:
            for n in smps or [smp]:
                env = qemu(f"{debug}/quire.elf", f"run={run_arg}", n, f"build/{arch}/initrd.cpio", MEM="1G", **machine)
                if match in name:
                    yield Config(f"{prefix}stress {name} smp={n}", ["tools/run-qemu.sh", "test"], env, limit_s=limit_s,
                                 silence_s=limit_s)


# `make gigantic`: pages of 1 GiB, where the machine has them. QEMU takes from its host what is touched, not what is said.
GIGANTIC = [
    ("rows", "ktest=rows ktest_timeout=200", "8G", r"hugetlb shared +1048576K( +ok){7} +EINVAL +ok +ok *$"),
    ("pool", "test=hugetlb_test hugepagesz=1G hugepages=1", "4G", r"^ *ok \d+ gigantic_pages$"),
    ("leaves", "ktest=gib ktest_timeout=200", "6G", r"^# totals: pass:[1-9]\d* fail:0 skip:0"),
    ("leaves by advice", "test=gib_test", "6G", r"^# totals: pass:[1-9]\d* fail:0 skip:0"),
    ("leaves under load", "test=gib_race_test", "6G", r"^# totals: pass:[1-9]\d* fail:0 skip:0"),
    ("leaves and memory", "test=gib_memory_test", "6G", r"^# totals: pass:[1-9]\d* fail:0 skip:0"),
    ("pool at run time", "test=hugetlb_test", "4G", r"^ *ok \d+ gigantic_pages$"),
]


# `make sweep`: each place of each user test fails, by its number, until none is left (tests/user/sweep_numbers.h); all
# tests are so many parts. On one CPU, where a number means the same place in each run. A test says nothing before its end.
NUMBER_PARTS, SWEEP_SILENCE_S = 16, 3600


def sweep(arch, match, smps, mmu, cpu):
    debug = f"build/{arch}-debug"
    for prefix, machine in machines(arch, mmu, cpu):
        for smp in smps or [1]:
            for part in range(1, NUMBER_PARTS + 1) if not match else [1]:
                parts = 1 if match else NUMBER_PARTS
                arg = f"run=/tests/run-tests,-S,-p,{part}/{parts}" + (f",{match}" if match else "")
                env = qemu(f"{debug}/quire.elf", arg, smp, f"build/{arch}/initrd.cpio", MEM="512M", **machine)
                yield Config(f"{prefix}sweep by numbers smp={smp} {part}/{parts}", ["tools/run-qemu.sh", "test"], env,
                             limit_s=24 * 3600, silence_s=SWEEP_SILENCE_S)


def gigantic(arch, match, mmu, cpu):
    debug = f"build/{arch}-debug"
    for prefix, machine in machines(arch, mmu, cpu):
        for name, append, mem, expect in GIGANTIC if machine.get("MMU") != "hash" else []:
            if match in name:
                env = qemu(f"{debug}/quire.elf", append, 4, f"build/{arch}/initrd.cpio", MEM=mem, **machine)
                yield Config(f"{prefix}gigantic {name}", ["tools/run-qemu.sh", "test"], env,
                             statuses=(33,) if arch == "x86_64" and "ktest" in append else (0,),
                             expect=re.compile(expect), limit_s=600)


def host(match):
    yield Config("host", ["make", "--no-print-directory", "-s", "-f", "tests/host/host.mk", "test", f"T={match}"], long=True)


def make_boot_iso():
    subprocess.run(["tools/make-iso.sh", "build/x86_64/boot-test.iso", "build/x86_64/quire.elf",
                    "build/x86_64/initrd.cpio", "iso/grub.cfg", "run=/bin/uname,-a"], check=True)


def make_busybox_initrd():
    subprocess.run(["tests/busybox/mkinitrd.sh", BUSYBOX_INITRD, "build/x86_64/user/bin/init", "/bin/busybox"],
                   check=True)


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, out):
        self.passed += out.passed
        self.failed += out.failed
        self.skipped += len(out.skips)


def kind_of(config):
    return config.name.split(": ")[0] if ": " in config.name else ""


def print_skips(skips):
    """Each test once with its reason, and how often it was skipped."""
    if skips:
        print("Skipped:")
    for text in sorted(set(skips)):
        print(f"       {text.replace('# SKIP', '-')} ({skips.count(text)} times)")


def print_swept(swept):
    """How far the sweeps by numbers came."""
    if not swept:
        return
    ended = [s for s in swept if s[3]]
    print(f"By numbers: {len(ended)} tests to the end, {len(swept) - len(ended)} up to a number and then by chains; "
          f"{sum(s[1] for s in swept)} numbers")
    for name, last, places, end in swept:
        if not end:
            print(f"       {name}: 1 to {last} of {places}, then by chains")


def run_all(configs, pool):
    total, kind, skips, swept = Totals(), Totals(), [], []
    futures = {config: pool.submit(run, config) for config in sorted(configs, key=lambda c: not c.long)}
    for i, config in enumerate(configs):
        out = futures[config].result()
        total.add(out)
        kind.add(out)
        skips += out.skips
        swept += out.swept
        print(f"{'FAIL' if out.failed else 'ok  '} {config.name}: {out.passed} passed, {out.failed} failed, "
              f"{len(out.skips)} skipped ({out.seconds:.0f} s, {out.cpu_seconds:.0f} s of CPU)", flush=True)
        for failure in out.failures:
            print(f"       {failure}", flush=True)
        name = kind_of(config)
        if i + 1 == len(configs) or kind_of(configs[i + 1]) != name:
            if name:
                print(f"==== {name}: {kind.passed} passed, {kind.failed} failed, {kind.skipped} skipped", flush=True)
            kind = Totals()
    print_skips(skips)
    print_swept(swept)
    print(f"{total.passed} passed, {total.failed} failed")
    return total


def jobs_for(arch, cpus):
    """How many configurations at a time: tests wait for clocks a third of their time, so three for two CPUs. An emulator
    of x86-64 takes as many CPUs of the host as its machine has."""
    return min(cpus * 3 // 2, cpus // 2 + 2 if arch == "x86_64" else 64)


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--arch", default="x86_64", choices=["x86_64", "ppc64"])
    ap.add_argument("--mmu", default="", help="ppc64: only this MMU (hash, radix)")
    ap.add_argument("--cpu", default="", help="ppc64: only this CPU (power8, power9)")
    ap.add_argument("--match", default="", help="only tests whose name contains this")
    ap.add_argument("--smp", default="", help="only this number of CPUs")
    ap.add_argument("--jobs", type=int, default=0, help="configurations at a time; by default see jobs_for()")
    ap.add_argument("--stress", action="store_true", help="the long runs instead (make stress)")
    ap.add_argument("--sweep", action="store_true", help="every place of every user test fails, by number (make sweep)")
    ap.add_argument("--gigantic", action="store_true", help="pages of 1 GiB instead (make gigantic)")
    ap.add_argument("--only", default="", help="only configurations whose name contains this, or the one named before a $")
    ap.add_argument("--stall", type=float, default=0,
                    help="each configuration stands still for so many seconds, again and again, as on a busy host")
    args = ap.parse_args()
    global stall_s
    stall_s = args.stall
    os.makedirs(LOGS, exist_ok=True)
    smps = [int(args.smp)] if args.smp else [1, 2, 4]
    if args.stress:
        configs = list(stress(args.arch, args.match, smps if args.smp else [], args.mmu, args.cpu))
    elif args.sweep:
        configs = list(sweep(args.arch, args.match, smps if args.smp else [], args.mmu, args.cpu))
    elif args.gigantic:
        configs = list(gigantic(args.arch, args.match, args.mmu, args.cpu))
    elif args.arch == "x86_64":
        configs = list(host(args.match)) + list(x86_64(args.match, smps))
    else:
        configs = list(ppc64(args.match, smps, args.mmu, args.cpu))
    configs = [c for c in configs if args.only in c.name or args.only == c.name + "$"]
    if any(c.name.startswith("boot") for c in configs):
        make_boot_iso()
    if any("busybox" in c.name for c in configs):
        make_busybox_initrd()
    pool = concurrent.futures.ThreadPoolExecutor(args.jobs or jobs_for(args.arch, os.cpu_count()))
    try:
        total = run_all(configs, pool)
    except KeyboardInterrupt:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in list(running):
            kill_group(process)
        sys.exit(130)
    if not (total.passed or total.failed or total.skipped):
        sys.exit(f"run-tests.py: nothing ran: no test's name contains '{args.match}'" if args.match else
                 f"run-tests.py: nothing ran: no configuration's name contains '{args.only}'")
    sys.exit(1 if total.failed or not total.passed else 0)


main()
