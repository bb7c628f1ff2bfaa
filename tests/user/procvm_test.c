/* SPDX-License-Identifier: MIT */
/* process_vm_readv(2) and process_vm_writev. */
#include "mem.h"

#include <pthread.h>
#include <sys/uio.h>

static pid_t child;
static char *theirs; /* the same address here and in the child */
static int gate[2];

/* A child that waits, with its own contents at theirs; ends with the bytes it finds as status. */
static void start_child(void)
{
    theirs = map_pages(4, RW);
    CHECK_OK(pipe(gate));
    child = fork();
    if (child == 0) {
        char c;

        close(gate[1]);
        for (size_t i = 0; i < 4; i++)
            memset(theirs + i * page_size, 'a' + (int)i, page_size);
        mprotect(theirs + 3 * page_size, page_size, PROT_READ);
        if (read(gate[0], &c, 1) == 0)
            _exit(theirs[page_size - 1] == 'W' && theirs[page_size] == 'X' ? 7 : 8);
        _exit(9);
    }
    close(gate[0]);
    usleep(50000);
}

static int end_child(void)
{
    int status = -1;

    close(gate[1]);
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void need(void)
{
    char a = 'r', b = 0;
    struct iovec local = {&b, 1}, remote = {&a, 1};

    if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) < 0 && errno == ENOSYS)
        ktap_skip("no process_vm_readv");
}

TEST(read_own)
{
    char from[] = "abcdef", to[8] = "";
    struct iovec local = {to, 6}, remote = {from, 6};

    need();
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 6);
    CHECK(strcmp(to, "abcdef") == 0);
}

TEST(read_child)
{
    char to[8] = "";
    struct iovec local[2] = {{to, 1}, {to + 1, 3}};
    struct iovec remote[2];

    need();
    start_child();
    remote[0] = (struct iovec){theirs + page_size - 2, 3}; /* over a page border */
    remote[1] = (struct iovec){theirs + 3 * page_size, 1};
    CHECK_EQ(process_vm_readv(child, local, 2, remote, 2, 0), 4);
    CHECK(strcmp(to, "aabd") == 0);
    CHECK_EQ(theirs[0], 0);
    CHECK_EQ(end_child(), 8);
}

TEST(write_child)
{
    struct iovec local = {"WX", 2}, remote;

    need();
    start_child();
    remote = (struct iovec){theirs + page_size - 1, 2};
    CHECK_EQ(process_vm_writev(child, &local, 1, &remote, 1, 0), 2);
    CHECK_EQ(end_child(), 7);
    CHECK_EQ(theirs[page_size], 0);
}

TEST(write_to_read_only_is_efault)
{
    struct iovec local = {"W", 1}, remote;

    need();
    start_child();
    remote = (struct iovec){theirs + 3 * page_size, 1};
    CHECK_ERRNO(process_vm_writev(child, &local, 1, &remote, 1, 0), EFAULT);
    end_child();
}

TEST(partial_transfer)
{
    char *p = map_pages(2, RW), to[64];
    struct iovec local = {to, 64}, remote = {p + page_size - 10, 64};

    need();
    memset(p, 'p', page_size);
    munmap(p + page_size, page_size);
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), 10);
    remote.iov_base = p + page_size;
    CHECK_ERRNO(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), EFAULT);
}

TEST(big_transfer)
{
    enum { NR = 300 };
    char *from = map_pages(NR, RW), *to = map_pages(NR, RW);
    struct iovec local = {to, NR * page_size}, remote = {from, NR * page_size};

    need();
    for (size_t i = 0; i < NR; i++)
        from[i * page_size + i] = (char)(i + 1);
    CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), (long)(NR * page_size));
    CHECK(memcmp(from, to, NR * page_size) == 0);
}

TEST(copies_break_sharing)
{
    char *p = map_pages(1, RW);
    struct iovec local = {"new", 4}, remote = {p, 4};
    int status;
    pid_t pid;

    need();
    strcpy(p, "old");
    pid = fork();
    if (pid == 0) {
        usleep(100000);
        _exit(strcmp(p, "old") != 0);
    }
    CHECK_EQ(process_vm_writev(getpid(), &local, 1, &remote, 1, 0), 4);
    CHECK(strcmp(p, "new") == 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

#define RACE_PAGES 8

static volatile bool race_over;

/* Writes its own memory by the call, and must find there what it wrote. */
static void *write_own(void *arg)
{
    size_t len = RACE_PAGES * page_size;
    char *from = map_pages(RACE_PAGES, RW);
    struct iovec local = {from, len}, remote = {arg, len};
    uintptr_t bad = 0;

    for (unsigned n = 1; !race_over; n++) {
        memset(from, (int)n, len);
        bad += process_vm_writev(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)len;
        bad += memcmp(from, arg, len) != 0;
    }
    return (void *)bad;
}

/* What a child has at its birth does not change, however the parent's pages are being written. */
TEST(write_during_fork)
{
    size_t len = RACE_PAGES * page_size;
    char *p = map_pages(RACE_PAGES, RW), *seen = map_pages(RACE_PAGES, RW);
    pthread_t t;
    void *bad;

    need();
    memset(p, 0, len);
    REQUIRE(pthread_create(&t, NULL, write_own, p) == 0);
    for (int i = 0; i < (ktap_swept ? 3 : 80); i++) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
            memcpy(seen, p, len);
            usleep(2000);
            _exit(memcmp(seen, p, len) != 0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    race_over = true;
    pthread_join(t, &bad);
    CHECK_EQ((uintptr_t)bad, 0);
}

TEST(error_table)
{
    char c = 0;
    struct iovec ok = {&c, 1}, bad = {(void *)16, 1}, negative = {&c, (size_t)-1};

    need();
    CHECK_ERRNO(process_vm_readv(0x3ffffff, &ok, 1, &ok, 1, 0), ESRCH);
    CHECK_ERRNO(process_vm_readv(getpid(), &ok, 1, &ok, 1, 1), EINVAL);
    CHECK_ERRNO(process_vm_readv(getpid(), &ok, 1, &bad, 1, 0), EFAULT);
    CHECK_ERRNO(process_vm_readv(getpid(), &bad, 1, &ok, 1, 0), EFAULT);
    CHECK_ERRNO(process_vm_readv(getpid(), (void *)16, 1, &ok, 1, 0), EFAULT);
    CHECK_ERRNO(process_vm_readv(getpid(), &negative, 1, &ok, 1, 0), EINVAL);
    CHECK_ERRNO(process_vm_readv(getpid(), &ok, 1025, &ok, 1, 0), EINVAL);
    CHECK_EQ(process_vm_readv(getpid(), &ok, 0, &ok, 1, 0), 0);
    CHECK_EQ(process_vm_readv(getpid(), &ok, 1, &ok, 0, 0), 0);
}

KTAP_MAIN(CASE(read_own), CASE(read_child), CASE(write_child), CASE(write_to_read_only_is_efault),
          CASE(partial_transfer), CASE(big_transfer), CASE(copies_break_sharing),
          CASE(write_during_fork), CASE(error_table))
