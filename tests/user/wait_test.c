/* SPDX-License-Identifier: MIT */
/* wait4(2), waitid(2), SIGCHLD, exit statuses, stopped and continued children, orphans. */
#include "ktap.h"

#include <sys/prctl.h>
#include <sys/resource.h>

static volatile sig_atomic_t chld_code, chld_status, chld_pid, chld_count;

static void on_child(int sig, siginfo_t *info, void *context)
{
    chld_code = info->si_code;
    chld_status = info->si_status;
    chld_pid = info->si_pid;
    chld_count++;
}

static void catch_child(int flags)
{
    struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART | flags};

    CHECK_OK(sigaction(SIGCHLD, &sa, NULL));
}

static pid_t child_exiting(int status)
{
    pid_t pid = ktap_fork();

    if (pid == 0)
        _exit(status);
    return pid;
}

static pid_t child_pausing(void)
{
    pid_t pid = ktap_fork();

    if (pid == 0) {
        for (;;)
            pause();
    }
    return pid;
}

TEST(exit_status)
{
    int status = 0;
    pid_t pid = child_exiting(42);

    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
    pid = child_exiting(0x1234);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 0x34);
    CHECK_ERRNO(waitpid(pid, &status, 0), ECHILD);
}

TEST(killed_status)
{
    int status = 0;
    pid_t pid = child_pausing();

    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status));
    CHECK_EQ(WTERMSIG(status), SIGKILL);
}

TEST(any_child)
{
    pid_t a = child_exiting(1), b = child_exiting(2), got;
    int status, seen = 0;

    for (int i = 0; i < 2; i++) {
        got = wait(&status);
        CHECK(got == a || got == b);
        seen += WEXITSTATUS(status);
    }
    CHECK_EQ(seen, 3);
    CHECK_ERRNO(wait(&status), ECHILD);
}

TEST(nohang)
{
    int status = 77;
    pid_t pid = child_pausing();

    CHECK_EQ(waitpid(pid, &status, WNOHANG), 0);
    CHECK_EQ(waitpid(-1, &status, WNOHANG), 0);
    CHECK_EQ(status, 77);
    kill(pid, SIGTERM);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_ERRNO(waitpid(-1, &status, WNOHANG), ECHILD);
}

TEST(stopped_and_continued)
{
    int status = 0;
    pid_t pid = child_pausing();

    CHECK_OK(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED | WNOHANG), 0);
    CHECK_OK(kill(pid, SIGCONT));
    CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
    CHECK(WIFCONTINUED(status));
    CHECK_OK(kill(pid, SIGSTOP));
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_OK(kill(pid, SIGKILL));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WTERMSIG(status), SIGKILL);
}

TEST(process_groups)
{
    int status = 0;
    pid_t a = child_exiting(3), b = child_pausing();

    CHECK_OK(setpgid(b, b));
    CHECK_EQ(waitpid(0, &status, 0), a);
    CHECK_ERRNO(waitpid(0, &status, WNOHANG), ECHILD);
    CHECK_EQ(waitpid(-b, &status, WNOHANG), 0);
    CHECK_OK(kill(-b, SIGTERM));
    CHECK_EQ(waitpid(-b, &status, 0), b);
    CHECK_ERRNO(waitpid(-b, &status, 0), ECHILD);
}

TEST(wait4_errors_and_rusage)
{
    struct rusage ru;
    int status;
    pid_t pid = child_exiting(0);

    CHECK_ERRNO(wait4(pid, &status, 0x12345600, &ru), EINVAL);
    CHECK_EQ(wait4(pid, &status, 0, &ru), pid);
    CHECK(ru.ru_utime.tv_sec >= 0 && ru.ru_utime.tv_sec < 60);
    CHECK_ERRNO(waitpid(1, &status, 0), ECHILD);
}

TEST(waitid_exited)
{
    siginfo_t info = {0};
    pid_t pid = child_exiting(5);

    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT));
    CHECK_EQ(info.si_pid, pid);
    CHECK_EQ(info.si_signo, SIGCHLD);
    CHECK_EQ(info.si_code, CLD_EXITED);
    CHECK_EQ(info.si_status, 5);
    /* WNOWAIT has left it there. */
    memset(&info, 0, sizeof(info));
    CHECK_OK(waitid(P_ALL, 0, &info, WEXITED));
    CHECK_EQ(info.si_pid, pid);
    CHECK_ERRNO(waitid(P_PID, (id_t)pid, &info, WEXITED), ECHILD);
}

TEST(waitid_stopped_killed)
{
    siginfo_t info = {0};
    pid_t pid = child_pausing();

    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG));
    CHECK_EQ(info.si_pid, 0);
    kill(pid, SIGSTOP);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WSTOPPED));
    CHECK_EQ(info.si_code, CLD_STOPPED);
    CHECK_EQ(info.si_status, SIGSTOP);
    kill(pid, SIGCONT);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WCONTINUED));
    CHECK_EQ(info.si_code, CLD_CONTINUED);
    kill(pid, SIGKILL);
    CHECK_OK(waitid(P_PID, (id_t)pid, &info, WEXITED));
    CHECK_EQ(info.si_code, CLD_KILLED);
    CHECK_EQ(info.si_status, SIGKILL);
    CHECK_ERRNO(waitid(P_ALL, 0, &info, 0), EINVAL);
}

TEST(sigchld_info)
{
    int status;
    pid_t pid;

    catch_child(0);
    pid = child_exiting(9);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(chld_code, CLD_EXITED);
    CHECK_EQ(chld_status, 9);
    CHECK_EQ(chld_pid, pid);
    pid = child_pausing();
    kill(pid, SIGTERM);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(chld_code, CLD_KILLED);
    CHECK_EQ(chld_status, SIGTERM);
}

TEST(nocldstop)
{
    int status;
    pid_t pid;

    catch_child(SA_NOCLDSTOP);
    pid = child_pausing();
    kill(pid, SIGSTOP);
    CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
    CHECK_EQ(chld_count, 0);
    kill(pid, SIGKILL);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(chld_count, 1);
}

TEST(ignored_sigchld_reaps)
{
    int status;

    signal(SIGCHLD, SIG_IGN);
    child_exiting(1);
    child_exiting(2);
    /* Waits until all are gone, then there is none. */
    CHECK_ERRNO(wait(&status), ECHILD);
}

TEST(nocldwait_reaps)
{
    struct sigaction sa = {.sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT};
    int status;

    CHECK_OK(sigaction(SIGCHLD, &sa, NULL));
    child_exiting(1);
    CHECK_ERRNO(wait(&status), ECHILD);
}

TEST(orphan_goes_to_subreaper)
{
    int fds[2], status;
    pid_t pid, orphan = 0, reaper = getpid();

    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        ktap_skip("no PR_SET_CHILD_SUBREAPER");
    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        pid_t grandchild = ktap_fork();

        if (grandchild == 0) {
            usleep(50000);
            _exit(getppid() == reaper ? 33 : 34);
        }
        _exit(write(fds[1], &grandchild, sizeof(grandchild)) != sizeof(grandchild));
    }
    CHECK_EQ(read(fds[0], &orphan, sizeof(orphan)), (long)sizeof(orphan));
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(waitpid(orphan, &status, 0), orphan);
    CHECK_EQ(WEXITSTATUS(status), 33);
}

TEST(parent_death_signal)
{
    int fds[2], status;
    char c;
    pid_t pid;

    REQUIRE(pipe(fds) == 0);
    pid = ktap_fork();
    if (pid == 0) {
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (write(fds[1], "r", 1) != 1)
                _exit(1);
            for (;;)
                pause();
        }
        _exit(read(fds[0], &c, 1) != 1);
    }
    close(fds[1]);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    /* End of file only when the grandchild is gone too. */
    CHECK_EQ(read(fds[0], &c, 1), 0);
}

TEST(many_children)
{
    const int nr = ktap_swept ? 10 : 100;
    int status, sum = 0;

    for (int i = 0; i < nr; i++) {
        if (child_exiting(i % 7) < 0) {
            CHECK_OK(-1);
            break;
        }
    }
    for (int i = 0; i < nr; i++) {
        if (wait(&status) < 0)
            break;
        sum += 1 + WEXITSTATUS(status) * 1000;
    }
    CHECK_EQ(sum % 1000, nr);
    CHECK_ERRNO(wait(&status), ECHILD);
}

TEST(zombie_is_visible)
{
    char path[64], state = 0;
    pid_t pid = child_exiting(0);
    FILE *f;

    usleep(50000);
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    f = fopen(path, "r");
    if (!f)
        ktap_skip("no /proc");
    CHECK_EQ(fscanf(f, "%*d %*s %c", &state), 1);
    CHECK_EQ(state, 'Z');
    fclose(f);
    CHECK_OK(kill(pid, 0));
    CHECK_EQ(waitpid(pid, NULL, 0), pid);
    CHECK_ERRNO(kill(pid, 0), ESRCH);
}

KTAP_MAIN(CASE(exit_status), CASE(killed_status), CASE(any_child), CASE(nohang),
          CASE(stopped_and_continued), CASE(process_groups), CASE(wait4_errors_and_rusage),
          CASE(waitid_exited), CASE(waitid_stopped_killed), CASE(sigchld_info), CASE(nocldstop),
          CASE(ignored_sigchld_reaps), CASE(nocldwait_reaps), CASE(orphan_goes_to_subreaper),
          CASE(parent_death_signal), CASE(many_children), CASE(zombie_is_visible))
