/* SPDX-License-Identifier: MIT */
/* touch FILE...: makes empty files, and sets the times of those that exist to now. */
#include <err.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int touch(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_NONBLOCK | O_NOCTTY, 0666);

    if (fd >= 0)
        close(fd);
    return utimensat(AT_FDCWD, path, NULL, 0);
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        errx(2, "usage: touch file...");
    for (int i = 1; i < argc; i++) {
        if (touch(argv[i]) < 0) {
            warn("%s", argv[i]);
            status = 1;
        }
    }
    return status;
}
