# SPDX-License-Identifier: MIT
"""What the gdb commands must know of a machine: byte order, geometry and entries of its page tables, its registers.

quire.py asks machine() and uses nothing else of an architecture. An entry is told apart into the kinds of include/arch/mmu.h:
nothing, a software entry (marker), a link to a table, a leaf.
"""
import collections

import gdb

# address: of the next table or of the page; flags: text for people.
Entry = collections.namedtuple("Entry", "kind address flags")


def number(text):
    return int(gdb.parse_and_eval(text)) & (1 << 64) - 1


def letters(word, table):
    return "".join(c if word >> bit & 1 else "-" for bit, c in table)


class X8664:
    word_format = "<Q"
    FLAGS = [(0, "P"), (1, "W"), (2, "U"), (3, "w"), (4, "c"), (5, "A"), (6, "D"), (7, "S"), (8, "G"), (63, "N")]
    ADDRESS = 0x000FFFFFFFFFF000

    def levels(self):
        """(name, log2 of the bytes that an entry maps, log2 of a table's entries), level 0 first."""
        names = ["PTE", "PMD", "PUD", "PGD", "P5D"]
        return [(name, 12 + 9 * n, 9) for n, name in enumerate(names[:5 if number("(unsigned long)$cr4") >> 12 & 1 else 4])]

    def default_mm(self, task):
        """Whose tables are meant when nobody is named; None: those in the hardware's register."""
        return None

    def root(self, va, mm):
        """Physical address of the table that translates va: mm's, or without one the hardware's."""
        return (int(mm["arch_root"]) if mm else number("(unsigned long)$cr3")) & self.ADDRESS

    def entry(self, word, level):
        flags = letters(word, self.FLAGS)
        if not word & 1:
            return Entry("marker" if word else "nothing", 0, flags)
        if level == 0 or (level < 3 and word >> 7 & 1):
            return Entry("leaf", word & self.ADDRESS, flags)
        return Entry("table", word & self.ADDRESS, flags)


class Ppc64:
    """Both MMUs have one entry format; the kernel's own ppc_mmu says which was chosen and the geometry."""
    word_format = ">Q"
    LEAF = [(2, "R"), (1, "W"), (0, "X"), (3, "p"), (5, "n"), (8, "A"), (7, "D"), (9, "S"), (10, "G")]
    LINK = [(5, "w"), (6, "x")]  # no write, no execution below
    ADDRESS = 0x01FFFFFFFFFFF000
    KERNEL_BASE = 0xC000000000000000

    def is_radix(self):
        return bool(gdb.parse_and_eval("ppc_mmu.radix"))

    def levels(self):
        mmu = gdb.parse_and_eval("ppc_mmu")
        return [(name, int(mmu["level"][n]["shift"]), int(mmu["level"][n]["bits"]))
                for n, name in enumerate(["PTE", "PMD", "PUD", "PGD"])]

    def default_mm(self, task):
        return task["mm"]

    def root(self, va, mm):
        if va >= self.KERNEL_BASE:
            return number("kernel_root_pa")
        if not mm:
            raise gdb.GdbError("the selected CPU's task has no address space; give a PID")
        return int(mm["root"]) & ~self.KERNEL_BASE

    def entry(self, word, level):
        if not word >> 63:
            return Entry("marker" if word else "nothing", 0, "")
        if word >> 62 & 1:
            return Entry("leaf", word & self.ADDRESS, letters(word, self.LEAF))
        return Entry("table", word & self.ADDRESS, letters(word, self.LINK))

    # ---- the hash table: a cache of the tree; arch/ppc64/mm/segment.c, hpt.c ----

    SPREAD = 0x9E3779B1
    GROUP = 8
    SEG_16M = 1

    def segment(self, word):
        """VSID and log2 of the base page size of a segment word, which a level-1 table's descriptor has in pt_private."""
        return (word >> 8) * self.SPREAD & (1 << 36) - 1, 24 if word & self.SEG_16M else 12

    def hash_key(self, va, vsid, base):
        """First word of the entry, without the bit that says secondary, and the hash."""
        page = (va & (1 << 28) - 1) >> base
        word = vsid << 12 | (page << base) >> 16 & ~0x7F | (4 if base != 12 else 0) | 1
        return word, vsid ^ page

    def hash_groups(self, key_hash):
        """Primary and secondary group: number, and the kernel's copy of the first words of its eight entries."""
        table = gdb.parse_and_eval("hpt")
        mask = int(table["mask"])
        for group in (key_hash & mask, ~key_hash & mask):
            yield group, [int(table["word"][self.GROUP * group + i]) for i in range(self.GROUP)]


MACHINES = {"i386:x86-64": X8664, "powerpc:common64": Ppc64}


def machine():
    name = gdb.selected_inferior().architecture().name()
    if name not in MACHINES:
        raise gdb.GdbError(f"no page tables known for {name}")
    return MACHINES[name]()
