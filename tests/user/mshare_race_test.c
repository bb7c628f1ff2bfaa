/* SPDX-License-Identifier: MIT */
/*
 * Shared spaces under several processes at once: nothing is written through a translation from
 * before a change after that has returned, and who comes, faults, leaves and dies meanwhile does
 * not matter. Needs root for the mount.
 */
#include "mshare.h"

#define WRITERS 2
#define PAGES   8

static double now_s(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Adds to the first word of each page, as fast as it goes, until told; survives being refused. */
static void write_on(char *p)
{
    share_catch();
    for (unsigned int i = 0; !atomic_load(&stage->word[0]); i++) {
        volatile char *at = p + (i % PAGES) * page_size;

        (void)share_store(at, (char)i);
        if (i % 64 == 0)
            atomic_fetch_add(&stage->word[1], 1);
    }
    peer_end();
}

static void start_writers(int fd, pid_t *pid)
{
    stage_new();
    for (unsigned int i = 0; i < WRITERS; i++) {
        pid[i] = peer();
        if (pid[i] == 0)
            write_on(mshare_map(fd, 1));
    }
}

static void stop_writers(const pid_t *pid)
{
    atomic_store(&stage->word[0], 1);
    for (unsigned int i = 0; i < WRITERS; i++)
        CHECK_PEER(pid[i]);
}

/* They have gone on since; false: they do not get on any more. */
static bool writers_moved(void)
{
    unsigned long before = atomic_load(&stage->word[1]);
    double end = now_s() + 20;

    while (atomic_load(&stage->word[1]) < before + WRITERS && now_s() < end)
        sched_yield();
    return atomic_load(&stage->word[1]) != before;
}

TEST(nothing_is_written_after_protection)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1), seen[PAGES];
    pid_t pid[WRITERS];
    double end = now_s() + 1;
    unsigned int rounds = 0;

    skip_race_under_sweep();
    CHECK_OK(mshare_memory(fd, 0, PAGES));
    start_writers(fd, pid);
    while (now_s() < end && ++rounds) {
        CHECK(writers_moved());
        CHECK_OK(mshare_protect_at(fd, 0, PAGES, PROT_READ));
        for (unsigned int i = 0; i < PAGES; i++)
            seen[i] = p[i * page_size];
        CHECK(writers_moved());
        for (unsigned int i = 0; i < PAGES; i++)
            CHECK_EQ(p[i * page_size], seen[i]);
        CHECK_OK(mshare_protect_at(fd, 0, PAGES, RW));
    }
    stop_writers(pid);
    CHECK(rounds >= 2);
}

TEST(nothing_is_written_after_unmapping)
{
    int fd = mshare_new(1), file = share_file(PAGES * page_size);
    char *direct = share_map(NULL, PAGES * page_size, RW, MAP_SHARED, file, 0), seen[PAGES];
    pid_t pid[WRITERS];
    double end = now_s() + 1;

    skip_race_under_sweep();
    CHECK_OK(mshare_create_at(fd, 0, PAGES, RW, file, 0));
    start_writers(fd, pid);
    while (now_s() < end) {
        CHECK(writers_moved());
        CHECK_OK(mshare_unmap_at(fd, 0, PAGES));
        for (unsigned int i = 0; i < PAGES; i++)
            seen[i] = direct[i * page_size];
        CHECK(writers_moved());
        for (unsigned int i = 0; i < PAGES; i++)
            CHECK_EQ(direct[i * page_size], seen[i]);
        CHECK_OK(mshare_memory(fd, 0, PAGES)); /* other memory in that place */
        CHECK(writers_moved());
        for (unsigned int i = 0; i < PAGES; i++)
            CHECK_EQ(direct[i * page_size], seen[i]);
        CHECK_OK(mshare_unmap_at(fd, 0, PAGES));
        CHECK_OK(mshare_create_at(fd, 0, PAGES, RW, file, 0));
    }
    stop_writers(pid);
}

/* A file that is inside is truncated under its users, and grows again: they see zeroes. */
TEST(nothing_is_written_after_truncation)
{
    int fd = mshare_new(1), file = share_file(PAGES * page_size);
    pid_t pid[WRITERS];
    double end = now_s() + 1;
    char text[1];

    skip_race_under_sweep();
    CHECK_OK(mshare_create_at(fd, 0, PAGES, RW, file, 0));
    start_writers(fd, pid);
    while (now_s() < end) {
        CHECK(writers_moved());
        CHECK_OK(ftruncate(file, 0));
        CHECK(writers_moved()); /* SIGBUS each time */
        CHECK_OK(mshare_protect_at(fd, 0, PAGES, PROT_READ));
        CHECK_OK(ftruncate(file, (off_t)(PAGES * page_size)));
        CHECK(writers_moved());
        for (unsigned int i = 0; i < PAGES; i++) {
            CHECK_EQ(pread(file, text, 1, (off_t)(i * page_size)), 1);
            CHECK_EQ(text[0], 0);
        }
        CHECK_OK(mshare_protect_at(fd, 0, PAGES, RW));
    }
    stop_writers(pid);
}

/* Maps, uses, drops, unmaps, forks, dies. What is there is what everybody writes there. */
static void come_and_go(int fd, unsigned int seed)
{
    char *at = share_place(span);

    share_catch();
    for (unsigned int i = 0; !atomic_load(&stage->word[0]); i++) {
        char *p = mmap(at, span, RW, MAP_SHARED | MAP_FIXED, fd, 0);
        int value;

        if (p == MAP_FAILED)
            _exit(1);
        for (unsigned int k = 0; k < 16; k++) {
            size_t page = (i * 5 + k * 3 + seed) % PAGES;

            (void)share_store(p + page * page_size, (char)share_byte(page));
            value = share_load(p + page * page_size);
            if (value != -SIGSEGV && value != -SIGBUS && value != 0) /* SIGBUS: no size just now */
                CHECK_EQ(value, share_byte(page));
        }
        if (i % 3 == 0)
            CHECK_OK(madvise(p, span, MADV_DONTNEED));
        if (i % 7 == seed) {
            pid_t pid = fork();

            if (pid == 0) {
                (void)share_load(p);
                _exit(0);
            }
            CHECK_PEER(pid);
        }
        CHECK_OK(mprotect(p, span, PROT_NONE));
        CHECK_EQ(share_load(p), -SIGSEGV);
        CHECK_OK(munmap(p, span));
        atomic_fetch_add(&stage->word[1], 1);
    }
    peer_end();
}

TEST(users_come_and_go_while_it_changes)
{
    int fd = mshare_new(1);
    pid_t pid[3];
    double end = now_s() + 2;

    skip_race_under_sweep();
    stage_new();
    for (unsigned int i = 0; i < 3; i++) {
        pid[i] = peer();
        if (pid[i] == 0)
            come_and_go(fd, i);
    }
    for (unsigned int i = 0; now_s() < end; i++) {
        size_t at = i % PAGES, nr = i % 3 + 1;

        if (mshare_memory(fd, at, nr) != 0)
            CHECK_EQ(errno, EEXIST);
        if (i % 4 == 1 && mshare_protect_at(fd, at, nr, i & 8 ? RW : PROT_READ) != 0)
            CHECK_EQ(errno, ENOMEM);
        if (i % 5 == 2)
            (void)mshare_advise_at(fd, 0, PAGES, i & 1 ? MADV_DONTNEED : MADV_POPULATE_READ);
        if (i % 2)
            CHECK_OK(mshare_unmap_at(fd, at, nr));
        if (i % 64 == 63) {
            CHECK_OK(ftruncate(fd, 0));
            CHECK_OK(ftruncate(fd, (off_t)span));
        }
    }
    CHECK(atomic_load(&stage->word[1]) != 0);
    atomic_store(&stage->word[0], 1);
    for (unsigned int i = 0; i < 3; i++)
        CHECK_PEER(pid[i]);
}

/* Two change it at the same places; one of both is right each time. */
TEST(two_who_change_it)
{
    int fd = mshare_new(1);
    char *p = mshare_map(fd, 1);
    double end = now_s() + 1;
    pid_t pid;

    skip_race_under_sweep();
    stage_new();
    share_catch();
    pid = peer();
    for (unsigned int i = 0; now_s() < end; i++) {
        if (mshare_memory(fd, i % 4, 2) != 0)
            CHECK_EQ(errno, EEXIST);
        (void)share_store(p + (i % 4) * page_size, 1);
        CHECK_OK(mshare_unmap_at(fd, i % 4, 1));
        if (mshare_protect_at(fd, (i + 1) % 4, 1, i & 1 ? RW : PROT_READ) != 0)
            CHECK_EQ(errno, ENOMEM);
    }
    if (pid == 0)
        peer_end();
    CHECK_PEER(pid);
}

KTAP_MAIN(CASE(nothing_is_written_after_protection), CASE(nothing_is_written_after_unmapping),
          CASE(nothing_is_written_after_truncation), CASE(users_come_and_go_while_it_changes),
          CASE(two_who_change_it))
