/* SPDX-License-Identifier: MIT */
/* Whole files, paths, names of users, and mode bits. */
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *read_file(const char *path, size_t *len)
{
    struct strbuf sb = {0};
    char buf[4096];
    ssize_t got;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int saved;

    if (fd < 0)
        return NULL;
    while ((got = read(fd, buf, sizeof(buf))) > 0)
        strbuf_add(&sb, buf, (size_t)got);
    saved = errno;
    close(fd);
    if (got < 0) {
        strbuf_free(&sb);
        errno = saved;
        return NULL;
    }
    strbuf_add(&sb, "", 0);
    if (len)
        *len = sb.len;
    return sb.text;
}

int write_all(int fd, const void *bytes, size_t len)
{
    const char *at = bytes;

    while (len) {
        ssize_t done = write(fd, at, len);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        len -= (size_t)done;
    }
    return 0;
}

int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int ret, saved;

    if (fd < 0)
        return -1;
    ret = write_all(fd, text, strlen(text));
    saved = errno;
    close(fd);
    errno = saved;
    return ret;
}

int copy_fd(int from, int to)
{
    static char buf[65536];
    ssize_t got;

    while ((got = read(from, buf, sizeof(buf))) != 0) {
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 || write_all(to, buf, (size_t)got) < 0)
            return -1;
    }
    return 0;
}

char *path_join(const char *dir, const char *name)
{
    size_t len = strlen(dir);

    return xasprintf("%s%s%s", dir, len && dir[len - 1] == '/' ? "" : "/", name);
}

const char *path_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

char *id_to_name(const char *file, unsigned int id, char *buf, size_t len)
{
    char *text = read_file(file, NULL);
    char *save = NULL;

    snprintf(buf, len, "%u", id);
    if (!text)
        return buf;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char name[64];
        unsigned int number;

        if (sscanf(line, "%63[^:]:%*[^:]:%u", name, &number) == 2 && number == id) {
            snprintf(buf, len, "%s", name);
            break;
        }
    }
    free(text);
    return buf;
}

static char mode_kind(mode_t mode)
{
    switch (mode & S_IFMT) {
    case S_IFDIR: return 'd';
    case S_IFLNK: return 'l';
    case S_IFCHR: return 'c';
    case S_IFBLK: return 'b';
    case S_IFIFO: return 'p';
    case S_IFSOCK: return 's';
    default: return '-';
    }
}

char *format_mode(mode_t mode, char *buf)
{
    buf[0] = mode_kind(mode);
    for (int i = 0; i < 9; i++)
        buf[1 + i] = mode & (0400 >> i) ? "rwx"[i % 3] : '-';
    if (mode & S_ISUID)
        buf[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        buf[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        buf[9] = mode & S_IXOTH ? 't' : 'T';
    buf[10] = '\0';
    return buf;
}
