# SPDX-License-Identifier: MIT
"""Tries every command of tools/gdb/quire.py on a running kernel; gdb_test.sh starts it inside gdb. Prints KTAP.

Each step runs a command at a place where the answer is known from elsewhere: from another command, from the program's
own memory, or from the structure itself. A command that raises an error fails its step.
"""
import re

import gdb

STEPS = []


def step(function):
    STEPS.append(function)
    return function


def run(command):
    return gdb.execute(command, to_string=True)


def error_of(command):
    """The text of the error that the command must end with."""
    try:
        run(command)
    except gdb.error as error:  # GdbError is one of them
        return str(error)
    raise AssertionError(f"{command!r} did not complain")


def stop_at(*functions):
    """Continues to the first call of one of the functions; the other CPU may run on."""
    places = [gdb.Breakpoint(name) for name in functions]
    gdb.execute("continue", to_string=True)
    for place in places:
        place.delete()
    here = gdb.newest_frame().name()
    assert here in functions, f"stopped in {here}, not in {functions}"


def area(text, permissions):
    """(start, end) of the first area with these permissions in the output of qr-maps."""
    found = re.search(rf"^([0-9a-f]{{16}})-([0-9a-f]{{16}}) {permissions} ", text, re.M)
    assert found, f"no area {permissions} in:\n{text}"
    return int(found.group(1), 16), int(found.group(2), 16)


def current_pid():
    line = next(l for l in run("qr-ps").splitlines() if "*" in l and l.endswith(" sleep"))
    return int(line.split()[0])


@step
def dmesg_at_the_start():
    """qr-dmesg shows the log's first line before the console has more."""
    stop_at("mmu_boot_map")
    text = run("qr-dmesg")
    assert re.search(r"^<6>\[ +0\.\d+\] Quire on ", text, re.M), text


@step
def locks_under_mmap():
    """qr-locks names the address space's lock while an area is made."""
    stop_at("vma_alloc")
    text = run("qr-locks")
    assert re.search(r"^ +\d+ \S+ +\S*MMAP\S* +0x[0-9a-f]+$", text, re.M), text


@step
def ps_lists_the_program():
    """qr-ps shows the running program on the CPU that gdb stopped, with its address space, and init asleep."""
    stop_at("sys_nanosleep", "sys_clock_nanosleep")
    text = run("qr-ps")
    rows = [l.split() for l in text.splitlines()[1:]]
    names = {r[-1]: r for r in rows}
    assert "sleep" in names and "init" in names, text
    assert names["init"][0] == "1" and names["init"][2] == "S", text
    cpu = int(gdb.parse_and_eval("$_thread")) - 1
    assert names["sleep"][3] == f"{cpu}*", text
    assert int(names["sleep"][4], 16) == int(gdb.parse_and_eval(f"cpus[{cpu}].current->mm")) & (1 << 64) - 1, text


@step
def maps_are_ordered():
    """qr-maps shows the areas in order, each of its row, and no PID means the program that gdb stopped."""
    text = run("qr-maps")
    assert text == run(f"qr-maps {current_pid()}")
    areas = [tuple(int(a, 16) for a in l.split()[0].split("-")) for l in text.splitlines()]
    assert len(areas) >= 3, text
    assert all(a < b for a, b in areas) and all(x[1] <= y[0] for x, y in zip(areas, areas[1:])), text
    count = int(gdb.parse_and_eval(f"cpus[{int(gdb.parse_and_eval('$_thread')) - 1}].current->mm->nr_vmas"))
    assert len(areas) == count, f"{count} areas, but:\n{text}"
    assert all(" default " in l for l in text.splitlines()), text
    assert re.search(r" r-xp .* sleep$", text, re.M), text


@step
def vma_shows_the_area():
    """qr-vma finds the area of its first and last byte, and says so when there is none."""
    start, end = area(run("qr-maps"), "r-xp")
    for va in (start, end - 1):
        text = run(f"qr-vma {va:#x}")
        assert text.startswith(f"{start:016x}-{end:016x}"), text
        assert re.search(r"\bpt_ops = ", text) and re.search(r"\bpgoff = ", text), text
    assert "lies in no area" in run("qr-vma 0x10")


@step
def pt_finds_the_bytes():
    """qr-pt's physical address holds the bytes that the program sees at the virtual one."""
    start, _ = area(run("qr-maps"), "r-xp")
    seen = bytes(gdb.selected_inferior().read_memory(start, 8))
    text = run(f"qr-pt {start:#x}")
    assert text == run(f"qr-pt {start:#x} {current_pid()}")
    found = re.search(r"^-> physical (0x[0-9a-f]+), page size 4 KiB$", text, re.M)
    assert found, text
    run("maintenance packet Qqemu.PhyMemMode:1")
    run("maintenance flush dcache")
    there = bytes(gdb.selected_inferior().read_memory(int(found.group(1), 16), 8))
    run("maintenance packet Qqemu.PhyMemMode:0")
    run("maintenance flush dcache")
    assert there == seen, f"{there.hex()} at the physical address, {seen.hex()} at {start:#x}"


@step
def pt_of_nothing():
    """qr-pt says where the walk ends for an address that is not mapped."""
    text = run("qr-pt 0x10")
    assert "not present" in text, text


@step
def page_of_a_file():
    """qr-page tells that the frame of the program's text belongs to a file and is mapped."""
    start, _ = area(run("qr-maps"), "r-xp")
    physical = int(re.search(r"-> physical (0x[0-9a-f]+)", run(f"qr-pt {start:#x}")).group(1), 16)
    text = run(f"qr-page {physical >> 12:#x}")
    found = re.search(r"kind file references (\d+) pins 0 tail 0 mapped (\d+) times", text)
    assert found and int(found.group(1)) > int(found.group(2)) >= 1, text
    assert re.search(r"mapping 0x[0-9a-f]+, index 0x[0-9a-f]+", text), text


@step
def page_of_a_table():
    """qr-page knows the page table that the walk went through, and whose it is."""
    start, _ = area(run("qr-maps"), "r-xp")
    slot = int(re.search(r"^PTE @(0x[0-9a-f]+) = ", run(f"qr-pt {start:#x}"), re.M).group(1), 16)
    text = run(f"qr-page {slot >> 12:#x}")
    found = re.search(r"level 0, (\d+) entries used, of mm (0x[0-9a-f]+)", text)
    assert "kind table" in text and found and int(found.group(1)) >= 1, text
    cpu = int(gdb.parse_and_eval("$_thread")) - 1
    assert int(found.group(2), 16) == int(gdb.parse_and_eval(f"cpus[{cpu}].current->mm")) & (1 << 64) - 1, text


@step
def no_lock_while_it_waits():
    """qr-locks finds no lock held at the entry of a call that takes none."""
    pid = current_pid()
    assert not re.search(rf"^ +{pid} ", run("qr-locks"), re.M), run("qr-locks")


@step
def dmesg_has_it_all():
    """qr-dmesg is the log as the console shows it, to its last line."""
    text = run("qr-dmesg")
    assert text.startswith("<") and text.endswith("\n"), text
    assert "Command line: run=/bin/sleep,1000" in text and "initramfs: " in text, text


@step
def wrong_arguments():
    """A wrong argument gets a line that says what is wrong."""
    assert "usage: qr-pt VA [PID]" in error_of("qr-pt")
    assert "usage: qr-page PFN" in error_of("qr-page")
    assert "usage: qr-vma ADDR [PID]" in error_of("qr-vma")
    assert "no task 99999" in error_of("qr-maps 99999")
    assert "outside memory" in error_of("qr-page 0x7fffffffff")


# gdb gives every script the same namespace, tools/gdb/quire.py's too: no loose names.
def run_steps():
    print(f"KTAP version 1\n1..{len(STEPS)}")
    for index, function in enumerate(STEPS, 1):
        try:
            function()
            print(f"ok {index} {function.__name__}", flush=True)
        except Exception as error:  # a command's own mistake is a failure of its step
            print(f"not ok {index} {function.__name__}")
            print("# " + f"{type(error).__name__}: {error}".replace("\n", "\n# "), flush=True)
    print("# end of the steps")


run_steps()
gdb.execute("kill")
