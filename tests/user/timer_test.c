/* SPDX-License-Identifier: MIT */
/* Timers of timer_create: clocks, intervals, overruns, threads as targets, and their end. */
#include "ktap.h"

#include <pthread.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#define MS 1000000ll
#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

static long long ns_of(clockid_t clock)
{
    struct timespec ts = {0};

    CHECK_OK(clock_gettime(clock, &ts));
    return ts.tv_sec * 1000000000ll + ts.tv_nsec;
}

static struct timespec ts_of(long long ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

static struct itimerspec setting(long long value, long long interval)
{
    return (struct itimerspec){.it_value = ts_of(value), .it_interval = ts_of(interval)};
}

static void sleep_ms(long long ms)
{
    struct timespec ts = ts_of(ms * MS);

    while (nanosleep(&ts, &ts) && errno == EINTR)
        ;
}

static volatile sig_atomic_t count, last_value, last_code, most_overruns;
static volatile int last_tid;

static void on_timer(int sig, siginfo_t *info, void *context)
{
    count++;
    last_value = info->si_value.sival_int;
    last_code = info->si_code;
    if (info->si_overrun > most_overruns)
        most_overruns = info->si_overrun;
    last_tid = (int)syscall(SYS_gettid);
}

static void handle(int sig)
{
    struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};

    CHECK_OK(sigaction(sig, &sa, NULL));
}

/* With the signals blocked between the look at the count and the wait: none is missed. */
static void wait_for_count(int n)
{
    sigset_t all, old;

    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, &old);
    while (count < n)
        sigsuspend(&old);
    sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The kernel's own call: C libraries make threads for some kinds of event. */
static int create(clockid_t clock, int notify, int sig, int value, int tid)
{
    struct sigevent ev = {
        .sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = value};
    int id = -1;

    *(int *)((char *)&ev + sizeof(ev.sigev_value) + 2 * sizeof(int)) = tid;
    return syscall(SYS_timer_create, clock, &ev, &id) ? -1 : id;
}

static int settime(int id, int flags, const struct itimerspec *new, struct itimerspec *old)
{
    return (int)syscall(SYS_timer_settime, id, flags, new, old);
}

TEST(fires_once)
{
    struct itimerspec it = setting(20 * MS, 0);
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 42, 0);

    REQUIRE(id >= 0);
    handle(SIGUSR1);
    CHECK_OK(settime(id, 0, &it, NULL));
    wait_for_count(1);
    CHECK_EQ(last_value, 42);
    CHECK_EQ(last_code, SI_TIMER);
    CHECK_EQ(most_overruns, 0);
    sleep_ms(50);
    CHECK_EQ(count, 1);
    CHECK_OK(syscall(SYS_timer_gettime, id, &it));
    CHECK_EQ(it.it_value.tv_sec + it.it_value.tv_nsec, 0);
    CHECK_OK(syscall(SYS_timer_delete, id));
    CHECK_ERRNO(syscall(SYS_timer_delete, id), EINVAL);
}

TEST(interval_goes_on_until_disarmed)
{
    struct itimerspec it = setting(10 * MS, 10 * MS), old;
    int id = create(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 0, 0);

    REQUIRE(id >= 0);
    handle(SIGUSR1);
    CHECK_OK(settime(id, 0, &it, NULL));
    wait_for_count(4);
    CHECK_OK(syscall(SYS_timer_gettime, id, &old));
    CHECK_EQ(old.it_interval.tv_nsec, 10 * MS);
    CHECK(old.it_value.tv_nsec > 0 && old.it_value.tv_nsec <= 10 * MS);
    it = setting(0, 0);
    CHECK_OK(settime(id, 0, &it, &old));
    CHECK_EQ(old.it_interval.tv_nsec, 10 * MS);
    sleep_ms(5);
    count = 0;
    sleep_ms(40);
    CHECK_EQ(count, 0);
}

TEST(absolute_time)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};

    handle(SIGUSR1);
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        long long due = ns_of(clocks[i]) + 20 * MS;
        struct itimerspec it = setting(due, 0);
        int id = create(clocks[i], SIGEV_SIGNAL, SIGUSR1, 0, 0);

        REQUIRE(id >= 0);
        count = 0;
        CHECK_OK(settime(id, TIMER_ABSTIME, &it, NULL));
        wait_for_count(1);
        CHECK(ns_of(clocks[i]) >= due);
        it = setting(1, 0); /* long past: at once */
        CHECK_OK(settime(id, TIMER_ABSTIME, &it, NULL));
        wait_for_count(2);
        CHECK_OK(syscall(SYS_timer_delete, id));
    }
}

/* While the signal is blocked, expiries are counted into it. */
TEST(overruns_are_counted)
{
    struct itimerspec it = setting(2 * MS, 2 * MS);
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0);
    sigset_t set;

    REQUIRE(id >= 0);
    handle(SIGUSR1);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, NULL));
    CHECK_OK(settime(id, 0, &it, NULL));
    sleep_ms(60);
    CHECK_EQ(count, 0);
    it = setting(1000000 * MS, 0);
    CHECK_OK(sigprocmask(SIG_UNBLOCK, &set, NULL));
    CHECK(count >= 1);
    CHECK(most_overruns >= 10); /* the next signal, which may have come by now, has few */
    CHECK(syscall(SYS_timer_getoverrun, id) >= 0);
    CHECK_OK(settime(id, 0, &it, NULL));
}

static void spin_until(long long cpu_ns)
{
    while (ns_of(CLOCK_PROCESS_CPUTIME_ID) < cpu_ns)
        ktap_between_looks();
}

TEST(cpu_time_clocks)
{
    static const clockid_t clocks[] = {CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    const long long due = (ktap_swept ? 12 : 60) * MS, rest = (ktap_swept ? 20 : 100) * MS;

    handle(SIGUSR1);
    for (size_t i = 0; i < sizeof(clocks) / sizeof(clocks[0]); i++) {
        struct itimerspec it = setting(due, 0);
        long long used = ns_of(CLOCK_PROCESS_CPUTIME_ID);
        int id = create(clocks[i], SIGEV_SIGNAL, SIGUSR1, 0, 0), fired;

        REQUIRE(id >= 0);
        count = 0;
        REQUIRE(settime(id, 0, &it, NULL) == 0);
        sleep_ms(rest / MS); /* sleeping is no CPU time; what the host of a machine takes is */
        fired = count;
        CHECK(!fired || ns_of(CLOCK_PROCESS_CPUTIME_ID) >= used + due);
        while (!count) /* at the first tick behind it, whenever the machine has it: no bound */
            ktap_between_looks();
        spin_until(ns_of(CLOCK_PROCESS_CPUTIME_ID) + rest);
        CHECK_EQ(count, 1); /* and only once */
        CHECK_OK(syscall(SYS_timer_delete, id));
    }
}

static int thread_tid;
static volatile int thread_stop;

static void *wait_in_thread(void *arg)
{
    sigset_t set;

    sigemptyset(&set);
    pthread_sigmask(SIG_SETMASK, &set, NULL);
    __atomic_store_n(&thread_tid, (int)syscall(SYS_gettid), __ATOMIC_RELEASE);
    while (!thread_stop)
        sleep_ms(1);
    return NULL;
}

TEST(signal_goes_to_the_named_thread)
{
    struct itimerspec it = setting(MS, 3 * MS);
    pthread_t thread;
    int id;

    handle(SIGUSR1);
    REQUIRE(pthread_create(&thread, NULL, wait_in_thread, NULL) == 0);
    while (!__atomic_load_n(&thread_tid, __ATOMIC_ACQUIRE))
        sleep_ms(1);
    id = create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 0, thread_tid);
    REQUIRE(id >= 0);
    CHECK_OK(settime(id, 0, &it, NULL));
    while (count < 5)
        sleep_ms(1);
    CHECK_EQ(last_tid, thread_tid);
    CHECK_OK(syscall(SYS_timer_delete, id));
    thread_stop = 1;
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

TEST(no_signal_but_time)
{
    struct itimerspec it = setting(30 * MS, 0);
    int id = create(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);

    REQUIRE(id >= 0);
    CHECK_OK(settime(id, 0, &it, NULL));
    CHECK_OK(syscall(SYS_timer_gettime, id, &it));
    CHECK(it.it_value.tv_nsec > 0 && it.it_value.tv_nsec <= 30 * MS);
    sleep_ms(40);
    CHECK_OK(syscall(SYS_timer_gettime, id, &it));
    CHECK_EQ(it.it_value.tv_nsec, 0);
}

TEST(default_event_is_sigalrm_with_the_id)
{
    struct itimerspec it = setting(5 * MS, 0);
    int id = -1;

    handle(SIGALRM);
    REQUIRE(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, &id) == 0);
    CHECK_OK(settime(id, 0, &it, NULL));
    wait_for_count(1);
    CHECK_EQ(last_value, id);
}

TEST(errors)
{
    struct itimerspec it = setting(MS, 0);
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0);

    REQUIRE(id >= 0);
    CHECK_ERRNO(create(77, SIGEV_SIGNAL, SIGUSR1, 0, 0), EINVAL);
    CHECK_ERRNO(create(CLOCK_MONOTONIC, SIGEV_SIGNAL, 100, 0, 0), EINVAL);
    CHECK_ERRNO(create(CLOCK_MONOTONIC, 9, SIGUSR1, 0, 0), EINVAL);
    CHECK_ERRNO(create(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 0, 1), EINVAL);
    CHECK_ERRNO(create(CLOCK_MONOTONIC_RAW, SIGEV_SIGNAL, SIGUSR1, 0, 0), EOPNOTSUPP);
    CHECK_ERRNO(settime(id + 100, 0, &it, NULL), EINVAL);
    CHECK_ERRNO(settime(id, 0, NULL, NULL), EINVAL);
    CHECK_ERRNO(settime(id, 0, (void *)ktap_nowhere, NULL), EFAULT);
    it.it_value.tv_nsec = 1000000000;
    CHECK_ERRNO(settime(id, 0, &it, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_timer_gettime, id, ktap_nowhere), EFAULT);
    CHECK_ERRNO(syscall(SYS_timer_getoverrun, id + 100), EINVAL);
    CHECK_ERRNO(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, ktap_nowhere), EFAULT);
}

/* Children inherit none; exec ends them; and many at once are no trouble. */
TEST(fork_has_none)
{
    struct itimerspec it = setting(20 * MS, 20 * MS);
    int id = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 0, 0), status = -1;

    REQUIRE(id >= 0);
    handle(SIGUSR1);
    CHECK_OK(settime(id, 0, &it, NULL));
    if (fork() == 0) {
        count = 0;
        sleep_ms(60);
        _exit(count != 0 || syscall(SYS_timer_gettime, id, &it) == 0);
    }
    while (wait(&status) < 0 && errno == EINTR)
        ;
    CHECK_EQ(status, 0);
}

TEST(many_at_once)
{
    struct itimerspec it;
    int ids[50];

    handle(SIGRTMIN);
    for (int i = 0; i < 50; i++) {
        ids[i] = create(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGRTMIN, i, 0);
        REQUIRE(ids[i] >= 0);
        it = setting((1 + i % 7) * MS, 0);
        CHECK_OK(settime(ids[i], 0, &it, NULL));
    }
    for (int i = 0; i < 200 && count < 50; i++)
        sleep_ms(5);
    CHECK_EQ(count, 50);
    for (int i = 0; i < 50; i++)
        CHECK_OK(syscall(SYS_timer_delete, ids[i]));
}

/* The process may end at any moment of its timers' lives. */
TEST(exit_with_armed_timers)
{
    for (int i = 0; i < (ktap_swept ? 6 : 30); i++) {
        int status = -1;

        if (fork() == 0) {
            struct itimerspec it = setting(50000, 50000);

            signal(SIGUSR1, SIG_IGN);
            for (int k = 0; k < 4; k++) {
                int id = create(k % 2 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, SIGEV_SIGNAL,
                                SIGUSR1, 0, 0);

                if (id < 0 || settime(id, 0, &it, NULL))
                    _exit(1);
            }
            if (i % 3 == 0)
                sleep_ms(i / 3);
            _exit(0);
        }
        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
}

KTAP_MAIN(CASE(fires_once), CASE(interval_goes_on_until_disarmed), CASE(absolute_time),
          CASE(overruns_are_counted), CASE(cpu_time_clocks), CASE(signal_goes_to_the_named_thread),
          CASE(no_signal_but_time), CASE(default_event_is_sigalrm_with_the_id), CASE(errors),
          CASE(fork_has_none), CASE(many_at_once), CASE(exit_with_armed_timers))
