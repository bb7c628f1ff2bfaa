/* SPDX-License-Identifier: MIT */
/* kill [-SIGNAL] PID...: sends a signal, TERM by default; a negative PID means a process group. */
#include "lib.h"

#include <err.h>
#include <signal.h>

int main(int argc, char **argv)
{
    int sig = SIGTERM, first = 1, status = 0;

    if (argc > 1 && argv[1][0] == '-') {
        sig = parse_signal(argv[1] + 1);
        first = 2;
    }
    if (sig < 0 || first >= argc)
        errx(2, "usage: kill [-signal] pid...");
    for (int i = first; i < argc; i++) {
        if (kill((pid_t)parse_long(argv[i], "a process"), sig) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
