/* SPDX-License-Identifier: MIT */
/* futex(2) as the plain system call: wait, wake, bitsets, requeue, timeouts, robust lists. */
#include "ktap.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>

static long futex(void *word, int op, uint32_t value, const void *timeout, void *other,
                  uint32_t value3)
{
    return syscall(SYS_futex, word, op, value, timeout, other, value3);
}

static atomic_uint word, other, woken;

static void *waiter(void *arg)
{
    while (futex(&word, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0) < 0 && errno == EINTR)
        ;
    atomic_fetch_add(&woken, 1);
    return NULL;
}

/* There is no way to ask whether a thread already waits: a while is enough. */
static void let_them_sleep(void)
{
    usleep(ktap_swept ? 20000 : 100000);
}

static void start_waiters(pthread_t *threads, int nr)
{
    for (int i = 0; i < nr; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, waiter, NULL), 0);
    let_them_sleep();
}

static void join_all(pthread_t *threads, int nr)
{
    for (int i = 0; i < nr; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

TEST(wait_wants_the_value)
{
    atomic_store(&word, 5);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
}

TEST(wake_with_nobody)
{
    CHECK_EQ(futex(&word, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
}

TEST(wait_times_out)
{
    struct timespec ts = {.tv_nsec = 50000000}, before, after;

    clock_gettime(CLOCK_MONOTONIC, &before);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &ts, NULL, 0), ETIMEDOUT);
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000000000ll + after.tv_nsec - before.tv_nsec >=
          50000000);
}

TEST(bitset_timeout_is_absolute)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    ts.tv_nsec += 50000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_nsec -= 1000000000;
        ts.tv_sec++;
    }
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET, 0, &ts, NULL, FUTEX_BITSET_MATCH_ANY), ETIMEDOUT);
    clock_gettime(CLOCK_REALTIME, &ts);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 0, &ts, NULL,
                      FUTEX_BITSET_MATCH_ANY),
                ETIMEDOUT);
}

TEST(wake_counts)
{
    pthread_t threads[4];

    start_waiters(threads, 4);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0), 1);
    let_them_sleep();
    CHECK_EQ(atomic_load(&woken), 1);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 2, NULL, NULL, 0), 2);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 1);
    join_all(threads, 4);
    CHECK_EQ(atomic_load(&woken), 4);
}

TEST(requeue)
{
    pthread_t threads[4];

    start_waiters(threads, 4);
    CHECK_EQ(futex(&word, FUTEX_REQUEUE_PRIVATE, 1, (void *)2L, &other, 0), 3);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 1);
    CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 2);
    join_all(threads, 4);
}

TEST(cmp_requeue)
{
    pthread_t threads[3];

    start_waiters(threads, 3);
    CHECK_ERRNO(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 1, (void *)10L, &other, 7), EAGAIN);
    CHECK_EQ(futex(&word, FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)10L, &other, 0), 3);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 0);
    CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 3);
    join_all(threads, 3);
}

static void *bitset_waiter(void *arg)
{
    futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)arg);
    atomic_fetch_add(&woken, (unsigned int)(uintptr_t)arg);
    return NULL;
}

TEST(wake_bitset_selects)
{
    pthread_t threads[2];

    pthread_create(&threads[0], NULL, bitset_waiter, (void *)1L);
    pthread_create(&threads[1], NULL, bitset_waiter, (void *)2L);
    let_them_sleep();
    CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 4), 0);
    CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 2), 1);
    CHECK_EQ(pthread_join(threads[1], NULL), 0);
    CHECK_EQ(atomic_load(&woken), 2);
    CHECK_EQ(futex(&word, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 3), 1);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, 0), EINVAL);
}

TEST(wake_op)
{
    pthread_t threads[2];

    start_waiters(threads, 2);
    atomic_store(&other, 3);
    /* other += 2; wakes at other too when it was 3. */
    CHECK_EQ(futex(&word, FUTEX_WAKE_OP_PRIVATE, 1, (void *)1L, &other,
                   FUTEX_OP(FUTEX_OP_ADD, 2, FUTEX_OP_CMP_EQ, 3)),
             1);
    CHECK_EQ(atomic_load(&other), 5);
    CHECK_EQ(futex(&word, FUTEX_WAKE_PRIVATE, 100, NULL, NULL, 0), 1);
    join_all(threads, 2);
}

TEST(shared_between_processes)
{
    atomic_uint *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    int status = 0, tries = 0;
    pid_t pid;

    REQUIRE(shared != MAP_FAILED);
    pid = fork();
    if (pid == 0) {
        while (atomic_load(shared) == 0)
            futex(shared, FUTEX_WAIT, 0, NULL, NULL, 0);
        _exit(0);
    }
    while (futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0) == 0 && tries++ < 1000)
        usleep(10000);
    atomic_store(shared, 1);
    futex(shared, FUTEX_WAKE, 1, NULL, NULL, 0);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(tries < 1000);
}

TEST(same_file_at_two_addresses)
{
    int fd = (int)syscall(SYS_memfd_create, "futex", 0u), status, tries = 0;
    atomic_uint *a, *b;
    pid_t pid;

    REQUIRE(fd >= 0 && ftruncate(fd, 4096) == 0);
    a = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    b = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    REQUIRE(a != MAP_FAILED && b != MAP_FAILED && a != b);
    pid = fork();
    if (pid == 0)
        _exit(futex(b, FUTEX_WAIT, 0, NULL, NULL, 0) != 0);
    while (futex(a, FUTEX_WAKE, 1, NULL, NULL, 0) == 0 && tries++ < 1000)
        usleep(10000);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
    CHECK(tries < 1000);
}

static void on_signal(int sig)
{
}

TEST(interrupted_by_signal)
{
    struct sigaction sa = {.sa_handler = on_signal};
    pid_t pid, parent = getpid();

    sigaction(SIGUSR1, &sa, NULL);
    pid = fork();
    if (pid == 0) {
        usleep(50000);
        kill(parent, SIGUSR1);
        _exit(0);
    }
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, NULL, NULL, 0), EINTR);
    waitpid(pid, NULL, 0);
}

TEST(error_table)
{
    struct timespec bad = {.tv_nsec = 1000000000};
    char *p = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK_ERRNO(futex((char *)&word + 1, FUTEX_WAIT, 0, NULL, NULL, 0), EINVAL);
    CHECK_ERRNO(futex((char *)&word + 2, FUTEX_WAKE, 1, NULL, NULL, 0), EINVAL);
    CHECK_ERRNO(futex(p, FUTEX_WAIT, 0, NULL, NULL, 0), EFAULT);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, &bad, NULL, 0), EINVAL);
    CHECK_ERRNO(futex(&word, FUTEX_WAIT, 0, (void *)16, NULL, 0), EFAULT);
    CHECK_ERRNO(futex(&word, 99, 0, NULL, NULL, 0), ENOSYS);
    CHECK_ERRNO(futex(&word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0), EINVAL);
}

static pthread_mutex_t *robust_mutex;

static void *die_with_lock(void *arg)
{
    pthread_mutex_lock(robust_mutex);
    return NULL;
}

static void init_robust(bool shared)
{
    pthread_mutexattr_t attr;

    pthread_mutexattr_init(&attr);
    pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
    if (shared)
        pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    robust_mutex = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK_EQ(pthread_mutex_init(robust_mutex, &attr), 0);
}

TEST(robust_thread)
{
    pthread_t t;

    init_robust(false);
    CHECK_EQ(pthread_create(&t, NULL, die_with_lock, NULL), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(pthread_mutex_lock(robust_mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(robust_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(robust_mutex), 0);
    CHECK_EQ(pthread_mutex_lock(robust_mutex), 0);
}

TEST(robust_process)
{
    int status;
    pid_t pid;

    init_robust(true);
    pid = fork();
    if (pid == 0) {
        pthread_mutex_lock(robust_mutex);
        kill(getpid(), SIGKILL);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(pthread_mutex_lock(robust_mutex), EOWNERDEAD);
    CHECK_EQ(pthread_mutex_consistent(robust_mutex), 0);
    CHECK_EQ(pthread_mutex_unlock(robust_mutex), 0);
}

static atomic_uint lock_word;
static unsigned long counter;

/* The three-state mutex: 0 free, 1 held, 2 held with waiters. */
static void futex_lock(void)
{
    unsigned int seen = 0;

    if (atomic_compare_exchange_strong(&lock_word, &seen, 1))
        return;
    if (seen != 2)
        seen = atomic_exchange(&lock_word, 2);
    while (seen != 0) {
        futex(&lock_word, FUTEX_WAIT_PRIVATE, 2, NULL, NULL, 0);
        seen = atomic_exchange(&lock_word, 2);
    }
}

static void futex_unlock(void)
{
    if (atomic_exchange(&lock_word, 0) == 2)
        futex(&lock_word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *increment(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        futex_lock();
        counter++;
        futex_unlock();
    }
    return NULL;
}

TEST(mutex_under_contention)
{
    pthread_t threads[8];

    for (int i = 0; i < 8; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, increment, NULL), 0);
    join_all(threads, 8);
    CHECK_EQ(counter, 8 * 20000);
    CHECK_EQ(atomic_load(&lock_word), 0);
}

/* ---- several words ---- */

#ifndef SYS_futex_waitv
#define SYS_futex_waitv 449
#endif

struct waitv {
    uint64_t val, uaddr;
    uint32_t flags, reserved;
};
#define WAITV_32     2
#define WAITV_SHARED WAITV_32
#define WAITV_OWN    (WAITV_32 | FUTEX_PRIVATE_FLAG)

static long waitv(const void *words, unsigned int nr, unsigned int flags,
                  const struct timespec *timeout, int clock)
{
    return syscall(SYS_futex_waitv, words, nr, flags, timeout, clock);
}

static void need_waitv(void)
{
    if (waitv(NULL, 0, 0, NULL, 0) == -1 && errno == ENOSYS)
        ktap_skip("no futex_waitv");
}

static struct waitv on(atomic_uint *at, uint32_t flags)
{
    return (struct waitv){.val = atomic_load(at), .uaddr = (uintptr_t)at, .flags = flags};
}

static struct timespec time_in(int clock, long ms)
{
    struct timespec t;

    clock_gettime(clock, &t);
    t.tv_nsec += ms * 1000000;
    t.tv_sec += t.tv_nsec / 1000000000;
    t.tv_nsec %= 1000000000;
    return t;
}

static atomic_uint many[128];

TEST(waitv_errors)
{
    struct timespec bad = {.tv_nsec = 1000000000}, past = {0, 0};
    struct waitv w[2], all[129];

    need_waitv();
    for (int i = 0; i < 129; i++)
        all[i] = on(&many[i % 128], WAITV_OWN);
    CHECK_ERRNO(waitv(all, 129, 0, NULL, 0), EINVAL);
    CHECK_ERRNO(waitv(all, 0, 0, NULL, 0), EINVAL);
    CHECK_ERRNO(waitv(NULL, 1, 0, NULL, 0), EINVAL);
    CHECK_ERRNO(waitv(all, 1, 1, NULL, 0), EINVAL);
    CHECK_ERRNO(waitv(ktap_nowhere, 1, 0, NULL, 0), EFAULT);
    CHECK_ERRNO(waitv(all, 1, 0, &past, CLOCK_PROCESS_CPUTIME_ID), EINVAL);
    CHECK_ERRNO(waitv(all, 1, 0, &bad, CLOCK_MONOTONIC), EINVAL);
    CHECK_ERRNO(waitv(all, 1, 0, (const struct timespec *)ktap_nowhere, CLOCK_MONOTONIC), EFAULT);
    CHECK_ERRNO(waitv(all, 128, 0, &past, CLOCK_MONOTONIC), ETIMEDOUT);
    w[0] = w[1] = all[0];
    w[1].flags = FUTEX_PRIVATE_FLAG; /* no size */
    CHECK_ERRNO(waitv(w, 2, 0, &past, CLOCK_MONOTONIC), EINVAL);
    w[1].flags = WAITV_OWN | 64;
    CHECK_ERRNO(waitv(w, 2, 0, &past, CLOCK_MONOTONIC), EINVAL);
    w[1] = all[0];
    w[1].reserved = 1;
    CHECK_ERRNO(waitv(w, 2, 0, &past, CLOCK_MONOTONIC), EINVAL);
    w[1] = all[0];
    w[1].uaddr += 2;
    w[0].val++; /* a bad argument comes before a word that differs */
    CHECK_ERRNO(waitv(w, 2, 0, &past, CLOCK_MONOTONIC), EINVAL);
    w[1] = all[0];
    w[1].uaddr = 4096; /* nothing is there */
    w[0].val--;
    CHECK_ERRNO(waitv(w, 2, 0, &past, CLOCK_MONOTONIC), EFAULT);
    w[1] = all[0];
    w[1].val++;
    CHECK_ERRNO(waitv(w, 2, 0, NULL, 0), EAGAIN);
}

TEST(waitv_times_out_on_both_clocks)
{
    static const int clocks[] = {CLOCK_MONOTONIC, CLOCK_REALTIME};
    struct waitv w[2];

    need_waitv();
    w[0] = on(&many[0], WAITV_OWN);
    w[1] = on(&many[1], WAITV_SHARED);
    for (int i = 0; i < 2; i++) {
        struct timespec end = time_in(clocks[i], 50), now;

        CHECK_ERRNO(waitv(w, 2, 0, &end, clocks[i]), ETIMEDOUT);
        clock_gettime(clocks[i], &now);
        CHECK(now.tv_sec > end.tv_sec || (now.tv_sec == end.tv_sec && now.tv_nsec >= end.tv_nsec));
    }
    CHECK_EQ(futex(&many[0], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0); /* none is left queued */
    CHECK_EQ(futex(&many[1], FUTEX_WAKE, 9, NULL, NULL, 0), 0);
}

static void *wait_for_many(void *arg)
{
    struct timespec end = time_in(CLOCK_MONOTONIC, 20000);
    struct waitv w[128];
    long ret;

    for (int i = 0; i < 128; i++)
        w[i] = on(&many[i], i % 2 ? WAITV_SHARED : WAITV_OWN);
    do
        ret = waitv(w, 128, 0, &end, CLOCK_MONOTONIC);
    while (ret == -1 && errno == EINTR);
    *(long *)arg = ret;
    return NULL;
}

/* Each index wakes, private and shared ones mixed; only with the right kind of wake. */
TEST(waitv_tells_which_word)
{
    static const int index[] = {0, 1, 63, 126, 127};

    need_waitv();
    for (size_t i = 0; i < sizeof(index) / sizeof(index[0]); i++) {
        int at = index[i], wake = at % 2 ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE;
        pthread_t t;
        long ret = -2;

        REQUIRE(pthread_create(&t, NULL, wait_for_many, &ret) == 0);
        let_them_sleep();
        CHECK_EQ(futex(&many[at], wake, 9, NULL, NULL, 0), 1);
        pthread_join(t, NULL);
        CHECK_EQ(ret, at);
        for (int k = 0; k < 128; k++)
            CHECK_EQ(futex(&many[k], k % 2 ? FUTEX_WAKE : FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
    }
}

/* Requeued to a word that it did not name, it is still the first's. */
TEST(waitv_can_be_requeued)
{
    pthread_t t;
    long ret = -2;

    need_waitv();
    REQUIRE(pthread_create(&t, NULL, wait_for_many, &ret) == 0);
    let_them_sleep();
    CHECK_EQ(futex(&many[4], FUTEX_REQUEUE_PRIVATE, 0, (void *)9L, &other, 0), 1);
    CHECK_EQ(futex(&many[4], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
    CHECK_EQ(futex(&other, FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 1);
    pthread_join(t, NULL);
    CHECK_EQ(ret, 4);
}

TEST(waitv_across_processes)
{
    atomic_uint *shared =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct timespec end = time_in(CLOCK_REALTIME, 20000);
    struct waitv w[2];
    int status;
    pid_t pid;

    need_waitv();
    REQUIRE(shared != MAP_FAILED);
    pid = fork();
    if (pid == 0) {
        w[0] = on(&word, WAITV_OWN);
        w[1] = on(&shared[7], WAITV_SHARED);
        _exit(waitv(w, 2, 0, &end, CLOCK_REALTIME) == 1 ? 0 : 1);
    }
    for (int n = 0; futex(&shared[7], FUTEX_WAKE, 1, NULL, NULL, 0) == 0 && n < 200; n++)
        usleep(10000);
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(status, 0);
}

KTAP_MAIN(CASE(wait_wants_the_value), CASE(wake_with_nobody), CASE(wait_times_out),
          CASE(bitset_timeout_is_absolute), CASE(wake_counts), CASE(requeue), CASE(cmp_requeue),
          CASE(wake_bitset_selects), CASE(wake_op), CASE(shared_between_processes),
          CASE(same_file_at_two_addresses), CASE(interrupted_by_signal), CASE(error_table),
          CASE(robust_thread), CASE(robust_process), CASE(mutex_under_contention),
          CASE(waitv_errors), CASE(waitv_times_out_on_both_clocks), CASE(waitv_tells_which_word),
          CASE(waitv_can_be_requeued), CASE(waitv_across_processes))
