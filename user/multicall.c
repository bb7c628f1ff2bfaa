/* SPDX-License-Identifier: MIT */
/*
 * multicall.c: the main() of a file that holds many programs. Where the C library makes every
 * static program large (glibc: 0.9 MB), user.mk links programs into one file, renames the main() of
 * each to main_NAME, and gives the file all the names as hard links.
 *
 * Which program is meant: the name that the running file has in /proc/self/exe; if that is none of
 * them or /proc is not mounted yet, the name in argv[0]. So argv[0] may be anything, as it may for
 * a program of its own; only a copy under another name needs it.
 *
 * The table is generated: see user.mk, multi_table.
 */
#include "multicall.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct multicall_program *find(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    for (const struct multicall_program *p = multicall_programs; p->name; p++) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    const struct multicall_program *p = NULL;
    char exe[256];
    ssize_t len = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

    if (len > 0) {
        exe[len] = '\0';
        p = find(exe);
    }
    if (!p && argc > 0)
        p = find(argv[0]);
    if (p)
        return p->main(argc, argv);
    fprintf(stderr, "%s: this file has no program of this name, but:", argc > 0 ? argv[0] : "?");
    for (p = multicall_programs; p->name; p++)
        fprintf(stderr, " %s", p->name);
    fprintf(stderr, "\n");
    return 127;
}
