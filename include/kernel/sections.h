/* SPDX-License-Identifier: MIT */
/*
 * sections.h: the borders that linker.ld draws inside the kernel image. Addresses, not variables: use &x or x[].
 *
 * Every segment starts and ends on a page border:
 *   [__text_start, __text_end)          read, execute; the boot code lies first
 *   [__rodata_start, __rodata_end)      read
 *   [__ro_after_init_start, _end)       read, write until /init starts, then read
 *   [__data_start, __kernel_end)        read, write: .data and .bss
 * The tables hold what KPARAM, KTEST, KCHECK, SYSCALLn and the exception table put there.
 */
#pragma once

extern char __kernel_start[], __kernel_end[];
extern char __text_start[], __text_end[];
extern char __rodata_start[], __rodata_end[];
extern char __ro_after_init_start[], __ro_after_init_end[];
extern char __data_start[], __data_end[];
extern char __bss_start[], __bss_end[];

extern const struct kparam __kparams_start[], __kparams_end[];
extern const struct ktest __ktests_start[], __ktests_end[];
extern const struct kcheck __kchecks_start[], __kchecks_end[];
extern const struct syscall_def __syscalls_start[], __syscalls_end[];
extern const struct exception_entry __exceptions_start[], __exceptions_end[];
