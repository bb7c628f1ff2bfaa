/* SPDX-License-Identifier: MIT */
/* namei_ktest.c: path walks, creation, removal and renaming against tables of what Linux answers.
 */
#include "fs/internal.h"
#include "fs/names.h"
#include <kernel/ktest.h>

#define TOP "/kt"

/* A directory with one of each kind. */
static void setup(void)
{
    struct file *f;

    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP, 0755), 0);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/dir", 0755), 0);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/dir/sub", 0755), 0);
    f = file_open(TOP "/file", O_CREAT | O_RDWR | O_EXCL, 0644);
    EXPECT_OR_RETURN(!IS_ERR(f));
    file_put(f);
    EXPECT_EQ(name_symlink("file", AT_FDCWD, TOP "/link"), 0);
    EXPECT_EQ(name_symlink("dir", AT_FDCWD, TOP "/dirlink"), 0);
    EXPECT_EQ(name_symlink("nowhere", AT_FDCWD, TOP "/dangling"), 0);
    EXPECT_EQ(name_symlink("loop2", AT_FDCWD, TOP "/loop1"), 0);
    EXPECT_EQ(name_symlink("loop1", AT_FDCWD, TOP "/loop2"), 0);
    EXPECT_EQ(name_symlink("/kt/dir/", AT_FDCWD, TOP "/abs"), 0);
    EXPECT_EQ(name_mknod(AT_FDCWD, TOP "/fifo", S_IFIFO | 0600, 0), 0);
}

static void teardown(void)
{
    static const char *const names[] = {"file",  "link",  "dirlink", "dangling",
                                        "loop1", "loop2", "abs",     "fifo"};
    char path[64];

    for (unsigned int n = 0; n < ARRAY_SIZE(names); n++) {
        (void)scnprintf(path, sizeof(path), TOP "/%s", names[n]);
        EXPECT_EQ(name_unlink(AT_FDCWD, path, false), 0);
    }
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/dir/sub", true), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/dir", true), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP, true), 0);
}

static int walk(const char *name, unsigned int flags)
{
    struct path p;
    int ret = walk_path(AT_FDCWD, name, flags, &p);

    if (ret == 0)
        path_put(&p);
    return ret;
}

KTEST(namei, walk_table)
{
    static const struct {
        const char *name;
        unsigned int flags;
        int want;
    } table[] = {
        {"", 0, -ENOENT},
        {"/", 0, 0},
        {"//", WALK_DIRECTORY, 0},
        {"/..", 0, 0},
        {"/../../kt/file", 0, 0},
        {TOP "/file", 0, 0},
        {TOP "//./dir/../file", 0, 0},
        {TOP "/file/", 0, -ENOTDIR},
        {TOP "/file/x", 0, -ENOTDIR},
        {TOP "/file/..", 0, -ENOTDIR},
        {TOP "/none", 0, -ENOENT},
        {TOP "/none/x", 0, -ENOENT},
        {TOP "/none/..", 0, -ENOENT},
        {TOP "/file", WALK_DIRECTORY, -ENOTDIR},
        {TOP "/dir/", WALK_DIRECTORY, 0},
        {TOP "/link", 0, 0},
        {TOP "/link", WALK_FOLLOW, 0},
        {TOP "/link/", 0, -ENOTDIR},
        {TOP "/dirlink", WALK_DIRECTORY, -ENOTDIR},
        {TOP "/dirlink", WALK_DIRECTORY | WALK_FOLLOW, 0},
        {TOP "/dirlink/", WALK_DIRECTORY, 0},
        {TOP "/dirlink/sub", 0, 0},
        {TOP "/abs", WALK_FOLLOW, 0},
        {TOP "/abs/sub/../../file", 0, 0},
        {TOP "/dangling", 0, 0},
        {TOP "/dangling", WALK_FOLLOW, -ENOENT},
        {TOP "/loop1", 0, 0},
        {TOP "/loop1", WALK_FOLLOW, -ELOOP},
        {TOP "/loop1/x", 0, -ELOOP},
        {TOP "/fifo/", 0, -ENOTDIR},
    };

    setup();
    for (unsigned int n = 0; n < ARRAY_SIZE(table); n++) {
        int got = walk(table[n].name, table[n].flags);

        if (got != table[n].want)
            ktest_fail(__FILE__, __LINE__, table[n].name, got, table[n].want);
    }
    teardown();
}

KTEST(namei, long_names)
{
    char *name = kmalloc(600);

    EXPECT_OR_RETURN(name);
    memset(name, 'a', 600);
    name[0] = '/';
    name[256] = '\0';
    EXPECT_EQ(name_mkdir(AT_FDCWD, name, 0700), 0);
    EXPECT_EQ(walk(name, 0), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, name, true), 0);
    name[256] = 'a';
    name[257] = '\0';
    EXPECT_EQ(name_mkdir(AT_FDCWD, name, 0700), -ENAMETOOLONG);
    EXPECT_EQ(walk(name, 0), -ENAMETOOLONG);
    kfree(name);
}

KTEST(namei, open_table)
{
    static const struct {
        const char *name;
        int flags, want; /* 0: opens */
    } table[] = {
        {TOP "/file", O_RDONLY, 0},
        {TOP "/file", O_RDWR | O_CREAT, 0},
        {TOP "/file", O_CREAT | O_EXCL | O_RDWR, -EEXIST},
        {TOP "/file/", O_RDONLY, -ENOTDIR},
        {TOP "/file/", O_CREAT | O_RDWR, -EISDIR},
        {TOP "/none/", O_CREAT | O_RDWR, -EISDIR},
        {TOP "/none/x", O_CREAT | O_RDWR, -ENOENT},
        {TOP "/none", O_RDONLY, -ENOENT},
        {TOP "/dir", O_RDONLY, 0},
        {TOP "/dir", O_RDWR, -EISDIR},
        {TOP "/dir", O_CREAT | O_RDONLY, -EISDIR},
        {TOP "/dir/.", O_CREAT | O_RDONLY, -EISDIR},
        {TOP "/file", O_DIRECTORY, -ENOTDIR},
        {TOP "/dir", O_CREAT | O_DIRECTORY, -EINVAL},
        {TOP "/link", O_NOFOLLOW, -ELOOP},
        {TOP "/link", O_NOFOLLOW | O_PATH, 0},
        {TOP "/link", O_CREAT | O_NOFOLLOW | O_RDWR, -ELOOP},
        {TOP "/link", O_CREAT | O_EXCL | O_RDWR, -EEXIST},
        {TOP "/link", O_CREAT | O_RDWR, 0},
        {TOP "/dangling", O_RDONLY, -ENOENT},
        {TOP "/loop1", O_CREAT | O_RDWR, -ELOOP},
        {TOP "/fifo", O_WRONLY | O_NONBLOCK, -ENXIO},
        {TOP "/fifo", O_RDONLY | O_NONBLOCK, 0},
        {TOP "/dir", O_TMPFILE | O_RDONLY, -EINVAL},
        {TOP "/dir", O_TMPFILE | O_RDWR, 0},
        {TOP "/file", O_TMPFILE | O_RDWR, -ENOTDIR},
    };

    setup();
    for (unsigned int n = 0; n < ARRAY_SIZE(table); n++) {
        struct file *f = file_open(table[n].name, table[n].flags, 0600);
        int got = IS_ERR(f) ? (int)PTR_ERR(f) : 0;

        if (got != table[n].want)
            ktest_fail(__FILE__, __LINE__, table[n].name, got, table[n].want);
        if (!IS_ERR(f))
            file_put(f);
    }
    /* O_CREAT through a dangling link makes what it names. */
    struct file *f = file_open(TOP "/dangling", O_CREAT | O_RDWR, 0600);
    EXPECT(!IS_ERR(f));
    if (!IS_ERR(f))
        file_put(f);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/nowhere", false), 0);
    teardown();
}

KTEST(namei, create_and_remove)
{
    struct path p;

    setup();
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/", 0755), -EEXIST);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/.", 0755), -EEXIST);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/file", 0755), -EEXIST);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/dangling", 0755), -EEXIST);
    EXPECT_EQ(name_mkdir(AT_FDCWD, TOP "/new/", 0755), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/new", false), -EISDIR);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/new/.", true), -EINVAL);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/new/..", true), -ENOTEMPTY);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/", true), -EBUSY);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP, true), -ENOTEMPTY);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/file", true), -ENOTDIR);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/file/", false), -ENOTDIR);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/none", false), -ENOENT);
    /* A directory that was removed while somebody is in it takes no more entries. */
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, TOP "/new", 0, &p) == 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/new/", true), 0);
    EXPECT(p.dentry->unlinked);
    EXPECT_EQ(p.dentry->inode->nlink, 0);
    path_put(&p);
    /* Links. */
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, TOP "/file", 0, &p) == 0);
    EXPECT_EQ(name_link(&p, AT_FDCWD, TOP "/dir/second"), 0);
    EXPECT_EQ(p.dentry->inode->nlink, 2);
    EXPECT_EQ(name_link(&p, AT_FDCWD, TOP "/dir/second"), -EEXIST);
    EXPECT_EQ(name_unlink(AT_FDCWD, TOP "/dir/second", false), 0);
    EXPECT_EQ(p.dentry->inode->nlink, 1);
    path_put(&p);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, TOP "/dir", 0, &p) == 0);
    EXPECT_EQ(name_link(&p, AT_FDCWD, TOP "/dir2"), -EPERM);
    EXPECT_EQ(p.dentry->inode->nlink, 3);
    path_put(&p);
    teardown();
}

KTEST(namei, rename_table)
{
    static const struct {
        const char *old, *new;
        unsigned int flags;
        int want;
    } table[] = {
        {"none", "x", 0, -ENOENT},
        {"file", "dir", 0, -EISDIR},
        {"dir", "file", 0, -ENOTDIR},
        {"dir", "dir/sub/x", 0, -EINVAL},
        {"dir/sub", "dir", 0, -ENOTEMPTY},
        {"file", "link", RENAME_NOREPLACE, -EEXIST},
        {"file", "x", RENAME_EXCHANGE, -ENOENT},
        {"file", "x/", 0, -ENOTDIR},
        {"file/", "x", 0, -ENOTDIR},
        {"dir/.", "x", 0, -EBUSY},
        {"file", "dir/..", 0, -EBUSY},
        {"file", "file", 0, 0},
        {"file", "dir/moved", 0, 0},
        {"dir/moved", "file", RENAME_NOREPLACE, 0},
        {"file", "dir", RENAME_EXCHANGE, 0},
        {"dir", "file", RENAME_EXCHANGE, 0},
        {"dir/sub", "sub2/", 0, 0},
        {"sub2", "dir/sub", 0, 0},
        {"link", "fifo", RENAME_EXCHANGE, 0},
        {"fifo", "link", RENAME_EXCHANGE, 0},
    };

    setup();
    for (unsigned int n = 0; n < ARRAY_SIZE(table); n++) {
        char old[64], new[64];
        int got;

        (void)scnprintf(old, sizeof(old), TOP "/%s", table[n].old);
        (void)scnprintf(new, sizeof(new), TOP "/%s", table[n].new);
        got = name_rename(AT_FDCWD, old, AT_FDCWD, new, table[n].flags);
        if (got != table[n].want)
            ktest_fail(__FILE__, (int)n, table[n].old, got, table[n].want);
        EXPECT_EQ(dentry_check(), 0);
    }
    teardown();
}

/* An open file that is replaced keeps its contents and its name in the text of its path. */
KTEST(namei, rename_over_open_file)
{
    struct file *f = file_open("/kt_a", O_CREAT | O_RDWR, 0600),
                *g = file_open("/kt_b", O_CREAT | O_RDWR, 0600);
    char buf[64], byte = 0;

    EXPECT_OR_RETURN(!IS_ERR(f) && !IS_ERR(g));
    EXPECT_EQ(kernel_write(g, "b", 1, 0), 1);
    EXPECT_EQ(name_rename(AT_FDCWD, "/kt_a", AT_FDCWD, "/kt_b", 0), 0);
    EXPECT_EQ(kernel_read(g, &byte, 1, 0), 1);
    EXPECT_EQ(byte, 'b');
    EXPECT_EQ(strcmp(file_path(g, buf, sizeof(buf)), "/kt_b (deleted)"), 0);
    EXPECT_EQ(strcmp(file_path(f, buf, sizeof(buf)), "/kt_b"), 0);
    EXPECT_EQ(PTR_ERR(file_path(f, buf, 4)), -ENAMETOOLONG);
    file_put(f);
    file_put(g);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt_b", false), 0);
}

/* ---- reading a directory while it changes ---- */

struct seen {
    unsigned int nr, stop_at;
    char last[32];
};

static bool note(void *ctx, const char *name, size_t len, ino_t ino, unsigned int type, loff_t next)
{
    struct seen *s = ctx;

    if (s->nr == s->stop_at)
        return false;
    s->nr++;
    (void)strscpy(s->last, name, min(len + 1, sizeof(s->last)));
    return true;
}

KTEST(namei, readdir_while_removing)
{
    struct file *d;
    char path[32];

    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt", 0755), 0);
    for (int n = 0; n < 100; n++) {
        (void)scnprintf(path, sizeof(path), "/kt/%d", n);
        EXPECT_EQ(name_mkdir(AT_FDCWD, path, 0755), 0);
    }
    d = file_open("/kt", O_RDONLY | O_DIRECTORY, 0);
    EXPECT_OR_RETURN(!IS_ERR(d));
    /* One at a time, each removed as soon as it was seen: none is left out. */
    for (int n = -2; n < 100; n++) {
        struct seen s = {.stop_at = 1};

        EXPECT_EQ(d->op->iterate(d, note, &s), 0);
        EXPECT_EQ(s.nr, 1);
        if (n < 0)
            continue;
        (void)scnprintf(path, sizeof(path), "/kt/%d", n);
        EXPECT_EQ(strcmp(s.last, path + 4), 0);
        EXPECT_EQ(name_unlink(AT_FDCWD, path, true), 0);
    }
    file_put(d);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt", true), 0);
}

KTEST(namei, mounts)
{
    struct path at, p;

    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt", 0755), 0);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt", 0, &at) == 0);
    EXPECT_EQ(mount_fs(&tmpfs_type, "test", &at, 0, "size=8k,nr_inodes=4"), 0);
    path_put(&at);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt", true), -EBUSY);
    EXPECT_EQ(name_mkdir(AT_FDCWD, "/kt/inside", 0755), 0);
    EXPECT_EQ(walk("/kt/inside/../../kt/inside", WALK_DIRECTORY), 0);
    EXPECT_EQ(name_rename(AT_FDCWD, "/kt/inside", AT_FDCWD, "/outside", 0), -EXDEV);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt/inside", 0, &p) == 0);
    EXPECT_EQ(mount_remove(&p, 0), -EINVAL);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt", 0, &at) == 0);
    EXPECT_EQ(mount_remove(&at, 0), -EBUSY); /* p is in it */
    path_put(&p);
    EXPECT_EQ(mount_remove(&at, 0), 0);
    path_put(&at);
    EXPECT_EQ(walk("/kt/inside", 0), -ENOENT);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt", true), 0);
}
