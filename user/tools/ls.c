/* SPDX-License-Identifier: MIT */
/*
 * ls [-1aldhiR] [PATH...]: lists directories, sorted by name. -l long, -a hidden too, -d the
 * directory itself, -i inode numbers, -h sizes for people, -R recursively, -1 one per line.
 * On a terminal short listings come in columns. Colours and other sort orders are not here.
 */
#include "lib.h"

#include <dirent.h>
#include <err.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

struct entry {
    char *name; /* as shown */
    char *path; /* as opened */
    struct stat st;
    bool known; /* st is valid */
};

struct listing {
    struct entry *entries;
    size_t nr, cap;
};

static bool opt_all, opt_long, opt_dir, opt_human, opt_inode, opt_recursive, opt_single;
static int status;

static void add_entry(struct listing *list, const char *name, char *path)
{
    struct entry *e;

    if (list->nr == list->cap) {
        list->cap = list->cap ? list->cap * 2 : 32;
        list->entries = xrealloc(list->entries, list->cap * sizeof(*list->entries));
    }
    e = &list->entries[list->nr++];
    e->name = xstrdup(name);
    e->path = path;
    e->known = lstat(path, &e->st) == 0;
    if (!e->known) {
        warn("%s", path);
        status = 1;
    }
}

static void free_listing(struct listing *list)
{
    for (size_t i = 0; i < list->nr; i++) {
        free(list->entries[i].name);
        free(list->entries[i].path);
    }
    free(list->entries);
}

static int compare_entries(const void *a, const void *b)
{
    return strcmp(((const struct entry *)a)->name, ((const struct entry *)b)->name);
}

static void print_size(const struct stat *st)
{
    char text[32];

    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        snprintf(text, sizeof(text), "%u, %3u", major(st->st_rdev), minor(st->st_rdev));
    else if (opt_human)
        format_human(text, sizeof(text), (uint64_t)st->st_size);
    else
        snprintf(text, sizeof(text), "%lld", (long long)st->st_size);
    printf(" %9s", text);
}

static void print_long(const struct entry *e)
{
    char mode[11], user[64], group[64], when[32], target[PATH_MAX];
    struct tm *tm = localtime(&e->st.st_mtime);
    ssize_t len;

    strftime(when, sizeof(when), "%Y-%m-%d %H:%M", tm);
    printf("%s %3u %-8s %-8s", format_mode(e->st.st_mode, mode), (unsigned int)e->st.st_nlink,
           id_to_name("/etc/passwd", e->st.st_uid, user, sizeof(user)),
           id_to_name("/etc/group", e->st.st_gid, group, sizeof(group)));
    print_size(&e->st);
    printf(" %s %s", when, e->name);
    if (S_ISLNK(e->st.st_mode)) {
        len = readlink(e->path, target, sizeof(target) - 1);
        printf(" -> %.*s", (int)(len < 0 ? 0 : len), target);
    }
    putchar('\n');
}

static void print_columns(const struct listing *list, size_t width)
{
    struct winsize ws = {0};
    size_t per_row, rows;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col == 0)
        ws.ws_col = 80;
    per_row = ws.ws_col / (width + 2);
    if (per_row == 0)
        per_row = 1;
    rows = (list->nr + per_row - 1) / per_row;
    for (size_t row = 0; row < rows; row++) {
        for (size_t i = row; i < list->nr; i += rows) {
            bool last = i + rows >= list->nr;

            printf("%-*s", last ? 0 : (int)(width + 2), list->entries[i].name);
        }
        putchar('\n');
    }
}

static void print_listing(struct listing *list)
{
    size_t width = 0;

    if (list->nr)
        qsort(list->entries, list->nr, sizeof(*list->entries), compare_entries);
    for (size_t i = 0; i < list->nr; i++) {
        if (strlen(list->entries[i].name) > width)
            width = strlen(list->entries[i].name);
    }
    if (!opt_long && !opt_inode && !opt_single && isatty(STDOUT_FILENO)) {
        print_columns(list, width);
        return;
    }
    for (size_t i = 0; i < list->nr; i++) {
        struct entry *e = &list->entries[i];

        if (opt_inode && e->known)
            printf("%8llu ", (unsigned long long)e->st.st_ino);
        if (opt_long && e->known)
            print_long(e);
        else
            puts(e->name);
    }
}

static void list_dir(const char *path, bool title)
{
    struct listing list = {0};
    DIR *dir = opendir(path);
    struct dirent *de;

    if (!dir) {
        warn("%s", path);
        status = 1;
        return;
    }
    while ((de = readdir(dir))) {
        if (de->d_name[0] != '.' || opt_all)
            add_entry(&list, de->d_name, path_join(path, de->d_name));
    }
    closedir(dir);
    if (title)
        printf("%s:\n", path);
    print_listing(&list);
    for (size_t i = 0; i < list.nr && opt_recursive; i++) {
        const char *name = list.entries[i].name;

        if (!list.entries[i].known || !S_ISDIR(list.entries[i].st.st_mode) ||
            strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        putchar('\n');
        list_dir(list.entries[i].path, true);
    }
    free_listing(&list);
}

static void parse_options(int argc, char **argv)
{
    int opt;

    while ((opt = getopt(argc, argv, "1aldhiR")) != -1) {
        switch (opt) {
        case '1': opt_single = true; break;
        case 'a': opt_all = true; break;
        case 'l': opt_long = true; break;
        case 'd': opt_dir = true; break;
        case 'h': opt_human = true; break;
        case 'i': opt_inode = true; break;
        case 'R': opt_recursive = true; break;
        default: errx(2, "usage: ls [-1aldhiR] [path...]");
        }
    }
}

/* Files first in one listing, then each directory; a title when there is more than one thing. */
int main(int argc, char **argv)
{
    struct listing files = {0};
    static char *here[] = {"."};
    struct stat st;
    int nr;

    parse_options(argc, argv);
    nr = argc - optind;
    argv = nr ? argv + optind : here;
    nr = nr ? nr : 1;
    for (int i = 0; i < nr; i++) {
        if (opt_dir || (opt_long ? lstat(argv[i], &st) : stat(argv[i], &st)) < 0 ||
            !S_ISDIR(st.st_mode))
            add_entry(&files, argv[i], xstrdup(argv[i]));
    }
    for (size_t i = 0; i < files.nr; i++) {
        if (files.entries[i].known)
            continue;
        free(files.entries[i].name);
        free(files.entries[i].path);
        files.entries[i--] = files.entries[--files.nr];
    }
    print_listing(&files);
    for (int i = 0; i < nr && !opt_dir; i++) {
        if ((opt_long ? lstat(argv[i], &st) : stat(argv[i], &st)) < 0 || !S_ISDIR(st.st_mode))
            continue;
        if (i > 0)
            putchar('\n');
        list_dir(argv[i], nr > 1 || opt_recursive);
    }
    free_listing(&files);
    return status;
}
