/* SPDX-License-Identifier: MIT */
/*
 * /proc/self/fail-nth: makes the n-th place from now on fail where memory may be lacking or a user
 * copy may fault. A descriptor speaks for the thread that opened it.
 */
#ifndef TESTS_USER_FAIL_NTH_H
#define TESTS_USER_FAIL_NTH_H

#include "ktap.h"

#include <fcntl.h>

static int nth_fd = -1;

/* For the calling thread, in place of whom it was for. Skips the test where there is no such file,
 * or where the sweep uses it on this very test. */
KTAP_UNUSED static void fail_nth_open(void)
{
    char marked[4] = "";
    int fd = open("/proc/self/make-it-fail", O_RDONLY | O_CLOEXEC);

    if (fd >= 0 && read(fd, marked, sizeof(marked) - 1) > 0 && marked[0] == '1')
        ktap_skip("is being swept itself: see sweep.h");
    if (fd >= 0)
        close(fd);
    nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
    if (nth_fd < 0)
        ktap_skip("no fault injection in this kernel (/proc/self/fail-nth)");
}

/* The n-th place from now on fails; 0: none. */
KTAP_UNUSED static void arm(int n)
{
    char text[16];
    int len = snprintf(text, sizeof(text), "%d", n);

    if (pwrite(nth_fd, text, (size_t)len, 0) != len)
        abort();
}

/* What is left of the count; 0: the fault has come. */
KTAP_UNUSED static int armed(void)
{
    char text[16] = "";

    if (pread(nth_fd, text, sizeof(text) - 1, 0) <= 0)
        abort();
    return atoi(text);
}

/* The same, and disarms. */
KTAP_UNUSED static int disarm(void)
{
    int left = armed();

    arm(0);
    return left;
}

#define NTH_ERRORS 6u

/* May a call fail with @err, or succeed (0)? @errors: what its manual page knows, ended by 0. */
KTAP_UNUSED static bool fail_nth_allows(const int errors[NTH_ERRORS], int err)
{
    for (unsigned int i = 0; i < NTH_ERRORS && errors[i] != 0; i++)
        if (errors[i] == err)
            return true;
    return err == 0;
}

#endif
