/* SPDX-License-Identifier: MIT */
/* id: the user and the groups of this process. */
#include "lib.h"

#include <unistd.h>

int main(void)
{
    char user[64], group[64];

    printf("uid=%u(%s) gid=%u(%s)", (unsigned int)getuid(),
           id_to_name("/etc/passwd", getuid(), user, sizeof(user)), (unsigned int)getgid(),
           id_to_name("/etc/group", getgid(), group, sizeof(group)));
    if (geteuid() != getuid())
        printf(" euid=%u", (unsigned int)geteuid());
    putchar('\n');
    return 0;
}
