/* SPDX-License-Identifier: MIT */
/*
 * A device with page tables of its own (/dev/dmatest, windows) follows the process: whatever is
 * done to the memory, the device reads what the process reads, writes what the process sees, and
 * may do what the process may. Quire's debug kernel has the device; skipped on Linux.
 */
#include "mshare.h"

#include "../../include/uapi/dmatest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>

#define MIGRATE "/sys/kernel/debug/migrate_pages"
#define SPLIT   "/sys/kernel/debug/split_huge_pages"
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

static int device = -1;

static void open_device(void)
{
    device = open("/dev/dmatest", O_RDWR);
    if (device < 0)
        ktap_skip("no /dev/dmatest");
}

static int window(void *at, size_t len)
{
    struct dmatest_window w = {.addr = (uintptr_t)at, .len = len};

    return ioctl(device, DMATEST_OPEN, &w) == 0 ? (int)w.window : -1;
}

static int io(int w, volatile void *at, void *buf, size_t len, unsigned flags)
{
    struct dmatest_io a = {.window = (unsigned)w,
                           .flags = flags,
                           .addr = (uintptr_t)at,
                           .len = len,
                           .buffer = (uintptr_t)buf};

    return ioctl(device, DMATEST_IO, &a);
}

static char dma_read(int w, volatile char *at)
{
    char c = 0;

    CHECK_OK(io(w, at, &c, 1, 0));
    return c;
}

static void dma_write(int w, volatile char *at, char c)
{
    CHECK_OK(io(w, at, &c, 1, DMATEST_WRITE));
}

static struct dmatest_window_info info(int w)
{
    struct dmatest_window_info i = {.window = (unsigned)w};

    CHECK_OK(ioctl(device, DMATEST_WINDOW_INFO, &i));
    return i;
}

/* Each sees what the other writes. */
static bool coherent(int w, volatile char *at)
{
    char c = (char)(*at + 1);

    dma_write(w, at, c);
    if (*at != c)
        return false;
    *at = (char)(c + 1);
    return dma_read(w, at) == (char)(c + 1);
}

TEST(follows_the_process)
{
    char *p = map_pages(4, RW), buf[16];
    int w;

    open_device();
    w = window(p, 4 * page_size);
    REQUIRE(w >= 0);
    CHECK(coherent(w, p));
    CHECK(coherent(w, p + page_size + 5));
    CHECK_EQ(info(w).mapped, 2);
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_EQ(info(w).mapped, 1);
    CHECK_EQ(dma_read(w, p), 0);
    CHECK(coherent(w, p)); /* the page of zeroes is not written */
    CHECK_OK(munmap(p, page_size));
    CHECK_ERRNO(io(w, p, buf, 1, 0), EFAULT);
    CHECK_ERRNO(io(w, p, buf, 1, DMATEST_WRITE), EFAULT);
    CHECK(mmap(p, page_size, RW, ANON | MAP_FIXED, -1, 0) == p);
    CHECK(coherent(w, p));
    CHECK_OK(mprotect(p, page_size, PROT_READ));
    CHECK_ERRNO(io(w, p, buf, 1, DMATEST_WRITE), EFAULT);
    CHECK_EQ(dma_read(w, p), *p);
    CHECK_OK(mprotect(p, page_size, PROT_NONE));
    CHECK_ERRNO(io(w, p, buf, 1, 0), EFAULT);
    CHECK_OK(mprotect(p, page_size, RW));
    CHECK(coherent(w, p));
    CHECK(mremap(p, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED, p + 3 * page_size) ==
          p + 3 * page_size);
    CHECK_ERRNO(io(w, p, buf, 1, 0), EFAULT);
    CHECK(coherent(w, p + 3 * page_size));
    close(device);
}

/* A device that has the translation is no way around the soft-dirty bit. */
TEST(writes_are_seen_after_clear_refs)
{
    char *p = map_pages(2, RW);
    int w, fd = open("/proc/self/clear_refs", O_WRONLY);

    open_device();
    w = window(p, 2 * page_size);
    REQUIRE(fd >= 0 && w >= 0);
    dma_write(w, p, 1);
    dma_write(w, p + page_size, 1);
    CHECK(write(fd, "4", 1) == 1);
    CHECK(!(pagemap(p) & PAGEMAP_SOFT));
    dma_write(w, p, 2);
    CHECK(pagemap(p) & PAGEMAP_SOFT);
    CHECK(!(pagemap(p + page_size) & PAGEMAP_SOFT));
    close(fd);
    close(device);
}

TEST(copy_on_write)
{
    char *p = map_pages(1, RW);
    int w, status, go[2];
    pid_t child;

    open_device();
    w = window(p, page_size);
    REQUIRE(w >= 0 && pipe(go) == 0);
    *p = 'a';
    CHECK(coherent(w, p));
    *p = 'p';
    child = fork();
    if (child == 0) {
        char c;

        if (read(go[0], &c, 1) != 1)
            _exit(2);
        _exit(*p != 'p'); /* what the device wrote later is the parent's */
    }
    dma_write(w, p, 'd');
    CHECK_EQ(*p, 'd');
    CHECK(coherent(w, p));
    *p = 'q';
    CHECK_EQ(dma_read(w, p), 'q');
    CHECK_EQ(write(go[1], "x", 1), 1);
    waitpid(child, &status, 0);
    CHECK_EQ(status, 0);
    close(device);
}

TEST(bad_input)
{
    char *p = map_pages(2, RW), buf[8];
    struct dmatest_window bad = {.addr = (uintptr_t)p, .len = page_size, .reserved = 1};
    int w;

    open_device();
    CHECK_ERRNO(ioctl(device, DMATEST_OPEN, &bad), EINVAL);
    CHECK_ERRNO(window(p + 1, page_size), EINVAL);
    CHECK_ERRNO(window(p, 0), EINVAL);
    CHECK_ERRNO(window(p, page_size + 1), EINVAL);
    CHECK_ERRNO(window(p, 1ul << 40), EINVAL);
    CHECK_ERRNO(ioctl(device, DMATEST_OPEN, 8L), EFAULT);
    w = window(p, page_size);
    REQUIRE(w >= 0);
    CHECK_ERRNO(io(w + 1, p, buf, 1, 0), EINVAL);
    CHECK_ERRNO(io(w, p, buf, 0, 0), EINVAL);
    CHECK_ERRNO(io(w, p + page_size - 1, buf, 2, 0), EINVAL);
    CHECK_ERRNO(io(w, p + page_size, buf, 1, 0), EINVAL);
    CHECK_ERRNO(io(w, p, buf, 1, 4), EINVAL);
    CHECK_ERRNO(io(w, p, (void *)8, 1, 0), EFAULT);
    for (int i = 1; i < 8; i++)
        CHECK(window(p, page_size) == i);
    CHECK_ERRNO(window(p, page_size), ENOSPC);
    close(device);
}

/* ---- against everything ---- */

static atomic_bool over;
static char *area; /* of two huge pages' size */
static size_t area_len;

/* For a time; under the sweep, which runs it again for each fault, @rounds. */
static bool goes_on(unsigned int round, unsigned int rounds)
{
    return ktap_swept ? round < rounds : !over;
}

static void request(const char *path, const char *at, size_t len)
{
    if (access(path, W_OK) == 0 && write_range(path, at, len) < 0)
        CHECK_EQ(errno, EINTR);
}

static void *disturber(void *arg)
{
    unsigned int n = 0;

    (void)arg;
    for (; goes_on(n, 8); n++) {
        switch (n % 4) {
        case 0: request(MIGRATE, area, ktap_swept ? 16 * page_size : area_len); break;
        case 1: request(SPLIT, area, area_len); break;
        default: madvise(area, area_len, MADV_COLLAPSE);
        }
        if (ktap_swept)
            usleep(1000); /* the others go on, in pages that were taken apart and put together */
    }
    return NULL;
}

static void *forker(void *arg)
{
    (void)arg;
    for (unsigned int i = 0; goes_on(i, 2); i++) {
        pid_t child = fork();

        if (child == 0) {
            for (size_t at = 0; at < area_len; at += 61 * page_size)
                area[at] = 99;
            _exit(0);
        }
        if (child > 0)
            waitpid(child, NULL, 0);
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    return NULL;
}

static void *owner(void *arg)
{
    uint64_t seed = 3;
    int w = *(int *)arg;

    for (unsigned int i = 0; goes_on(i, 24) && ktap_failures == 0; i++) {
        volatile char *at;
        char c;

        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        at = area + (seed >> 33) % (area_len / page_size) * page_size;
        switch (seed >> 55 & 15) {
        case 0:
            CHECK_OK(madvise((char *)at, page_size, MADV_DONTNEED));
            CHECK_EQ(dma_read(w, at), 0);
            break;
        case 1:
            CHECK_OK(mprotect((char *)at, page_size, PROT_READ));
            c = *at;
            CHECK_ERRNO(io(w, at, "x", 1, DMATEST_WRITE), EFAULT);
            CHECK_EQ(dma_read(w, at), c);
            CHECK_OK(mprotect((char *)at, page_size, RW));
            break;
        case 2:
            CHECK_OK(munmap((char *)at, page_size));
            CHECK_ERRNO(io(w, at, "x", 1, DMATEST_WRITE), EFAULT);
            CHECK(mmap((char *)at, page_size, RW, ANON | MAP_FIXED, -1, 0) == at);
            CHECK_OK(madvise((char *)at, page_size, MADV_HUGEPAGE));
            break;
        default: CHECK(coherent(w, at));
        }
    }
    return NULL;
}

TEST(against_everything)
{
    pthread_t threads[3];
    char text[32] = "", *p;
    int fd, w;
    size_t size;

    open_device();
    fd = open("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size", O_RDONLY);
    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        ktap_skip("no huge pages");
    close(fd);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    size = strtoul(text, NULL, 10);
    area_len = size;
    p = mmap(NULL, 2 * size, RW, ANON, -1, 0);
    REQUIRE(p != MAP_FAILED);
    area = p + (size - (uintptr_t)p % size) % size;
    CHECK_OK(madvise(area, size, MADV_HUGEPAGE));
    w = window(area, area_len);
    REQUIRE(w >= 0);
    over = false;
    REQUIRE(pthread_create(&threads[0], NULL, owner, &w) == 0);
    REQUIRE(pthread_create(&threads[1], NULL, disturber, NULL) == 0);
    REQUIRE(pthread_create(&threads[2], NULL, forker, NULL) == 0);
    for (int i = 0; i < (ktap_swept ? 0 : 30) && ktap_failures == 0; i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    over = true;
    for (unsigned int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    ktap_note("%llu accesses found a translation, %llu did not, %llu went",
              (unsigned long long)info(w).hits, (unsigned long long)info(w).misses,
              (unsigned long long)info(w).invalidated);
    CHECK(info(w).invalidated != 0 && info(w).hits != 0);
    close(device);
}

/* A change inside a space tells CPUs, not the devices of its users: these get nothing to keep. */
TEST(spaces_are_refused)
{
    int fd = mshare_new(1), w;
    char *p = mshare_map(fd, 1), c = 0;

    open_device();
    CHECK_OK(mshare_memory(fd, 0, 4));
    p[0] = 's';
    w = window(p, 4 * page_size);
    REQUIRE(w >= 0);
    CHECK_ERRNO(io(w, p, &c, 1, 0), EOPNOTSUPP);
    CHECK_ERRNO(io(w, p, &c, 1, DMATEST_WRITE), EOPNOTSUPP);
    CHECK_EQ(info(w).hits, 0);
    CHECK_EQ(p[0], 's');
    close(device);
}

KTAP_MAIN(CASE(follows_the_process), CASE(writes_are_seen_after_clear_refs), CASE(copy_on_write),
          CASE(bad_input), CASE(spaces_are_refused), CASE(against_everything))
