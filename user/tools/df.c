/* SPDX-License-Identifier: MIT */
/* df [-h]: space of every mounted file system that has a size, in KiB. */
#include "lib.h"

#include <err.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static bool human;

static void print_size(uint64_t bytes)
{
    char buf[32];

    if (human)
        printf(" %10s", format_human(buf, sizeof(buf), bytes));
    else
        printf(" %10llu", (unsigned long long)bytes / 1024);
}

static void print_fs(const char *source, const char *dir)
{
    struct statvfs st;
    uint64_t used, total;

    if (statvfs(dir, &st) < 0 || st.f_blocks == 0)
        return;
    total = (uint64_t)st.f_blocks * st.f_frsize;
    used = (uint64_t)(st.f_blocks - st.f_bfree) * st.f_frsize;
    printf("%-16s", source);
    print_size(total);
    print_size(used);
    print_size((uint64_t)st.f_bavail * st.f_frsize);
    printf(" %3u%% %s\n", (unsigned int)(used * 100 / total), dir);
}

int main(int argc, char **argv)
{
    char *text = read_file("/proc/mounts", NULL);
    char *save = NULL;

    human = argc > 1 && strcmp(argv[1], "-h") == 0;
    if (!text)
        err(1, "/proc/mounts");
    printf("%-16s %10s %10s %10s %4s %s\n", "Filesystem", "Size", "Used", "Available", "Use",
           "Mounted on");
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char source[128], dir[256];

        if (sscanf(line, "%127s %255s", source, dir) == 2)
            print_fs(source, dir);
    }
    return 0;
}
