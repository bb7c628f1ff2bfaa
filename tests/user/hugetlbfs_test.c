/* SPDX-License-Identifier: MIT */
/*
 * hugetlbfs as a file system: mount options and their errors, limits in pages and inodes, files
 * with names, what df shows. Needs root.
 */
#include "huge.h"

#include <sys/vfs.h>

#define DIR  "/tmp/ktap-huge"
#define PATH DIR "/file"

static int try_mount(const char *format, ...) __attribute__((format(printf, 1, 2)));
static int try_mount(const char *format, ...)
{
    char options[128];
    va_list ap;

    va_start(ap, format);
    vsnprintf(options, sizeof(options), format, ap);
    va_end(ap);
    mkdir("/tmp", 0777);
    mkdir(DIR, 0755);
    umount2(DIR, MNT_DETACH);
    return mount("none", DIR, "hugetlbfs", 0, options);
}

static void unmount(void)
{
    CHECK_OK(umount2(DIR, 0));
    rmdir(DIR);
}

/* A file of nr pages, mapped shared; MAP_FAILED with errno. */
static char *map_file(const char *path, size_t nr)
{
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    char *p = MAP_FAILED;
    int err;

    if (fd < 0)
        return p;
    p = mmap(NULL, nr * huge_size, RW, MAP_SHARED, fd, 0);
    err = errno;
    close(fd);
    errno = err;
    return p;
}

TEST(mount_errors)
{
    set_pool(3);
    if (geteuid() != 0)
        ktap_skip("mount needs root");
    CHECK_ERRNO(try_mount("pagesize=12345"), EINVAL);
    CHECK_ERRNO(try_mount("pagesize=8K"), EINVAL);
    CHECK_ERRNO(try_mount("size=%zu,min_size=%zu", 2 * huge_size, 3 * huge_size), EINVAL);
    CHECK_ERRNO(try_mount("min_size=%zu", 4 * huge_size), ENOMEM);
    CHECK_ERRNO(try_mount("nonsense=1"), EINVAL);
    CHECK_ERRNO(try_mount("size=x"), EINVAL);
    rmdir(DIR);
    CHECK_POOL(3, 0);
}

TEST(files_keep_their_pages)
{
    struct statfs fs;
    struct stat st;
    char *p, *q;

    set_pool(4);
    REQUIRE(try_mount("pagesize=%zuK,mode=0711", huge_size / 1024) == 0);
    CHECK_OK(stat(DIR, &st));
    CHECK_EQ(st.st_mode & 07777, 0711);
    CHECK_OK(statfs(DIR, &fs));
    CHECK_EQ(fs.f_type, 0x958458f6);
    CHECK_EQ(fs.f_bsize, huge_size);
    p = map_file(PATH, 2);
    REQUIRE(p != MAP_FAILED);
    CHECK_OK(stat(PATH, &st)); /* mapping it for writing made it as large */
    CHECK_EQ(st.st_size, 2 * huge_size);
    p[huge_size] = 'f';
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_POOL(3, 1);
    q = map_file(PATH, 2);
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[huge_size], 'f');
    CHECK(strstr(find_map(q).name, "ktap-huge/file") != NULL);
    CHECK_ERRNO(umount2(DIR, 0), EBUSY);
    CHECK_OK(munmap(q, 2 * huge_size));
    CHECK_OK(unlink(PATH));
    CHECK_POOL(4, 0);
    unmount();
}

TEST(size_limit)
{
    struct statfs fs;
    char *p;
    int fd;

    set_pool(4);
    REQUIRE(try_mount("size=%zu", 2 * huge_size) == 0);
    CHECK_ERRNO((long)map_file(PATH, 3), ENOMEM);
    p = map_file(PATH, 2);
    REQUIRE(p != MAP_FAILED);
    touch_huge(p, 2, 'x');
    CHECK_OK(statfs(DIR, &fs));
    CHECK_EQ(fs.f_blocks, 2);
    CHECK_EQ(fs.f_bfree, 0);
    fd = open(DIR "/other", O_CREAT | O_RDWR, 0600);
    REQUIRE(fd >= 0);
    CHECK_ERRNO(fallocate(fd, 0, 0, (off_t)huge_size), ENOSPC);
    CHECK_OK(ftruncate(fd, (off_t)huge_size));
    close(fd);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_OK(unlink(PATH));
    CHECK_OK(statfs(DIR, &fs));
    CHECK_EQ(fs.f_bfree, 2);
    CHECK_OK(unlink(DIR "/other"));
    unmount();
    CHECK_POOL(4, 0);
}

TEST(private_pages_count_against_the_limit)
{
    char *p;
    int fd;

    set_pool(4);
    REQUIRE(try_mount("size=%zu", 2 * huge_size) == 0);
    fd = open(PATH, O_CREAT | O_RDWR, 0600);
    REQUIRE(fd >= 0);
    p = mmap(NULL, 2 * huge_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO(sys_mmap(NULL, huge_size, RW, MAP_PRIVATE, fd, 0), ENOMEM);
    touch_huge(p, 2, 'x');
    CHECK_POOL(2, 0);
    CHECK_OK(munmap(p, 2 * huge_size));
    p = mmap(NULL, huge_size, RW, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK_OK(munmap(p, huge_size));
    close(fd);
    CHECK_OK(unlink(PATH));
    unmount();
    CHECK_POOL(4, 0);
}

TEST(minimum_is_reserved)
{
    char *p;

    set_pool(4);
    REQUIRE(try_mount("min_size=%zu", 3 * huge_size) == 0);
    CHECK_POOL(4, 3);
    CHECK_ERRNO((long)map_huge(2, 0), ENOMEM); /* what others may have is one */
    p = map_file(PATH, 2);
    REQUIRE(p != MAP_FAILED);
    CHECK_POOL(4, 3); /* out of the file system's own */
    touch_huge(p, 2, 'x');
    CHECK_POOL(2, 1);
    CHECK_OK(munmap(p, 2 * huge_size));
    CHECK_OK(unlink(PATH));
    CHECK_POOL(4, 3);
    unmount();
    CHECK_POOL(4, 0);
}

TEST(inode_limit)
{
    int a, b;

    set_pool(1);
    REQUIRE(try_mount("nr_inodes=2") == 0); /* the root is one */
    a = open(PATH, O_CREAT | O_RDWR, 0600);
    CHECK(a >= 0);
    b = open(DIR "/second", O_CREAT | O_RDWR, 0600);
    CHECK_ERRNO(b, ENOSPC);
    close(a);
    CHECK_OK(unlink(PATH));
    unmount();
}

TEST(names_and_directories)
{
    struct stat st;

    set_pool(1);
    REQUIRE(try_mount("uid=7,gid=8") == 0);
    CHECK_OK(stat(DIR, &st));
    CHECK_EQ(st.st_uid, 7);
    CHECK_EQ(st.st_gid, 8);
    CHECK_OK(mkdir(DIR "/d", 0755));
    CHECK_OK(close(open(DIR "/d/file", O_CREAT | O_RDWR, 0600)));
    CHECK_OK(rename(DIR "/d/file", PATH));
    CHECK_OK(truncate(PATH, (off_t)huge_size));
    CHECK_ERRNO(truncate(PATH, 1), EINVAL);
    CHECK_OK(stat(PATH, &st));
    CHECK_EQ(st.st_size, huge_size);
    CHECK_OK(rmdir(DIR "/d"));
    CHECK_OK(unlink(PATH));
    unmount();
}

TEST(page_outlives_its_file_system)
{
    char *p;

    set_pool(2);
    REQUIRE(try_mount("size=%zu,min_size=%zu", 2 * huge_size, huge_size) == 0);
    p = map_file(PATH, 1);
    REQUIRE(p != MAP_FAILED);
    p[0] = 'l';
    CHECK_OK(unlink(PATH));
    CHECK_OK(umount2(DIR, MNT_DETACH));
    CHECK_EQ(p[0], 'l');
    CHECK_EQ(pool_now().free, 1);
    CHECK_OK(munmap(p, huge_size));
    CHECK_POOL(2, 0);
    rmdir(DIR);
}

KTAP_MAIN(CASE(mount_errors), CASE(files_keep_their_pages), CASE(size_limit),
          CASE(private_pages_count_against_the_limit), CASE(minimum_is_reserved), CASE(inode_limit),
          CASE(names_and_directories), CASE(page_outlives_its_file_system))
