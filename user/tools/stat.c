/* SPDX-License-Identifier: MIT */
/* stat FILE...: what stat(2) says about files; links are not followed. */
#include "lib.h"

#include <err.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

static void print_time(const char *label, const struct timespec *ts)
{
    char text[64];

    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", localtime(&ts->tv_sec));
    printf("%s: %s.%09ld\n", label, text, ts->tv_nsec);
}

static void print_stat(const char *path, const struct stat *st)
{
    char mode[11], user[64], group[64];

    printf("  File: %s\n", path);
    printf("  Size: %-12lld Blocks: %-8lld IO block: %lld\n", (long long)st->st_size,
           (long long)st->st_blocks, (long long)st->st_blksize);
    printf("Device: %u:%-8u Inode: %-9llu Links: %u", major(st->st_dev), minor(st->st_dev),
           (unsigned long long)st->st_ino, (unsigned int)st->st_nlink);
    if (S_ISCHR(st->st_mode) || S_ISBLK(st->st_mode))
        printf("  Device type: %u:%u", major(st->st_rdev), minor(st->st_rdev));
    printf("\nAccess: %04o/%s  Uid: %s  Gid: %s\n", (unsigned int)st->st_mode & 07777,
           format_mode(st->st_mode, mode),
           id_to_name("/etc/passwd", st->st_uid, user, sizeof(user)),
           id_to_name("/etc/group", st->st_gid, group, sizeof(group)));
    print_time("Access", &st->st_atim);
    print_time("Modify", &st->st_mtim);
    print_time("Change", &st->st_ctim);
}

int main(int argc, char **argv)
{
    struct stat st;
    int status = 0;

    if (argc < 2)
        errx(2, "usage: stat file...");
    for (int i = 1; i < argc; i++) {
        if (lstat(argv[i], &st) < 0) {
            warn("%s", argv[i]);
            status = 1;
            continue;
        }
        print_stat(argv[i], &st);
    }
    return status;
}
