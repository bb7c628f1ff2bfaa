/* SPDX-License-Identifier: MIT */
/* chmod MODE FILE...: MODE is octal, or [ugoa]{+-=}[rwx] clauses with commas between them. */
#include "lib.h"

#include <ctype.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One clause such as "u+x"; returns what follows it, or NULL when it is malformed. */
static const char *apply_clause(const char *at, mode_t *mode)
{
    mode_t who = 0, bits = 0, mask;
    char op;

    for (; *at && strchr("ugoa", *at); at++)
        who |= *at == 'u' ? 0700 : *at == 'g' ? 0070 : *at == 'o' ? 0007 : 0777;
    who = who ? who : 0777;
    op = *at;
    if (!op || !strchr("+-=", op))
        return NULL;
    for (at++; *at && strchr("rwx", *at); at++)
        bits |= *at == 'r' ? 0444 : *at == 'w' ? 0222 : 0111;
    mask = bits & who;
    if (op == '+')
        *mode |= mask;
    else if (op == '-')
        *mode &= ~mask;
    else
        *mode = (*mode & ~who) | mask;
    return at;
}

static mode_t parse_mode(const char *text, mode_t mode)
{
    const char *at = text;

    if (isdigit((unsigned char)*text)) {
        char *end;
        unsigned long value = strtoul(text, &end, 8);

        if (*end || value > 07777)
            errx(2, "'%s' is no mode", text);
        return (mode_t)value;
    }
    while (at && *at) {
        at = apply_clause(at, &mode);
        if (at && *at == ',')
            at++;
        else if (at && *at)
            at = NULL;
    }
    if (!at)
        errx(2, "'%s' is no mode", text);
    return mode;
}

int main(int argc, char **argv)
{
    struct stat st;
    int status = 0;

    if (argc < 3)
        errx(2, "usage: chmod mode file...");
    for (int i = 2; i < argc; i++) {
        if (stat(argv[i], &st) < 0 || chmod(argv[i], parse_mode(argv[1], st.st_mode & 07777)) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
