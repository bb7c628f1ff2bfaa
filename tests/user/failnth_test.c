/* SPDX-License-Identifier: MIT */
/*
 * Fault injection swept over system calls: for each operation the first allocation or user copy
 * fails, then the second, and so on until none fails any more. Every call must then say so with an
 * error that Linux's manual page allows, or succeed; afterwards the same operation without a fault
 * must work. Needs /proc/self/fail-nth (Quire's debug kernel, or Linux with fault injection).
 */
#include "fail_nth.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#define MAX_SWEEP 400
#define KIB       1024

struct operation {
    const char *name;
    int (*run)(void); /* 0, or the errno */
    int errors[NTH_ERRORS]; /* allowed */
};

static int result(long r)
{
    return r == -1 ? errno : 0;
}

static int op_mmap_anon(void)
{
    char *p = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int err = result((long)p);

    if (!err)
        err = result(munmap(p, 64 * KIB));
    return err;
}

static int op_mmap_populate(void)
{
    char *p = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    int err = result((long)p);

    if (!err) {
        p[5] = 1;
        err = result(munmap(p, 64 * KIB));
    }
    return err;
}

static int op_mmap_shared(void)
{
    char *p = mmap(NULL, 64 * KIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int err = result((long)p);

    if (!err)
        err = result(munmap(p, 64 * KIB));
    return err;
}

/* The area in the middle of what the operation cuts; made before the fault is armed. */
static char *area;
#define AREA_BYTES (16 * 4096)

static int op_mprotect_split(void)
{
    int err = result(mprotect(area + 4096, 4096, PROT_READ));

    return err ? err : result(mprotect(area + 4096, 4096, PROT_READ | PROT_WRITE));
}

static int op_munmap_middle(void)
{
    int err = result(munmap(area + 8 * 4096, 4096));

    if (!err && mmap(area + 8 * 4096, 4096, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        err = errno;
    return err;
}

static int op_mremap(void)
{
    char *p = mremap(area, AREA_BYTES, AREA_BYTES * 2, MREMAP_MAYMOVE);
    int err = result((long)p);

    if (!err) {
        area = p;
        err = result((long)mremap(area, AREA_BYTES * 2, AREA_BYTES, 0));
    }
    return err;
}

static int op_madvise(void)
{
    int err = result(madvise(area + 4096, 8192, MADV_DONTFORK));

    return err ? err : result(madvise(area + 4096, 8192, MADV_DOFORK));
}

static int op_mlock(void)
{
    int err = result(mlock(area, 8192));

    return err ? err : result(munlock(area, 8192));
}

static int op_brk(void)
{
    char *old = (char *)syscall(SYS_brk, 0);

    if ((char *)syscall(SYS_brk, old + 64 * KIB) != old + 64 * KIB)
        return ENOMEM;
    syscall(SYS_brk, old);
    return 0;
}

static int op_touch(void)
{
    int err = result(madvise(area, AREA_BYTES, MADV_DONTNEED));

    if (err)
        return err;
    for (int i = 0; i < AREA_BYTES; i += 4096)
        area[i]++;
    return 0;
}

static int op_fork(void)
{
    int status;
    pid_t pid = fork();

    if (pid < 0)
        return errno;
    if (pid == 0)
        _exit(7);
    if (waitpid(pid, &status, 0) != pid)
        return errno;
    return WIFEXITED(status) && WEXITSTATUS(status) == 7 ? 0 : EPROTO;
}

#define STATUS_NO_START    127 /* glibc's start code met an error that it cannot live with */
#define STATUS_NOT_REACHED 77  /* the program ran and its fault is still to come */

/*
 * The fault falls into the child's execve or the start of its program: this one again, which tells
 * what is left of the count.
 */
static int op_exec(void)
{
    int status, left = disarm();
    char *argv[] = {"failnth_test", "left", NULL};
    pid_t pid = fork();

    if (pid == 0) {
        nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC); /* the child's own */
        arm(left);
        execve("/proc/self/exe", argv, argv + 2);
        _exit(100 + errno % 100);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid)
        return errno;
    arm(WIFEXITED(status) && WEXITSTATUS(status) == STATUS_NOT_REACHED);
    if (WIFSIGNALED(status)) /* past the point of no return */
        return WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGSEGV ? ENOMEM : EPROTO;
    if (WEXITSTATUS(status) == STATUS_NO_START)
        return ENOMEM;
    return WEXITSTATUS(status) >= 100 ? WEXITSTATUS(status) - 100 : 0;
}

static int exec_child(void)
{
    nth_fd = open("/proc/self/fail-nth", O_RDWR);
    return nth_fd >= 0 && disarm() > 0 ? STATUS_NOT_REACHED : 0;
}

static int op_pipe(void)
{
    int fd[2], err = result(pipe(fd));
    char c = 'x';

    if (err)
        return err;
    if (write(fd[1], &c, 1) != 1 || read(fd[0], &c, 1) != 1)
        err = errno;
    close(fd[0]);
    close(fd[1]);
    return err;
}

static int op_open(void)
{
    int fd = open("/tmp/failnth", O_RDWR | O_CREAT, 0600), err = result(fd);

    if (err)
        return err;
    if (pwrite(fd, "data", 4, 40000) != 4)
        err = errno;
    close(fd);
    if (unlink("/tmp/failnth") && !err)
        err = errno;
    return err;
}

static int op_directories(void)
{
    int err = result(mkdir("/tmp/failnth.d", 0700));

    if (err)
        return err;
    err = result(symlink("target", "/tmp/failnth.d/link"));
    if (!err)
        err = result(rename("/tmp/failnth.d/link", "/tmp/failnth.d/other"));
    if (!err)
        err = result(unlink("/tmp/failnth.d/other"));
    if (err) {
        arm(0);
        unlink("/tmp/failnth.d/link");
        unlink("/tmp/failnth.d/other");
    }
    if (rmdir("/tmp/failnth.d") && !err)
        err = errno;
    rmdir("/tmp/failnth.d");
    return err;
}

static int op_memfd(void)
{
    int fd = (int)syscall(SYS_memfd_create, "failnth", 0), err = result(fd);
    char *p;

    if (err)
        return err;
    err = result(ftruncate(fd, 65536));
    if (!err) {
        p = mmap(NULL, 65536, PROT_READ, MAP_SHARED, fd, 0);
        err = result((long)p);
        if (!err)
            munmap(p, 65536);
    }
    close(fd);
    return err;
}

static int op_shm(void)
{
    int id = shmget(IPC_PRIVATE, 65536, 0600), err = result(id);
    void *p;

    if (err)
        return err;
    p = shmat(id, NULL, 0);
    err = result((long)p);
    if (!err)
        err = result(shmdt(p));
    shmctl(id, IPC_RMID, NULL);
    return err;
}

static int op_poll(void)
{
    struct pollfd p[40];

    for (int i = 0; i < 40; i++)
        p[i] = (struct pollfd){.fd = 0, .events = POLLOUT};
    return result(poll(p, 40, 0));
}

static int op_stat(void)
{
    struct stat st;
    char buf[PATH_MAX];

    if (stat("/bin/sh", &st))
        return errno;
    return getcwd(buf, sizeof(buf)) ? 0 : errno;
}

static int op_maps(void)
{
    char buf[4096];
    int fd = open("/proc/self/maps", O_RDONLY), err = result(fd);

    if (err)
        return err;
    if (read(fd, buf, sizeof(buf)) <= 0)
        err = errno;
    close(fd);
    return err;
}

static int op_process_vm(void)
{
    char buf[128];
    struct iovec local = {buf, sizeof(buf)}, remote = {area, sizeof(buf)};

    return result(process_vm_readv(getpid(), &local, 1, &remote, 1, 0));
}

static int op_dup(void)
{
    int fd = fcntl(1, F_DUPFD, 300), err = result(fd);

    if (!err)
        close(fd);
    return err;
}

static int op_sigqueue(void)
{
    siginfo_t info = {.si_signo = SIGRTMIN + 3, .si_code = SI_QUEUE, .si_pid = getpid()};
    sigset_t set;
    struct timespec zero = {0, 0};

    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN + 3);
    if (sigprocmask(SIG_BLOCK, &set, NULL))
        return errno;
    if (syscall(SYS_rt_sigqueueinfo, getpid(), SIGRTMIN + 3,
                &info)) /* libc's call sets masks too */
        return errno;
    return sigtimedwait(&set, NULL, &zero) > 0 ? 0 : errno;
}

static const struct operation operations[] = {
    {"mmap_anon", op_mmap_anon, {ENOMEM}},
    {"mmap_populate", op_mmap_populate, {ENOMEM}},
    {"mmap_shared", op_mmap_shared, {ENOMEM, ENFILE}},
    {"mprotect_split", op_mprotect_split, {ENOMEM}},
    {"munmap_middle", op_munmap_middle, {ENOMEM}},
    {"mremap", op_mremap, {ENOMEM}},
    {"madvise", op_madvise, {ENOMEM, EAGAIN}},
    {"mlock", op_mlock, {ENOMEM, EAGAIN}},
    {"brk", op_brk, {ENOMEM}},
    {"touch", op_touch, {0}},
    {"fork", op_fork, {ENOMEM, EAGAIN, EFAULT}},
    {"exec", op_exec, {ENOMEM, EFAULT, E2BIG, EAGAIN}},
    {"pipe", op_pipe, {ENOMEM, ENFILE, EFAULT}},
    {"open_write_unlink", op_open, {ENOMEM, ENFILE, ENOSPC, EFAULT}},
    {"directories", op_directories, {ENOMEM, ENOSPC, EFAULT}},
    {"memfd", op_memfd, {ENOMEM, ENFILE, EFAULT}},
    {"shm", op_shm, {ENOMEM, ENOSPC, ENFILE, EFAULT}}, /* ipc(2) stores the address */
    {"poll", op_poll, {ENOMEM, EFAULT}},
    {"stat_getcwd", op_stat, {ENOMEM, EFAULT}},
    {"maps", op_maps, {ENOMEM, ENFILE, EFAULT}},
    {"process_vm", op_process_vm, {ENOMEM, EFAULT}},
    {"dup", op_dup, {ENOMEM, EMFILE}},
    {"sigqueue", op_sigqueue, {EAGAIN, ENOMEM, EFAULT}},
};

static void sweep(const struct operation *op)
{
    int n, left = 0;

    area = mmap(NULL, AREA_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    REQUIRE(area != MAP_FAILED);
    CHECK_EQ(op->run(), 0); /* works at all */
    for (n = 1; n <= MAX_SWEEP && left == 0; n++) {
        int err;

        arm(n);
        err = op->run();
        left = disarm();
        if (!fail_nth_allows(op->errors, err)) {
            ktap_note("%s: fault %d gives '%s'", op->name, n, strerror(err));
            ktap_failures++;
        }
        if (op->run() != 0) {
            ktap_note("%s: does not work after fault %d: %s", op->name, n, strerror(errno));
            ktap_failures++;
        }
    }
    CHECK(n <= MAX_SWEEP); /* the sweep came to its end */
    ktap_note("%s: %d faults", op->name, n - 2);
}

TEST(sweep_all)
{
    fail_nth_open();
    for (unsigned int i = 0; i < sizeof(operations) / sizeof(operations[0]); i++)
        sweep(&operations[i]);
}

int main(int argc, char **argv)
{
    static const struct ktap_case cases[] = {CASE(sweep_all)};

    if (argc == 2 && strcmp(argv[1], "left") == 0)
        return exec_child();
    return ktap_main(cases, 1, argc, argv);
}
