/* SPDX-License-Identifier: MIT */
/* umount DIR...: takes a file system off its directory. */
#include <err.h>
#include <sys/mount.h>

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        errx(2, "usage: umount dir...");
    for (int i = 1; i < argc; i++) {
        if (umount(argv[i]) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
