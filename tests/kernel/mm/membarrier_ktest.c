/* SPDX-License-Identifier: MIT */
/* membarrier_ktest.c: commands and their errors; store buffering that the expedited barrier must
 * forbid. */
#include <kernel/syscall.h>
#include <linux/membarrier.h>
#include "pt_test.h"
#include "tests/kernel/team.h"

static long membarrier(int cmd, unsigned int flags)
{
    return syscall_table[__NR_membarrier]((unsigned long)cmd, flags, 0, 0, 0, 0);
}

KTEST(membarrier, commands)
{
    struct mm *mm = test_mm_enter(), *child;

    EXPECT(membarrier(MEMBARRIER_CMD_QUERY, 0) & MEMBARRIER_CMD_PRIVATE_EXPEDITED);
    EXPECT_EQ(membarrier(-1, 0), -EINVAL);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_QUERY, 1), -EINVAL);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), -EPERM);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_GLOBAL_EXPEDITED, 0), 0);
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_GLOBAL, 0), 0);
    child = mm_fork(mm);
    EXPECT_OR_RETURN(!IS_ERR(child));
    EXPECT_EQ(child->membarrier, mm->membarrier); /* registration is inherited */
    mm_put(child);
    test_mm_leave();
}

/* One side has only a compiler barrier, the other asks for a barrier on it: both must not miss the
 * other's store. */
struct dekker {
    struct mm *mm;
    int x, y, seen[2];
    atomic_t at[2];
};

static void meet(struct dekker *d, unsigned int nr, int round)
{
    atomic_set(&d->at[nr], round);
    while (atomic_read(&d->at[!nr]) < round)
        cpu_relax();
}

static void side(struct team *team, unsigned int nr)
{
    struct dekker *d = team->arg;

    mm_get(d->mm);
    mm_set_current(d->mm);
    for (int round = 1; round <= 300; round++) {
        meet(d, nr, 3 * round);
        if (nr == 0) {
            WRITE_ONCE(d->x, round);
            barrier();
            d->seen[0] = READ_ONCE(d->y);
        } else {
            WRITE_ONCE(d->y, round);
            EXPECT_EQ(membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0), 0);
            d->seen[1] = READ_ONCE(d->x);
        }
        meet(d, nr, 3 * round + 1);
        EXPECT(d->seen[0] == round || d->seen[1] == round);
    }
    mm_set_current(NULL);
}

KTEST(membarrier, store_buffering)
{
    struct dekker d = { .mm = test_mm_enter() };
    struct team team = { .arg = &d };

    if (nr_cpus_online < 2) {
        test_mm_leave();
        ktest_skip("needs two CPUs");
        return;
    }
    EXPECT_EQ(membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0), 0);
    team_run(&team, 2, side, true);
    test_mm_leave();
}
