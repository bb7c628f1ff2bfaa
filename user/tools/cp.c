/* SPDX-License-Identifier: MIT */
/*
 * cp [-r] SOURCE... TARGET: copies files, with -r whole trees; into TARGET when that is a
 * directory. Symbolic links below a tree are copied as links, modes are kept, devices are refused.
 */
#include "lib.h"

#include <dirent.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool recursive;

static int copy_path(const char *from, const char *to, bool top);

static int copy_file(const char *from, const char *to, mode_t mode)
{
    int in = open(from, O_RDONLY);
    int out, ret;

    if (in < 0) {
        warn("%s", from);
        return 1;
    }
    out = open(to, O_WRONLY | O_CREAT | O_TRUNC, mode & 07777);
    if (out < 0) {
        warn("%s", to);
        close(in);
        return 1;
    }
    ret = copy_fd(in, out);
    if (ret < 0)
        warn("%s to %s", from, to);
    close(in);
    if (close(out) < 0)
        ret = -1;
    return ret < 0;
}

static int copy_link(const char *from, const char *to)
{
    char target[PATH_MAX];
    ssize_t len = readlink(from, target, sizeof(target) - 1);

    if (len >= 0) {
        target[len] = '\0';
        if (symlink(target, to) == 0)
            return 0;
    }
    warn("%s", len < 0 ? from : to);
    return 1;
}

static int copy_tree(const char *from, const char *to, mode_t mode)
{
    DIR *dir;
    struct dirent *de;
    int status = 0;

    if (mkdir(to, (mode & 07777) | 0700) < 0 && errno != EEXIST) {
        warn("%s", to);
        return 1;
    }
    dir = opendir(from);
    if (!dir) {
        warn("%s", from);
        return 1;
    }
    while ((de = readdir(dir))) {
        char *child_from, *child_to;

        if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            continue;
        child_from = path_join(from, de->d_name);
        child_to = path_join(to, de->d_name);
        status |= copy_path(child_from, child_to, false);
        free(child_from);
        free(child_to);
    }
    closedir(dir);
    return status;
}

/* A link named on the command line is followed, one found in a tree is not. */
static int copy_path(const char *from, const char *to, bool top)
{
    struct stat st;

    if ((top ? stat(from, &st) : lstat(from, &st)) < 0) {
        warn("%s", from);
        return 1;
    }
    if (S_ISLNK(st.st_mode))
        return copy_link(from, to);
    if (S_ISREG(st.st_mode) || (top && !S_ISDIR(st.st_mode)))
        return copy_file(from, to, st.st_mode);
    if (S_ISDIR(st.st_mode) && recursive)
        return copy_tree(from, to, st.st_mode);
    warnx("%s: %s", from, S_ISDIR(st.st_mode) ? "is a directory (use -r)" : "not a regular file");
    return 1;
}

int main(int argc, char **argv)
{
    struct stat st;
    const char *target;
    bool into;
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "raRp")) != -1) {
        if (opt == '?')
            errx(2, "usage: cp [-r] source... target");
        recursive |= opt != 'p';
    }
    if (argc - optind < 2)
        errx(2, "usage: cp [-r] source... target");
    target = argv[argc - 1];
    into = stat(target, &st) == 0 && S_ISDIR(st.st_mode);
    if (argc - optind > 2 && !into)
        errx(1, "%s: not a directory", target);
    for (; optind < argc - 1; optind++) {
        char *to = into ? path_join(target, path_base(argv[optind])) : xstrdup(target);

        status |= copy_path(argv[optind], to, true);
        free(to);
    }
    return status;
}
