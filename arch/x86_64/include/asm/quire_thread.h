/* SPDX-License-Identifier: MIT */
/*
 * quire_thread.h: what x86-64 keeps per thread besides the kernel stack. Only the thread itself
 * changes it while it runs; the context switch reads and writes it for a thread that does not run.
 */
#pragma once
#include <kernel/types.h>

struct arch_thread {
    unsigned long ksp;         /* kernel stack pointer while switched out */
    unsigned long fs_base;     /* user's, while switched out */
    unsigned long gs_base;     /* user's, while switched out */
    void *fpu;                 /* XSAVE area, 64-byte aligned; NULL for kernel threads */
};
