/* SPDX-License-Identifier: MIT */
/*
 * Pages of a pool move to other pages of it (/sys/kernel/debug/migrate_pages): those of files,
 * those of a private mapping that are the process' own; not what is pinned or shared with a child.
 * The pool's counts stay what they are. Skipped on Linux.
 */
#include "huge.h"

#include "../../include/uapi/dmatest.h"
#include <sys/ioctl.h>
#include <sys/wait.h>

#define MIGRATE "/sys/kernel/debug/migrate_pages"

static void migrate(const char *at, size_t len)
{
    CHECK_OK(write_range(MIGRATE, at, len));
}

static uint64_t frame(const void *at)
{
    return pagemap(at) & PAGEMAP_PFN;
}

static void fill(char *p, size_t len)
{
    for (size_t i = 0; i < len; i += 512)
        *(size_t *)(p + i) = i;
}

static bool is_filled(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i += 512)
        if (*(const size_t *)(p + i) != i)
            return false;
    return true;
}

TEST(private_pages)
{
    uint64_t before;
    char *p;

    set_pool(4);
    p = map_huge(2, 0);
    REQUIRE(p != MAP_FAILED);
    fill(p, 2 * huge_size);
    CHECK_POOL(2, 0);
    before = frame(p);
    migrate(p, 2 * huge_size);
    CHECK(frame(p) != before);
    CHECK(is_filled(p, 2 * huge_size));
    CHECK_POOL(2, 0);
    p[0] = 1;
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_POOL(4, 0);
}

TEST(shared_with_a_child)
{
    uint64_t before;
    int status;
    pid_t pid;
    char *p;

    set_pool(4);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    fill(p, huge_size);
    before = frame(p);
    pid = ktap_fork();
    if (pid == 0) {
        migrate(p, huge_size);
        _exit(frame(p) != before || !is_filled(p, huge_size));
    }
    waitpid(pid, &status, 0);
    CHECK_EQ(status, 0);
    p[0] = 0; /* its own again */
    migrate(p, huge_size);
    CHECK(is_filled(p, huge_size));
    CHECK_OK(munmap(p, huge_size));
    CHECK_POOL(4, 0);
}

TEST(pages_of_a_file)
{
    uint64_t before;
    char *p, *q;
    int fd;

    set_pool(4);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_OK(ftruncate(fd, (off_t)huge_size));
    p = mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0);
    q = mmap(NULL, huge_size, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED && q != MAP_FAILED);
    fill(p, huge_size);
    CHECK(is_filled(q, huge_size));
    before = frame(p);
    migrate(p, huge_size);
    CHECK(is_filled(q, huge_size));
    CHECK(is_filled(p, huge_size));
    CHECK(frame(p) != before);
    CHECK_EQ(frame(p), frame(q));
    CHECK_POOL(3, 0);
    munmap(p, huge_size);
    munmap(q, huge_size);
    close(fd);
    CHECK_POOL(4, 0);
}

/* mlock changes nothing for pages of a pool: they move, and come back by faults. */
TEST(locked_pages_of_a_file)
{
    uint64_t before;
    char *p;
    int fd;

    set_pool(2);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    CHECK_OK(ftruncate(fd, (off_t)huge_size));
    p = mmap(NULL, huge_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mlock(p, huge_size));
    fill(p, huge_size);
    before = frame(p);
    migrate(p, huge_size);
    CHECK(is_filled(p, huge_size));
    CHECK(frame(p) != before);
    CHECK_OK(munlock(p, huge_size));
    munmap(p, huge_size);
    close(fd);
    CHECK_POOL(2, 0);
}

TEST(pinned_pages_stay)
{
    struct dmatest_pin pin = {.len = 100, .flags = DMATEST_WRITE};
    int device = open("/dev/dmatest", O_RDWR);
    uint64_t before;
    char *p;

    if (device < 0)
        ktap_skip("no /dev/dmatest");
    set_pool(4);
    p = map_huge(1, 0);
    REQUIRE(p != MAP_FAILED);
    fill(p, huge_size);
    pin.addr = (uintptr_t)p + huge_size / 2;
    CHECK_OK(ioctl(device, DMATEST_PIN, &pin));
    before = frame(p);
    migrate(p, huge_size);
    CHECK_EQ(frame(p), before);
    CHECK(is_filled(p, huge_size));
    p[5] = 5;
    CHECK_OK(ioctl(device, DMATEST_UNPIN, (long)pin.region));
    close(device);
    munmap(p, huge_size);
    CHECK_POOL(4, 0);
}

KTAP_MAIN(CASE(private_pages), CASE(shared_with_a_child), CASE(pages_of_a_file),
          CASE(locked_pages_of_a_file), CASE(pinned_pages_stay))
