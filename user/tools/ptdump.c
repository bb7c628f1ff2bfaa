/* SPDX-License-Identifier: MIT */
/*
 * ptdump [-f FILE] PID|NAME|self [ADDRESS]: the page-table tree of a process.
 *
 * Reads /proc/PID/pagetable (or a saved copy with -f), whose lines come in preorder:
 *
 *   <level> <start>-<end> <table|leaf> <pfn> <flags> <shared>
 *
 * level counts from 0, the base pages; a "table" line is an entry of that level that links to a
 * table one level down; a "leaf" line is a run of leaves with consecutive frames and equal flags,
 * the first of which is pfn; numbers are hexadecimal except level and shared. flags has the letters
 *   r w x u(ser) a(ccessed) d(irty) g(lobal) s(oft-dirty) n(ot cached)
 * each at its place or "-". shared is how many page tables link to this table, or 1.
 *
 * What a program may do is what every link above AND the leaf allow; that is the column EFFECTIVE.
 * With an ADDRESS only the path to it is shown, with the index that each level takes from it.
 */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_LEVELS 6

struct entry {
    unsigned int level;
    uint64_t start, end, pfn;
    bool is_table;
    char flags[16];
    unsigned int shared;
};

static struct entry *entries;
static size_t nr_entries;
static unsigned int top_level;
static uint64_t leaf_size[MAX_LEVELS]; /* bytes that one entry of a level maps; 0 when unknown */

static bool parse_entry(const char *line, struct entry *e)
{
    unsigned long long start, end, pfn;
    char kind[16];

    if (sscanf(line, "%u %llx-%llx %15s %llx %15s %u", &e->level, &start, &end, kind, &pfn,
               e->flags, &e->shared) != 7)
        return false;
    e->start = start;
    e->end = end;
    e->pfn = pfn;
    e->is_table = strcmp(kind, "table") == 0;
    return e->level < MAX_LEVELS && (e->is_table || strcmp(kind, "leaf") == 0);
}

static void read_entries(char *text, const char *path)
{
    size_t cap = 0;
    char *save = NULL;

    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        struct entry e;

        if (!parse_entry(line, &e))
            errx(1, "%s: not a line of a page table: %s", path, line);
        if (nr_entries == cap) {
            cap = cap ? cap * 2 : 256;
            entries = xrealloc(entries, cap * sizeof(*entries));
        }
        entries[nr_entries++] = e;
        if (e.level > top_level)
            top_level = e.level;
        if (e.is_table)
            leaf_size[e.level] = e.end - e.start;
    }
    leaf_size[0] = (uint64_t)sysconf(_SC_PAGESIZE);
}

static const char *level_name(unsigned int level)
{
    static const char *const four[] = {"PTE", "PMD", "PUD", "PGD", "PGD", "PGD"};
    static const char *const five[] = {"PTE", "PMD", "PUD", "P4D", "PGD", "PGD"};

    return top_level > 3 ? five[level] : four[level];
}

/* The permission letters that both have. */
static void and_flags(char *into, const char *flags)
{
    for (int i = 0; i < 4; i++) {
        if (!strchr(flags, "rwxu"[i]))
            into[i] = '-';
    }
}

static void print_leaf(const struct entry *e, const char *effective)
{
    uint64_t size = leaf_size[e->level] ? leaf_size[e->level] : e->end - e->start;
    uint64_t nr = (e->end - e->start) / size;
    char buf[32];

    printf("%llu x %s", (unsigned long long)nr, format_size(buf, sizeof(buf), size));
    printf("  frame %llx", (unsigned long long)e->pfn);
    printf("  %s  effective %s", e->flags, effective);
    if (e->shared > 1)
        printf("  mapped %u times", e->shared);
    putchar('\n');
}

static void print_table(const struct entry *e)
{
    char buf[32];

    printf("table of %s", format_size(buf, sizeof(buf), e->end - e->start));
    printf("  frame %llx  %s", (unsigned long long)e->pfn, e->flags);
    if (e->shared > 1)
        printf("  SHARED by %u", e->shared);
    putchar('\n');
}

static void print_entry(const struct entry *e, const char *effective, bool path, uint64_t va)
{
    unsigned int depth = top_level - e->level;

    printf("%*s%s ", (int)depth * 2, "", level_name(e->level));
    if (path && leaf_size[e->level]) {
        uint64_t above = e->level < top_level ? leaf_size[e->level + 1] : 0;
        uint64_t index = above ? va % above / leaf_size[e->level] : va / leaf_size[e->level];

        printf("[%llu] ", (unsigned long long)index);
    }
    printf("%012llx-%012llx  ", (unsigned long long)e->start, (unsigned long long)e->end);
    if (e->is_table)
        print_table(e);
    else
        print_leaf(e, effective);
}

/* Walks the preorder list; link[level] is what all links above that level's entries allow. */
static bool print_tree(bool path, uint64_t va)
{
    char link[MAX_LEVELS + 1][5];
    bool found = false;

    for (int i = 0; i <= MAX_LEVELS; i++)
        strcpy(link[i], "rwxu");
    for (size_t i = 0; i < nr_entries; i++) {
        struct entry *e = &entries[i];
        char effective[5];

        strcpy(effective, link[e->level + 1]);
        and_flags(effective, e->flags);
        if (e->is_table)
            strcpy(link[e->level], effective);
        if (path && (va < e->start || va >= e->end))
            continue;
        print_entry(e, effective, path, va);
        found |= !e->is_table;
    }
    return found;
}

static void print_summary(void)
{
    unsigned int tables[MAX_LEVELS] = {0};
    uint64_t bytes[MAX_LEVELS] = {0};
    char buf[32];

    for (size_t i = 0; i < nr_entries; i++) {
        if (entries[i].is_table)
            tables[entries[i].level]++;
        else
            bytes[entries[i].level] += entries[i].end - entries[i].start;
    }
    printf("\ntables: 1 root");
    for (unsigned int level = top_level; level > 0; level--) {
        if (tables[level])
            printf(", %u of %ss", tables[level], level_name(level - 1));
    }
    printf("; mapped:");
    for (unsigned int level = 0; level <= top_level; level++) {
        if (bytes[level])
            printf(" %s by %ss", format_human(buf, sizeof(buf), bytes[level]), level_name(level));
    }
    putchar('\n');
}

int main(int argc, char **argv)
{
    char *path = NULL, *text;
    uint64_t va = 0;
    bool one;
    int opt;

    while ((opt = getopt(argc, argv, "f:")) != -1) {
        if (opt != 'f')
            errx(2, "usage: ptdump [-f file] pid|name|self [address]");
        path = optarg;
    }
    if (!path) {
        if (optind == argc)
            errx(2, "usage: ptdump [-f file] pid|name|self [address]");
        path = xasprintf("/proc/%d/pagetable", (int)proc_find(argv[optind++]));
    }
    one = optind < argc;
    if (one && !parse_u64(argv[optind], 16, &va) && !parse_u64(argv[optind], 0, &va))
        errx(2, "'%s' is no address", argv[optind]);
    text = read_file(path, NULL);
    if (!text)
        err(1, "%s", path);
    read_entries(text, path);
    if (!print_tree(one, va) && one) {
        printf("%llx is not mapped\n", (unsigned long long)va);
        return 1;
    }
    if (!one)
        print_summary();
    return 0;
}
