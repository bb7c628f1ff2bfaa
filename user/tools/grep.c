/* SPDX-License-Identifier: MIT */
/*
 * grep [-EFivcnqlhow] PATTERN [FILE...]: lines that match a regular expression (-E extended, -F
 * plain text). Exit status 0 when something matched, 1 when nothing did, 2 on an error.
 */
#include "lib.h"

#include <err.h>
#include <regex.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool opt_invert, opt_count, opt_number, opt_quiet, opt_list, opt_no_names, opt_only;
static regex_t regex;
static bool titles, any;

static void print_matches(const char *line)
{
    regmatch_t m;
    int flags = 0;

    while (*line && regexec(&regex, line, 1, &m, flags) == 0) {
        if (m.rm_eo == m.rm_so)
            break;
        printf("%.*s\n", (int)(m.rm_eo - m.rm_so), line + m.rm_so);
        line += m.rm_eo;
        flags = REG_NOTBOL;
    }
}

static void print_line(const char *name, unsigned long number, const char *line)
{
    if (titles)
        printf("%s:", name);
    if (opt_number)
        printf("%lu:", number);
    if (opt_only)
        print_matches(line);
    else
        puts(line);
}

static void grep_file(FILE *f, const char *name)
{
    unsigned long number = 0, matches = 0;
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    while ((len = getline(&line, &cap, f)) > 0) {
        number++;
        if (line[len - 1] == '\n')
            line[len - 1] = '\0';
        if ((regexec(&regex, line, 0, NULL, 0) == 0) == opt_invert)
            continue;
        matches++;
        any = true;
        if (opt_quiet || opt_list)
            break;
        if (!opt_count)
            print_line(name, number, line);
    }
    if (opt_list && matches)
        puts(name);
    if (opt_count && titles)
        printf("%s:", name);
    if (opt_count)
        printf("%lu\n", matches);
    free(line);
}

/* Plain text and whole words become regular expressions. */
static char *make_regex(const char *pattern, bool plain, bool word)
{
    struct strbuf sb = {0};

    if (word)
        strbuf_puts(&sb, "\\<");
    for (; *pattern; pattern++) {
        if (plain && strchr("\\[]*.^$", *pattern))
            strbuf_addc(&sb, '\\');
        strbuf_addc(&sb, *pattern);
    }
    if (word)
        strbuf_puts(&sb, "\\>");
    strbuf_add(&sb, "", 0);
    return sb.text;
}

static const char *parse_options(int argc, char **argv, int *flags, bool *plain, bool *word)
{
    const char *pattern = NULL;
    int opt;

    while ((opt = getopt(argc, argv, "EFivcnqlhowe:")) != -1) {
        switch (opt) {
        case 'E': *flags |= REG_EXTENDED; break;
        case 'F': *plain = true; break;
        case 'i': *flags |= REG_ICASE; break;
        case 'v': opt_invert = true; break;
        case 'c': opt_count = true; break;
        case 'n': opt_number = true; break;
        case 'q': opt_quiet = true; break;
        case 'l': opt_list = true; break;
        case 'h': opt_no_names = true; break;
        case 'o': opt_only = true; break;
        case 'w': *word = true; break;
        case 'e': pattern = optarg; break;
        default: errx(2, "usage: grep [-EFivcnqlhow] pattern [file...]");
        }
    }
    if (!pattern && optind < argc)
        pattern = argv[optind++];
    if (!pattern)
        errx(2, "usage: grep [-EFivcnqlhow] pattern [file...]");
    return pattern;
}

int main(int argc, char **argv)
{
    int flags = 0, error, status = 0;
    bool plain = false, word = false;
    const char *pattern = parse_options(argc, argv, &flags, &plain, &word);

    error =
        regcomp(&regex, make_regex(pattern, plain, word), plain ? flags & ~REG_EXTENDED : flags);
    if (error) {
        char text[128];

        regerror(error, &regex, text, sizeof(text));
        errx(2, "%s: %s", pattern, text);
    }
    titles = argc - optind > 1 && !opt_no_names;
    if (optind == argc)
        grep_file(stdin, "(standard input)");
    for (; optind < argc; optind++) {
        FILE *f = strcmp(argv[optind], "-") == 0 ? stdin : fopen(argv[optind], "r");

        if (!f) {
            warn("%s", argv[optind]);
            status = 2;
            continue;
        }
        grep_file(f, argv[optind]);
        if (f != stdin)
            fclose(f);
    }
    return status ? status : !any;
}
