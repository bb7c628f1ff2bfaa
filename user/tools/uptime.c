/* SPDX-License-Identifier: MIT */
/* uptime: how long the machine runs, and its load. */
#include "lib.h"

#include <err.h>
#include <string.h>

int main(void)
{
    char *up = read_file("/proc/uptime", NULL);
    char *load = read_file("/proc/loadavg", NULL);
    double seconds, one = 0, five = 0, fifteen = 0;

    if (!up || sscanf(up, "%lf", &seconds) != 1)
        err(1, "/proc/uptime");
    if (load)
        sscanf(load, "%lf %lf %lf", &one, &five, &fifteen);
    printf("up %d days, %02d:%02d:%05.2f, load average: %.2f, %.2f, %.2f\n", (int)(seconds / 86400),
           (int)(seconds / 3600) % 24, (int)(seconds / 60) % 60,
           seconds - 60 * (long)(seconds / 60), one, five, fifteen);
    return 0;
}
