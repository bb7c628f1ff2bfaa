/* SPDX-License-Identifier: MIT */
/* wc [-lwc] [FILE...]: lines, words and bytes. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <unistd.h>

struct counts {
    unsigned long long lines, words, bytes;
};

static bool show_lines, show_words, show_bytes;

static void count(FILE *f, struct counts *n)
{
    bool in_word = false;
    int c;

    while ((c = getc(f)) != EOF) {
        n->bytes++;
        n->lines += c == '\n';
        n->words += !isspace(c) && !in_word;
        in_word = !isspace(c);
    }
}

static void print(const struct counts *n, const char *name)
{
    bool one = show_lines + show_words + show_bytes == 1;

    if (show_lines)
        printf(one ? "%llu" : "%8llu", n->lines);
    if (show_words)
        printf(one ? "%llu" : "%8llu", n->words);
    if (show_bytes)
        printf(one ? "%llu" : "%8llu", n->bytes);
    printf("%s%s\n", *name ? " " : "", name);
}

int main(int argc, char **argv)
{
    struct counts total = {0};
    int opt, first, status = 0;

    while ((opt = getopt(argc, argv, "lwc")) != -1) {
        show_lines |= opt == 'l';
        show_words |= opt == 'w';
        show_bytes |= opt == 'c';
        if (opt == '?')
            errx(2, "usage: wc [-lwc] [file...]");
    }
    if (!show_lines && !show_words && !show_bytes)
        show_lines = show_words = show_bytes = true;
    first = optind;
    if (first == argc) {
        count(stdin, &total);
        print(&total, "");
        return 0;
    }
    for (int i = first; i < argc; i++) {
        struct counts n = {0};
        FILE *f = fopen(argv[i], "r");

        if (!f) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        count(f, &n);
        fclose(f);
        print(&n, argv[i]);
        total.lines += n.lines;
        total.words += n.words;
        total.bytes += n.bytes;
    }
    if (argc - first > 1)
        print(&total, "total");
    return status;
}
