/* SPDX-License-Identifier: MIT */
/* sort [-nru] [-k FIELD] [FILE...]: lines in order; -n by number, -r backwards, -u once each. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool numeric, reverse, unique;
static long key_field;
static char **lines;
static size_t nr_lines;

static const char *key_of(const char *line)
{
    for (long i = 1; i < key_field; i++) {
        while (isspace((unsigned char)*line))
            line++;
        while (*line && !isspace((unsigned char)*line))
            line++;
    }
    return line;
}

static int compare(const void *a, const void *b)
{
    const char *x = key_of(*(char *const *)a), *y = key_of(*(char *const *)b);
    int order = 0;

    if (numeric) {
        double dx = strtod(x, NULL), dy = strtod(y, NULL);

        order = (dx > dy) - (dx < dy);
    } else if (key_field) {
        x += strspn(x, " \t");
        y += strspn(y, " \t");
        order = strcmp(x, y);
    }
    if (!order && (!unique || !numeric))
        order = strcmp(*(char *const *)a, *(char *const *)b);
    return reverse ? -order : order;
}

static void read_lines(FILE *f)
{
    static size_t cap_lines;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, f)) > 0) {
        if (line[len - 1] == '\n')
            line[--len] = '\0';
        if (nr_lines == cap_lines) {
            cap_lines = cap_lines ? cap_lines * 2 : 256;
            lines = xrealloc(lines, cap_lines * sizeof(*lines));
        }
        lines[nr_lines++] = xstrndup(line, (size_t)len);
    }
    free(line);
}

int main(int argc, char **argv)
{
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "nruk:")) != -1) {
        if (opt == 'k')
            key_field = strtol(optarg, NULL, 10);
        else if (opt == '?')
            errx(2, "usage: sort [-nru] [-k field] [file...]");
        numeric |= opt == 'n';
        reverse |= opt == 'r';
        unique |= opt == 'u';
    }
    if (optind == argc)
        read_lines(stdin);
    for (; optind < argc; optind++) {
        FILE *f = fopen(argv[optind], "r");

        if (!f) {
            warn("%s", argv[optind]);
            status = 1;
            continue;
        }
        read_lines(f);
        fclose(f);
    }
    if (nr_lines)
        qsort(lines, nr_lines, sizeof(*lines), compare);
    for (size_t i = 0; i < nr_lines; i++) {
        if (!unique || !i || compare(&lines[i - 1], &lines[i]) != 0)
            puts(lines[i]);
    }
    return status;
}
