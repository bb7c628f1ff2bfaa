/* SPDX-License-Identifier: MIT */
/* mlock(2), mlock2, munlock, mlockall, munlockall and RLIMIT_MEMLOCK. */
#include "mem.h"

static long kib(size_t nr)
{
    return (long)(nr * page_size / 1024);
}

/* Ends the test when this process may not lock anything at all. */
static void need_mlock(void)
{
    char *p = map_pages(1, RW);

    if (mlock(p, page_size) < 0)
        ktap_skip("mlock: %s", strerror(errno));
    munlock(p, page_size);
}

/* Gives up the right to lock without limit, so that the limit counts. */
static void limit_memlock(size_t nr)
{
    struct rlimit rl = {.rlim_cur = nr * page_size, .rlim_max = nr * page_size};

    if (setrlimit(RLIMIT_MEMLOCK, &rl) < 0)
        ktap_skip("setrlimit: %s", strerror(errno));
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        ktap_skip("cannot become an ordinary user: %s", strerror(errno));
}

TEST(lock_makes_resident)
{
    char *p = map_pages(4, RW);

    need_mlock();
    CHECK_OK(mlock(p + page_size, 2 * page_size));
    CHECK_EQ(count_present(p, 4), 2);
    CHECK_EQ(smaps_field(p + page_size, "Locked"), kib(2));
    CHECK(has_vmflag(p + page_size, "lo"));
    CHECK(!has_vmflag(p, "lo"));
    CHECK_MAPS(p, 4, "|w|ww|w");
    CHECK_OK(munlock(p, 4 * page_size));
    CHECK_EQ(count_present(p, 4), 2);
}

TEST(unlock_merges)
{
    char *p = map_pages(4, RW);

    need_mlock();
    memset(p, 1, 4 * page_size);
    CHECK_OK(mlock(p + page_size, 2 * page_size));
    CHECK_MAPS(p, 4, "|w|ww|w");
    CHECK_OK(munlock(p, 4 * page_size));
    CHECK_MAPS(p, 4, "|wwww");
}

TEST(status_counts_locked)
{
    long before = file_field("/proc/self/status", "VmLck");
    char *p = map_pages(3, RW);

    need_mlock();
    CHECK_OK(mlock(p, 3 * page_size));
    CHECK_EQ(file_field("/proc/self/status", "VmLck") - before, kib(3));
    CHECK_OK(mlock(p, 3 * page_size));
    CHECK_EQ(file_field("/proc/self/status", "VmLck") - before, kib(3));
    CHECK_OK(munmap(p, 3 * page_size));
    CHECK_EQ(file_field("/proc/self/status", "VmLck") - before, 0);
}

TEST(addresses_are_rounded)
{
    char *p = map_pages(3, RW);

    need_mlock();
    CHECK_OK(mlock(p + page_size + 5, page_size));
    CHECK_EQ(count_present(p, 3), 2);
    CHECK_OK(munlock(p + page_size + 5, page_size));
}

TEST(read_only_locks_too)
{
    int fd = make_file(2);
    char *p = mmap(free_range(2), 2 * page_size, PROT_READ, MAP_PRIVATE, fd, 0);

    need_mlock();
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mlock(p, 2 * page_size));
    CHECK_EQ(count_present(p, 2), 2);
    CHECK_EQ(p[page_size], 'b');
}

TEST(writable_private_breaks_cow)
{
    int fd = make_file(1);
    char *p = mmap(free_range(1), page_size, RW, MAP_PRIVATE, fd, 0);
    long faults;

    need_mlock();
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mlock(p, page_size));
    faults = minor_faults();
    p[0] = 'w';
    CHECK_EQ(minor_faults() - faults, 0);
}

TEST(prot_none_is_enomem)
{
    char *p = map_pages(2, PROT_NONE);

    need_mlock();
    CHECK_ERRNO(mlock(p, page_size), ENOMEM);
}

TEST(error_table)
{
    char *p = map_pages(3, RW);

    need_mlock();
    munmap(p + page_size, page_size);
    CHECK_ERRNO(mlock(p, 3 * page_size), ENOMEM);
    CHECK_ERRNO(munlock(p, 3 * page_size), ENOMEM);
    CHECK_ERRNO(mlock(p + page_size, page_size), ENOMEM);
    CHECK_OK(mlock(p, 0));
    CHECK_ERRNO(syscall(SYS_mlock2, p, page_size, 2), EINVAL);
    CHECK_ERRNO(mlockall(0), EINVAL);
    CHECK_ERRNO(mlockall(8), EINVAL);
    CHECK_ERRNO(mlockall(MCL_ONFAULT), EINVAL);
}

TEST(mlock2_onfault)
{
    char *p = map_pages(4, RW);

    need_mlock();
    CHECK_OK(syscall(SYS_mlock2, p, 4 * page_size, MLOCK_ONFAULT));
    CHECK_EQ(count_present(p, 4), 0);
    CHECK(has_vmflag(p, "lo"));
    p[0] = 1;
    CHECK_EQ(count_present(p, 4), 1);
    CHECK_EQ(smaps_field(p, "Locked"), kib(1));
    CHECK_OK(syscall(SYS_mlock2, p, 4 * page_size, 0));
    CHECK_EQ(count_present(p, 4), 4);
}

TEST(mlockall_current)
{
    char *p = map_pages(2, RW), *q;

    need_mlock();
    CHECK_OK(mlockall(MCL_CURRENT));
    CHECK_EQ(count_present(p, 2), 2);
    CHECK(has_vmflag(p, "lo"));
    q = map_pages(1, RW);
    CHECK(!has_vmflag(q, "lo"));
    CHECK_OK(munlockall());
    CHECK(!has_vmflag(p, "lo"));
}

TEST(mlockall_future)
{
    char *p = map_pages(1, RW), *q;

    need_mlock();
    CHECK_OK(mlockall(MCL_FUTURE));
    CHECK(!has_vmflag(p, "lo"));
    q = map_pages(2, RW);
    CHECK(has_vmflag(q, "lo"));
    CHECK_EQ(count_present(q, 2), 2);
    CHECK_OK(munlockall());
    q = map_pages(2, RW);
    CHECK(!has_vmflag(q, "lo"));
}

TEST(mlockall_onfault)
{
    char *q;

    need_mlock();
    CHECK_OK(mlockall(MCL_FUTURE | MCL_ONFAULT));
    q = map_pages(2, RW);
    CHECK(has_vmflag(q, "lo"));
    CHECK_EQ(count_present(q, 2), 0);
    CHECK_OK(munlockall());
}

static void child_is_not_locked(void *arg)
{
    CHECK(!has_vmflag(arg, "lo"));
    CHECK_EQ(file_field("/proc/self/status", "VmLck"), 0);
}

TEST(fork_does_not_inherit)
{
    char *p = map_pages(1, RW);

    need_mlock();
    CHECK_OK(mlock(p, page_size));
    CHECK_EQ(in_child(child_is_not_locked, p), 0);
    CHECK(has_vmflag(p, "lo"));
}

TEST(limit_is_kept)
{
    char *p = map_pages(8, RW);

    need_mlock();
    limit_memlock(4);
    CHECK_OK(mlock(p, 4 * page_size));
    CHECK_ERRNO(mlock(p + 4 * page_size, page_size), ENOMEM);
    CHECK_OK(mlock(p, 4 * page_size));
    CHECK_OK(munlock(p, 2 * page_size));
    CHECK_OK(mlock(p + 4 * page_size, 2 * page_size));
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, ANON | MAP_LOCKED, -1, 0), EAGAIN);
    CHECK_ERRNO(mlockall(MCL_CURRENT), ENOMEM);
}

TEST(limit_zero_is_eperm)
{
    char *p = map_pages(1, RW);

    limit_memlock(0);
    CHECK_ERRNO(mlock(p, page_size), EPERM);
    CHECK_ERRNO(mlockall(MCL_CURRENT), EPERM);
}

TEST(munmap_part_of_locked)
{
    long before = file_field("/proc/self/status", "VmLck");
    char *p = map_pages(4, RW);

    need_mlock();
    CHECK_OK(mlock(p, 4 * page_size));
    CHECK_OK(munmap(p + page_size, page_size));
    CHECK_EQ(file_field("/proc/self/status", "VmLck") - before, kib(3));
    CHECK_MAPS(p, 4, "|w.|ww");
}

KTAP_MAIN(CASE(lock_makes_resident), CASE(unlock_merges), CASE(status_counts_locked),
          CASE(addresses_are_rounded), CASE(read_only_locks_too), CASE(writable_private_breaks_cow),
          CASE(prot_none_is_enomem), CASE(error_table), CASE(mlock2_onfault),
          CASE(mlockall_current), CASE(mlockall_future), CASE(mlockall_onfault),
          CASE(fork_does_not_inherit), CASE(limit_is_kept), CASE(limit_zero_is_eperm),
          CASE(munmap_part_of_locked))
