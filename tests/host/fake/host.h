/* SPDX-License-Identifier: MIT */
/*
 * host.h: what tests of mm/ on the build machine stand on. A program made of kernel files gets
 * here: physical memory, CPUs that are threads, locks that check their rank, a panic that ends the
 * program, and a KTAP runner.
 *
 * HTEST(name) { ... } defines a test. A file that has its own main() does not use the runner.
 */
#pragma once
#include <kernel/cpu.h>
#include <kernel/types.h>

struct htest {
    const char *name;
    void (*fn)(void);
    struct htest *next;
};
void host_test_add(struct htest *t);
#define HTEST(n)                                                                                  \
    static void htest_##n(void);                                                                  \
    static struct htest htest_def_##n = { #n, htest_##n, NULL };                                  \
    __attribute__((constructor)) static void htest_add_##n(void)                                  \
    {                                                                                             \
        host_test_add(&htest_def_##n);                                                            \
    }                                                                                             \
    static void htest_##n(void)

void host_expect_failed(const char *file, int line, const char *what, long a, long b);
/* How often an EXPECT of this test has failed; for a child process, which reports by its status. */
unsigned int host_failures(void);
#define EXPECT(c)                                                                                 \
    do {                                                                                          \
        if (!(c))                                                                                 \
            host_expect_failed(__FILE__, __LINE__, #c, 0, 0);                                     \
    } while (0)
#define EXPECT_EQ(a, b)                                                                           \
    do {                                                                                          \
        long a_ = (long)(a), b_ = (long)(b);                                                      \
        if (a_ != b_)                                                                             \
            host_expect_failed(__FILE__, __LINE__, #a " == " #b, a_, b_);                         \
    } while (0)
#define EXPECT_OR_RETURN(c)                                                                       \
    do {                                                                                          \
        if (!(c)) {                                                                               \
            host_expect_failed(__FILE__, __LINE__, #c, 0, 0);                                     \
            return;                                                                               \
        }                                                                                         \
    } while (0)
/* For fuzz targets: a violation ends the program. */
#define REQUIRE(c)                                                                                \
    do {                                                                                          \
        if (!(c))                                                                                 \
            host_die(__FILE__, __LINE__, #c);                                                     \
    } while (0)
__noreturn void host_die(const char *file, int line, const char *what);

/* Deterministic pseudo-random numbers, one state per CPU. */
u64 host_random(void);
static inline unsigned int host_random_below(unsigned int n)
{
    return (unsigned int)(host_random() >> 33) % n;
}

/* Physical memory of @bytes from physical address 0 on, at host_direct_map, and the window for
 * kernel mappings. Once. */
void host_memory_init(u64 bytes);
/* In a child process: its changes of memory stay its own. Kernel mappings go on showing the
 * parent's. */
void host_memory_make_private(void);
/* As above, and memblock, buddy, slab, vmalloc, page cache started as the kernel does. First @low
 * bytes are reserved. */
void host_boot(u64 bytes, u64 low);

/* Runs fn(arg, cpu) on @n CPUs at once, the caller being CPU 0; returns when all are done. */
void host_run_cpus(unsigned int n, void (*fn)(void *arg, unsigned int cpu), void *arg);

/* The @n-th question to should_fail from now on is answered yes, once; 0 = never. */
void host_fail_nth(unsigned long n);
/* How many times should_fail was asked since. */
unsigned long host_fail_asked(void);
/* @forever: every question from the @n-th on is answered yes. */
void host_fail_from(unsigned long n);

/* Runs fn(arg) in a child process: true when it panicked with a message that contains @text. */
bool host_panics(void (*fn)(void *), void *arg, const char *text);
/* Runs fn(arg) in a child process: true when it died of a bad memory access. */
bool host_faults(void (*fn)(void *), void *arg);
