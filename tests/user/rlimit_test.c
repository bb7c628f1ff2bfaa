/* SPDX-License-Identifier: MIT */
/* getrlimit(2), setrlimit, prlimit, and what the limits on memory and files do. */
#include "mem.h"

static void set(int resource, rlim_t soft)
{
    struct rlimit rl;

    CHECK_OK(getrlimit(resource, &rl));
    rl.rlim_cur = soft;
    CHECK_OK(setrlimit(resource, &rl));
}

static void drop_privileges(void)
{
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        ktap_skip("cannot become an ordinary user: %s", strerror(errno));
}

static rlim_t address_space(void)
{
    return (rlim_t)file_field("/proc/self/status", "VmSize") * 1024;
}

TEST(get_and_set)
{
    struct rlimit rl = {.rlim_cur = 100, .rlim_max = 200}, got;

    CHECK_OK(setrlimit(RLIMIT_NOFILE, &rl));
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &got));
    CHECK_EQ(got.rlim_cur, 100);
    CHECK_EQ(got.rlim_max, 200);
    rl.rlim_cur = 201;
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EINVAL);
    CHECK_ERRNO(getrlimit(99, &got), EINVAL);
    CHECK_ERRNO(setrlimit(99, &rl), EINVAL);
}

TEST(hard_limit_only_falls)
{
    struct rlimit rl;

    drop_privileges();
    CHECK_OK(getrlimit(RLIMIT_NOFILE, &rl));
    rl.rlim_max = rl.rlim_cur = 50;
    CHECK_OK(setrlimit(RLIMIT_NOFILE, &rl));
    rl.rlim_max = 51;
    CHECK_ERRNO(setrlimit(RLIMIT_NOFILE, &rl), EPERM);
}

TEST(prlimit_of_a_child)
{
    struct rlimit rl = {.rlim_cur = 33, .rlim_max = 44}, old, got;
    int fds[2];
    pid_t pid;
    char c;

    REQUIRE(pipe(fds) == 0);
    pid = fork();
    if (pid == 0) {
        close(fds[1]);
        if (read(fds[0], &c, 1) != 0)
            _exit(1);
        getrlimit(RLIMIT_CORE, &got);
        _exit(got.rlim_cur == 33 && got.rlim_max == 44 ? 0 : 2);
    }
    CHECK_OK(prlimit(pid, RLIMIT_CORE, &rl, &old));
    CHECK_OK(prlimit(pid, RLIMIT_CORE, NULL, &got));
    CHECK_EQ(got.rlim_cur, 33);
    close(fds[1]);
    {
        int status;

        CHECK_EQ(waitpid(pid, &status, 0), pid);
        CHECK_EQ(status, 0);
    }
    CHECK_ERRNO(prlimit(0x3ffffff, RLIMIT_CORE, NULL, &got), ESRCH);
}

TEST(inherited_by_fork)
{
    int status;
    pid_t pid;

    set(RLIMIT_NOFILE, 77);
    pid = fork();
    if (pid == 0) {
        struct rlimit rl;

        getrlimit(RLIMIT_NOFILE, &rl);
        _exit(rl.rlim_cur != 77);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

TEST(address_space)
{
    char *p;

    set(RLIMIT_AS, address_space() + 64 * page_size);
    CHECK_ERRNO((long)mmap(NULL, 100 * page_size, RW, ANON, -1, 0), ENOMEM);
    p = mmap(NULL, 32 * page_size, RW, ANON, -1, 0);
    REQUIRE(p != MAP_FAILED);
    CHECK_ERRNO((long)mremap(p, 32 * page_size, 128 * page_size, MREMAP_MAYMOVE), ENOMEM);
    CHECK_OK(munmap(p, 32 * page_size));
    CHECK_OK((long)mmap(NULL, 32 * page_size, RW, ANON, -1, 0));
    /* Even memory that nothing may touch counts. */
    CHECK_ERRNO((long)mmap(NULL, 100 * page_size, PROT_NONE, ANON, -1, 0), ENOMEM);
}

TEST(fixed_over_existing_is_no_growth)
{
    char *p = map_pages(64, RW);

    set(RLIMIT_AS, address_space());
    CHECK(mmap(p, 64 * page_size, RW, ANON | MAP_FIXED, -1, 0) == p);
}

TEST(data)
{
    long used = file_field("/proc/self/status", "VmData");

    set(RLIMIT_DATA, (rlim_t)used * 1024 + 64 * page_size);
    CHECK_ERRNO((long)mmap(NULL, 100 * page_size, RW, ANON, -1, 0), ENOMEM);
    CHECK_OK((long)mmap(NULL, 32 * page_size, RW, ANON, -1, 0));
    /* Shared or read-only memory is no data. */
    CHECK_OK((long)mmap(NULL, 100 * page_size, RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    CHECK_OK((long)mmap(NULL, 100 * page_size, PROT_READ, ANON, -1, 0));
}

TEST(data_by_mprotect)
{
    char *p = map_pages(100, PROT_READ);
    long used = file_field("/proc/self/status", "VmData");

    set(RLIMIT_DATA, (rlim_t)used * 1024 + 50 * page_size);
    CHECK_ERRNO(mprotect(p, 100 * page_size, RW), ENOMEM);
    CHECK_OK(mprotect(p, 20 * page_size, RW));
}

TEST(open_files)
{
    int fd, last = -1;

    set(RLIMIT_NOFILE, 20);
    while ((fd = open("/", O_RDONLY)) >= 0)
        last = fd;
    CHECK_ERRNO(fd, EMFILE);
    CHECK_EQ(last, 19);
    CHECK_ERRNO(dup(0), EMFILE);
    CHECK_ERRNO(dup2(0, 20), EBADF);
    CHECK_ERRNO(fcntl(0, F_DUPFD, 20), EINVAL);
}

TEST(file_size)
{
    int fd = make_file(1);

    signal(SIGXFSZ, SIG_IGN);
    set(RLIMIT_FSIZE, 2 * page_size);
    CHECK_EQ(pwrite(fd, "x", 1, (off_t)(2 * page_size - 1)), 1);
    CHECK_ERRNO(pwrite(fd, "x", 1, (off_t)(2 * page_size)), EFBIG);
    CHECK_EQ(pwrite(fd, "xyz", 3, (off_t)(2 * page_size - 2)), 2);
    CHECK_ERRNO(ftruncate(fd, (off_t)(3 * page_size)), EFBIG);
}

TEST(file_size_signal)
{
    int fd = make_file(1), status;
    pid_t pid = fork();

    if (pid == 0) {
        set(RLIMIT_FSIZE, page_size);
        if (pwrite(fd, "x", 1, (off_t)page_size) < 0)
            _exit(1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXFSZ);
}

TEST(processes)
{
    pid_t pid;

    drop_privileges();
    set(RLIMIT_NPROC, 0);
    pid = fork();
    if (pid == 0)
        _exit(0);
    CHECK_ERRNO(pid, EAGAIN);
}

TEST(cpu_time)
{
    struct rlimit rl = {.rlim_cur = 1, .rlim_max = 3};
    volatile unsigned long spins = 0;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        alarm(30); /* should the limit not work */
        setrlimit(RLIMIT_CPU, &rl);
        for (;;)
            spins++;
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGXCPU);
}

TEST(exec_stack_limit)
{
    /* A quarter of the stack's limit is for arguments. */
    static char big[100000];
    char *argv[] = {"x", big, big, big, big, NULL}, *env[] = {NULL};

    memset(big, 'a', sizeof(big) - 1);
    set(RLIMIT_STACK, 512 << 10);
    CHECK_ERRNO(execve("/proc/self/exe", argv, env), E2BIG);
}

KTAP_MAIN(CASE(get_and_set), CASE(hard_limit_only_falls), CASE(prlimit_of_a_child),
          CASE(inherited_by_fork), CASE(address_space), CASE(fixed_over_existing_is_no_growth),
          CASE(data), CASE(data_by_mprotect), CASE(open_files), CASE(file_size),
          CASE(file_size_signal), CASE(processes), CASE(cpu_time), CASE(exec_stack_limit))
