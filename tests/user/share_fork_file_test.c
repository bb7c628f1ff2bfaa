/* SPDX-License-Identifier: MIT */
/*
 * Private mappings of files that were written to, with children: fork shares their page tables,
 * which hold copies and pages of the file. Whatever happens to the file and to the mappings then,
 * each process sees what it would with tables of its own.
 */
#include "share.h"

#include <linux/falloc.h>
#include <sys/uio.h>

#define SPANS 4
#define STEP  4 /* every fourth page is a copy, the one behind it is read from the file */

static size_t span, len, nr;

/* The first pages of each table are: as many on every machine. */
#define USED (ktap_swept ? 128u : 512u)

static bool is_used(size_t page)
{
    return page % (span / page_size) < USED;
}

static unsigned char file_byte(size_t page)
{
    return (unsigned char)(page * 5 + 3);
}

/* A file without holes where it is used. */
static int new_file(void)
{
    char *all;
    int fd;

    span = share_span();
    len = SPANS * span;
    nr = len / page_size;
    fd = share_file(len);
    all = share_map(NULL, len, RW, MAP_SHARED, fd, 0);
    for (size_t i = 0; i < nr; i++)
        if (is_used(i))
            all[i * page_size] = (char)file_byte(i);
    CHECK_OK(munmap(all, len));
    return fd;
}

static void make_copies(char *p)
{
    for (size_t i = 0; i < nr; i += STEP)
        if (is_used(i))
            p[i * page_size] = (char)share_byte(i);
}

static char *new_area(int fd)
{
    char *p = share_map(share_place(len), len, RW, MAP_PRIVATE, fd, 0);

    make_copies(p);
    for (size_t i = 1; i < nr; i += STEP)
        if (is_used(i))
            CHECK_EQ((unsigned char)p[i * page_size], file_byte(i));
    return p;
}

/* How many pages in [first, last) are not as they were made. @zeroes: the file's are zeroes by now;
 * @cut: there are no copies any more. */
static size_t wrong_in(const volatile char *p, size_t first, size_t last, bool zeroes, bool cut)
{
    size_t wrong = 0;

    for (size_t i = first; i < last; i++) {
        int want = i % STEP == 0 && !cut ? share_byte(i) : zeroes ? 0 : file_byte(i);

        wrong += is_used(i) && (unsigned char)p[i * page_size] != want;
    }
    return wrong;
}

static size_t wrong(const volatile char *p)
{
    return wrong_in(p, 0, nr, false, false);
}

static void check_sigbus(const volatile char *p, size_t first)
{
    for (size_t i = first; i < nr; i += 7)
        if (is_used(i))
            CHECK_EQ(share_load(p + i * page_size), -SIGBUS);
}

/* ---- one at a time ---- */

TEST(both_sides_read_and_write)
{
    int fd = new_file();
    char *p = new_area(fd);
    struct share_mark share = share_begin(SHARE_FORK);
    pid_t pid = peer();

    if (pid == 0) {
        CHECK_EQ(wrong(p), 0);
        for (size_t i = 0; i < nr; i += 3)
            if (is_used(i))
                p[i * page_size + 1] = 'c';
        CHECK_EQ(wrong(p), 0);
        peer_end();
    }
    CHECK_EQ(wrong(p), 0);
    for (size_t i = 0; i < nr; i += 5)
        if (is_used(i))
            p[i * page_size + 1] = 'p';
    CHECK_PEER(pid);
    for (size_t i = 0; i < nr; i++)
        if (is_used(i) && p[i * page_size + 1] != (i % 5 ? 0 : 'p'))
            CHECK_EQ(i, nr);
    CHECK_FORK_SHARED(share, SPANS);
    close(fd);
}

/* What each of three processes has resident, in pages. */
static long resident(const char *field)
{
    return file_field("/proc/self/status", field) / (long)(page_size / 1024);
}

TEST(accounts)
{
    int fd = new_file();
    char *p = new_area(fd);
    struct share_mark share = share_begin(SHARE_FORK);
    long anon = resident("RssAnon"), file = resident("RssFile") + resident("RssShmem");
    pid_t pid = peer();

    if (pid == 0) {
        long slack = 128, mine = resident("RssAnon");

        if (share_forks() && !share_is_off("fork_share") && !ktap_swept) {
            CHECK(mine > anon - slack && mine < anon + slack);
            mine = resident("RssFile") + resident("RssShmem");
            CHECK(mine > file - slack && mine < file + slack);
        }
        CHECK_OK(madvise(p, len, MADV_DONTNEED)); /* whole spans: links are dropped */
        CHECK(resident("RssAnon") < anon - SPANS * USED / STEP + slack);
        CHECK_EQ(wrong_in(p, 0, nr, false, true), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(wrong(p), 0);
    CHECK_FORK_SHARED(share, SPANS);
    close(fd);
}

/* ---- truncation ---- */

enum who { PARENT, CHILD, OTHER };

/* The file becomes shorter while three have the tables, and longer again. */
static void cut_by(enum who who)
{
    int fd = new_file();
    char *p = new_area(fd);
    struct share_mark share = share_begin(SHARE_FORK);
    size_t first = nr / 2 + 5;
    pid_t pids[3];

    share_catch();
    stage_new();
    for (unsigned int i = 0; i < 3; i++) {
        pids[i] = peer();
        if (pids[i] != 0)
            continue;
        if (i == 2) { /* a third party has the file only */
            CHECK_OK(munmap(p, len));
            stage_meet(0, 4);
            if (who == OTHER)
                CHECK_OK(ftruncate(fd, (off_t)(first * page_size)));
            stage_meet(1, 4);
            stage_meet(2, 4);
            peer_end();
        }
        CHECK_EQ(wrong(p), 0);
        stage_meet(0, 4);
        if (who == CHILD && i == 1)
            CHECK_OK(ftruncate(fd, (off_t)(first * page_size)));
        stage_meet(1, 4);
        check_sigbus(p, first);
        CHECK_EQ(wrong_in(p, 0, first, false, false), 0);
        stage_meet(2, 4);
        stage_wait(3, 1);
        CHECK_EQ(wrong_in(p, 0, first, false, false), 0);
        CHECK_EQ(wrong_in(p, first, nr, true, true), 0);
        peer_end();
    }
    CHECK_FORK_SHARED(share, 3 * SPANS);
    stage_meet(0, 4);
    if (who == PARENT)
        CHECK_OK(ftruncate(fd, (off_t)(first * page_size)));
    stage_meet(1, 4);
    check_sigbus(p, first);
    stage_meet(2, 4);
    CHECK_EQ(share_violations(), 0);
    CHECK_OK(ftruncate(fd, (off_t)len));
    stage_done(3);
    CHECK_EQ(wrong_in(p, 0, first, false, false), 0);
    CHECK_EQ(wrong_in(p, first, nr, true, true), 0);
    for (unsigned int i = 0; i < 3; i++)
        CHECK_PEER(pids[i]);
    close(fd);
}

TEST(cut_by_the_parent)
{
    cut_by(PARENT);
}

TEST(cut_by_a_child)
{
    cut_by(CHILD);
}

TEST(cut_by_somebody_else)
{
    cut_by(OTHER);
}

/* A hole takes the file's pages, not copies; also by madvise of a shared mapping. */
static void punch(bool by_advice)
{
    int fd = new_file();
    char *p = new_area(fd), *s = share_map(NULL, len, RW, MAP_SHARED, fd, 0);
    char *second = share_map(share_place(len), len, RW, MAP_PRIVATE, fd, 0);
    size_t table = span / page_size; /* pages of it; the hole ends among those that are used */
    size_t first = ktap_swept ? table + USED / 3 : nr / 3;
    size_t last = ktap_swept ? 2 * table + USED / 3 : first + nr / 3;
    pid_t pid;

    make_copies(second);
    stage_new();
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(wrong(p), 0);
        stage_meet(0, 2);
        stage_meet(1, 2);
    } else {
        stage_meet(0, 2);
        if (by_advice)
            CHECK_OK(madvise(s + first * page_size, (last - first) * page_size, MADV_REMOVE));
        else
            CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                               (off_t)(first * page_size), (off_t)((last - first) * page_size)));
        stage_meet(1, 2);
    }
    for (int i = 0; i < 2; i++) {
        char *area = i ? second : p;

        CHECK_EQ(wrong_in(area, 0, first, false, false), 0);
        CHECK_EQ(wrong_in(area, first, last, true, false), 0);
        CHECK_EQ(wrong_in(area, last, nr, false, false), 0);
    }
    if (pid == 0)
        peer_end();
    CHECK_PEER(pid);
    CHECK_OK(munmap(s, len));
    CHECK_OK(munmap(second, len));
    close(fd);
}

TEST(punched)
{
    punch(false);
}

TEST(punched_by_advice)
{
    punch(true);
}

/* Truncation beside children that read, write, fork and exit. */
#define ROUNDS 4

static void busy(char *p, size_t first, unsigned int seed)
{
    for (unsigned int k = 0; atomic_load(&stage->word[0]) == 0; k++) {
        size_t i = (seed * 7919 + k * 104729) % first;
        pid_t pid;

        CHECK_EQ(wrong_in(p, i, i + 1, false, false), 0);
        (void)share_load(p + (first + i % (nr - first)) * page_size);
        if (k % 4 == seed)
            (void)share_store(p + i * page_size + 1, (char)k);
        if (k % 64 != 0)
            continue;
        pid = peer();
        if (pid == 0) {
            CHECK_EQ(wrong_in(p, i, i + 1, false, false), 0);
            (void)share_load(p + (first + i % (nr - first)) * page_size);
            peer_end();
        }
        CHECK_PEER(pid);
    }
}

TEST(cut_beside_forks)
{
    int fd = new_file();
    char *p = new_area(fd);
    size_t first = nr / 2 + 9;
    pid_t pids[4];

    skip_race_under_sweep();
    share_catch();
    stage_new();
    for (unsigned int i = 0; i < 4; i++) {
        pids[i] = peer();
        if (pids[i] != 0)
            continue;
        busy(p, first, i);
        peer_end();
    }
    for (unsigned int k = 0; k < ROUNDS; k++) {
        CHECK_OK(ftruncate(fd, (off_t)(first * page_size)));
        check_sigbus(p, nr - span / page_size + USED / 2);
        CHECK_OK(ftruncate(fd, (off_t)len));
        CHECK_EQ(wrong_in(p, first, nr, true, true), 0);
        for (size_t i = first; i < nr; i += STEP)
            if (is_used(i))
                p[i * page_size] = 0; /* copies again, for the next child */
        CHECK_OK(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           (off_t)(first * page_size), (off_t)(len - first * page_size)));
    }
    atomic_store(&stage->word[0], 1);
    for (unsigned int i = 0; i < 4; i++)
        CHECK_PEER(pids[i]);
    CHECK_EQ(wrong_in(p, 0, first, false, false), 0);
    close(fd);
}

/* ---- other changes ---- */

TEST(changes_of_the_mapping)
{
    int fd = new_file();
    char *p = new_area(fd), *to = share_place(len);
    struct share_mark share = share_begin(SHARE_FORK);
    size_t part = span + 3 * page_size, part_pages = part / page_size;
    pid_t pid = peer();

    share_catch();
    if (pid == 0) {
        CHECK_OK(mprotect(p + span, 2 * span, PROT_READ));
        CHECK_EQ(share_store(p + span, 1), -SIGSEGV);
        CHECK_OK(mprotect(p + span + page_size, span, RW));
        CHECK_OK(mlock(p + 3 * span, page_size));
        CHECK_OK(munlock(p + 3 * span, page_size));
        CHECK_OK(madvise(p + part, 4 * page_size, MADV_DONTNEED));
        CHECK_EQ(wrong_in(p, part_pages, part_pages + 4, false, true), 0);
        CHECK_EQ(wrong_in(p, part_pages + 4, nr, false, false), 0);
        CHECK(mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == to ||
              errno == EFAULT); /* several areas by now */
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_FORK_SHARED(share, SPANS);
    CHECK_EQ(wrong(p), 0);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to), to);
        CHECK_EQ(wrong(to), 0);
        CHECK_OK(munmap(to + page_size, 2 * span));
        CHECK_EQ(share_load(to + span), -SIGSEGV);
        CHECK_EQ(wrong_in(to, 2 * span / page_size + 1, nr, false, false), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(wrong(p), 0);
    close(fd);
}

/* A pin for reading, by who has the child's memory written: the parent's stays as it is. */
TEST(writes_from_outside)
{
    int fd = new_file();
    char *p = new_area(fd), buffer[64];
    struct iovec local = {buffer, sizeof(buffer)}, remote;
    pid_t pid;

    stage_new();
    pid = peer();
    if (pid == 0) {
        stage_meet(0, 2);
        stage_meet(1, 2);
        CHECK_EQ(p[page_size + 9], 'x');
        CHECK_EQ(wrong(p), 0);
        peer_end();
    }
    stage_meet(0, 2);
    remote = (struct iovec){p + page_size, sizeof(buffer)};
    CHECK_EQ(process_vm_readv(pid, &local, 1, &remote, 1, 0), (ssize_t)sizeof(buffer));
    CHECK_EQ((unsigned char)buffer[0], file_byte(1));
    buffer[9] = 'x';
    CHECK_EQ(process_vm_writev(pid, &local, 1, &remote, 1, 0), (ssize_t)sizeof(buffer));
    stage_meet(1, 2);
    CHECK_PEER(pid);
    CHECK_EQ(p[page_size + 9], 0);
    CHECK_EQ(wrong(p), 0);
    close(fd);
}

/* Pages of the file and copies move, or stay, while two have the table. */
TEST(pages_move)
{
    int fd = new_file();
    char *p = new_area(fd);
    pid_t pid;

    if (access("/sys/kernel/debug/migrate_pages", W_OK) != 0)
        ktap_skip("nobody moves pages on request here");
    stage_new();
    pid = peer();
    if (pid == 0) {
        stage_meet(0, 2);
        stage_meet(1, 2);
        CHECK_EQ(wrong(p), 0);
        peer_end();
    }
    stage_meet(0, 2);
    for (size_t at = 0; at < len; at += span)
        (void)write_range("/sys/kernel/debug/migrate_pages", p + at, USED / 8 * page_size);
    CHECK_EQ(wrong(p), 0);
    stage_meet(1, 2);
    CHECK_PEER(pid);
    for (size_t at = 0; at < len; at += span)
        (void)write_range("/sys/kernel/debug/migrate_pages", p + at, USED / 8 * page_size);
    CHECK_EQ(wrong(p), 0);
    close(fd);
}

KTAP_MAIN(CASE(both_sides_read_and_write), CASE(accounts), CASE(cut_by_the_parent),
          CASE(cut_by_a_child), CASE(cut_by_somebody_else), CASE(punched), CASE(punched_by_advice),
          CASE(cut_beside_forks), CASE(changes_of_the_mapping), CASE(writes_from_outside),
          CASE(pages_move))
