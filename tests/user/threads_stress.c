/* SPDX-License-Identifier: MIT */
/*
 * threads_stress [-t THREADS] [-s SECONDS] [-r SEED] [-b PROGRAM]: everything about address spaces
 * at once.
 *
 * THREADS (8) workers share one address space for SECONDS (60). Each owns its mappings, keeps a
 * model of what every page must hold, and does random operations on them: map, touch, protect,
 * unmap a part, mremap, madvise, read and write through a pipe, fork a child that checks the copy,
 * start and join a thread. Meanwhile signals arrive. A wrong byte, a fault that should not be, a
 * call that fails for no reason: the program says which and ends with status 1.
 *
 * Prints KTAP with one test. Built with musl and, as threads_stress_glibc, with glibc: -b runs one
 * beside the other, with -q, without a plan and results of its own; there are two tests then.
 */
#include "mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define MAX_THREADS 64
#define NR_REGIONS  8
#define MAX_PAGES   48

enum state { FREE, READ_WRITE, READ_ONLY, NO_ACCESS };

/* The model: page i holds fill[i] in its first and last byte while it is mapped. */
struct region {
    char *at;
    size_t nr;
    unsigned char fill[MAX_PAGES];
    enum state state[MAX_PAGES];
};

struct worker {
    pthread_t thread;
    unsigned int id;
    uint64_t seed, rounds;
    struct region regions[NR_REGIONS];
    int fds[2];
};

static struct worker workers[MAX_THREADS];
static unsigned int nr_threads = 8;
static atomic_bool stop;
static atomic_uint nr_errors, nr_signals;
static __thread unsigned int my_id = ~0u;

static uint64_t next_random(struct worker *w)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

static size_t below(struct worker *w, size_t limit)
{
    return (size_t)(next_random(w) >> 16) % limit;
}

static void complain(const struct worker *w, const char *what, const void *at, long got, long want)
{
    if (atomic_fetch_add(&nr_errors, 1) < 20)
        ktap_note("thread %u: %s at %p: %ld, not %ld (errno: %s)", w->id, what, at, got, want,
                  strerror(errno));
    atomic_store(&stop, true);
}

static void must(const struct worker *w, const char *what, const void *at, bool ok)
{
    if (!ok)
        complain(w, what, at, -1, 0);
}

static bool is_readable(const struct region *r, size_t i)
{
    return r->state[i] == READ_WRITE || r->state[i] == READ_ONLY;
}

static void check_page(const struct worker *w, const struct region *r, size_t i)
{
    volatile unsigned char *p = (unsigned char *)r->at + i * page_size;

    if (p[0] != r->fill[i])
        complain(w, "first byte of a page", (void *)(uintptr_t)p, p[0], r->fill[i]);
    if (p[page_size - 1] != r->fill[i])
        complain(w, "last byte of a page", (void *)(uintptr_t)&p[page_size - 1], p[page_size - 1],
                 r->fill[i]);
}

static void check_region(const struct worker *w, const struct region *r)
{
    for (size_t i = 0; i < r->nr; i++) {
        if (is_readable(r, i))
            check_page(w, r, i);
    }
}

static void do_map(struct worker *w, struct region *r)
{
    if (r->nr)
        return;
    r->nr = 1 + below(w, MAX_PAGES);
    r->at = mmap(NULL, r->nr * page_size, RW, ANON, -1, 0);
    must(w, "mmap", r->at, r->at != MAP_FAILED);
    if (r->at == MAP_FAILED) {
        r->nr = 0;
        return;
    }
    for (size_t i = 0; i < r->nr; i++) {
        r->fill[i] = 0;
        r->state[i] = READ_WRITE;
    }
}

static void do_write(struct worker *w, struct region *r)
{
    for (size_t i = below(w, r->nr); i < r->nr; i++) {
        if (r->state[i] != READ_WRITE)
            continue;
        r->fill[i] = (unsigned char)next_random(w);
        r->at[i * page_size] = (char)r->fill[i];
        r->at[(i + 1) * page_size - 1] = (char)r->fill[i];
    }
}

static void do_protect(struct worker *w, struct region *r)
{
    static const int prots[] = {0, RW, PROT_READ, PROT_NONE};
    size_t from = below(w, r->nr), to = from + 1 + below(w, r->nr - from);
    enum state state = READ_WRITE + (enum state)below(w, 3);

    for (size_t i = from; i < to; i++) {
        if (r->state[i] == FREE)
            continue;
        must(w, "mprotect", r->at + i * page_size,
             mprotect(r->at + i * page_size, page_size, prots[state]) == 0);
        r->state[i] = state;
    }
}

static void do_unmap(struct worker *w, struct region *r, bool all)
{
    size_t from = all ? 0 : below(w, r->nr), to = all ? r->nr : from + 1 + below(w, r->nr - from);
    bool left = false;

    /* A page that is unmapped already may be somebody else's now. */
    for (size_t i = from; i < to; i++) {
        if (r->state[i] == FREE)
            continue;
        must(w, "munmap", r->at + i * page_size, munmap(r->at + i * page_size, page_size) == 0);
        r->state[i] = FREE;
    }
    for (size_t i = 0; i < r->nr; i++)
        left |= r->state[i] != FREE;
    if (!left)
        r->nr = 0;
}

static bool is_whole(const struct region *r)
{
    for (size_t i = 0; i < r->nr; i++) {
        if (r->state[i] != r->state[0] || r->state[i] == FREE)
            return false;
    }
    return r->nr > 0;
}

static void do_remap(struct worker *w, struct region *r)
{
    size_t nr = 1 + below(w, MAX_PAGES);
    char *at;

    if (!is_whole(r) || r->state[0] != READ_WRITE)
        return;
    at = mremap(r->at, r->nr * page_size, nr * page_size, MREMAP_MAYMOVE);
    if (at == MAP_FAILED && errno == EFAULT)
        return; /* one state, but several mappings: that is no error */
    must(w, "mremap", r->at, at != MAP_FAILED);
    if (at == MAP_FAILED)
        return;
    for (size_t i = r->nr; i < nr; i++) {
        r->fill[i] = 0;
        r->state[i] = READ_WRITE;
    }
    r->at = at;
    r->nr = nr;
}

static void do_discard(struct worker *w, struct region *r)
{
    size_t i = below(w, r->nr);

    if (r->state[i] == FREE)
        return;
    must(w, "madvise", r->at + i * page_size,
         madvise(r->at + i * page_size, page_size, MADV_DONTNEED) == 0);
    r->fill[i] = 0;
}

/* The kernel reads one page and writes another. */
static void do_pipe(struct worker *w, struct region *r)
{
    size_t from = below(w, r->nr), to = below(w, r->nr);

    if (!is_readable(r, from) || r->state[to] != READ_WRITE || from == to)
        return;
    must(w, "write to a pipe", r->at + from * page_size,
         write(w->fds[1], r->at + from * page_size, 1) == 1);
    must(w, "read from a pipe", r->at + to * page_size,
         read(w->fds[0], r->at + to * page_size, 1) == 1);
    r->fill[to] = r->fill[from];
    r->at[(to + 1) * page_size - 1] = (char)r->fill[to];
}

/* The child has a copy of everything as it was; it checks and changes only its own. */
static void do_fork(struct worker *w)
{
    int status = -1;
    pid_t pid = fork();

    if (pid < 0 && (errno == EAGAIN || errno == ENOMEM))
        return;
    if (pid == 0) {
        unsigned int before = atomic_load(&nr_errors);

        for (int k = 0; k < NR_REGIONS; k++) {
            struct region *r = &w->regions[k];

            check_region(w, r);
            for (size_t i = 0; i < r->nr; i++) {
                if (r->state[i] == READ_WRITE)
                    r->at[i * page_size] ^= 0x55;
            }
        }
        _exit(atomic_load(&nr_errors) != before);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (status != 0)
        complain(w, "status of a child", NULL, status, 0);
}

static void *short_life(void *arg)
{
    my_id = (unsigned int)(uintptr_t)arg;
    return arg;
}

static void do_thread(struct worker *w)
{
    void *result = NULL;
    pthread_t t;
    int error = pthread_create(&t, NULL, short_life, (void *)(uintptr_t)(w->id + 1000));

    if (error == EAGAIN)
        return;
    must(w, "pthread_create", NULL, error == 0);
    if (error == 0 && pthread_join(t, &result) != 0)
        complain(w, "pthread_join", NULL, 1, 0);
    if (error == 0 && result != (void *)(uintptr_t)(w->id + 1000))
        complain(w, "result of a thread", NULL, (long)(uintptr_t)result, w->id + 1000);
}

static void one_step(struct worker *w)
{
    struct region *r = &w->regions[below(w, NR_REGIONS)];
    size_t what = below(w, 100);

    if (!r->nr) {
        do_map(w, r);
        return;
    }
    if (what < 30)
        do_write(w, r);
    else if (what < 50)
        check_region(w, r);
    else if (what < 65)
        do_protect(w, r);
    else if (what < 75)
        do_unmap(w, r, what < 68);
    else if (what < 83)
        do_remap(w, r);
    else if (what < 91)
        do_discard(w, r);
    else if (what < 98)
        do_pipe(w, r);
    else if (what == 98)
        do_thread(w);
    else if (below(w, 8) == 0)
        do_fork(w);
    if (my_id != w->id)
        complain(w, "thread-local variable", &my_id, my_id, w->id);
    w->rounds++;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    my_id = w->id;
    while (!atomic_load(&stop))
        one_step(w);
    for (int k = 0; k < NR_REGIONS; k++) {
        check_region(w, &w->regions[k]);
        if (w->regions[k].nr)
            do_unmap(w, &w->regions[k], true);
    }
    return NULL;
}

static void on_signal(int sig)
{
    atomic_fetch_add(&nr_signals, 1);
}

static long long now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000ll + ts.tv_nsec / 1000000;
}

static bool start(uint64_t seed)
{
    struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_RESTART};

    sigaction(SIGUSR1, &sa, NULL);
    for (unsigned int i = 0; i < nr_threads; i++) {
        struct worker *w = &workers[i];

        w->id = i;
        w->seed = seed * 0x9e3779b97f4a7c15ull + i * 0x2545f4914f6cdd1dull + 1;
        if (pipe(w->fds) < 0 || pthread_create(&w->thread, NULL, work, w) != 0) {
            ktap_note("cannot start thread %u: %s", i, strerror(errno));
            return false;
        }
    }
    return true;
}

/* False when something was wrong. */
static bool stress(long seconds, uint64_t seed)
{
    long long end = now_ms() + seconds * 1000;
    bool ok = start(seed);
    uint64_t rounds = 0;

    while (ok && now_ms() < end && !atomic_load(&stop)) {
        usleep(5000);
        pthread_kill(workers[(unsigned int)now_ms() % nr_threads].thread, SIGUSR1);
    }
    atomic_store(&stop, true);
    for (unsigned int i = 0; ok && i < nr_threads; i++) {
        pthread_join(workers[i].thread, NULL);
        rounds += workers[i].rounds;
    }
    ktap_note("%u threads, %llu steps, %u signals, %u errors, seed %llu", nr_threads,
              (unsigned long long)rounds, atomic_load(&nr_signals), atomic_load(&nr_errors),
              (unsigned long long)seed);
    return ok && atomic_load(&nr_errors) == 0;
}

static pid_t start_beside(const char *program, long seconds)
{
    char text[24];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(text, sizeof(text), "%ld", seconds);
    execl(program, program, "-q", "-s", text, (char *)NULL);
    ktap_note("cannot start %s: %s", program, strerror(errno));
    _exit(127);
}

int main(int argc, char **argv)
{
    const char *beside = NULL;
    bool ok, quiet = false;
    pid_t pid = -1;
    long seconds = 60;
    uint64_t seed = 1;
    int opt, status = 0;

    while ((opt = getopt(argc, argv, "t:s:r:b:q")) != -1) {
        switch (opt) {
        case 't': nr_threads = (unsigned int)atoi(optarg) % (MAX_THREADS + 1); break;
        case 's': seconds = atol(optarg); break;
        case 'r': seed = strtoull(optarg, NULL, 0); break;
        case 'b': beside = optarg; break;
        case 'q': quiet = true; break;
        default: return 2;
        }
    }
    if (!quiet)
        printf("KTAP version 1\n1..%d\n", beside ? 2 : 1);
    fflush(stdout);
    if (beside)
        pid = start_beside(beside, seconds);
    ok = stress(seconds, seed);
    if (!quiet)
        printf("%sok 1 threads_stress\n", ok ? "" : "not ");
    if (beside) {
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            status = -1;
        printf("%sok 2 %s\n", status == 0 ? "" : "not ", beside);
    }
    return !ok || status != 0;
}
