# SPDX-License-Identifier: MIT
"""gdb commands for Quire: qr-ps qr-maps qr-vma qr-pt qr-hpt qr-page qr-locks qr-dmesg.

They read the kernel's own structures through its debug information, and page tables through physical memory
(QEMU's Qqemu.PhyMemMode), so they work in any context: user mode, interrupt handlers, after a panic.
`help qr-pt` and so on say the arguments.
"""
import contextlib
import struct

import gdb

PAGE = 4096
VM_BITS = [(0, "r"), (1, "w"), (2, "x")]
KINDS = ["reserved", "free", "pcp", "kernel", "slab", "table", "anon", "file", "zero"]
PAGE_FLAGS = ["dirty", "uptodate", "locked", "waiters", "referenced", "exclusive", "lazyfree", "mlocked"]
STATES = {0: "R", 1: "S", 2: "D", 4: "T", 8: "Z", 16: "X", 32: "N", 64: "K"}


@contextlib.contextmanager
def physical_memory():
    """Inside, memory reads of the inferior take physical addresses."""
    word = ">Q" if "big endian" in gdb.execute("show endian", to_string=True) else "<Q"
    gdb.execute("maintenance packet Qqemu.PhyMemMode:1", to_string=True)
    gdb.execute("maintenance flush dcache", to_string=True)
    try:
        yield lambda pa: struct.unpack(word, bytes(gdb.selected_inferior().read_memory(pa, 8)))[0]
    finally:
        gdb.execute("maintenance packet Qqemu.PhyMemMode:0", to_string=True)
        gdb.execute("maintenance flush dcache", to_string=True)


def value(text):
    return gdb.parse_and_eval(text)


def number(text):
    return int(gdb.parse_and_eval(text)) & (1 << 64) - 1


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


class Pt(Command):
    """qr-pt VA [PID]: walks the tables for VA through physical memory, from the hardware's root or PID's."""
    name = "qr-pt"
    levels = ["PTE", "PMD", "PUD", "PGD", "P5D"]
    flags = [(0, "P"), (1, "W"), (2, "U"), (3, "w"), (4, "c"), (5, "A"), (6, "D"), (7, "S"), (8, "G"), (63, "N")]

    def root(self, words):
        if len(words) > 1:
            return int(task_by_pid(int(words[1], 0))["mm"]["arch_root"])
        return number("(unsigned long)$cr3")

    def invoke(self, arg, tty):
        words = gdb.string_to_argv(arg)
        if not words:
            raise gdb.GdbError("usage: qr-pt VA [PID]")
        va = number(words[0])
        if "powerpc" in gdb.selected_inferior().architecture().name():
            PpcTree(va, mm_of(words[1] if len(words) > 1 else "") if va < PpcTree.DIRECT_MAP else None).show()
            return
        top = 4 if number("(unsigned long)$cr4") >> 12 & 1 else 3
        table = self.root(words) & 0x000FFFFFFFFFF000
        with physical_memory() as u64:
            self.walk(va, table, top, u64)

    def walk(self, va, table, top, u64):
        for level in range(top, -1, -1):
            shift = 12 + 9 * level
            pa = table + 8 * (va >> shift & 511)
            entry = u64(pa)
            marks = "".join(c if entry >> b & 1 else "-" for b, c in self.flags)
            print(f"{self.levels[level]} @{pa:#x} = {entry:#018x} {marks}")
            if not entry & 1:
                print("not present" + ("" if entry == 0 else ": a software entry"))
                return
            if level == 0 or (level < 3 and entry >> 7 & 1):
                size = 1 << shift
                base = entry & 0x000FFFFFFFFFF000 & ~(size - 1)
                print(f"-> physical {base | va & (size - 1):#x}, page size {size >> 10} KiB")
                return
            table = entry & 0x000FFFFFFFFFF000


class PpcTree:
    """ppc64's tree, for either MMU: the levels' sizes are in ppc_mmu, the kernel's root is its own."""
    levels = ["PTE", "PMD", "PUD", "PGD"]
    leaf_bits = [(2, "R"), (1, "W"), (0, "X"), (3, "p"), (5, "n"), (8, "A"), (7, "D"), (9, "S"), (10, "G")]
    link_bits = [(5, "w"), (6, "x")]
    DIRECT_MAP = 0xC000000000000000

    def __init__(self, va, mm):
        self.va, self.radix = va, bool(value("ppc_mmu")["radix"])
        self.geometry = [(int(value("ppc_mmu")["level"][n]["shift"]), int(value("ppc_mmu")["level"][n]["bits"]))
                         for n in range(4)]
        self.root = number("kernel_root_pa") if va >= self.DIRECT_MAP else int(mm["root"]) & ~self.DIRECT_MAP

    def steps(self):
        """(level, physical address of the entry, entry) from the root down."""
        table = self.root
        with physical_memory() as u64:
            for level in range(3, -1, -1):
                shift, bits = self.geometry[level]
                pa = table + 8 * (self.va >> shift & (1 << bits) - 1)
                entry = u64(pa)
                yield level, pa, entry
                if entry >> 62 != 2:  # not a link: valid and no leaf
                    return
                table = entry & 0x01FFFFFFFFFFF000

    def show(self):
        for level, pa, entry in self.steps():
            leaf = entry >> 62 == 3
            marks = "".join(c if entry >> b & 1 else "-" for b, c in (self.leaf_bits if leaf else self.link_bits))
            print(f"{self.levels[level]} @{pa:#x} = {entry:#018x} {marks}")
            size = 1 << self.geometry[level][0]
            if leaf:
                base = entry & 0x01FFFFFFFFFFF000
                print(f"-> physical {base | self.va & (size - 1):#x}, page size {size >> 10} KiB")
            elif not entry >> 63:
                print("not present" + ("" if entry == 0 else ": a software entry"))

    def level1_table(self):
        """Physical address of the level-1 table, or None."""
        links = {level: entry & 0x01FFFFFFFFFFF000 for level, _, entry in self.steps() if entry >> 62 == 2}
        return links.get(2)


class Hpt(Command):
    """qr-hpt VA [PID]: segment, groups and slot of VA in the hash table (ppc64 with mmu=hash)."""
    name = "qr-hpt"

    def invoke(self, arg, tty):
        words = gdb.string_to_argv(arg)
        if not words:
            raise gdb.GdbError("usage: qr-hpt VA [PID]")
        va = number(words[0])
        tree = PpcTree(va, mm_of(words[1] if len(words) > 1 else ""))
        if tree.radix:
            raise gdb.GdbError("this kernel runs with the radix MMU")
        table = tree.level1_table()
        if table is None or va >= tree.DIRECT_MAP:
            raise gdb.GdbError(f"{va:#x} has no level-1 table in a user tree")
        segment = int(value(f"mem_map[{(table >> 12) - number('mem_map_first')}]")["pt_private"])
        if segment == 0:
            print(f"ESID {va >> 28:#x}: the segment has no number yet")
            return
        vsid = (segment >> 8) * 0x9E3779B1 & (1 << 36) - 1  # SPREAD in segment.c
        shift = 24 if segment & 1 else 12
        page = (va & (1 << 28) - 1) >> shift
        first = vsid << 12 | ((page << shift) >> 16 & ~0x7F) | 1 | (4 if shift != 12 else 0)
        mask = int(value("hpt")["mask"])
        print(f"ESID {va >> 28:#x} VSID {vsid:#x} (number {segment >> 8}), base page {1 << shift - 10} KiB, "
              f"hash {vsid ^ page:#x}")
        for name, group, wanted in (("primary", (vsid ^ page) & mask, first),
                                    ("secondary", ~(vsid ^ page) & mask, first | 2)):
            print(f"{name} group {group}:")
            for slot in range(8):
                word = int(value(f"hpt.word[{8 * group + slot}]"))
                note = " <- this address" if word & ~0x30 == wanted else " bolted" if word & 16 else ""
                print(f"  slot {8 * group + slot}: {word:#018x}{note}" if word else f"  slot {8 * group + slot}: free")


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
