/* SPDX-License-Identifier: MIT */
/*
 * ktest.h: in-kernel tests. KTEST(suite, name) { ... EXPECT(...); } in tests/kernel/. Output is
 * KTAP version 1. Each test has a budget of guest time; after each the invariant walkers and the
 * leak check run.
 */
#pragma once
#include <kernel/types.h>

struct ktest {
    const char *suite, *name;
    void (*fn)(void);
    const char *file;
};
#define KTEST(s, n)                                                                               \
    static void ktest_##s##_##n(void);                                                            \
    static const struct ktest ktest_def_##s##_##n __used __aligned(8) __section(".ktests") = {    \
        #s, #n, ktest_##s##_##n, __FILE__                                                         \
    };                                                                                            \
    static void ktest_##s##_##n(void)

/*
 * Record a failure and go on, from any CPU and thread; the _OR_RETURN form leaves the test
 * function.
 */
void ktest_fail(const char *file, int line, const char *expr, long a, long b);
void ktest_skip(const char *reason); /* the test then returns; @reason is a literal */
#define EXPECT(c)                                                                                 \
    do {                                                                                          \
        if (!(c))                                                                                 \
            ktest_fail(__FILE__, __LINE__, #c, 0, 0);                                             \
    } while (0)
#define EXPECT_EQ(a, b)                                                                           \
    do {                                                                                          \
        long a_ = (long)(a), b_ = (long)(b);                                                      \
        if (a_ != b_)                                                                             \
            ktest_fail(__FILE__, __LINE__, #a " == " #b, a_, b_);                                 \
    } while (0)
#define EXPECT_OR_RETURN(c)                                                                       \
    do {                                                                                          \
        if (!(c)) {                                                                               \
            ktest_fail(__FILE__, __LINE__, #c, 0, 0);                                             \
            return;                                                                               \
        }                                                                                         \
    } while (0)

/*
 * Registered with KCHECK: an invariant walker that runs after every test; returns the number of
 * violations it printed.
 */
struct kcheck {
    const char *name;
    int (*fn)(void);
};
#define KCHECK(n, f)                                                                              \
    static const struct kcheck kcheck_##f __used __aligned(8) __section(".kchecks") = { n, f }

extern const struct ktest __ktests_start[], __ktests_end[];
extern const struct kcheck __kchecks_start[], __kchecks_end[];

/* Runs all of them, one caller at a time; returns the number of violations. Names @where. */
int kcheck_run(const char *where);
/* The same while other processes come and go: walkers see one address space after the other, so
 * what they find counts when it stays wrong. Besides, what happened: fail_take_violations().
 * Sleeps. */
int kcheck_run_settled(const char *where);
/* What a leak makes less and more, once all deferred freeing is done. */
struct kcheck_counts {
    u64 free_pages, objects;
};
struct kcheck_counts kcheck_count(void);

/*
 * Runs the tests that match `ktest=pattern`; returns the number of failed ones (no match counts as
 * one). @pattern is a list, separated by commas, of suite or suite.name, each with * for any text;
 * an empty one means all.
 */
int ktest_main(const char *pattern);
bool ktest_match(const char *pattern, const char *suite, const char *name);
/*
 * Expects a panic or fault inside fn? Not offered: such tests run as separate boots, see
 * tests/panic/.
 */
