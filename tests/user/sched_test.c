/* SPDX-License-Identifier: MIT */
/* Scheduling calls: yield, affinity, policies, priorities, nice. */
#include "ktap.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

/* The kernel's calls: C libraries answer some of them with ENOSYS by themselves. */
struct param {
    int priority;
};

static long set_scheduler(pid_t pid, int policy, int priority)
{
    struct param p = {priority};

    return syscall(SYS_sched_setscheduler, pid, policy, &p);
}

static unsigned long cpus(void)
{
    unsigned long mask[16] = {0};

    CHECK(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0);
    return mask[0];
}

static void need_root(void)
{
    if (geteuid() != 0)
        ktap_skip("needs root");
}

TEST(yield)
{
    for (int i = 0; i < 1000; i++)
        CHECK_OK(sched_yield());
}

TEST(affinity_moves_the_caller)
{
    unsigned long all = cpus();

    for (unsigned int cpu = 0; cpu < 8 * sizeof(all); cpu++) {
        unsigned long one = 1UL << cpu;
        unsigned int where = 99;

        if (!(all & one))
            continue;
        CHECK_OK(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one));
        CHECK_OK(syscall(SYS_getcpu, &where, NULL, NULL));
        CHECK_EQ(where, cpu);
        CHECK_EQ(cpus(), one);
    }
    CHECK_OK(syscall(SYS_sched_setaffinity, 0, sizeof(all), &all));
}

TEST(affinity_errors)
{
    unsigned long none = 0, mask;

    CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, sizeof(none), &none), EINVAL);
    CHECK_ERRNO(syscall(SYS_sched_setaffinity, 0, sizeof(none), ktap_nowhere), EFAULT);
    CHECK_ERRNO(syscall(SYS_sched_setaffinity, 99999999, sizeof(none), &none), ESRCH);
    CHECK_ERRNO(syscall(SYS_sched_getaffinity, 0, 1, &mask), EINVAL);
    CHECK_ERRNO(syscall(SYS_sched_getaffinity, 99999999, 1024, &mask), ESRCH);
}

TEST(children_inherit_affinity)
{
    unsigned long all = cpus(), one = all & -all;
    int status = -1;

    CHECK_OK(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one));
    if (fork() == 0)
        _exit(cpus() != one);
    CHECK(wait(&status) > 0);
    CHECK_EQ(status, 0);
}

TEST(policies)
{
    struct param p = {77};

    need_root();
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_OTHER);
    CHECK_OK(set_scheduler(0, SCHED_RR, 10));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_RR);
    CHECK_OK(syscall(SYS_sched_getparam, 0, &p));
    CHECK_EQ(p.priority, 10);
    CHECK_OK(set_scheduler(0, SCHED_FIFO, 1));
    p.priority = 5;
    CHECK_OK(syscall(SYS_sched_setparam, 0, &p));
    CHECK_OK(sched_yield());
    CHECK_OK(set_scheduler(0, 3 /* SCHED_BATCH */, 0));
    CHECK_OK(set_scheduler(0, 5 /* SCHED_IDLE */, 0));
    CHECK_OK(set_scheduler(0, SCHED_OTHER, 0));
    CHECK_ERRNO(set_scheduler(0, SCHED_OTHER, 1), EINVAL);
    CHECK_ERRNO(set_scheduler(0, SCHED_FIFO, 0), EINVAL);
    CHECK_ERRNO(set_scheduler(0, SCHED_FIFO, 100), EINVAL);
    CHECK_ERRNO(set_scheduler(0, 99, 0), EINVAL);
    CHECK_ERRNO(set_scheduler(99999999, SCHED_OTHER, 0), ESRCH);
    CHECK_ERRNO(syscall(SYS_sched_setscheduler, 0, SCHED_OTHER, ktap_nowhere), EFAULT);
}

TEST(priority_ranges)
{
    struct timespec ts = {-1, -1};

    CHECK_EQ(sched_get_priority_min(SCHED_FIFO), 1);
    CHECK_EQ(sched_get_priority_max(SCHED_RR), 99);
    CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
    CHECK_ERRNO(sched_get_priority_max(99), EINVAL);
    CHECK_OK(sched_rr_get_interval(0, &ts));
    CHECK(ts.tv_sec == 0 && ts.tv_nsec >= 0);
}

TEST(reset_on_fork)
{
    int status = -1;

    need_root();
    CHECK_OK(set_scheduler(0, SCHED_FIFO | 0x40000000, 3));
    CHECK_EQ(syscall(SYS_sched_getscheduler, 0), SCHED_FIFO | 0x40000000);
    if (fork() == 0)
        _exit(syscall(SYS_sched_getscheduler, 0) != SCHED_OTHER);
    CHECK(wait(&status) > 0);
    CHECK_EQ(status, 0);
}

TEST(nice_values)
{
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 0);
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
    CHECK_EQ(syscall(SYS_getpriority, PRIO_PROCESS, 0), 15); /* the kernel's form: 20 - nice */
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 100));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), 19);
    CHECK_ERRNO(syscall(SYS_getpriority, 9, 0), EINVAL);
    CHECK_ERRNO(syscall(SYS_setpriority, PRIO_PROCESS, 99999999, 0), ESRCH);
}

TEST(only_root_raises)
{
    struct rlimit none = {0, 0};

    need_root();
    CHECK_OK(setrlimit(RLIMIT_NICE, &none));
    CHECK_OK(setrlimit(RLIMIT_RTPRIO, &none));
    CHECK_OK(setpriority(PRIO_PROCESS, 0, -5));
    CHECK_EQ(getpriority(PRIO_PROCESS, 0), -5);
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 5));
    REQUIRE(setuid(1234) == 0);
    CHECK_OK(setpriority(PRIO_PROCESS, 0, 6));
    CHECK_ERRNO(setpriority(PRIO_PROCESS, 0, 4), EACCES);
    CHECK_ERRNO(setpriority(PRIO_PROCESS, getppid(), 19), EPERM);
    CHECK_ERRNO(set_scheduler(0, SCHED_FIFO, 1), EPERM);
}

static void burn(int nice_value, volatile int *go, volatile unsigned long long *loops)
{
    setpriority(PRIO_PROCESS, 0, nice_value);
    while (!*go)
        sched_yield();
    while (*go == 1)
        ++*loops;
}

/*
 * On one CPU, nice 10 gets about a tenth of what nice 0 gets. For the scheduler a program runs also
 * while the machine stands still, so one look may be far off: the sums must come there.
 */
TEST(nice_shares_the_cpu)
{
    unsigned long all = cpus(), one = all & -all;
    volatile int *go =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile unsigned long long *loops = (volatile unsigned long long *)(go + 2);
    struct timespec ts = {0, 500000000};
    bool shared = false;

    REQUIRE(go != MAP_FAILED);
    CHECK_OK(syscall(SYS_sched_setaffinity, 0, sizeof(one), &one));
    for (int i = 0; i < 2; i++) {
        if (fork() == 0) {
            burn(i * 10, go, &loops[i]);
            _exit(0);
        }
    }
    *go = 1;
    for (int looks = 0; looks < 20 && !shared; looks++) {
        nanosleep(&ts, NULL);
        shared = loops[1] > 0 && loops[0] > 3 * loops[1];
    }
    *go = 2;
    while (wait(NULL) > 0)
        ;
    CHECK(shared);
}

KTAP_MAIN(CASE(yield), CASE(affinity_moves_the_caller), CASE(affinity_errors),
          CASE(children_inherit_affinity), CASE(policies), CASE(priority_ranges),
          CASE(reset_on_fork), CASE(nice_values), CASE(only_root_raises),
          CASE(nice_shares_the_cpu))
