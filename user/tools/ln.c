/* SPDX-License-Identifier: MIT */
/* ln [-s] [-f] TARGET NAME: a hard link, with -s a symbolic one; -f replaces what is there. */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    bool symbolic = false, force = false;
    const char *target, *name;
    struct stat st;
    int opt;

    while ((opt = getopt(argc, argv, "sf")) != -1) {
        if (opt == 's')
            symbolic = true;
        else if (opt == 'f')
            force = true;
        else
            errx(2, "usage: ln [-sf] target name");
    }
    if (argc - optind != 2)
        errx(2, "usage: ln [-sf] target name");
    target = argv[optind];
    name = argv[optind + 1];
    if (stat(name, &st) == 0 && S_ISDIR(st.st_mode))
        name = path_join(name, path_base(target));
    if (force)
        unlink(name);
    if ((symbolic ? symlink(target, name) : link(target, name)) < 0)
        err(1, "%s", name);
    return 0;
}
