/* SPDX-License-Identifier: MIT */
/*
 * Bad pointers: every system call that takes one must return EFAULT, and the kernel must live.
 *
 * Each group of calls runs once for each kind of bad address: not mapped, no access, the kernel's
 * half, the end of the address space, and an object of which only the first byte is mapped. Calls
 * that may transfer a part (read, write ...) leave out the last kind. A call that is not there
 * (ENOSYS) passes.
 */
#include "mem.h"

#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

/* The call's own numbers; C libraries may have others, which they translate (POWER's glibc). */
#define KERNEL_GETLK 5
#define KERNEL_SETLK 6

static char *bad;         /* the address of the moment */
static bool crosses;      /* its first byte is mapped */
static bool is_read_only; /* it may be read, so only calls that write to it fail */
static const char *bad_name;
static int file, pipe_r, pipe_w, dir_fd;
static int nr_calls, nr_absent;

static void check(long result, const char *what)
{
    nr_calls++;
    if (result == -1 && errno == ENOSYS) {
        nr_absent++;
        return;
    }
    if (result == -1 && errno == EFAULT)
        return;
    ktap_failures++;
    ktap_note("%s with %s: %ld, %s", what, bad_name, result,
              result == -1 ? strerror(errno) : "no error");
}

/* The kernel reads (IN), writes (OUT), or may transfer a part (PART, both ways). */
#define IN(call, ...)                                                                              \
    do {                                                                                           \
        if (!is_read_only)                                                                         \
            check(syscall(SYS_##call, __VA_ARGS__), #call "(" #__VA_ARGS__ ")");                   \
    } while (0)
#define OUT(call, ...) check(syscall(SYS_##call, __VA_ARGS__), #call "(" #__VA_ARGS__ ")")
#define PART_IN(call, ...)                                                                         \
    do {                                                                                           \
        if (!crosses && !is_read_only)                                                             \
            check(syscall(SYS_##call, __VA_ARGS__), #call "(" #__VA_ARGS__ ")");                   \
    } while (0)
#define PART_OUT(call, ...)                                                                        \
    do {                                                                                           \
        if (!crosses)                                                                              \
            check(syscall(SYS_##call, __VA_ARGS__), #call "(" #__VA_ARGS__ ")");                   \
    } while (0)

static void for_each_bad(void (*group)(void))
{
    char *edge = map_pages(2, RW), *none = map_pages(1, PROT_NONE);
    char *read_only = map_pages(1, PROT_READ);
    struct {
        char *at;
        bool crosses, read_only;
        const char *name;
    } kinds[] = {
        {ktap_nowhere, false, false, "an unmapped address"},
        {none, false, false, "a PROT_NONE page"},
        {(char *)0xffff800000001000, false, false, "a kernel address"},
        {(char *)0xc000000000001000, false, false, "an address of no canonical form"},
        {(char *)~(uintptr_t)0 - 7, false, false, "the end of the address space"},
        {edge + page_size - 1, true, false, "an object cut by a page border"},
        {read_only, false, true, "a read-only page"},
    };

    munmap(edge + page_size, page_size);
    edge[page_size - 1] = 'e';
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        bad = kinds[i].at;
        crosses = kinds[i].crosses;
        is_read_only = kinds[i].read_only;
        bad_name = kinds[i].name;
        group();
    }
    if (nr_absent)
        ktap_note("%d of %d calls are not there", nr_absent, nr_calls);
}

static void open_files(void)
{
    int fds[2];

    file = make_file(2);
    dir_fd = open("/", O_RDONLY | O_DIRECTORY);
    if (pipe(fds) < 0)
        ktap_skip("pipe: %s", strerror(errno));
    pipe_r = fds[0];
    pipe_w = fds[1];
    CHECK_EQ(write(pipe_w, "0123456789", 10), 10);
}

static void transfers(void)
{
    struct iovec iov = {bad, 8};

    PART_OUT(read, file, bad, 8L);
    PART_OUT(read, pipe_r, bad, 8L);
    PART_IN(write, file, bad, 8L);
    PART_IN(write, pipe_w, bad, 8L);
    PART_OUT(pread64, file, bad, 8L, 0L);
    PART_IN(pwrite64, file, bad, 8L, 0L);
    IN(readv, file, bad, 1L);
    IN(writev, file, bad, 1L);
    PART_OUT(readv, file, &iov, 1L);
    PART_IN(writev, file, &iov, 1L);
    IN(preadv, file, bad, 1L, 0L, 0L);
    IN(pwritev, file, bad, 1L, 0L, 0L);
    PART_OUT(getrandom, bad, 8L, 0L);
    lseek(file, 0, SEEK_SET);
    OUT(sendfile, pipe_w, file, bad, 8L);
    OUT(getdents64, dir_fd, bad, 1024L);
    lseek(dir_fd, 0, SEEK_SET);
}

TEST(reading_and_writing)
{
    open_files();
    for_each_bad(transfers);
}

static void paths(void)
{
    struct stat st;
    struct statfs sfs;
    char buf[16];

    IN(openat, AT_FDCWD, bad, O_RDONLY, 0L);
    IN(newfstatat, AT_FDCWD, bad, &st, 0L);
    IN(statfs, bad, &sfs);
    IN(faccessat, AT_FDCWD, bad, R_OK);
    IN(chdir, bad);
    IN(chroot, bad);
    IN(mkdirat, AT_FDCWD, bad, 0700L);
    IN(unlinkat, AT_FDCWD, bad, 0L);
    IN(renameat2, AT_FDCWD, bad, AT_FDCWD, "/tmp/ktap-efault-x", 0L);
    IN(renameat2, AT_FDCWD, "/tmp/ktap-efault-none", AT_FDCWD, bad, 0L);
    IN(linkat, AT_FDCWD, bad, AT_FDCWD, "/tmp/ktap-efault-x", 0L);
    IN(linkat, AT_FDCWD, "/", AT_FDCWD, bad, 0L);
    IN(symlinkat, bad, AT_FDCWD, "/tmp/ktap-efault-x");
    IN(symlinkat, "target", AT_FDCWD, bad);
    IN(readlinkat, AT_FDCWD, bad, buf, 16L);
    IN(fchmodat, AT_FDCWD, bad, 0700L);
    IN(fchownat, AT_FDCWD, bad, 0L, 0L, 0L);
    IN(mknodat, AT_FDCWD, bad, S_IFREG | 0600L, 0L);
    IN(truncate, bad, 1L);
    IN(utimensat, AT_FDCWD, bad, NULL, 0L);
    IN(utimensat, AT_FDCWD, "/tmp", bad, 0L);
    IN(memfd_create, bad, 0L);
    IN(execve, bad, NULL, NULL);
    IN(mount, bad, bad, bad, 0L, NULL);
    IN(umount2, bad, 0L);
#ifdef SYS_open
    IN(open, bad, O_RDONLY, 0L);
    IN(stat, bad, &st);
    IN(lstat, bad, &st);
    IN(access, bad, 0L);
    IN(mkdir, bad, 0700L);
    IN(rmdir, bad);
    IN(unlink, bad);
    IN(rename, bad, "/tmp/ktap-efault-x");
    IN(link, bad, "/tmp/ktap-efault-x");
    IN(symlink, bad, "/tmp/ktap-efault-x");
    IN(readlink, bad, buf, 16L);
    IN(chmod, bad, 0700L);
    IN(creat, bad, 0600L);
#endif
}

TEST(path_names)
{
    open_files();
    for_each_bad(paths);
}

static void file_results(void)
{
    OUT(fstat, file, bad);
    OUT(newfstatat, AT_FDCWD, "/", bad, 0L);
    OUT(statfs, "/", bad);
    OUT(fstatfs, file, bad);
    OUT(getcwd, bad, 4096L);
    OUT(readlinkat, AT_FDCWD, "/proc/self/exe", bad, 64L);
    OUT(pipe2, bad, 0L);
    IN(fcntl, file, KERNEL_GETLK, bad);
    IN(fcntl, file, KERNEL_SETLK, bad);
    OUT(statx, AT_FDCWD, "/", 0L, 0x7ffL, bad);
#ifdef SYS_pipe
    OUT(pipe, bad);
    OUT(stat, "/", bad);
    OUT(lstat, "/", bad);
#endif
}

TEST(results_about_files)
{
    open_files();
    for_each_bad(file_results);
}

static void waiting(void)
{
    struct timespec soon = {.tv_nsec = 1000};
    struct {
        void *set;
        size_t len;
    } mask = {bad, 8};

    IN(ppoll, bad, 1L, &soon, NULL, 8L);
    IN(ppoll, NULL, 0L, bad, NULL, 8L);
    IN(ppoll, NULL, 0L, &soon, bad, 8L);
    IN(pselect6, 64L, bad, NULL, NULL, &soon, NULL);
    IN(pselect6, 1L, NULL, NULL, NULL, bad, NULL);
    IN(pselect6, 1L, NULL, NULL, NULL, &soon, &mask);
#ifdef SYS_poll
    IN(poll, bad, 1L, 0L);
#endif
#ifdef SYS_select
    IN(select, 64L, bad, NULL, NULL, NULL);
    IN(select, 1L, NULL, NULL, NULL, bad);
#endif
}

TEST(poll_and_select)
{
    open_files();
    for_each_bad(waiting);
}

static void memory(void)
{
    static char *p;
    struct iovec ok = {&ok, 8};

    if (!p)
        p = map_pages(8, RW);
    OUT(mincore, p, 8 * page_size, bad);
    IN(process_vm_readv, getpid(), bad, 1L, &ok, 1L, 0L);
    IN(process_vm_readv, getpid(), &ok, 1L, bad, 1L, 0L);
    IN(process_vm_writev, getpid(), &ok, 1L, bad, 1L, 0L);
    if (!crosses) /* must be aligned */
        IN(futex, bad, 0L, 0L, NULL, NULL, 0L);
    IN(futex, &nr_calls, 0L, (long)nr_calls, bad, NULL, 0L);
}

TEST(memory_calls)
{
    for_each_bad(memory);
}

static void signals(void)
{
    IN(rt_sigaction, SIGUSR1, bad, NULL, 8L);
    OUT(rt_sigaction, SIGUSR1, NULL, bad, 8L);
    IN(rt_sigprocmask, SIG_BLOCK, bad, NULL, 8L);
    OUT(rt_sigprocmask, SIG_BLOCK, NULL, bad, 8L);
    OUT(rt_sigpending, bad, 8L);
    IN(rt_sigtimedwait, bad, NULL, NULL, 8L);
    IN(rt_sigsuspend, bad, 8L);
    IN(rt_sigqueueinfo, getpid(), SIGUSR1, bad);
    IN(sigaltstack, bad, NULL);
    OUT(sigaltstack, NULL, bad);
}

TEST(signal_calls)
{
    for_each_bad(signals);
}

static void times(void)
{
    OUT(clock_gettime, CLOCK_MONOTONIC, bad);
    OUT(clock_getres, CLOCK_MONOTONIC, bad);
    IN(clock_settime, CLOCK_REALTIME, bad);
    IN(clock_nanosleep, CLOCK_MONOTONIC, 0L, bad, NULL);
    IN(nanosleep, bad, NULL);
    OUT(gettimeofday, bad, NULL);
    OUT(getitimer, ITIMER_REAL, bad);
    IN(setitimer, ITIMER_REAL, bad, NULL);
    OUT(times, bad);
}

TEST(time_calls)
{
    for_each_bad(times);
}

static void limits(void)
{
    OUT(getrlimit, RLIMIT_STACK, bad);
    IN(setrlimit, RLIMIT_STACK, bad);
    OUT(prlimit64, 0L, RLIMIT_STACK, NULL, bad);
    IN(prlimit64, 0L, RLIMIT_STACK, bad, NULL);
    OUT(getrusage, RUSAGE_SELF, bad);
    OUT(sysinfo, bad);
    OUT(uname, bad);
    IN(sched_setaffinity, 0L, 8L, bad);
    OUT(sched_getaffinity, 0L, 128L, bad);
    OUT(sched_getparam, 0L, bad);
    IN(sched_setparam, 0L, bad);
    IN(sched_setscheduler, 0L, 0L, bad);
    OUT(sched_rr_get_interval, 0L, bad);
}

TEST(limits_and_scheduling)
{
    for_each_bad(limits);
}

static void processes(void)
{
    long id;

    IN(prctl, PR_SET_NAME, bad);
    OUT(prctl, PR_GET_NAME, bad);
    OUT(prctl, PR_GET_PDEATHSIG, bad);
    OUT(getresuid, bad, &id, &id);
    OUT(getresuid, &id, &id, bad);
    OUT(getresgid, bad, &id, &id);
    IN(setgroups, 2L, bad);
    IN(sethostname, bad, 8L);
    OUT(getcpu, bad, NULL, NULL);
    OUT(get_robust_list, 0L, bad, &id);
    IN(clone3, bad, 64L);
}

TEST(process_calls)
{
    for_each_bad(processes);
}

static void waits(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    OUT(waitid, P_PID, pid, bad, WEXITED | WNOWAIT, NULL);
    OUT(wait4, pid, bad, 0L, NULL);
    while (waitpid(pid, NULL, 0) == pid) /* wait4 may have taken it before it failed */
        ;
}

TEST(wait_calls)
{
    for_each_bad(waits);
}

/* argv and envp: the arrays, and the strings that they point to. */
static void exec_vectors(void)
{
    char *none[] = {NULL}, *string[] = {bad, NULL};

    IN(execve, "/proc/self/exe", bad, none);
    IN(execve, "/proc/self/exe", none, bad);
    if (!is_read_only)
        check(execve("/proc/self/exe", string, none), "execve with a string");
}

TEST(exec_arguments)
{
    for_each_bad(exec_vectors);
}

/* A signal whose frame cannot be written, because the stack pointer is bad, must kill. */
static void on_signal(int sig)
{
}

TEST(signal_frame_on_a_bad_stack)
{
    stack_t ss = {.ss_size = 65536};
    int status;
    pid_t pid;

    ss.ss_sp = map_pages(65536 / page_size, PROT_READ);
    pid = fork();
    if (pid == 0) {
        struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};

        sigaltstack(&ss, NULL);
        sigaction(SIGUSR1, &sa, NULL);
        raise(SIGUSR1);
        _exit(0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

KTAP_MAIN(CASE(reading_and_writing), CASE(path_names), CASE(results_about_files),
          CASE(poll_and_select), CASE(memory_calls), CASE(signal_calls), CASE(time_calls),
          CASE(limits_and_scheduling), CASE(process_calls), CASE(wait_calls), CASE(exec_arguments),
          CASE(signal_frame_on_a_bad_stack))
