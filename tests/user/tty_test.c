/* SPDX-License-Identifier: MIT */
/*
 * Terminals, sessions, process groups and job control. Uses a pseudo-terminal where there is one,
 * the controlling console otherwise, and skips what needs a terminal when there is neither.
 */
#include "ktap.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>

static int master = -1, tty = -1;

/* A fresh terminal: its two ends. Without pseudo-terminals the test is skipped. */
static void need_pty(void)
{
    char path[32];
    int unlock = 0, nr = -1;

    master = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    if (master < 0)
        ktap_skip("no pseudo-terminals: %s", strerror(errno));
    if (ioctl(master, TIOCSPTLCK, &unlock) < 0 || ioctl(master, TIOCGPTN, &nr) < 0)
        ktap_skip("/dev/ptmx: %s", strerror(errno));
    snprintf(path, sizeof(path), "/dev/pts/%d", nr);
    tty = open(path, O_RDWR | O_NOCTTY);
    if (tty < 0)
        ktap_skip("%s: %s", path, strerror(errno));
}

/* A terminal of any kind to ask about modes; it is not read from. */
static int need_any_tty(void)
{
    int fd = open("/dev/tty", O_RDWR | O_NOCTTY);

    if (fd < 0)
        fd = open("/dev/console", O_RDWR | O_NOCTTY);
    if (fd < 0 || !isatty(fd))
        ktap_skip("no terminal");
    return fd;
}

static int wait_for(pid_t pid)
{
    int status = -1;

    return waitpid(pid, &status, WUNTRACED) == pid ? status : -1;
}

TEST(process_groups)
{
    int fds[2];
    pid_t pid;
    char c;

    REQUIRE(pipe(fds) == 0);
    CHECK_EQ(getpgid(0), getpgrp());
    pid = ktap_fork();
    if (pid == 0) {
        close(fds[1]);
        _exit(read(fds[0], &c, 1) != 0);
    }
    CHECK_EQ(getpgid(pid), getpgrp());
    CHECK_OK(setpgid(pid, pid));
    CHECK_EQ(getpgid(pid), pid);
    CHECK_OK(setpgid(pid, getpgrp()));
    CHECK_ERRNO(setpgid(pid, 0x3ffffff), EPERM);
    CHECK_ERRNO(setpgid(pid, -1), EINVAL);
    CHECK_ERRNO(setpgid(0x3ffffff, 0), ESRCH);
    CHECK_ERRNO(getpgid(0x3ffffff), ESRCH);
    close(fds[1]);
    CHECK_EQ(wait_for(pid), 0);
}

TEST(sessions)
{
    pid_t pid = ktap_fork(), old = getsid(0);

    if (pid == 0) {
        int bad = setsid() != getpid();

        bad |= getsid(0) != getpid() || getpgrp() != getpid();
        bad |= setsid() != -1 || errno != EPERM; /* a leader cannot start another */
        bad |= setpgid(0, 0) != -1 || errno != EPERM;
        bad |= open("/dev/tty", O_RDWR) != -1 || errno != ENXIO;
        _exit(bad);
    }
    CHECK_EQ(wait_for(pid), 0);
    CHECK_EQ(getsid(0), old);
    CHECK_ERRNO(getsid(0x3ffffff), ESRCH);
}

TEST(kill_a_group)
{
    pid_t leader = ktap_fork(), member;

    if (leader == 0) {
        setpgid(0, 0);
        for (;;)
            pause();
    }
    setpgid(leader, leader);
    member = ktap_fork();
    if (member == 0) {
        for (;;)
            pause();
    }
    CHECK_OK(setpgid(member, leader));
    CHECK_OK(kill(-leader, SIGTERM));
    CHECK_EQ(WTERMSIG(wait_for(leader)), SIGTERM);
    CHECK_EQ(WTERMSIG(wait_for(member)), SIGTERM);
    CHECK_ERRNO(kill(-leader, SIGTERM), ESRCH);
}

TEST(not_a_terminal)
{
    struct termios t;
    struct winsize ws;
    int fds[2];

    REQUIRE(pipe(fds) == 0);
    CHECK_EQ(isatty(fds[0]), 0);
    CHECK_ERRNO(ioctl(fds[0], TCGETS, &t), ENOTTY);
    CHECK_ERRNO(ioctl(fds[0], TIOCGWINSZ, &ws), ENOTTY);
    CHECK_ERRNO(tcgetpgrp(fds[0]), ENOTTY);
    CHECK_ERRNO(ioctl(999, TCGETS, &t), EBADF);
}

TEST(modes_can_be_read)
{
    struct termios t;
    struct winsize ws;
    int fd = need_any_tty();

    CHECK_OK(tcgetattr(fd, &t));
    CHECK(t.c_cc[VINTR] != 0);
    CHECK_OK(ioctl(fd, TIOCGWINSZ, &ws));
    CHECK_OK(tcsetattr(fd, TCSANOW, &t));
}

TEST(modes_are_kept)
{
    struct termios t, got;
    struct winsize ws = {.ws_row = 33, .ws_col = 99}, got_ws;

    need_pty();
    CHECK_OK(tcgetattr(tty, &t));
    CHECK(t.c_lflag & ICANON);
    t.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    t.c_cc[VMIN] = 5;
    CHECK_OK(tcsetattr(tty, TCSANOW, &t));
    CHECK_OK(tcgetattr(tty, &got));
    CHECK_EQ(got.c_lflag, t.c_lflag);
    CHECK_EQ(got.c_cc[VMIN], 5);
    CHECK_OK(ioctl(tty, TIOCSWINSZ, &ws));
    CHECK_OK(ioctl(master, TIOCGWINSZ, &got_ws));
    CHECK_EQ(got_ws.ws_col, 99);
}

static void type(const char *text)
{
    CHECK_EQ(write(master, text, strlen(text)), (long)strlen(text));
}

TEST(canonical_lines)
{
    char buf[32] = "";

    need_pty();
    type("ab\x7f"
         "c\n");
    CHECK_EQ(read(tty, buf, sizeof(buf)), 3);
    CHECK(strcmp(buf, "ac\n") == 0);
    type("gone\x15kept\n");
    CHECK_EQ(read(tty, buf, 3), 3);
    CHECK(memcmp(buf, "kep", 3) == 0);
    CHECK_EQ(read(tty, buf, sizeof(buf)), 2);
    type("\x04");
    CHECK_EQ(read(tty, buf, sizeof(buf)), 0);
    type("part\x04");
    CHECK_EQ(read(tty, buf, sizeof(buf)), 4);
}

TEST(raw_bytes)
{
    struct termios t;
    char buf[32] = "";

    need_pty();
    CHECK_OK(tcgetattr(tty, &t));
    cfmakeraw(&t);
    CHECK_OK(tcsetattr(tty, TCSANOW, &t));
    type("\x03\x04\r");
    CHECK_EQ(read(tty, buf, sizeof(buf)), 3);
    CHECK(memcmp(buf, "\x03\x04\r", 3) == 0);
}

TEST(echo_and_output_processing)
{
    char buf[32] = "";

    need_pty();
    type("hi\n");
    CHECK_EQ(read(master, buf, sizeof(buf)), 4);
    CHECK(memcmp(buf, "hi\r\n", 4) == 0);
    CHECK_EQ(write(tty, "x\ny", 3), 3);
    CHECK_EQ(read(master, buf, sizeof(buf)), 4);
    CHECK(memcmp(buf, "x\r\ny", 4) == 0);
}

/* Becomes the leader of a session whose controlling terminal is tty. */
static bool take_tty(void)
{
    return setsid() == getpid() && ioctl(tty, TIOCSCTTY, 0) == 0 && tcgetpgrp(tty) == getpgrp();
}

TEST(interrupt_key_signals_the_foreground)
{
    pid_t pid;
    char c;
    int fds[2];

    need_pty();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        if (!take_tty() || write(fds[1], "r", 1) != 1)
            _exit(1);
        for (;;)
            pause();
    }
    CHECK_EQ(read(fds[0], &c, 1), 1);
    type("\x03");
    CHECK_EQ(WTERMSIG(wait_for(pid)), SIGINT);
}

enum touch { READS, WRITES, TAKES_IT };

/* In the session: a background child that touches the terminal. Returns its wait status. */
static int background_touch(enum touch touch)
{
    pid_t pid = ktap_fork();
    char c;

    if (pid == 0) {
        setpgid(0, 0);
        if (touch == READS)
            _exit(read(tty, &c, 1) < 0 ? 10 : 11);
        if (touch == TAKES_IT)
            _exit(tcsetpgrp(tty, getpid()) == 0 ? 14 : 15);
        _exit(write(tty, "\n", 1) == 1 ? 12 : 13);
    }
    setpgid(pid, pid);
    return wait_for(pid);
}

/*
 * Runs fn in a session that has a terminal: a new session with a pseudo-terminal, or this one when
 * its terminal's foreground group is ours. fn ends by _exit(0) when all is well.
 */
static void in_session(void (*fn)(void))
{
    int probe = open("/dev/ptmx", O_RDWR | O_NOCTTY);
    bool own = probe < 0;
    struct termios modes;
    pid_t pid;

    close(probe);
    if (own) {
        tty = open("/dev/tty", O_RDWR);
        if (tty < 0 || tcgetpgrp(tty) != getpgrp())
            ktap_skip("no pseudo-terminals, and not in the foreground of a terminal");
        tcgetattr(tty, &modes);
    } else {
        need_pty();
    }
    pid = ktap_fork();
    if (pid == 0) {
        if (!own && !take_tty())
            _exit(1);
        fn();
    }
    CHECK_EQ(wait_for(pid), 0);
    if (own) {
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(tty, getpgrp());
        tcsetattr(tty, TCSANOW, &modes);
    }
}

static void session_of_background_access(void)
{
    struct termios t;
    int status;

    status = background_touch(READS);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTIN)
        _exit(2);
    status = background_touch(WRITES); /* without TOSTOP a write goes through */
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 12)
        _exit(3);
    status = background_touch(TAKES_IT); /* only the foreground hands it on */
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTOU || tcgetpgrp(tty) != getpgrp())
        _exit(6);
    tcgetattr(tty, &t);
    t.c_lflag |= TOSTOP;
    tcsetattr(tty, TCSANOW, &t);
    status = background_touch(WRITES);
    if (!WIFSTOPPED(status) || WSTOPSIG(status) != SIGTTOU)
        _exit(4);
    signal(SIGTTIN, SIG_IGN);
    status = background_touch(READS); /* ignored: an error instead of a stop */
    _exit(WIFEXITED(status) && WEXITSTATUS(status) == 10 ? 0 : 5);
}

TEST(background_access_stops)
{
    in_session(session_of_background_access);
}

/* A job gets the terminal, stops, gives it back, goes on in the background. */
static void session_of_foreground_change(void)
{
    pid_t me = getpgrp(), job;
    int status;

    signal(SIGTTOU, SIG_IGN);
    job = ktap_fork();
    if (job == 0) {
        setpgid(0, 0);
        while (tcgetpgrp(tty) != getpid())
            usleep(1000);
        raise(SIGSTOP);
        _exit(tcgetpgrp(tty) == getpid() ? 1 : 0);
    }
    setpgid(job, job);
    if (tcsetpgrp(tty, job) < 0 || tcgetpgrp(tty) != job)
        _exit(2);
    status = wait_for(job);
    if (!WIFSTOPPED(status) || tcsetpgrp(tty, me) < 0 || tcgetpgrp(tty) != me)
        _exit(3);
    kill(-job, SIGCONT);
    _exit(wait_for(job) == 0 ? 0 : 4);
}

TEST(foreground_group_changes)
{
    in_session(session_of_foreground_change);
}

static void session_of_job_control(int ready)
{
    int status;
    pid_t job;

    if (!take_tty())
        _exit(1);
    signal(SIGTTOU, SIG_IGN);
    job = ktap_fork();
    if (job == 0) {
        setpgid(0, 0);
        signal(SIGTTOU, SIG_DFL);
        for (;;)
            pause();
    }
    setpgid(job, job);
    if (tcsetpgrp(tty, job) < 0 || tcgetpgrp(tty) != job || write(ready, "r", 1) != 1)
        _exit(2);
    if (waitpid(job, &status, WUNTRACED) != job || !WIFSTOPPED(status) ||
        WSTOPSIG(status) != SIGTSTP)
        _exit(3);
    if (tcsetpgrp(tty, getpgrp()) < 0)
        _exit(4);
    kill(-job, SIGCONT);
    if (waitpid(job, &status, WCONTINUED) != job || !WIFCONTINUED(status))
        _exit(5);
    kill(-job, SIGTERM);
    waitpid(job, &status, 0);
    _exit(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM ? 0 : 6);
}

TEST(stop_key_and_continue)
{
    int fds[2];
    pid_t pid;
    char c;

    need_pty();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0)
        session_of_job_control(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 1);
    type("\x1a");
    CHECK_EQ(wait_for(pid), 0);
}

TEST(hangup_of_the_leader)
{
    int fds[2];
    pid_t pid, member = 0;
    char c;

    need_pty();
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        if (!take_tty())
            _exit(1);
        member = ktap_fork();
        if (member == 0) {
            signal(SIGHUP, SIG_DFL);
            if (write(fds[1], "m", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        if (read(fds[0], &c, 1) != 1)
            _exit(2);
        _exit(0);
    }
    CHECK_EQ(wait_for(pid), 0);
    close(fds[1]);
    CHECK_EQ(read(fds[0], &c, 1), 0); /* the member, the last writer, is gone */
}

TEST(tcsetpgrp_errors)
{
    pid_t pid;

    need_pty();
    CHECK_ERRNO(tcsetpgrp(tty, getpgrp()), ENOTTY); /* not our controlling terminal */
    pid = ktap_fork();
    if (pid == 0) {
        int bad = !take_tty();

        bad |= tcsetpgrp(tty, 0x3ffffff) != -1 || errno != ESRCH;
        bad |= tcsetpgrp(tty, getppid()) != -1 || errno == 0;
        _exit(bad);
    }
    CHECK_EQ(wait_for(pid), 0);
}

KTAP_MAIN(CASE(process_groups), CASE(sessions), CASE(kill_a_group), CASE(not_a_terminal),
          CASE(modes_can_be_read), CASE(modes_are_kept), CASE(canonical_lines), CASE(raw_bytes),
          CASE(echo_and_output_processing), CASE(interrupt_key_signals_the_foreground),
          CASE(background_access_stops), CASE(foreground_group_changes),
          CASE(stop_key_and_continue), CASE(hangup_of_the_leader), CASE(tcsetpgrp_errors))
