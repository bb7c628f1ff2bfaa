/* SPDX-License-Identifier: MIT */
/* mount [-t TYPE] [-o OPTIONS] SOURCE DIR: mounts; with no argument lists what is mounted. */
#include "lib.h"

#include <err.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned long flag;
} flag_names[] = {
    {"ro", MS_RDONLY}, {"nosuid", MS_NOSUID},   {"nodev", MS_NODEV},     {"noexec", MS_NOEXEC},
    {"bind", MS_BIND}, {"remount", MS_REMOUNT}, {"noatime", MS_NOATIME}, {"rw", 0},
};

/* Known words become flags, the others stay for the file system. */
static unsigned long parse_options(char *text, char *rest, size_t room)
{
    unsigned long flags = 0;
    char *save = NULL;

    rest[0] = '\0';
    for (char *word = strtok_r(text, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
        size_t i, nr = sizeof(flag_names) / sizeof(flag_names[0]);

        for (i = 0; i < nr && strcmp(word, flag_names[i].name) != 0; i++)
            ;
        if (i < nr) {
            flags |= flag_names[i].flag;
            continue;
        }
        if (strlen(rest) + strlen(word) + 2 > room)
            errx(2, "too many options");
        if (*rest)
            strcat(rest, ",");
        strcat(rest, word);
    }
    return flags;
}

int main(int argc, char **argv)
{
    const char *type = "tmpfs";
    char *options = NULL, rest[256] = "";
    unsigned long flags = 0;
    int opt;

    if (argc == 1) {
        char *text = read_file("/proc/mounts", NULL);

        if (!text)
            err(1, "/proc/mounts");
        fputs(text, stdout);
        return 0;
    }
    while ((opt = getopt(argc, argv, "t:o:")) != -1) {
        if (opt == 't')
            type = optarg;
        else if (opt == 'o')
            options = optarg;
        else
            errx(2, "usage: mount [-t type] [-o options] source dir");
    }
    if (argc - optind != 2)
        errx(2, "usage: mount [-t type] [-o options] source dir");
    if (options)
        flags = parse_options(options, rest, sizeof(rest));
    if (mount(argv[optind], argv[optind + 1], type, flags, rest) < 0)
        err(1, "%s on %s", type, argv[optind + 1]);
    return 0;
}
