/* SPDX-License-Identifier: MIT */
/*
 * fs_test: what file_test and pipe_test leave out: epoll, eventfd, moving data inside the kernel,
 * file locks, socket pairs, mounts, permissions of other users, and the newer forms of old calls.
 */
#include "ktap.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#define DIR_NAME "/tmp/fs_test.dir"

static void enter_dir(void)
{
    REQUIRE(system("rm -rf " DIR_NAME) == 0);
    REQUIRE(mkdir(DIR_NAME, 0755) == 0);
    REQUIRE(chdir(DIR_NAME) == 0);
}

static int make_file(const char *name, const char *text)
{
    int fd = open(name, O_CREAT | O_TRUNC | O_RDWR, 0644);

    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    return fd;
}

/* ---- epoll ---- */

static int watch(int ep, int op, int fd, unsigned int events)
{
    struct epoll_event e = {.events = events, .data.fd = fd};

    return epoll_ctl(ep, op, fd, &e);
}

/* The events of the one ready descriptor, or 0. */
static unsigned int ready(int ep, int timeout_ms)
{
    struct epoll_event e[4];
    int n = epoll_wait(ep, e, 4, timeout_ms);

    return n == 1 ? e[0].events : n == 0 ? 0 : ~0u;
}

TEST(epoll_level_and_edge)
{
    int ep = epoll_create1(EPOLL_CLOEXEC), p[2];
    char c = 'x';

    REQUIRE(ep >= 0 && pipe(p) == 0);
    CHECK_OK(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
    CHECK_EQ(ready(ep, 0), 0);
    CHECK_EQ(write(p[1], &c, 1), 1);
    CHECK_EQ(ready(ep, 1000), EPOLLIN);
    CHECK_EQ(ready(ep, 1000), EPOLLIN); /* level: as long as it is true */
    CHECK_OK(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET));
    CHECK_EQ(ready(ep, 1000), EPOLLIN); /* modified: asked again */
    CHECK_EQ(ready(ep, 0), 0);          /* edge: once */
    CHECK_EQ(write(p[1], &c, 1), 1);
    CHECK_EQ(ready(ep, 1000), EPOLLIN);
    CHECK_OK(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT));
    CHECK_EQ(ready(ep, 1000), EPOLLIN);
    CHECK_EQ(write(p[1], &c, 1), 1);
    CHECK_EQ(ready(ep, 0), 0);
    CHECK_OK(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN));
    CHECK_EQ(ready(ep, 1000), EPOLLIN);
    CHECK_OK(watch(ep, EPOLL_CTL_DEL, p[0], 0));
    CHECK_EQ(ready(ep, 0), 0);
}

TEST(epoll_hangup_and_close)
{
    int ep = epoll_create1(0), p[2], q[2];

    REQUIRE(ep >= 0 && pipe(p) == 0 && pipe(q) == 0);
    CHECK_OK(watch(ep, EPOLL_CTL_ADD, p[0], 0));
    CHECK_OK(close(p[1]));
    CHECK_EQ(ready(ep, 1000), EPOLLHUP); /* without being asked for */
    CHECK_OK(close(p[0]));
    CHECK_EQ(ready(ep, 0), 0); /* the last close takes it out */
    CHECK_OK(watch(ep, EPOLL_CTL_ADD, q[1], EPOLLOUT));
    CHECK_EQ(ready(ep, 1000), EPOLLOUT);
    CHECK_OK(close(q[0]));
    CHECK_EQ(ready(ep, 1000), EPOLLOUT | EPOLLERR);
}

TEST(epoll_wakes_a_sleeper)
{
    int ep = epoll_create1(0), p[2], status;
    pid_t pid;

    REQUIRE(ep >= 0 && pipe(p) == 0);
    CHECK_OK(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN | EPOLLET));
    pid = ktap_fork();
    if (pid == 0) {
        for (int i = 0; i < 50; i++) {
            usleep(500);
            if (write(p[1], "x", 1) != 1)
                _exit(1);
        }
        _exit(0);
    }
    for (int got = 0; got < 50;) {
        char buf[64];
        ssize_t n;

        REQUIRE(ready(ep, 5000) == EPOLLIN);
        n = read(p[0], buf, sizeof(buf));
        REQUIRE(n > 0);
        got += (int)n;
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

TEST(epoll_errors)
{
    int ep = epoll_create1(0), file = open("/proc/self/exe", O_RDONLY), p[2];
    struct epoll_event e;

    REQUIRE(ep >= 0 && file >= 0 && pipe(p) == 0);
    CHECK_ERRNO(epoll_create1(~0), EINVAL);
    CHECK_ERRNO(watch(ep, EPOLL_CTL_ADD, file, EPOLLIN),
                EPERM); /* always ready: cannot be watched */
    CHECK_ERRNO(watch(ep, EPOLL_CTL_ADD, ep, EPOLLIN), EINVAL);
    CHECK_ERRNO(watch(file, EPOLL_CTL_ADD, p[0], EPOLLIN), EINVAL);
    CHECK_ERRNO(watch(ep, EPOLL_CTL_ADD, 999, EPOLLIN), EBADF);
    CHECK_ERRNO(watch(ep, EPOLL_CTL_MOD, p[0], EPOLLIN), ENOENT);
    CHECK_ERRNO(watch(ep, EPOLL_CTL_DEL, p[0], EPOLLIN), ENOENT);
    CHECK_OK(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN));
    CHECK_ERRNO(watch(ep, EPOLL_CTL_ADD, p[0], EPOLLIN), EEXIST);
    CHECK_ERRNO(epoll_wait(ep, &e, 0, 0), EINVAL);
    CHECK_ERRNO(epoll_wait(p[0], &e, 1, 0), EINVAL);
}

TEST(epoll_many)
{
    enum { N = 100 };
    int ep = epoll_create1(0), p[N][2];
    struct epoll_event e[N];
    char seen[N] = {0};

    REQUIRE(ep >= 0);
    for (int i = 0; i < N; i++) {
        struct epoll_event want = {.events = EPOLLIN, .data.u32 = (unsigned int)i};

        REQUIRE(pipe(p[i]) == 0);
        CHECK_OK(epoll_ctl(ep, EPOLL_CTL_ADD, p[i][0], &want));
        if (i % 3 == 0)
            CHECK_EQ(write(p[i][1], "x", 1), 1);
    }
    /* In small portions all of them come round. */
    for (int round = 0; round < N; round++) {
        int n = epoll_wait(ep, e, 5, 0);

        CHECK_EQ(n, 5);
        for (int i = 0; i < n; i++)
            seen[e[i].data.u32] = 1;
    }
    for (int i = 0; i < N; i++)
        CHECK_EQ(seen[i], i % 3 == 0);
}

TEST(eventfd_counts)
{
    int fd = eventfd(3, EFD_NONBLOCK);
    unsigned long long v = 0;
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT};

    REQUIRE(fd >= 0);
    CHECK_EQ(read(fd, &v, 8), 8);
    CHECK_EQ(v, 3);
    CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    v = ~0ULL - 1;
    CHECK_EQ(write(fd, &v, 8), 8);
    v = 1;
    CHECK_ERRNO(write(fd, &v, 8), EAGAIN);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN);
    v = ~0ULL;
    CHECK_ERRNO(write(fd, &v, 8), EINVAL);
    CHECK_ERRNO(read(fd, &v, 4), EINVAL);
    close(fd);
    fd = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(read(fd, &v, 8), 8);
        CHECK_EQ(v, 1);
    }
    CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
}

/* ---- moving data inside the kernel ---- */

static int pattern_file(size_t n)
{
    int fd = open("pattern", O_CREAT | O_TRUNC | O_RDWR, 0644);
    char *buf = malloc(n);

    CHECK(fd >= 0 && buf);
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)(i * 7 + (i >> 8));
    CHECK_EQ(write(fd, buf, n), (long)n);
    CHECK_EQ(lseek(fd, 0, SEEK_SET), 0);
    free(buf);
    return fd;
}

static void check_pattern(int fd, size_t from, size_t n)
{
    char buf[1000];

    for (size_t at = 0; at < n;) {
        ssize_t got = read(fd, buf, n - at < sizeof(buf) ? n - at : sizeof(buf));

        REQUIRE(got > 0);
        for (ssize_t i = 0; i < got; i++) {
            size_t x = from + at + (size_t)i;

            REQUIRE(buf[i] == (char)(x * 7 + (x >> 8)));
        }
        at += (size_t)got;
    }
}

TEST(sendfile_copies)
{
    enum { N = 100000 };
    int in, out;
    off_t off = 1000;

    enter_dir();
    in = pattern_file(N);
    out = open("out", O_CREAT | O_TRUNC | O_RDWR, 0644);
    CHECK_EQ(sendfile(out, in, &off, N), N - 1000);
    CHECK_EQ(off, N);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 0); /* a given offset leaves the position alone */
    CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
    check_pattern(out, 1000, N - 1000);
    CHECK_EQ(sendfile(out, in, NULL, 10), 10);
    CHECK_EQ(lseek(in, 0, SEEK_CUR), 10);
    CHECK_EQ(sendfile(out, in, &off, 10), 0);
    CHECK_ERRNO(sendfile(in, -1, NULL, 1), EBADF);
}

TEST(copy_file_range_copies)
{
    int in, out;
    off_t from = 5, to = 3;

    enter_dir();
    in = pattern_file(20000);
    out = open("out", O_CREAT | O_TRUNC | O_RDWR, 0644);
    CHECK_EQ(copy_file_range(in, &from, out, &to, 10000, 0), 10000);
    CHECK_EQ(from, 10005);
    CHECK_EQ(to, 10003);
    CHECK_EQ(lseek(out, 3, SEEK_SET), 3);
    check_pattern(out, 5, 10000);
    from = 0, to = 50;
    CHECK_ERRNO(copy_file_range(in, &from, in, &to, 100, 0), EINVAL); /* overlaps itself */
    CHECK_ERRNO(copy_file_range(in, NULL, out, NULL, 1, 1), EINVAL);
}

TEST(splice_through_a_pipe)
{
    enum { N = 50000 };
    int in, out, p[2];
    size_t done = 0;

    enter_dir();
    in = pattern_file(N);
    out = open("out", O_CREAT | O_TRUNC | O_RDWR, 0644);
    REQUIRE(pipe(p) == 0);
    while (done < N) {
        ssize_t n = splice(in, NULL, p[1], NULL, N - done, 0);

        REQUIRE(n > 0);
        for (ssize_t left = n; left > 0;) {
            ssize_t m = splice(p[0], NULL, out, NULL, (size_t)left, 0);

            REQUIRE(m > 0);
            left -= m;
        }
        done += (size_t)n;
    }
    CHECK_EQ(lseek(out, 0, SEEK_SET), 0);
    check_pattern(out, 0, N);
    CHECK_EQ(splice(in, NULL, p[1], NULL, 10, 0), 0); /* end of file */
    CHECK_ERRNO(splice(p[0], NULL, out, NULL, 10, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(splice(in, NULL, out, NULL, 10, 0), EINVAL);
    CHECK_ERRNO(splice(p[0], &(off64_t){0}, out, NULL, 10, 0), ESPIPE);
}

TEST(tee_leaves_the_data)
{
    int a[2], b[2];
    char buf[32];

    REQUIRE(pipe(a) == 0 && pipe(b) == 0);
    CHECK_EQ(write(a[1], "hello world", 11), 11);
    CHECK_EQ(tee(a[0], b[1], 5, 0), 5);
    CHECK_EQ(write(a[1], "!", 1), 1); /* must not show up in b */
    CHECK_EQ(read(b[0], buf, sizeof(buf)), 5);
    CHECK(memcmp(buf, "hello", 5) == 0);
    CHECK_EQ(read(a[0], buf, sizeof(buf)), 12);
    CHECK(memcmp(buf, "hello world!", 12) == 0);
    CHECK_ERRNO(tee(a[0], b[1], 5, SPLICE_F_NONBLOCK), EAGAIN);
    CHECK_ERRNO(tee(a[0], a[1], 5, 0), EINVAL);
}

TEST(vmsplice_both_ways)
{
    int p[2];
    char text[] = "from memory", buf[32] = "";
    struct iovec v = {text, 11};

    REQUIRE(pipe(p) == 0);
    CHECK_EQ(vmsplice(p[1], &v, 1, 0), 11);
    v = (struct iovec){buf, sizeof(buf)};
    CHECK_EQ(vmsplice(p[0], &v, 1, 0), 11);
    CHECK(strcmp(buf, "from memory") == 0);
    CHECK_ERRNO(vmsplice(open("/dev/null", O_RDWR), &v, 1, 0), EBADF);
}

/* ---- locks ---- */

TEST(flock_excludes)
{
    int a, b, status, refused[2];
    char c = 0;
    pid_t pid;

    enter_dir();
    a = make_file("lock", "x");
    b = open("lock", O_RDWR);
    REQUIRE(pipe(refused) == 0);
    CHECK_OK(flock(a, LOCK_SH));
    CHECK_OK(flock(b, LOCK_SH | LOCK_NB));
    CHECK_ERRNO(flock(a, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    CHECK_OK(flock(b, LOCK_UN));
    CHECK_OK(flock(a, LOCK_EX | LOCK_NB));
    CHECK_ERRNO(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    pid = ktap_fork();
    if (pid == 0) {
        close(a); /* the parent's descriptor still holds it */
        if (flock(b, LOCK_EX | LOCK_NB) != -1 || errno != EWOULDBLOCK)
            _exit(1);
        _exit(write(refused[1], &c, 1) == 1 && flock(b, LOCK_EX) == 0 ? 0 : 2);
    }
    close(refused[1]);
    CHECK_EQ(read(refused[0], &c, 1), 1);
    usleep(20000); /* mostly it waits by now, which is what close must end */
    CHECK_OK(close(a));
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
    CHECK_ERRNO(flock(b, 0), EINVAL);
}

static int set_lock(int fd, short type, off_t start, off_t len)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};

    return fcntl(fd, F_SETLK, &l);
}

/* First conflict with a write lock on [start, start + len), as another process sees it: "type start
 * len", or "none". */
static void other_sees(int fd, off_t start, off_t len, char out[64])
{
    int p[2];
    ssize_t n;
    pid_t pid;

    REQUIRE(pipe(p) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
        char buf[64] = "none";

        if (fcntl(fd, F_GETLK, &l) < 0)
            snprintf(buf, sizeof(buf), "error %d", errno);
        else if (l.l_type != F_UNLCK)
            snprintf(buf, sizeof(buf), "%c %lld %lld%s", l.l_type == F_RDLCK ? 'r' : 'w',
                     (long long)l.l_start, (long long)l.l_len,
                     l.l_pid == getppid() ? "" : " wrong pid");
        if (write(p[1], buf, strlen(buf) + 1) < 0)
            _exit(1);
        _exit(0);
    }
    n = read(p[0], out, 64);
    REQUIRE(n > 0);
    waitpid(pid, NULL, 0);
    close(p[0]);
    close(p[1]);
}

TEST(record_locks_split_and_merge)
{
    char seen[64];
    int fd, second;

    enter_dir();
    fd = make_file("lock", "0123456789");
    CHECK_OK(set_lock(fd, F_WRLCK, 10, 90));
    other_sees(fd, 0, 0, seen);
    CHECK(strcmp(seen, "w 10 90") == 0);
    CHECK_OK(set_lock(fd, F_UNLCK, 40, 20));
    other_sees(fd, 0, 50, seen);
    CHECK(strcmp(seen, "w 10 30") == 0);
    other_sees(fd, 40, 20, seen);
    CHECK(strcmp(seen, "none") == 0);
    other_sees(fd, 50, 0, seen);
    CHECK(strcmp(seen, "w 60 40") == 0);
    CHECK_OK(set_lock(fd, F_WRLCK, 40, 20));
    other_sees(fd, 0, 0, seen);
    CHECK(strcmp(seen, "w 10 90") == 0);
    CHECK_OK(set_lock(fd, F_RDLCK, 0, 0)); /* to the end of time, changes the type */
    other_sees(fd, 5, 1, seen);
    CHECK(strcmp(seen, "r 0 0") == 0);
    /* Closing any descriptor of the file takes the process's locks away. */
    second = open("lock", O_RDONLY);
    close(second);
    other_sees(fd, 0, 0, seen);
    CHECK(strcmp(seen, "none") == 0);
    second = open("lock", O_RDONLY);
    CHECK_ERRNO(set_lock(second, F_WRLCK, 0, 1), EBADF);
    CHECK_ERRNO(set_lock(fd, F_WRLCK, -1, 1), EINVAL);
}

TEST(record_lock_waits)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd, p[2], status;
    pid_t pid;
    char c;

    enter_dir();
    fd = make_file("lock", "x");
    REQUIRE(pipe(p) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        if (fcntl(fd, F_SETLK, &l) < 0 || write(p[1], "l", 1) != 1)
            _exit(1);
        usleep(50000);
        _exit(0); /* its exit releases */
    }
    CHECK_EQ(read(p[0], &c, 1), 1);
    CHECK_ERRNO(fcntl(fd, F_SETLK, &l), EAGAIN);
    CHECK_OK(fcntl(fd, F_SETLKW, &l));
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK_EQ(status, 0);
}

/* ---- socket pairs ---- */

TEST(socketpair_of_packets)
{
    char buf[16] = "";
    int s[2];

    CHECK_OK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
    CHECK_EQ(write(s[0], "abc", 3), 3);
    CHECK_EQ(write(s[0], "defgh", 5), 5);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "abc", 3) == 0);
    CHECK_EQ(read(s[1], buf, 2), 2); /* the rest of the packet is lost */
    CHECK_EQ(write(s[0], "ij", 2), 2);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 2);
    CHECK(memcmp(buf, "ij", 2) == 0);
    CHECK_EQ(write(s[1], "back", 4), 4);
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 4);
    close(s[0]);
    CHECK_EQ(read(s[1], buf, sizeof(buf)), 0);
    close(s[1]);
}

TEST(socketpair_is_a_two_way_stream)
{
    int s[2];
    char buf[16];
    struct pollfd p;

    CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s));
    CHECK_EQ(write(s[0], "ping", 4), 4);
    CHECK_EQ(send(s[1], "pong!", 5, MSG_NOSIGNAL), 5);
    CHECK_EQ(recv(s[1], buf, sizeof(buf), 0), 4);
    CHECK_EQ(read(s[0], buf, sizeof(buf)), 5);
    CHECK(memcmp(buf, "pong!", 5) == 0);
    CHECK_ERRNO(recv(s[0], buf, 1, MSG_DONTWAIT), EAGAIN);
    CHECK_ERRNO(lseek(s[0], 0, SEEK_SET), ESPIPE);
    p = (struct pollfd){.fd = s[0], .events = POLLIN | POLLOUT | POLLRDHUP};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLOUT);
    CHECK_OK(shutdown(s[1], SHUT_WR));
    CHECK_EQ(read(s[0], buf, 1), 0);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK_EQ(p.revents, POLLIN | POLLOUT | POLLRDHUP);
    CHECK_EQ(write(s[0], "x", 1), 1); /* the other direction lives */
    CHECK_EQ(read(s[1], buf, 1), 1);
    close(s[1]);
    CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK(p.revents & POLLHUP);
    CHECK_ERRNO(shutdown(0x7fff, SHUT_WR), EBADF);
    CHECK_ERRNO(send(open("/dev/null", O_RDWR), "x", 1, 0), ENOTSOCK);
}

/* ---- mounts; root only ---- */

static void need_root(void)
{
    if (geteuid() != 0)
        ktap_skip("needs root");
}

static void mount_tmpfs(const char *at, const char *options)
{
    REQUIRE(mkdir(at, 0755) == 0 || errno == EEXIST);
    if (mount("fs_test", at, "tmpfs", 0, options) != 0)
        ktap_skip("cannot mount here: %s", strerror(errno));
}

TEST(mount_shadows_and_limits)
{
    struct statfs st;
    char page[4096] = "";
    int fd;

    need_root();
    enter_dir();
    umount2("m", MNT_DETACH);
    mount_tmpfs("m", "size=64k,mode=700");
    CHECK_OK(statfs("m", &st));
    CHECK_EQ(st.f_blocks * (unsigned long)st.f_bsize, 65536);
    fd = open("m/f", O_CREAT | O_RDWR, 0600);
    REQUIRE(fd >= 0);
    for (int i = 0; i < 16; i++)
        CHECK_EQ(write(fd, page, sizeof(page)), (long)sizeof(page));
    CHECK_ERRNO(write(fd, page, 1), ENOSPC);
    CHECK_ERRNO(umount("m"), EBUSY); /* fd is in it */
    CHECK_ERRNO(rmdir("m"), EBUSY);
    CHECK_ERRNO(rename("m/f", "f"), EXDEV);
    CHECK_ERRNO(link("m/f", "f"), EXDEV);
    close(fd);
    CHECK_OK(umount("m"));
    CHECK_ERRNO(open("m/f", O_RDONLY), ENOENT);
    CHECK_ERRNO(umount("m"), EINVAL);
    CHECK_ERRNO(mount("x", "m", "no-such-fs", 0, ""), ENODEV);
    CHECK_ERRNO(mount("x", "m", "tmpfs", 0, "no_such_option=1"), EINVAL);
    CHECK_OK(rmdir("m"));
}

TEST(mount_read_only)
{
    need_root();
    enter_dir();
    umount2("m", MNT_DETACH);
    mount_tmpfs("m", "");
    close(make_file("m/f", "x"));
    CHECK_OK(mount("fs_test", "m", "tmpfs", MS_REMOUNT | MS_RDONLY, ""));
    CHECK_ERRNO(open("m/f", O_WRONLY), EROFS);
    CHECK_ERRNO(open("m/new", O_CREAT | O_RDWR, 0600), EROFS);
    CHECK_ERRNO(mkdir("m/d", 0700), EROFS);
    CHECK_ERRNO(mkdir("m/f", 0700), EEXIST); /* what is there comes first */
    CHECK_ERRNO(unlink("m/f"), EROFS);
    CHECK_ERRNO(chmod("m/f", 0600), EROFS);
    CHECK_ERRNO(truncate("m/f", 0), EROFS);
    CHECK_ERRNO(access("m/f", W_OK), EROFS);
    CHECK_OK(access("m/f", R_OK));
    CHECK_OK(umount("m"));
}

TEST(mount_bind_and_dotdot)
{
    char cwd[256];
    struct stat a, b;

    need_root();
    enter_dir();
    umount2("b", MNT_DETACH);
    REQUIRE(mkdir("a", 0755) == 0 && mkdir("a/inside", 0755) == 0 && mkdir("b", 0755) == 0);
    if (mount("a", "b", NULL, MS_BIND, NULL) != 0)
        ktap_skip("cannot bind here: %s", strerror(errno));
    CHECK_OK(stat("a/inside", &a));
    CHECK_OK(stat("b/inside", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_OK(chdir("b/inside"));
    CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, DIR_NAME "/b/inside") == 0);
    CHECK_OK(chdir("../.."));
    CHECK(getcwd(cwd, sizeof(cwd)) && strcmp(cwd, DIR_NAME) == 0);
    CHECK_OK(umount2("b", MNT_DETACH));
    CHECK_ERRNO(stat("b/inside", &b), ENOENT);
}

/* ---- who may ---- */

/* Runs @fn as user and group 1234 and returns its exit status. */
static int as_nobody(int (*fn)(void))
{
    int status;
    pid_t pid = ktap_fork();

    if (pid == 0) {
        if (setgid(1234) < 0 || setuid(1234) < 0)
            _exit(99);
        _exit(fn());
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

static bool refused(long ret, int error)
{
    return ret == -1 && errno == error;
}

static int try_as_other(void)
{
    if (!refused(open("private", O_RDONLY), EACCES))
        return 1;
    if (open("public", O_RDONLY) < 0 || !refused(open("public", O_WRONLY), EACCES))
        return 2;
    if (!refused(open("closed/file", O_RDONLY), EACCES) ||
        !refused(open("new", O_CREAT | O_RDWR, 0600), EACCES))
        return 3;
    if (!refused(unlink("public"), EACCES) || !refused(chmod("public", 0777), EPERM))
        return 4;
    if (!refused(unlink("sticky/root"), EPERM)) /* may write there, may not remove others' */
        return 5;
    if (close(creat("sticky/mine", 0600)) < 0 || unlink("sticky/mine") < 0)
        return 6;
    if (!refused(mknod("sticky/dev", S_IFCHR | 0666, 0x103), EPERM) ||
        mkfifo("sticky/fifo", 0600) < 0)
        return 7;
    if (!refused(chown("sticky/fifo", 0, -1), EPERM) || chmod("sticky/fifo", 0640) < 0)
        return 8;
    if (!refused(mount("x", "sticky", "tmpfs", 0, ""), EPERM) || !refused(chroot("."), EPERM))
        return 9;
    if (!refused(utimensat(AT_FDCWD, "writable", (struct timespec[2]){{1, 0}, {1, 0}}, 0), EPERM) ||
        utimensat(AT_FDCWD, "writable", NULL, 0) < 0)
        return 10;
    return 0;
}

static bool same_place(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

/* Below a root of its own a process does not get out by "..". */
TEST(chroot_holds)
{
    struct stat st;

    need_root();
    enter_dir();
    close(make_file("outside", "x"));
    CHECK_OK(mkdir("jail", 0755));
    CHECK_OK(mkdir("jail/in", 0755));
    REQUIRE(chroot("jail") == 0 && chdir("/in") == 0);
    CHECK(same_place("..", "/"));
    CHECK(same_place("../..", "/"));
    CHECK(same_place("/..", "/"));
    CHECK_ERRNO(stat("/../outside", &st), ENOENT);
    CHECK_ERRNO(stat("../../outside", &st), ENOENT);
    CHECK_OK(stat("../in", &st));
}

TEST(other_users_are_kept_out)
{
    struct stat st;

    need_root();
    enter_dir();
    umask(0);
    close(make_file("private", "x"));
    CHECK_OK(chmod("private", 0600));
    close(make_file("public", "x"));
    close(make_file("writable", "x"));
    CHECK_OK(chmod("writable", 0666));
    CHECK_OK(mkdir("closed", 0700));
    close(make_file("closed/file", "x"));
    CHECK_OK(mkdir("sticky", 0777));
    CHECK_OK(chmod("sticky", 01777));
    close(make_file("sticky/root", "x"));
    CHECK_OK(chmod("sticky/root", 0666));
    CHECK_EQ(as_nobody(try_as_other), 0);
    /* A directory's group goes to what is made in it. */
    CHECK_OK(mkdir("group", 0755));
    CHECK_OK(chown("group", 0, 55));
    CHECK_OK(chmod("group", 02755));
    CHECK_OK(mkdir("group/sub", 0755));
    CHECK_OK(stat("group/sub", &st));
    CHECK_EQ(st.st_gid, 55);
    CHECK_EQ(st.st_mode, S_IFDIR | 02755);
}

static int write_public(void)
{
    int fd = open("suid", O_WRONLY);

    return fd >= 0 && write(fd, "x", 1) == 1 ? 0 : 1;
}

TEST(write_takes_setuid_away)
{
    struct stat st;

    need_root();
    enter_dir();
    close(make_file("suid", "text"));
    CHECK_OK(chmod("suid", 06777));
    CHECK_EQ(as_nobody(write_public), 0);
    CHECK_OK(stat("suid", &st));
    CHECK_EQ(st.st_mode & 07777, 0777);
}

TEST(running_program_is_busy)
{
    int in = open("/proc/self/exe", O_RDONLY), out, status, p[2];
    struct stat st;
    pid_t pid;
    char c;

    enter_dir();
    REQUIRE(in >= 0 && fstat(in, &st) == 0 && pipe(p) == 0);
    out = open("program", O_CREAT | O_WRONLY | O_TRUNC, 0755);
    CHECK_EQ(sendfile(out, in, NULL, (size_t)st.st_size), st.st_size);
    CHECK_ERRNO(execl("./program", "program", "no_such_test", NULL),
                ETXTBSY); /* open for writing */
    close(out);
    pid = ktap_fork();
    if (pid == 0) {
        dup2(p[1], 1);
        close(p[1]);
        execl("./program", program_invocation_name, "sleep_for_parent", NULL);
        _exit(1);
    }
    close(p[1]);
    CHECK_EQ(read(p[0], &c, 1), 1); /* it runs */
    CHECK_ERRNO(open("program", O_WRONLY), ETXTBSY);
    CHECK_ERRNO(truncate("program", 0), ETXTBSY);
    CHECK_OK(unlink("program"));
    kill(pid, SIGKILL);
    REQUIRE(waitpid(pid, &status, 0) == pid);
}

/* ---- newer forms ---- */

TEST(tmpfile_gets_a_name)
{
    char path[64];
    struct stat st;
    int fd;

    enter_dir();
    fd = open(".", O_TMPFILE | O_RDWR, 0600);
    if (fd < 0 && errno == EOPNOTSUPP)
        ktap_skip("no O_TMPFILE here");
    REQUIRE(fd >= 0);
    CHECK_EQ(write(fd, "abc", 3), 3);
    CHECK_OK(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_OK(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
    CHECK_OK(stat("named", &st));
    CHECK(st.st_nlink == 1 && st.st_size == 3);
    fd = open(".", O_TMPFILE | O_RDWR | O_EXCL, 0600);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    CHECK_ERRNO(linkat(AT_FDCWD, path, AT_FDCWD, "never", AT_SYMLINK_FOLLOW), ENOENT);
}

TEST(path_descriptors)
{
    struct stat st;
    int fd, dir;
    char c;

    enter_dir();
    close(make_file("f", "x"));
    fd = open("f", O_PATH);
    REQUIRE(fd >= 0);
    CHECK_OK(fstat(fd, &st));
    CHECK_ERRNO(read(fd, &c, 1), EBADF);
    CHECK_ERRNO(ftruncate(fd, 0), EBADF);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_PATH, O_PATH);
    dir = open(".", O_PATH | O_DIRECTORY);
    CHECK_OK(fchdir(dir));
    CHECK(openat(dir, "f", O_RDONLY) >= 0);
    CHECK_OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
    CHECK_EQ(st.st_size, 1);
    CHECK_ERRNO(openat(fd, "f", O_RDONLY), ENOTDIR);
}

TEST(magic_links_lead_to_the_object)
{
    char path[64], text[256];
    int fd, again;
    ssize_t n;

    enter_dir();
    fd = make_file("f", "contents");
    CHECK_OK(unlink("f"));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    n = readlink(path, text, sizeof(text) - 1);
    REQUIRE(n > 0);
    text[n] = '\0';
    CHECK(strcmp(text, DIR_NAME "/f (deleted)") == 0);
    again = open(path, O_RDONLY);
    REQUIRE(again >= 0);
    CHECK_EQ(read(again, text, sizeof(text)), 8); /* a position of its own */
}

TEST(no_attributes)
{
    char buf[16];

    enter_dir();
    close(make_file("f", "x"));
    CHECK_ERRNO(getxattr("none", "user.x", buf, sizeof(buf)), ENOENT);
    if (setxattr("f", "user.x", "1", 1, 0) == 0)
        ktap_skip("this file system has attributes");
    CHECK_ERRNO(getxattr("f", "user.x", buf, sizeof(buf)), EOPNOTSUPP);
    CHECK_EQ(listxattr("f", buf, sizeof(buf)), 0);
}

TEST(close_range_closes)
{
    int fd[8];

    for (int i = 0; i < 8; i++)
        fd[i] = dup(0);
    CHECK_OK(syscall(SYS_close_range, fd[2], fd[5], 0));
    for (int i = 0; i < 8; i++)
        CHECK_EQ(fcntl(fd[i], F_GETFD) >= 0, i < 2 || i > 5);
    CHECK_OK(syscall(SYS_close_range, fd[6], ~0U, 4 /* CLOSE_RANGE_CLOEXEC */));
    CHECK_EQ(fcntl(fd[6], F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(fd[1], F_GETFD), 0);
    CHECK_ERRNO(syscall(SYS_close_range, 5, 4, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_close_range, 5, 6, 99), EINVAL);
}

TEST(readv_and_file_size_limit)
{
    struct iovec v[3];
    char a[3], b[2], c[8];
    int fd, status;
    pid_t pid;

    enter_dir();
    fd = make_file("f", "0123456789");
    v[0] = (struct iovec){a, 3};
    v[1] = (struct iovec){b, 0};
    v[2] = (struct iovec){c, 8};
    CHECK_EQ(preadv(fd, v, 3, 1), 9);
    CHECK(memcmp(a, "123", 3) == 0 && memcmp(c, "456789", 6) == 0);
    v[0].iov_len = (size_t)-1;
    CHECK_ERRNO(preadv(fd, v, 3, 1), EINVAL);
    pid = ktap_fork();
    if (pid == 0) {
        struct {
            unsigned long cur, max;
        } limit = {16, 16};

        signal(SIGXFSZ, SIG_IGN);
        if (syscall(SYS_prlimit64, 0, 1 /* RLIMIT_FSIZE */, &limit, NULL) < 0)
            _exit(1);
        if (pwrite(fd, "abcdefghij", 10, 10) != 6) /* up to the limit */
            _exit(2);
        if (!refused(pwrite(fd, "x", 1, 16), EFBIG) || !refused(ftruncate(fd, 17), EFBIG))
            _exit(3);
        signal(SIGXFSZ, SIG_DFL);
        if (pwrite(fd, "x", 1, 16) < 0)
            _exit(4);
        _exit(5);
    }
    REQUIRE(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

TEST(directory_entries_have_types)
{
    DIR *d;
    struct dirent *e;
    int nr = 0;

    enter_dir();
    close(make_file("file", "x"));
    CHECK_OK(mkdir("dir", 0755));
    CHECK_OK(symlink("x", "link"));
    CHECK_OK(mkfifo("fifo", 0644));
    d = opendir(".");
    REQUIRE(d);
    while ((e = readdir(d)) != NULL) {
        struct stat st;

        CHECK_OK(lstat(e->d_name, &st));
        CHECK_EQ(e->d_type << 12, st.st_mode & S_IFMT);
        if (strcmp(e->d_name, "..") != 0)
            CHECK_EQ(e->d_ino, st.st_ino);
        nr++;
    }
    CHECK_EQ(nr, 6);
}

/* What running_program_is_busy starts. */
static int sleep_for_parent(void)
{
    if (write(1, "x", 1) == 1)
        pause();
    return 0;
}

int main(int argc, char **argv)
{
    static const struct ktap_case cases[] = {
        CASE(epoll_level_and_edge),
        CASE(epoll_hangup_and_close),
        CASE(epoll_wakes_a_sleeper),
        CASE(epoll_errors),
        CASE(epoll_many),
        CASE(eventfd_counts),
        CASE(sendfile_copies),
        CASE(copy_file_range_copies),
        CASE(splice_through_a_pipe),
        CASE(tee_leaves_the_data),
        CASE(vmsplice_both_ways),
        CASE(flock_excludes),
        CASE(record_locks_split_and_merge),
        CASE(record_lock_waits),
        CASE(socketpair_is_a_two_way_stream), CASE(socketpair_of_packets),
        CASE(mount_shadows_and_limits),
        CASE(mount_read_only),
        CASE(mount_bind_and_dotdot),
        CASE(chroot_holds), CASE(other_users_are_kept_out),
        CASE(write_takes_setuid_away),
        CASE(running_program_is_busy),
        CASE(tmpfile_gets_a_name),
        CASE(path_descriptors),
        CASE(magic_links_lead_to_the_object),
        CASE(no_attributes),
        CASE(close_range_closes),
        CASE(readv_and_file_size_limit),
        CASE(directory_entries_have_types),
    };

    if (argc == 2 && strcmp(argv[1], "sleep_for_parent") == 0)
        return sleep_for_parent();
    return ktap_main(cases, sizeof(cases) / sizeof(cases[0]), argc, argv);
}
