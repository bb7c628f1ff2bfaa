/* SPDX-License-Identifier: MIT */
/* tee [-a] FILE...: standard input to standard output and to files; -a appends. */
#include "lib.h"

#include <err.h>
#include <fcntl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    int flags = O_WRONLY | O_CREAT | O_TRUNC, opt, nr, status = 0;
    static char buf[65536];
    ssize_t got;
    int *fds;

    while ((opt = getopt(argc, argv, "a")) != -1) {
        if (opt != 'a')
            errx(2, "usage: tee [-a] file...");
        flags = O_WRONLY | O_CREAT | O_APPEND;
    }
    nr = argc - optind;
    fds = xcalloc((size_t)nr + 1, sizeof(*fds));
    for (int i = 0; i < nr; i++) {
        fds[i] = open(argv[optind + i], flags, 0666);
        if (fds[i] < 0) {
            warn("%s", argv[optind + i]);
            status = 1;
        }
    }
    fds[nr] = STDOUT_FILENO;
    while ((got = read(STDIN_FILENO, buf, sizeof(buf))) > 0) {
        for (int i = 0; i <= nr; i++) {
            if (fds[i] >= 0 && write_all(fds[i], buf, (size_t)got) < 0)
                status = 1;
        }
    }
    return status;
}
