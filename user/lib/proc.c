/* SPDX-License-Identifier: MIT */
/* Readers of /proc's text formats, as proc(5) describes them. */
#include "lib.h"

#include <ctype.h>
#include <dirent.h>
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool proc_field(const char *text, const char *key, uint64_t *value)
{
    size_t len = strlen(key);

    for (const char *at = text; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, key, len) == 0 && (at[len] == ':' || at[len] == ' ')) {
            *value = strtoull(at + len + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

bool proc_read_stat(pid_t pid, struct proc_stat *st)
{
    char path[64];
    char *text, *open, *close;
    unsigned long long minflt, majflt, utime, stime, start, vsize, rss;
    int fields;

    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    text = read_file(path, NULL);
    if (!text)
        return false;
    open = strchr(text, '(');
    close = strrchr(text, ')');
    memset(st, 0, sizeof(*st));
    if (!open || !close || close < open) {
        free(text);
        return false;
    }
    *close = '\0';
    snprintf(st->name, sizeof(st->name), "%s", open + 1);
    fields = sscanf(close + 1,
                    " %c %d %d %d %d %*d %*u %llu %*u %llu %*u %llu %llu %*d %*d %*d %*d %ld "
                    "%*d %llu %llu %llu",
                    &st->state, &st->ppid, &st->pgrp, &st->session, &st->tty, &minflt, &majflt,
                    &utime, &stime, &st->nr_threads, &start, &vsize, &rss);
    free(text);
    if (fields != 13)
        return false;
    st->pid = pid;
    st->minflt = minflt;
    st->majflt = majflt;
    st->utime_ticks = utime;
    st->stime_ticks = stime;
    st->start_ticks = start;
    st->vsize_bytes = vsize;
    st->rss_pages = rss;
    return true;
}

static int compare_pids(const void *a, const void *b)
{
    pid_t x = *(const pid_t *)a, y = *(const pid_t *)b;

    return (x > y) - (x < y);
}

size_t proc_pids(pid_t **pids)
{
    DIR *dir = opendir("/proc");
    struct dirent *de;
    size_t nr = 0, cap = 0;

    *pids = NULL;
    if (!dir)
        err(1, "/proc");
    while ((de = readdir(dir))) {
        if (!isdigit((unsigned char)de->d_name[0]))
            continue;
        if (nr == cap) {
            cap = cap ? cap * 2 : 64;
            *pids = xrealloc(*pids, cap * sizeof(**pids));
        }
        (*pids)[nr++] = (pid_t)atoi(de->d_name);
    }
    closedir(dir);
    if (nr)
        qsort(*pids, nr, sizeof(**pids), compare_pids);
    return nr;
}

pid_t proc_find(const char *arg)
{
    struct proc_stat st;
    pid_t *pids, found = 0;
    uint64_t number;
    size_t nr;

    if (strcmp(arg, "self") == 0)
        return getpid();
    if (parse_u64(arg, 10, &number)) {
        if (!proc_read_stat((pid_t)number, &st))
            errx(1, "no process %s", arg);
        return (pid_t)number;
    }
    nr = proc_pids(&pids);
    for (size_t i = 0; i < nr; i++) {
        if (pids[i] != getpid() && proc_read_stat(pids[i], &st) && strcmp(st.name, arg) == 0)
            found = pids[i];
    }
    free(pids);
    if (!found)
        errx(1, "no process named '%s'", arg);
    return found;
}

bool proc_parse_map(const char *line, struct proc_map *map)
{
    unsigned long long start, end, offset, inode;
    int name_at = 0;
    size_t len;

    if (sscanf(line, "%llx-%llx %4s %llx %15s %llu %n", &start, &end, map->perms, &offset, map->dev,
               &inode, &name_at) < 6)
        return false;
    map->start = start;
    map->end = end;
    map->offset = offset;
    map->inode = inode;
    len = name_at ? strcspn(line + name_at, "\n") : 0;
    if (len >= sizeof(map->name))
        len = sizeof(map->name) - 1;
    memcpy(map->name, line + name_at, len);
    map->name[len] = '\0';
    return true;
}
