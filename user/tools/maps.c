/* SPDX-License-Identifier: MIT */
/*
 * maps PID|NAME|self: the mappings of a process with what they cost, from /proc/PID/smaps.
 *
 *   RSS    in memory             PSS    its share of what is shared with others
 *   DIRTY  private and written   HUGE   mapped by huge leaves
 *
 * Without smaps (another user's process) only ranges, permissions and names are shown.
 */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>

struct usage {
    uint64_t size, rss, pss, dirty, huge, locked; /* KiB */
};

static void print_size(uint64_t kib)
{
    char buf[32];

    printf(" %7s", kib ? format_size(buf, sizeof(buf), kib * 1024) : "-");
}

static void print_map(const struct proc_map *m, const struct usage *u)
{
    printf("%012llx-%012llx %s", (unsigned long long)m->start, (unsigned long long)m->end,
           m->perms);
    print_size((m->end - m->start) / 1024);
    print_size(u->rss);
    print_size(u->pss);
    print_size(u->dirty);
    print_size(u->huge);
    printf("  %s", *m->name ? m->name : "[anon]");
    if (m->offset)
        printf(" +%llx", (unsigned long long)m->offset);
    if (u->locked)
        printf(" (locked)");
    putchar('\n');
}

/* One "Key:  123 kB" line of smaps. */
static void add_field(struct usage *u, const char *line)
{
    static const struct {
        const char *key;
        size_t offset;
    } fields[] = {
        {"Rss", offsetof(struct usage, rss)},
        {"Pss", offsetof(struct usage, pss)},
        {"Private_Dirty", offsetof(struct usage, dirty)},
        {"AnonHugePages", offsetof(struct usage, huge)},
        {"ShmemPmdMapped", offsetof(struct usage, huge)},
        {"FilePmdMapped", offsetof(struct usage, huge)},
        {"Private_Hugetlb", offsetof(struct usage, huge)},
        {"Shared_Hugetlb", offsetof(struct usage, huge)},
        {"Locked", offsetof(struct usage, locked)},
    };
    size_t len = strcspn(line, ":");

    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        if (strlen(fields[i].key) == len && strncmp(line, fields[i].key, len) == 0)
            *(uint64_t *)((char *)u + fields[i].offset) += strtoull(line + len + 1, NULL, 10);
    }
}

static void add_usage(struct usage *total, const struct proc_map *m, const struct usage *u)
{
    total->size += (m->end - m->start) / 1024;
    total->rss += u->rss;
    total->pss += u->pss;
    total->dirty += u->dirty;
    total->huge += u->huge;
}

static void print_all(char *text)
{
    struct proc_map map, next;
    struct usage use = {0}, total = {0};
    bool have = false;
    int nr = 0;
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save);; line = strtok_r(NULL, "\n", &save)) {
        if (line && !proc_parse_map(line, &next)) {
            add_field(&use, line);
            continue;
        }
        if (have) {
            print_map(&map, &use);
            add_usage(&total, &map, &use);
            nr++;
        }
        if (!line)
            break;
        map = next;
        have = true;
        use = (struct usage){0};
    }
    printf("%-30d", nr);
    print_size(total.size);
    print_size(total.rss);
    print_size(total.pss);
    print_size(total.dirty);
    print_size(total.huge);
    printf("  mappings in all\n");
}

int main(int argc, char **argv)
{
    struct proc_stat st;
    char *path, *text;
    pid_t pid;

    if (argc != 2)
        errx(2, "usage: maps pid|name|self");
    pid = proc_find(argv[1]);
    path = xasprintf("/proc/%d/smaps", (int)pid);
    text = read_file(path, NULL);
    if (!text) {
        free(path);
        path = xasprintf("/proc/%d/maps", (int)pid);
        text = read_file(path, NULL);
    }
    if (!text)
        err(1, "%s", path);
    if (proc_read_stat(pid, &st))
        printf("%d %s\n", (int)pid, st.name);
    printf("%-25s %-4s %7s %7s %7s %7s %7s  %s\n", "RANGE", "PERM", "SIZE", "RSS", "PSS", "DIRTY",
           "HUGE", "WHAT");
    print_all(text);
    return 0;
}
