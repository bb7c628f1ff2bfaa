/* SPDX-License-Identifier: MIT */
/*
 * Pages that move: what move_pages and migrate_pages answer on a machine of one node, compaction on
 * request, and Quire's /sys/kernel/debug/migrate_pages, which gives each page of a range another
 * frame. The calls are Linux's; the debug file is skipped there.
 */
#include "mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define MIGRATE "/sys/kernel/debug/migrate_pages"
#define COMPACT "/proc/sys/vm/compact_memory"
#ifndef MPOL_MF_MOVE
#define MPOL_MF_MOVE     2
#define MPOL_MF_MOVE_ALL 4
#endif

static int migrate(const void *at, size_t len)
{
    return write_range(MIGRATE, at, len);
}

#define move_pages(pid, nr, pages, nodes, status, flags)                                           \
    syscall(SYS_move_pages, (long)(pid), (long)(nr), pages, nodes, status, (long)(flags))
#define migrate_pages(pid, max, from, to)                                                          \
    syscall(SYS_migrate_pages, (long)(pid), (long)(max), from, to)

TEST(move_pages_tells_where_pages_are)
{
    char *p = map_pages(4, RW);
    void *pages[4] = {p, p + page_size + 8, p + 2 * page_size, p + 3 * page_size};
    int status[4] = {99, 99, 99, 99}, nodes[4] = {0, 0, 0, 0};

    p[0] = p[page_size] = 1;
    CHECK(p[2 * page_size] == 0); /* zeroes that are everybody's */
    munmap(p + 3 * page_size, page_size);
    CHECK_OK(move_pages(0, 4, pages, NULL, status, 0));
    CHECK_EQ(status[0], 0);
    CHECK_EQ(status[1], 0);
    CHECK_EQ(status[2], -EFAULT);
    CHECK_EQ(status[3], -EFAULT);
    status[0] = status[1] = 99;
    CHECK_OK(move_pages(getpid(), 2, pages, nodes, status, MPOL_MF_MOVE));
    CHECK_EQ(status[0], 0);
    CHECK_EQ(status[1], 0);
    CHECK_EQ(p[0] + p[page_size], 2);
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_OK(move_pages(0, 1, pages, NULL, status, 0));
    CHECK_EQ(status[0], -ENOENT);
    CHECK_OK(move_pages(0, 0, pages, NULL, status, 0));
}

TEST(move_pages_errors)
{
    char *p = map_pages(1, RW);
    void *pages[1] = {p}, *bad = (void *)8;
    int status[1] = {99}, nodes[1] = {0};

    p[0] = 1;
    CHECK_ERRNO(move_pages(0, 1, pages, nodes, status, 1), EINVAL);
    CHECK_ERRNO(move_pages(0, 1, pages, nodes, status, 8), EINVAL);
    CHECK_ERRNO(move_pages(0x7ffffff, 1, pages, nodes, status, MPOL_MF_MOVE), ESRCH);
    CHECK_ERRNO(move_pages(0, 1, bad, nodes, status, MPOL_MF_MOVE), EFAULT);
    CHECK_ERRNO(move_pages(0, 1, pages, bad, status, MPOL_MF_MOVE), EFAULT);
    CHECK_ERRNO(move_pages(0, 1, pages, NULL, bad, 0), EFAULT);
    nodes[0] = 100000;
    CHECK_ERRNO(move_pages(0, 1, pages, nodes, status, MPOL_MF_MOVE), ENODEV);
    nodes[0] = -1;
    CHECK_ERRNO(move_pages(0, 1, pages, nodes, status, MPOL_MF_MOVE), ENODEV);
    CHECK_EQ(p[0], 1);
}

TEST(migrate_pages_answers)
{
    unsigned long node0 = 1, none = 0;
    void *bad = (void *)8;

    CHECK_OK(migrate_pages(0, 8 * sizeof(long), &node0, &node0));
    CHECK_OK(migrate_pages(getpid(), 8 * sizeof(long), &none, &node0));
    CHECK_ERRNO(migrate_pages(0, 8 * sizeof(long), &node0, &none), EINVAL);
    CHECK_ERRNO(migrate_pages(0, 8 * sizeof(long), bad, &node0), EFAULT);
    CHECK_ERRNO(migrate_pages(0, 8 * sizeof(long), &node0, bad), EFAULT);
    CHECK_ERRNO(migrate_pages(0x7ffffff, 8 * sizeof(long), &node0, &node0), ESRCH);
}

static uint64_t frame(const void *at)
{
    return pagemap(at) & PAGEMAP_PFN;
}

TEST(moved_on_request)
{
    char *p = map_pages(64, RW);
    uint64_t before[64], moved = 0;
    int nr = ktap_swept ? 12 : 64;

    for (int i = 0; i < nr; i++)
        p[i * page_size] = (char)i;
    for (int i = 0; i < nr; i++)
        before[i] = frame(p + i * page_size);
    CHECK_OK(migrate(p, (size_t)nr * page_size));
    for (int i = 0; i < nr; i++) {
        moved += frame(p + i * page_size) != before[i];
        CHECK_EQ(p[i * page_size], i);
    }
    CHECK_EQ(moved, nr);
    CHECK_ERRNO(write_text(MIGRATE, "1"), EINVAL);
    CHECK_ERRNO(write_text(MIGRATE, "x"), EINVAL);
    CHECK_ERRNO(write_text(MIGRATE, "1,0x1000"), EINVAL);
    CHECK_ERRNO(write_text(MIGRATE, "99999999,0x1000,0x2000"), ESRCH);
}

/* Memory that is locked moves, too, and its owner does not notice. */
TEST(locked_pages_of_a_file)
{
    int fd = memfd_create("m", 0);
    uint64_t before[16];
    long faults;
    char *p;

    CHECK_OK(ftruncate(fd, 16 * (off_t)page_size));
    p = mmap(NULL, 16 * page_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(mlock(p, 16 * page_size));
    for (int i = 0; i < 16; i++)
        p[i * page_size] = (char)i;
    for (int i = 0; i < 16; i++)
        before[i] = frame(p + i * page_size);
    CHECK_OK(migrate(p, page_size)); /* what this needs itself is there now */
    faults = minor_faults();
    CHECK_OK(migrate(p, 16 * page_size));
    for (int i = 0; i < 16; i++) {
        CHECK_EQ(p[i * page_size], i);
        p[i * page_size]++;
    }
    CHECK_EQ(minor_faults() - faults, 0);
    for (int i = 1; i < 16; i++)
        CHECK(frame(p + i * page_size) != before[i]);
    close(fd);
}

TEST(a_file_and_its_writers)
{
    int fd = memfd_create("m", 0);
    char *p, buf[8] = "";
    uint64_t before;

    CHECK_OK(ftruncate(fd, 4 * (off_t)page_size));
    p = mmap(NULL, 4 * page_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    strcpy(p, "one");
    before = frame(p);
    CHECK_OK(migrate(p, page_size));
    CHECK_EQ(pread(fd, buf, 4, 0), 4);
    CHECK(strcmp(buf, "one") == 0);
    CHECK_EQ(pwrite(fd, "two", 4, 0), 4);
    CHECK(strcmp(p, "two") == 0);
    CHECK(frame(p) != before);
    CHECK_OK(ftruncate(fd, 0));
    close(fd);
}

TEST(compact_memory)
{
    char *p = map_pages(512, RW);

    for (int i = 0; i < 512; i++)
        p[i * page_size] = (char)i;
    for (int i = 0; i < 512; i += 2)
        CHECK_OK(madvise(p + i * page_size, page_size, MADV_DONTNEED));
    CHECK_OK(write_text(COMPACT, "1"));
    for (int i = 1; i < 512; i += 2)
        CHECK_EQ(p[i * page_size], (char)i);
    CHECK_ERRNO(write_text(COMPACT, "0"), EINVAL);
    CHECK_ERRNO(write_text(COMPACT, "2"), EINVAL);
    CHECK_ERRNO(write_text(COMPACT, "x"), EINVAL);
}

/* ---- writers, readers of the file and children, while their pages move ---- */

#define MAX_NR 64
#define NR     (ktap_swept ? 8u : MAX_NR)

static atomic_bool over;
static char *area, *shared;
static int file;

/* For a time; under the sweep, which runs it again for each fault, @rounds. */
static bool goes_on(unsigned int round, unsigned int rounds)
{
    return ktap_swept ? round < rounds : !over;
}

static void *mover(void *arg)
{
    for (unsigned int i = 0; goes_on(i, 2); i++) {
        migrate(area, NR * page_size);
        migrate(shared, NR * page_size);
        if (arg)
            write_text(COMPACT, "1");
    }
    return NULL;
}

static void *writer(void *arg)
{
    unsigned char seen[2][MAX_NR] = {{0}};
    unsigned int n = 0;

    (void)arg;
    for (; goes_on(n, 32) && ktap_failures == 0; n++) {
        unsigned int i = n * 7 % NR;
        char c;

        CHECK_EQ((unsigned char)area[i * page_size], seen[0][i]);
        area[i * page_size] = (char)++seen[0][i];
        CHECK_EQ((unsigned char)shared[i * page_size], seen[1][i]);
        seen[1][i]++;
        if (n & 1) {
            shared[i * page_size] = (char)seen[1][i];
            CHECK_EQ(pread(file, &c, 1, (off_t)(i * page_size)), 1);
            CHECK_EQ((unsigned char)c, seen[1][i]);
        } else {
            c = (char)seen[1][i];
            CHECK_EQ(pwrite(file, &c, 1, (off_t)(i * page_size)), 1);
        }
    }
    return NULL;
}

TEST(while_they_move)
{
    pthread_t threads[3];

    over = false;
    CHECK_OK(migrate(&over, 1)); /* or skip */
    file = memfd_create("m", 0);
    CHECK_OK(ftruncate(file, NR * (off_t)page_size));
    area = map_pages(NR, RW);
    shared = mmap(NULL, NR * page_size, RW, MAP_SHARED, file, 0);
    REQUIRE(shared != MAP_FAILED);
    REQUIRE(pthread_create(&threads[0], NULL, mover, NULL) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, mover, &over) == 0);
    REQUIRE(pthread_create(&threads[2], NULL, writer, NULL) == 0);
    for (int i = 0; i < (ktap_swept ? 0 : 20) && ktap_failures == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    over = true;
    for (unsigned int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
}

KTAP_MAIN(CASE(move_pages_tells_where_pages_are), CASE(move_pages_errors),
          CASE(migrate_pages_answers), CASE(moved_on_request), CASE(locked_pages_of_a_file),
          CASE(a_file_and_its_writers), CASE(compact_memory), CASE(while_they_move))
