/* SPDX-License-Identifier: MIT */
/* sleep DURATION...: waits for the sum; 1, 0.5, 250ms, 2m. */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <time.h>

int main(int argc, char **argv)
{
    uint64_t total = 0, ns;
    struct timespec ts;

    if (argc < 2)
        errx(2, "usage: sleep duration...");
    for (int i = 1; i < argc; i++) {
        if (!parse_duration(argv[i], &ns))
            errx(2, "'%s' is no duration", argv[i]);
        total += ns;
    }
    ts.tv_sec = (time_t)(total / 1000000000u);
    ts.tv_nsec = (long)(total % 1000000000u);
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
    return 0;
}
