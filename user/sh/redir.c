/* SPDX-License-Identifier: MIT */
/*
 * Redirections. Those of a builtin or of a compound command are undone afterwards: the old
 * descriptor is kept above 9 with close-on-exec meanwhile.
 *
 * A here-document goes through a pipe when it fits, otherwise through an unlinked file in /tmp.
 */
#include "sh.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int open_here(struct redir *r, struct arena *a)
{
    char *body = r->body_quoted ? r->body : expand_here(r->body, a);
    size_t len = strlen(body);
    char path[] = "/tmp/sh-here-XXXXXX";
    int fds[2], fd;

    if (len <= PIPE_BUF) {
        if (pipe2(fds, O_CLOEXEC) < 0)
            return -1;
        write_all(fds[1], body, len);
        close(fds[1]);
        return fds[0];
    }
    fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return -1;
    unlink(path);
    if (write_all(fd, body, len) < 0 || lseek(fd, 0, SEEK_SET) < 0) {
        close(fd);
        return -1;
    }
    return fd;
}

/* Opens what r names; *close_after says that the descriptor is only ours. */
static int open_target(struct redir *r, const char *target, struct arena *a)
{
    switch (r->kind) {
    case REDIR_IN: return open(target, O_RDONLY | O_CLOEXEC);
    case REDIR_BOTH:
    case REDIR_OUT: return open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    case REDIR_BOTH_APP:
    case REDIR_APPEND: return open(target, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    case REDIR_RDWR: return open(target, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    case REDIR_HERE: return open_here(r, a);
    default: return -1;
    }
}

static void save_fd(struct saved_fds *saved, int fd)
{
    if (!saved || saved->nr == (int)(sizeof(saved->at) / sizeof(saved->at[0])))
        return;
    for (int i = 0; i < saved->nr; i++) {
        if (saved->at[i].fd == fd)
            return;
    }
    saved->at[saved->nr].fd = fd;
    saved->at[saved->nr].copy = fcntl(fd, F_DUPFD_CLOEXEC, 10);
    saved->nr++;
}

static bool apply_dup(struct redir *r, const char *target, struct saved_fds *saved)
{
    char *end;
    long from;

    save_fd(saved, r->fd);
    if (strcmp(target, "-") == 0) {
        close(r->fd);
        return true;
    }
    from = strtol(target, &end, 10);
    if (!isdigit((unsigned char)*target) || *end) {
        sh_warn("%s: not a descriptor", target);
        return false;
    }
    if (dup2((int)from, r->fd) < 0) {
        sh_warn("descriptor %s: %s", target, strerror(errno));
        return false;
    }
    return true;
}

static bool apply_one(struct redir *r, struct saved_fds *saved, struct arena *a)
{
    bool both = r->kind == REDIR_BOTH || r->kind == REDIR_BOTH_APP;
    char *target = r->kind == REDIR_HERE ? r->target : expand_single(r->target, a);
    int fd;

    fflush(stdout);
    if (r->kind == REDIR_DUP)
        return apply_dup(r, target, saved);
    fd = open_target(r, target, a);
    if (fd < 0) {
        sh_warn("%s: %s", target, strerror(errno));
        return false;
    }
    save_fd(saved, r->fd);
    if (fd == r->fd) {
        fcntl(fd, F_SETFD, 0);
    } else {
        dup2(fd, r->fd);
        close(fd);
    }
    if (both) {
        save_fd(saved, STDERR_FILENO);
        dup2(r->fd, STDERR_FILENO);
    }
    return true;
}

bool redir_apply(struct redir *list, struct saved_fds *saved, struct arena *a)
{
    for (; list; list = list->next) {
        if (!apply_one(list, saved, a))
            return false;
    }
    return true;
}

void redir_restore(struct saved_fds *saved)
{
    while (saved->nr > 0) {
        int fd = saved->at[--saved->nr].fd, copy = saved->at[saved->nr].copy;

        if (copy < 0) {
            close(fd);
            continue;
        }
        dup2(copy, fd);
        close(copy);
    }
}
