/* SPDX-License-Identifier: MIT */
/*
 * namei.c: from a path name to a dentry.
 *
 * A walk goes component by component; each directory on the way must grant search permission. A
 * symlink puts its text in front of what is left; forty of them are too many. ".." stops at the
 * root of the process and climbs out of mounts. Does not create or change anything: name_calls.c
 * and open.c do, from the parent that walk_parent finds.
 *
 * Locks: none held between steps; each step has references on where it is. Checked by
 * tests/kernel/fs/namei_ktest.c. Source: path_resolution(7), symlink(7). Read next: open.c,
 * name_calls.c.
 */
#include "internal.h"

char *name_from_user(const char __user *path)
{
    char *name = kmalloc(PATH_MAX_LEN);
    ssize_t n;

    if (!name)
        return ERR_PTR(-ENOMEM);
    n = strncpy_from_user(name, path, PATH_MAX_LEN);
    if (n >= 0)
        return name;
    kfree(name);
    return ERR_PTR(n);
}

struct dentry *walk_lookup(struct dentry *dir, const char *name, size_t len)
{
    struct dentry *d = dentry_find(dir, name, len);
    struct inode *i;

    if (d || !dir->inode->iop->lookup)
        return d;
    i = dir->inode->iop->lookup(dir->inode, name, len);
    if (IS_ERR(i))
        return PTR_ERR(i) == -ENOENT ? NULL : ERR_PTR(PTR_ERR(i));
    d = dentry_alloc(dir->sb, dir, name, len);
    if (!d) {
        inode_put(i);
        return ERR_PTR(-ENOMEM);
    }
    d->inode = i;
    return d;
}

static int dirfd_path(int dirfd, bool any_kind, struct path *out)
{
    struct fdref r;

    if (dirfd == AT_FDCWD) {
        *out = fs_pwd_get(current->fs);
        return 0;
    }
    r = fdref_get_any(dirfd);
    if (!r.file)
        return -EBADF;
    if (!any_kind && !S_ISDIR(r.file->inode->mode)) {
        fdref_put(r);
        return -ENOTDIR;
    }
    *out = (struct path){r.file->mnt, r.file->dentry};
    path_get(out);
    fdref_put(r);
    return 0;
}

/* On error nothing is held. */
static int walk_begin(struct walk *w, int dirfd, const char *name, unsigned int flags)
{
    int ret = 0;

    memset(w, 0, sizeof(*w));
    if (name[0] == '\0' && !(flags & WALK_EMPTY))
        return -ENOENT;
    w->rest = name;
    if (current->fs) {
        w->root = fs_root_get(current->fs);
    } else {
        w->root = (struct path){root_mount, root_mount->root};
        path_get(&w->root);
    }
    if (name[0] == '/' || (!current->fs && dirfd == AT_FDCWD)) {
        w->at = w->root;
        path_get(&w->at);
    } else {
        ret = dirfd_path(dirfd, name[0] == '\0', &w->at);
    }
    if (ret)
        path_put(&w->root);
    return ret;
}

void walk_end(struct walk *w)
{
    path_put(&w->at);
    path_put(&w->root);
    kfree(w->text);
}

static void walk_go(struct walk *w, const struct path *to)
{
    path_put(&w->at);
    w->at = *to;
}

static void walk_up(struct walk *w)
{
    struct path up;

    for (;;) {
        if (path_equal(&w->at, &w->root))
            return;
        if (w->at.dentry != w->at.mnt->root)
            break;
        if (!mount_follow_up(&w->at))
            return;
    }
    up.dentry = dentry_parent_get(w->at.dentry);
    up.mnt = w->at.mnt;
    atomic_inc(&up.mnt->refs);
    walk_go(w, &up);
    mount_follow_down(&w->at);
}

/* Puts the text of @link in front of w->rest; a magic link moves w->at instead (returns 1). */
static int walk_link(struct walk *w, const struct path *link)
{
    struct inode *i = link->dentry->inode;
    size_t rest_len = strlen(w->rest);
    struct path to;
    char *text;
    ssize_t n;

    if (++w->nr_links > SYMLINK_MAX_NESTED)
        return -ELOOP;
    inode_accessed(i);
    if (i->iop->follow) {
        n = i->iop->follow(i, &to);
        if (n == 0)
            walk_go(w, &to);
        return n == 0 ? 1 : (int)n;
    }
    text = kmalloc(PATH_MAX_LEN + rest_len + 1);
    if (!text)
        return -ENOMEM;
    n = i->iop->readlink(i, text, PATH_MAX_LEN);
    if (n <= 0) {
        kfree(text);
        return n == 0 ? -ENOENT : (int)n;
    }
    memcpy(text + n, w->rest, rest_len + 1);
    kfree(w->text);
    w->text = text;
    w->rest = text;
    if (text[0] == '/') {
        to = w->root;
        path_get(&to);
        walk_go(w, &to);
    }
    return 0;
}

static enum last_kind kind_of(const char *name, size_t len)
{
    if (name[0] == '.' && len == 1)
        return LAST_DOT;
    if (name[0] == '.' && len == 2 && name[1] == '.')
        return LAST_DOTDOT;
    return LAST_NORMAL;
}

/* What @name leads to below @w->at, mounts followed: reference, or -ENOENT. */
static int walk_last(struct walk *w, struct path *out)
{
    struct dentry *d = walk_lookup(w->at.dentry, w->name, w->len);

    if (IS_ERR(d))
        return (int)PTR_ERR(d);
    if (!d)
        return -ENOENT;
    *out = (struct path){w->at.mnt, d};
    atomic_inc(&out->mnt->refs);
    mount_follow_down(out);
    return 0;
}

/* Cuts the next component off: true, or false when there is none. */
static bool walk_next(struct walk *w)
{
    const char *p = w->rest;

    while (*p == '/')
        p++;
    w->name = p;
    while (*p != '\0' && *p != '/')
        p++;
    w->len = (size_t)(p - w->name);
    w->slash = *p == '/';
    w->rest = p;
    w->kind = w->len ? kind_of(w->name, w->len) : LAST_ROOT;
    return w->len != 0;
}

/* May the walk look for w->name where it is? */
static int walk_may_search(const struct walk *w)
{
    struct inode *dir = w->at.dentry->inode;

    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (w->len > NAME_MAX_LEN)
        return -ENAMETOOLONG;
    return inode_permission(dir, MAY_EXEC);
}

/* One component, already cut off. */
static int walk_step(struct walk *w, bool follow)
{
    struct path next;
    int ret;

    if (w->kind == LAST_DOT)
        return 0;
    if (w->kind == LAST_DOTDOT) {
        walk_up(w);
        return 0;
    }
    ret = walk_last(w, &next);
    if (ret)
        return ret;
    if (follow && S_ISLNK(next.dentry->inode->mode)) {
        ret = walk_link(w, &next);
        path_put(&next);
        if (ret <= 0)
            return ret;
    } else {
        walk_go(w, &next);
    }
    return w->rest[0] == '/' && !S_ISDIR(w->at.dentry->inode->mode) ? -ENOTDIR : 0;
}

static bool only_slashes(const char *s)
{
    while (*s == '/')
        s++;
    return *s == '\0';
}

static int walk_all(struct walk *w, unsigned int flags)
{
    while (walk_next(w)) {
        int ret = walk_may_search(w);

        if (ret == 0)
            ret = walk_step(w, (flags & WALK_FOLLOW) || w->slash);
        if (ret)
            return ret;
    }
    return 0;
}

static int walk_to_parent(struct walk *w)
{
    while (walk_next(w)) {
        int ret = walk_may_search(w);

        if (ret)
            return ret;
        if (only_slashes(w->rest))
            return 0;
        ret = walk_step(w, true);
        if (ret)
            return ret;
    }
    return 0;
}

int walk_path(int dirfd, const char *name, unsigned int flags, struct path *out)
{
    struct walk w;
    int ret = walk_begin(&w, dirfd, name, flags);

    if (ret)
        return ret;
    ret = walk_all(&w, flags);
    if (ret == 0 && (flags & WALK_DIRECTORY) && !S_ISDIR(w.at.dentry->inode->mode))
        ret = -ENOTDIR;
    if (ret == 0) {
        *out = w.at;
        path_get(out);
    }
    walk_end(&w);
    return ret;
}

int walk_user_path(int dirfd, const char __user *uname, unsigned int flags, struct path *out)
{
    char *name;
    int ret;

    name = name_from_user(uname);
    if (IS_ERR(name))
        return (int)PTR_ERR(name);
    ret = walk_path(dirfd, name, flags, out);
    kfree(name);
    return ret;
}

int walk_parent(int dirfd, const char *name, struct walk *w)
{
    int ret = walk_begin(w, dirfd, name, 0);

    if (ret)
        return ret;
    ret = walk_to_parent(w);
    if (ret)
        walk_end(w);
    return ret;
}

int walk_parent_link(struct walk *w, const struct path *link)
{
    int ret = walk_link(w, link);

    return ret ? ret : walk_to_parent(w);
}
