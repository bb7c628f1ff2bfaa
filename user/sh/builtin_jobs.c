/* SPDX-License-Identifier: MIT */
/* jobs, fg, bg, wait, kill, trap, umask, ulimit and times. */
#include "sh.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/times.h>
#include <unistd.h>

int builtin_jobs(int argc, char **argv)
{
    jobs_print(argc > 1 && strcmp(argv[1], "-l") == 0);
    return 0;
}

static int continue_job(int argc, char **argv, bool foreground)
{
    struct job *j = job_find(argc > 1 ? argv[1] : NULL);

    if (!sh.job_control) {
        sh_warn("%s: no job control", argv[0]);
        return 1;
    }
    if (!j) {
        sh_warn("%s: no such job", argv[0]);
        return 1;
    }
    return job_continue(j, foreground);
}

int builtin_fg(int argc, char **argv)
{
    return continue_job(argc, argv, true);
}

int builtin_bg(int argc, char **argv)
{
    return continue_job(argc, argv, false);
}

int builtin_wait(int argc, char **argv)
{
    struct job *j;
    int status = 0;

    if (argc == 1) {
        while (status < 128 && (j = jobs_first_running()))
            status = job_wait_interruptible(j);
        return trap_is_pending() || sh.interrupted ? status : 0;
    }
    for (int i = 1; i < argc; i++) {
        j = job_find(argv[i]);
        status = j ? job_wait_interruptible(j) : 127;
    }
    return status;
}

static int list_signals(void)
{
    for (int sig = 1; sig < 32; sig++)
        printf("%2d %-8s%s", sig, signal_name(sig), sig % 6 ? "" : "\n");
    putchar('\n');
    return 0;
}

static int kill_one(const char *target, int sig)
{
    struct job *j;
    char *end;
    long pid;

    if (*target == '%') {
        j = job_find(target);
        if (!j || !j->nr_procs) {
            sh_warn("kill: %s: no such job", target);
            return 1;
        }
        pid = j->pgid ? -j->pgid : j->procs[0].pid;
    } else {
        pid = strtol(target, &end, 10);
        if (end == target || *end) {
            sh_warn("kill: '%s' is neither a process nor a job", target);
            return 1;
        }
    }
    if (kill((pid_t)pid, sig) < 0) {
        sh_warn("kill: %s: %s", target, strerror(errno));
        return 1;
    }
    /* A stopped job cannot die of a signal that it does not get to run. */
    if (*target == '%' && (sig == SIGTERM || sig == SIGHUP))
        kill((pid_t)pid, SIGCONT);
    return 0;
}

int builtin_kill(int argc, char **argv)
{
    int sig = SIGTERM, status = 0, i = 1;

    if (argc > 1 && strcmp(argv[1], "-l") == 0)
        return list_signals();
    if (argc > 2 && strcmp(argv[1], "-s") == 0) {
        sig = parse_signal(argv[2]);
        i = 3;
    } else if (argc > 1 && argv[1][0] == '-' && strcmp(argv[1], "--") != 0) {
        sig = parse_signal(argv[1] + 1);
        i = 2;
    }
    if (i < argc && strcmp(argv[i], "--") == 0)
        i++;
    if (sig < 0 || i >= argc) {
        sh_warn("usage: kill [-signal] pid|%%job...");
        return 2;
    }
    for (; i < argc; i++)
        status |= kill_one(argv[i], sig);
    return status;
}

static int parse_trap_signal(const char *text)
{
    return strcmp(text, "EXIT") == 0 ? 0 : parse_signal(text);
}

int builtin_trap(int argc, char **argv)
{
    const char *action = argc > 1 ? argv[1] : NULL;
    int first = 2, status = 0;

    if (argc == 1) {
        for (int sig = 0; sig < NR_SIGNALS; sig++) {
            if (trap_get(sig))
                printf("trap -- '%s' %s\n", trap_get(sig), sig ? signal_name(sig) : "EXIT");
        }
        return 0;
    }
    if (strcmp(action, "--") == 0 && argc > 2) {
        action = argv[2];
        first = 3;
    }
    if (argc == 2 || strcmp(action, "-") == 0) {
        first = argc == 2 ? 1 : first;
        action = NULL;
    }
    for (int i = first; i < argc; i++) {
        int sig = parse_trap_signal(argv[i]);

        if (sig < 0 || sig == SIGKILL || sig == SIGSTOP) {
            sh_warn("trap: %s: bad signal", argv[i]);
            status = 1;
            continue;
        }
        trap_set(sig, action);
    }
    return status;
}

int builtin_umask(int argc, char **argv)
{
    mode_t mask = umask(0);
    char *end;

    umask(mask);
    if (argc == 1) {
        printf("%04o\n", (unsigned int)mask);
        return 0;
    }
    mask = (mode_t)strtoul(argv[1], &end, 8);
    if (*end || mask > 0777) {
        sh_warn("umask: '%s' is no octal mode", argv[1]);
        return 1;
    }
    umask(mask);
    return 0;
}

static const struct limit {
    char letter;
    int resource;
    unsigned int unit;
    const char *name;
} limits[] = {
    {'c', RLIMIT_CORE, 512, "core size (blocks)"},
    {'d', RLIMIT_DATA, 1024, "data (KiB)"},
    {'f', RLIMIT_FSIZE, 512, "file size (blocks)"},
    {'l', RLIMIT_MEMLOCK, 1024, "locked memory (KiB)"},
    {'n', RLIMIT_NOFILE, 1, "open files"},
    {'s', RLIMIT_STACK, 1024, "stack (KiB)"},
    {'t', RLIMIT_CPU, 1, "CPU time (seconds)"},
    {'u', RLIMIT_NPROC, 1, "processes"},
    {'v', RLIMIT_AS, 1024, "address space (KiB)"},
};
#define NR_LIMITS (sizeof(limits) / sizeof(limits[0]))

static void print_limit(const struct limit *l, bool hard)
{
    struct rlimit rl;
    rlim_t value;

    if (getrlimit(l->resource, &rl) < 0) {
        puts("?");
        return;
    }
    value = hard ? rl.rlim_max : rl.rlim_cur;
    if (value == RLIM_INFINITY)
        puts("unlimited");
    else
        printf("%llu\n", (unsigned long long)value / l->unit);
}

static int set_limit(const struct limit *l, const char *text, bool soft, bool hard)
{
    rlim_t value = RLIM_INFINITY;
    struct rlimit rl;
    uint64_t number;

    if (strcmp(text, "unlimited") != 0) {
        if (!parse_u64(text, 10, &number)) {
            sh_warn("ulimit: '%s' is no number", text);
            return 1;
        }
        value = (rlim_t)number * l->unit;
    }
    if (getrlimit(l->resource, &rl) == 0) {
        if (soft)
            rl.rlim_cur = value;
        if (hard)
            rl.rlim_max = value;
        if (setrlimit(l->resource, &rl) == 0)
            return 0;
    }
    sh_warn("ulimit: %s", strerror(errno));
    return 1;
}

static int print_all_limits(bool hard)
{
    for (size_t i = 0; i < NR_LIMITS; i++) {
        printf("-%c  %-24s ", limits[i].letter, limits[i].name);
        print_limit(&limits[i], hard);
    }
    return 0;
}

int builtin_ulimit(int argc, char **argv)
{
    bool soft = false, hard = false;
    char letter = 'f';
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        for (const char *c = argv[i] + 1; *c; c++) {
            if (*c == 'S')
                soft = true;
            else if (*c == 'H')
                hard = true;
            else
                letter = *c;
        }
    }
    if (letter == 'a')
        return print_all_limits(hard);
    for (size_t k = 0; k < NR_LIMITS; k++) {
        if (limits[k].letter != letter)
            continue;
        if (i < argc)
            return set_limit(&limits[k], argv[i], soft || !hard, hard || !soft);
        print_limit(&limits[k], hard);
        return 0;
    }
    sh_warn("ulimit: unknown limit -%c", letter);
    return 2;
}

static void print_time(clock_t ticks, char end)
{
    long hz = sysconf(_SC_CLK_TCK);

    printf("%ldm%ld.%02lds%c", (long)ticks / hz / 60, (long)ticks / hz % 60,
           (long)ticks % hz * 100 / hz, end);
}

int builtin_times(int argc, char **argv)
{
    struct tms t;

    times(&t);
    print_time(t.tms_utime, ' ');
    print_time(t.tms_stime, '\n');
    print_time(t.tms_cutime, ' ');
    print_time(t.tms_cstime, '\n');
    return 0;
}
