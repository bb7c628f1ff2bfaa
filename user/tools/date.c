/* SPDX-License-Identifier: MIT */
/* date [-u] [-s SECONDS] [+FORMAT]: the time; -s sets the clock to seconds since 1970. */
#include "lib.h"

#include <err.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    const char *format = "%a %b %e %H:%M:%S %Z %Y";
    struct timespec now;
    char text[256];
    int opt;

    while ((opt = getopt(argc, argv, "us:")) != -1) {
        if (opt == 'u') {
            setenv("TZ", "UTC0", 1);
        } else if (opt == 's') {
            now = (struct timespec){.tv_sec = parse_long(optarg, "seconds")};
            if (clock_settime(CLOCK_REALTIME, &now) < 0)
                err(1, "clock_settime");
        } else {
            errx(2, "usage: date [-u] [-s seconds] [+format]");
        }
    }
    if (optind < argc && argv[optind][0] == '+')
        format = argv[optind] + 1;
    if (clock_gettime(CLOCK_REALTIME, &now) < 0)
        err(1, "clock_gettime");
    tzset();
    if (!strftime(text, sizeof(text), format, localtime(&now.tv_sec)) && *format)
        errx(1, "the result is too long");
    puts(text);
    return 0;
}
