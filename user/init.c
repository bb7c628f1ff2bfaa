/* SPDX-License-Identifier: MIT */
/*
 * init: process 1. Mounts the kernel's file systems, opens the console, starts one program, reaps
 * orphans, and hands that program's exit status to whoever started the machine.
 *
 * What it starts, from /proc/cmdline:
 *   run=/path[,arg...]   that program
 *   ... -- /path arg...  that program
 *   test or test=PATTERN /tests/run-tests [PATTERN]
 *   (none of these)      /bin/sh as a login shell; init.respawn starts it again whenever it ends
 *
 * The machine is powered off afterwards. A status other than 0 is reported by reboot(2) with
 * LINUX_REBOOT_CMD_RESTART2 and the text "exit=N", which Quire's kernel passes to QEMU.
 *
 * Not here: runlevels, services, logins.
 */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_ARGS 64

static char *child_argv[MAX_ARGS + 1];
static bool respawn;

static const struct {
    const char *source, *target, *type, *options;
    mode_t mode;
    bool optional; /* not every kernel has it */
} mounts[] = {
    {"proc", "/proc", "proc", "", 0555, false},
    {"sysfs", "/sys", "sysfs", "", 0555, false},
    {"devtmpfs", "/dev", "devtmpfs", "mode=0755", 0755, false},
    {"tmpfs", "/tmp", "tmpfs", "mode=1777", 01777, false},
    {"tmpfs", "/dev/shm", "tmpfs", "mode=1777", 01777, false},
    {"devpts", "/dev/pts", "devpts", "mode=0620,ptmxmode=0666", 0755, true},
};

/* EBUSY means that the kernel or a container has mounted it already. */
static void mount_all(void)
{
    for (size_t i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
        if (mkdir(mounts[i].target, mounts[i].mode) < 0 && errno != EEXIST)
            warn("mkdir %s", mounts[i].target);
        if (mount(mounts[i].source, mounts[i].target, mounts[i].type, 0, mounts[i].options) < 0 &&
            errno != EBUSY && !(errno == ENODEV && mounts[i].optional))
            warn("mount %s on %s", mounts[i].type, mounts[i].target);
    }
}

/* Descriptors 0, 1 and 2 become the console; with no console they keep what the kernel gave. */
static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR | O_NOCTTY);

    if (fd < 0)
        fd = open("/dev/null", O_RDWR);
    if (fd < 0)
        return;
    for (int i = 0; i < 3; i++) {
        if (fd != i)
            dup2(fd, i);
    }
    if (fd > 2)
        close(fd);
}

/* Splits text at any of the separators into child_argv. */
static void set_child(char *text, const char *separators)
{
    char *save = NULL;
    size_t nr = 0;

    for (char *arg = strtok_r(text, separators, &save); arg && nr < MAX_ARGS;
         arg = strtok_r(NULL, separators, &save))
        child_argv[nr++] = arg;
    child_argv[nr] = NULL;
}

static void set_test(char *pattern)
{
    child_argv[0] = "/tests/run-tests";
    child_argv[1] = pattern;
    child_argv[2] = NULL;
}

static void read_cmdline(void)
{
    char *text = read_file("/proc/cmdline", NULL);
    char *rest, *save = NULL;

    child_argv[0] = "-sh";
    if (!text) {
        warn("/proc/cmdline");
        return;
    }
    text[strcspn(text, "\n")] = '\0';
    rest = strstr(text, " -- ");
    if (rest) {
        *rest = '\0';
        rest += 4;
    } else if (strncmp(text, "-- ", 3) == 0) {
        rest = text + 3;
        text[0] = '\0';
    }
    for (char *word = strtok_r(text, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (strcmp(word, "init.respawn") == 0)
            respawn = true;
        else if (strncmp(word, "run=", 4) == 0)
            set_child(word + 4, ",");
        else if (strcmp(word, "test") == 0)
            set_test(NULL);
        else if (strncmp(word, "test=", 5) == 0)
            set_test(word + 5);
    }
    if (rest && rest[strspn(rest, " ")])
        set_child(rest, " ");
}

/* A new session for every start, so that a fresh shell gets the console as its controlling tty. */
static void start_child(void)
{
    bool is_shell = strcmp(child_argv[0], "-sh") == 0;

    setsid();
    ioctl(STDIN_FILENO, TIOCSCTTY, 1);
    if (is_shell)
        chdir("/root");
    execv(is_shell ? "/bin/sh" : child_argv[0], child_argv);
    err(127, "%s", is_shell ? "/bin/sh" : child_argv[0]);
}

/* Runs the child to its end and reaps every orphan meanwhile; returns a shell-style status. */
static int run_child(void)
{
    pid_t child = fork();
    int status;

    if (child < 0) {
        warn("fork");
        return 126;
    }
    if (child == 0)
        start_child();
    for (;;) {
        pid_t pid = wait(&status);

        if (pid < 0 && errno != EINTR)
            return 126;
        if (pid == child)
            break;
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void end_machine(int status)
{
    char how[32];

    sync();
    if (status != 0) {
        snprintf(how, sizeof(how), "exit=%d", status);
        syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART2,
                how);
        warn("reboot with %s", how);
    }
    reboot(RB_POWER_OFF);
    warn("power off");
    reboot(RB_HALT_SYSTEM);
}

int main(void)
{
    int status;

    if (getpid() != 1)
        errx(1, "this is process 1's program; it would end the machine");
    /* Without /dev there may be no console yet: open it again once devtmpfs is there. */
    open_console();
    mount_all();
    open_console();
    setenv("PATH", "/bin:/sbin:/usr/bin:/tests", 1);
    setenv("HOME", "/root", 1);
    setenv("TERM", "vt100", 0);
    read_cmdline();
    do {
        status = run_child();
        printf("init: %s ended with status %d%s\n", child_argv[0], status,
               respawn ? ", starting it again" : ", powering off");
        fflush(stdout);
        if (respawn)
            sleep(1);
    } while (respawn);
    end_machine(status);
    for (;;)
        pause();
}
