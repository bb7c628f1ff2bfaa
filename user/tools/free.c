/* SPDX-License-Identifier: MIT */
/* free [-k|-m|-h]: memory in use, from /proc/meminfo. */
#include "lib.h"

#include <err.h>
#include <unistd.h>

static int unit = 'k';

static void print_number(uint64_t kib)
{
    char buf[32];

    if (unit == 'h')
        printf(" %11s", format_human(buf, sizeof(buf), kib * 1024));
    else
        printf(" %11llu", (unsigned long long)(unit == 'm' ? kib / 1024 : kib));
}

int main(int argc, char **argv)
{
    static const char *const keys[] = {"MemTotal", "MemFree", "Buffers",    "Cached",
                                       "Shmem",    "Slab",    "PageTables", "MemAvailable"};
    enum { TOTAL, FREE, BUFFERS, CACHED, SHMEM, SLAB, TABLES, AVAILABLE, NR };
    uint64_t v[NR];
    char *text;
    int opt;

    while ((opt = getopt(argc, argv, "kmh")) != -1) {
        if (opt == '?')
            errx(2, "usage: free [-k|-m|-h]");
        unit = opt;
    }
    text = read_file("/proc/meminfo", NULL);
    if (!text)
        err(1, "/proc/meminfo");
    for (int i = 0; i < NR; i++) {
        v[i] = 0;
        proc_field(text, keys[i], &v[i]);
    }
    printf("      %11s %11s %11s %11s %11s %11s %11s\n", "total", "used", "free", "shared", "cache",
           "page tables", "available");
    printf("Mem:  ");
    print_number(v[TOTAL]);
    print_number(v[TOTAL] - v[FREE] - v[BUFFERS] - v[CACHED]);
    print_number(v[FREE]);
    print_number(v[SHMEM]);
    print_number(v[BUFFERS] + v[CACHED]);
    print_number(v[TABLES]);
    print_number(v[AVAILABLE]);
    putchar('\n');
    return 0;
}
