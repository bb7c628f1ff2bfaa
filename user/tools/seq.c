/* SPDX-License-Identifier: MIT */
/* seq [FIRST [STEP]] LAST: numbers, one per line. */
#include "lib.h"

#include <err.h>

int main(int argc, char **argv)
{
    long first = 1, step = 1, last;

    if (argc < 2 || argc > 4)
        errx(2, "usage: seq [first [step]] last");
    last = parse_long(argv[argc - 1], "last");
    if (argc > 2)
        first = parse_long(argv[1], "first");
    if (argc > 3)
        step = parse_long(argv[2], "step");
    if (step == 0)
        errx(2, "step must not be 0");
    for (long i = first; step > 0 ? i <= last : i >= last; i += step)
        printf("%ld\n", i);
    return 0;
}
