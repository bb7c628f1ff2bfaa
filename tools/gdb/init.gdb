# SPDX-License-Identifier: MIT
# Loaded by `make debug`: connects to the waiting QEMU, brings the kernel's commands, stops where the C code begins.
set pagination off
set confirm off
set print pretty on
set disassemble-next-line auto
source tools/gdb/quire.py

define run
  echo The kernel is already loaded in QEMU: use continue. To begin again: monitor system_reset, then continue.\n
end
define start
  echo The kernel is already loaded in QEMU: use break kernel_main, then continue.\n
end
