/* SPDX-License-Identifier: MIT */
/*
 * fail.c: deterministic fault injection: makes the n-th of all places that can fail do so. Debug
 * kernels only.
 *
 * Each task has a counter (/proc/self/fail-nth): written with n, it makes the n-th call of
 * should_fail from then on return true, once, and is 0 afterwards; while it is positive the fault
 * has not come yet. `fail_nth=` sets one counter for the calls of all tasks after boot. Interrupt
 * handlers are not counted: where they fall is not the test's doing. Source of the semantics:
 * Linux, Documentation/fault-injection. No locks: a task's counter is its own, the global ones are
 * atomic.
 * I1: every armed counter makes at most one call fail. Checked by tests/kernel/lock/ktest_ktest.c.
 *     Read next: fail_sweep.c.
 */
#include <arch/current.h>
#include <kernel/fail.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/task.h>

#ifdef CONFIG_DEBUG

static atomic_long_t global_nth;
static atomic_long_t nr_asked;

/* Counts down; true at zero. Never below: several CPUs may ask at once. */
static bool count_down_global(void)
{
    long n = atomic_long_read(&global_nth);

    while (n > 0)
        if (__atomic_compare_exchange_n(&global_nth.v, &n, n - 1, true, __ATOMIC_RELAXED,
                                        __ATOMIC_RELAXED))
            return n == 1;
    return false;
}

bool should_fail(enum fail_site site)
{
    struct task *t = current;

    if (!t || this_cpu()->irq_depth > 0)
        return false;
    ASSERT(!(t->flags & TF_NOALLOC));
    if (unlikely(t->make_it_fail) && fail_sweep_asks(site))
        return true;
    if (likely(t->fail_nth <= 0 && atomic_long_read(&global_nth) <= 0))
        return false;
    atomic_long_inc(&nr_asked);
    if ((t->fail_nth > 0 && --t->fail_nth == 0) || count_down_global()) {
        fail_sweep_record(site);
        return true;
    }
    return false;
}

void fail_set_nth(struct task *t, long n)
{
    atomic_long_set(&nr_asked, 0);
    WRITE_ONCE(t->fail_nth, n);
}

u64 fail_nr_asked(void)
{
    return (u64)atomic_long_read(&nr_asked);
}

static void param_fail_nth(const char *value)
{
    const char *end;

    atomic_long_set(&global_nth, (long)parse_u64(value, &end));
}
KPARAM("fail_nth", param_fail_nth, "make the n-th allocation or user copy after boot fail");

#endif /* CONFIG_DEBUG */
