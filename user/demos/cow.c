/* SPDX-License-Identifier: MIT */
/*
 * cow [PAGES]: what copy-on-write does, seen from outside.
 *
 * A parent writes PAGES pages (256 by default) and forks. The child then reads one half and writes
 * one quarter. After every step both sides' smaps are read: shared pages, private pages, and how
 * many faults the step took. With /proc/self/pagemap readable the frames are compared too: the same
 * frame number on both sides is one page in memory.
 */
#include "lib.h"

#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGEMAP_PRESENT (1ULL << 63)
#define PAGEMAP_PFN     ((1ULL << 55) - 1)

static size_t page, nr_pages;
static char *memory;
static uint64_t *parent_frames; /* shared with the child */

static long faults_so_far(void)
{
    struct rusage ru;

    getrusage(RUSAGE_SELF, &ru);
    return ru.ru_minflt;
}

/* Frame numbers of the memory; zeros where none is present or the kernel hides them. */
static void read_frames(uint64_t *frames)
{
    int fd = open("/proc/self/pagemap", O_RDONLY);
    off_t at = (off_t)((uintptr_t)memory / page * sizeof(uint64_t));

    memset(frames, 0, nr_pages * sizeof(*frames));
    if (fd < 0)
        return;
    if (pread(fd, frames, nr_pages * sizeof(*frames), at) != (ssize_t)(nr_pages * sizeof(*frames)))
        memset(frames, 0, nr_pages * sizeof(*frames));
    for (size_t i = 0; i < nr_pages; i++)
        frames[i] = frames[i] & PAGEMAP_PRESENT ? frames[i] & PAGEMAP_PFN : 0;
    close(fd);
}

/* The value of a field in the smaps entry that starts at memory, in KiB. */
static uint64_t smaps_field(const char *text, const char *key)
{
    char start[32];
    uint64_t value = 0;
    const char *at;

    snprintf(start, sizeof(start), "%lx-", (unsigned long)(uintptr_t)memory);
    at = strstr(text, start);
    if (at)
        proc_field(at, key, &value);
    return value;
}

static void report(const char *what, long *faults)
{
    char *text = read_file("/proc/self/smaps", NULL);
    long now = faults_so_far();

    if (!text)
        err(1, "/proc/self/smaps");
    printf(
        "%-34s rss %5llu kB  shared %5llu kB  private %5llu kB  faults %ld\n", what,
        (unsigned long long)smaps_field(text, "Rss"),
        (unsigned long long)(smaps_field(text, "Shared_Clean") + smaps_field(text, "Shared_Dirty")),
        (unsigned long long)(smaps_field(text, "Private_Clean") +
                             smaps_field(text, "Private_Dirty")),
        now - *faults);
    fflush(stdout);
    free(text);
    *faults = faults_so_far();
}

static void compare_frames(const char *who)
{
    uint64_t *mine = xmalloc(nr_pages * sizeof(*mine));
    size_t same = 0, known = 0;

    read_frames(mine);
    for (size_t i = 0; i < nr_pages; i++) {
        known += mine[i] != 0;
        same += mine[i] && mine[i] == parent_frames[i];
    }
    if (known)
        printf("%-34s %zu of %zu frames are the parent's\n", who, same, nr_pages);
    free(mine);
}

static void run_child(void)
{
    long faults = faults_so_far();
    volatile char sum = 0;

    report("child: after fork", &faults);
    for (size_t i = 0; i < nr_pages / 2; i++)
        sum += memory[i * page];
    report("child: after reading half", &faults);
    for (size_t i = 0; i < nr_pages / 4; i++)
        memory[i * page] = 'c';
    report("child: after writing a quarter", &faults);
    compare_frames("child:");
    for (size_t i = 0; i < nr_pages; i++) {
        char want = i < nr_pages / 4 ? 'c' : 'p';

        if (memory[i * page] != want)
            errx(1, "page %zu holds '%c', not '%c'", i, memory[i * page], want);
    }
    exit(0);
}

int main(int argc, char **argv)
{
    long faults = faults_so_far();
    int status;
    pid_t pid;

    page = (size_t)sysconf(_SC_PAGESIZE);
    nr_pages = argc > 1 ? (size_t)parse_long(argv[1], "pages") : 256;
    memory =
        mmap(NULL, nr_pages * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    parent_frames = mmap(NULL, nr_pages * sizeof(uint64_t), PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || parent_frames == MAP_FAILED)
        err(1, "mmap");
    report("parent: mapped, nothing touched", &faults);
    for (size_t i = 0; i < nr_pages; i++)
        memory[i * page] = 'p';
    report("parent: every page written", &faults);
    read_frames(parent_frames);
    pid = fork();
    if (pid < 0)
        err(1, "fork");
    if (pid == 0)
        run_child();
    if (waitpid(pid, &status, 0) < 0 || status)
        errx(1, "the child failed");
    faults = faults_so_far();
    for (size_t i = 0; i < nr_pages; i++)
        memory[i * page] = 'q';
    report("parent: written again, child gone", &faults);
    compare_frames("parent: kept without a copy:");
    return 0;
}
