/* SPDX-License-Identifier: MIT */
/*
 * Overcommit: modes 0, 1 and 2 of /proc/sys/vm/overcommit_memory and what is accounted. Needs to be
 * root; the mode is put back.
 */
#include "mem.h"

#define SYSCTL "/proc/sys/vm/"

static char old_mode[16], old_ratio[16];

static void restore(void)
{
    write_text(SYSCTL "overcommit_ratio", old_ratio);
    write_text(SYSCTL "overcommit_memory", old_mode);
}

/* The child that runs a test ends by _exit, so every test calls restore itself. */
static void set_mode(const char *mode)
{
    read_text(SYSCTL "overcommit_memory", old_mode, sizeof(old_mode));
    read_text(SYSCTL "overcommit_ratio", old_ratio, sizeof(old_ratio));
    if (write_text(SYSCTL "overcommit_memory", mode) != 0)
        ktap_skip("cannot set the overcommit mode: %s", strerror(errno));
}

static size_t total_bytes(void)
{
    return (size_t)file_field("/proc/meminfo", "MemTotal") * 1024;
}

static long committed(void)
{
    return file_field("/proc/meminfo", "Committed_AS");
}

static bool can_map(size_t len, int flags)
{
    char *p = mmap(NULL, len, RW, ANON | flags, -1, 0);

    if (p == MAP_FAILED) {
        CHECK_EQ(errno, ENOMEM);
        return false;
    }
    munmap(p, len);
    return true;
}

TEST(mode_0_refuses_the_absurd)
{
    size_t swap = (size_t)file_field("/proc/meminfo", "SwapTotal") * 1024;

    set_mode("0");
    CHECK(can_map(total_bytes() / 2, 0));
    CHECK(!can_map((total_bytes() + swap) * 2, 0));
    CHECK(can_map((total_bytes() + swap) * 2, MAP_NORESERVE));
    restore();
}

TEST(mode_1_allows_everything)
{
    set_mode("1");
    CHECK(can_map(total_bytes() * 16, 0));
    CHECK(can_map((size_t)1 << 40, 0));
    restore();
}

TEST(mode_2_keeps_the_limit)
{
    size_t limit, used;

    set_mode("2");
    write_text(SYSCTL "overcommit_ratio", "80");
    limit = (size_t)file_field("/proc/meminfo", "CommitLimit") * 1024;
    used = (size_t)committed() * 1024;
    if (used + (64 << 20) > limit) {
        restore();
        ktap_skip("too much is committed already");
    }
    CHECK(can_map((limit - used) / 2, 0));
    CHECK(!can_map(limit - used + (64 << 20), 0));
    /* NORESERVE does not help in this mode. */
    CHECK(!can_map(limit - used + (64 << 20), MAP_NORESERVE));
    CHECK(can_map(16 << 20, 0));
    restore();
}

TEST(commit_limit_follows_ratio)
{
    long a, b;

    set_mode("2");
    CHECK_OK(write_text(SYSCTL "overcommit_ratio", "40"));
    a = file_field("/proc/meminfo", "CommitLimit");
    CHECK_OK(write_text(SYSCTL "overcommit_ratio", "80"));
    b = file_field("/proc/meminfo", "CommitLimit");
    restore();
    CHECK(b > a);
}

TEST(bad_values_are_refused)
{
    set_mode("0");
    CHECK_ERRNO(write_text(SYSCTL "overcommit_memory", "3"), EINVAL);
    CHECK_EQ(errno, EINVAL);
    CHECK_ERRNO(write_text(SYSCTL "overcommit_memory", "-1"), EINVAL);
    restore();
}

/* Committed_AS moves with other processes too, so the mapping is big and the check is coarse. */
TEST(what_is_accounted)
{
    enum { LEN = 64 << 20 };
    const long least = LEN / 1024 * 3 / 4;
    long before = committed();
    char *p = mmap(NULL, LEN, RW, ANON, -1, 0), *q;

    REQUIRE(p != MAP_FAILED);
    CHECK(committed() - before >= least);
    munmap(p, LEN);
    before = committed();
    p = mmap(NULL, LEN, PROT_READ, ANON, -1, 0);
    CHECK(committed() - before < least);
    /* Private memory counts from when it may be written. */
    CHECK_OK(mprotect(p, LEN, RW));
    CHECK(committed() - before >= least);
    munmap(p, LEN);
    before = committed();
    q = mmap(NULL, LEN, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    REQUIRE(q != MAP_FAILED);
    CHECK(committed() - before >= least);
    munmap(q, LEN);
    CHECK(committed() - before < least);
}

TEST(fork_is_accounted)
{
    enum { LEN = 64 << 20 };
    const long least = LEN / 1024 * 3 / 4;
    char *p = mmap(NULL, LEN, RW, ANON, -1, 0);
    long before = committed();
    int fds[2];
    pid_t pid;
    char c;

    REQUIRE(p != MAP_FAILED && pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        _exit(read(fds[0], &c, 1) != 0);
    }
    CHECK(committed() - before >= least);
    close(fds[1]);
    waitpid(pid, NULL, 0);
    CHECK(committed() - before < least);
}

KTAP_MAIN(CASE(mode_0_refuses_the_absurd), CASE(mode_1_allows_everything),
          CASE(mode_2_keeps_the_limit), CASE(commit_limit_follows_ratio),
          CASE(bad_values_are_refused), CASE(what_is_accounted), CASE(fork_is_accounted))
