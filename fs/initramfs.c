/* SPDX-License-Identifier: MIT */
/*
 * initramfs.c: unpacks the initramfs into the root file system at boot.
 *
 * Entries are created through the same functions as a program's mkdir, mknod, symlink, link and
 * open; a later entry replaces an earlier one of the same name, missing parent directories are
 * made. The first thing that is wrong ends the unpacking with a message that names the offset.
 * Names that were linked several times share one inode (the data comes with the last). Runs once,
 * before /init, alone: no locks of its own. Checked by tests/kernel/fs/cpio_ktest.c. Read next:
 * cpio.c.
 */
#include "cpio.h"
#include "internal.h"
#include "names.h"

#define LINK_BUCKETS 64

/* An inode number of the archive that has more names to come. */
struct link_seen {
    struct link_seen *next;
    u32 ino, dev_major, dev_minor;
    char name[];
};

struct unpack {
    struct link_seen *links[LINK_BUCKETS];
    unsigned int nr_entries;
};

static void forget_links(struct unpack *u)
{
    for (unsigned int n = 0; n < LINK_BUCKETS; n++) {
        for (struct link_seen *l = u->links[n], *next; l; l = next) {
            next = l->next;
            kfree(l);
        }
        u->links[n] = NULL;
    }
}

static struct link_seen *find_link(struct unpack *u, const struct cpio_entry *e)
{
    struct link_seen *l = u->links[e->ino % LINK_BUCKETS];

    while (l && (l->ino != e->ino || l->dev_major != e->dev_major || l->dev_minor != e->dev_minor))
        l = l->next;
    return l;
}

static int remember_link(struct unpack *u, const struct cpio_entry *e, const char *name)
{
    size_t len = strlen(name) + 1;
    struct link_seen *l = kmalloc(sizeof(*l) + len);

    if (!l)
        return -ENOMEM;
    *l = (struct link_seen){u->links[e->ino % LINK_BUCKETS], e->ino, e->dev_major, e->dev_minor};
    memcpy(l->name, name, len);
    u->links[e->ino % LINK_BUCKETS] = l;
    return 0;
}

/* Owner, mode and time as the archive has them. */
static int set_attributes(const struct cpio_entry *e, const char *name)
{
    struct path p;
    struct inode *i;
    int ret = walk_path(AT_FDCWD, name, 0, &p);

    if (ret)
        return ret;
    i = p.dentry->inode;
    i->uid = e->uid;
    i->gid = e->gid;
    if (!S_ISLNK(i->mode))
        i->mode = (i->mode & S_IFMT) | (e->mode & 07777);
    i->mtime = (struct timespec64){e->mtime, 0};
    path_put(&p);
    return 0;
}

static int write_file(const struct cpio_entry *e, const char *name)
{
    struct file *f = file_open(name, O_CREAT | O_WRONLY | O_TRUNC | O_NOFOLLOW, 0600);
    ssize_t n;

    if (IS_ERR(f))
        return (int)PTR_ERR(f);
    n = e->size ? kernel_write(f, e->data, e->size, 0) : 0;
    file_put(f);
    return n < 0 ? (int)n : n == (ssize_t)e->size ? 0 : -ENOSPC;
}

static int unpack_regular(struct unpack *u, const struct cpio_entry *e, const char *name)
{
    struct link_seen *l = e->nlink > 1 ? find_link(u, e) : NULL;
    struct path old;
    int ret;

    if (l && strcmp(l->name, name) != 0) {
        (void)name_unlink(AT_FDCWD, name, false);
        ret = walk_path(AT_FDCWD, l->name, 0, &old);
        if (ret)
            return ret;
        ret = name_link(&old, AT_FDCWD, name);
        path_put(&old);
        return ret || e->size == 0 ? ret : write_file(e, name);
    }
    ret = write_file(e, name);
    if (ret == 0 && e->nlink > 1)
        ret = remember_link(u, e, name);
    return ret;
}

static int unpack_symlink(const struct cpio_entry *e, const char *name)
{
    char *target = kmalloc((size_t)e->size + 1);
    int ret;

    if (!target)
        return -ENOMEM;
    memcpy(target, e->data, e->size);
    target[e->size] = '\0';
    ret = e->size == 0 || e->size >= PATH_MAX_LEN ? -EINVAL : name_symlink(target, AT_FDCWD, name);
    kfree(target);
    return ret;
}

/* Something else under this name that the entry cannot be put over? Away with it. */
static void clear_place(const struct cpio_entry *e, const char *name)
{
    mode_t kind;
    struct path p;

    if (walk_path(AT_FDCWD, name, 0, &p))
        return;
    kind = p.dentry->inode->mode & S_IFMT;
    path_put(&p);
    if (kind == (e->mode & S_IFMT) && (kind == S_IFDIR || kind == S_IFREG))
        return;
    (void)name_unlink(AT_FDCWD, name, kind == S_IFDIR);
}

static int make_parents(char *name)
{
    for (char *slash = strchr(name + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        int ret;

        *slash = '\0';
        ret = name_mkdir(AT_FDCWD, name, 0755);
        *slash = '/';
        if (ret && ret != -EEXIST)
            return ret;
    }
    return 0;
}

static int unpack_entry(struct unpack *u, const struct cpio_entry *e, char *name)
{
    int ret;

    if (strcmp(name, "/") == 0)
        return S_ISDIR(e->mode) ? set_attributes(e, name) : -EINVAL;
    ret = make_parents(name);
    if (ret)
        return ret;
    clear_place(e, name);
    switch (e->mode & S_IFMT) {
    case S_IFREG: ret = unpack_regular(u, e, name); break;
    case S_IFDIR:
        ret = name_mkdir(AT_FDCWD, name, 0755);
        ret = ret == -EEXIST ? 0 : ret;
        break;
    case S_IFLNK: ret = unpack_symlink(e, name); break;
    default: ret = name_mknod(AT_FDCWD, name, e->mode, MKDEV(e->rdev_major, e->rdev_minor));
    }
    return ret ? ret : set_attributes(e, name);
}

/* "./usr/bin/" to "/usr/bin", "." to "/": a new string. NULL = out of memory. */
static char *clean_name(const char *name)
{
    size_t len;
    char *s;

    for (;;) {
        if (name[0] == '/')
            name++;
        else if (name[0] == '.' && (name[1] == '/' || name[1] == '\0'))
            name++;
        else
            break;
    }
    len = strlen(name);
    while (len && name[len - 1] == '/')
        len--;
    s = kmalloc(len + 2);
    if (!s)
        return NULL;
    s[0] = '/';
    memcpy(s + 1, name, len);
    s[len + 1] = '\0';
    return s;
}

int initramfs_unpack(const void *data, size_t len)
{
    struct unpack u = {0};
    struct cpio_reader r;
    struct cpio_entry e;
    int got, ret = 0;

    cpio_begin(&r, data, len);
    while (ret == 0 && (got = cpio_next(&r, &e)) != 0) {
        char *name;

        if (got < 0) {
            pr_err("initramfs: at offset %zu of %zu: %s\n", r.error_pos, len, r.error);
            ret = -EINVAL;
            break;
        }
        if (e.new_archive)
            forget_links(&u);
        name = clean_name(e.name);
        ret = name ? unpack_entry(&u, &e, name) : -ENOMEM;
        if (ret)
            pr_err("initramfs: entry %s at offset %zu: error %d\n", e.name, e.offset, -ret);
        else
            u.nr_entries++;
        kfree(name);
    }
    forget_links(&u);
    if (ret == 0)
        pr_info("initramfs: %u entries, %zu KiB\n", u.nr_entries, len >> 10);
    return ret;
}
