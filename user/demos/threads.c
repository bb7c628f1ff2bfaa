/* SPDX-License-Identifier: MIT */
/*
 * threads [-t THREADS] [-s SECONDS]: threads (8) map, touch, protect and unmap memory for some
 * seconds (10) and check every byte they read. All share one address space, so every step races
 * with faults and TLB shootdowns of the others. Also a test: exit status 0 means that nothing was
 * wrong.
 *
 * Each thread owns its mappings, and all of them read a page that one thread keeps remapping
 * between two files: a reader must see one file or the other, never a mixture, never anything else.
 */
#include "lib.h"

#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define MAX_PAGES 64

struct worker {
    pthread_t thread;
    unsigned int id;
    uint64_t seed, rounds;
};

static size_t page;
static atomic_bool stop;
static atomic_ulong nr_errors;
static volatile uint64_t *flipping; /* the page that is remapped */

static uint64_t next_random(struct worker *w)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return w->seed;
}

static void complain(const struct worker *w, const char *what, const void *at, uint64_t got,
                     uint64_t want)
{
    if (atomic_fetch_add(&nr_errors, 1) < 20)
        fprintf(stderr, "thread %u: %s at %p: %llx, not %llx\n", w->id, what, at,
                (unsigned long long)got, (unsigned long long)want);
}

static void fill(uint64_t *p, size_t nr, uint64_t value)
{
    for (size_t i = 0; i < nr * page / sizeof(*p); i += page / sizeof(*p) / 2)
        p[i] = value ^ i;
}

static void check(const struct worker *w, uint64_t *p, size_t nr, uint64_t value)
{
    for (size_t i = 0; i < nr * page / sizeof(*p); i += page / sizeof(*p) / 2) {
        if (p[i] != (value ^ i))
            complain(w, "wrong contents", &p[i], p[i], value ^ i);
    }
}

static void check_zero(const struct worker *w, uint64_t *p, size_t nr)
{
    for (size_t i = 0; i < nr * page / sizeof(*p); i += page / sizeof(*p) / 2) {
        if (p[i])
            complain(w, "fresh memory is not zero", &p[i], p[i], 0);
    }
}

static void protect(void *p, size_t len, int prot)
{
    if (mprotect(p, len, prot) < 0)
        err(1, "mprotect");
}

static void one_round(struct worker *w)
{
    size_t nr = 1 + next_random(w) % MAX_PAGES, middle = nr / 2;
    uint64_t value = next_random(w);
    uint64_t *p = mmap(NULL, nr * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *cut = (char *)p + middle * page;

    if (p == MAP_FAILED)
        err(1, "mmap");
    check_zero(w, p, nr);
    fill(p, nr, value);
    protect(p, nr * page, PROT_READ);
    check(w, p, nr, value);
    protect(cut, (nr - middle) * page, PROT_NONE);
    check(w, p, middle, value);
    protect(p, nr * page, PROT_READ | PROT_WRITE);
    check(w, p, nr, value);
    if (next_random(w) % 4 == 0) {
        if (madvise(p, nr * page, MADV_DONTNEED) < 0)
            err(1, "madvise");
        check_zero(w, p, nr);
    }
    /* What is unmapped may be another thread's at once: each page is unmapped exactly once. */
    if (middle && next_random(w) % 4 == 0) {
        munmap(cut, (nr - middle) * page);
        nr = middle;
    }
    munmap(p, nr * page);
    w->rounds++;
}

/* All words of the remapped page are equal in each file, so two reads may differ, one cannot. */
static void check_flipping(struct worker *w)
{
    uint64_t got = flipping[next_random(w) % (page / sizeof(*flipping))];

    if (got != 0x1111111111111111 && got != 0x2222222222222222)
        complain(w, "the shared page", (const void *)flipping, got, 0x1111111111111111);
}

static void *work(void *arg)
{
    struct worker *w = arg;

    while (!atomic_load(&stop)) {
        one_round(w);
        check_flipping(w);
    }
    return NULL;
}

static int make_file(uint64_t value)
{
    uint64_t *p;
    int fd = memfd_create("flip", 0);

    if (fd < 0 || ftruncate(fd, (off_t)page) < 0)
        err(1, "memfd");
    p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED)
        err(1, "mmap");
    for (size_t i = 0; i < page / sizeof(*p); i++)
        p[i] = value;
    munmap(p, page);
    return fd;
}

static void *flip(void *arg)
{
    int fds[2] = {make_file(0x1111111111111111), make_file(0x2222222222222222)};

    for (unsigned int i = 0; !atomic_load(&stop); i++) {
        if (mmap((void *)flipping, page, PROT_READ, MAP_SHARED | MAP_FIXED, fds[i & 1], 0) !=
            (void *)flipping)
            err(1, "mmap over a mapping");
        usleep(100);
    }
    return NULL;
}

static void run(struct worker *workers, unsigned int nr, uint64_t ns)
{
    struct timespec ts = {.tv_sec = (time_t)(ns / 1000000000u),
                          .tv_nsec = (long)(ns % 1000000000u)};
    int fd = make_file(0x1111111111111111);
    pthread_t flipper;

    flipping = mmap(NULL, page, PROT_READ, MAP_SHARED, fd, 0);
    if (flipping == MAP_FAILED)
        err(1, "mmap");
    for (unsigned int i = 0; i < nr; i++) {
        workers[i] = (struct worker){.id = i, .seed = 88172645463325252ull + i * 7919};
        errno = pthread_create(&workers[i].thread, NULL, work, &workers[i]);
        if (errno)
            err(1, "pthread_create");
    }
    errno = pthread_create(&flipper, NULL, flip, NULL);
    if (errno)
        err(1, "pthread_create");
    while (nanosleep(&ts, &ts) < 0 && errno == EINTR)
        ;
    atomic_store(&stop, true);
    for (unsigned int i = 0; i < nr; i++)
        pthread_join(workers[i].thread, NULL);
    pthread_join(flipper, NULL);
}

int main(int argc, char **argv)
{
    unsigned int nr = 8;
    uint64_t ns = 10000000000u, rounds = 0;
    struct worker *workers;
    int opt;

    while ((opt = getopt(argc, argv, "t:s:")) != -1) {
        if (opt == 't')
            nr = (unsigned int)parse_long(optarg, "threads");
        else if (opt != 's' || !parse_duration(optarg, &ns))
            errx(2, "usage: threads [-t threads] [-s seconds]");
    }
    page = (size_t)sysconf(_SC_PAGESIZE);
    workers = xcalloc(nr, sizeof(*workers));
    run(workers, nr, ns);
    for (unsigned int i = 0; i < nr; i++)
        rounds += workers[i].rounds;
    printf("%u threads, %llu rounds, %lu errors\n", nr, (unsigned long long)rounds,
           atomic_load(&nr_errors));
    return atomic_load(&nr_errors) != 0;
}
