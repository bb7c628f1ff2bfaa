/* SPDX-License-Identifier: MIT */
/* memfd_create(2) and its seals. */
#include "mem.h"

#include <sys/stat.h>

#ifndef MFD_CLOEXEC
#define MFD_CLOEXEC       1u
#define MFD_ALLOW_SEALING 2u
#endif
#ifndef F_ADD_SEALS
#define F_ADD_SEALS   1033
#define F_GET_SEALS   1034
#define F_SEAL_SEAL   1
#define F_SEAL_SHRINK 2
#define F_SEAL_GROW   4
#define F_SEAL_WRITE  8
#endif
#define SEAL_FUTURE_WRITE 16

static int make(unsigned int flags)
{
    int fd = (int)syscall(SYS_memfd_create, "seal", flags);

    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "0123456789", 10), 10);
    return fd;
}

TEST(is_a_file)
{
    struct stat st;
    char buf[4] = "";
    int fd = make(0);

    CHECK_OK(fstat(fd, &st));
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(st.st_size, 10);
    CHECK_EQ(st.st_nlink, 0);
    CHECK_EQ(pread(fd, buf, 3, 4), 3);
    CHECK(strcmp(buf, "456") == 0);
    CHECK_EQ(fcntl(fd, F_GETFD), 0);
    CHECK_EQ(fcntl(make(MFD_CLOEXEC), F_GETFD), FD_CLOEXEC);
}

TEST(name_in_maps)
{
    int fd = make(0);
    char *p = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    CHECK(strcmp(find_map(p).name, "/memfd:seal (deleted)") == 0);
}

TEST(create_errors)
{
    char name[260];

    memset(name, 'n', sizeof(name));
    name[249] = '\0';
    CHECK_OK(syscall(SYS_memfd_create, name, 0));
    name[249] = 'n';
    name[250] = '\0';
    CHECK_ERRNO(syscall(SYS_memfd_create, name, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_memfd_create, "x", 0x8000), EINVAL);
    CHECK_ERRNO(syscall(SYS_memfd_create, (void *)16, 0), EFAULT);
}

TEST(sealing_must_be_allowed)
{
    int fd = make(0);

    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL);
    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EPERM);
}

TEST(seal_shrink)
{
    int fd = make(MFD_ALLOW_SEALING);

    CHECK_EQ(fcntl(fd, F_GET_SEALS), 0);
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK));
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SHRINK);
    CHECK_ERRNO(ftruncate(fd, 5), EPERM);
    CHECK_OK(ftruncate(fd, 20));
}

TEST(seal_grow)
{
    int fd = make(MFD_ALLOW_SEALING);

    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW));
    CHECK_ERRNO(ftruncate(fd, 20), EPERM);
    CHECK_ERRNO(pwrite(fd, "x", 1, (off_t)(2 * page_size)), EPERM);
    CHECK_EQ(pwrite(fd, "x", 1, 3), 1);
    CHECK_OK(ftruncate(fd, 5));
}

TEST(seal_write)
{
    int fd = make(MFD_ALLOW_SEALING);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);

    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY);
    CHECK_OK(munmap(p, page_size));
    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), EPERM);
    p = mmap(NULL, page_size, RW, MAP_PRIVATE, fd, 0);
    REQUIRE(p != MAP_FAILED);
    p[0] = 'P';
    CHECK_EQ(p[1], '1');
}

TEST(seal_write_read_only_mapping)
{
    int fd = make(MFD_ALLOW_SEALING);
    char *p;

    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    p = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED && errno == EPERM)
        ktap_skip("read-only shared mappings of a sealed file came with Linux 6.7");
    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(p[0], '0');
    CHECK_ERRNO(mprotect(p, page_size, RW), EACCES);
}

TEST(seal_future_write)
{
    int fd = make(MFD_ALLOW_SEALING);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), *q;

    REQUIRE(p != MAP_FAILED);
    CHECK_OK(fcntl(fd, F_ADD_SEALS, SEAL_FUTURE_WRITE));
    p[0] = 'f'; /* what was mapped stays writable */
    CHECK_ERRNO(pwrite(fd, "x", 1, 0), EPERM);
    CHECK_ERRNO((long)mmap(NULL, page_size, RW, MAP_SHARED, fd, 0), EPERM);
    q = mmap(NULL, page_size, PROT_READ, MAP_SHARED, fd, 0);
    REQUIRE(q != MAP_FAILED);
    CHECK_EQ(q[0], 'f');
    CHECK_ERRNO(mprotect(q, page_size, RW), EACCES);
}

TEST(seal_seal)
{
    int fd = make(MFD_ALLOW_SEALING);

    CHECK_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_GROW));
    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), EPERM);
    CHECK_EQ(fcntl(fd, F_GET_SEALS), F_SEAL_SEAL | F_SEAL_GROW);
}

TEST(seal_errors)
{
    int fd = make(MFD_ALLOW_SEALING), fds[2];

    CHECK_ERRNO(fcntl(fd, F_ADD_SEALS, 0x1000), EINVAL);
    REQUIRE(pipe(fds) == 0);
    CHECK_ERRNO(fcntl(fds[0], F_GET_SEALS), EINVAL);
}

static void check_child(void *arg)
{
    char *p = arg;

    CHECK_EQ(p[0], '0');
    p[0] = 'C';
}

TEST(shared_over_fork)
{
    int fd = make(0);
    char *p = mmap(NULL, page_size, RW, MAP_SHARED, fd, 0);
    char c;

    REQUIRE(p != MAP_FAILED);
    CHECK_EQ(in_child(check_child, p), 0);
    CHECK_EQ(p[0], 'C');
    CHECK_EQ(pread(fd, &c, 1, 0), 1);
    CHECK_EQ(c, 'C');
}

TEST(open_again_through_proc)
{
    int fd = make(0), again;
    char path[64], c = 0;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    again = open(path, O_RDONLY);
    if (again < 0)
        ktap_skip("%s: %s", path, strerror(errno));
    CHECK_EQ(read(again, &c, 1), 1);
    CHECK_EQ(c, '0');
    CHECK_ERRNO(write(again, "x", 1), EBADF);
}

/* A hole in the file is none in a private copy; the file's end is. */
TEST(private_copies_survive_holes)
{
    int fd = make_file(4);
    char *p = mmap(NULL, 4 * page_size, RW, MAP_PRIVATE, fd, 0);

    REQUIRE(p != MAP_FAILED);
    p[page_size] = 'P';
    CHECK_EQ(p[2 * page_size], 'c');
    CHECK_OK(fallocate(fd, 3, 0, (off_t)(3 * page_size))); /* keep size, punch */
    CHECK_EQ(p[page_size], 'P');
    CHECK_EQ(p[0], 0);
    CHECK_EQ(p[2 * page_size], 0);
    CHECK_EQ(p[3 * page_size], 'd');
    CHECK_OK(ftruncate(fd, (off_t)page_size));
    CHECK_EQ(try_read(p + page_size), SIGBUS);
    CHECK_OK(ftruncate(fd, (off_t)(4 * page_size)));
    CHECK_EQ(p[page_size], 0);
}

KTAP_MAIN(CASE(is_a_file), CASE(name_in_maps), CASE(create_errors), CASE(sealing_must_be_allowed),
          CASE(seal_shrink), CASE(seal_grow), CASE(seal_write), CASE(seal_write_read_only_mapping),
          CASE(seal_future_write), CASE(seal_seal), CASE(seal_errors), CASE(shared_over_fork),
          CASE(open_again_through_proc), CASE(private_copies_survive_holes))
