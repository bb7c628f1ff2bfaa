/* SPDX-License-Identifier: MIT */
/* env [-i] [NAME=VALUE...] [COMMAND [ARG...]]: runs a command in a changed environment, or prints
 * it. */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

int main(int argc, char **argv)
{
    argv++;
    if (*argv && strcmp(*argv, "-i") == 0) {
        clearenv();
        argv++;
    }
    for (; *argv && strchr(*argv, '='); argv++) {
        if (putenv(*argv) != 0)
            err(125, "putenv");
    }
    if (*argv) {
        execvp(*argv, argv);
        err(errno == ENOENT ? 127 : 126, "%s", *argv);
    }
    for (char **e = environ; e && *e; e++)
        puts(*e);
    return 0;
}
