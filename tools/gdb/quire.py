# SPDX-License-Identifier: MIT
"""gdb commands for Quire: qr-ps qr-maps qr-vma qr-pt qr-hpt qr-page qr-locks qr-dmesg.

They read the kernel's own structures through its debug information, and page tables through physical memory
(QEMU's Qqemu.PhyMemMode), so they work in any context: user mode, interrupt handlers, after a panic.
What they must know of a machine is in machines.py. `help qr-pt` and so on say the arguments.
"""
import contextlib
import os
import struct
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from machines import machine, number  # noqa: E402  (gdb gives a sourced file no import path)

PAGE = 4096
VM_BITS = [(0, "r"), (1, "w"), (2, "x")]
KINDS = ["reserved", "free", "pcp", "kernel", "slab", "table", "anon", "file", "zero"]
PAGE_FLAGS = ["dirty", "uptodate", "locked", "waiters", "referenced", "exclusive", "lazyfree", "mlocked"]
STATES = {0: "R", 1: "S", 2: "D", 4: "T", 8: "Z", 16: "X", 32: "N", 64: "K"}


@contextlib.contextmanager
def physical_memory():
    """Inside, memory reads of the inferior take physical addresses; gives a function that reads a 64-bit word."""
    word = machine().word_format
    gdb.execute("maintenance packet Qqemu.PhyMemMode:1", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)
    try:
        yield lambda pa: struct.unpack(word, bytes(gdb.selected_inferior().read_memory(pa, 8)))[0]
    finally:
        gdb.execute("maintenance packet Qqemu.PhyMemMode:0", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)


def value(text):
    return gdb.parse_and_eval(text)


def list_entries(head, typename, member):
    """The objects of an intrusive list."""
    kind = gdb.lookup_type("struct " + typename)
    offset = next(f.bitpos // 8 for f in kind.fields() if f.name == member)
    link = head["next"]
    while link != head.address:
        yield (link.cast(gdb.lookup_type("unsigned long")) - offset).cast(kind.pointer())
        link = link["next"]


def tasks():
    return list_entries(value("all_tasks"), "task", "task_link")


def task_by_pid(pid):
    for t in tasks():
        if int(t["tid"]) == pid:
            return t
    raise gdb.GdbError(f"no task {pid}; qr-ps lists them")


def current_task():
    """The task of the CPU that gdb has selected: QEMU's threads are the CPUs, in order."""
    thread = gdb.selected_thread()
    return value(f"cpus[{(thread.num if thread else 1) - 1}].current")


def mm_of(arg):
    task = task_by_pid(int(arg, 0)) if arg else current_task()
    if not task["mm"]:
        raise gdb.GdbError(f"task {int(task['tid'])} is a kernel thread: it has no address space")
    return task["mm"]


def vmas(mm):
    v = mm["first_vma"]
    while v:
        yield v
        v = v["next"]


def vma_row(v):
    flags = int(v["flags"])
    perms = "".join(c if flags >> b & 1 else "-" for b, c in VM_BITS) + ("s" if flags >> 3 & 1 else "p")
    row = value("pt_ops_table")[int(v["pt_ops"])]["name"].string()
    name = ""
    if v["file"] and v["file"]["dentry"]:
        name = v["file"]["dentry"]["name"].string()
    return f"{int(v['start']):016x}-{int(v['end']):016x} {perms} {int(v['pgoff']):8x} {row:12} {name}"


class Command(gdb.Command):
    """A gdb command whose help is the class's text."""

    def __init__(self):
        super().__init__(self.name, gdb.COMMAND_DATA)


class Ps(Command):
    """qr-ps: all tasks, with state, CPU, address space and name. A * marks one that is on a CPU now."""
    name = "qr-ps"

    def invoke(self, arg, tty):
        print("  PID  TGID S CPU  ADDRESS SPACE      NAME")
        for t in tasks():
            mark = "*" if t["on_cpu"] else " "
            state = STATES.get(int(t["state"]), "?")
            print(f"{int(t['tid']):5} {int(t['proc']['tgid']):5} {state} {int(t['cpu']):3}{mark} "
                  f"{int(t['mm']):#018x} {t['comm'].string()}")


class Maps(Command):
    """qr-maps [PID]: the areas of an address space; without PID that of the selected CPU's task."""
    name = "qr-maps"

    def invoke(self, arg, tty):
        for v in vmas(mm_of(arg)):
            print(vma_row(v))


class Vma(Command):
    """qr-vma ADDR [PID]: the area that contains ADDR, all fields."""
    name = "qr-vma"

    def invoke(self, arg, tty):
        words = gdb.string_to_argv(arg)
        if not words:
            raise gdb.GdbError("usage: qr-vma ADDR [PID]")
        va = number(words[0])
        for v in vmas(mm_of(words[1] if len(words) > 1 else "")):
            if int(v["start"]) <= va < int(v["end"]):
                print(vma_row(v))
                print(v.dereference())
                return
        print(f"{va:#x} lies in no area")


def walk(va, mm):
    """Down from the top: (name, level, physical address of the entry, its word, entry decoded, log2 of its bytes), to the
    last. A list: while physical memory is read nothing else can be looked at."""
    arch = machine()
    levels = arch.levels()
    table = arch.root(va, mm)
    steps = []
    with physical_memory() as u64:
        for level in range(len(levels) - 1, -1, -1):
            name, shift, bits = levels[level]
            pa = table + 8 * (va >> shift & (1 << bits) - 1)
            word = u64(pa)
            entry = arch.entry(word, level)
            steps.append((name, level, pa, word, entry, shift))
            if entry.kind != "table":
                break
            table = entry.address
    return steps


class Pt(Command):
    """qr-pt VA [PID]: walks the tables for VA through physical memory, from the hardware's root or PID's.
On ppc64 without PID: the tables of the selected CPU's task, or the kernel's for its addresses."""
    name = "qr-pt"

    def invoke(self, arg, tty):
        words = gdb.string_to_argv(arg)
        if not words:
            raise gdb.GdbError("usage: qr-pt VA [PID]")
        va = number(words[0])
        mm = task_by_pid(int(words[1], 0))["mm"] if len(words) > 1 else machine().default_mm(current_task())
        for name, _, pa, word, entry, shift in walk(va, mm):
            print(f"{name} @{pa:#x} = {word:#018x} {entry.flags}")
            if entry.kind == "nothing":
                print("not present")
            elif entry.kind == "marker":
                print("not present: a software entry")
            elif entry.kind == "leaf":
                size = 1 << shift
                print(f"-> physical {entry.address & ~(size - 1) | va & (size - 1):#x}, page size {size >> 10} KiB")


class Hpt(Command):
    """qr-hpt VA [PID]: where the hash MMU looks for VA: segment, hash, the two groups, and what is in them.
Only on ppc64 with the hash MMU. The table itself is the hypervisor's; shown is the kernel's copy of the first words."""
    name = "qr-hpt"

    def invoke(self, arg, tty):
        words = gdb.string_to_argv(arg)
        arch = machine()
        if not hasattr(arch, "hash_key") or arch.is_radix():
            raise gdb.GdbError("this machine does not use a hash table")
        if not words:
            raise gdb.GdbError("usage: qr-hpt VA [PID]")
        va = number(words[0])
        vsid, base = arch.segment(self.segment_word(va, mm_of(words[1] if len(words) > 1 else "")))
        word, key_hash = arch.hash_key(va, vsid, base)
        print(f"segment {va >> 28:#x}: VSID {vsid:#x}, base pages of {1 << base >> 10} KiB")
        print(f"hash {key_hash:#x}, first word {word:#018x}")
        found = False
        for n, (group, entries) in enumerate(arch.hash_groups(key_hash)):
            print(f"{('primary', 'secondary')[n]} group {group:#x}")
            for i, entry in enumerate(entries):
                here = entry & ~0x30 == word | 2 * n
                found |= here
                marks = ("bolted " if entry & 0x10 else "") + ("<- this address" if here else "")
                print(f"  {arch.GROUP * group + i:#x}: " + (f"{entry:#018x} {marks}" if entry else "free"))
        if not found:
            print("not in the table: the next access refills it from the tree (qr-pt)")

    @staticmethod
    def segment_word(va, mm):
        """The level-1 table of va has it in its struct page."""
        for _, level, pa, _, _, _ in walk(va, mm):
            if level == 1:
                word = int(value(f"mem_map[{pa // PAGE - number('mem_map_first')}].pt_private"))
                if word:
                    return word
        raise gdb.GdbError(f"{va:#x}: no table, or no segment number for it yet")


class Page(Command):
    """qr-page PFN: struct page of a frame: kind, references, pins, mappings, flags, owner."""
    name = "qr-page"

    def invoke(self, arg, tty):
        if not arg:
            raise gdb.GdbError("usage: qr-page PFN")
        pfn, first, end = number(arg), number("mem_map_first"), number("mem_map_end")
        if not first <= pfn < end:
            raise gdb.GdbError(f"frame {pfn:#x} is outside memory: {first:#x} .. {end:#x}")
        page = value(f"&mem_map[{pfn - first}]")
        word, flags = int(page["word"]), int(page["flags"])
        names = " ".join(n for b, n in enumerate(PAGE_FLAGS) if flags >> b & 1) or "none"
        kind = KINDS[int(page["kind"])]
        for order in range(19):  # inside a free block the frame's own kind is left over
            head = pfn & ~((1 << order) - 1)
            if head < first:
                break
            block = value(f"&mem_map[{head - first}]")
            if KINDS[int(block["kind"])] == "free" and int(block["order"]) >= order:
                kind = "free"
        print(f"frame {pfn:#x} kind {kind} references {(word & 0xfffffffe) >> 1} "
              f"pins {word >> 32} tail {word & 1} mapped {int(page['mapcount'])} times, flags: {names}")
        if kind == "table":
            print(f"  level {int(page['level'])}, {int(page['pt_used'])} entries used, of mm {int(page['pt_mm']):#x}")
        elif kind in ("file", "anon"):
            print(f"  mapping {int(page['mapping']):#x}, index {int(page['index']):#x}")
        elif kind == "slab":
            print(f"  cache {int(page['slab_cache']):#x}")


class Locks(Command):
    """qr-locks: the locks that each task holds (debug kernels keep them)."""
    name = "qr-locks"

    def invoke(self, arg, tty):
        found = False
        for t in tasks():
            for i in range(int(t["nr_held"])):
                held = t["held"][i]
                kind = str(value(f"(enum lock_class){int(held['class'])}"))
                print(f"{int(t['tid']):5} {t['comm'].string():16} {kind:20} {int(held['lock']):#x}")
                found = True
        if not found:
            print("no task holds a lock (or this kernel was built without DEBUG=1)")


class Dmesg(Command):
    """qr-dmesg: the kernel's log."""
    name = "qr-dmesg"

    def invoke(self, arg, tty):
        ring, head = value("printk_ring"), number("printk_head")
        size = ring.type.sizeof
        data = bytes(gdb.selected_inferior().read_memory(int(ring.address), size))
        start = max(0, head - size)
        text = bytes(data[i % size] for i in range(start, head))
        print(text.decode("utf-8", "replace"), end="")


for command in (Ps, Maps, Vma, Pt, Hpt, Page, Locks, Dmesg):
    command()
