/* SPDX-License-Identifier: MIT */
/* uname [-asnrvm]: the kernel's name, node, release, version and machine; only the name by default.
 */
#include "lib.h"

#include <err.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static const char letters[] = "snrvm";
    struct utsname u;
    const char *fields[] = {u.sysname, u.nodename, u.release, u.version, u.machine};
    bool chosen[5] = {0}, any = false, space = false;
    int opt;

    while ((opt = getopt(argc, argv, "asnrvm")) != -1) {
        if (opt == '?')
            errx(2, "usage: uname [-asnrvm]");
        for (int i = 0; i < 5; i++)
            chosen[i] |= opt == 'a' || opt == letters[i];
        any = true;
    }
    if (!any)
        chosen[0] = true;
    if (uname(&u) < 0)
        err(1, "uname");
    for (int i = 0; i < 5; i++) {
        if (!chosen[i])
            continue;
        printf("%s%s", space ? " " : "", fields[i]);
        space = true;
    }
    putchar('\n');
    return 0;
}
