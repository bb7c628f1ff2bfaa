/* SPDX-License-Identifier: MIT */
/*
 * Pinned memory seen from both sides: the process that has it mapped, and /dev/dmatest, which uses
 * the frames by physical address. Linux has no such device: skipped there. What is expected is what
 * Linux promises for pages pinned by pin_user_pages with FOLL_LONGTERM.
 */
#include "mem.h"

#include "../../include/uapi/dmatest.h"
#include <fcntl.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

static int device = -1;

static void open_device(void)
{
    device = open("/dev/dmatest", O_RDWR);
    if (device < 0)
        ktap_skip("no /dev/dmatest");
}

/* The region's number, or -1 and errno. */
static int pin(void *at, size_t len, unsigned flags)
{
    struct dmatest_pin p = {.addr = (uintptr_t)at, .len = len, .flags = flags};

    return ioctl(device, DMATEST_PIN, &p) == 0 ? (int)p.region : -1;
}

static int move(int region, uint64_t offset, void *buf, size_t len, unsigned flags)
{
    struct dmatest_access a = {.region = (unsigned)region,
                               .flags = flags,
                               .offset = offset,
                               .len = len,
                               .buffer = (uintptr_t)buf};

    return ioctl(device, DMATEST_ACCESS, &a);
}

static char dma_read(int region, uint64_t offset)
{
    char c = 0;

    CHECK_OK(move(region, offset, &c, 1, 0));
    return c;
}

static void dma_write(int region, uint64_t offset, char c)
{
    CHECK_OK(move(region, offset, &c, 1, DMATEST_WRITE));
}

static struct dmatest_info info(int region, uint64_t offset)
{
    struct dmatest_info i = {.region = (unsigned)region, .offset = offset};

    CHECK_OK(ioctl(device, DMATEST_INFO, &i));
    return i;
}

/* Process and device see each other's writes to @at, which is at @offset of the region. */
static bool coherent(int region, uint64_t offset, volatile char *at)
{
    char c = (char)(*at + 1);

    dma_write(region, offset, c);
    if (*at != c)
        return false;
    *at = (char)(c + 1);
    return dma_read(region, offset) == (char)(c + 1);
}

static void use_much_memory(void)
{
    size_t nr = ktap_swept ? 64 : 512;
    char *p = map_pages(nr, RW);

    memset(p, 'x', nr * page_size);
    munmap(p, nr * page_size);
}

TEST(both_see_writes)
{
    char *p = map_pages(4, RW), buf[300];
    int r;

    open_device();
    r = pin(p + 100, 3 * page_size, DMATEST_WRITE);
    REQUIRE(r >= 0);
    CHECK(coherent(r, 0, p + 100));
    CHECK(coherent(r, 3 * page_size - 1, p + 3 * page_size + 99));
    memset(p + page_size - 50, 'b', 100);
    memset(buf, 0, sizeof(buf));
    CHECK_OK(move(r, page_size - 150, buf, 100, 0));
    CHECK(buf[0] == 'b' && buf[99] == 'b');
    CHECK_EQ(info(r, 0).pins, 1);
    CHECK_EQ(info(r, 0).mapcount, 1);
    CHECK_EQ(info(r, 0).pfn, pagemap(p) & PAGEMAP_PFN);
    CHECK_OK(ioctl(device, DMATEST_UNPIN, r));
    CHECK_ERRNO(move(r, 0, buf, 1, 0), EINVAL);
}

TEST(pins_are_counted_per_page)
{
    char *p = map_pages(3, RW);
    int a, b;

    open_device();
    a = pin(p, 3 * page_size, DMATEST_WRITE);
    b = pin(p + page_size, 1, 0);
    CHECK_EQ(info(a, 0).pins, 1);
    CHECK_EQ(info(a, page_size).pins, 2);
    CHECK_EQ(info(a, page_size).refs, 3);
    CHECK_EQ(info(a, 2 * page_size).pins, 1);
    CHECK_EQ(file_field("/proc/self/status", "VmPin"), 4 * page_size / 1024);
    CHECK_OK(ioctl(device, DMATEST_UNPIN, b));
    CHECK_EQ(info(a, page_size).pins, 1);
    CHECK_OK(close(device));
    CHECK_EQ(file_field("/proc/self/status", "VmPin"), 0);
}

struct family {
    char *p;
    uint64_t frame[4];
};

static void look_as_child(void *arg)
{
    struct family *f = arg;

    for (size_t i = 0; i < 4; i++) {
        bool copied = i == 1 || i == 3;

        CHECK_EQ((pagemap(f->p + i * page_size) & PAGEMAP_PFN) != f->frame[i], copied);
        CHECK_EQ(f->p[i * page_size], 'o');
        f->p[i * page_size] = 'c';
    }
}

TEST(fork_copies_the_pinned_pages)
{
    struct family f = {.p = map_pages(4, RW)};
    int r, s;

    open_device();
    memset(f.p, 'o', 4 * page_size);
    r = pin(f.p + page_size, page_size, DMATEST_WRITE);
    s = pin(f.p + 3 * page_size, page_size, 0);
    REQUIRE(r >= 0 && s >= 0);
    for (size_t i = 0; i < 4; i++)
        f.frame[i] = pagemap(f.p + i * page_size) & PAGEMAP_PFN;
    CHECK_EQ(in_child(look_as_child, &f), 0);
    for (size_t i = 0; i < 4; i++)
        CHECK_EQ(f.p[i * page_size], 'o');
    CHECK(coherent(r, 5, f.p + page_size + 5));
    f.p[3 * page_size] = 'r';
    CHECK_EQ(dma_read(s, 0), 'r');
    CHECK_EQ(pagemap(f.p + page_size) & PAGEMAP_PFN, f.frame[1]);
    CHECK(info(r, 0).exclusive);
}

/* The child pins a page that it shares with the parent: it must be its own from then on. */
static void pin_as_child(void *arg)
{
    char *p = arg;
    int r = pin(p, page_size, 0), w = pin(p + page_size, page_size, DMATEST_WRITE);

    CHECK_EQ(dma_read(r, 0), 'o');
    p[0] = 'c';
    CHECK_EQ(dma_read(r, 0), 'c');
    CHECK_EQ(p[page_size], 'o');
    CHECK(coherent(w, 0, p + page_size));
    CHECK(info(r, 0).exclusive && info(w, 0).exclusive);
}

TEST(pin_of_a_shared_page)
{
    char *p = map_pages(2, RW);

    open_device();
    memset(p, 'o', 2 * page_size);
    CHECK_EQ(in_child(pin_as_child, p), 0);
    CHECK(p[0] == 'o' && p[page_size] == 'o');
}

TEST(zero_page_and_private_file)
{
    int fd = make_file(1), r;
    char *p = map_pages(1, RW), *q = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0), c = 'f';

    open_device();
    CHECK_EQ(p[0], 0); /* read only so far */
    r = pin(p, page_size, 0);
    p[0] = 'z';
    CHECK_EQ(dma_read(r, 0), 'z');
    CHECK_ERRNO(move(r, 0, &c, 1, DMATEST_WRITE), EACCES);
    CHECK_EQ(pwrite(fd, &c, 1, 0), 1);
    CHECK_EQ(q[0], 'f');
    r = pin(q, page_size, DMATEST_WRITE);
    CHECK(coherent(r, 0, q));
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'f');
}

TEST(shared_file)
{
    int fd = make_file(1), r;
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), c;

    open_device();
    r = pin(p, page_size, DMATEST_WRITE);
    dma_write(r, 3, 'd');
    CHECK_EQ(pread(fd, &c, 1, 3), 1);
    CHECK_EQ(c, 'd');
    CHECK_OK(ftruncate(fd, 0));
    use_much_memory();
    CHECK_EQ(dma_read(r, 3), 'd'); /* the frame outlives the file's page */
    dma_write(r, 3, 'e');
    CHECK_OK(ftruncate(fd, (off_t)page_size));
    CHECK_EQ(p[3], 0);
}

TEST(survives_munmap)
{
    char *p = map_pages(8, RW);
    uint64_t frame;
    int r;

    open_device();
    memset(p, 'm', 8 * page_size);
    r = pin(p, 8 * page_size, DMATEST_WRITE);
    frame = info(r, 0).pfn;
    CHECK_OK(munmap(p, 8 * page_size));
    CHECK_EQ(info(r, 0).mapcount, 0);
    CHECK_EQ(info(r, 0).refs, 1);
    dma_write(r, 7, 'w');
    use_much_memory();
    for (size_t i = 0; i < 8; i++)
        CHECK_EQ(dma_read(r, i * page_size), 'm');
    CHECK_EQ(dma_read(r, 7), 'w');
    CHECK_EQ(info(r, 0).pfn, frame);
}

TEST(survives_dontneed)
{
    char *p = map_pages(2, RW);
    int r;

    open_device();
    memset(p, 'd', 2 * page_size);
    r = pin(p, 2 * page_size, DMATEST_WRITE);
    CHECK_OK(madvise(p, page_size, MADV_DONTNEED));
    CHECK_EQ(p[0], 0);
    p[0] = 'n'; /* another frame */
    use_much_memory();
    CHECK_EQ(dma_read(r, 0), 'd');
    CHECK(coherent(r, page_size, p + page_size));
    CHECK_OK(mmap(p + page_size, page_size, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                     MAP_FAILED
                 ? -1
                 : 0);
    CHECK_EQ(p[page_size], 0);
    dma_write(r, page_size, 'q');
    CHECK_EQ(p[page_size], 0);
}

TEST(moves_and_protections)
{
    char *p = map_pages(4, RW), *to = free_range(4);
    int r;

    open_device();
    memset(p, 'v', 4 * page_size);
    r = pin(p, 4 * page_size, DMATEST_WRITE);
    REQUIRE(mremap(p, 4 * page_size, 4 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to);
    CHECK(coherent(r, page_size, to + page_size));
    CHECK_OK(mprotect(to, 2 * page_size, PROT_READ));
    dma_write(r, 9, 'D'); /* the device asks no page table */
    CHECK_EQ(to[9], 'D');
    CHECK_OK(mprotect(to, 2 * page_size, PROT_NONE));
    dma_write(r, 9, 'E');
    CHECK_OK(mprotect(to, 2 * page_size, RW));
    CHECK_EQ(to[9], 'E');
    CHECK(coherent(r, 0, to));
}

#define MUCH ((ktap_swept ? 1ul : 16ul) << 20)

static void pin_and_exit(void *arg)
{
    char *p = map_pages(MUCH / page_size, RW);

    memset(p, 'e', MUCH);
    *(int *)arg = pin(p, MUCH, DMATEST_WRITE);
}

TEST(survives_exit)
{
    int *r = (int *)mmap(NULL, page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    long held, freed;

    open_device();
    CHECK_EQ(in_child(pin_and_exit, r), 0);
    REQUIRE(*r >= 0);
    use_much_memory();
    for (size_t at = 0; at < MUCH; at += page_size)
        REQUIRE(dma_read(*r, at) == 'e');
    dma_write(*r, 1, 'f');
    CHECK_EQ(dma_read(*r, 1), 'f');
    CHECK_EQ(info(*r, 0).refs, 1);
    held = file_field("/proc/meminfo", "MemFree");
    CHECK_OK(ioctl(device, DMATEST_UNPIN, *r));
    freed = file_field("/proc/meminfo", "MemFree");
    CHECK(freed - held > (long)(MUCH / 1024) * 9 / 10);
}

/* ---- the device works on its own ---- */

#define ENGINE_PAGES 16

static int start(int region, unsigned word)
{
    struct dmatest_engine e = {.region = (unsigned)region, .word = word};

    return ioctl(device, DMATEST_START, &e);
}

static uint64_t stop(int region)
{
    struct dmatest_engine e = {.region = (unsigned)region};

    CHECK_OK(ioctl(device, DMATEST_STOP, &e));
    return e.last;
}

static volatile bool finished;

/* The process writes next to what the device writes, and must find its own bytes again. */
static void *write_beside(void *arg)
{
    volatile uint64_t *p = arg;
    uint64_t n = 0, lost = 0;

    while (!finished) {
        n++;
        for (size_t i = 0; i < ENGINE_PAGES; i++)
            p[i * page_size / 8 + 2] = n + i;
        for (size_t i = 0; i < ENGINE_PAGES; i++)
            lost += p[i * page_size / 8 + 2] != n + i;
    }
    return (void *)(uintptr_t)lost;
}

static void disturb(char *p, unsigned round)
{
    char *around = p - page_size;
    int status;
    pid_t pid;

    switch (round % 4) {
    case 0:
    case 1:
        pid = fork();
        if (pid == 0) {
            memset(p, 'c', ENGINE_PAGES * page_size); /* its own copies */
            _exit(0);
        }
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
        break;
    case 2:
        CHECK_OK(madvise(around, page_size, MADV_DONTNEED));
        CHECK_EQ(around[0], 0);
        around[0] = 1;
        break;
    default:
        CHECK_OK(mprotect(around, page_size, PROT_READ));
        CHECK_OK(mprotect(around, page_size, RW));
        break;
    }
}

TEST(dma_during_fork)
{
    char *p = map_pages(ENGINE_PAGES + 1, RW) + page_size;
    uint64_t last, before = 0;
    pthread_t t;
    void *lost = NULL;
    int r;

    open_device();
    r = pin(p, ENGINE_PAGES * page_size, DMATEST_WRITE);
    REQUIRE(r >= 0);
    CHECK_OK(start(r, 8));
    CHECK_ERRNO(start(r, 16), EBUSY);
    REQUIRE(pthread_create(&t, NULL, write_beside, p) == 0);
    for (unsigned round = 0; round < (ktap_swept ? 8 : 120); round++) {
        uint64_t now = *(volatile uint64_t *)(p + 8);

        CHECK(now >= before); /* what the device wrote stays visible */
        before = now;
        disturb(p, round);
    }
    finished = true;
    pthread_join(t, &lost);
    CHECK_EQ((uintptr_t)lost, 0);
    last = stop(r);
    CHECK(last > 0);
    for (size_t i = 0; i < ENGINE_PAGES; i++)
        CHECK_EQ(*(volatile uint64_t *)(p + i * page_size + 8), last);
}

/* The engine outlives mapping, region and file. */
TEST(engine_and_close)
{
    char *p = map_pages(4, RW);
    int r;

    open_device();
    r = pin(p, 4 * page_size, DMATEST_WRITE);
    CHECK_OK(start(r, 0));
    CHECK_OK(munmap(p, 4 * page_size));
    use_much_memory();
    CHECK_OK(ioctl(device, DMATEST_UNPIN, r));
    open_device();
    p = map_pages(4, RW);
    r = pin(p, 4 * page_size, DMATEST_WRITE);
    CHECK_OK(start(r, 0));
    CHECK_OK(close(device));
    open_device();
}

/* ---- refusals ---- */

static void pin_as_nobody(void *arg)
{
    struct rlimit limit = {2 * page_size, 2 * page_size};
    char *p = arg;

    CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &limit));
    CHECK_OK(setuid(65534));
    CHECK_ERRNO(pin(p, 3 * page_size, 0), ENOMEM);
    CHECK(pin(p, 2 * page_size, 0) >= 0);
    CHECK_ERRNO(pin(p, 1, 0), ENOMEM);
    CHECK_OK(ioctl(device, DMATEST_UNPIN, 0));
    CHECK(pin(p, 1, 0) >= 0);
}

TEST(locked_memory_limit)
{
    open_device();
    CHECK_EQ(in_child(pin_as_nobody, map_pages(4, RW)), 0);
}

TEST(errors)
{
    char *p = map_pages(4, RW), c = 0;
    struct dmatest_engine e = {0};
    int r;

    open_device();
    CHECK_OK(mprotect(p, page_size, PROT_READ));
    CHECK_OK(munmap(p + 3 * page_size, page_size));
    CHECK_ERRNO(pin(p, 0, 0), EINVAL);
    CHECK_ERRNO(pin(p, DMATEST_MAX_BYTES + 1, 0), EINVAL);
    CHECK_ERRNO(pin(p, page_size, 2), EINVAL);
    CHECK_ERRNO(pin((void *)-8, 16, 0), EINVAL);
    CHECK_ERRNO(pin((void *)((uintptr_t)1 << 55), page_size, 0), EFAULT);
    CHECK_ERRNO(pin(p, page_size, DMATEST_WRITE), EFAULT);
    CHECK_ERRNO(pin(p + 2 * page_size, 2 * page_size, 0), EFAULT); /* all or nothing */
    CHECK_EQ(file_field("/proc/self/status", "VmPin"), 0);
    CHECK_ERRNO(ioctl(device, DMATEST_PIN, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(device, DMATEST_UNPIN, 0), EINVAL);
    CHECK_ERRNO(ioctl(device, DMATEST_UNPIN, -1), EINVAL);
    CHECK_ERRNO(ioctl(device, _IO('Q', 99), 0), ENOTTY);
    r = pin(p, 2 * page_size, 0);
    CHECK_EQ(r, 0);
    CHECK_ERRNO(move(r, 2 * page_size, &c, 1, 0), EINVAL);
    CHECK_ERRNO(move(r, ~0ull, &c, 2, 0), EINVAL);
    CHECK_ERRNO(move(r, 0, &c, 1, 4), EINVAL);
    CHECK_ERRNO(move(r, 0, &c, 1, DMATEST_WRITE), EACCES);
    CHECK_ERRNO(move(r, 0, ktap_nowhere, 1, 0), EFAULT);
    CHECK_ERRNO(move(DMATEST_MAX_REGIONS, 0, &c, 1, 0), EINVAL);
    CHECK_ERRNO(start(r, 0), EACCES);
    CHECK_ERRNO(ioctl(device, DMATEST_STOP, &e), EINVAL);
    r = pin(p + page_size, page_size, DMATEST_WRITE);
    CHECK_ERRNO(start(r, 4), EINVAL);
    CHECK_ERRNO(start(r, (unsigned)page_size), EINVAL);
    for (int i = 2; i < DMATEST_MAX_REGIONS; i++)
        CHECK_EQ(pin(p, 1, 0), i);
    CHECK_ERRNO(pin(p, 1, 0), ENOSPC);
}

KTAP_MAIN(CASE(both_see_writes), CASE(pins_are_counted_per_page),
          CASE(fork_copies_the_pinned_pages), CASE(pin_of_a_shared_page),
          CASE(zero_page_and_private_file), CASE(shared_file), CASE(survives_munmap),
          CASE(survives_dontneed), CASE(moves_and_protections), CASE(survives_exit),
          CASE(dma_during_fork), CASE(engine_and_close), CASE(locked_memory_limit), CASE(errors))
