/* SPDX-License-Identifier: MIT */
/*
 * init.c: /init of the conformance run, the same on Linux and on Quire: mounts what the programs
 * expect, sets aside huge pages, runs each program of /conformance/list and says how it ended.
 *
 * A line of the list is "NAME PROGRAM UID[:SECONDS] ARGUMENTS..."; the program is
 * /conformance/PROGRAM. SECONDS is for what has no end of its own: it is ended then. Output:
 *   @@BEGIN NAME, what the program printed, @@END NAME exit N | signal N | timeout | ran on
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define HUGE_PAGES "300"
#define TIMEOUT_S  900
#define MAX_ARGS   16

struct test {
    const char *name, *program;
    int uid;
    long seconds; /* 0: it ends by itself */
    char *argv[MAX_ARGS + 1];
};

static void mount_at(const char *type, const char *dir, const char *options)
{
    mkdir(dir, 0755);
    if (mount("none", dir, type, 0, options) && errno != EBUSY)
        printf("@@NOTE mounting %s on %s: %s\n", type, dir, strerror(errno));
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY);

    if (fd < 0 || write(fd, text, strlen(text)) < 0)
        printf("@@NOTE %s: %s\n", path, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void child(const struct test *t, int out)
{
    static const struct rlimit none = {65536, 65536};
    char path[128];

    dup2(out, 1);
    dup2(out, 2);
    if (t->uid) {
        setrlimit(RLIMIT_MEMLOCK, &none);
        if (setgid(t->uid) || setuid(t->uid))
            _exit(126);
    }
    snprintf(path, sizeof(path), "/conformance/%s", t->program);
    execv(path, t->argv);
    printf("exec %s: %s\n", path, strerror(errno));
    fflush(stdout);
    _exit(127);
}

static long seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec;
}

/* Copies what comes until the other end closes; false when it takes longer than @limit seconds. */
static int copy_output(int in, long limit)
{
    long end = seconds() + limit;
    char buf[4096];

    for (;;) {
        struct pollfd p = {.fd = in, .events = POLLIN};
        ssize_t n;

        if (seconds() >= end)
            return 0;
        if (poll(&p, 1, 1000) <= 0)
            continue;
        n = read(in, buf, sizeof(buf));
        if (n <= 0)
            return 1;
        fwrite(buf, 1, (size_t)n, stdout);
        fflush(stdout);
    }
}

static void run(const struct test *t)
{
    int fds[2], status = 0, ended;
    pid_t pid;

    printf("@@BEGIN %s\n", t->name);
    fflush(stdout);
    if (pipe(fds))
        return;
    pid = fork();
    if (pid == 0)
        child(t, fds[1]);
    close(fds[1]);
    ended = copy_output(fds[0], t->seconds ? t->seconds : TIMEOUT_S);
    close(fds[0]);
    if (!ended)
        kill(pid, SIGKILL);
    waitpid(pid, &status, 0);
    if (!ended)
        printf("\n@@END %s %s\n", t->name, t->seconds ? "ran on" : "timeout");
    else if (WIFSIGNALED(status))
        printf("\n@@END %s signal %d\n", t->name, WTERMSIG(status));
    else
        printf("\n@@END %s exit %d\n", t->name, WEXITSTATUS(status));
    fflush(stdout);
}

static void run_line(char *line)
{
    struct test t = {.name = strtok(line, " \n")};
    char *word;
    int n = 0;

    t.program = strtok(NULL, " \n");
    word = strtok(NULL, " \n");
    if (!t.name || !t.program || !word)
        return;
    t.uid = atoi(word);
    if (strchr(word, ':'))
        t.seconds = atol(strchr(word, ':') + 1);
    t.argv[n++] = (char *)t.program;
    while (n < MAX_ARGS && (word = strtok(NULL, " \n")))
        t.argv[n++] = word;
    run(&t);
}

int main(void)
{
    char line[256];
    FILE *list;

    mount_at("devtmpfs", "/dev", "");
    if (open("/dev/console", O_RDWR) >= 0) { /* before that nobody hears us */
        dup2(0, 1);
        dup2(0, 2);
    }
    mount_at("proc", "/proc", "");
    mount_at("sysfs", "/sys", "");
    mount_at("debugfs", "/sys/kernel/debug", "");
    mount_at("tmpfs", "/tmp", "mode=1777");
    mount_at("tmpfs", "/dev/shm", "");
    put("/proc/sys/vm/nr_hugepages", HUGE_PAGES);
    mount_at("hugetlbfs", "/huge", "");
    /* No huge page comes but when a test asks: khugepaged's has a pace of its own. */
    put("/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs", "3600000");
    list = fopen("/conformance/list", "r");
    while (list && fgets(line, sizeof(line), list))
        run_line(line);
    printf("@@DONE\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
