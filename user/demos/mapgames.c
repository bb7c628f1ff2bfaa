/* SPDX-License-Identifier: MIT */
/*
 * mapgames: mmap, mprotect, munmap and mremap on one range of 16 pages, with the kernel's own view
 * of it (/proc/self/maps) after every step. Shows when mappings split and when they merge again.
 */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define NR_PAGES 16

static size_t page;
static char *base;

/* One letter per page: "." unmapped, r, w (read and write), x, "-" no access. */
static char letter(const struct proc_map *m)
{
    if (strchr(m->perms, 'w'))
        return 'w';
    if (strchr(m->perms, 'x'))
        return 'x';
    return strchr(m->perms, 'r') ? 'r' : '-';
}

static void show(const char *what)
{
    char *text = read_file("/proc/self/maps", NULL), *save = NULL;
    char picture[2 * NR_PAGES + 2];
    uint64_t first = (uintptr_t)base;
    int nr = 0;

    if (!text)
        err(1, "/proc/self/maps");
    memset(picture, ' ', sizeof(picture));
    for (int i = 0; i < NR_PAGES; i++)
        picture[2 * i + 1] = '.';
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct proc_map m;

        if (!proc_parse_map(line, &m) || m.end <= first || m.start >= first + NR_PAGES * page)
            continue;
        nr++;
        for (int i = 0; i < NR_PAGES; i++) {
            uint64_t at = first + (uint64_t)i * page;

            if (at < m.start || at >= m.end)
                continue;
            picture[2 * i + 1] = letter(&m);
            if (at == m.start)
                picture[2 * i] = '|';
        }
    }
    picture[2 * NR_PAGES + 1] = '\0';
    printf("%-44s %s  %d mapping%s\n", what, picture, nr, nr == 1 ? "" : "s");
    free(text);
}

static void protect(int from, int to, int prot)
{
    if (mprotect(base + (size_t)from * page, (size_t)(to - from) * page, prot) < 0)
        err(1, "mprotect");
}

static void map(int from, int to, int prot)
{
    void *want = base + (size_t)from * page;

    if (mmap(want, (size_t)(to - from) * page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1,
             0) != want)
        err(1, "mmap");
}

int main(void)
{
    page = (size_t)sysconf(_SC_PAGESIZE);
    base = mmap(NULL, (NR_PAGES + 2) * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED)
        err(1, "mmap");
    munmap(base, (NR_PAGES + 2) * page);
    base += page; /* a free page on both sides, so that no neighbour merges */
    show("free address space");
    map(0, 16, PROT_READ | PROT_WRITE);
    show("mmap all, read and write");
    protect(4, 8, PROT_READ);
    show("mprotect 4..8 read: splits in three");
    protect(8, 12, PROT_READ);
    show("mprotect 8..12 read: joins its neighbour");
    munmap(base + 6 * page, 2 * page);
    show("munmap 6..8: a hole");
    map(6, 8, PROT_READ);
    show("mmap 6..8 read: fills it and joins both");
    protect(0, 16, PROT_READ | PROT_WRITE);
    show("mprotect all read and write: one again");
    protect(15, 16, PROT_NONE);
    show("mprotect 15 none: a guard page");
    if (mremap(base, 4 * page, 4 * page, MREMAP_MAYMOVE | MREMAP_FIXED, base + 10 * page) ==
        MAP_FAILED)
        err(1, "mremap");
    show("mremap 0..4 to 10..14: moved over it");
    munmap(base, NR_PAGES * page);
    show("munmap all");
    return 0;
}
