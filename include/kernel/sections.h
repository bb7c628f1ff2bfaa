/* SPDX-License-Identifier: MIT */
/*
 * sections.h: the borders that linker.ld draws inside the kernel image. Addresses, not variables:
 * use &x or x[].
 *
 * Every segment starts and ends on a page border:
 *   [__text_start, __text_end)          read, execute; the boot code lies first
 *   [__rodata_start, __rodata_end)      read
 *   [__ro_after_init_start, _end)       read, write until /init starts, then read
 *   [__data_start, __kernel_end)        read, write: .data and .bss
 * The tables that KPARAM, KTEST, KCHECK and SYSCALLn fill are declared beside those macros, e.g.
 * __kparams_start.
 */
#pragma once

extern char __kernel_start[], __kernel_end[];
extern char __text_start[], __text_end[];
extern char __rodata_start[], __rodata_end[];
extern char __ro_after_init_start[], __ro_after_init_end[];
extern char __data_start[], __data_end[];
extern char __bss_start[], __bss_end[];
