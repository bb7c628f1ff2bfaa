/* SPDX-License-Identifier: MIT */
/*
 * Pseudo-terminals: the pair and its names, what each end sees of the other, hanging up, packet
 * mode, waiting. What a terminal does with characters and jobs is in tty_test.c.
 */
#include "ktap.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <termios.h>
#include <time.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static int master = -1, slave = -1;
static char path[32];

static int pty_number(void)
{
    int nr = -1;

    CHECK_OK(ioctl(master, TIOCGPTN, &nr));
    return nr;
}

static void open_master(void)
{
    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0 && errno == ENOENT)
        ktap_skip("devpts is not mounted here");
    CHECK(master >= 0);
    snprintf(path, sizeof(path), "/dev/pts/%d", pty_number());
}

static int set_lock(int on)
{
    return ioctl(master, TIOCSPTLCK, &on);
}

static void open_pair(void)
{
    open_master();
    CHECK_OK(set_lock(0));
    slave = open(path, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
}

static void make_raw(void)
{
    struct termios t;

    CHECK_OK(tcgetattr(slave, &t));
    cfmakeraw(&t);
    CHECK_OK(tcsetattr(slave, TCSANOW, &t));
}

static short poll_of(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN | POLLOUT | POLLPRI};

    CHECK(poll(&p, 1, 0) >= 0);
    return p.revents;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    return waitpid(pid, &status, 0) == pid ? status : -1;
}

/* A child that waits for what did not happen is not waited for. */
static int wait_unless_failed(pid_t pid)
{
    if (ktap_failures)
        kill(pid, SIGKILL);
    return wait_for(pid);
}

TEST(names)
{
    struct stat m, s;
    struct statfs fs;
    char link[64], text[64] = "";

    open_pair();
    CHECK_OK(fstat(slave, &s));
    CHECK(S_ISCHR(s.st_mode));
    CHECK_EQ(major(s.st_rdev), 136);
    CHECK_EQ((int)minor(s.st_rdev), pty_number());
    CHECK_EQ(s.st_uid, getuid());
    CHECK_EQ(s.st_mode & 0700, 0600);
    CHECK_OK(stat("/dev/ptmx", &m));
    CHECK_EQ(m.st_rdev, makedev(5, 2));
    CHECK_OK(statfs("/dev/pts", &fs));
    CHECK_EQ(fs.f_type, 0x1cd1);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", slave);
    CHECK(readlink(link, text, sizeof(text) - 1) > 0);
    CHECK(strcmp(text, path) == 0);
    CHECK_OK(fchmod(slave, 0640)); /* seen through the name too */
    CHECK_OK(stat(path, &m));
    CHECK_EQ(m.st_mode & 0777, 0640);
    CHECK(isatty(slave) && isatty(master));
    CHECK_ERRNO(unlink(path), EPERM);
    CHECK_ERRNO(open("/dev/pts/new", O_RDWR | O_CREAT, 0600), EACCES);
}

static bool is_listed(const char *name)
{
    DIR *d = opendir("/dev/pts");
    struct dirent *e;
    bool found = false;

    while (d && (e = readdir(d)) != NULL)
        found |= strcmp(e->d_name, name) == 0;
    closedir(d);
    return found;
}

TEST(names_come_and_go)
{
    char nr[16];
    int first, second, held;

    open_master();
    first = pty_number();
    snprintf(nr, sizeof(nr), "%d", first);
    CHECK(is_listed(nr));
    CHECK(is_listed("ptmx"));
    held = open(path, O_PATH);
    CHECK(held >= 0);
    CHECK_OK(close(master));
    CHECK(!is_listed(nr));
    CHECK_ERRNO(open(path, O_RDWR), ENOENT);
    open_master(); /* the lowest number that is free */
    second = pty_number();
    CHECK_EQ(second, first);
    CHECK_OK(set_lock(0));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", held);
    CHECK_ERRNO(open(path, O_RDWR), EIO); /* the old one, not its successor */
    CHECK_ERRNO(open("/dev/pts/01", O_RDWR), ENOENT);
    CHECK_ERRNO(open("/dev/pts/99999", O_RDWR), ENOENT);
}

TEST(lock)
{
    int on = -1;

    open_master();
    CHECK_ERRNO(open(path, O_RDWR | O_NOCTTY), EIO); /* locked as it comes */
    CHECK_OK(ioctl(master, TIOCGPTLCK, &on));
    CHECK_EQ(on, 1);
    CHECK_OK(set_lock(0));
    slave = open(path, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    CHECK_OK(set_lock(1));
    CHECK_ERRNO(open(path, O_RDWR | O_NOCTTY), EIO);
    CHECK_ERRNO(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY), EIO);
    CHECK_ERRNO(ioctl(master, TIOCSPTLCK, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(slave, TIOCSPTLCK, &on), ENOTTY);
    CHECK_ERRNO(ioctl(slave, TIOCGPTN, &on), ENOTTY);
}

TEST(peer)
{
    struct stat a, b;
    char link[64], text[64] = "";
    int fd;

    open_pair();
    fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_OK(fstat(fd, &a));
    CHECK_OK(fstat(slave, &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(a.st_rdev, b.st_rdev);
    CHECK_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC);
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    CHECK(readlink(link, text, sizeof(text) - 1) > 0);
    CHECK(strcmp(text, path) == 0);
    CHECK_EQ(write(master, "hello\n", 6), 6);
    CHECK_EQ(read(fd, text, sizeof(text)), 6);
    CHECK_OK(close(slave));
    CHECK_EQ(poll_of(master) & POLLHUP, 0); /* fd is still open */
    CHECK_OK(close(fd));
    CHECK_EQ(poll_of(master) & POLLHUP, POLLHUP);
}

TEST(settings_are_shared)
{
    struct winsize ws = {.ws_row = 7, .ws_col = 70, .ws_xpixel = 3}, got;
    struct termios t, seen;

    open_pair();
    CHECK_OK(ioctl(slave, TIOCGWINSZ, &got));
    CHECK_EQ(got.ws_row + got.ws_col, 0);
    CHECK_OK(ioctl(master, TIOCSWINSZ, &ws));
    CHECK_OK(ioctl(slave, TIOCGWINSZ, &got));
    CHECK_EQ(got.ws_row, 7);
    CHECK_EQ(got.ws_col, 70);
    CHECK_EQ(got.ws_xpixel, 3);
    CHECK_OK(tcgetattr(master, &t));
    CHECK_EQ(t.c_cflag & CSIZE, CS8);
    CHECK(t.c_lflag & ECHO);
    t.c_lflag &= ~(tcflag_t)ECHO;
    CHECK_OK(tcsetattr(master, TCSANOW, &t));
    CHECK_OK(tcgetattr(slave, &seen));
    CHECK_EQ(seen.c_lflag & ECHO, 0);
}

static bool take_slave(void)
{
    return setsid() == getpid() && ioctl(slave, TIOCSCTTY, 0) == 0;
}

static volatile sig_atomic_t winches;

static void on_winch(int sig)
{
    winches += sig == SIGWINCH;
}

TEST(resize_signals_the_foreground)
{
    struct winsize ws = {.ws_row = 40, .ws_col = 132};
    int fds[2];
    pid_t pid;
    char c;

    open_pair();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        sigset_t winch, old;

        sigemptyset(&winch);
        sigaddset(&winch, SIGWINCH);
        sigprocmask(SIG_BLOCK, &winch, &old);
        signal(SIGWINCH, on_winch);
        if (!take_slave() || write(fds[1], "r", 1) != 1)
            _exit(1);
        while (!winches)
            sigsuspend(&old);
        _exit(ioctl(slave, TIOCGWINSZ, &ws) == 0 && ws.ws_col == 132 ? 0 : 2);
    }
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_OK(ioctl(master, TIOCSWINSZ, &ws));
    CHECK_EQ(wait_unless_failed(pid), 0);
}

TEST(session_seen_from_the_master)
{
    int fds[2], back[2];
    pid_t pid;
    char c;

    open_pair();
    CHECK_ERRNO(tcgetsid(master), ENOTTY);
    REQUIRE(pipe(fds) == 0 && pipe(back) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        char text[256], *paren;
        int tty_nr = 0, fd;
        ssize_t n;

        if (!take_slave())
            _exit(1);
        fd = open("/dev/tty", O_RDWR); /* this terminal, whatever it is called */
        if (fd < 0 || ioctl(fd, TIOCGWINSZ, text) < 0 || close(fd) < 0)
            _exit(2);
        fd = open("/proc/self/stat", O_RDONLY);
        n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        paren = strrchr(text, ')');
        if (!paren || sscanf(paren + 2, "%*c %*d %*d %*d %d", &tty_nr) != 1)
            _exit(3);
        if (write(fds[1], "r", 1) != 1 || read(back[0], &c, 1) != 1)
            _exit(4);
        _exit(major((unsigned int)tty_nr) == 136 ? 0 : 5);
    }
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_EQ(tcgetsid(master), pid);
    CHECK_EQ(tcgetpgrp(master), pid);
    CHECK_ERRNO(tcgetsid(slave), ENOTTY); /* not ours */
    CHECK_ERRNO(tcsetpgrp(master, getpgrp()), ENOTTY);
    CHECK_EQ(write(back[1], "g", 1), 1);
    CHECK_EQ(wait_unless_failed(pid), 0);
    CHECK_ERRNO(tcgetsid(master), ENOTTY);
}

TEST(opening_makes_it_controlling)
{
    pid_t pid;

    open_pair();
    pid = ktap_fork();
    if (pid == 0) {
        int fd;

        if (setsid() != getpid())
            _exit(1);
        fd = open(path, O_RDWR | O_NOCTTY);
        if (open("/dev/tty", O_RDWR) >= 0)
            _exit(2);
        fd = open(path, O_RDWR);
        if (fd < 0 || tcgetpgrp(fd) != getpgrp() || open("/dev/tty", O_RDWR) < 0)
            _exit(3);
        signal(SIGHUP, SIG_IGN);
        if (ioctl(fd, TIOCNOTTY) < 0 || open("/dev/tty", O_RDWR) >= 0 || errno != ENXIO)
            _exit(4);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
}

TEST(closed_slave)
{
    char buf[16];

    open_pair();
    CHECK_EQ(write(slave, "last words", 10), 10);
    CHECK_OK(close(slave));
    CHECK_EQ(poll_of(master) & (POLLIN | POLLHUP), POLLIN | POLLHUP);
    CHECK_EQ(read(master, buf, sizeof(buf)), 10);
    CHECK_ERRNO(read(master, buf, sizeof(buf)), EIO);
    CHECK_EQ(poll_of(master) & POLLHUP, POLLHUP);
    slave = open(path, O_RDWR | O_NOCTTY);
    CHECK(slave >= 0);
    CHECK_EQ(poll_of(master) & POLLHUP, 0);
    CHECK_EQ(write(slave, "again", 5), 5);
    CHECK_EQ(read(master, buf, sizeof(buf)), 5);
}

TEST(closing_the_slave_wakes_the_master)
{
    char c;
    pid_t pid;

    open_pair();
    pid = ktap_fork();
    if (pid == 0) {
        close(slave);
        _exit(read(master, &c, 1) == -1 && errno == EIO ? 0 : 1);
    }
    usleep(20000);
    CHECK_OK(close(slave));
    CHECK_EQ(wait_for(pid), 0);
}

/* In a session on the slave: is told when the master goes, and finds a dead line. */
static void session_of_hangup(int ready)
{
    sigset_t set, old;
    struct termios t;
    char c;
    int sig;

    close(master);
    if (!take_slave())
        _exit(1);
    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &old);
    if (write(ready, "r", 1) != 1)
        _exit(2);
    if (sigwait(&set, &sig) != 0 || sig != SIGHUP)
        _exit(3);
    if (read(slave, &c, 1) != 0)
        _exit(4);
    if (write(slave, "x", 1) != -1 || errno != EIO)
        _exit(5);
    if (tcgetattr(slave, &t) != -1 || errno != EIO)
        _exit(6);
    if ((poll_of(slave) & (POLLIN | POLLHUP)) != (POLLIN | POLLHUP))
        _exit(7);
    if (open("/dev/tty", O_RDWR) != -1 || errno != ENXIO)
        _exit(8);
    if (ioctl(slave, TIOCSCTTY, 0) != -1 || errno != EIO)
        _exit(9);
    _exit(ktap_failures ? 10 : 0);
}

TEST(closing_the_master_hangs_up)
{
    int fds[2];
    pid_t pid;
    char c;

    open_pair();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0)
        session_of_hangup(fds[1]);
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_OK(close(master));
    CHECK_EQ(wait_unless_failed(pid), 0);
    CHECK_EQ(read(slave, &c, 1), 0);
    CHECK_ERRNO(write(slave, "x", 1), EIO);
}

/* A member in front, in a group of its own, is ended when the leader that was hung up exits. */
TEST(hangup_reaches_the_foreground)
{
    int fds[2];
    pid_t pid;
    char c;

    open_pair();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        pid_t job;

        close(master);
        if (!take_slave())
            _exit(1);
        job = ktap_fork();
        if (job == 0) {
            setpgid(0, 0);
            for (;;)
                pause();
        }
        setpgid(job, job);
        signal(SIGTTOU, SIG_IGN);
        if (tcsetpgrp(slave, job) < 0 || write(fds[1], "r", 1) != 1)
            _exit(2);
        for (;;)
            pause(); /* SIGHUP ends us */
    }
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    CHECK_OK(close(master));
    CHECK_EQ(wait_unless_failed(pid), SIGHUP);
    CHECK_EQ(read(fds[0], &c, 1), 0); /* the job held the other end */
}

TEST(closing_the_master_wakes_readers)
{
    pid_t pid;
    char c;

    open_pair();
    pid = ktap_fork();
    if (pid == 0) {
        close(master);
        _exit(read(slave, &c, 1) <= 0 ? 0 : 1);
    }
    usleep(20000);
    CHECK_OK(close(master));
    CHECK_EQ(wait_for(pid), 0);
}

TEST(output_waits_for_the_master)
{
    static char buf[65536];
    ssize_t sum = 0, n, got = 0;

    open_pair();
    make_raw();
    CHECK_OK(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
    while ((n = write(slave, buf, sizeof(buf))) > 0)
        sum += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK(sum > 1000);
    CHECK_EQ(poll_of(slave) & POLLOUT, 0);
    CHECK_OK(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK));
    while ((n = read(master, buf, sizeof(buf))) > 0)
        got += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK_EQ(got, sum);
    CHECK_EQ(poll_of(slave) & POLLOUT, POLLOUT);
}

/* What has no room is not put on top of what is there. */
TEST(echo_does_not_overwrite_output)
{
    static char buf[65536];
    ssize_t sum = 0, n, got = 0;
    struct termios t;

    open_pair();
    make_raw();
    CHECK_OK(tcgetattr(slave, &t));
    t.c_lflag |= ECHO;
    CHECK_OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_OK(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
    memset(buf, 'o', sizeof(buf));
    while ((n = write(slave, buf, sizeof(buf))) > 0)
        sum += n;
    CHECK_EQ(write(master, "xxxx", 4), 4);
    while (got < sum) {
        n = read(master, buf, sum - got < 4096 ? (size_t)(sum - got) : 4096);
        REQUIRE(n > 0);
        CHECK_EQ(memchr(buf, 'x', (size_t)n) != NULL, 0);
        got += n;
    }
}

TEST(input_waits_for_the_slave)
{
    static char buf[65536];
    ssize_t sum = 0, n, got = 0;

    open_pair();
    make_raw();
    CHECK_OK(fcntl(slave, F_SETFL, O_RDWR | O_NONBLOCK));
    CHECK_OK(fcntl(master, F_SETFL, O_RDWR | O_NONBLOCK));
    memset(buf, 'i', sizeof(buf));
    while ((n = write(master, buf, sizeof(buf))) > 0)
        sum += n;
    CHECK_EQ(errno, EAGAIN);
    CHECK(sum > 1000);
    usleep(20000); /* Linux hands input on by a worker */
    while ((n = read(slave, buf, sizeof(buf))) > 0 || (got < sum && errno == EAGAIN)) {
        if (n > 0)
            got += n;
        else
            usleep(1000);
    }
    CHECK_EQ(got, sum);
    CHECK_EQ(poll_of(master) & POLLOUT, POLLOUT);
}

/* More than all buffers hold goes through, in order. */
TEST(a_long_stream)
{
    const int bytes = ktap_swept ? 20000 : 200000;
    static unsigned char buf[5000];
    int done = 0;
    pid_t pid;

    open_pair();
    make_raw();
    pid = ktap_fork();
    if (pid == 0) {
        while (done < bytes) {
            int n = bytes - done < (int)sizeof(buf) ? bytes - done : (int)sizeof(buf);

            for (int k = 0; k < n; k++)
                buf[k] = (unsigned char)((done + k) * 7);
            if (write(slave, buf, (size_t)n) != n)
                _exit(1);
            done += n;
        }
        _exit(0);
    }
    CHECK_OK(close(slave)); /* the end comes with the child's */
    while (done < bytes) {
        ssize_t n = read(master, buf, sizeof(buf));

        REQUIRE(n > 0);
        for (ssize_t k = 0; k < n; k++)
            if (buf[k] != (unsigned char)((done + k) * 7)) {
                CHECK_EQ(buf[k], (unsigned char)((done + k) * 7));
                return;
            }
        done += (int)n;
    }
    CHECK_EQ(wait_for(pid), 0);
}

TEST(packet_mode)
{
    struct termios t;
    char buf[16];
    int on = 1;

    open_pair();
    CHECK_OK(ioctl(master, TIOCPKT, &on));
    CHECK_EQ(write(slave, "data", 4), 4);
    CHECK_EQ(read(master, buf, sizeof(buf)), 5);
    CHECK_EQ(buf[0], TIOCPKT_DATA);
    CHECK(memcmp(buf + 1, "data", 4) == 0);
    CHECK_OK(tcflush(slave, TCIFLUSH));
    CHECK_EQ(poll_of(master) & (POLLIN | POLLPRI), POLLIN | POLLPRI);
    CHECK_EQ(read(master, buf, sizeof(buf)), 1);
    CHECK_EQ(buf[0], TIOCPKT_FLUSHREAD);
    CHECK_OK(tcgetattr(slave, &t));
    t.c_iflag &= ~(tcflag_t)IXON;
    CHECK_OK(tcsetattr(slave, TCSANOW, &t));
    CHECK_EQ(read(master, buf, sizeof(buf)), 1);
    CHECK_EQ(buf[0], TIOCPKT_NOSTOP);
    CHECK_OK(tcflow(slave, TCOOFF));
    CHECK_EQ(read(master, buf, sizeof(buf)), 1);
    CHECK_EQ(buf[0], TIOCPKT_STOP);
    CHECK_OK(tcflow(slave, TCOON));
    CHECK_EQ(read(master, buf, sizeof(buf)), 1);
    CHECK_EQ(buf[0], TIOCPKT_START);
    on = 0;
    CHECK_OK(ioctl(master, TIOCPKT, &on));
    CHECK_EQ(write(slave, "x", 1), 1);
    CHECK_EQ(read(master, buf, sizeof(buf)), 1);
    CHECK_EQ(buf[0], 'x');
}

TEST(counts_and_flushes)
{
    char text[16];
    int n = -1;

    open_pair();
    CHECK_EQ(write(slave, "abc", 3), 3);
    usleep(20000); /* Linux hands it on by a worker */
    CHECK_OK(ioctl(master, FIONREAD, &n));
    CHECK_EQ(n, 3);
    CHECK_OK(tcflush(slave, TCOFLUSH)); /* too late: it is with the master already */
    CHECK_EQ(write(master, "\x03", 1), 1);
    usleep(20000);
    CHECK_EQ(read(master, text, sizeof(text)), 5);
    CHECK(memcmp(text, "abc^C", 5) == 0);
    CHECK_EQ(write(slave, "abc", 3), 3);
    usleep(20000);
    CHECK_OK(tcflush(master, TCIFLUSH));
    CHECK_EQ(poll_of(master) & POLLIN, 0);
    CHECK_EQ(write(master, "line\n", 5), 5);
    usleep(20000);
    CHECK_OK(ioctl(slave, FIONREAD, &n));
    CHECK_EQ(n, 5);
    CHECK_OK(tcflush(slave, TCIFLUSH));
    CHECK_EQ(poll_of(slave) & POLLIN, 0);
}

TEST(waiting_by_epoll)
{
    struct epoll_event e = {.events = EPOLLIN}, got;
    int ep = epoll_create1(0);
    pid_t pid;

    open_pair();
    REQUIRE(epoll_ctl(ep, EPOLL_CTL_ADD, master, &e) == 0);
    CHECK_EQ(epoll_wait(ep, &got, 1, 0), 0);
    pid = ktap_fork();
    if (pid == 0) {
        usleep(20000);
        _exit(write(slave, "!", 1) != 1);
    }
    CHECK_EQ(epoll_wait(ep, &got, 1, -1), 1);
    CHECK_EQ(got.events, EPOLLIN);
    CHECK_EQ(wait_for(pid), 0);
}

TEST(other_users)
{
    pid_t pid;

    open_master();
    CHECK_OK(set_lock(0));
    if (getuid() != 0)
        ktap_skip("needs root to become others");
    CHECK_OK(chmod(path, 0600));
    pid = ktap_fork();
    if (pid == 0) {
        struct stat st;
        int own;

        close(master);
        if (setgid(65534) < 0 || setuid(65534) < 0)
            _exit(1);
        if (open(path, O_RDWR | O_NOCTTY) != -1 || errno != EACCES)
            _exit(2);
        own = open("/dev/ptmx", O_RDWR | O_NOCTTY); /* everybody may have one */
        master = own;
        if (own < 0 || set_lock(0) < 0)
            _exit(3);
        slave = ioctl(own, TIOCGPTPEER, O_RDWR | O_NOCTTY);
        _exit(slave >= 0 && fstat(slave, &st) == 0 && st.st_uid == 65534 ? 0 : 4);
    }
    CHECK_EQ(wait_for(pid), 0);
}

TEST(errors)
{
    struct winsize ws;
    int n;

    open_pair();
    CHECK_ERRNO(ioctl(master, TIOCGPTN, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(master, TIOCPKT, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(master, TIOCSWINSZ, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(master, TIOCGWINSZ, ktap_nowhere), EFAULT);
    CHECK_ERRNO(ioctl(master, TIOCSIG, SIGTERM), EINVAL);
    CHECK_ERRNO(ioctl(slave, TIOCPKT, &n), ENOTTY);
    CHECK_ERRNO(ioctl(master, _IO('Q', 99), 0), ENOTTY);
    CHECK_ERRNO(ioctl(master, TIOCNOTTY), ENOTTY);
    CHECK_ERRNO(lseek(master, 0, SEEK_SET), ESPIPE);
    CHECK_ERRNO(pread(slave, &ws, 1, 0), ESPIPE);
    CHECK_EQ(write(slave, "x", 1), 1);
    CHECK_ERRNO(read(master, ktap_nowhere, 4), EFAULT);
    CHECK_EQ(read(master, &ws, 4), 1); /* it is still there */
    CHECK_ERRNO(write(master, ktap_nowhere, 4), EFAULT);
}

/* As many as there may be, then an error; afterwards all numbers are free again. */
TEST(no_number_left)
{
    enum { MOST = 300 };
    static int fds[MOST];
    char text[16] = "";
    int fd = open("/proc/sys/kernel/pty/max", O_RDONLY), max, nr = 0;

    if (fd < 0 || read(fd, text, sizeof(text) - 1) <= 0 || (max = atoi(text)) >= MOST)
        ktap_skip("more pseudo-terminals than this test opens");
    while (nr < MOST && (fds[nr] = open("/dev/ptmx", O_RDWR | O_NOCTTY)) >= 0)
        nr++;
    CHECK_EQ(errno, ENOSPC);
    CHECK(nr > 0 && nr <= max);
    while (nr > 0)
        CHECK_OK(close(fds[--nr]));
    open_pair();
}

KTAP_MAIN(CASE(names), CASE(names_come_and_go), CASE(lock), CASE(peer), CASE(settings_are_shared),
          CASE(resize_signals_the_foreground), CASE(session_seen_from_the_master),
          CASE(opening_makes_it_controlling), CASE(closed_slave),
          CASE(closing_the_slave_wakes_the_master), CASE(closing_the_master_hangs_up),
          CASE(hangup_reaches_the_foreground), CASE(closing_the_master_wakes_readers),
          CASE(output_waits_for_the_master), CASE(echo_does_not_overwrite_output),
          CASE(input_waits_for_the_slave), CASE(a_long_stream), CASE(packet_mode),
          CASE(counts_and_flushes), CASE(waiting_by_epoll), CASE(other_users),
          CASE(errors), CASE(no_number_left))
