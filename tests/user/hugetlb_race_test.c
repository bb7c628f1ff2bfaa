/* SPDX-License-Identifier: MIT */
/*
 * Eight processes fight for a pool that is too small for them: reservations, private copies after
 * fork, shared files that are truncated and punched under their mappings, children that exit with
 * everything still mapped. At the end the counters are what they were.
 */
#include "huge.h"

#include <time.h>

#define PROCESSES 8
#define SECONDS   4
#define POOL      12

static uint32_t seed;

static uint32_t dice(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 16) % n;
}

/* Writes may be refused with SIGBUS: then the page is left alone. */
static void poke(char *p, size_t nr)
{
    for (size_t i = 0; i < nr; i++)
        if (dice(3))
            try_write(p + i * huge_size + dice(1000));
}

static void private_family(void)
{
    size_t nr = 1 + dice(4);
    char *p = map_huge(nr, dice(4) ? 0 : MAP_NORESERVE);
    pid_t pid;

    if (p == MAP_FAILED)
        return;
    poke(p, nr);
    pid = fork();
    if (pid == 0) {
        poke(p, nr);
        if (dice(2))
            munmap(p, huge_size);
        _exit(0); /* with the rest mapped */
    }
    poke(p, nr);
    if (dice(3) == 0)
        madvise(p, huge_size, MADV_DONTNEED);
    if (dice(3) == 0)
        poke(p, nr);
    if (dice(2))
        munmap(p, nr * huge_size);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    munmap(p, nr * huge_size);
}

static void shared_file(int fd)
{
    size_t nr = 1 + dice(3);
    char *p = mmap(NULL, nr * huge_size, RW, dice(4) ? MAP_SHARED : MAP_PRIVATE, fd, 0);

    if (p != MAP_FAILED) {
        poke(p, nr);
        if (dice(2))
            poke(p, nr);
    }
    if (dice(3) == 0)
        ftruncate(fd, (off_t)(dice(3) * huge_size));
    if (dice(3) == 0)
        fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(dice(2) * huge_size),
                  (off_t)huge_size);
    if (dice(4) == 0)
        fallocate(fd, 0, 0, (off_t)huge_size);
    if (p != MAP_FAILED) {
        poke(p, nr);
        if (dice(8))
            munmap(p, nr * huge_size);
    }
}

static void moved(void)
{
    char *p = map_huge(2, 0), *q;

    if (p == MAP_FAILED)
        return;
    poke(p, 2);
    q = (char *)sys_mremap(p, 2 * huge_size, 2 * huge_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                           ((uintptr_t)1 << 43) + dice(64) * huge_size);
    if (q == MAP_FAILED)
        q = p;
    poke(q, 2);
    munmap(q + huge_size, huge_size);
    munmap(q, huge_size);
}

static void fight(int fd, unsigned int nr)
{
    time_t end = time(NULL) + SECONDS;

    seed = nr * 7919 + 1;
    while (time(NULL) < end) {
        switch (dice(4)) {
        case 0: moved(); break;
        case 1: shared_file(fd); break;
        default: private_family(); break;
        }
    }
    _exit(0);
}

/* No run is like the one before, so faults do not come again; hugetlb_fail_test has the calls. */
static void skip_under_sweep(void)
{
    if (ktap_swept)
        ktap_skip("races differ from run to run");
}

TEST(eight_processes_exhaust_the_pool)
{
    pid_t pids[PROCESSES];
    int fd, wrong = 0;
    struct pool now;

    skip_under_sweep();
    set_pool(POOL);
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    fflush(stdout);
    for (unsigned int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            fight(fd, i);
        CHECK(pids[i] > 0);
    }
    for (unsigned int i = 0; i < PROCESSES; i++) {
        int status = -1;

        waitpid(pids[i], &status, 0);
        wrong += status != 0;
    }
    CHECK_EQ(wrong, 0);
    close(fd);
    now = pool_settled(POOL, 0);
    CHECK_EQ(now.total, POOL);
    CHECK_EQ(now.free, POOL);
    CHECK_EQ(now.reserved, 0);
    CHECK_EQ(now.surplus, 0);
}

/* The same while the number of persistent pages changes, with surplus allowed. */
TEST(while_the_pool_is_resized)
{
    long before = number_in(SURPLUS_FILE);
    pid_t pids[PROCESSES];
    struct pool now;
    int fd;

    skip_under_sweep();
    set_pool(POOL);
    CHECK(write_number(SURPLUS_FILE, 3));
    fd = huge_memfd();
    REQUIRE(fd >= 0);
    fflush(stdout);
    for (unsigned int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        if (pids[i] == 0)
            fight(fd, i + 100);
    }
    for (int i = 0; i < 60; i++) {
        write_number(NR_FILE, i % 5 * 3);
        usleep(SECONDS * 1000000 / 60);
    }
    for (unsigned int i = 0; i < PROCESSES; i++)
        waitpid(pids[i], NULL, 0);
    close(fd);
    CHECK(write_number(NR_FILE, 2));
    now = pool_settled(2, 0);
    CHECK_EQ(now.total, 2);
    CHECK_EQ(now.free, 2);
    CHECK_EQ(now.reserved, 0);
    CHECK_EQ(now.surplus, 0);
    CHECK(write_number(SURPLUS_FILE, before));
}

/* Moves the parent's pages again and again. */
static void keep_moving(const char *p, size_t len)
{
    char text[80];
    int n = snprintf(text, sizeof(text), "%d,0x%lx,0x%lx", getppid(), (unsigned long)p,
                     (unsigned long)p + len);

    for (;;) {
        int fd = open("/sys/kernel/debug/migrate_pages", O_WRONLY);

        if (fd < 0 || write(fd, text, (size_t)n) != n)
            usleep(1000); /* not Quire */
        close(fd);
    }
}

/* Children share pages with their parent, which are moved: who does that looks at each address
 * space of the family, and is the last user of some when their processes end. Their pages come
 * back. */
TEST(last_user_is_the_kernel)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), nr = 64;
    pid_t mover, pid;
    char *small;
    int late = 0;

    skip_under_sweep();
    set_pool(1);
    small = mmap(NULL, nr * page, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(small != MAP_FAILED);
    for (size_t i = 0; i < nr; i++)
        small[i * page] = 1;
    fflush(stdout);
    mover = fork();
    if (mover == 0)
        keep_moving(small, nr * page);
    for (int i = 0; i < 300; i++) {
        struct pool now;

        pid = fork();
        if (pid == 0) {
            char *p = map_huge(1, 0);

            if (p != MAP_FAILED)
                p[0] = 1;
            _exit(p == MAP_FAILED);
        }
        CHECK(pid > 0);
        waitpid(pid, NULL, 0);
        now = pool_now();
        late += now.free != 1;
        CHECK_POOL(1, 0);
    }
    kill(mover, SIGKILL);
    waitpid(mover, NULL, 0);
    printf("# %d of 300 pages came back after wait\n", late);
}

KTAP_MAIN(CASE(eight_processes_exhaust_the_pool), CASE(while_the_pool_is_resized),
          CASE(last_user_is_the_kernel))
