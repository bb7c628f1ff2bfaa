/* SPDX-License-Identifier: MIT */
/*
 * ktest.c: runs in-kernel tests and reports in KTAP version 1. Debug kernels only.
 *
 * Each test runs in a kernel thread of its own. Afterwards every walker registered with KCHECK
 * runs, and the free pages and slab objects are compared with those before, once all deferred
 * freeing is done. A test that passes but seems to leak runs a second time: what is built once at
 * first use is not lost again, a leak is. A test that does not end within its budget of guest time
 * ends the whole run in a panic that names it and shows where it hangs: a thread that hangs cannot
 * be taken away safely. Every CPU has a timer for that, so that the one on which the test spins
 * shows it.
 *
 * Locks: none; failures are counted atomically. Invariants: I1 exactly one result line per selected
 * test, in the order of the plan. I2 the exit of a run that did not reach its totals line is a
 * failure (the plan shows it). Source: Linux's Documentation/dev-tools/ktap.rst for the format.
 * Checked by tests/kernel/lock/ktest_ktest.c. Read next: the suites.
 */
#include <arch/mmu.h>
#include <kernel/cpu.h>
#include <kernel/fail.h>
#include <kernel/irq.h>
#include <kernel/kallsyms.h>
#include <kernel/ktest.h>
#include <kernel/mutex.h>
#include <kernel/panic.h>
#include <kernel/param.h>
#include <kernel/printk.h>
#include <kernel/rcu.h>
#include <kernel/smp.h>
#include <kernel/string.h>
#include <kernel/task.h>
#include <kernel/time.h>
#include <kernel/workqueue.h>
#include <mm/buddy.h>
#include <mm/slab.h>
#include <mm/vmalloc.h>

#ifdef CONFIG_DEBUG

#define MAX_REPORTS 20u                /* failure lines per test */
#define WATCH_GRACE_NS (1 * NSEC_PER_SEC) /* then others speak for a silent CPU */
#define SETTLE_TRIES 25
#define SETTLE_NS (20 * NSEC_PER_MSEC)
#define KCHECK_RETRIES 10
#define KCHECK_RETRY_NS (5 * NSEC_PER_MSEC)

static const struct ktest *running_test;
static struct task *test_thread;
static atomic_t failures;       /* of the running test */
static const char *skip_reason; /* of the running test */
static bool test_done;
static struct wait_queue done_queue = WAIT_QUEUE_INIT(done_queue);
static u64 budget_ns = 20 * NSEC_PER_SEC;

static void set_budget(const char *value)
{
    budget_ns = parse_u64(value, NULL) * NSEC_PER_SEC;
}
KPARAM("ktest_timeout", set_budget, "seconds that one in-kernel test may take (default 20)");

/* ---- output ---- */

static void __printf(1, 2) say(const char *fmt, ...)
{
    char line[256];
    va_list ap;
    int n;

    va_start(ap, fmt);
    n = vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    console_write(line, min((size_t)n, sizeof(line) - 1));
}

void ktest_fail(const char *file, int line, const char *expr, long a, long b)
{
    const struct ktest *t = running_test;
    unsigned int n = (unsigned int)atomic_inc_return(&failures);

    if (n <= MAX_REPORTS)
        say("  # %s.%s: %s:%d: expected %s (%ld, %ld)\n", t->suite, t->name, file, line, expr, a,
            b);
    if (n == MAX_REPORTS)
        say("  # %s.%s: further failures are only counted\n", t->suite, t->name);
}

void ktest_skip(const char *reason)
{
    skip_reason = reason;
}

/* ---- which tests ---- */

/* Glob with * only, over [p, end). Backtracks to the last star, which suffices. */
static bool glob(const char *p, const char *end, const char *s)
{
    const char *star = NULL, *resume = NULL;

    while (*s) {
        if (p < end && *p == '*') {
            star = ++p;
            resume = s;
        } else if (p < end && *p == *s) {
            p++;
            s++;
        } else if (star) {
            p = star;
            s = ++resume;
        } else {
            return false;
        }
    }
    while (p < end && *p == '*')
        p++;
    return p == end;
}

bool ktest_match(const char *pattern, const char *suite, const char *name)
{
    char full[128];

    if (*pattern == '\0')
        return true;
    snprintf(full, sizeof(full), "%s.%s", suite, name);
    while (*pattern) {
        const char *end = strchr(pattern, ',');
        size_t len = end ? (size_t)(end - pattern) : strlen(pattern);
        bool has_dot = memchr(pattern, '.', len) != NULL;

        if (len > 0 && glob(pattern, pattern + len, has_dot ? full : suite))
            return true;
        pattern += len + (end != NULL);
    }
    return false;
}

static bool selected(const struct ktest *t, const char *pattern)
{
    return ktest_match(pattern, t->suite, t->name);
}

static unsigned int nr_selected(const char *pattern, const char *suite)
{
    unsigned int n = 0;

    for (const struct ktest *t = __ktests_start; t < __ktests_end; t++)
        n += strcmp(t->suite, suite) == 0 && selected(t, pattern);
    return n;
}

/* Is @t the first selected test of its suite? Suites run in the order in which they are met. */
static bool opens_suite(const struct ktest *t, const char *pattern)
{
    for (const struct ktest *o = __ktests_start; o < t; o++)
        if (strcmp(o->suite, t->suite) == 0 && selected(o, pattern))
            return false;
    return selected(t, pattern);
}

/* ---- the watch ---- */

static struct watch {
    struct timer timer;
    bool last_resort; /* the CPU that hangs has had its chance to tell */
} watches[NR_CPUS];

/* A thread that sleeps: the addresses on its stack, which include its callers. */
static void show_sleeper(const struct task *t)
{
    const unsigned long *sp = (const unsigned long *)t->arch.ksp;
    const unsigned long *top = (const unsigned long *)((char *)t->kstack + KSTACK_SIZE);
    unsigned int n = 0;

    pr_err("Thread %d (%s) sleeps in state %u; return addresses on its stack:\n", t->tid, t->comm,
           t->state);
    for (; sp < top && n < 24; sp++) {
        if (!kernel_text_address(*sp))
            continue;
        pr_err("  %pS\n", (void *)*sp);
        n++;
    }
}

static void watch_expired(struct timer *timer)
{
    struct watch *w = container_of(timer, struct watch, timer);
    struct task *t = READ_ONCE(test_thread);
    const struct ktest *test = running_test;

    if (READ_ONCE(test_done) || !t)
        return;
    if (t == current)
        panic_regs(irq_regs(), "test %s.%s runs longer than %llu s", test->suite, test->name,
                   (unsigned long long)(budget_ns / NSEC_PER_SEC));
    if (!w->last_resort) {
        w->last_resort = true;
        timer_start(timer, clock_monotonic_ns() + WATCH_GRACE_NS);
        return;
    }
    say("# test %s.%s does not end\n", test->suite, test->name);
    if (READ_ONCE(t->on_cpu))
        panic("test %s.%s hangs on CPU %u with interrupts off", test->suite, test->name, t->cpu);
    show_sleeper(t);
    panic("test %s.%s sleeps longer than %llu s", test->suite, test->name,
          (unsigned long long)(budget_ns / NSEC_PER_SEC));
}

static void arm_watch(void *arg)
{
    struct watch *w = &watches[smp_processor_id()];

    w->last_resort = false;
    timer_start(&w->timer, *(const u64 *)arg);
}

static void start_watch(void)
{
    u64 deadline = clock_monotonic_ns() + budget_ns;

    for_each_online_cpu(cpu)
        timer_init(&watches[cpu].timer, watch_expired);
    smp_call_on((cpumask_t){ ~0UL }, arm_watch, &deadline);
}

static void stop_watch(void)
{
    for_each_online_cpu(cpu)
        timer_cancel(&watches[cpu].timer);
}

/* ---- one test ---- */

static int test_main(void *arg)
{
    const struct ktest *t = arg;

    WRITE_ONCE(test_thread, current);
    t->fn();
    if (lockcheck_nr_held() != 0 || arch_preempt_count() != 0)
        ktest_fail(t->file, 0, "no lock held, preemption on at the end", lockcheck_nr_held(),
                   arch_preempt_count());
    fail_set_nth(current, 0);
    WRITE_ONCE(test_thread, NULL);
    WRITE_ONCE(test_done, true);
    wake_up_all(&done_queue);
    return 0;
}

/* Runs @t and waits for its thread to be gone. */
static void run_body(const struct ktest *t)
{
    struct task *thread;

    test_done = false;
    start_watch();
    thread = kernel_thread(test_main, (void *)t, "ktest");
    if (IS_ERR(thread)) {
        ktest_fail(t->file, 0, "a thread for the test", PTR_ERR(thread), 0);
        stop_watch();
        return;
    }
    wait_event(&done_queue, READ_ONCE(test_done));
    stop_watch();
}

int kcheck_run(const char *where)
{
    static struct mutex one = MUTEX_INIT(one, LOCK_KCHECK); /* walkers keep things in statics */
    int bad = 0;

    mutex_lock(&one);
    for (const struct kcheck *c = __kchecks_start; c < __kchecks_end; c++) {
        int n = c->fn();

        if (n == 0)
            continue;
        say("  # %s: check \"%s\" finds %d violations\n", where, c->name, n);
        bad += n;
    }
    mutex_unlock(&one);
    return bad;
}

int kcheck_run_settled(const char *where)
{
    int bad = kcheck_run(where);

    for (int i = 0; bad != 0 && i < KCHECK_RETRIES; i++) {
        nanosleep_until(clock_monotonic_ns() + KCHECK_RETRY_NS, false, NULL);
        bad = kcheck_run(where);
    }
    return bad + fail_take_violations();
}

static int run_checks(const struct ktest *t)
{
    char where[64];

    snprintf(where, sizeof(where), "%s.%s", t->suite, t->name);
    work_flush(); /* who met a dying address space has left it to the worker to take apart */
    return kcheck_run(where) + fail_take_violations();
}

struct kcheck_counts kcheck_count(void)
{
    rcu_barrier();
    work_flush();
    page_shrink_caches();
    /* Kernel tables stay on purpose: known, so not lost. The same objects may lie in more slabs or
     * in fewer, by chance: they count for themselves, and an empty slab that stays is lost. */
    return (struct kcheck_counts){ buddy_nr_free() + kernel_nr_tables() + slab_nr_used_pages(),
                                   slab_nr_objects() };
}

/* Threads that the test started may still be on their way out. */
static bool has_leaked(const struct kcheck_counts *before, struct kcheck_counts *after)
{
    for (int i = 0; i < SETTLE_TRIES; i++) {
        *after = kcheck_count();
        if (after->free_pages >= before->free_pages && after->objects <= before->objects)
            return false;
        nanosleep_until(clock_monotonic_ns() + SETTLE_NS, false, NULL);
    }
    return true;
}

static void check_leak(const struct ktest *t, struct kcheck_counts before)
{
    struct kcheck_counts after;

    if (!has_leaked(&before, &after) || atomic_read(&failures) > 0)
        return;
    before = after;
    run_body(t);
    if (atomic_read(&failures) > 0 || !has_leaked(&before, &after))
        return;
    say("  # %s.%s: leaks %ld pages, %ld slab objects\n", t->suite, t->name,
        (long)(before.free_pages - after.free_pages), (long)(after.objects - before.objects));
    atomic_inc(&failures);
}

enum result { PASS, FAIL, SKIP, NR_RESULTS };

static enum result run_test(const struct ktest *t, unsigned int nr)
{
    struct kcheck_counts before;

    running_test = t;
    skip_reason = NULL;
    before = kcheck_count();
    atomic_set(&failures, 0);
    run_body(t);
    check_leak(t, before);
    atomic_add(&failures, run_checks(t));
    if (atomic_read(&failures) > 0) {
        say("  not ok %u %s\n", nr, t->name);
        return FAIL;
    }
    if (skip_reason) {
        say("  ok %u %s # SKIP %s\n", nr, t->name, skip_reason);
        return SKIP;
    }
    say("  ok %u %s\n", nr, t->name);
    return PASS;
}

static void run_suite(const char *pattern, const struct ktest *first, unsigned int nr,
                      unsigned int totals[NR_RESULTS])
{
    unsigned int n = 0, failed_before = totals[FAIL];

    say("  KTAP version 1\n  # Subtest: %s\n  1..%u\n", first->suite,
        nr_selected(pattern, first->suite));
    for (const struct ktest *t = first; t < __ktests_end; t++)
        if (strcmp(t->suite, first->suite) == 0 && selected(t, pattern))
            totals[run_test(t, ++n)]++;
    say("%sok %u %s\n", totals[FAIL] != failed_before ? "not " : "", nr, first->suite);
}

int ktest_main(const char *pattern)
{
    unsigned int totals[NR_RESULTS] = { 0 }, suites = 0, nr = 0;

    for (const struct ktest *t = __ktests_start; t < __ktests_end; t++)
        suites += opens_suite(t, pattern);
    say("KTAP version 1\n1..%u\n", suites);
    if (suites == 0) {
        say("# no test matches \"%s\"\n", pattern);
        totals[FAIL] = 1;
    }
    for (const struct ktest *t = __ktests_start; t < __ktests_end; t++)
        if (opens_suite(t, pattern))
            run_suite(pattern, t, ++nr, totals);
    say("# totals: pass:%u fail:%u skip:%u\n", totals[PASS], totals[FAIL], totals[SKIP]);
    return (int)totals[FAIL];
}

#endif /* CONFIG_DEBUG */
