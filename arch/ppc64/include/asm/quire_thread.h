/* SPDX-License-Identifier: MIT */
/*
 * quire_thread.h: what ppc64 keeps per thread besides the kernel stack. Only the thread itself
 * changes it while it runs; the context switch reads and writes it for a thread that does not run.
 */
#pragma once
#include <kernel/types.h>

struct fpu_state;

struct arch_thread {
    unsigned long ksp;      /* kernel stack pointer while switched out */
    struct fpu_state *fpu;  /* FPU, VMX and VSX registers; NULL for kernel threads */
    bool fpu_used;          /* since exec: the state is not the initial one */
    bool elfv2;             /* function pointers are addresses, not descriptors */
};
