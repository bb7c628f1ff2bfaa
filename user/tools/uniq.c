/* SPDX-License-Identifier: MIT */
/* uniq [-cd] [FILE]: neighbouring equal lines once; -c with their number, -d only repeated ones. */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool opt_count, opt_repeated;

static void print(const char *line, unsigned long count)
{
    if (!count || (opt_repeated && count < 2))
        return;
    if (opt_count)
        printf("%7lu ", count);
    fputs(line, stdout);
}

int main(int argc, char **argv)
{
    char *line = NULL, *last = NULL;
    unsigned long count = 0;
    size_t cap = 0;
    int opt;

    while ((opt = getopt(argc, argv, "cd")) != -1) {
        if (opt == '?')
            errx(2, "usage: uniq [-cd] [file]");
        opt_count |= opt == 'c';
        opt_repeated |= opt == 'd';
    }
    if (optind < argc && !freopen(argv[optind], "r", stdin))
        err(1, "%s", argv[optind]);
    while (getline(&line, &cap, stdin) > 0) {
        if (last && strcmp(line, last) == 0) {
            count++;
            continue;
        }
        print(last, count);
        free(last);
        last = xstrdup(line);
        count = 1;
    }
    print(last, count);
    return 0;
}
