/* SPDX-License-Identifier: MIT */
/* cat [FILE...]: files, or standard input for none and for "-", to standard output. */
#include "lib.h"

#include <err.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static int cat_file(const char *path)
{
    bool is_stdin = strcmp(path, "-") == 0;
    int fd = is_stdin ? STDIN_FILENO : open(path, O_RDONLY);
    int ret = 0;

    if (fd < 0 || copy_fd(fd, STDOUT_FILENO) < 0) {
        warn("%s", path);
        ret = 1;
    }
    if (fd > 0)
        close(fd);
    return ret;
}

int main(int argc, char **argv)
{
    int status = 0;

    if (argc < 2)
        return cat_file("-");
    for (int i = 1; i < argc; i++)
        status |= cat_file(argv[i]);
    return status;
}
