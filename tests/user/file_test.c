/* SPDX-License-Identifier: MIT */
/* Files on tmpfs (/tmp): reading, writing, names, directories, links, truncation under a mapping.
 */
#include "mem.h"

#include <dirent.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

static char dir[64];

/* Every test works in a directory of its own. */
static void enter(void)
{
    strcpy(dir, "/tmp/ktap-file-XXXXXX");
    if (!mkdtemp(dir) || chdir(dir) < 0)
        ktap_skip("no directory in /tmp: %s", strerror(errno));
}

static int create(const char *name, const char *text)
{
    int fd = open(name, O_RDWR | O_CREAT | O_TRUNC, 0644);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, text, strlen(text)), (long)strlen(text));
    return fd;
}

static long size_of(const char *name)
{
    struct stat st;

    return stat(name, &st) < 0 ? -1 : (long)st.st_size;
}

TEST(create_read_write)
{
    char buf[16] = "";
    int fd;

    enter();
    fd = create("a", "hello");
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 5);
    CHECK_EQ(read(fd, buf, 5), 0);
    CHECK_EQ(lseek(fd, 1, SEEK_SET), 1);
    CHECK_EQ(read(fd, buf, 16), 4);
    CHECK(strcmp(buf, "ello") == 0);
    CHECK_EQ(lseek(fd, -2, SEEK_END), 3);
    CHECK_EQ(write(fd, "LOWER", 5), 5);
    CHECK_EQ(size_of("a"), 8);
    CHECK_ERRNO(lseek(fd, -1, SEEK_SET), EINVAL);
    CHECK_ERRNO(lseek(fd, 0, 99), EINVAL);
}

TEST(open_flags)
{
    enter();
    CHECK_ERRNO(open("none", O_RDONLY), ENOENT);
    close(create("a", "x"));
    CHECK_ERRNO(open("a", O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
    CHECK_ERRNO(open(".", O_WRONLY), EISDIR);
    CHECK_ERRNO(open("a", O_RDONLY | O_DIRECTORY), ENOTDIR);
    CHECK_ERRNO(open("a/b", O_RDONLY), ENOTDIR);
    CHECK_ERRNO(open("", O_RDONLY), ENOENT);
    CHECK_OK(open("a", O_RDONLY | O_TRUNC));
    CHECK_EQ(size_of("a"), 0);
    {
        int fd = open("a", O_RDONLY);

        CHECK_ERRNO(write(fd, "x", 1), EBADF);
        fd = open("a", O_WRONLY);
        CHECK_ERRNO(read(fd, &fd, 1), EBADF);
    }
}

TEST(append)
{
    int a, b;

    enter();
    a = open("log", O_WRONLY | O_CREAT | O_APPEND, 0644);
    b = open("log", O_WRONLY | O_APPEND);
    CHECK_EQ(write(a, "11", 2), 2);
    CHECK_EQ(write(b, "22", 2), 2);
    CHECK_OK(lseek(a, 0, SEEK_SET));
    CHECK_EQ(write(a, "33", 2), 2);
    CHECK_EQ(size_of("log"), 6);
}

TEST(sparse)
{
    char buf[8] = "xxxxxxx";
    struct stat st;
    int fd;

    enter();
    fd = create("s", "");
    CHECK_EQ(pwrite(fd, "end", 3, 100 << 20), 3);
    CHECK_EQ(size_of("s"), (100 << 20) + 3);
    CHECK_EQ(pread(fd, buf, 4, 50 << 20), 4);
    CHECK(memcmp(buf, "\0\0\0\0", 4) == 0);
    CHECK_OK(fstat(fd, &st));
    CHECK(st.st_blocks * 512 < 1 << 20);
}

TEST(pread_pwrite_keep_position)
{
    char buf[4] = "";
    int fd;

    enter();
    fd = create("p", "0123456789");
    lseek(fd, 3, SEEK_SET);
    CHECK_EQ(pread(fd, buf, 2, 7), 2);
    CHECK(strcmp(buf, "78") == 0);
    CHECK_EQ(pwrite(fd, "XY", 2, 0), 2);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 3);
    CHECK_EQ(pread(fd, buf, 2, 1000), 0);
    CHECK_ERRNO(pread(fd, buf, 2, -1), EINVAL);
}

TEST(vectors)
{
    char a[3] = "", b[6] = "";
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdefg", 5}}, in[2] = {{a, 2}, {b, 5}};
    int fd;

    enter();
    fd = create("v", "");
    CHECK_EQ(writev(fd, out, 3), 7);
    lseek(fd, 0, SEEK_SET);
    CHECK_EQ(readv(fd, in, 2), 7);
    CHECK(strcmp(a, "ab") == 0 && strcmp(b, "cdefg") == 0);
    CHECK_ERRNO(syscall(SYS_readv, fd, in, -1L), EINVAL);
    CHECK_ERRNO(syscall(SYS_writev, fd, out, IOV_MAX + 1L), EINVAL);
    CHECK_EQ(readv(fd, in, 0), 0);
    CHECK_EQ(preadv(fd, in, 2, 3), 4);
    CHECK(memcmp(a, "de", 2) == 0);
}

TEST(truncate)
{
    char buf[8];
    int fd;

    enter();
    fd = create("t", "abcdefgh");
    CHECK_OK(ftruncate(fd, 3));
    CHECK_EQ(size_of("t"), 3);
    CHECK_OK(truncate("t", 6));
    CHECK_EQ(pread(fd, buf, 8, 0), 6);
    CHECK(memcmp(buf, "abc\0\0\0", 6) == 0);
    CHECK_ERRNO(truncate("t", -1), EINVAL);
    CHECK_ERRNO(truncate("none", 1), ENOENT);
    CHECK_ERRNO(truncate(".", 1), EISDIR);
    CHECK_ERRNO(ftruncate(open("t", O_RDONLY), 1), EINVAL);
}

TEST(truncate_under_a_mapping)
{
    char *p;
    int fd;

    enter();
    fd = create("m", "");
    CHECK_OK(ftruncate(fd, (off_t)(3 * page_size)));
    p = mmap(NULL, 3 * page_size, RW, MAP_SHARED, fd, 0);
    REQUIRE(p != MAP_FAILED);
    memset(p, 'm', 3 * page_size);
    CHECK_OK(ftruncate(fd, (off_t)page_size + 10));
    CHECK_EQ(try_read(p + 2 * page_size), SIGBUS);
    CHECK_EQ(p[page_size + 9], 'm');
    CHECK_EQ(p[page_size + 10], 0); /* the tail of the last page is cleared */
    CHECK_OK(ftruncate(fd, (off_t)(3 * page_size)));
    CHECK_EQ(try_read(p + 2 * page_size), 0);
    CHECK_EQ(p[2 * page_size], 0);
    CHECK_EQ(p[page_size + 10], 0);
}

TEST(truncate_drops_private_copies)
{
    char *p;
    int fd;

    enter();
    fd = create("c", "");
    CHECK_OK(ftruncate(fd, (off_t)(2 * page_size)));
    p = mmap(NULL, 2 * page_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    p[page_size] = 'c';
    CHECK_OK(ftruncate(fd, (off_t)page_size));
    CHECK_EQ(try_read(p + page_size), SIGBUS);
}

TEST(unlink_open_file)
{
    struct stat st;
    char buf[8] = "";
    char *p;
    int fd;

    enter();
    fd = create("u", "still");
    CHECK_OK(ftruncate(fd, (off_t)page_size));
    p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);
    CHECK_OK(unlink("u"));
    CHECK_ERRNO(open("u", O_RDONLY), ENOENT);
    CHECK_EQ(pread(fd, buf, 5, 0), 5);
    CHECK(strcmp(buf, "still") == 0);
    CHECK_OK(fstat(fd, &st));
    CHECK_EQ(st.st_nlink, 0);
    close(fd);
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], 's');
    CHECK(strstr(find_map(p).name, "(deleted)") != NULL);
    CHECK_ERRNO(unlink("u"), ENOENT);
    CHECK_ERRNO(unlink("."), EISDIR);
}

TEST(rename_replaces)
{
    char buf[4] = "";
    int fd;

    enter();
    close(create("a", "AAA"));
    close(create("b", "BBB"));
    CHECK_OK(rename("a", "b"));
    CHECK_EQ(size_of("a"), -1);
    fd = open("b", O_RDONLY);
    CHECK_EQ(read(fd, buf, 3), 3);
    CHECK(strcmp(buf, "AAA") == 0);
    CHECK_OK(rename("b", "b"));
    CHECK_ERRNO(rename("none", "x"), ENOENT);
}

TEST(rename_directories)
{
    enter();
    CHECK_OK(mkdir("d1", 0755));
    CHECK_OK(mkdir("d2", 0755));
    close(create("d1/f", "x"));
    CHECK_OK(rename("d1", "d2"));
    CHECK_EQ(size_of("d2/f"), 1);
    CHECK_OK(mkdir("d3", 0755));
    CHECK_ERRNO(rename("d3", "d2"), ENOTEMPTY);
    CHECK_ERRNO(rename("d2", "d2/sub"), EINVAL);
    close(create("f", ""));
    CHECK_ERRNO(rename("d3", "f"), ENOTDIR);
    CHECK_ERRNO(rename("f", "d3"), EISDIR);
}

TEST(directories)
{
    struct stat st;

    enter();
    CHECK_OK(mkdir("d", 0700));
    CHECK_ERRNO(mkdir("d", 0700), EEXIST);
    CHECK_ERRNO(mkdir("x/y", 0700), ENOENT);
    CHECK_OK(stat("d", &st));
    CHECK(S_ISDIR(st.st_mode));
    CHECK_EQ(st.st_mode & 0777, 0700);
    close(create("d/f", ""));
    CHECK_ERRNO(rmdir("d"), ENOTEMPTY);
    CHECK_OK(unlink("d/f"));
    CHECK_OK(rmdir("d"));
    CHECK_ERRNO(rmdir("d"), ENOENT);
    close(create("f", ""));
    CHECK_ERRNO(rmdir("f"), ENOTDIR);
    CHECK_ERRNO(rmdir("."), EINVAL);
}

TEST(readdir_sees_everything_once)
{
    enum { NR = 300 };
    static char seen[NR];
    const int nr = ktap_swept ? 80 : NR;
    int dots = 0, other = 0;
    struct dirent *de;
    char name[32];
    DIR *d;

    enter();
    for (int i = 0; i < nr; i++) {
        snprintf(name, sizeof(name), "file-%d", i);
        close(create(name, ""));
    }
    d = opendir(".");
    REQUIRE(d != NULL);
    while ((de = readdir(d))) {
        int i = -1;

        if (sscanf(de->d_name, "file-%d", &i) == 1 && i >= 0 && i < nr)
            seen[i]++;
        else if (strcmp(de->d_name, ".") == 0 || strcmp(de->d_name, "..") == 0)
            dots++;
        else
            other++;
    }
    for (int i = 0; i < nr; i++)
        CHECK_EQ(seen[i], 1);
    CHECK_EQ(dots, 2);
    CHECK_EQ(other, 0);
    rewinddir(d);
    CHECK(readdir(d) != NULL);
    closedir(d);
}

TEST(symlinks)
{
    char buf[64] = "";
    struct stat st;

    enter();
    close(create("target", "T"));
    CHECK_OK(symlink("target", "link"));
    CHECK_EQ(readlink("link", buf, sizeof(buf)), 6);
    CHECK(strcmp(buf, "target") == 0);
    CHECK_EQ(readlink("link", buf, 3), 3);
    CHECK_EQ(size_of("link"), 1);
    CHECK_OK(lstat("link", &st));
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(st.st_size, 6);
    CHECK_ERRNO(symlink("x", "link"), EEXIST);
    CHECK_ERRNO(readlink("target", buf, sizeof(buf)), EINVAL);
    CHECK_ERRNO(open("link", O_RDONLY | O_NOFOLLOW), ELOOP);
    CHECK_OK(unlink("target"));
    CHECK_ERRNO(stat("link", &st), ENOENT);
    CHECK_OK(lstat("link", &st));
}

TEST(symlink_loops)
{
    struct stat st;
    char name[8], target[8];

    enter();
    CHECK_OK(symlink("b", "a"));
    CHECK_OK(symlink("a", "b"));
    CHECK_ERRNO(open("a", O_RDONLY), ELOOP);
    CHECK_ERRNO(stat("b", &st), ELOOP);
    CHECK_OK(symlink("self", "self"));
    CHECK_ERRNO(stat("self/x", &st), ELOOP);
    /* A chain of 40 is still followed. */
    close(create("l0", ""));
    for (int i = 1; i <= 41; i++) {
        snprintf(name, sizeof(name), "l%d", i);
        snprintf(target, sizeof(target), "l%d", i - 1);
        CHECK_OK(symlink(target, name));
    }
    CHECK_OK(stat("l40", &st));
    CHECK_ERRNO(stat("l41", &st), ELOOP);
}

TEST(hard_links)
{
    struct stat a, b;

    enter();
    close(create("a", "one"));
    CHECK_OK(link("a", "b"));
    CHECK_OK(stat("a", &a));
    CHECK_OK(stat("b", &b));
    CHECK_EQ(a.st_ino, b.st_ino);
    CHECK_EQ(a.st_nlink, 2);
    CHECK_OK(unlink("a"));
    CHECK_OK(stat("b", &b));
    CHECK_EQ(b.st_nlink, 1);
    CHECK_ERRNO(link("none", "x"), ENOENT);
    CHECK_ERRNO(link("b", "b"), EEXIST);
    CHECK_ERRNO(link(".", "x"), EPERM);
}

TEST(paths)
{
    char here[PATH_MAX], long_name[300];
    struct stat st;

    enter();
    CHECK(getcwd(here, sizeof(here)) != NULL);
    CHECK(strcmp(here, dir) == 0);
    CHECK_ERRNO(syscall(SYS_getcwd, here, 2), ERANGE);
    CHECK_OK(mkdir("d", 0755));
    CHECK_OK(stat("./d/../d/.//", &st));
    CHECK_OK(chdir("d"));
    CHECK_OK(stat("../d", &st));
    memset(long_name, 'n', sizeof(long_name));
    long_name[255] = '\0';
    close(create(long_name, ""));
    CHECK_EQ(size_of(long_name), 0);
    memset(long_name, 'n', 256);
    long_name[256] = '\0';
    CHECK_ERRNO(open(long_name, O_RDONLY), ENAMETOOLONG);
    CHECK_ERRNO(chdir("none"), ENOENT);
    CHECK_OK(chdir("/"));
    CHECK_OK(stat("/../..", &st));
}

TEST(at_calls)
{
    struct stat st;
    int d;

    enter();
    CHECK_OK(mkdir("d", 0755));
    d = open("d", O_RDONLY | O_DIRECTORY);
    REQUIRE(d >= 0);
    CHECK_OK(openat(d, "f", O_CREAT | O_WRONLY, 0644));
    CHECK_OK(fstatat(d, "f", &st, 0));
    CHECK_EQ(size_of("d/f"), 0);
    CHECK_OK(renameat(d, "f", AT_FDCWD, "g"));
    CHECK_OK(mkdirat(d, "sub", 0755));
    CHECK_ERRNO(unlinkat(d, "sub", 0), EISDIR);
    CHECK_OK(unlinkat(d, "sub", AT_REMOVEDIR));
    CHECK_ERRNO(openat(-5, "f", O_RDONLY), EBADF);
    CHECK_ERRNO(openat(open("g", O_RDONLY), "f", O_RDONLY), ENOTDIR);
    CHECK_OK(fstatat(d, "", &st, AT_EMPTY_PATH));
    CHECK(S_ISDIR(st.st_mode));
}

TEST(mode_and_umask)
{
    struct stat st;

    enter();
    umask(027);
    close(open("a", O_CREAT | O_WRONLY, 0666));
    CHECK_OK(stat("a", &st));
    CHECK_EQ(st.st_mode & 07777, 0640);
    CHECK_OK(chmod("a", 04711));
    CHECK_OK(stat("a", &st));
    CHECK_EQ(st.st_mode & 07777, 04711);
    CHECK_EQ(umask(022), 027);
    CHECK_OK(access("a", R_OK));
    CHECK_ERRNO(access("none", F_OK), ENOENT);
}

TEST(times)
{
    struct timespec set[2] = {{.tv_sec = 1000, .tv_nsec = 5}, {.tv_sec = 2000, .tv_nsec = 7}};
    struct stat st;

    enter();
    close(create("a", ""));
    CHECK_OK(utimensat(AT_FDCWD, "a", set, 0));
    CHECK_OK(stat("a", &st));
    CHECK_EQ(st.st_atim.tv_sec, 1000);
    CHECK_EQ(st.st_mtim.tv_sec, 2000);
    CHECK_EQ(st.st_mtim.tv_nsec, 7);
    CHECK_OK(truncate("a", 10));
    CHECK_OK(stat("a", &st));
    CHECK(st.st_mtim.tv_sec != 2000);
}

TEST(fallocate_and_hole)
{
    struct stat st;
    char c = 1;
    int fd;

    enter();
    fd = create("h", "data");
    if (fallocate(fd, 0, 0, (off_t)(4 * page_size)) < 0)
        ktap_skip("fallocate: %s", strerror(errno));
    CHECK_EQ(size_of("h"), (long)(4 * page_size));
    CHECK_OK(fstat(fd, &st));
    CHECK(st.st_blocks * 512 >= (long)(4 * page_size));
    /* FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE */
    CHECK_OK(fallocate(fd, 3, 0, (off_t)page_size));
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 0);
    CHECK_EQ(size_of("h"), (long)(4 * page_size));
    CHECK_ERRNO(fallocate(fd, 0, 0, 0), EINVAL);
    CHECK_ERRNO(fallocate(fd, 2, 0, 4096), EOPNOTSUPP);
}

TEST(devices)
{
    char buf[4] = "xyz";
    int fd = open("/dev/null", O_RDWR);

    if (fd < 0)
        ktap_skip("no /dev/null");
    CHECK_EQ(write(fd, "gone", 4), 4);
    CHECK_EQ(read(fd, buf, 4), 0);
    fd = open("/dev/zero", O_RDWR);
    CHECK_EQ(read(fd, buf, 4), 4);
    CHECK(memcmp(buf, "\0\0\0\0", 4) == 0);
    fd = open("/dev/full", O_RDWR);
    CHECK_ERRNO(write(fd, "x", 1), ENOSPC);
    CHECK_EQ(read(fd, buf, 4), 4);
    fd = open("/dev/urandom", O_RDONLY);
    CHECK_EQ(read(fd, buf, 4), 4);
}

TEST(statfs_is_tmpfs)
{
    struct statfs st;

    CHECK_OK(statfs("/dev/shm", &st));
    CHECK_EQ(st.f_type, 0x01021994);
    CHECK(st.f_bsize > 0);
    CHECK_ERRNO(statfs("/none", &st), ENOENT);
}

TEST(big_file)
{
    enum { BLOCK = 65536 };
    const unsigned int nr = ktap_swept ? 16 : 128;
    static unsigned int block[BLOCK / sizeof(unsigned int)];
    unsigned long bad = 0;
    int fd;

    enter();
    fd = create("big", "");
    for (unsigned int i = 0; i < nr; i++) {
        for (unsigned int k = 0; k < BLOCK / sizeof(block[0]); k++)
            block[k] = i * 2654435761u + k;
        CHECK_EQ(write(fd, block, BLOCK), BLOCK);
    }
    lseek(fd, 0, SEEK_SET);
    for (unsigned int i = 0; i < nr; i++) {
        CHECK_EQ(read(fd, block, BLOCK), BLOCK);
        for (unsigned int k = 0; k < BLOCK / sizeof(block[0]); k++)
            bad += block[k] != i * 2654435761u + k;
    }
    CHECK_EQ(bad, 0);
    unlink("big");
}

TEST(descriptors)
{
    int fd, copy;

    enter();
    fd = create("d", "abc");
    copy = dup(fd);
    lseek(fd, 1, SEEK_SET);
    CHECK_EQ(lseek(copy, 0, SEEK_CUR), 1);
    CHECK_EQ(fcntl(fd, F_DUPFD, 100), 100);
    CHECK_EQ(fcntl(fd, F_DUPFD_CLOEXEC, 100), 101);
    CHECK_EQ(fcntl(101, F_GETFD), FD_CLOEXEC);
    CHECK_OK(fcntl(fd, F_SETFL, O_APPEND));
    CHECK(fcntl(copy, F_GETFL) & O_APPEND);
    CHECK_OK(close(fd));
    CHECK_ERRNO(close(fd), EBADF);
    CHECK_ERRNO(read(fd, &copy, 1), EBADF);
    CHECK_EQ(open("d", O_RDONLY), fd); /* the lowest free one */
}

KTAP_MAIN(CASE(create_read_write), CASE(open_flags), CASE(append), CASE(sparse),
          CASE(pread_pwrite_keep_position), CASE(vectors), CASE(truncate),
          CASE(truncate_under_a_mapping), CASE(truncate_drops_private_copies),
          CASE(unlink_open_file), CASE(rename_replaces), CASE(rename_directories),
          CASE(directories), CASE(readdir_sees_everything_once), CASE(symlinks),
          CASE(symlink_loops), CASE(hard_links), CASE(paths), CASE(at_calls), CASE(mode_and_umask),
          CASE(times), CASE(fallocate_and_hole), CASE(devices), CASE(statfs_is_tmpfs),
          CASE(big_file), CASE(descriptors))
