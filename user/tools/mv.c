/* SPDX-License-Identifier: MIT */
/* mv SOURCE... TARGET: renames; into TARGET when that is a directory. Not across file systems. */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
    struct stat st;
    const char *target;
    bool into;
    int status = 0;

    if (argc < 3)
        errx(2, "usage: mv source... target");
    target = argv[argc - 1];
    into = stat(target, &st) == 0 && S_ISDIR(st.st_mode);
    if (argc > 3 && !into)
        errx(1, "%s: not a directory", target);
    for (int i = 1; i < argc - 1; i++) {
        char *to = into ? path_join(target, path_base(argv[i])) : xstrdup(target);

        if (rename(argv[i], to) < 0) {
            warn("%s to %s", argv[i], to);
            status = 1;
        }
        free(to);
    }
    return status;
}
