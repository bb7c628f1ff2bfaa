/* SPDX-License-Identifier: MIT */
/*
 * /sys/kernel/debug/gup_test: getting and pinning one's own memory on request. That what is pinned
 * stays is in dmatest_test.c; that nothing is left pinned the test runner's walkers see. Needs
 * root, and a kernel that has the file (Quire; Linux with CONFIG_GUP_TEST).
 */
#include "mem.h"

#include <sys/ioctl.h>

#include "../../include/uapi/gup_test.h"

#define NR 64

static int file = -1;
static size_t nr = NR; /* pages that are asked for */

static const unsigned long calls[] = {
    GUP_TEST_GET_FAST, GUP_TEST_PIN_FAST, GUP_TEST_PIN_LONGTERM,
    GUP_TEST_GET,      GUP_TEST_PIN,      GUP_TEST_DUMP,
};
#define NR_CALLS (sizeof(calls) / sizeof(calls[0]))

static void open_file(void)
{
    file = open("/sys/kernel/debug/gup_test", O_RDWR);
    if (file < 0)
        ktap_skip("/sys/kernel/debug/gup_test: %s", strerror(errno));
}

/* Bytes that call @n got from @p on, or -1 with errno. */
static long get(size_t n, const char *p, unsigned int flags, unsigned int per_call)
{
    struct gup_test g = {
        .addr = (uintptr_t)p,
        .size = nr * page_size,
        .nr_pages_per_call = per_call,
        .gup_flags = flags,
        .test_flags = GUP_TEST_DUMP_PINNED,
    };

    return ioctl(file, calls[n], &g) < 0 ? -1 : (long)g.size;
}

TEST(whole_ranges)
{
    char *p = mmap(NULL, NR * page_size, RW, ANON, -1, 0);
    long size;

    if (ktap_swept)
        nr = 12;
    size = (long)(nr * page_size);
    open_file();
    REQUIRE(p != MAP_FAILED);
    for (size_t n = 0; n < NR_CALLS; n++) {
        CHECK_EQ(get(n, p, 0, 1), size); /* nothing is there yet: faults come from inside */
        CHECK_EQ(get(n, p, GUP_TEST_WRITE | GUP_TEST_TOUCH, 7), size);
        CHECK_EQ(get(n, p, GUP_TEST_WRITE, (unsigned int)nr), size);
        CHECK_OK(madvise(p, nr * page_size, MADV_DONTNEED));
        CHECK_EQ(get(n, p, GUP_TEST_WRITE, (unsigned int)nr + 5), size);
        CHECK_EQ(count_present(p, nr), nr);
        CHECK_OK(madvise(p, nr * page_size, MADV_DONTNEED));
    }
}

/* It ends with the call that does not get all it was asked for. */
TEST(up_to_a_hole)
{
    char *p = mmap(NULL, NR * page_size, RW, ANON, -1, 0);

    open_file();
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(munmap(p + 10 * page_size, page_size));
    CHECK_OK(mprotect(p + 20 * page_size, page_size, PROT_NONE));
    for (size_t n = 0; n < NR_CALLS; n++) {
        CHECK_EQ(get(n, p, 0, 4), 12 * (long)page_size);
        CHECK_EQ(get(n, p + 11 * page_size, 0, 1), 10 * (long)page_size);
    }
}

TEST(no_right_to_write)
{
    char *p = mmap(NULL, NR * page_size, PROT_READ, ANON, -1, 0);

    open_file();
    REQUIRE(p != MAP_FAILED);
    for (size_t n = 0; n < NR_CALLS; n++) {
        CHECK_EQ(get(n, p, GUP_TEST_WRITE, 1), (long)page_size); /* the first call got nothing */
        CHECK_EQ(get(n, p, 0, 1), NR * (long)page_size);
    }
}

TEST(errors)
{
    char *p = mmap(NULL, NR * page_size, RW, ANON, -1, 0);
    struct gup_test g = {.addr = (uintptr_t)p, .size = ~0ULL >> 1, .nr_pages_per_call = 1};
    int status = -1;
    pid_t pid;

    open_file();
    CHECK_ERRNO(ioctl(file, GUP_TEST_GET, &g), EINVAL);
    g.size = page_size;
    g.gup_flags = 1u << 20;
    CHECK_ERRNO(ioctl(file, GUP_TEST_GET, &g), EINVAL);
    CHECK_ERRNO(ioctl(file, _IO('g', 9), &g), EINVAL);
    CHECK_ERRNO(ioctl(file, GUP_TEST_GET, ktap_nowhere), EFAULT);
    g.gup_flags = 0;
    g.nr_pages_per_call = 0;
    CHECK_OK(ioctl(file, GUP_TEST_GET, &g));
    CHECK_EQ(g.size, 0);
    pid = fork();
    if (pid == 0) {
        if (setuid(65534) < 0)
            _exit(2);
        _exit(open("/sys/kernel/debug/gup_test", O_RDWR) == -1 && errno == EACCES ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

KTAP_MAIN(CASE(whole_ranges), CASE(up_to_a_hole), CASE(no_right_to_write), CASE(errors))
