/* SPDX-License-Identifier: MIT */
/*
 * vsx.c: large copies through the vector registers, which move 16 bytes at a time.
 *
 * The registers may be a program's, live (fpu.c): what is used is saved and restored by the loop
 * (vsx_copy.S). A switch in between would lose it, so preemption is off; and a page fault that
 * would sleep may not happen, so it ends the loop, and the rest goes word by word.
 * No locks. Invariants: I1 no switch of threads while MSR.VSX is on in the kernel.
 * Checked by tests/kernel/arch/uaccess_ktest.c (bytes, faults), tests/user/ppc64/vsx_copy_test.c
 * (registers). Read next: user_copy.S, fpu.c.
 */
#include "internal.h"
#include <asm/quire_cpu.h>
#include <asm/quire_page.h>
#include <kernel/preempt.h>
#include <kernel/printk.h>
#include <kernel/task.h>

#define STEP 128u

/* Bytes that were not done. */
static size_t copy(void *to, const void *from, size_t n)
{
    unsigned long msr = mfmsr();
    size_t left;

    mtmsr(msr | MSR_FP | MSR_VEC | MSR_VSX);
    left = vsx_copy(to, from, n);
    mtmsr(msr);
    return left;
}

void copy_page(void *to, const void *from)
{
    size_t left;

    preempt_disable();
    left = copy(to, from, PAGE_SIZE);
    preempt_enable();
    ASSERT(left == 0);
    (void)left;
}

/* From user_copy.S, for what is worth it: user memory on one side. */
size_t user_copy_large(void *to, const void *from, size_t n)
{
    size_t whole = n & ~(size_t)(STEP - 1), done;

    preempt_disable();
    current->pagefault_disabled++;
    done = whole - copy(to, from, whole);
    current->pagefault_disabled--;
    preempt_enable();
    return user_copy_words((char *)to + done, (const char *)from + done, n - done);
}
