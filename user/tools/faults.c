/* SPDX-License-Identifier: MIT */
/*
 * faults: a trace of page faults, from /proc/faulttrace.
 *
 *   faults -- COMMAND [ARG...]  traces one command, prints its faults and a summary by kind
 *   faults PID                  traces a process until Enter or Ctrl-C
 *   faults                      prints what the trace holds
 *   -s  only the summary        -f FILE  reads a saved trace
 *
 * /proc/faulttrace: writing "1" clears it and records every process, "pid N" only process N and its
 * children, "0" stops; reading gives what was recorded, oldest first, one fault a line:
 *
 *   <seq> <time ns> <cpu> <pid> <address> <access r|w|x> <kind> <level> <cost>
 *
 * address is hexadecimal; level is that of the entry that was made (0: a base page); cost is in the
 * machine's cycle or instruction counter. Kinds: anon-zero anon cow reuse file shared stack segv
 * bus (a kernel may have more; every kind that occurs gets a line of the summary).
 */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRACE     "/proc/faulttrace"
#define MAX_KINDS 32

struct fault {
    unsigned long long seq, time_ns, address, cost;
    unsigned int cpu, level;
    int pid;
    char access;
    char kind[24];
};

struct kind {
    char name[24];
    unsigned long long nr, cost, max;
};

static struct kind kinds[MAX_KINDS];
static int nr_kinds;
static bool only_summary;
static volatile sig_atomic_t stopped;

static void stop(int sig)
{
    stopped = 1;
}

static bool parse_fault(const char *line, struct fault *f)
{
    return sscanf(line, "%llu %llu %u %d %llx %c %23s %u %llu", &f->seq, &f->time_ns, &f->cpu,
                  &f->pid, &f->address, &f->access, f->kind, &f->level, &f->cost) == 9;
}

static void count_fault(const struct fault *f)
{
    int i = 0;

    while (i < nr_kinds && strcmp(kinds[i].name, f->kind) != 0)
        i++;
    if (i == MAX_KINDS)
        return;
    if (i == nr_kinds) {
        strcpy(kinds[i].name, f->kind);
        nr_kinds++;
    }
    kinds[i].nr++;
    kinds[i].cost += f->cost;
    if (f->cost > kinds[i].max)
        kinds[i].max = f->cost;
}

static void print_summary(void)
{
    unsigned long long total = 0, cost = 0;

    printf("%-12s %8s %12s %10s %10s\n", "KIND", "FAULTS", "COST", "MEAN", "MAX");
    for (int i = 0; i < nr_kinds; i++) {
        printf("%-12s %8llu %12llu %10llu %10llu\n", kinds[i].name, kinds[i].nr, kinds[i].cost,
               kinds[i].cost / kinds[i].nr, kinds[i].max);
        total += kinds[i].nr;
        cost += kinds[i].cost;
    }
    printf("%-12s %8llu %12llu %10llu\n", "all", total, cost, total ? cost / total : 0);
}

/* The name of the mapping that holds an address now; a dead process has none. */
static const char *place(const struct fault *f)
{
    static struct proc_map map;
    static int cached_pid;
    char path[64];
    char *text, *save = NULL;
    bool found = false;

    if (cached_pid == f->pid && f->address >= map.start && f->address < map.end)
        return map.name;
    snprintf(path, sizeof(path), "/proc/%d/maps", f->pid);
    text = read_file(path, NULL);
    for (char *line = text ? strtok_r(text, "\n", &save) : NULL; line && !found;
         line = strtok_r(NULL, "\n", &save))
        found = proc_parse_map(line, &map) && f->address >= map.start && f->address < map.end;
    free(text);
    cached_pid = found ? f->pid : 0;
    return found ? map.name : "";
}

static void print_trace(const char *path)
{
    char *text = read_file(path, NULL), *save = NULL;
    unsigned long long first_ns = 0;
    bool any = false;

    if (!text)
        err(1, "%s", path);
    if (!only_summary)
        printf("%6s %12s %3s %5s %16s A %-10s %5s %8s\n", "SEQ", "US", "CPU", "PID", "ADDRESS",
               "KIND", "LEVEL", "COST");
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct fault f;

        if (!parse_fault(line, &f))
            errx(1, "%s: not a fault: %s", path, line);
        if (!any)
            first_ns = f.time_ns;
        any = true;
        count_fault(&f);
        if (!only_summary)
            printf("%6llu %12.3f %3u %5d %016llx %c %-10s %5u %8llu %s\n", f.seq,
                   (double)(f.time_ns - first_ns) / 1000, f.cpu, f.pid, f.address, f.access, f.kind,
                   f.level, f.cost, place(&f));
    }
    free(text);
    if (!only_summary)
        putchar('\n');
    print_summary();
}

static void set_trace(const char *what)
{
    if (write_file(TRACE, what) < 0)
        err(1, "%s", TRACE);
}

static void trace_pid(pid_t pid)
{
    char text[32];

    snprintf(text, sizeof(text), "pid %d\n", (int)pid);
    set_trace(text);
}

/* The child waits in a pipe until the trace is on, so that its exec is already seen. */
static int trace_command(char **argv)
{
    int gate[2], status;
    char go = 1;
    pid_t pid;

    if (pipe(gate) < 0)
        err(1, "pipe");
    pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0) {
        close(gate[1]);
        if (read(gate[0], &go, 1) != 1)
            _exit(1);
        close(gate[0]);
        execvp(argv[0], argv);
        err(127, "%s", argv[0]);
    }
    close(gate[0]);
    signal(SIGINT, SIG_IGN);
    trace_pid(pid);
    if (write(gate[1], &go, 1) != 1)
        err(1, "pipe");
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    set_trace("0\n");
    if (WIFSIGNALED(status))
        printf("%s: %s\n", argv[0], strsignal(WTERMSIG(status)));
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void trace_until_key(pid_t pid)
{
    struct sigaction sa = {.sa_handler = stop};
    struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};

    sigaction(SIGINT, &sa, NULL);
    trace_pid(pid);
    printf("tracing process %d, Enter or Ctrl-C ends it\n", (int)pid);
    fflush(stdout);
    while (!stopped && poll(&pfd, 1, -1) < 0 && errno == EINTR)
        ;
    set_trace("0\n");
}

int main(int argc, char **argv)
{
    const char *path = TRACE;
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "+sf:")) != -1) {
        if (opt == 's')
            only_summary = true;
        else if (opt == 'f')
            path = optarg;
        else
            errx(2, "usage: faults [-s] [-f file] [pid | -- command [argument...]]");
    }
    if (optind > 1 && strcmp(argv[optind - 1], "--") == 0 && optind < argc)
        status = trace_command(argv + optind);
    else if (optind < argc)
        trace_until_key(proc_find(argv[optind]));
    print_trace(path);
    return status;
}
