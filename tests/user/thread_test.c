/* SPDX-License-Identifier: MIT */
/* POSIX threads as the C library makes them from clone, futex, TLS and mmap. */
#include "mem.h"

#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <time.h>

#define NR 8

static pthread_t threads[NR];

static void start_all(void *(*fn)(void *))
{
    for (long i = 0; i < NR; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, fn, (void *)i), 0);
}

static void join_all(void)
{
    for (int i = 0; i < NR; i++)
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
}

static void *double_it(void *arg)
{
    return (void *)((long)arg * 2);
}

TEST(create_and_join)
{
    void *result;

    start_all(double_it);
    for (long i = 0; i < NR; i++) {
        CHECK_EQ(pthread_join(threads[i], &result), 0);
        CHECK_EQ((long)result, 2 * i);
    }
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static unsigned long counter;

static void *increment(void *arg)
{
    for (int i = 0; i < 20000; i++) {
        pthread_mutex_lock(&mutex);
        counter++;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

TEST(mutex_excludes)
{
    start_all(increment);
    join_all();
    CHECK_EQ(counter, NR * 20000);
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int turn;

#define TURNS (ktap_swept ? 10 : 200)

static void *take_turns(void *arg)
{
    for (int round = 0; round < TURNS; round++) {
        pthread_mutex_lock(&mutex);
        while (turn != (long)arg)
            pthread_cond_wait(&cond, &mutex);
        turn = (turn + 1) % NR;
        counter++;
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

TEST(condition_takes_turns)
{
    counter = 0;
    start_all(take_turns);
    join_all();
    CHECK_EQ(counter, NR * TURNS);
    CHECK_EQ(turn, 0);
}

TEST(condition_times_out)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec += 30000000;
    if (ts.tv_nsec >= 1000000000) {
        ts.tv_sec++;
        ts.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&mutex);
    CHECK_EQ(pthread_cond_timedwait(&cond, &mutex, &ts), ETIMEDOUT);
    pthread_mutex_unlock(&mutex);
}

static pthread_barrier_t barrier;
static atomic_int arrived, barrier_errors, serial;

#define MEETINGS (ktap_swept ? 20 : 100)

static void *meet(void *arg)
{
    for (int round = 1; round <= MEETINGS; round++) {
        atomic_fetch_add(&arrived, 1);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            atomic_fetch_add(&serial, 1);
        if (atomic_load(&arrived) != round * NR)
            atomic_fetch_add(&barrier_errors, 1);
        pthread_barrier_wait(&barrier);
    }
    return NULL;
}

TEST(barrier_meets)
{
    CHECK_EQ(pthread_barrier_init(&barrier, NULL, NR), 0);
    start_all(meet);
    join_all();
    CHECK_EQ(atomic_load(&barrier_errors), 0);
    CHECK_EQ(atomic_load(&serial), MEETINGS);
}

static sem_t semaphore;
static atomic_int inside, most_inside;

static void *enter(void *arg)
{
    for (int i = 0; i < 200; i++) {
        int now, most;

        sem_wait(&semaphore);
        now = atomic_fetch_add(&inside, 1) + 1;
        most = atomic_load(&most_inside);
        while (now > most && !atomic_compare_exchange_weak(&most_inside, &most, now))
            ;
        sched_yield();
        atomic_fetch_sub(&inside, 1);
        sem_post(&semaphore);
    }
    return NULL;
}

TEST(semaphore_limits)
{
    CHECK_OK(sem_init(&semaphore, 0, 3));
    start_all(enter);
    join_all();
    CHECK(atomic_load(&most_inside) <= 3);
    CHECK(atomic_load(&most_inside) >= 1);
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile long pair[2];
static atomic_int torn;

static void *read_or_write(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        if ((long)arg == 0) {
            pthread_rwlock_wrlock(&rwlock);
            pair[0]++;
            pair[1]++;
        } else {
            pthread_rwlock_rdlock(&rwlock);
            if (pair[0] != pair[1])
                atomic_fetch_add(&torn, 1);
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

TEST(rwlock_is_never_torn)
{
    start_all(read_or_write);
    join_all();
    CHECK_EQ(atomic_load(&torn), 0);
    CHECK_EQ(pair[0], 2000);
}

static __thread long tls_value = 7;
static __thread char tls_big[5000];
static atomic_int tls_errors;

static void *use_tls(void *arg)
{
    if (tls_value != 7 || tls_big[4999] != 0)
        atomic_fetch_add(&tls_errors, 1);
    tls_value = (long)arg;
    memset(tls_big, (int)(long)arg, sizeof(tls_big));
    for (int i = 0; i < 100; i++) {
        sched_yield();
        if (tls_value != (long)arg || tls_big[2500] != (char)(long)arg)
            atomic_fetch_add(&tls_errors, 1);
    }
    return NULL;
}

TEST(thread_local_storage)
{
    start_all(use_tls);
    join_all();
    CHECK_EQ(atomic_load(&tls_errors), 0);
    CHECK_EQ(tls_value, 7);
}

static pthread_key_t key;
static atomic_int destroyed;

static void on_destroy(void *value)
{
    atomic_fetch_add(&destroyed, (int)(long)value);
}

static void *use_key(void *arg)
{
    pthread_setspecific(key, (void *)((long)arg + 1));
    return NULL;
}

TEST(key_destructors_run)
{
    CHECK_EQ(pthread_key_create(&key, on_destroy), 0);
    start_all(use_key);
    join_all();
    CHECK_EQ(atomic_load(&destroyed), NR * (NR + 1) / 2);
}

static void *wait_forever(void *arg)
{
    for (;;)
        pause();
    return NULL;
}

TEST(cancel)
{
    void *result;
    pthread_t t;

    CHECK_EQ(pthread_create(&t, NULL, wait_forever, NULL), 0);
    usleep(20000);
    CHECK_EQ(pthread_cancel(t), 0);
    CHECK_EQ(pthread_join(t, &result), 0);
    CHECK(result == PTHREAD_CANCELED);
}

static atomic_int signal_thread;

static void on_usr1(int sig)
{
    atomic_store(&signal_thread, (int)syscall(SYS_gettid));
}

static atomic_int target_tid;

static void *be_signalled(void *arg)
{
    atomic_store(&target_tid, (int)syscall(SYS_gettid));
    while (!atomic_load(&signal_thread))
        usleep(1000);
    return NULL;
}

TEST(pthread_kill_reaches_its_thread)
{
    struct sigaction sa = {.sa_handler = on_usr1};
    pthread_t t;

    sigaction(SIGUSR1, &sa, NULL);
    CHECK_EQ(pthread_create(&t, NULL, be_signalled, NULL), 0);
    while (!atomic_load(&target_tid))
        usleep(1000);
    CHECK_EQ(pthread_kill(t, SIGUSR1), 0);
    CHECK_EQ(pthread_join(t, NULL), 0);
    CHECK_EQ(atomic_load(&signal_thread), atomic_load(&target_tid));
    CHECK(atomic_load(&target_tid) != getpid());
}

static void *exit_group(void *arg)
{
    usleep(10000);
    _exit(21);
    return NULL;
}

TEST(exit_ends_all_threads)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        pthread_t t;

        pthread_create(&t, NULL, wait_forever, NULL);
        pthread_create(&t, NULL, exit_group, NULL);
        for (;;)
            pause();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 21);
}

static void *crash(void *arg)
{
    *ktap_nowhere = 1;
    return NULL;
}

TEST(fault_in_a_thread_kills_the_process)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        pthread_t t;

        pthread_create(&t, NULL, crash, NULL);
        for (;;)
            pause();
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
}

TEST(leader_may_exit_first)
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        pthread_t t;

        pthread_create(&t, NULL, exit_group, NULL);
        pthread_exit(NULL);
    }
    CHECK_EQ(waitpid(pid, &status, 0), pid);
    CHECK_EQ(WEXITSTATUS(status), 21);
}

static char *volatile common;

static void *touch_common(void *arg)
{
    for (size_t i = 0; i < 64; i++)
        common[i * page_size + (size_t)(long)arg] = (char)(long)arg;
    return NULL;
}

TEST(threads_share_memory)
{
    common = map_pages(64, RW);
    start_all(touch_common);
    join_all();
    for (size_t i = 0; i < 64; i++) {
        for (size_t k = 0; k < NR; k++)
            CHECK_EQ(common[i * page_size + k], (char)k);
    }
}

static void *fork_in_thread(void *arg)
{
    int status = -1;
    pid_t pid = fork();

    if (pid == 0)
        _exit(5);
    waitpid(pid, &status, 0);
    return (void *)(long)(status == 5 << 8);
}

TEST(fork_from_threads)
{
    void *ok;

    start_all(fork_in_thread);
    for (int i = 0; i < NR; i++) {
        CHECK_EQ(pthread_join(threads[i], &ok), 0);
        CHECK_EQ((long)ok, 1);
    }
}

TEST(many_short_threads)
{
    for (int round = 0; round < (ktap_swept ? 5 : 100); round++) {
        start_all(double_it);
        join_all();
    }
    /* Joined is not yet gone from /proc: a joiner may run before the thread's last instructions. */
    for (int tries = 0; file_field("/proc/self/status", "Threads") > 1 && tries < 1000; tries++)
        usleep(1000);
    CHECK_EQ(file_field("/proc/self/status", "Threads"), 1);
}

static void *with_detached(void *arg)
{
    atomic_fetch_add(&arrived, 1);
    return NULL;
}

TEST(detached_threads_end)
{
    pthread_attr_t attr;
    pthread_t t;
    int tries = 0;

    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    for (int i = 0; i < 50; i++) {
        while (pthread_create(&t, &attr, with_detached, NULL) != 0 && tries++ < 1000)
            usleep(1000);
    }
    while (file_field("/proc/self/status", "Threads") > 1 && tries++ < 1000)
        usleep(5000);
    CHECK_EQ(atomic_load(&arrived), 50);
    CHECK_EQ(file_field("/proc/self/status", "Threads"), 1);
}

TEST(clone_errors)
{
    CHECK_ERRNO(syscall(SYS_clone, CLONE_THREAD, NULL, NULL, NULL, NULL), EINVAL);
    CHECK_ERRNO(syscall(SYS_clone, CLONE_SIGHAND, NULL, NULL, NULL, NULL), EINVAL);
}

TEST(ids)
{
    CHECK_EQ(syscall(SYS_gettid), getpid());
    CHECK_EQ(syscall(SYS_set_tid_address, &counter), getpid());
}

KTAP_MAIN(CASE(create_and_join), CASE(mutex_excludes), CASE(condition_takes_turns),
          CASE(condition_times_out), CASE(barrier_meets), CASE(semaphore_limits),
          CASE(rwlock_is_never_torn), CASE(thread_local_storage), CASE(key_destructors_run),
          CASE(cancel), CASE(pthread_kill_reaches_its_thread), CASE(exit_ends_all_threads),
          CASE(fault_in_a_thread_kills_the_process), CASE(leader_may_exit_first),
          CASE(threads_share_memory), CASE(fork_from_threads), CASE(many_short_threads),
          CASE(detached_threads_end), CASE(clone_errors), CASE(ids))
