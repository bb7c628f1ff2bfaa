/* SPDX-License-Identifier: MIT */
/* Clocks, sleeping, interval timers and alarm. */
#include "ktap.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>

#define MS 1000000ll

static long long ns_of(clockid_t clock)
{
    struct timespec ts = {0};

    CHECK_OK(clock_gettime(clock, &ts));
    CHECK(ts.tv_nsec >= 0 && ts.tv_nsec < 1000000000);
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static struct timespec ts_of(long long ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static void spin(long long ns)
{
    long long end = ns_of(CLOCK_MONOTONIC) + ns;

    while (ns_of(CLOCK_MONOTONIC) < end)
        ktap_between_looks();
}

static volatile sig_atomic_t count;

static void on_signal(int sig)
{
    count++;
}

static void handle(int sig)
{
    struct sigaction sa = {.sa_handler = on_signal};

    CHECK_OK(sigaction(sig, &sa, NULL));
}

TEST(monotonic_never_goes_back)
{
    static const clockid_t clocks[] = {CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW, CLOCK_BOOTTIME,
                                       CLOCK_MONOTONIC_COARSE};

    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        long long last = ns_of(clocks[i]);

        for (int k = 0; k < (ktap_swept ? 50 : 20000); k++) {
            long long now = ns_of(clocks[i]);

            if (!CHECK(now >= last))
                return;
            last = now;
        }
    }
}

TEST(clocks_agree)
{
    struct timeval tv;
    long long real = ns_of(CLOCK_REALTIME), day;

    CHECK_OK(gettimeofday(&tv, NULL));
    day = tv.tv_sec * 1000000000ll + tv.tv_usec * 1000ll;
    CHECK(day - real > -10 * MS && day - real < 2000 * MS);
    CHECK(llabs((long long)time(NULL) - real / 1000000000) <= 2);
    CHECK(llabs(ns_of(CLOCK_REALTIME_COARSE) - ns_of(CLOCK_REALTIME)) < 2000 * MS);
    CHECK(llabs(ns_of(CLOCK_BOOTTIME) - ns_of(CLOCK_MONOTONIC)) < 86400000 * MS);
}

TEST(raw_call_and_library_agree)
{
    struct timespec a, b;

    CHECK_OK(clock_gettime(CLOCK_MONOTONIC, &a));
    CHECK_OK(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &b));
    CHECK(b.tv_sec * 1000000000ll + b.tv_nsec >= a.tv_sec * 1000000000ll + a.tv_nsec);
}

TEST(resolution_and_errors)
{
    struct timespec ts;

    CHECK_OK(clock_getres(CLOCK_MONOTONIC, &ts));
    CHECK(ts.tv_sec == 0 && ts.tv_nsec >= 1 && ts.tv_nsec <= 10000000);
    CHECK_OK(clock_getres(CLOCK_REALTIME, NULL));
    CHECK_ERRNO(syscall(SYS_clock_gettime, 99, &ts), EINVAL);
    CHECK_ERRNO(syscall(SYS_clock_getres, 99, &ts), EINVAL);
}

TEST(nanosleep_sleeps)
{
    struct timespec ts = ts_of(50 * MS);
    long long before = ns_of(CLOCK_MONOTONIC), slept;

    CHECK_OK(nanosleep(&ts, NULL));
    slept = ns_of(CLOCK_MONOTONIC) - before;
    CHECK(slept >= 50 * MS);
    CHECK(slept < 5000 * MS);
    ts = (struct timespec){.tv_nsec = 1000000000};
    CHECK_ERRNO(nanosleep(&ts, NULL), EINVAL);
    ts = (struct timespec){.tv_sec = -1};
    CHECK_ERRNO(nanosleep(&ts, NULL), EINVAL);
    ts = (struct timespec){0};
    CHECK_OK(nanosleep(&ts, NULL));
}

TEST(absolute_sleep)
{
    long long until = ns_of(CLOCK_MONOTONIC) + 50 * MS;
    struct timespec ts = ts_of(until);

    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
    CHECK(ns_of(CLOCK_MONOTONIC) >= until);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL), 0);
    ts = ts_of(ns_of(CLOCK_REALTIME) + 30 * MS);
    CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL), 0);
    ts = ts_of(1);
    CHECK_EQ(clock_nanosleep(99, 0, &ts, NULL), EINVAL);
}

TEST(cpu_clocks)
{
    long long process = ns_of(CLOCK_PROCESS_CPUTIME_ID), thread = ns_of(CLOCK_THREAD_CPUTIME_ID);
    long long period = (ktap_swept ? 20 : 100) * MS;

    spin(period);
    /* Other work on the machine may take a part of the time, not all of it. */
    CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - process > 5 * MS);
    CHECK(ns_of(CLOCK_THREAD_CPUTIME_ID) - thread > 5 * MS);
    process = ns_of(CLOCK_PROCESS_CPUTIME_ID);
    usleep((useconds_t)(period / 1000));
    CHECK(ns_of(CLOCK_PROCESS_CPUTIME_ID) - process < 60 * MS);
}

TEST(times_call)
{
    struct tms t;
    long ticks = sysconf(_SC_CLK_TCK);
    clock_t before = times(&t), after;

    CHECK_EQ(ticks, 100);
    usleep(100000);
    after = times(&t);
    CHECK(after - before >= 9);
    CHECK(t.tms_utime >= 0);
}

TEST(interval_timer)
{
    struct itimerval it = {{0, 20000}, {0, 20000}}, old;

    handle(SIGALRM);
    CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
    while (count < 5)
        pause();
    CHECK_OK(getitimer(ITIMER_REAL, &old));
    CHECK_EQ(old.it_interval.tv_usec, 20000);
    CHECK(old.it_value.tv_sec == 0 && old.it_value.tv_usec <= 20000);
    it = (struct itimerval){0};
    CHECK_OK(setitimer(ITIMER_REAL, &it, &old));
    CHECK_EQ(old.it_interval.tv_usec, 20000);
    CHECK_OK(getitimer(ITIMER_REAL, &old));
    CHECK_EQ(old.it_value.tv_usec, 0);
    it.it_value.tv_usec = 1000000;
    CHECK_ERRNO(setitimer(ITIMER_REAL, &it, NULL), EINVAL);
    CHECK_ERRNO(setitimer(9, &old, NULL), EINVAL);
}

TEST(virtual_timers)
{
    struct itimerval it = {{0, 0}, {0, 30000}};

    handle(SIGVTALRM);
    handle(SIGPROF);
    CHECK_OK(setitimer(ITIMER_VIRTUAL, &it, NULL));
    CHECK_OK(setitimer(ITIMER_PROF, &it, NULL));
    for (int i = 0; i < 100 && count < 2; i++)
        spin(20 * MS);
    CHECK_EQ(count, 2);
}

TEST(alarm_call)
{
    handle(SIGALRM);
    CHECK(alarm(100) > 0); /* the test's own time limit */
    CHECK_EQ(alarm(1), 100);
    while (count == 0)
        usleep(ktap_swept ? 100000 : 1000); /* the signal ends it */
    CHECK_EQ(count, 1);
    CHECK_EQ(alarm(0), 0);
}

TEST(sleep_is_interrupted_and_goes_on)
{
    struct itimerval it = {{0, 0}, {0, 20000}};
    struct timespec ts = ts_of(100 * MS), rest = {0};
    long long start = ns_of(CLOCK_MONOTONIC);

    handle(SIGALRM);
    CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
    CHECK_ERRNO(nanosleep(&ts, &rest), EINTR);
    CHECK(rest.tv_nsec > 0 && rest.tv_nsec <= 90 * MS);
    CHECK_OK(nanosleep(&rest, NULL));
    CHECK(ns_of(CLOCK_MONOTONIC) - start >= 99 * MS);
}

TEST(fork_has_no_timer)
{
    struct itimerval it = {{0, 0}, {100, 0}};
    int status;
    pid_t pid;

    CHECK_OK(setitimer(ITIMER_REAL, &it, NULL));
    pid = fork();
    if (pid == 0) {
        getitimer(ITIMER_REAL, &it);
        _exit(it.it_value.tv_sec != 0);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(alarm(0) >= 99);
}

TEST(many_sleepers)
{
    enum { NR = 20 };
    long long start = ns_of(CLOCK_MONOTONIC);

    for (int i = 0; i < NR; i++) {
        if (fork() == 0) {
            usleep(20000 + 1000 * (useconds_t)i);
            _exit(ns_of(CLOCK_MONOTONIC) - start < 20 * MS + i * MS);
        }
    }
    for (int i = 0; i < NR; i++) {
        int status = -1;

        wait(&status);
        CHECK_EQ(status, 0);
    }
}

KTAP_MAIN(CASE(monotonic_never_goes_back), CASE(clocks_agree), CASE(raw_call_and_library_agree),
          CASE(resolution_and_errors), CASE(nanosleep_sleeps), CASE(absolute_sleep),
          CASE(cpu_clocks), CASE(times_call), CASE(interval_timer), CASE(virtual_timers),
          CASE(alarm_call), CASE(sleep_is_interrupted_and_goes_on), CASE(fork_has_no_timer),
          CASE(many_sleepers))
