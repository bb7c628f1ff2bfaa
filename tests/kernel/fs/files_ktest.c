/* SPDX-License-Identifier: MIT */
/* files_ktest.c: descriptor tables: lowest number first, growth, copies, close-on-exec; and file
 * locks' ranges. */
#include "fs/internal.h"
#include <kernel/ktest.h>

/* A kernel thread has no table: it gets one for the test. */
static bool begin(void)
{
    current->files = files_alloc();
    return current->files != NULL;
}

static void end(void)
{
    files_put(current->files);
    current->files = NULL;
}

static const struct file_ops no_ops = {0};

static int open_one(unsigned int flags)
{
    struct file *f = file_alloc_anon("kt", &no_ops, O_RDWR, NULL);
    int fd = IS_ERR(f) ? (int)PTR_ERR(f) : fd_alloc_install(f, flags);

    if (fd < 0 && !IS_ERR(f))
        file_put(f);
    return fd;
}

KTEST(files, lowest_number)
{
    EXPECT_OR_RETURN(begin());
    for (int n = 0; n < 200; n++)
        EXPECT_EQ(open_one(0), n);
    EXPECT_EQ(fd_close(150), 0);
    EXPECT_EQ(fd_close(63), 0);
    EXPECT_EQ(fd_close(64), 0);
    EXPECT_EQ(fd_close(64), -EBADF);
    EXPECT_EQ(open_one(0), 63);
    EXPECT_EQ(fd_reserve_from(100, 0), 150);
    EXPECT(fd_get_any(150) == NULL);
    EXPECT_EQ(fd_close(150), -EBADF); /* promised, not there */
    fd_unreserve(150);
    EXPECT_EQ(open_one(0), 64);
    EXPECT_EQ(open_one(0), 150);
    EXPECT_EQ(open_one(0), 200);
    EXPECT_EQ(fd_close(-1), -EBADF);
    EXPECT(fdref_get(-1).file == NULL && fdref_get(1 << 30).file == NULL);
    end();
}

KTEST(files, copy_and_exec)
{
    struct files *copy;
    struct file *f;

    EXPECT_OR_RETURN(begin());
    for (int n = 0; n < 100; n++)
        EXPECT_EQ(open_one(n % 2 ? O_CLOEXEC : 0), n);
    copy = files_copy(current->files);
    EXPECT_OR_RETURN(!IS_ERR(copy));
    f = files_lookup(copy, 99);
    EXPECT(f && f == fdref_get(99).file);
    EXPECT_EQ(atomic_read(&f->refs), 3);
    file_put(f);
    files_close_on_exec(current->files);
    for (int n = 0; n < 100; n++)
        EXPECT_EQ(fdref_get(n).file != NULL, n % 2 == 0);
    EXPECT_EQ(files_next_fd(copy, 1), 1);
    EXPECT_EQ(files_next_fd(current->files, 1), 2);
    EXPECT_EQ(files_next_fd(current->files, 99), -1);
    files_put(copy);
    end();
}
