/* SPDX-License-Identifier: MIT */
/* rm [-r] [-f] PATH...: removes files, with -r whole trees; -f is silent about what is not there.
 */
#include "lib.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive, force;

static int remove_path(const char *path);

/* Names are collected first: removing while readdir runs may skip entries. */
static int remove_children(const char *path)
{
    DIR *dir = opendir(path);
    struct strbuf names = {0};
    struct dirent *de;
    int status = 0;

    if (!dir) {
        warn("%s", path);
        return 1;
    }
    while ((de = readdir(dir))) {
        if (strcmp(de->d_name, ".") != 0 && strcmp(de->d_name, "..") != 0)
            strbuf_add(&names, de->d_name, strlen(de->d_name) + 1);
    }
    closedir(dir);
    for (size_t at = 0; at < names.len; at += strlen(names.text + at) + 1) {
        char *child = path_join(path, names.text + at);

        status |= remove_path(child);
        free(child);
    }
    strbuf_free(&names);
    return status;
}

static int remove_path(const char *path)
{
    struct stat st;
    int status = 0;

    if (lstat(path, &st) < 0) {
        if (force && errno == ENOENT)
            return 0;
        warn("%s", path);
        return 1;
    }
    if (S_ISDIR(st.st_mode)) {
        if (!recursive) {
            warnx("%s: is a directory", path);
            return 1;
        }
        status = remove_children(path);
    }
    if ((S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path)) < 0) {
        warn("%s", path);
        return 1;
    }
    return status;
}

int main(int argc, char **argv)
{
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "rRf")) != -1) {
        if (opt == 'f')
            force = true;
        else if (opt == 'r' || opt == 'R')
            recursive = true;
        else
            errx(2, "usage: rm [-rf] path...");
    }
    if (optind == argc && !force)
        errx(2, "usage: rm [-rf] path...");
    for (; optind < argc; optind++)
        status |= remove_path(argv[optind]);
    return status;
}
