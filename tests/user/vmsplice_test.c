/* SPDX-License-Identifier: MIT */
/* vmsplice(2), and splice and tee of what it put into a pipe: the pages are the process' own, not
 * copies, and outlive its mapping of them. */
#include "mem.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/uio.h>

static int ends[2];

static void make_pipe(void)
{
    CHECK_OK(pipe(ends));
}

static ssize_t give(int fd, void *base, size_t len, unsigned flags)
{
    struct iovec v = {base, len};

    return vmsplice(fd, &v, 1, flags);
}

/* Reads @len bytes; are all of them @c? */
static bool pipe_has(int fd, size_t len, char c)
{
    char buf[4096];

    while (len > 0) {
        ssize_t n = read(fd, buf, len < sizeof(buf) ? len : sizeof(buf));

        if (n <= 0)
            return false;
        for (ssize_t i = 0; i < n; i++)
            if (buf[i] != c)
                return false;
        len -= (size_t)n;
    }
    return true;
}

TEST(pages_not_copies)
{
    char *p = map_pages(2, RW);

    make_pipe();
    memset(p, 'a', 2 * page_size);
    CHECK_EQ(give(ends[1], p, 2 * page_size, 0), 2 * page_size);
    memset(p + page_size, 'b', page_size); /* the reader gets what is there when it reads */
    CHECK(pipe_has(ends[0], page_size, 'a'));
    CHECK(pipe_has(ends[0], page_size, 'b'));
}

TEST(pieces)
{
    char *p = map_pages(3, RW), buf[64] = "";
    struct iovec v[4] = {{p + 10, 5}, {p, 0}, {p + page_size - 3, 6}, {p + 2 * page_size, 4}};

    make_pipe();
    memcpy(p + 10, "first", 5);
    memcpy(p + page_size - 3, "border", 6);
    memcpy(p + 2 * page_size, "last", 4);
    CHECK_EQ(vmsplice(ends[1], v, 4, SPLICE_F_MORE), 15);
    CHECK_EQ(write(ends[1], "!", 1), 1); /* not into the process' page */
    CHECK_EQ(p[2 * page_size + 4], 0);
    CHECK_EQ(read(ends[0], buf, sizeof(buf)), 16);
    CHECK(strcmp(buf, "firstborderlast!") == 0);
}

TEST(survives_munmap)
{
    char *p = map_pages(4, RW);

    make_pipe();
    memset(p, 'm', 4 * page_size);
    CHECK_EQ(give(ends[1], p, 4 * page_size, SPLICE_F_GIFT), 4 * page_size);
    CHECK_OK(munmap(p, 2 * page_size));
    CHECK_OK(madvise(p + 2 * page_size, page_size, MADV_DONTNEED));
    CHECK_EQ(p[2 * page_size], 0);
    /* memory that would be given the frames, if they were free */
    memset(map_pages(256, RW), 'x', 256 * page_size);
    p[2 * page_size] = 'y';
    CHECK(pipe_has(ends[0], 4 * page_size, 'm'));
}

TEST(survives_exit)
{
    int status;
    pid_t pid;

    make_pipe();
    pid = fork();
    if (pid == 0) {
        char *p = map_pages(3, RW);

        memset(p, 'e', 3 * page_size);
        _exit(give(ends[1], p, 3 * page_size, 0) == (ssize_t)(3 * page_size) ? 0 : 1);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    memset(map_pages(256, RW), 'x', 256 * page_size);
    CHECK(pipe_has(ends[0], 3 * page_size, 'e'));
}

/* What one process put in does not change when the other writes to its copy of the memory. */
static void leak(bool before_fork, bool child_writes)
{
    char *p = map_pages(2, RW);
    int go[2], status;
    char c;
    pid_t pid;

    make_pipe();
    CHECK_OK(pipe(go));
    memset(p, 'o', 2 * page_size);
    if (before_fork)
        CHECK_EQ(give(ends[1], p, 2 * page_size, 0), 2 * page_size);
    pid = fork();
    if (pid == 0) {
        close(go[1]);
        if (child_writes) {
            (void)!read(go[0], &c, 1);
            memset(p, 'n', 2 * page_size);
            _exit(0);
        }
        if (!before_fork && give(ends[1], p, 2 * page_size, 0) != (ssize_t)(2 * page_size))
            _exit(1);
        munmap(p, 2 * page_size);
        (void)!read(go[0], &c, 1); /* the parent writes */
        _exit(pipe_has(ends[0], 2 * page_size, 'o') ? 0 : 2);
    }
    close(go[0]);
    if (child_writes) {
        if (!before_fork)
            CHECK_EQ(give(ends[1], p, 2 * page_size, 0), 2 * page_size);
        CHECK_OK(munmap(p, 2 * page_size));
    } else {
        struct pollfd f = {ends[0], POLLIN, 0};

        CHECK_EQ(poll(&f, 1, 20000), 1);
        usleep(20000);
        memset(p, 'n', 2 * page_size);
    }
    close(go[1]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    if (child_writes)
        CHECK(pipe_has(ends[0], 2 * page_size, 'o'));
}

TEST(child_writes_after_vmsplice_before_fork)
{
    leak(true, true);
}

TEST(child_writes_after_vmsplice_after_fork)
{
    leak(false, true);
}

/* CVE-2020-29374: a child must not see what its parent writes later. */
TEST(parent_writes_after_vmsplice_in_child)
{
    leak(false, false);
}

TEST(fills_the_pipe)
{
    char *p;
    long size;

    make_pipe();
    size = fcntl(ends[1], F_SETPIPE_SZ, 4 * page_size);
    CHECK_EQ(size, 4 * page_size);
    p = map_pages(10, RW);
    memset(p, 'f', 10 * page_size);
    CHECK_EQ(give(ends[1], p, 10 * page_size, 0), 4 * page_size); /* what fits, then it returns */
    CHECK_ERRNO(give(ends[1], p, page_size, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(pipe_has(ends[0], 4 * page_size, 'f'));
    for (int i = 0; i < 4; i++) /* a slot for each piece */
        CHECK_EQ(give(ends[1], p, 1, 0), 1);
    CHECK_ERRNO(give(ends[1], p, 1, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK(pipe_has(ends[0], 4, 'f'));
}

static void *read_later(void *arg)
{
    usleep(50000);
    return pipe_has(ends[0], 4 * page_size, 'f') ? arg : NULL;
}

TEST(waits_for_room)
{
    char *p = map_pages(4, RW);
    pthread_t t;
    void *ok = NULL;

    make_pipe();
    CHECK_EQ(fcntl(ends[1], F_SETPIPE_SZ, 4 * page_size), 4 * page_size);
    memset(p, 'f', 4 * page_size);
    CHECK_EQ(give(ends[1], p, 4 * page_size, 0), 4 * page_size);
    REQUIRE(pthread_create(&t, NULL, read_later, ends) == 0);
    CHECK(give(ends[1], p, page_size, 0) == (ssize_t)page_size);
    pthread_join(t, &ok);
    CHECK(ok != NULL);
}

TEST(tee_and_splice_on)
{
    int more[2];
    char *p = map_pages(2, RW);

    make_pipe();
    CHECK_OK(pipe(more));
    memset(p, 't', 2 * page_size);
    CHECK_EQ(give(ends[1], p, 2 * page_size, 0), 2 * page_size);
    CHECK_EQ(tee(ends[0], more[1], page_size + 100, 0), page_size + 100);
    memset(p, 'u', page_size); /* still the same page, in both pipes */
    CHECK(pipe_has(more[0], page_size, 'u'));
    CHECK(pipe_has(more[0], 100, 't'));
    CHECK_EQ(splice(ends[0], NULL, more[1], NULL, page_size - 1, 0), page_size - 1);
    CHECK_OK(munmap(p, 2 * page_size));
    memset(map_pages(64, RW), 'x', 64 * page_size);
    CHECK(pipe_has(more[0], page_size - 1, 'u'));
    CHECK(pipe_has(ends[0], 1, 'u'));
    CHECK(pipe_has(ends[0], page_size, 't'));
}

TEST(into_a_file)
{
    char *p = map_pages(2, RW), buf[16] = "";
    int fd = open("/tmp/vmsplice", O_RDWR | O_CREAT | O_TRUNC, 0600);

    make_pipe();
    memcpy(p + page_size - 4, "contents", 8);
    CHECK_EQ(give(ends[1], p + page_size - 4, 8, 0), 8);
    CHECK_EQ(splice(ends[0], NULL, fd, NULL, 100, 0), 8);
    CHECK_EQ(pread(fd, buf, sizeof(buf), 0), 8);
    CHECK(strcmp(buf, "contents") == 0);
    unlink("/tmp/vmsplice");
}

/* The other direction copies. */
TEST(out_of_a_pipe)
{
    char *p = map_pages(1, RW);

    make_pipe();
    CHECK_EQ(write(ends[1], "hello", 5), 5);
    CHECK_EQ(give(ends[0], p, 100, 0), 5);
    CHECK(strcmp(p, "hello") == 0);
    CHECK_ERRNO(give(ends[0], p, 100, SPLICE_F_NONBLOCK), EAGAIN);
}

TEST(shared_file_memory)
{
    int fd = open("/tmp/vmsplice2", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char *p;

    CHECK_OK(ftruncate(fd, (off_t)page_size));
    p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    make_pipe();
    memset(p, 's', page_size);
    CHECK_EQ(give(ends[1], p, page_size, 0), page_size);
    CHECK_EQ(pwrite(fd, "S", 1, 0), 1);
    CHECK_OK(ftruncate(fd, 0));
    CHECK(pipe_has(ends[0], 1, 'S'));
    CHECK(pipe_has(ends[0], page_size - 1, 's'));
    unlink("/tmp/vmsplice2");
}

TEST(errors)
{
    char *p = map_pages(2, RW);
    struct iovec v = {p, 1};
    int fd = open("/dev/zero", O_RDWR);

    make_pipe();
    CHECK_ERRNO(vmsplice(-1, &v, 1, 0), EBADF);
    CHECK_ERRNO(vmsplice(fd, &v, 1, 0), EBADF);
    CHECK_ERRNO(vmsplice(ends[1], &v, 1, 0x100), EINVAL);
    CHECK_ERRNO(vmsplice(ends[1], &v, 1025, 0), EINVAL);
    CHECK_ERRNO(vmsplice(ends[1], (void *)ktap_nowhere, 1, 0), EFAULT);
    CHECK_EQ(vmsplice(ends[1], &v, 0, 0), 0);
    CHECK_EQ(give(ends[1], p, 0, 0), 0);
    CHECK_ERRNO(give(ends[1], ktap_nowhere, 1, 0), EFAULT);
    CHECK_OK(munmap(p + page_size, page_size));
    memset(p, 'p', page_size);
    CHECK_EQ(give(ends[1], p, 2 * page_size, 0), page_size); /* as far as there is memory */
    CHECK(pipe_has(ends[0], page_size, 'p'));
    CHECK_OK(mprotect(p, page_size, PROT_NONE));
    CHECK_ERRNO(give(ends[1], p, 1, 0), EFAULT);
    CHECK_OK(close(ends[0]));
    CHECK_OK(mprotect(p, page_size, PROT_READ));
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(give(ends[1], p, 1, 0), EPIPE);
}

KTAP_MAIN(CASE(pages_not_copies), CASE(pieces), CASE(survives_munmap), CASE(survives_exit),
          CASE(child_writes_after_vmsplice_before_fork),
          CASE(child_writes_after_vmsplice_after_fork), CASE(parent_writes_after_vmsplice_in_child),
          CASE(fills_the_pipe), CASE(waits_for_room), CASE(tee_and_splice_on), CASE(into_a_file),
          CASE(out_of_a_pipe), CASE(shared_file_memory), CASE(errors))
