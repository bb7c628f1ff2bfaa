/* SPDX-License-Identifier: MIT */
/*
 * init.c: /init of the run of LMDB's tools: one database in a file that every user maps, several
 * readers at once, then readers beside a writer. What the tools say goes to the console, line by
 * line as "= ..." where it must be the same in every run; "# ..." is for people.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READERS 6
#define ENTRIES 20000

/* A dump as mdb_load reads it: @n entries from @first on. */
static void write_input(const char *path, int first, int n)
{
    FILE *f = fopen(path, "w");

    fprintf(f, "VERSION=3\nformat=print\ntype=btree\nmapsize=67108864\nHEADER=END\n");
    for (int i = first; i < first + n; i++)
        fprintf(f, " key%08d\n value %d of %d, %08x\n", i * 7919 % 100003, i, n, i * 2654435761u);
    fprintf(f, "DATA=END\n");
    fclose(f);
}

static pid_t start(char **argv, int out)
{
    pid_t pid = fork();

    if (pid == 0) {
        if (out >= 0)
            dup2(out, 1);
        execv(argv[0], argv);
        _exit(127);
    }
    return pid;
}

static int status_of(pid_t pid)
{
    int status = -1;

    waitpid(pid, &status, 0);
    return status;
}

/* Runs a tool; the number of lines it printed and a hash of them. */
static int read_all(char **argv, unsigned long *lines, uint64_t *hash)
{
    int fds[2];
    char buf[4096];
    ssize_t n;
    pid_t pid;

    if (pipe(fds) != 0)
        return -1;
    pid = start(argv, fds[1]);
    close(fds[1]);
    *lines = 0;
    *hash = 0xcbf29ce484222325u;
    while ((n = read(fds[0], buf, sizeof(buf))) > 0)
        for (ssize_t i = 0; i < n; i++) {
            *lines += buf[i] == '\n';
            *hash = (*hash ^ (unsigned char)buf[i]) * 0x100000001b3u;
        }
    close(fds[0]);
    return status_of(pid);
}

static char *dump[] = {"/bin/mdb_dump", "-p", "/db", NULL};

static pid_t reader(const char *phase, int number, int rounds, int quiet)
{
    pid_t pid = fork();

    if (pid == 0) {
        unsigned long lines;
        uint64_t hash;
        int status = 0;

        for (int i = 0; i < rounds && status == 0; i++)
            status = read_all(dump, &lines, &hash);
        if (!quiet)
            printf("= %s reader %d: status %d, %lu lines, hash %016llx\n", phase, number, status,
                   lines, (unsigned long long)hash);
        fflush(stdout);
        _exit(status != 0);
    }
    return pid;
}

static void print_counters(void)
{
    char line[128];
    FILE *f = fopen("/proc/vmstat", "r");

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, "pt_share", 8) == 0)
            printf("# %s", line);
    if (f)
        fclose(f);
}

static void load(char *input)
{
    char *argv[] = {"/bin/mdb_load", "-f", input, "/db", NULL};

    printf("= load %s: status %d\n", input, status_of(start(argv, -1)));
}

static void all_phases(void)
{
    char *stat[] = {"/bin/mdb_stat", "-e", "/db", NULL},
         *more[] = {"/bin/mdb_load", "-f", "/in2", "/db", NULL};
    pid_t pids[READERS], writer;
    unsigned long lines;
    uint64_t hash;

    write_input("/in1", 0, ENTRIES);
    write_input("/in2", ENTRIES, ENTRIES);
    mkdir("/db", 0755);
    load("/in1");
    for (int i = 0; i < READERS; i++) {
        pids[i] =
            reader("quiet", 0, 2, 0); /* all the same number: their order is nobody's promise */
    }
    for (int i = 0; i < READERS; i++)
        status_of(pids[i]);
    fflush(stdout);
    writer = start(more, -1);
    for (int i = 0; i < READERS; i++)
        pids[i] = reader("beside", 0, 3, 1);
    printf("= writer: status %d\n", status_of(writer));
    for (int i = 0; i < READERS; i++)
        printf("= reader beside it: status %d\n", status_of(pids[i]));
    printf("= in the end: status %d", read_all(dump, &lines, &hash));
    printf(", %lu lines, hash %016llx\n", lines, (unsigned long long)hash);
    printf("= mdb_stat: status %d", read_all(stat, &lines, &hash));
    printf(", %lu lines\n", lines);
}

int main(void)
{
    mount("none", "/dev", "devtmpfs", 0, "");
    if (open("/dev/console", O_RDWR) >= 0) {
        dup2(0, 1);
        dup2(0, 2);
    }
    mount("none", "/proc", "proc", 0, "");
    all_phases();
    print_counters();
    printf("@@DONE\n");
    fflush(stdout);
    sync();
    reboot(RB_POWER_OFF);
    for (;;)
        pause();
}
