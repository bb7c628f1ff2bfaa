/* SPDX-License-Identifier: MIT */
/* hexdump [-s SKIP] [-n BYTES] [FILE]: hexadecimal and text, repeated lines shortened to "*". */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <string.h>
#include <unistd.h>

static void print_row(uint64_t at, const unsigned char *row, size_t len)
{
    printf("%08llx ", (unsigned long long)at);
    for (size_t i = 0; i < 16; i++) {
        if (i % 8 == 0)
            putchar(' ');
        if (i < len)
            printf("%02x ", row[i]);
        else
            printf("   ");
    }
    printf(" |");
    for (size_t i = 0; i < len; i++)
        putchar(isprint(row[i]) ? row[i] : '.');
    printf("|\n");
}

static uint64_t parse_count(const char *text)
{
    uint64_t value;

    if (!parse_size(text, &value))
        errx(2, "'%s' is no count of bytes", text);
    return value;
}

int main(int argc, char **argv)
{
    unsigned char row[16], last[16] = {0};
    uint64_t at = 0, left = UINT64_MAX;
    bool repeated = false, first = true;
    size_t len;
    int opt;

    while ((opt = getopt(argc, argv, "s:n:C")) != -1) {
        if (opt == 's')
            at = parse_count(optarg);
        else if (opt == 'n')
            left = parse_count(optarg);
        else if (opt != 'C')
            errx(2, "usage: hexdump [-s skip] [-n bytes] [file]");
    }
    if (optind < argc && !freopen(argv[optind], "r", stdin))
        err(1, "%s", argv[optind]);
    if (at && fseeko(stdin, (off_t)at, SEEK_SET) < 0)
        err(1, "seek");
    while (left && (len = fread(row, 1, left < 16 ? left : 16, stdin)) > 0) {
        bool same = !first && len == 16 && memcmp(row, last, 16) == 0;

        if (same && !repeated)
            puts("*");
        if (!same)
            print_row(at, row, len);
        repeated = same;
        first = false;
        memcpy(last, row, 16);
        at += len;
        left -= len;
    }
    printf("%08llx\n", (unsigned long long)at);
    return ferror(stdin) != 0;
}
