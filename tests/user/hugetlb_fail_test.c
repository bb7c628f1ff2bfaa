/* SPDX-License-Identifier: MIT */
/*
 * Fault injection swept over what can be done with huge pages: the first allocation or user copy of
 * an operation fails, then the second, until none does. Each failure is an errno that the manual
 * page knows (or SIGBUS for a touch that finds no page), and afterwards the pool's counters are
 * what they were: nothing leaks, no promise is lost. Needs root and /proc/self/fail-nth.
 */
#include "fail_nth.h"
#include "huge.h"

#include <sys/ipc.h>
#include <sys/shm.h>
#include <sys/uio.h>

#ifndef SHM_HUGETLB
#define SHM_HUGETLB 04000
#endif
#define MAX_SWEEP 300
#define DIR       "/tmp/ktap-huge"

/* What was left when an operation began to clean up, which must not fail; -1: it did not say. */
static int left_early;

static void no_more_faults(void)
{
    left_early = disarm();
}

static int result(long r)
{
    return r == -1 ? errno : 0;
}

static int touch(char *p)
{
    return try_write(p) ? ENOSPC : 0;
}

static int op_map(void)
{
    char *p = map_huge(2, 0);
    int err = result((long)p);

    if (err)
        return err;
    err = touch(p);
    if (!err)
        err = touch(p + huge_size);
    munmap(p, 2 * huge_size);
    return err;
}

static int op_populate(void)
{
    char *p = map_huge(2, MAP_POPULATE);
    int err = result((long)p);

    if (!err)
        munmap(p, 2 * huge_size);
    return err;
}

static int op_shared(void)
{
    char *p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    int err = result((long)p);

    if (err)
        return err;
    err = touch(p + huge_size);
    munmap(p, 2 * huge_size);
    return err;
}

static int op_memfd(void)
{
    int fd = huge_memfd(), err = result(fd);
    char *p;

    if (err)
        return err;
    err = result(fallocate(fd, 0, 0, (off_t)(2 * huge_size)));
    if (!err) {
        p = mmap(NULL, 2 * huge_size, RW, MAP_PRIVATE, fd, 0);
        err = result((long)p);
        if (!err) {
            err = touch(p);
            munmap(p, 2 * huge_size);
        }
    }
    if (!err)
        err = result(ftruncate(fd, (off_t)huge_size));
    if (!err)
        err =
            result(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, (off_t)huge_size));
    close(fd);
    return err;
}

static int op_fork(void)
{
    char *p = map_huge(2, 0);
    int status = 0, err = result((long)p);
    pid_t pid;

    if (err)
        return err;
    err = touch(p);
    pid = err ? -1 : fork();
    if (pid == 0)
        _exit(touch(p));
    if (!err && pid < 0)
        err = errno;
    if (!err)
        err = touch(p);
    if (pid > 0 && waitpid(pid, &status, 0) != pid)
        err = errno;
    munmap(p, 2 * huge_size);
    return err;
}

static int op_move(void)
{
    char *p = map_huge(2, 0), *q = p;
    int err = result((long)p);

    if (err)
        return err;
    err = touch(p);
    if (!err) {
        q = (char *)sys_mremap(p, 2 * huge_size, 2 * huge_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                               (uintptr_t)p - 64 * huge_size);
        err = result((long)q);
        if (err)
            q = p;
    }
    if (!err)
        err = touch(q + huge_size);
    munmap(q, 2 * huge_size);
    return err;
}

static int op_cut(void)
{
    char *p = map_huge(3, 0);
    int err = result((long)p);

    if (err)
        return err;
    err = touch(p + huge_size);
    if (!err)
        err = result(mprotect(p + huge_size, huge_size, PROT_READ));
    if (!err)
        err = result(madvise(p, 3 * huge_size, MADV_DONTNEED));
    if (!err)
        err = result(munmap(p + huge_size, huge_size));
    no_more_faults();
    munmap(p, 3 * huge_size);
    return err;
}

static void detach_segment(const struct mem_map *m, void *arg)
{
    (void)arg;
    if (strncmp(m->name, "/SYSV", 5) == 0)
        shmdt((void *)(uintptr_t)m->start);
}

/* Where the C library attaches through ipc(2), the address can fail to come back. */
static int op_segment(void)
{
    int id = shmget(IPC_PRIVATE, 2 * huge_size, IPC_CREAT | SHM_HUGETLB | 0600), err = result(id);
    char *p;

    if (err)
        return err;
    p = shmat(id, NULL, 0);
    err = result((long)p);
    if (!err) {
        err = touch(p);
        shmdt(p);
    } else {
        no_more_faults();
        mem_each_map(NULL, (size_t)1 << 46, detach_segment, NULL);
    }
    shmctl(id, IPC_RMID, NULL);
    return err;
}

static int op_mount(void)
{
    char options[64];
    int fd, err;

    snprintf(options, sizeof(options), "size=%zu,min_size=%zu", 3 * huge_size, huge_size);
    err = result(mount("none", DIR, "hugetlbfs", 0, options));
    if (err)
        return err;
    fd = open(DIR "/file", O_CREAT | O_RDWR, 0600);
    err = result(fd);
    if (!err) {
        char *p = mmap(NULL, 2 * huge_size, RW, MAP_SHARED, fd, 0);

        err = result((long)p);
        if (!err) {
            err = touch(p);
            munmap(p, 2 * huge_size);
        }
        close(fd);
    }
    no_more_faults();
    unlink(DIR "/file");
    umount2(DIR, MNT_DETACH);
    return err;
}

static int op_device(void)
{
    int fd = open("/dev/page-huge", O_RDWR), err = result(fd);
    char *p;

    if (err == ENOENT)
        return 0;
    if (err)
        return err;
    p = mmap(NULL, 2 * huge_size, RW, MAP_PRIVATE, fd, 0);
    err = result((long)p);
    close(fd);
    if (err)
        return err;
    if (try_read(p) || try_read(p + huge_size))
        err = ENOSPC;
    if (!err)
        err = touch(p);
    munmap(p, 2 * huge_size);
    return err;
}

static int op_process_vm(void)
{
    char buf[64] = "x", *p = map_huge(1, 0);
    int err = result((long)p);
    struct iovec local = {buf, sizeof(buf)}, remote = {p, sizeof(buf)};

    if (err)
        return err;
    err = result(process_vm_writev(getpid(), &local, 1, &remote, 1, 0));
    munmap(p, huge_size);
    return err;
}

/* Surplus pages are allocated on demand, and each allocation can fail. */
static int op_surplus(void)
{
    char *p = map_huge(8, 0);
    int err = result((long)p);

    if (err)
        return err;
    err = touch(p + 7 * huge_size);
    munmap(p, 8 * huge_size);
    return err;
}

static const struct operation {
    const char *name;
    int (*run)(void);
    int errors[NTH_ERRORS];
} operations[] = {
    {"map", op_map, {ENOMEM, ENFILE}},
    {"populate", op_populate, {ENOMEM, ENFILE}},
    {"shared", op_shared, {ENOMEM, ENFILE}},
    {"memfd", op_memfd, {ENOMEM, ENFILE, EFAULT, ENOSPC}},
    {"fork", op_fork, {ENOMEM, EAGAIN, EFAULT, ENFILE}},
    {"move", op_move, {ENOMEM, ENFILE}},
    {"cut", op_cut, {ENOMEM, ENFILE, EAGAIN}},
    {"segment", op_segment, {ENOMEM, ENFILE, ENOSPC, EFAULT}}, /* ipc(2) stores the address */
    {"mount", op_mount, {ENOMEM, EFAULT, ENOSPC, ENFILE}},
    {"device", op_device, {ENOMEM, EFAULT, ENFILE}},
    {"process_vm", op_process_vm, {ENOMEM, ENFILE, EFAULT}},
    {"surplus", op_surplus, {ENOMEM, ENFILE}},
};

static void sweep(const struct operation *op)
{
    int n, left = 0;

    for (n = 0; n <= MAX_SWEEP && left == 0; n++) {
        struct pool now;
        int err;

        left_early = -1;
        arm(n); /* 0: nothing fails, so that the operation is known to work */
        err = op->run();
        left = n == 0 ? 0 : left_early >= 0 ? left_early : disarm();
        if (!fail_nth_allows(op->errors, err) || (n == 0 && err)) {
            ktap_note("%s: fault %d gives '%s'", op->name, n, strerror(err));
            ktap_failures++;
        }
        now = pool_now();
        if (now.total != 4 || now.free != 4 || now.reserved != 0 || now.surplus != 0) {
            ktap_note("%s: after fault %d: %ld pages, %ld free, %ld reserved, %ld surplus",
                      op->name, n, now.total, now.free, now.reserved, now.surplus);
            ktap_failures++;
            return;
        }
    }
    CHECK(n <= MAX_SWEEP); /* the sweep came to its end */
    ktap_note("%s: %d faults", op->name, n - 2);
}

TEST(sweep_all)
{
    fail_nth_open();
    set_pool(4);
    mkdir("/tmp", 0777);
    mkdir(DIR, 0755);
    for (unsigned int i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        if (operations[i].run == op_surplus)
            CHECK(write_number(SURPLUS_FILE, 8));
        sweep(&operations[i]);
    }
    CHECK(write_number(SURPLUS_FILE, 0));
    rmdir(DIR);
}

KTAP_MAIN(CASE(sweep_all))
