#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Turns `nm -n` on stdin into the assembly of the kernel's symbol table.

Layout (read by kernel/kallsyms.c): the number of symbols, their 32-bit offsets from __text_start in ascending
order, the 32-bit offsets of their names, the names with terminating zeros. Text symbols only.
"""
import sys

symbols = []
start = None
for line in sys.stdin:
    fields = line.split()
    if len(fields) != 3:
        continue
    address, kind, name = int(fields[0], 16), fields[1], fields[2]
    if name == "__text_start":
        start = address
    if kind in "tT" and not name.startswith((".L", "__text_")):
        symbols.append((address, name))

symbols = [(a, n) for a, n in symbols if start is not None and a >= start]
# One name per address: the first one in nm's order.
unique = []
for address, name in symbols:
    if not unique or unique[-1][0] != address:
        unique.append((address, name))

print('.section .kallsyms,"a"\n.balign 8\n.globl kallsyms_count\nkallsyms_count:')
print(f"\t.quad {len(unique)}")
print(".globl kallsyms_offsets\nkallsyms_offsets:")
for address, _ in unique:
    print(f"\t.long {address - start:#x}")
print(".globl kallsyms_names\nkallsyms_names:")
position = 0
for _, name in unique:
    print(f"\t.long {position}")
    position += len(name) + 1
print(".globl kallsyms_strings\nkallsyms_strings:")
for _, name in unique:
    print(f'\t.asciz "{name}"')
