/* SPDX-License-Identifier: MIT */
/*
 * Users of one object who differ: in what they may, in where they map it, in what they have written
 * or locked, in number. T6, T13, T14, T16 to T19 of the tests of shared page tables (share_test.c).
 */
#include "fail_nth.h"
#include "share.h"

#include <sys/uio.h>

/* ---- T6: private mappings that are read-only, with and without pages of their own ---- */

/* A private mapping that was written once and then made read-only. */
static char *written_private(int fd, size_t len)
{
    char *p = share_map(share_place(len), len, RW, MAP_PRIVATE, fd, 0);

    p[8 * page_size] = 'P';
    CHECK_OK(mprotect(p, len, PROT_READ));
    return p;
}

static void check_written(const char *p, size_t len)
{
    CHECK_EQ(p[8 * page_size], 'P');
    CHECK_EQ(p[8 * page_size + 1], 0);
    CHECK_EQ((unsigned char)p[0], share_byte(0));
    CHECK_EQ((unsigned char)p[len - 8 * page_size], share_byte(len / page_size - 8));
}

TEST(t6_written_private_as_receiver)
{
    size_t len = share_span();
    int fd;
    char *shared = share_new(len, &fd), *p;
    pid_t pid;

    stage_new();
    share_fill(shared, len, 8);
    pid = peer();
    if (pid == 0) { /* has the whole object mapped read-only and private */
        char *mine = share_map(share_place(len), len, PROT_READ, MAP_PRIVATE, fd, 0);

        CHECK_EQ(share_wrong(mine, len, 8), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(share_wrong(mine, len, 8), 0);
        peer_end();
    }
    stage_wait(0, 1);
    p = written_private(fd, len);
    check_written(p, len);
    munmap(p, len);
    p = written_private(fd, len);
    madvise(p + 16 * page_size, len - 16 * page_size, MADV_DONTNEED);
    check_written(p, len);
    stage_done(1);
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(shared, len, 8), 0);
}

TEST(t6_written_private_as_donor)
{
    size_t len = share_span();
    int fd;
    char *shared = share_new(len, &fd), *p;
    pid_t pid;

    share_fill(shared, len, 8);
    p = written_private(fd, len);
    check_written(p, len);
    pid = peer();
    if (pid == 0) {
        char *mine = share_map(share_place(len), len, PROT_READ, MAP_PRIVATE, fd, 0);

        CHECK_EQ(share_wrong(mine, len, 8), 0);
        CHECK_OK(munmap(mine, len));
        mine = share_map(p, len, PROT_READ, MAP_PRIVATE, fd, 0); /* in the place of the copy */
        CHECK_EQ(share_wrong(mine, len, 8), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    check_written(p, len);
}

/* Shared while it is read-only; then one user makes it writable and writes. */
TEST(t6_read_only_becomes_written)
{
    struct share_mark mark = share_begin(SHARE_PT);
    size_t len = share_span();
    int fd;
    char *shared = share_new(len, &fd), *p;
    pid_t pid;

    stage_new();
    share_fill(shared, len, 8);
    p = share_map(share_place(len), len, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK_EQ(share_wrong(p, len, 8), 0);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, len, 8), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(share_wrong(p, len, 8), 0);
        peer_end();
    }
    stage_wait(0, 1);
    CHECK_SHARED(mark, 1);
    CHECK_EQ(try_write(p), SIGSEGV);
    CHECK_OK(mprotect(p, len, RW));
    memset(p, 'w', 2 * page_size);
    CHECK_EQ(p[2 * page_size - 1], 'w');
    CHECK_EQ((unsigned char)shared[0], share_byte(0));
    stage_done(1);
    CHECK_PEER(pid);
    CHECK_EQ(p[0], 'w');
    CHECK_EQ(share_wrong(shared, len, 8), 0);
}

/* ---- T13: somebody holds pages while their table loses its users ---- */

TEST(t13_pages_held_over_unshare)
{
    size_t len = share_span();
    int fd, fds[2];
    char *p = share_new(len, &fd), got[16];
    struct iovec v = {p + 5 * page_size, 16};
    pid_t pid;

    REQUIRE(pipe(fds) == 0);
    memset(p + 5 * page_size, 'h', 16);
    REQUIRE(vmsplice(fds[1], &v, 1, 0) == 16); /* the pipe has the page now */
    for (int i = 0; i < 4; i++) {
        pid = peer();
        if (pid == 0) {
            CHECK_EQ(p[5 * page_size], 'h');
            CHECK_OK(munmap(p + i * page_size, len / 2));
            peer_end();
        }
        CHECK_PEER(pid);
    }
    CHECK_OK(munmap(p, len));
    CHECK_OK(ftruncate(fd, 0));
    CHECK_EQ(read(fds[0], got, 16), 16);
    CHECK(memcmp(got, "hhhhhhhhhhhhhhhh", 16) == 0);
}

/* ---- T14: locked memory stays, whatever the neighbours do ---- */

static void check_resident(char *p, size_t len)
{
    long before = minor_faults();
    size_t wrong = 0;

    wrong += share_wrong(p, len, 1);
    CHECK_EQ(minor_faults() - before, 0);
    CHECK_EQ(wrong, 0);
}

TEST(t14_locked_while_others_reclaim)
{
    size_t len = share_span() < BIG / 128 ? share_span() : 64 * page_size; /* RLIMIT_MEMLOCK */
    int fd;
    char *p = share_new(share_span(), &fd);
    pid_t pid;

    stage_new();
    share_fill(p, len, 1);
    if (mlock(p, len) != 0)
        ktap_skip("mlock: %s", strerror(errno));
    check_resident(p, len);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, len, 1), 0);
        madvise(p, len, MADV_COLD);
        madvise(p, len, MADV_PAGEOUT);
        CHECK_OK(madvise(p, len, MADV_DONTNEED));
        CHECK_EQ(share_wrong(p, len, 1), 0);
        CHECK_OK(munmap(p + page_size, len - 2 * page_size));
        stage_done(0);
        stage_wait(1, 1);
        peer_end();
    }
    stage_wait(0, 1);
    check_resident(p, len);
    stage_done(1);
    CHECK_PEER(pid);
    check_resident(p, len);
}

/* I10: a locked range is cut, so that its table cannot stay shared; what is left stays resident. */
TEST(t14_locked_range_is_cut)
{
    size_t len = share_span() < BIG / 128 ? share_span() : 64 * page_size;
    int fd;
    char *p = share_new(share_span(), &fd);
    pid_t pid;

    stage_new();
    share_fill(p, len, 1);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, len, 1), 0);
        if (mlock(p, len) == 0) {
            check_resident(p, len);
            CHECK_OK(mprotect(p + 4 * page_size, page_size, PROT_READ));
            check_resident(p, len);
            CHECK_OK(munmap(p + 9 * page_size, page_size));
            check_resident(p, 9 * page_size);
            CHECK_OK(munlock(p + 2 * page_size, page_size));
            check_resident(p, 9 * page_size);
        }
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, len, 1), 0);
}

/* ---- T16: memory is lacking at each allocation in turn ---- */

/* Everything that makes, cuts and leaves shared tables; errors are all right. */
static void use_tables(char *p, size_t len, int fd)
{
    char *q = share_place(len);

    madvise(p, len, MADV_POPULATE_READ);
    if (mmap(q, len, RW, MAP_SHARED | MAP_FIXED, fd, 0) == q) {
        madvise(q + page_size, 2 * page_size, MADV_POPULATE_WRITE);
        mprotect(q, page_size, PROT_READ);
        munmap(q + 4 * page_size, page_size);
        sys_mremap(q + 8 * page_size, page_size, page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                   q - page_size);
        madvise(q + 2 * page_size, page_size, MADV_DONTNEED);
        fallocate(fd, 3, (off_t)(12 * page_size), (off_t)page_size); /* punches */
    }
    munmap(p + 3 * page_size, page_size);
}

/* One fault in a child's calls; false when they had no place left for it. */
static bool one_fault(char *p, size_t len, int fd, int n)
{
    int status;
    pid_t pid = peer();

    if (pid == 0) {
        bool fell;

        nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
        arm(n);
        use_tables(p, len, fd);
        fell = disarm() == 0;
        CHECK_EQ(try_read(p + 3 * page_size) == SIGSEGV || p[0] == 'o', 1);
        fflush(stdout);
        _exit(ktap_failures ? 1 : fell ? 0 : 2);
    }
    status = peer_wait(pid);
    CHECK(status == 0 || status == 2 << 8);
    return status == 0;
}

TEST(t16_no_memory_for_each_step)
{
    size_t len = share_span();
    int fd, n = 1;
    char *p = share_new(len, &fd);

    if (access("/proc/self/fail-nth", W_OK) != 0)
        ktap_skip("no fault injection in this kernel (/proc/self/fail-nth)");
    memset(p, 'o', 16 * page_size);
    while (n < 400 && one_fault(p, len, fd, n)) {
        CHECK_EQ(share_violations(), 0);
        CHECK_EQ(p[page_size], 'o');
        n += ktap_swept ? 16 : 1;
    }
    CHECK(n > 5 && n < 400);
}

/* ---- T17: what one may write, another may only read, or not even that ---- */

TEST(t17_reader_beside_writer)
{
    size_t len = share_span();
    int fd, fds[2];
    char *p = share_new(len, &fd);
    pid_t pid;

    stage_new();
    REQUIRE(pipe(fds) == 0);
    share_fill(p, len, 1);
    pid = peer();
    if (pid == 0) {
        char *q = share_map(share_place(len), len, PROT_READ, MAP_SHARED, fd, 0),
             word[8] = "kernel";
        struct iovec from = {word, 8}, to = {q + 2 * page_size, 8};

        CHECK_OK(munmap(p, len)); /* only the read-only one is left */
        CHECK_EQ(share_wrong(q, len, 1), 0);
        for (size_t i = 0; i < len; i += len / 16)
            CHECK_FAULT(try_write(q + i), q + i, SIGSEGV, SEGV_ACCERR);
        CHECK_EQ(write(fds[1], "pipe", 4), 4);
        CHECK_ERRNO(read(fds[0], q + page_size, 4), EFAULT);
        CHECK_ERRNO(process_vm_writev(getpid(), &from, 1, &to, 1, 0), EFAULT);
        CHECK_ERRNO(sys_madvise(q, page_size, MADV_POPULATE_WRITE), EINVAL);
        CHECK_EQ(share_wrong(q, len, 1), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(q[3 * page_size + 1], 'w');
        CHECK_EQ(try_write(q + 3 * page_size + 1), SIGSEGV);
        CHECK_OK(mprotect(q, len, PROT_NONE));
        CHECK_EQ(try_read(q), SIGSEGV);
        CHECK_EQ(try_read(q + len / 2), SIGSEGV);
        CHECK_OK(mprotect(q, len, RW));
        q[4 * page_size + 1] = 'q';
        stage_done(2);
        peer_end();
    }
    stage_wait(0, 1);
    CHECK_EQ(share_wrong(p, len, 1), 0);
    p[3 * page_size + 1] = 'w';
    stage_done(1);
    stage_wait(2, 1);
    CHECK_EQ(p[4 * page_size + 1], 'q');
    CHECK_PEER(pid);
}

/* A user who opened the file for reading never writes, however writable the others' leaves are. */
TEST(t17_read_only_descriptor)
{
    size_t len = share_span();
    char path[64];
    int fd, ro;
    char *p = share_new(len, &fd), *q;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ro = open(path, O_RDONLY);
    REQUIRE(ro >= 0);
    share_fill(p, len, 4);
    q = share_map(share_place(len), len, PROT_READ, MAP_SHARED, ro, 0);
    CHECK_EQ(share_wrong(q, len, 4), 0);
    CHECK_ERRNO(mprotect(q, len, RW), EACCES);
    CHECK_EQ(try_write(q + 4 * page_size), SIGSEGV);
    p[4 * page_size] = 'w';
    CHECK_EQ(q[4 * page_size], 'w');
    CHECK_EQ(try_write(q + 4 * page_size), SIGSEGV);
}

/* One runs what another writes; the writer may not run it. */
#if defined(__x86_64__)
static const unsigned char returns[] = {0xc3};
#elif defined(__powerpc64__)
static const unsigned char returns[] = {0x4e, 0x80, 0x00, 0x20};
#endif

static int try_call(char *at)
{
#if defined(__powerpc64__) && (!defined(_CALL_ELF) || _CALL_ELF == 1)
    uintptr_t descriptor[3] = {(uintptr_t)at};
    void (*fn)(void) = (void (*)(void))descriptor;
#else
    void (*fn)(void) = (void (*)(void))at;
#endif
    int sig = sigsetjmp(share_back, 1);

    if (sig == 0) {
        share_inside = 1;
        fn();
    }
    share_inside = 0;
    return sig;
}

TEST(t17_one_executes)
{
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    share_catch();
    share_fill(p, len, 4);
    memcpy(p + page_size, returns, sizeof(returns));
    pid = peer();
    if (pid == 0) {
        char *x = share_map(share_place(len), len, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);

        CHECK_EQ(share_wrong(x, len, 4), 0);
        __builtin___clear_cache(x + page_size, x + page_size + 16);
        CHECK_EQ(try_call(x + page_size), 0);
        CHECK_EQ(try_call(p + page_size), SIGSEGV);
        peer_end();
    }
    CHECK_EQ(try_call(p + page_size), SIGSEGV);
    CHECK_PEER(pid);
    CHECK_EQ(try_call(p + page_size), SIGSEGV);
}

/* ---- T18: at different addresses ---- */

TEST(t18_other_addresses)
{
    struct share_mark mark = share_begin(SHARE_PT);
    size_t span = share_span(), len = 2 * span;
    int fd;
    char *p = share_new(len, &fd), *q;
    pid_t pid;

    share_fill(p, len, 8);
    pid = peer();
    if (pid == 0) {
        q = share_map(share_place(len), len, RW, MAP_SHARED, fd, 0);
        CHECK_OK(munmap(p, len));
        CHECK_EQ(share_wrong(q, len, 8), 0);
        q[1] = 'q';
        /* The file's second span alone, then at an address with another offset into tables. */
        q = share_map(share_place(span), span, RW, MAP_SHARED, fd, span);
        CHECK_EQ((unsigned char)q[8 * page_size], share_byte(span / page_size + 8));
        q = share_map(share_place(len) + 3 * page_size, len, RW, MAP_SHARED, fd, 0);
        CHECK_EQ(share_wrong(q, len, 8), 0);
        q[8 * page_size + 1] = 'o';
        CHECK_EQ(q[1], 'q');
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(p[1], 'q');
    CHECK_EQ(p[8 * page_size + 1], 'o');
    CHECK_EQ(share_wrong(p, len, 8), 0);
    CHECK_SHARED(mark, 1);
}

/* Twice in one address space, at once. */
TEST(t18_twice_in_one_process)
{
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd), *q = share_map(share_place(len), len, RW, MAP_SHARED, fd, 0);

    share_fill(p, len, 8);
    CHECK_EQ(share_wrong(q, len, 8), 0);
    CHECK_OK(munmap(p + 8 * page_size, page_size));
    CHECK_EQ(try_read(p + 8 * page_size), SIGSEGV);
    CHECK_EQ(share_wrong(q, len, 8), 0);
    CHECK_OK(mprotect(q, len, PROT_READ));
    CHECK_EQ(try_write(q), SIGSEGV);
    p[1] = 'p';
    CHECK_EQ(q[1], 'p');
    CHECK_OK(munmap(p, len));
    CHECK_EQ(share_wrong(q, len, 8), 0);
}

KTAP_MAIN(CASE(t6_written_private_as_receiver), CASE(t6_written_private_as_donor),
          CASE(t6_read_only_becomes_written), CASE(t13_pages_held_over_unshare),
          CASE(t14_locked_while_others_reclaim), CASE(t14_locked_range_is_cut),
          CASE(t16_no_memory_for_each_step), CASE(t17_reader_beside_writer),
          CASE(t17_read_only_descriptor), CASE(t17_one_executes), CASE(t18_other_addresses),
          CASE(t18_twice_in_one_process))
