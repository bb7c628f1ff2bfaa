/* SPDX-License-Identifier: MIT */
/*
 * Everything that can happen to transparent huge pages, at once: faults, munmap, mprotect, mremap,
 * madvise on wholes and parts, fork, exit, copy-on-write, splits and collapses on request, pages
 * that move to other frames, pins (lock-free and not), a device that writes pinned memory by its
 * physical address all the time.
 *
 *   thp_stress_test             one round: five seconds for each CPU, up to four
 *   thp_stress_test -s SECONDS  rounds until then: `make stress`
 *
 * Each owner of an area knows what each of its pages holds; it looks at some after each step, and
 * at every byte in the end. After a round Quire's debug kernel looks at all frames (/proc/kcheck):
 * every one is accounted for, and as many are free as before. Needs a kernel with huge pages; what
 * it does not have of the rest is left out, and said.
 */
#include "mem.h"

#include "../../include/uapi/dmatest.h"
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

#define SIZE_FILE "/sys/kernel/mm/transparent_hugepage/hpage_pmd_size"
#define SPLIT     "/sys/kernel/debug/split_huge_pages"
#define MIGRATE   "/sys/kernel/debug/migrate_pages"

#define ROUND_SECONDS 20 /* on four CPUs */
#define NR_OWNERS     2 /* areas; one more is the device's, one the pinner's */
#define NR_AREAS      (NR_OWNERS + 2)
#define DEVICE_AREA   NR_OWNERS
#define PIN_AREA      (NR_OWNERS + 1)
#define HUGE_PER_AREA 2

static long stress_seconds; /* 0: one round */
static atomic_bool over;
static atomic_bool begun; /* all threads have their stacks: nothing else may settle in holes */
static size_t huge, area_len, nr; /* bytes; bytes; pages of an area */
static char *areas[NR_AREAS];
static atomic_ulong operations, splits, collapses, moves, forks, pins, passes;

static uint32_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(*seed >> 33);
}

static bool going_on(void)
{
    return !over && ktap_failures == 0;
}

/* Under the sweep, which runs it all again for each fault: a few rounds of each thread. */
static bool is_enough(int rounds, int swept)
{
    return ktap_swept && rounds >= swept;
}

/* ---- owners ---- */

/* First and last byte of page @i, or with @all every one. */
static void check_page(const char *p, const unsigned char *model, size_t i, bool all,
                       const char *when)
{
    const char *at = p + i * page_size;
    size_t bad = all ? 0 : page_size - 1;

    if (all)
        while (bad < page_size - 1 && (unsigned char)at[bad] == model[i])
            bad++;
    if ((unsigned char)at[0] == model[i] && (unsigned char)at[bad] == model[i])
        return;
    ktap_failures++;
    ktap_note("%s: page %zu of %p holds %u and at %zu %u, not %u", when, i, (const void *)p,
              (unsigned char)at[0], bad, (unsigned char)at[bad], model[i]);
}

static void choose(uint64_t *seed, size_t *first, size_t *n)
{
    size_t per = nr / HUGE_PER_AREA, kind = next_random(seed) % 3;

    *first = kind == 0 ? 0 : next_random(seed) % HUGE_PER_AREA * per;
    *n = kind == 0 ? nr : per;
    if (kind == 2) {
        *first += next_random(seed) % (per - 40);
        *n = 1 + next_random(seed) % 40;
    }
}

static void map_anew(char *at, size_t len)
{
    CHECK_OK(munmap(at, len));
    CHECK(mmap(at, len, RW, ANON | MAP_FIXED, -1, 0) == at);
    CHECK_OK(madvise(at, len, MADV_HUGEPAGE));
}

/* To the hole behind the area and back. */
static void move_and_back(char *at, size_t len)
{
    char *away = at + area_len + huge;

    CHECK(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, away) == away);
    CHECK(mremap(away, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at);
}

static void operate(char *p, unsigned char *model, uint64_t *seed)
{
    size_t first, n, len;
    char *at;

    choose(seed, &first, &n);
    at = p + first * page_size;
    len = n * page_size;
    switch (next_random(seed) % 7) {
    case 0:
        CHECK_OK(madvise(at, len, MADV_DONTNEED));
        memset(model + first, 0, n);
        break;
    case 1:
        CHECK_OK(mprotect(at, len, PROT_READ));
        check_page(p, model, first, false, "read-only");
        CHECK_OK(mprotect(at, len, RW));
        break;
    case 2: move_and_back(at, len); break;
    case 3:
        map_anew(at, len);
        memset(model + first, 0, n);
        break;
    default:
        for (size_t i = first; i < first + (n < 100 ? n : 100); i++) {
            model[i] = (unsigned char)next_random(seed);
            memset(p + i * page_size, model[i], page_size);
        }
    }
    for (unsigned int i = 0; i < 32; i++)
        check_page(p, model, next_random(seed) % nr, false, "after an operation");
}

static void *owner(void *arg)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg + 1;
    char *p = areas[(uintptr_t)arg];
    unsigned char *model = calloc(nr, 1);

    while (!begun)
        usleep(1000);
    for (int i = 0; going_on() && !is_enough(i, 8); i++) {
        operate(p, model, &seed);
        operations++;
    }
    for (size_t i = 0; i < nr && ktap_failures == 0; i++)
        check_page(p, model, i, true, "in the end");
    free(model);
    return NULL;
}

/* ---- those who take pages apart, together, elsewhere ---- */

/* Linux's kernels need not have these files. */
static bool request(const char *path, const char *at)
{
    return access(path, W_OK) == 0 && write_range(path, at, huge) == 0;
}

static void *splitter(void *arg)
{
    uint64_t seed = 99;

    (void)arg;
    for (int i = 0; !over && !is_enough(i, 20); i++) {
        char *at = areas[next_random(&seed) % NR_AREAS] + next_random(&seed) % HUGE_PER_AREA * huge;

        switch (next_random(&seed) % 4) {
        case 0: splits += request(SPLIT, at); break;
        case 1: moves += request(MIGRATE, at); break;
        default: collapses += madvise(at, huge, MADV_COLLAPSE) == 0; /* may be busy */
        }
        if (ktap_swept)
            usleep(1000); /* so that there is something to collapse: the others go on */
    }
    return NULL;
}

/* What a child reads does not change under it. */
static void child(void)
{
    int bad = 0;

    for (size_t at = 0; at < area_len; at += 37 * page_size) {
        volatile char *c = areas[0] + at;
        char seen = *c;

        areas[1][at] = (char)at;
        for (volatile int i = 0; i < 200; i++)
            ;
        bad |= *c != seen || areas[1][at] != (char)at;
    }
    _exit(bad);
}

static void *forker(void *arg)
{
    (void)arg;
    for (int i = 0; !over && !is_enough(i, 2); i++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0)
            child();
        if (pid < 0)
            continue;
        waitpid(pid, &status, 0);
        /* A child may meet the moment when a range is away: then it faults. */
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
            ktap_failures++;
            ktap_note("a child saw its memory change");
        }
        forks++;
    }
    return NULL;
}

/* ---- those who pin ---- */

/* Writes itself through pins (lock-free where possible) what it reads directly, and back. */
static void *pinner(void *arg)
{
    uint64_t seed = 7;

    (void)arg;
    for (int i = 0; going_on() && !is_enough(i, 10); i++) {
        volatile char *at = areas[PIN_AREA] + next_random(&seed) % nr * page_size;
        char buf[256], got[256];
        struct iovec here = {buf, sizeof(buf)}, there = {(char *)at, sizeof(buf)};

        memset(buf, (int)next_random(&seed), sizeof(buf));
        CHECK_EQ(process_vm_writev(getpid(), &here, 1, &there, 1, 0), sizeof(buf));
        CHECK(at[0] == buf[0] && at[255] == buf[0]);
        at[0]++;
        here.iov_base = got;
        CHECK_EQ(process_vm_readv(getpid(), &here, 1, &there, 1, 0), sizeof(buf));
        CHECK(got[0] == (char)(buf[0] + 1) && got[255] == buf[0]);
        if (next_random(&seed) % (ktap_swept ? 5 : 500) == 0)
            CHECK_OK(madvise(areas[PIN_AREA], area_len, MADV_DONTNEED));
        pins++;
    }
    return NULL;
}

/* Pins some pages; the device counts in each, all the time; when it stops all hold its last number.
 */
static void device_pass(int device, uint64_t *seed)
{
    size_t first = next_random(seed) % nr, n = 1 + next_random(seed) % 3 * (ktap_swept ? 20 : 300);
    char *at = areas[DEVICE_AREA] + first * page_size;
    struct dmatest_pin pin = {.flags = DMATEST_WRITE};
    struct dmatest_engine engine = {.word = 8};

    n = n < nr - first ? n : nr - first;
    pin.addr = (uintptr_t)at;
    pin.len = n * page_size;
    if (ioctl(device, DMATEST_PIN, &pin) < 0) {
        CHECK_EQ(errno, ENOMEM);
        return;
    }
    engine.region = pin.region;
    CHECK_OK(ioctl(device, DMATEST_START, &engine));
    for (unsigned int i = 0; i < (ktap_swept ? 3 : 20) && going_on(); i++) {
        volatile char *own = at + next_random(seed) % n * page_size;
        char c = (char)next_random(seed);

        own[16] = c;
        usleep(1000);
        CHECK_EQ(own[16], c);
    }
    CHECK_OK(ioctl(device, DMATEST_STOP, &engine));
    for (size_t i = 0; i < n && ktap_failures == 0; i++)
        CHECK_EQ(*(volatile uint64_t *)(at + i * page_size + 8), engine.last);
    CHECK_OK(ioctl(device, DMATEST_UNPIN, (long)pin.region));
    passes++;
}

static void *device_user(void *arg)
{
    int device = open("/dev/dmatest", O_RDWR);
    uint64_t seed = 5;

    (void)arg;
    if (device < 0)
        return NULL;
    for (int i = 0; going_on() && !is_enough(i, 3); i++) {
        device_pass(device, &seed);
        if (next_random(&seed) % (ktap_swept ? 2 : 8) == 0)
            CHECK_OK(madvise(areas[DEVICE_AREA], area_len, MADV_DONTNEED));
    }
    close(device);
    return NULL;
}

/* ---- a round ---- */

/* Room for @n huge pages and a hole of as many behind, aligned. */
static char *map_area(void)
{
    size_t len = (2 * HUGE_PER_AREA + 2) * huge;
    char *p = mmap(NULL, len, PROT_NONE, ANON, -1, 0), *at;

    if (p == MAP_FAILED)
        ktap_skip("mmap: %s", strerror(errno));
    at = p + (huge - (uintptr_t)p % huge) % huge;
    CHECK(mmap(at, area_len, RW, ANON | MAP_FIXED, -1, 0) == at);
    if (madvise(at, area_len, MADV_HUGEPAGE) < 0)
        ktap_skip("MADV_HUGEPAGE: %s", strerror(errno));
    return at;
}

static void prepare(void)
{
    char text[32] = "";
    int fd = open(SIZE_FILE, O_RDONLY);

    if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
        ktap_skip("%s: %s", SIZE_FILE, strerror(errno));
    close(fd);
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    huge = strtoul(text, NULL, 10);
    area_len = HUGE_PER_AREA * huge;
    nr = area_len / page_size;
    for (unsigned int i = 0; i < NR_AREAS; i++)
        areas[i] = map_area();
}

static void run_round(void)
{
    void *(*const others[])(void *) = {splitter, forker, pinner, device_user};
    pthread_t threads[NR_OWNERS + 4];
    long tenths = ktap_swept ? 0 : 10 * ktap_race_seconds(ROUND_SECONDS);
    unsigned int n = 0;

    prepare();
    REQUIRE(ktap_failures == 0);
    over = begun = false;
    for (uintptr_t i = 0; i < NR_OWNERS; i++)
        REQUIRE(pthread_create(&threads[n++], NULL, owner, (void *)i) == 0);
    for (unsigned int i = 0; i < 4; i++)
        REQUIRE(pthread_create(&threads[n++], NULL, others[i], NULL) == 0);
    begun = true;
    for (int i = 0; i < tenths && going_on(); i++)
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    over = !ktap_swept;
    for (unsigned int i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    ktap_note("%lu operations, %lu splits, %lu collapses, %lu moves asked for, %lu forks, "
              "%lu pins, %lu passes of the device",
              operations, splits, collapses, moves, forks, pins, passes);
    CHECK(operations > 0 && splits > 0 && forks > 0 && pins > 0);
}

/* What the debug kernel finds; -1 where it does not. @bad: violations of invariants. */
struct counts {
    long bad, pages, objects;
};

static struct counts count(void)
{
    struct counts c = {0, -1, -1};
    char text[256] = "";
    int fd = open("/proc/kcheck", O_RDONLY);

    if (fd < 0)
        return c;
    if (read(fd, text, sizeof(text) - 1) > 0)
        sscanf(text, "violations %ld free_pages %ld objects %ld", &c.bad, &c.pages, &c.objects);
    close(fd);
    return c;
}

/* A round in a process of its own, and nothing is left of it. */
static void checked_round(void)
{
    /* Alone on the machine nothing may be missing; else the shell that reads may take some. */
    long others = stress_seconds ? 0 : 32;
    struct counts before = count(), after;
    int status = 0;
    pid_t pid = ktap_fork();

    if (pid == 0) {
        alarm(stress_seconds ? 0 : 600);
        run_round();
        fflush(stdout);
        _exit(ktap_failures ? KTAP_STATUS_FAIL : 0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == KTAP_STATUS_SKIP)
        _exit(KTAP_STATUS_SKIP);
    CHECK_EQ(status, 0);
    for (int i = 0; i < 20; i++) {
        after = count();
        if (after.pages + others >= before.pages && after.objects <= before.objects + others)
            break;
        usleep(100000);
    }
    CHECK_EQ(after.bad, 0);
    CHECK(after.pages + others >= before.pages);
    CHECK(after.objects <= before.objects + others);
    if (after.pages != before.pages || after.objects != before.objects)
        ktap_note("%ld frames were free before, %ld are now; %ld objects, %ld now", before.pages,
                  after.pages, before.objects, after.objects);
}

TEST(all_at_once)
{
    time_t end = time(NULL) + stress_seconds;

    alarm(0);
    (void)count(); /* what is made once and kept */
    do
        checked_round();
    while (time(NULL) < end && ktap_failures == 0);
}

int main(int argc, char **argv)
{
    static const struct ktap_case cases[] = {CASE(all_at_once)};

    if (argc == 3 && strcmp(argv[1], "-s") == 0) {
        stress_seconds = atol(argv[2]);
        argc = 1;
    }
    return ktap_main(cases, 1, argc, argv);
}
