/* SPDX-License-Identifier: MIT */
/*
 * oom_ktest.c: whom the OOM killer spares and when it is not asked at all. That it kills the right
 * one, and that the others survive, is shown by tests/user/oom_test.c: it takes processes.
 */
#include <mm/buddy.h>
#include "pt_test.h"

KTEST(oom, not_for_those_who_must_not_wait)
{
    EXPECT(!oom_out_of_memory(0, GFP_ATOMIC));
    EXPECT(!oom_out_of_memory(0, GFP_KERNEL | GFP_NOOOM));
    EXPECT(!oom_out_of_memory(9, GFP_KERNEL)); /* a large block may be missing with memory free */
}

KTEST(oom, kernel_threads_are_spared)
{
    u64 kills = vmstat_sum(VMSTAT_oom_kill);

    EXPECT_EQ(oom_score(&kproc), 0);
    if (current->proc == &kproc) /* nobody else to kill in a test boot: the allocation fails */
        EXPECT(!oom_out_of_memory(0, GFP_KERNEL));
    EXPECT_EQ(vmstat_sum(VMSTAT_oom_kill), kills);
}
