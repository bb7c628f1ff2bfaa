/* SPDX-License-Identifier: MIT */
/* ktest_ktest.c: the test runner's own matching, and fault injection's countdown. */
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/task.h>

KTEST(ktest, matches_patterns)
{
    EXPECT(ktest_match("", "lock", "order"));
    EXPECT(ktest_match("lock", "lock", "order"));
    EXPECT(!ktest_match("lock", "locks", "order"));
    EXPECT(!ktest_match("loc", "lock", "order"));
    EXPECT(ktest_match("lock.order", "lock", "order"));
    EXPECT(!ktest_match("lock.order", "lock", "order2"));
    EXPECT(ktest_match("*", "lock", "order"));
    EXPECT(ktest_match("l*k", "lock", "order"));
    EXPECT(ktest_match("lock.*er", "lock", "order"));
    EXPECT(ktest_match("*.o*d*r", "lock", "order"));
    EXPECT(!ktest_match("*.o*d*x", "lock", "order"));
    EXPECT(!ktest_match("order", "lock", "order"));
    EXPECT(ktest_match("mm,lock", "lock", "order"));
    EXPECT(ktest_match("mm,lock.or*,sched", "lock", "order"));
    EXPECT(!ktest_match("mm,,sched.order", "lock", "order"));
    EXPECT(ktest_match("**lock**", "lock", "order"));
}

KTEST(fail, counts_down_once)
{
    fail_set_nth(current, 3);
    EXPECT(!should_fail(FAIL_SLAB));
    EXPECT(!should_fail(FAIL_PAGE));
    EXPECT_EQ(current->fail_nth, 1);
    EXPECT(should_fail(FAIL_USERCOPY));
    EXPECT_EQ(current->fail_nth, 0);
    EXPECT_EQ(fail_nr_asked(), 3);
    for (int i = 0; i < 100; i++)
        EXPECT(!should_fail(FAIL_SLAB));
    EXPECT_EQ(fail_nr_asked(), 3);
}
