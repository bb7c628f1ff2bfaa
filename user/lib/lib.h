/* SPDX-License-Identifier: MIT */
/*
 * What Quire's user programs share: allocation that cannot fail, numbers, whole files, sizes for
 * people, and the text formats of /proc. Errors that end a program go through <err.h>.
 */
#ifndef USER_LIB_H
#define USER_LIB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

/* alloc.c: these end the program with a message when memory runs out. */
void *xmalloc(size_t len);
void *xcalloc(size_t nr, size_t len);
void *xrealloc(void *old, size_t len);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t len);
char *xasprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A string that grows; text is always terminated by a NUL once something was added. */
struct strbuf {
    char *text;
    size_t len;
    size_t cap;
};
void strbuf_add(struct strbuf *sb, const char *bytes, size_t len);
void strbuf_addc(struct strbuf *sb, char c);
void strbuf_puts(struct strbuf *sb, const char *text);
void strbuf_free(struct strbuf *sb);

/* parse.c */

/* The whole of text as a number, C's prefixes for bases understood when base is 0. */
bool parse_u64(const char *text, int base, uint64_t *value);

/* A decimal number or the program ends; what names the thing in the message. */
long parse_long(const char *text, const char *what);

/* A count of bytes with an optional K, M, G or T (powers of 1024). */
bool parse_size(const char *text, uint64_t *bytes);

/* A duration such as 1, 0.5, 2s, 3m, 250ms, in nanoseconds. */
bool parse_duration(const char *text, uint64_t *ns);

/* A signal's number from "9", "KILL" or "SIGKILL"; -1 when unknown. signal_name is the inverse. */
int parse_signal(const char *text);
const char *signal_name(int sig);

/* Bytes as a short size with an exact unit (4K, 2M, 1G, or 12345 bytes); returns buf. */
char *format_size(char *buf, size_t len, uint64_t bytes);

/* Bytes rounded to one decimal (1.5M); returns buf. */
char *format_human(char *buf, size_t len, uint64_t bytes);

/* file.c */

/* A whole file, NUL-terminated, or NULL with errno. Works for /proc, where sizes read as 0. */
char *read_file(const char *path, size_t *len);

/* Writes everything or returns -1 with errno. */
int write_all(int fd, const void *bytes, size_t len);

/* Writes text into an existing file such as a knob of /proc; -1 with errno. */
int write_file(const char *path, const char *text);

/* Copies what is left of one descriptor to another; -1 with errno. */
int copy_fd(int from, int to);

/* dir/name without a doubled slash; freed by the caller. */
char *path_join(const char *dir, const char *name);

/* The part after the last slash; text itself when there is none. */
const char *path_base(const char *path);

/* The name for a number in /etc/passwd or /etc/group, or the number as text; returns buf. */
char *id_to_name(const char *file, unsigned int id, char *buf, size_t len);

/* "drwxr-xr-x" into buf[11]; returns buf. */
char *format_mode(mode_t mode, char *buf);

/* proc.c */

/* "key: 123 kB" or "key 123" in the text of meminfo, status or vmstat. False when absent. */
bool proc_field(const char *text, const char *key, uint64_t *value);

/* What /proc/PID/stat says, and the name from it. False when the process is gone. */
struct proc_stat {
    pid_t pid, ppid, pgrp, session;
    int tty;
    char state;
    char name[64];
    uint64_t utime_ticks, stime_ticks, start_ticks;
    uint64_t vsize_bytes, rss_pages, minflt, majflt;
    long nr_threads;
};
bool proc_read_stat(pid_t pid, struct proc_stat *st);

/* Every number in /proc, sorted; the array is freed by the caller. */
size_t proc_pids(pid_t **pids);

/* A process by number, "self", or name; the program ends when there is none. */
pid_t proc_find(const char *arg);

/* One line of /proc/PID/maps. */
struct proc_map {
    uint64_t start, end, offset, inode;
    char perms[5];
    char dev[16];
    char name[256];
};
bool proc_parse_map(const char *line, struct proc_map *map);

#endif
