/* SPDX-License-Identifier: MIT */
/* mkdir [-p] [-m MODE] DIR...: -p makes parents too and accepts what exists. */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_parents(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) < 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return 0;
}

static int make_dir(char *path, mode_t mode, bool parents)
{
    struct stat st;

    if (parents && make_parents(path) < 0)
        return -1;
    if (mkdir(path, mode) == 0)
        return 0;
    if (parents && errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return 0;
    return -1;
}

int main(int argc, char **argv)
{
    bool parents = false;
    mode_t mode = 0777;
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "pm:")) != -1) {
        if (opt == 'p')
            parents = true;
        else if (opt == 'm')
            mode = (mode_t)strtoul(optarg, NULL, 8);
        else
            errx(2, "usage: mkdir [-p] [-m mode] dir...");
    }
    if (optind == argc)
        errx(2, "usage: mkdir [-p] [-m mode] dir...");
    for (; optind < argc; optind++) {
        if (make_dir(argv[optind], mode, parents) < 0) {
            warn("%s", argv[optind]);
            status = 1;
        }
    }
    return status;
}
