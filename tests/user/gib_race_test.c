/* SPDX-License-Identifier: MIT */
/*
 * A leaf of 1 GiB over anonymous memory is made again and again, in place or in another block, and
 * what can happen to a part of it does: protection, borders of areas, locking, splits, pins that
 * stay, fork, pages given back, a device with page tables of its own, readers of /proc. Every word
 * is where it was. Needs what gib_test.c needs: `make gigantic`.
 */
#include "gib.h"

#include "../../include/uapi/dmatest.h"
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <time.h>

#define MIGRATE "/sys/kernel/debug/migrate_pages"

#define NR_WRITERS 2
#define STEP       (37 * page_size) /* what a writer skips */

static char *gib;
static size_t huge;
static volatile bool stop, quiet;

static unsigned int huge_order(void)
{
    return (unsigned int)__builtin_ctzl(huge / page_size);
}

/* Between two things that a thread does: while the leaf is made again nobody begins another. */
static void breathe(void)
{
    do
        usleep(2000);
    while (quiet && !stop);
}

/* A part of the leaf that everybody may do things to. */
static char *part(size_t n)
{
    return gib + n * 101 % (GIB / huge) * huge;
}

/* Words that one thread has in many pages; no other writes there. */
static void *writer(void *arg)
{
    size_t n = (size_t)(uintptr_t)arg, pass = 0;

    for (; !stop; pass++)
        for (size_t i = 0; i < GIB; i += STEP) {
            volatile size_t *word = (volatile size_t *)(gib + i) + 16 + n;

            if (pass != 0 && *word != pass - 1 + i) {
                CHECK_EQ(*word, pass - 1 + i);
                ktap_note("writer %zu, pass %zu, byte 0x%zx", n, pass, i);
                return NULL;
            }
            *word = pass + i;
        }
    return NULL;
}

static void *protector(void *arg)
{
    for (size_t n = 0; !stop; n++) {
        char *p = part(n);
        size_t len = n % 4 ? huge : page_size;

        CHECK_OK(mprotect(p, len, RW | PROT_EXEC));
        CHECK_OK(mprotect(p, len, RW));
        breathe();
    }
    return arg;
}

/* Borders of areas inside the leaf, on and beside borders of huge pages. */
static void *cutter(void *arg)
{
    for (size_t n = 0; !stop; n++) {
        char *p = part(n * 7) + (n % 4 ? 0 : page_size);

        CHECK_OK(madvise(p, huge, MADV_NOHUGEPAGE));
        CHECK_OK(madvise(p, huge, MADV_HUGEPAGE));
        (void)mlock(p, huge);
        (void)munlock(p, huge);
        breathe();
    }
    return arg;
}

static void *splitter(void *arg)
{
    char text[96];

    for (size_t n = 0; !stop; n++) {
        char *p = part(n * 11);

        snprintf(text, sizeof(text), "%d,0x%lx,0x%lx,%u", getpid(), (unsigned long)p,
                 (unsigned long)p + huge, n % 4 ? 0 : huge_order());
        CHECK_OK(write_text(SPLIT, text));
        breathe();
    }
    return arg;
}

/* A pin stays for a while, and the device and the program keep seeing the same. */
static void *pinner(void *arg)
{
    int device = open("/dev/dmatest", O_RDWR);

    for (size_t n = 0; device >= 0 && !stop; n++) {
        char *at = part(n * 3) + 5 * page_size + 2048, c;
        struct dmatest_pin pin = {.addr = (uintptr_t)at, .len = 1, .flags = DMATEST_WRITE};
        struct dmatest_access a = {.flags = DMATEST_WRITE, .len = 1, .buffer = (uintptr_t)&c};

        CHECK_OK(ioctl(device, DMATEST_PIN, &pin));
        a.region = pin.region;
        for (int i = 0; i < 20; i++) {
            c = (char)(n + (size_t)i);
            CHECK_OK(ioctl(device, DMATEST_ACCESS, &a));
            if (*(volatile char *)at != c) {
                CHECK_EQ(*at, c);
                return NULL;
            }
            usleep(300);
        }
        CHECK_OK(ioctl(device, DMATEST_UNPIN, (long)pin.region));
        breathe();
    }
    return arg;
}

/* The device's own page tables follow. */
static void *windows(void *arg)
{
    int device = open("/dev/dmatest", O_RDWR);
    struct dmatest_window w = {.addr = (uintptr_t)gib, .len = 16 * huge};

    if (device < 0 || ioctl(device, DMATEST_OPEN, &w) < 0)
        return NULL;
    for (size_t n = 0; !stop; n++) {
        volatile char *at = gib + n * 7919 % (16 * huge / page_size) * page_size + 3000;
        char c = (char)n;
        struct dmatest_io io = {.window = w.window,
                                .flags = DMATEST_WRITE,
                                .addr = (uintptr_t)at,
                                .len = 1,
                                .buffer = (uintptr_t)&c};
        CHECK_OK(ioctl(device, DMATEST_IO, &io));
        if (*at != c) {
            CHECK_EQ(*at, c);
            return NULL;
        }
        *at = c = (char)(n + 1);
        io.flags = 0;
        CHECK_OK(ioctl(device, DMATEST_IO, &io));
        if (c != (char)(n + 1)) {
            CHECK_EQ(c, (char)(n + 1));
            return NULL;
        }
        usleep(500);
    }
    close(device);
    return arg;
}

static void *looker(void *arg)
{
    static unsigned char vec[512];
    static char buf[4096];
    int clear = open("/proc/self/clear_refs", O_WRONLY);

    for (size_t n = 0; !stop; n++) {
        int fd = open(n % 2 ? "/proc/self/smaps" : "/proc/self/numa_maps", O_RDONLY);

        while (read(fd, buf, sizeof(buf)) > 0)
            ;
        close(fd);
        CHECK_OK(mincore(part(n), 512 * page_size, vec));
        CHECK(is_present(part(n)));
        if (n % 64 == 0)
            CHECK_EQ(write(clear, n % 128 ? "1" : "4", 1), 1);
        breathe();
    }
    close(clear);
    return arg;
}

static void *reader(void *arg)
{
    char buf[256];

    for (size_t n = 0; !stop; n++) {
        struct iovec local = {buf, sizeof(buf)},
                     remote = {gib + n * 7919 * page_size % GIB, sizeof(buf)};

        CHECK_EQ(process_vm_readv(getpid(), &local, 1, &remote, 1, 0), (long)sizeof(buf));
    }
    return arg;
}

/* The pages that nobody else has: the last of each quarter. */
static void *dropper(void *arg)
{
    for (size_t n = 0; !stop; n++) {
        volatile char *p = gib + (n % 4 + 1) * (GIB / 4) - page_size;

        CHECK_OK(madvise((void *)p, page_size, MADV_DONTNEED));
        if (*p != 0)
            CHECK_EQ(*p, 0);
        *p = 'x';
        breathe();
    }
    return arg;
}

static void *forker(void *arg)
{
    while (!stop) {
        pid_t pid = fork();

        if (pid == 0)
            _exit(0);
        if (pid > 0)
            waitpid(pid, NULL, 0);
        usleep(20000);
        breathe();
    }
    return arg;
}

static char *map_gib(void)
{
    char text[32], *p = mmap(NULL, 3 * GIB, PROT_NONE, ANON, -1, 0);

    if (access(KNOB, F_OK) < 0)
        ktap_skip("this MMU has no leaves of 1 GiB");
    if (file_field("/proc/meminfo", "MemAvailable") < (long)(2 * GIB >> 10) + (256 << 10))
        ktap_skip("a GiB does not fit twice");
    if (p == MAP_FAILED)
        ktap_skip("mmap: %s", strerror(errno));
    read_text(KNOBS "hpage_pmd_size", text, sizeof(text));
    huge = strtoul(text, NULL, 10);
    p = (char *)(((uintptr_t)p + GIB) & ~(GIB - 1));
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    CHECK_OK(mprotect(p, GIB, RW));
    CHECK_OK(madvise(p, GIB, MADV_HUGEPAGE));
    for (size_t i = 0; i < GIB; i += huge)
        p[i] = 1;
    return p;
}

#define MAX_OTHERS 8

struct race {
    void *(*others[MAX_OTHERS])(void *);
    pthread_t threads[NR_WRITERS + MAX_OTHERS];
    size_t nr;
    time_t end;
    long promoted; /* leaves before, and made */
};

/* The others, and a leaf below them. */
static void begin(struct race *r, int seconds)
{
    gib = map_gib();
    CHECK_OK(write_text(KNOB, "always"));
    if (madvise(gib, GIB, MADV_COLLAPSE) < 0)
        ktap_skip("no free block of 1 GiB: %s", strerror(errno));
    r->promoted = file_field("/proc/vmstat", "thp_promote_pud");
    r->end = time(NULL) + (ktap_swept ? 1 : seconds);
    for (size_t i = 0; i < NR_WRITERS; i++)
        pthread_create(&r->threads[r->nr++], NULL, writer, (void *)(uintptr_t)i);
    for (size_t i = 0; i < MAX_OTHERS && r->others[i] != NULL; i++)
        pthread_create(&r->threads[r->nr++], NULL, r->others[i], NULL);
}

static void end(struct race *r)
{
    stop = true;
    while (r->nr != 0)
        pthread_join(r->threads[--r->nr], NULL);
    r->promoted = file_field("/proc/vmstat", "thp_promote_pud") - r->promoted;
    ktap_note("%ld leaves made", r->promoted);
    CHECK_OK(write_text(KNOB, "never"));
    CHECK_OK(munmap(gib, GIB));
}

TEST(everything_at_once)
{
    struct race r = {.others = {protector, cutter, splitter, pinner, windows, looker}};
    static int fails[128];

    begin(&r, 30);
    while (time(NULL) < r.end) {
        quiet = madvise(gib, GIB, MADV_COLLAPSE) < 0;
        if (quiet)
            fails[errno & 127]++;
        usleep(quiet ? 50000 : 1000);
    }
    end(&r);
    for (int i = 0; i < 128; i++)
        if (fails[i])
            ktap_note("%d times %s", fails[i], strerror(i));
}

/* Rights and borders stay, so nothing is in the way for good: a leaf can be had each time. */
static void again_and_again(struct race *r)
{
    long rounds = 0;

    while (rounds < 2 || time(NULL) < r->end) {
        quiet = true; /* or no block could be filled before the first of its pages is away */
        while (madvise(gib, GIB, MADV_COLLAPSE) < 0)
            CHECK_EQ(errno, EAGAIN);
        quiet = false;
        usleep(100000);
        rounds++;
    }
    end(r);
    ktap_note("%ld rounds", rounds);
    CHECK(r->promoted > 0);
}

/* The pages stay where they are, and khugepaged makes leaves, too. */
TEST(there_and_back_at_once)
{
    struct race r = {.others = {splitter, pinner, reader}};
    char sleep_ms[32];

    read_text(SCAN_SLEEP, sleep_ms, sizeof(sleep_ms));
    begin(&r, 15);
    CHECK_OK(write_text(SCAN_SLEEP, "2"));
    again_and_again(&r);
    CHECK_OK(write_text(SCAN_SLEEP, sleep_ms));
}

/* With what takes pages away from their frames. */
TEST(all_at_once)
{
    struct race r = {.others = {splitter, pinner, reader, dropper, forker}};

    begin(&r, 25);
    again_and_again(&r);
}

/* A child has a page of its own where its parent has such a leaf. That it moves is no business of
 * the parent's. */
TEST(a_childs_page_moves)
{
    int go[2], done[2], status;
    char c = 'm';
    pid_t pid;

    gib = map_gib();
    CHECK_OK(write_text(KNOB, "always"));
    CHECK_OK(pipe(go));
    CHECK_OK(pipe(done));
    pid = fork();
    if (pid == 0) {
        CHECK_OK(madvise(gib, GIB, MADV_NOHUGEPAGE));
        CHECK_OK(madvise(gib, GIB, MADV_DONTNEED));
        gib[5 * huge] = 'c';
        CHECK_EQ(write(done[1], &c, 1), 1);
        CHECK_EQ(read(go[0], &c, 1), 1);
        CHECK_OK(write_range(MIGRATE, gib + 5 * huge, page_size));
        CHECK_EQ(gib[5 * huge], 'c');
        CHECK_EQ(write(done[1], &c, 1), 1);
        CHECK_EQ(read(go[0], &c, 1), 1);
        _exit(ktap_failures != 0);
    }
    CHECK_EQ(read(done[0], &c, 1), 1);
    for (size_t i = 0; i < GIB; i += huge)
        gib[i] = 2; /* its own again */
    if (madvise(gib, GIB, MADV_COLLAPSE) < 0)
        ktap_skip("no free block of 1 GiB: %s", strerror(errno));
    CHECK(is_gib(gib));
    CHECK_EQ(write(go[1], &c, 1), 1);
    CHECK_EQ(read(done[0], &c, 1), 1);
    CHECK(is_gib(gib));
    CHECK_EQ(write(go[1], &c, 1), 1);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK_OK(write_text(KNOB, "never"));
    CHECK_OK(munmap(gib, GIB));
}

KTAP_MAIN(CASE(a_childs_page_moves), CASE(everything_at_once), CASE(there_and_back_at_once),
          CASE(all_at_once))
