#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Types at a booted Quire as a person would, through a pseudo-terminal, and prints KTAP.

usage: shell_test.py KERNEL INITRD [--busybox]
Each step sends keys and waits for text on the screen; the wait ends by the text, a limit only catches a hang.
"""
import os
import pty
import re
import select
import subprocess
import sys
import time

LIMIT_S = 60


class Screen:
    def __init__(self, command, env):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(command, env=dict(os.environ, **env), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.text = ""

    def send(self, keys):
        self.text = ""
        os.write(self.master, keys.encode())

    def wait(self, pattern):
        """True when the text since the last send() matches."""
        end = time.monotonic() + LIMIT_S
        while not re.search(pattern, self.text, re.S):
            ready, _, _ = select.select([self.master], [], [], max(0, end - time.monotonic()))
            if not ready:
                return False
            try:
                data = os.read(self.master, 65536)
            except OSError:
                data = b""
            if not data:
                return bool(re.search(pattern, self.text, re.S))
            # Both terminals, the guest's and the host's, turn a newline into CR LF.
            self.text = re.sub("\r+\n", "\n", self.text + data.decode("utf-8", "replace"))
        return True

    def end(self):
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            return None


# (name, keys, what the screen must show then). $P is the prompt.
STEPS = [
    ("prompt after boot", None, r"$P"),
    ("command", "echo one two\r", r"one two\n.*$P"),
    ("pipe", "(echo b; echo a) | sort\r", r"\na\nb\n.*$P"),
    ("Ctrl-C ends a program", ("sleep 1000\r", "\x03"), r"\^C.*$P"),
    ("Ctrl-C ends a busy loop", ("while true; do true; done\r", "\x03"), r"\^C.*$P"),
    ("a program killed by a signal", "sh -c 'kill -TERM $$'; echo st=$?\r", r"\nst=143\n.*$P"),
    ("background job", "sleep 1000 &\r", r"\[1\].*$P"),
    ("jobs lists it", "jobs\r", r"\[1\].*sleep 1000.*$P"),
    ("job killed", "kill %1; wait; echo gone\r", r"\ngone\n.*$P"),
    ("Ctrl-Z stops a program", ("sleep 1000\r", "\x1a"), r"[Ss]topped.*$P"),
    ("fg and Ctrl-C", ("fg\r", "\x03"), r"\^C.*$P"),
    ("Ctrl-D ends input", ("cat > /tmp/x\r", "typed line\r", "\x04"), r"$P"),
    ("what was typed is in the file", "cat /tmp/x\r", r"\ntyped line\n.*$P"),
    ("backspace", "echo abX\x7fc\r", r"\nabc\n.*$P"),
    ("history: arrow up", ("echo remembered\r", "\x1b[A\r"), r"remembered.*\nremembered\n.*$P"),
]


def main():
    kernel, initrd = sys.argv[1:3]
    busybox = "--busybox" in sys.argv
    prompt = r"[#$] (\x1b\[[0-9;]*[A-Za-z])*$"
    screen = Screen(["tools/run-qemu.sh", "run"], {
        "KERNEL": kernel, "INITRD": initrd, "SMP": "2", "MEM": "512M", "FIRMWARE": "direct",
        "APPEND": "run=/bin/busybox,sh" if busybox else ""})
    failed = 0
    print(f"KTAP version 1\n1..{len(STEPS) + 1}", flush=True)
    for n, (name, keys, expect) in enumerate(STEPS, 1):
        if busybox and name == "background job":
            expect = r"&\n.*$P"  # ash says nothing here, on Linux neither; the next step sees the job
        keys = (keys,) if isinstance(keys, str) else keys or ()
        ok = True
        for i, k in enumerate(keys):
            if i:
                screen.wait(re.escape(keys[i - 1].strip("\r"))) if keys[i - 1].strip("\r\x1b[A") else None
                time.sleep(0.5)
            screen.send(k)
        ok = screen.wait(expect.replace("$P", prompt))
        failed += not ok
        print(f"{'ok' if ok else 'not ok'} {n} - {name}", flush=True)
        if not ok:
            print(f"# keys {keys!r}, screen since then: {screen.text[-400:]!r}", flush=True)
    screen.send("exit\r")
    ok = screen.wait(r"powering off") and screen.end() is not None
    failed += not ok
    print(f"{'ok' if ok else 'not ok'} {len(STEPS) + 1} - exit powers off", flush=True)
    if screen.process.poll() is None:
        os.killpg(screen.process.pid, 9)
    sys.exit(bool(failed))


main()
