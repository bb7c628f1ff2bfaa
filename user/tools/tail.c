/* SPDX-License-Identifier: MIT */
/* tail [-n LINES | -LINES] [-f] [FILE]: the last lines, 10 by default; -f waits for more. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Only the last lines are kept: a ring of them. */
static void tail_lines(FILE *f, size_t lines)
{
    char **ring = xcalloc(lines + 1, sizeof(*ring));
    size_t nr = 0, cap = 0;
    char *line = NULL;
    ssize_t len;

    while ((len = getline(&line, &cap, f)) > 0) {
        if (!lines)
            continue;
        free(ring[nr % lines]);
        ring[nr++ % lines] = xstrndup(line, (size_t)len);
    }
    for (size_t i = nr > lines ? nr - lines : 0; i < nr; i++)
        fputs(ring[i % lines], stdout);
    for (size_t i = 0; i < lines; i++)
        free(ring[i]);
    free(ring);
    free(line);
}

static void follow(FILE *f)
{
    for (;;) {
        fflush(stdout);
        clearerr(f);
        if (copy_fd(fileno(f), STDOUT_FILENO) < 0)
            err(1, "read");
        usleep(500000);
    }
}

int main(int argc, char **argv)
{
    long lines = 10;
    bool wait_for_more = false;
    FILE *f = stdin;
    int opt;

    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        lines = parse_long(argv[1] + 1, "lines");
        argv++;
        argc--;
    }
    while ((opt = getopt(argc, argv, "n:f")) != -1) {
        if (opt == 'n')
            lines = parse_long(optarg, "lines");
        else if (opt == 'f')
            wait_for_more = true;
        else
            errx(2, "usage: tail [-n lines] [-f] [file]");
    }
    if (optind < argc)
        f = fopen(argv[optind], "r");
    if (!f)
        err(1, "%s", argv[optind]);
    tail_lines(f, (size_t)(lines < 0 ? -lines : lines));
    if (wait_for_more)
        follow(f);
    return ferror(f) != 0;
}
