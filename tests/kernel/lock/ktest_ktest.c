/* SPDX-License-Identifier: MIT */
/* ktest_ktest.c: the test runner's own matching, and fault injection's countdown and sweep. */
#include <kernel/fail.h>
#include <kernel/ktest.h>
#include <kernel/signal.h>
#include <kernel/task.h>
#include <asm/errno.h>
#include <asm/unistd.h>

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

static __noinline bool one_way(void)
{
    bool fails = should_fail(FAIL_SLAB);

    barrier(); /* no tail call: the chain shall have this function in it */
    return fails;
}

static __noinline bool other_way(void)
{
    bool fails = should_fail(FAIL_SLAB);

    barrier();
    return fails;
}

/* One fault: true when it falls at the first or second call, and at no later one. */
static __noinline bool falls_once(bool (*way)(void), long n)
{
    unsigned int fell = 0;

    fail_sweep_set(n);
    for (int i = 0; i < 4; i++)
        fell += way();
    fail_sweep_set(0);
    EXPECT(fell <= 1);
    return fell == 1;
}

KTEST(fail, sweep_takes_each_chain_once)
{
    static bool (*const ways[])(void) = { one_way, one_way, other_way, other_way, one_way };
    static const bool falls[] = { true, false, true, false, false };

    current->make_it_fail = true;
    fail_sweep_forget();
    for (unsigned int i = 0; i < ARRAY_SIZE(ways); i++)
        EXPECT_EQ(falls_once(ways[i], FAIL_SWEEP_NEW), falls[i]);
    fail_sweep_forget();
    EXPECT(falls_once(one_way, FAIL_SWEEP_NEW));
    current->make_it_fail = false;
}

/* Sweeps by numbers meet the same chain over and over: it takes one place in the table. */
KTEST(fail, sweep_remembers_each_chain_once)
{
    const unsigned int nr = 30000;
    unsigned int fell = 0;

    current->make_it_fail = true;
    fail_sweep_forget();
    for (unsigned int i = 0; i < nr; i++) {
        fail_sweep_set(1);
        fell += one_way();
    }
    fail_sweep_set(0);
    EXPECT_EQ(fell, nr);
    fail_sweep_forget();
    current->make_it_fail = false;
}

KTEST(fail, sweep_counts_marked_tasks_only)
{
    EXPECT(!falls_once(one_way, 1));
    current->make_it_fail = true;
    EXPECT(falls_once(one_way, 1));
    EXPECT(falls_once(one_way, 4));
    EXPECT_EQ(fail_sweep_nr_places(), 0); /* taken back: starts anew */
    EXPECT(!falls_once(one_way, 5));
    current->make_it_fail = false;
}

/* What happened stays told, though what walkers find is looked at again. */
KTEST(fail, violations_count_once)
{
    EXPECT_EQ(kcheck_run_settled("fail"), 0);
    current->fail_hit = 1 + FAIL_PAGE;
    fail_check_signal(SIGBUS);
    fail_check_signal(SIGBUS);
    current->fail_hit = 0;
    EXPECT_EQ(kcheck_run_settled("fail"), 2);
    EXPECT_EQ(kcheck_run_settled("fail"), 0);
}

KTEST(fail, errors_for_lack_of_memory)
{
    EXPECT(fail_errno_is_allowed(FAIL_PAGE, __NR_mmap, ENOMEM));
    EXPECT(!fail_errno_is_allowed(FAIL_PAGE, __NR_mmap, EFAULT));
    EXPECT(!fail_errno_is_allowed(FAIL_SLAB, __NR_mmap, EAGAIN));
    EXPECT(fail_errno_is_allowed(FAIL_SLAB, __NR_clone, EAGAIN));
    EXPECT(fail_errno_is_allowed(FAIL_USERCOPY, __NR_read, EFAULT));
    EXPECT(!fail_errno_is_allowed(FAIL_USERCOPY, __NR_read, ENOMEM));
    EXPECT(!fail_errno_is_allowed(FAIL_SLAB, __NR_openat, ENFILE));
}
