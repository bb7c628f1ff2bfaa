/* SPDX-License-Identifier: MIT */
/* Pipes, poll(2), select(2) and ppoll. */
#include "ktap.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>

static int r, w;

static void make_pipe(int flags)
{
    int fds[2] = {-1, -1};

    CHECK_OK(pipe2(fds, flags));
    r = fds[0];
    w = fds[1];
}

static long long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

TEST(bytes_in_order)
{
    char buf[16] = "";

    make_pipe(0);
    CHECK_EQ(write(w, "abc", 3), 3);
    CHECK_EQ(write(w, "def", 3), 3);
    CHECK_EQ(read(r, buf, 4), 4);
    CHECK(memcmp(buf, "abcd", 4) == 0);
    CHECK_EQ(read(r, buf, sizeof(buf)), 2);
    CHECK(memcmp(buf, "ef", 2) == 0);
}

TEST(end_of_file)
{
    char c;

    make_pipe(0);
    CHECK_EQ(write(w, "x", 1), 1);
    close(w);
    CHECK_EQ(read(r, &c, 1), 1);
    CHECK_EQ(read(r, &c, 1), 0);
    CHECK_EQ(read(r, &c, 1), 0);
}

TEST(no_reader_is_sigpipe)
{
    int status;
    pid_t pid;

    make_pipe(0);
    close(r);
    signal(SIGPIPE, SIG_IGN);
    CHECK_ERRNO(write(w, "x", 1), EPIPE);
    pid = fork();
    if (pid == 0) {
        signal(SIGPIPE, SIG_DFL);
        if (write(w, "x", 1) < 0)
            _exit(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

TEST(wrong_ends)
{
    char c;

    make_pipe(0);
    CHECK_ERRNO(read(w, &c, 1), EBADF);
    CHECK_ERRNO(write(r, "x", 1), EBADF);
    CHECK_ERRNO(lseek(r, 0, SEEK_SET), ESPIPE);
    CHECK_ERRNO(pread(r, &c, 1, 0), ESPIPE);
    CHECK_EQ(read(r, &c, 0), 0);
    CHECK_EQ(write(w, "", 0), 0);
}

TEST(nonblocking)
{
    char buf[4096] = {0};
    long total = 0, got;

    make_pipe(O_NONBLOCK);
    CHECK_ERRNO(read(r, buf, 1), EAGAIN);
    while ((got = write(w, buf, sizeof(buf))) > 0)
        total += got;
    CHECK_ERRNO(got, EAGAIN);
    CHECK(total >= PIPE_BUF && total <= 1 << 20);
    CHECK_EQ(read(r, buf, sizeof(buf)), (long)sizeof(buf));
    CHECK_EQ(write(w, buf, sizeof(buf)), (long)sizeof(buf));
}

TEST(pipe2_flags)
{
    make_pipe(O_CLOEXEC);
    CHECK_EQ(fcntl(r, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(w, F_GETFD), FD_CLOEXEC);
    CHECK_EQ(fcntl(r, F_GETFL) & O_ACCMODE, O_RDONLY);
    CHECK_EQ(fcntl(w, F_GETFL) & O_ACCMODE, O_WRONLY);
    {
        int fds[2];

        CHECK_ERRNO(pipe2(fds, O_APPEND | O_CREAT), EINVAL);
    }
}

TEST(blocking_transfer)
{
    enum { TOTAL = 1 << 20 };
    static unsigned char buf[10007];
    unsigned long sum = 0, want = 0, got = 0;
    int status;
    pid_t pid;
    ssize_t len;

    make_pipe(0);
    pid = fork();
    if (pid == 0) {
        close(r);
        for (size_t at = 0; at < TOTAL;) {
            size_t part = TOTAL - at < 7919 ? TOTAL - at : 7919;

            for (size_t i = 0; i < part; i++)
                buf[i] = (unsigned char)((at + i) * 31 >> 3);
            if (write(w, buf, part) != (ssize_t)part)
                _exit(1);
            at += part;
        }
        _exit(0);
    }
    close(w);
    while ((len = read(r, buf, sizeof(buf))) > 0) {
        for (ssize_t i = 0; i < len; i++) {
            sum += buf[i];
            want += (unsigned char)((got + (unsigned long)i) * 31 >> 3);
        }
        got += (unsigned long)len;
    }
    CHECK_EQ(got, TOTAL);
    CHECK_EQ(sum, want);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(small_writes_are_atomic)
{
    enum { WRITERS = 4, LEN = 100 };
    const int rounds = ktap_swept ? 40 : 500;
    char buf[LEN];
    int torn = 0, records = 0;
    ssize_t have;

    make_pipe(0);
    for (int i = 0; i < WRITERS; i++) {
        if (fork() == 0) {
            memset(buf, 'a' + i, LEN);
            for (int k = 0; k < rounds; k++) {
                if (write(w, buf, LEN) != LEN)
                    _exit(1);
            }
            _exit(0);
        }
    }
    close(w);
    while ((have = read(r, buf, LEN)) > 0) {
        while (have < LEN) {
            ssize_t more = read(r, buf + have, (size_t)(LEN - have));

            if (more <= 0)
                break;
            have += more;
        }
        for (int i = 1; i < LEN; i++)
            torn += buf[i] != buf[0];
        records++;
    }
    CHECK_EQ(torn, 0);
    CHECK_EQ(records, WRITERS * rounds);
}

TEST(fionread_and_size)
{
    int nr = -1;

    make_pipe(0);
    CHECK_EQ(write(w, "12345", 5), 5);
    CHECK_OK(ioctl(r, FIONREAD, &nr));
    CHECK_EQ(nr, 5);
    CHECK(fcntl(w, F_GETPIPE_SZ) >= PIPE_BUF);
}

TEST(fifo_in_a_directory)
{
    char path[] = "/tmp/ktap-fifo-XXXXXX", c = 0;
    int fd, status;
    pid_t pid;

    REQUIRE(mkdtemp(path) != NULL);
    rmdir(path);
    if (mkfifo(path, 0600) < 0)
        ktap_skip("mkfifo: %s", strerror(errno));
    CHECK_ERRNO(open(path, O_WRONLY | O_NONBLOCK), ENXIO);
    pid = fork();
    if (pid == 0) {
        fd = open(path, O_WRONLY);
        _exit(write(fd, "f", 1) != 1);
    }
    fd = open(path, O_RDONLY);
    CHECK_EQ(read(fd, &c, 1), 1);
    CHECK_EQ(c, 'f');
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    unlink(path);
}

TEST(poll_states)
{
    struct pollfd p[2];

    make_pipe(0);
    p[0] = (struct pollfd){.fd = r, .events = POLLIN};
    p[1] = (struct pollfd){.fd = w, .events = POLLOUT};
    CHECK_EQ(poll(p, 2, 0), 1);
    CHECK_EQ(p[0].revents, 0);
    CHECK_EQ(p[1].revents, POLLOUT);
    CHECK_EQ(write(w, "x", 1), 1);
    CHECK_EQ(poll(p, 2, 0), 2);
    CHECK_EQ(p[0].revents, POLLIN);
    close(w);
    CHECK_EQ(poll(p, 1, 0), 1);
    CHECK_EQ(p[0].revents, POLLIN | POLLHUP);
    p[1].fd = w; /* closed */
    CHECK_EQ(poll(p + 1, 1, 0), 1);
    CHECK_EQ(p[1].revents, POLLNVAL);
    p[1].fd = -1;
    CHECK_EQ(poll(p + 1, 1, 0), 0);
    CHECK_EQ(p[1].revents, 0);
}

/* The kernel gets at user structures wherever they lie. */
TEST(misaligned_structures)
{
    char buf[64] __attribute__((aligned(8)));
    struct pollfd p = {.events = POLLOUT};
    uint32_t header[2] = {0, 0};

    make_pipe(0);
    p.fd = w;
    memcpy(buf + 1, &p, sizeof(p));
    CHECK_EQ(syscall(SYS_poll, buf + 1, 1L, 0L), 1);
    memcpy(&p, buf + 1, sizeof(p));
    CHECK_EQ(p.revents, POLLOUT);
    memcpy(buf + 1, header, sizeof(header)); /* an unknown version: the kernel writes its own */
    CHECK_ERRNO(syscall(SYS_capget, buf + 1, NULL), 0);
    memcpy(header, buf + 1, sizeof(header));
    CHECK(header[0] != 0);
}

TEST(poll_error_when_no_reader)
{
    struct pollfd p;

    make_pipe(0);
    close(r);
    p = (struct pollfd){.fd = w, .events = POLLOUT};
    CHECK_EQ(poll(&p, 1, 0), 1);
    CHECK(p.revents & POLLERR);
}

TEST(poll_times_out)
{
    struct pollfd p;
    long long start = now_ms();

    make_pipe(0);
    p = (struct pollfd){.fd = r, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 60), 0);
    CHECK(now_ms() - start >= 59);
    CHECK_EQ(poll(NULL, 0, 10), 0);
}

TEST(poll_wakes)
{
    struct pollfd p;
    pid_t pid;

    make_pipe(0);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        _exit(write(w, "w", 1) != 1);
    }
    p = (struct pollfd){.fd = r, .events = POLLIN};
    CHECK_EQ(poll(&p, 1, 60000), 1);
    CHECK_EQ(p.revents, POLLIN);
    waitpid(pid, NULL, 0);
}

static void on_signal(int sig)
{
}

TEST(poll_is_interrupted)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct pollfd p;
    pid_t pid, parent = getpid();

    make_pipe(0);
    sigaction(SIGUSR1, &sa, NULL);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    p = (struct pollfd){.fd = r, .events = POLLIN};
    CHECK_ERRNO(poll(&p, 1, 60000), EINTR); /* SA_RESTART does not matter */
    waitpid(pid, NULL, 0);
}

TEST(ppoll_mask)
{
    struct sigaction sa = {.sa_handler = on_signal};
    struct timespec ts = {.tv_sec = 10};
    sigset_t block, none;

    sigaction(SIGUSR1, &sa, NULL);
    sigemptyset(&none);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    kill(getpid(), SIGUSR1);
    CHECK_ERRNO(ppoll(NULL, 0, &ts, &none), EINTR);
    ts = (struct timespec){.tv_nsec = 10000000};
    CHECK_EQ(ppoll(NULL, 0, &ts, NULL), 0);
}

TEST(select_states)
{
    struct timeval tv = {0};
    fd_set in, out;

    make_pipe(0);
    FD_ZERO(&in);
    FD_ZERO(&out);
    FD_SET(r, &in);
    FD_SET(w, &out);
    CHECK_EQ(select((r > w ? r : w) + 1, &in, &out, NULL, &tv), 1);
    CHECK(!FD_ISSET(r, &in));
    CHECK(FD_ISSET(w, &out));
    CHECK_EQ(write(w, "s", 1), 1);
    FD_SET(r, &in);
    CHECK_EQ(select((r > w ? r : w) + 1, &in, &out, NULL, NULL), 2);
    CHECK(FD_ISSET(r, &in));
    FD_ZERO(&in);
    FD_SET(50, &in);
    CHECK_ERRNO(select(51, &in, NULL, NULL, &tv), EBADF);
    tv.tv_sec = -1;
    CHECK_ERRNO(select(0, NULL, NULL, NULL, &tv), EINVAL);
}

TEST(select_times_out)
{
    struct timeval tv = {.tv_usec = 60000};
    long long start = now_ms();

    CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
    CHECK(now_ms() - start >= 59);
}

TEST(dup_and_close)
{
    int copy;
    char c;

    make_pipe(0);
    copy = dup(w);
    close(w);
    CHECK_EQ(write(copy, "d", 1), 1);
    CHECK_EQ(dup2(copy, 200), 200);
    close(copy);
    CHECK_EQ(write(200, "e", 1), 1);
    close(200);
    CHECK_EQ(read(r, &c, 1), 1);
    CHECK_EQ(read(r, &c, 1), 1);
    CHECK_EQ(read(r, &c, 1), 0);
    CHECK_ERRNO(dup(777), EBADF);
    CHECK_ERRNO(dup2(r, -1), EBADF);
    CHECK_EQ(dup2(r, r), r);
    CHECK_ERRNO(dup3(r, r, 0), EINVAL);
}

KTAP_MAIN(CASE(bytes_in_order), CASE(end_of_file), CASE(no_reader_is_sigpipe), CASE(wrong_ends),
          CASE(nonblocking), CASE(pipe2_flags), CASE(blocking_transfer),
          CASE(small_writes_are_atomic), CASE(fionread_and_size), CASE(fifo_in_a_directory),
          CASE(poll_states), CASE(misaligned_structures), CASE(poll_error_when_no_reader),
          CASE(poll_times_out), CASE(poll_wakes), CASE(poll_is_interrupted), CASE(ppoll_mask),
          CASE(select_states), CASE(select_times_out), CASE(dup_and_close))
