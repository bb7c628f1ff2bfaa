/* SPDX-License-Identifier: MIT */
/* echo, printf and read. */
#include "sh.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A backslash escape at at[1]; *c is the character. Returns how many characters it took. */
static size_t parse_escape(const char *at, char *c)
{
    static const char from[] = "abefnrtv\\'\"", to[] = "\a\b\033\f\n\r\t\v\\'\"";
    const char *known;
    size_t len = 1;
    int value = 0;

    if (at[1] == 'x' && isxdigit((unsigned char)at[2])) {
        for (len = 2; len < 4 && isxdigit((unsigned char)at[len]); len++) {
            int digit = tolower((unsigned char)at[len]);

            value = value * 16 + (isdigit(digit) ? digit - '0' : digit - 'a' + 10);
        }
        *c = (char)value;
        return len;
    }
    if (at[1] >= '0' && at[1] <= '7') {
        size_t max = at[1] == '0' ? 5 : 4;

        for (; len < max && at[len] >= '0' && at[len] <= '7'; len++)
            value = value * 8 + at[len] - '0';
        *c = (char)value;
        return len;
    }
    known = at[1] ? strchr(from, at[1]) : NULL;
    *c = known ? to[known - from] : '\\';
    return known ? 2 : 1;
}

/* Prints text with escapes; false at "\c", which ends all output. */
static bool print_escaped(const char *text)
{
    while (*text) {
        char c = *text;
        size_t len = 1;

        if (text[0] == '\\' && text[1] == 'c')
            return false;
        if (text[0] == '\\')
            len = parse_escape(text, &c);
        putchar(c);
        text += len;
    }
    return true;
}

int builtin_echo(int argc, char **argv)
{
    bool newline = true, escapes = false;
    int i = 1;

    for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
        if (strspn(argv[i] + 1, "neE") != strlen(argv[i] + 1))
            break;
        newline &= !strchr(argv[i], 'n');
        escapes = strchr(argv[i], 'e') != NULL;
    }
    for (int first = i; i < argc; i++) {
        if (i > first)
            putchar(' ');
        if (!escapes)
            fputs(argv[i], stdout);
        else if (!print_escaped(argv[i]))
            return 0;
    }
    if (newline)
        putchar('\n');
    return 0;
}

/* A number for %d and its like: C's notation, or 'c for the code of a character. */
static long long number_argument(const char *text, int *status)
{
    char *end;
    long long value;

    if (*text == '\'' || *text == '"')
        return (unsigned char)text[1];
    errno = 0;
    value = *text == '-' ? strtoll(text, &end, 0) : (long long)strtoull(text, &end, 0);
    if (*end || errno) {
        sh_warn("printf: '%s' is no number", text);
        *status = 1;
    }
    return value;
}

/* Flags, width and precision of one conversion, with "*" replaced; spec gets "%...ll". */
static const char *parse_spec(const char *at, char ***args, char *spec, size_t room)
{
    size_t len = 0;
    int unused;

    spec[len++] = *at++;
    while (*at && strchr("-+ #0123456789.*", *at) && len + 16 < room) {
        if (*at == '*') {
            const char *arg = **args ? *(*args)++ : "0";

            len += (size_t)sprintf(spec + len, "%d", (int)number_argument(arg, &unused));
        } else {
            spec[len++] = *at;
        }
        at++;
    }
    spec[len] = '\0';
    return at;
}

static bool print_conversion(const char *spec, char conv, const char *arg, int *status)
{
    char format[80];

    switch (conv) {
    case 'd':
    case 'i':
    case 'u':
    case 'x':
    case 'X':
    case 'o':
        snprintf(format, sizeof(format), "%sll%c", spec, conv);
        printf(format, arg ? number_argument(arg, status) : 0LL);
        return true;
    case 'f':
    case 'g':
    case 'e':
        snprintf(format, sizeof(format), "%s%c", spec, conv);
        printf(format, arg ? strtod(arg, NULL) : 0.0);
        return true;
    case 'c':
        if (arg && *arg)
            putchar(*arg);
        return true;
    case 'b': return print_escaped(arg ? arg : "");
    case 's':
        snprintf(format, sizeof(format), "%ss", spec);
        printf(format, arg ? arg : "");
        return true;
    default:
        sh_warn("printf: unknown conversion %%%c", conv);
        *status = 1;
        return false;
    }
}

/* One pass over the format; false when output must stop. */
static bool print_format(const char *format, char ***args, int *status)
{
    while (*format) {
        char spec[64], c;

        if (*format == '\\') {
            if (format[1] == 'c')
                return false;
            format += parse_escape(format, &c);
            putchar(c);
        } else if (format[0] == '%' && format[1] == '%') {
            putchar('%');
            format += 2;
        } else if (*format == '%') {
            format = parse_spec(format, args, spec, sizeof(spec));
            if (!*format)
                return true;
            if (!print_conversion(spec, *format++, **args, status))
                return false;
            if (**args)
                (*args)++;
        } else {
            putchar(*format++);
        }
    }
    return true;
}

int builtin_printf(int argc, char **argv)
{
    char **args = argv + 2;
    int status = 0;

    if (argc < 2) {
        sh_warn("usage: printf format [argument...]");
        return 2;
    }
    for (;;) {
        char **before = args;

        if (!print_format(argv[1], &args, &status) || !*args || args == before)
            return status;
    }
}

/* One line, byte by byte, because what follows belongs to other readers. False at end of file. */
static bool read_line(struct strbuf *line, struct strbuf *literal, bool raw)
{
    char c;

    for (;;) {
        ssize_t got = read(STDIN_FILENO, &c, 1);

        if (got < 0 && errno == EINTR && !trap_is_pending() && !sh.interrupted)
            continue;
        if (got <= 0)
            return false;
        if (c == '\n')
            return true;
        if (c == '\\' && !raw) {
            if (read(STDIN_FILENO, &c, 1) != 1)
                return false;
            if (c == '\n')
                continue;
            strbuf_addc(line, c);
            strbuf_addc(literal, 1);
            continue;
        }
        strbuf_addc(line, c);
        strbuf_addc(literal, 0);
    }
}

/* Gives the fields of the line to the names; the last name gets the rest. */
static int assign_fields(char **names, const struct strbuf *line, const char *literal)
{
    const char *ifs = var_get("IFS");
    size_t at = 0;
    int status = 0;

    if (!ifs)
        ifs = " \t\n";
#define IS_IFS(i)   (!literal[i] && strchr(ifs, line->text[i]))
#define IS_SPACE(i) (IS_IFS(i) && isspace((unsigned char)line->text[i]))
    while (at < line->len && IS_SPACE(at))
        at++;
    for (; *names; names++) {
        size_t start = at, end;
        char *value;

        if (names[1]) {
            while (at < line->len && !IS_IFS(at))
                at++;
            end = at;
            while (at < line->len && IS_SPACE(at))
                at++;
            if (at < line->len && at == end && IS_IFS(at))
                at++;
            while (at < line->len && IS_SPACE(at))
                at++;
        } else {
            end = line->len;
            while (end > start && IS_SPACE(end - 1))
                end--;
        }
        value = xstrndup(line->text ? line->text + start : "", end - start);
        status |= !var_set(*names, value);
        free(value);
    }
#undef IS_IFS
#undef IS_SPACE
    return status;
}

int builtin_read(int argc, char **argv)
{
    static char *reply[] = {"REPLY", NULL};
    struct strbuf line = {0}, literal = {0};
    bool raw = false, got;
    int status;

    for (argv++; *argv && (*argv)[0] == '-'; argv++) {
        if (strcmp(*argv, "-r") == 0) {
            raw = true;
        } else if (strcmp(*argv, "-p") == 0 && argv[1]) {
            fputs(*++argv, stderr);
        } else {
            sh_warn("usage: read [-r] [-p prompt] [name...]");
            return 2;
        }
    }
    got = read_line(&line, &literal, raw);
    status = assign_fields(*argv ? argv : reply, &line, literal.text);
    strbuf_free(&line);
    strbuf_free(&literal);
    return status ? status : !got;
}
