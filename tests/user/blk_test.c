/* SPDX-License-Identifier: MIT */
/*
 * Disks: buffered and O_DIRECT transfers, errors, many at a time. tests/disk/disk_test.py makes the
 * disks, and looks at them afterwards: what is written here is what it expects there.
 *
 * BLK_TEST_DISK (default /dev/vda) is only touched when its first sector says that it is a test's.
 * BLK_TEST_BAD (/dev/vdb) fails at BAD_SECTOR, BLK_TEST_RO (/dev/vdc) cannot be written,
 * BLK_TEST_AGAIN (/dev/vdd) shows what has reached the first one's image.
 */
#include "fail_nth.h"
#include "mem.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

#define MAGIC       "QUIRE TEST DISK\n"
#define SECTOR      512
#define DISK_BYTES  (48ULL << 20)
#define KNOWN_BYTES (1 << 20) /* the disk begins with pattern 0 (but for the magic) */
#define BAD_SECTOR  64
#define AT_BUFFERED (2 << 20)
#define AT_DIRECT   (3 << 20)
#define AT_VECTOR   (4 << 20)
#define AT_CLOSED   (5 << 20)
#define AT_MIXED    (6 << 20)
#define AT_SCRATCH  (7 << 20)
#define AT_THREADS  (8 << 20)
#define REGION      (64 << 10)
#define THREADS     8

/* Each sector: seed and its number, 32 times, little-endian. */
static void pattern(char *buf, size_t len, uint64_t seed, uint64_t at)
{
    for (size_t i = 0; i < len; i += 16) {
        uint64_t word[2] = {seed, (at + i) / SECTOR};

        for (unsigned k = 0; k < 16; k++)
            buf[i + k] = (char)(word[k / 8] >> (k % 8 * 8));
    }
}

static bool is_pattern(const char *buf, size_t len, uint64_t seed, uint64_t at)
{
    char want[SECTOR];

    for (size_t i = 0; i < len; i += SECTOR) {
        pattern(want, SECTOR, seed, at + i);
        if (memcmp(buf + i, want, SECTOR) != 0) {
            ktap_note("sector %llu differs", (unsigned long long)(at + i) / SECTOR);
            return false;
        }
    }
    return true;
}

static const char *device(const char *variable, const char *name)
{
    const char *given = getenv(variable);

    return given ? given : name;
}

static int open_disk(int flags)
{
    const char *name = device("BLK_TEST_DISK", "/dev/vda");
    char first[sizeof(MAGIC)] = "";
    int fd = open(name, O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        ktap_skip("no %s", name);
    if (read(fd, first, sizeof(MAGIC) - 1) < 0 || strcmp(first, MAGIC) != 0)
        ktap_skip("%s is not a test disk", name);
    close(fd);
    fd = open(name, flags | O_CLOEXEC);
    CHECK(fd >= 0);
    return fd;
}

static char *buffer(void)
{
    return map_pages(REGION / page_size, RW);
}

TEST(describes_itself)
{
    int fd = open_disk(O_RDONLY), block = 0, read_only = 5;
    uint64_t bytes = 0;
    unsigned long sectors = 0;
    struct stat st;

    CHECK_OK(fstat(fd, &st));
    CHECK(S_ISBLK(st.st_mode));
    CHECK_OK(ioctl(fd, BLKGETSIZE64, &bytes));
    CHECK_EQ(bytes, DISK_BYTES);
    CHECK_OK(ioctl(fd, BLKGETSIZE, &sectors));
    CHECK_EQ(sectors, DISK_BYTES / SECTOR);
    CHECK_OK(ioctl(fd, BLKSSZGET, &block));
    CHECK_EQ(block, SECTOR);
    CHECK_OK(ioctl(fd, BLKROGET, &read_only));
    CHECK_EQ(read_only, 0);
    CHECK_EQ(lseek(fd, 0, SEEK_END), DISK_BYTES);
    CHECK_ERRNO(lseek(fd, 1, SEEK_END), EINVAL);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_EQ(lseek(fd, -512, SEEK_CUR), DISK_BYTES - 512);
    CHECK_ERRNO(ioctl(fd, BLKGETSIZE64, ktap_nowhere), EFAULT);
}

TEST(known_contents)
{
    int fd = open_disk(O_RDONLY), direct = open_disk(O_RDONLY | O_DIRECT);
    char *buf = buffer();

    for (size_t at = 0; at < KNOWN_BYTES; at += REGION) {
        size_t skip = at == 0 ? SECTOR : 0;

        CHECK_EQ(read(fd, buf, REGION), REGION);
        REQUIRE(is_pattern(buf + skip, REGION - skip, 0, at + skip));
        memset(buf, 0, REGION);
        CHECK_EQ(pread(direct, buf, REGION, (off_t)at), REGION);
        REQUIRE(is_pattern(buf + skip, REGION - skip, 0, at + skip));
    }
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), KNOWN_BYTES);
    CHECK_EQ(pread(fd, buf, 100, 1000), 100); /* any bytes, when buffered */
    CHECK_EQ(buf[32], 2);                     /* sector 2 begins at 1024, its number at 1032 */
}

TEST(direct_needs_alignment)
{
    int fd = open_disk(O_RDWR | O_DIRECT);
    char *buf = buffer();

    CHECK_ERRNO(pread(fd, buf, SECTOR, 1), EINVAL);
    CHECK_ERRNO(pread(fd, buf, SECTOR - 1, 0), EINVAL);
    if (!getenv("BLK_TEST_DISK")) { /* newer kernels leave it to the device how memory must lie */
        CHECK_ERRNO(pread(fd, buf + 8, SECTOR, 0), EINVAL);
        CHECK_ERRNO(pwrite(fd, buf + 3, SECTOR, AT_SCRATCH), EINVAL);
    }
    CHECK_ERRNO(pwrite(fd, buf, SECTOR, AT_SCRATCH + 100), EINVAL);
    CHECK_ERRNO(pwrite(fd, buf, SECTOR + 3, AT_SCRATCH), EINVAL);
    struct iovec v[2] = {{buf, SECTOR}, {buf + SECTOR, 8}};
    CHECK_ERRNO(preadv(fd, v, 2, 0), EINVAL);
    CHECK_EQ(pread(fd, buf + SECTOR, SECTOR, SECTOR), SECTOR);
    CHECK(is_pattern(buf + SECTOR, SECTOR, 0, SECTOR));
    CHECK_EQ(pread(fd, buf + page_size - SECTOR, 2 * SECTOR, SECTOR), 2 * SECTOR);
    CHECK(is_pattern(buf + page_size - SECTOR, 2 * SECTOR, 0, SECTOR));
    /* F_SETFL changes the way of an open file. */
    CHECK_OK(fcntl(fd, F_SETFL, 0));
    CHECK_EQ(pread(fd, buf + 8, 10, 1), 10);
    CHECK_OK(fcntl(fd, F_SETFL, O_DIRECT));
    CHECK_ERRNO(pread(fd, buf + 8, 10, 1), EINVAL);
}

TEST(write_buffered)
{
    int fd = open_disk(O_RDWR), direct = open_disk(O_RDONLY | O_DIRECT);
    char *buf = buffer(), *back = buffer();

    pattern(buf, REGION, 1, AT_BUFFERED);
    CHECK_EQ(pwrite(fd, buf, 1000, AT_BUFFERED), 1000);
    CHECK_EQ(pwrite(fd, buf + 1000, REGION - 1000, AT_BUFFERED + 1000), REGION - 1000);
    CHECK_EQ(pread(fd, back, REGION, AT_BUFFERED), REGION);
    CHECK(is_pattern(back, REGION, 1, AT_BUFFERED));
    CHECK_OK(fsync(fd));
    memset(back, 0, REGION);
    CHECK_EQ(pread(direct, back, REGION, AT_BUFFERED), REGION);
    CHECK(is_pattern(back, REGION, 1, AT_BUFFERED));
    CHECK_OK(fdatasync(fd));
}

TEST(write_direct)
{
    int fd = open_disk(O_RDWR | O_DIRECT);
    char *buf = buffer(), *back = buffer();

    pattern(buf, REGION, 2, AT_DIRECT);
    CHECK_EQ(pwrite(fd, buf, REGION, AT_DIRECT), REGION);
    CHECK_EQ(pread(fd, back, REGION, AT_DIRECT), REGION);
    CHECK(is_pattern(back, REGION, 2, AT_DIRECT));
    CHECK_OK(fsync(fd));
}

TEST(write_vector)
{
    int fd = open_disk(O_RDWR | O_DIRECT | O_DSYNC);
    char *buf = buffer();
    struct iovec v[4];

    pattern(buf, REGION, 3, AT_VECTOR);
    /* pieces that begin and end within pages */
    v[0] = (struct iovec){buf, 3 * SECTOR};
    v[1] = (struct iovec){buf + 3 * SECTOR, page_size};
    v[2] = (struct iovec){NULL, 0};
    v[3] = (struct iovec){buf + 3 * SECTOR + page_size, REGION - 3 * SECTOR - page_size};
    CHECK_EQ(pwritev(fd, v, 4, AT_VECTOR), REGION);
}

/* Neither fsync nor O_DIRECT: closing is enough for those who look at the image, too. */
TEST(write_and_close)
{
    int fd = open_disk(O_WRONLY);
    char *buf = buffer();

    pattern(buf, REGION, 4, AT_CLOSED);
    CHECK_EQ(pwrite(fd, buf, REGION, AT_CLOSED), REGION);
    CHECK_ERRNO(read(fd, buf, 1), EBADF);
    CHECK_OK(close(fd));
    fd = open(device("BLK_TEST_AGAIN", "/dev/vdd"), O_RDONLY | O_DIRECT);
    if (fd < 0)
        fd = open_disk(O_RDONLY | O_DIRECT);
    memset(buf, 0, REGION);
    CHECK_EQ(pread(fd, buf, REGION, AT_CLOSED), REGION);
    CHECK(is_pattern(buf, REGION, 4, AT_CLOSED));
}

/* One disk, whichever way. */
TEST(direct_and_buffered_see_each_other)
{
    int fd = open_disk(O_RDWR), direct = open_disk(O_RDWR | O_DIRECT);
    char *buf = buffer();

    for (unsigned round = 0; round < 20; round++) {
        off_t at = AT_MIXED + (off_t)(round % 4) * (off_t)page_size;
        unsigned seed = 100 + round;

        /* cached, then changed below the cache: a part of a page only */
        CHECK_EQ(pread(fd, buf, page_size, at), page_size);
        pattern(buf, page_size, seed, (uint64_t)at);
        CHECK_EQ(pwrite(direct, buf + SECTOR, SECTOR, at + SECTOR), SECTOR);
        memset(buf, 0, page_size);
        CHECK_EQ(pread(fd, buf, page_size, at), page_size);
        REQUIRE(is_pattern(buf + SECTOR, SECTOR, seed, (uint64_t)at + SECTOR));
        /* changed in the cache, then read, and half of it written, below */
        pattern(buf, page_size, seed + 50, (uint64_t)at);
        CHECK_EQ(pwrite(fd, buf, page_size, at), page_size);
        memset(buf, 0, page_size);
        CHECK_EQ(pread(direct, buf, page_size, at), page_size);
        REQUIRE(is_pattern(buf, page_size, seed + 50, (uint64_t)at));
        CHECK_EQ(pwrite(fd, buf, 2 * SECTOR, at), 2 * SECTOR);
        pattern(buf, SECTOR, 5, (uint64_t)at);
        CHECK_EQ(pwrite(direct, buf, SECTOR, at), SECTOR);
        CHECK_EQ(pread(fd, buf, page_size, at), page_size);
        REQUIRE(is_pattern(buf, SECTOR, 5, (uint64_t)at));
        REQUIRE(is_pattern(buf + SECTOR, page_size - SECTOR, seed + 50, (uint64_t)at + SECTOR));
    }
    buf = buffer();
    pattern(buf, REGION, 5, AT_MIXED);
    CHECK_EQ(pwrite(direct, buf, REGION, AT_MIXED), REGION);
}

TEST(end_of_the_disk)
{
    int fd = open_disk(O_RDWR), direct = open_disk(O_RDWR | O_DIRECT);
    char *buf = buffer();

    for (int i = 0; i < 2; i++, fd = direct) {
        CHECK_EQ(pread(fd, buf, REGION, DISK_BYTES), 0);
        CHECK_EQ(pread(fd, buf, REGION, DISK_BYTES + (1 << 20)), 0);
        CHECK_EQ(pread(fd, buf, REGION, DISK_BYTES - 2 * SECTOR), 2 * SECTOR);
        CHECK_ERRNO(pwrite(fd, buf, SECTOR, DISK_BYTES), ENOSPC);
        CHECK_EQ(pwrite(fd, buf, REGION, DISK_BYTES - 2 * SECTOR), 2 * SECTOR);
        CHECK_EQ(pwrite(fd, buf, 0, DISK_BYTES), 0);
    }
}

TEST(bad_memory)
{
    int fd = open_disk(O_RDWR | O_DIRECT);
    char *buf = map_pages(4, RW), *ro = map_pages(1, RW);

    CHECK_ERRNO(pread(fd, ktap_nowhere - 16 + page_size, SECTOR, 0), EFAULT);
    CHECK_ERRNO(pwrite(fd, ktap_nowhere - 16 + page_size, SECTOR, AT_SCRATCH), EFAULT);
    /* The part that is there. */
    CHECK_OK(munmap(buf + 2 * page_size, 2 * page_size));
    CHECK_EQ(pread(fd, buf, 4 * page_size, 2 * SECTOR), 2 * page_size);
    CHECK(is_pattern(buf, 2 * page_size, 0, 2 * SECTOR));
    /* Memory that may not be written can be written from, not read into. */
    pattern(ro, page_size, 9, AT_SCRATCH);
    CHECK_OK(mprotect(ro, page_size, PROT_READ));
    CHECK_ERRNO(pread(fd, ro, page_size, 0), EFAULT);
    CHECK_EQ(pwrite(fd, ro, page_size, AT_SCRATCH), page_size);
    CHECK(is_pattern(ro, page_size, 9, AT_SCRATCH));
}

/* The disk's data arrives in the reader's memory and in nobody else's. */
TEST(direct_read_breaks_sharing)
{
    int fd = open_disk(O_RDONLY | O_DIRECT), status;
    char *buf = map_pages(4, RW), *fresh = map_pages(4, RW);
    pid_t pid;

    memset(buf, 'p', 4 * page_size);
    pid = fork();
    if (pid == 0) {
        if (pread(fd, buf, 4 * page_size, SECTOR) != (ssize_t)(4 * page_size))
            _exit(1);
        _exit(is_pattern(buf, 4 * page_size, 0, SECTOR) ? 0 : 2);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    for (size_t i = 0; i < 4 * page_size; i++)
        REQUIRE(buf[i] == 'p');
    /* Into memory that was only read before: the zero page stays zero. */
    CHECK_EQ(fresh[page_size], 0);
    CHECK_EQ(pread(fd, fresh, 4 * page_size, SECTOR), 4 * page_size);
    CHECK(is_pattern(fresh, 4 * page_size, 0, SECTOR));
    fresh = map_pages(1, RW);
    CHECK_EQ(fresh[0] + fresh[page_size / 2], 0);
}

/* ---- many at a time ---- */

struct worker {
    pthread_t thread;
    int fd, number;
    bool ok;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    char *buf = map_pages(16, RW), *back = map_pages(16, RW);
    size_t len = 16 * page_size;

    w->ok = true;
    for (off_t off = 0; off < 1 << 20; off += (off_t)len) {
        off_t at = AT_THREADS + ((off_t)w->number << 20) + off;

        pattern(buf, len, 10 + (unsigned)w->number, (uint64_t)at);
        w->ok &= pwrite(w->fd, buf, len, at) == (ssize_t)len;
        w->ok &= pread(w->fd, back, len, at) == (ssize_t)len &&
                 is_pattern(back, len, 10 + (unsigned)w->number, (uint64_t)at);
    }
    return NULL;
}

TEST(threads)
{
    int fd = open_disk(O_RDWR | O_DIRECT);
    struct worker w[THREADS];

    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){.fd = fd, .number = i};
        REQUIRE(pthread_create(&w[i].thread, NULL, work, &w[i]) == 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(w[i].thread, NULL);
        CHECK(w[i].ok);
    }
    CHECK_OK(fsync(fd));
}

static volatile bool stop;

static void *read_often(void *arg)
{
    struct worker *w = arg;
    char *buf = map_pages(8, RW);

    w->ok = true;
    while (!stop) {
        memset(buf, 0, 8 * page_size);
        w->ok &= pread(w->fd, buf, 8 * page_size, SECTOR) == (ssize_t)(8 * page_size) &&
                 is_pattern(buf, 8 * page_size, 0, SECTOR);
    }
    return NULL;
}

/* Fork while the disk writes into pinned pages: the data comes to the process that asked. */
TEST(fork_during_transfers)
{
    int fd = open_disk(O_RDONLY | O_DIRECT), status;
    struct worker w[3];

    for (int i = 0; i < 3; i++) {
        w[i] = (struct worker){.fd = fd};
        REQUIRE(pthread_create(&w[i].thread, NULL, read_often, &w[i]) == 0);
    }
    for (int i = 0; i < 60; i++) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        CHECK_EQ(waitpid(pid, &status, 0), pid);
    }
    stop = true;
    for (int i = 0; i < 3; i++) {
        pthread_join(w[i].thread, NULL);
        CHECK(w[i].ok);
    }
}

/* More than may be cached. */
TEST(whole_disk)
{
    int fd = open_disk(O_RDONLY);
    char *buf = buffer();
    uint64_t sum = 0;

    for (;;) {
        ssize_t n = read(fd, buf, REGION);

        CHECK(n >= 0);
        if (n <= 0)
            break;
        sum += (uint64_t)n;
    }
    CHECK_EQ(sum, DISK_BYTES);
}

/* ---- errors ---- */

static int open_other(const char *variable, const char *name, int flags)
{
    int fd = open(device(variable, name), flags);

    if (fd < 0)
        ktap_skip("no %s", device(variable, name));
    return fd;
}

TEST(device_errors)
{
    int fd, direct;
    char *buf = buffer();

    close(open_disk(O_RDONLY));
    fd = open_other("BLK_TEST_BAD", "/dev/vdb", O_RDWR);
    direct = open_other("BLK_TEST_BAD", "/dev/vdb", O_RDWR | O_DIRECT);
    CHECK_ERRNO(pread(direct, buf, SECTOR, BAD_SECTOR * SECTOR), EIO);
    CHECK_EQ(pread(direct, buf, SECTOR, 0), SECTOR);
    CHECK_ERRNO(pwrite(direct, buf, SECTOR, BAD_SECTOR * SECTOR), EIO);
    CHECK_ERRNO(pread(fd, buf, 1, BAD_SECTOR * SECTOR + 5), EIO);
    CHECK_EQ(pread(fd, buf, 1, 5), 1);
    /* What comes before the error counts. */
    CHECK_EQ(pread(fd, buf, REGION, 0), BAD_SECTOR * SECTOR);
    /* A cached write fails when it is written back, and its fsync says so, once. */
    CHECK_EQ(pwrite(fd, buf, page_size, BAD_SECTOR * SECTOR), page_size);
    CHECK_ERRNO(fsync(fd), EIO);
    CHECK_OK(fsync(fd));
}

TEST(read_only_disk)
{
    int fd, yes = 0;
    char *buf = buffer();

    close(open_disk(O_RDONLY));
    fd = open_other("BLK_TEST_RO", "/dev/vdc", O_RDONLY);
    CHECK_OK(ioctl(fd, BLKROGET, &yes));
    CHECK_EQ(yes, 1);
    CHECK_EQ(read(fd, buf, SECTOR), SECTOR);
    fd = open(device("BLK_TEST_RO", "/dev/vdc"), O_RDWR);
    if (fd >= 0) /* newer kernels refuse here */
        CHECK_ERRNO(pwrite(fd, buf, SECTOR, 0), EPERM);
    else
        CHECK_EQ(errno, EPERM);
}

/* ---- allocations and user copies that fail, one after the other ---- */

/* One transfer with the n-th of them failing: true when there was an n-th. Whatever is said to be
 * written must be so. */
static bool write_with_fault(int fd, int n, char *buf, char *back)
{
    uint64_t seed = 1000 + (uint64_t)n;
    bool fault;
    ssize_t put;
    int err;

    pattern(buf, 4 * page_size, seed, AT_SCRATCH);
    arm(n);
    put = pwrite(fd, buf, 4 * page_size, AT_SCRATCH);
    err = errno;
    fault = disarm() == 0;
    if (put < 0)
        CHECK(fault && (err == ENOMEM || err == EFAULT));
    arm(n);
    CHECK_OK(fsync(fd)); /* has memory in reserve */
    fault |= disarm() == 0;
    put = put > 0 ? put - put % SECTOR : 0;
    CHECK_EQ(pread(fd, back, 4 * page_size, AT_SCRATCH), 4 * page_size);
    CHECK(is_pattern(back, (size_t)put, seed, AT_SCRATCH));
    return fault;
}

TEST(faults_injected)
{
    int ways[2] = {open_disk(O_RDWR), open_disk(O_RDWR | O_DIRECT)};
    char *buf = buffer(), *back = buffer();

    fail_nth_open();
    for (int i = 0; i < 2; i++) {
        int n = 1;

        while (n < 200 && write_with_fault(ways[i], n, buf, back))
            n++;
        ktap_note("%d places that can fail", n - 1);
        CHECK(n > 1 && n < 200);
    }
}

/* Where there is no disk behind a file: refused, or (tmpfs of Linux 6.6 and later) accepted. */
TEST(o_direct_elsewhere)
{
    int fd = open("/tmp/direct", O_RDWR | O_CREAT | O_DIRECT, 0600);

    if (fd < 0)
        CHECK_EQ(errno, EINVAL);
    CHECK_ERRNO(open("/dev/null", O_RDWR | O_DIRECT), EINVAL);
    CHECK_ERRNO(open("/proc/self/status", O_RDONLY | O_DIRECT), EINVAL);
    fd = open("/dev/zero", O_RDONLY);
    CHECK_ERRNO(fcntl(fd, F_SETFL, O_DIRECT), EINVAL);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_DIRECT, 0);
    unlink("/tmp/direct");
}

KTAP_MAIN(CASE(describes_itself), CASE(known_contents), CASE(direct_needs_alignment),
          CASE(write_buffered), CASE(write_direct), CASE(write_vector), CASE(write_and_close),
          CASE(direct_and_buffered_see_each_other), CASE(end_of_the_disk), CASE(bad_memory),
          CASE(direct_read_breaks_sharing), CASE(threads), CASE(fork_during_transfers),
          CASE(whole_disk), CASE(device_errors), CASE(read_only_disk), CASE(faults_injected),
          CASE(o_direct_elsewhere))
