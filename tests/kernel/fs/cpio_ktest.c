/* SPDX-License-Identifier: MIT */
/* cpio_ktest.c: the initramfs reader on good archives and on damaged ones. */
#include "fs/cpio.h"
#include "fs/internal.h"
#include "fs/names.h"
#include <kernel/ktest.h>

#define ARCHIVE_MAX KIB(16)

struct builder {
    char *buf;
    size_t len, base;
    u32 ino;
};

struct entry {
    const char *name, *data;
    u32 mode, nlink, ino;
    u32 rmajor, rminor;
};

static void pad(struct builder *b)
{
    while ((b->len - b->base) % 4)
        b->buf[b->len++] = '\0';
}

static void add(struct builder *b, const struct entry *e)
{
    size_t n = e->data ? strlen(e->data) : 0;

    b->len += (size_t)scnprintf(b->buf + b->len, ARCHIVE_MAX - b->len,
                                "070701%08x%08x%08x%08x%08x%08x%08zx%08x%08x%08x%08x%08zx%08x",
                                e->ino ? e->ino : ++b->ino, e->mode, 0, 0, e->nlink ? e->nlink : 1,
                                12345, n, 3, 1, e->rmajor, e->rminor, strlen(e->name) + 1, 0);
    memcpy(b->buf + b->len, e->name, strlen(e->name) + 1);
    b->len += strlen(e->name) + 1;
    pad(b);
    if (n)
        memcpy(b->buf + b->len, e->data, n);
    b->len += n;
    pad(b);
}

static void end(struct builder *b)
{
    add(b, &(struct entry){.name = "TRAILER!!!"});
}

static bool begin(struct builder *b)
{
    *b = (struct builder){.buf = kmalloc(ARCHIVE_MAX), .ino = 100};
    return b->buf != NULL;
}

/* Number of entries, or -1; the reader keeps the error. */
static int count(struct cpio_reader *r, const void *data, size_t len)
{
    struct cpio_entry e;
    int n = 0, got;

    cpio_begin(r, data, len);
    while ((got = cpio_next(r, &e)) == 1)
        n++;
    return got < 0 ? -1 : n;
}

static const struct entry small[] = {
    {.name = ".", .mode = S_IFDIR | 0755},
    {.name = "./kt", .mode = S_IFDIR | 0750},
    {.name = "./kt/hello", .data = "hello, world", .mode = S_IFREG | 0644},
    {.name = "kt/link", .data = "hello", .mode = S_IFLNK | 0777},
    {.name = "/kt/null", .mode = S_IFCHR | 0666, .rmajor = 1, .rminor = 3},
};

static void build_small(struct builder *b)
{
    for (unsigned int n = 0; n < ARRAY_SIZE(small); n++)
        add(b, &small[n]);
    end(b);
}

/* However it is cut off, the reader says so, and where. */
KTEST(cpio, truncated_anywhere)
{
    struct cpio_reader r;
    struct builder b;

    EXPECT_OR_RETURN(begin(&b));
    build_small(&b);
    EXPECT_EQ(count(&r, b.buf, b.len), (int)ARRAY_SIZE(small));
    for (size_t len = 1; len < b.len - 4; len++) {
        char *copy = kmalloc(len); /* the allocator's red zone catches a read beyond */

        EXPECT_OR_RETURN(copy);
        memcpy(copy, b.buf, len);
        if (count(&r, copy, len) != -1 || !r.error || r.error_pos > len)
            ktest_fail(__FILE__, __LINE__, "not seen as truncated", (long)len, (long)r.error_pos);
        kfree(copy);
    }
    kfree(b.buf);
}

/* Hexadecimal digits of either case: cpio writes large ones. */
KTEST(cpio, large_digits)
{
    struct cpio_reader r;
    struct cpio_entry e;
    struct builder b;

    EXPECT_OR_RETURN(begin(&b));
    add(&b, &(struct entry){.name = "f", .data = "abcdefghijkl", .mode = S_IFREG | 0644,
                            .ino = 0xabcdef});
    end(&b);
    for (size_t i = 6; i < 110; i++)
        if (b.buf[i] >= 'a' && b.buf[i] <= 'f')
            b.buf[i] = (char)(b.buf[i] - 'a' + 'A');
    cpio_begin(&r, b.buf, b.len);
    EXPECT_EQ(cpio_next(&r, &e), 1);
    EXPECT_EQ(e.size, 12);
    EXPECT_EQ(e.mode, S_IFREG | 0644);
    EXPECT_EQ(e.ino, 0xabcdef);
    EXPECT_EQ(cpio_next(&r, &e), 0);
    kfree(b.buf);
}

KTEST(cpio, malformed)
{
    static const struct {
        const char *data;
        size_t len;
        const char *says;
    } table[] = {
        {"\x1f\x8b\x08", 3, "gunzip it first"},
        {"BZh91", 5, "bunzip2"},
        {"070707", 6, "newc"},
        {"hello", 5, "070701"},
        {"0", 1, "070701"},
        {"\0\0\0x", 4, "070701"},
    };
    struct cpio_reader r;
    struct builder b;

    for (unsigned int n = 0; n < ARRAY_SIZE(table); n++) {
        EXPECT_EQ(count(&r, table[n].data, table[n].len), -1);
        EXPECT(r.error && strstr(r.error, table[n].says));
    }
    EXPECT_EQ(count(&r, "", 0), 0);
    EXPECT_EQ(count(&r, "\0\0\0\0", 4), 0);
    EXPECT_OR_RETURN(begin(&b));
    build_small(&b);
    b.buf[6 + 8 * 6 + 7] = 'g'; /* a size that is no number */
    EXPECT_EQ(count(&r, b.buf, b.len), -1);
    EXPECT_EQ(r.error_pos, 6 + 8 * 6);
    b.buf[6 + 8 * 6 + 7] = '0';
    memset(b.buf + 6 + 8 * 6, 'f', 8); /* 4 GiB - 1 */
    EXPECT_EQ(count(&r, b.buf, b.len), -1);
    memset(b.buf + 6 + 8 * 6, '0', 8);
    memset(b.buf + 6 + 8 * 11, '0', 8); /* a name of no bytes */
    EXPECT_EQ(count(&r, b.buf, b.len), -1);
    /* Something behind the end that is neither zeros nor an archive. */
    b.len = 0;
    build_small(&b);
    b.buf[b.len] = 'x';
    EXPECT_EQ(count(&r, b.buf, b.len + 1), -1);
    EXPECT_EQ(r.error_pos, b.len);
    kfree(b.buf);
}

static bool reads(const char *name, const char *want)
{
    struct file *f = file_open(name, O_RDONLY, 0);
    char buf[64];
    ssize_t n;

    if (IS_ERR(f))
        return false;
    n = kernel_read(f, buf, sizeof(buf), 0);
    file_put(f);
    return n == (ssize_t)strlen(want) && memcmp(buf, want, strlen(want)) == 0;
}

KTEST(cpio, unpack)
{
    static const struct entry linked[] = {
        {.name = "kt/one", .mode = S_IFREG | 0600, .nlink = 3, .ino = 7},
        {.name = "kt/two", .mode = S_IFREG | 0600, .nlink = 3, .ino = 7},
        {.name = "kt/deep/er/three",
         .data = "shared",
         .mode = S_IFREG | 0600,
         .nlink = 3,
         .ino = 7},
    };
    struct builder b;
    struct path p;

    EXPECT_OR_RETURN(begin(&b));
    build_small(&b);
    memset(b.buf + b.len, 0, 508); /* as dd and cat leave it */
    b.len += 508;
    b.base = b.len;
    for (unsigned int n = 0; n < ARRAY_SIZE(linked); n++)
        add(&b, &linked[n]);
    add(&b, &(struct entry){.name = "kt/hello", .data = "replaced", .mode = S_IFREG | 0600});
    end(&b);
    EXPECT_EQ(initramfs_unpack(b.buf, b.len), 0);
    EXPECT(reads("/kt/hello", "replaced") && reads("/kt/link", "replaced"));
    EXPECT(reads("/kt/one", "shared") && reads("/kt/two", "shared") &&
           reads("/kt/deep/er/three", "shared"));
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt/one", 0, &p) == 0);
    EXPECT_EQ(p.dentry->inode->nlink, 3);
    EXPECT_EQ(p.dentry->inode->mtime.sec, 12345);
    path_put(&p);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt/null", 0, &p) == 0);
    EXPECT_EQ(p.dentry->inode->rdev, MKDEV(1, 3));
    path_put(&p);
    EXPECT_OR_RETURN(walk_path(AT_FDCWD, "/kt", 0, &p) == 0);
    EXPECT_EQ(p.dentry->inode->mode, S_IFDIR | 0750);
    path_put(&p);
    kfree(b.buf);
    static const char *const files[] = {"hello", "link", "null", "one", "two", "deep/er/three"};
    for (unsigned int n = 0; n < ARRAY_SIZE(files); n++) {
        char path[64];

        (void)scnprintf(path, sizeof(path), "/kt/%s", files[n]);
        EXPECT_EQ(name_unlink(AT_FDCWD, path, false), 0);
    }
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt/deep/er", true), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt/deep", true), 0);
    EXPECT_EQ(name_unlink(AT_FDCWD, "/kt", true), 0);
}
