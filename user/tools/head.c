/* SPDX-License-Identifier: MIT */
/* head [-n LINES | -LINES] [-c BYTES] [FILE...]: the beginning of files; 10 lines by default. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <string.h>
#include <unistd.h>

/* bytes < 0 means that lines count. */
static int head_file(FILE *f, long lines, long bytes)
{
    int c;

    while ((bytes < 0 ? lines > 0 : bytes-- > 0) && (c = getc(f)) != EOF) {
        putchar(c);
        lines -= c == '\n';
    }
    return ferror(f) != 0;
}

int main(int argc, char **argv)
{
    long lines = 10, bytes = -1;
    int opt, status = 0;
    bool titles;

    if (argc > 1 && argv[1][0] == '-' && isdigit((unsigned char)argv[1][1])) {
        lines = parse_long(argv[1] + 1, "lines");
        argv++;
        argc--;
    }
    while ((opt = getopt(argc, argv, "n:c:")) != -1) {
        if (opt == 'n')
            lines = parse_long(optarg, "lines");
        else if (opt == 'c')
            bytes = parse_long(optarg, "bytes");
        else
            errx(2, "usage: head [-n lines] [-c bytes] [file...]");
    }
    if (optind == argc)
        return head_file(stdin, lines, bytes);
    titles = argc - optind > 1;
    for (; optind < argc; optind++) {
        FILE *f = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "r");

        if (!f) {
            warn("%s", argv[optind]);
            status = 1;
            continue;
        }
        if (titles)
            printf("==> %s <==\n", argv[optind]);
        status |= head_file(f, lines, bytes);
        if (f != stdin)
            fclose(f);
    }
    return status;
}
