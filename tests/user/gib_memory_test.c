/* SPDX-License-Identifier: MIT */
/*
 * Memory that MADV_COLLAPSE of a GiB has in hand while it moves pages to another block: who needs
 * it meanwhile gets it, and nobody is killed; when the process is killed itself, all comes back.
 * Needs what gib_test.c needs: `make gigantic`.
 */
#include "gib.h"

#include <pthread.h>
#include <signal.h>

#define MIB (1ul << 20)

static char *area;
static size_t huge;
static volatile bool stop;

static long vmstat(const char *name)
{
    return file_field("/proc/vmstat", name);
}

static size_t free_bytes(void)
{
    return (size_t)file_field("/proc/meminfo", "MemFree") << 10;
}

/* Huge pages that change places, so that the next leaf needs another block. */
static void scatter(void)
{
    for (size_t i = 0; i < 2; i++)
        (void)madvise(area + i * huge, huge, MADV_DONTNEED);
    for (size_t i = 2; i-- > 0;)
        area[i * huge] = 1;
}

static size_t huge_size(void)
{
    char text[32];

    read_text(KNOBS "hpage_pmd_size", text, sizeof(text));
    return strtoul(text, NULL, 10);
}

static void make_area(void)
{
    char *p = mmap(NULL, 3 * GIB, PROT_NONE, ANON, -1, 0);

    if (access(KNOB, F_OK) < 0)
        ktap_skip("this MMU has no leaves of 1 GiB");
    if (free_bytes() < 4 * GIB || p == MAP_FAILED)
        ktap_skip("needs 4 GiB");
    huge = huge_size();
    area = (char *)(((uintptr_t)p + GIB) & ~(GIB - 1));
    prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
    CHECK_OK(mprotect(area, GIB, RW));
    CHECK_OK(madvise(area, GIB, MADV_HUGEPAGE));
    for (size_t i = 0; i < GIB; i += huge)
        area[i] = 1;
    CHECK_OK(write_text(KNOB, "always"));
}

/* Until a block is taken; false: none was for two seconds, for want of one. */
static bool wait_for_block(void)
{
    long before = vmstat("thp_collapse_alloc");

    for (int i = 0; i < 2000; i++) {
        if (vmstat("thp_collapse_alloc") != before)
            return true;
        usleep(1000);
    }
    return false;
}

static void *collapser(void *arg)
{
    long *results = arg;

    while (!stop) {
        scatter();
        results[madvise(area, GIB, MADV_COLLAPSE) < 0 ? errno & 127 : 0]++;
    }
    return arg;
}

/* Touches what was free before the block was taken, but for a little. */
static void hog(size_t room, int rounds)
{
    char *p = mmap(NULL, room, RW, ANON | MAP_NORESERVE, -1, 0);

    CHECK(p != MAP_FAILED);
    prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
    for (int n = 0; n < rounds; n++) {
        bool taken = wait_for_block();

        CHECK(taken || n > 0);
        for (size_t i = 0; i < room; i += page_size)
            p[i] = 1;
        CHECK_OK(madvise(p, room, MADV_DONTNEED));
    }
    _exit(ktap_failures != 0);
}

TEST(others_get_memory)
{
    static long results[128];
    long killed = vmstat("oom_kill");
    pthread_t thread;
    size_t ballast;
    int status;
    pid_t pid;
    char *p;

    make_area();
    ballast = free_bytes() - (GIB + GIB / 2);
    p = mmap(NULL, ballast, RW, ANON | MAP_NORESERVE, -1, 0);
    CHECK_OK(madvise(p, ballast, MADV_HUGEPAGE));
    for (size_t i = 0; i < ballast; i += page_size)
        p[i] = 1;
    pid = ktap_fork();
    if (pid == 0) {
        CHECK_OK(munmap(area, GIB)); /* or its pages would be shared */
        CHECK_OK(munmap(p, ballast));
        hog(free_bytes() - 192 * MIB, 2);
    }
    usleep(100000);
    pthread_create(&thread, NULL, collapser, results);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    stop = true;
    pthread_join(thread, NULL);
    for (int i = 0; i < 128; i++)
        if (results[i] != 0)
            ktap_note("%ld times %s", results[i], i != 0 ? strerror(i) : "a leaf");
    CHECK_EQ(vmstat("oom_kill"), killed);
    CHECK_OK(write_text(KNOB, "never"));
}

/* The rest of the pages is not moved for a process that is to die. */
TEST(killed_meanwhile)
{
    size_t before = free_bytes();
    bool in_time = false;

    for (int i = 0; i < 5 && !in_time; i++) {
        long blocks = vmstat("thp_collapse_alloc"), moved = vmstat("thp_migration_success"),
             made = vmstat("thp_promote_pud");
        pid_t pid = ktap_fork();
        int status;

        if (pid == 0) {
            make_area();
            scatter();
            (void)madvise(area, GIB, MADV_COLLAPSE);
            pause();
        }
        while (vmstat("thp_collapse_alloc") == blocks && waitpid(pid, &status, WNOHANG) == 0)
            usleep(1000);
        if (vmstat("thp_collapse_alloc") == blocks)
            ktap_skip("no free block of 1 GiB");
        CHECK_OK(kill(pid, SIGKILL));
        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        moved = vmstat("thp_migration_success") - moved;
        in_time = moved < (long)(GIB / huge_size()) && vmstat("thp_promote_pud") == made;
        if (in_time)
            ktap_note("%ld pages were moved", moved);
    }
    CHECK(in_time);
    for (int i = 0; i < 100 && free_bytes() + 64 * MIB < before; i++)
        usleep(100000);
    CHECK(free_bytes() + 64 * MIB >= before);
    CHECK_OK(write_text(KNOB, "never"));
}

KTAP_MAIN(CASE(others_get_memory), CASE(killed_meanwhile))
