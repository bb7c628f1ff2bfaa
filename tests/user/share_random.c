/* SPDX-License-Identifier: MIT */
/*
 * share_random [-n OPERATIONS] [-r SEED] [-p PROCESSES]: random operations of several processes on
 * the same objects, against a model.
 *
 * PROCESSES (6) use three files and memory of their own through a few windows each, OPERATIONS
 * (5000) in all: map, unmap, protect, move, lock, advise, write, read, truncate, punch, fork, exit.
 * Every page that is looked at belongs to one process, which alone changes it in the files: it
 * knows the exact byte, the others know whose mark it may bear. Truncation is done while nobody
 * else does anything. From time to time, and at the end, the kernel's walkers run (/proc/kcheck);
 * at the end nothing may be lost.
 *
 * A run is repeated with the seed it prints, as far as the scheduler plays along; 0 takes the
 * clock. Prints KTAP with one test.
 */
#include "share.h"

#include <pthread.h>
#include <time.h>

#define MAX_PROCESSES 16
#define FILES         3
#define WINDOWS       5
#define POINTS        48    /* pages that are looked at, most of them beside boundaries of tables */
#define ANON_FILE     FILES /* a window on private memory without a file */
#define NOTHING       (-1)
#define RESTART       7 /* exit status: go on in a new process */
#define CHECK_EVERY   500

/* What all know: a file's bytes at the points, its size as a number of points. */
struct object {
    int fd;
    atomic_uchar byte[POINTS];
    atomic_uint dropped[POINTS]; /* truncations that took the page, private copies too */
    unsigned int size;           /* points below it are inside */
};

struct world {
    pthread_rwlock_t lock; /* write: truncation, checks */
    atomic_uint steps, errors;
    struct object files[FILES + 1];
};

/* One window: what this process has mapped there, by point. */
struct window {
    char *at[2]; /* two places; it moves between them */
    int place, file;
    bool shared, whole;         /* whole: one mapping from the first to the last point */
    short prot[POINTS];         /* NOTHING: not mapped */
    short own[POINTS];          /* the byte of a private copy, or NOTHING */
    unsigned int taken[POINTS]; /* object's dropped when it was copied */
};

static struct world *world;
static struct window windows[WINDOWS];
static size_t point_page[POINTS];
static unsigned int nr_processes = 6, me, nr_steps = 5000;
static uint64_t seed = 1, state;
static bool loose; /* a child beside its parent: files change under it */
static int pipe_fds[2];

static unsigned int dice(unsigned int n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned int)(state >> 24) % n;
}

static void wrong(const char *what, int w, int point, long got, long want)
{
    if (atomic_fetch_add(&world->errors, 1) < 10) {
        const struct window *win = &windows[w];

        ktap_note("seed %llu, process %u%s, step %u: %s: %ld, not %ld (window %d, file %d, %s, "
                  "point %d, prot %d, errno %s)",
                  (unsigned long long)seed, me, loose ? " (child)" : "", atomic_load(&world->steps),
                  what, got, want, w, win->file, win->shared ? "shared" : "private", point,
                  point < 0 ? 0 : win->prot[point], strerror(errno));
    }
}

static char *point_at(const struct window *win, int i)
{
    return win->at[win->place] + point_page[i] * page_size;
}

static bool is_mine(int i)
{
    return (unsigned int)i % nr_processes == me;
}

static bool is_private_copy(const struct window *win, int i)
{
    return win->own[i] != NOTHING &&
           win->taken[i] == atomic_load(&world->files[win->file].dropped[i]);
}

static bool is_outside(const struct window *win, int i)
{
    return win->file != ANON_FILE && (unsigned int)i >= world->files[win->file].size;
}

/* ---- looking ---- */

static void check_point(int w, int i)
{
    const struct window *win = &windows[w];
    int got = share_load(point_at(win, i));

    if (win->prot[i] == NOTHING || win->prot[i] == PROT_NONE) {
        if (got != -SIGSEGV)
            wrong("a page that may not be read", w, i, got, -SIGSEGV);
    } else if (is_outside(win, i)) {
        if (got != -SIGBUS)
            wrong("a page beyond the end", w, i, got, -SIGBUS);
    } else if (is_private_copy(win, i)) {
        if (got != win->own[i])
            wrong("a private copy", w, i, got, win->own[i]);
    } else if (is_mine(i) && !loose) {
        if (got != atomic_load(&world->files[win->file].byte[i]))
            wrong("a page of one's own", w, i, got, world->files[win->file].byte[i]);
    } else if (got != 0 &&
               (got < 0 || (unsigned int)got % nr_processes != (unsigned int)i % nr_processes)) {
        wrong("the mark of another's page", w, i, got, i % (int)nr_processes);
    }
}

static void check_all(void)
{
    for (int w = 0; w < WINDOWS; w++)
        for (int i = 0; i < POINTS; i++)
            check_point(w, i);
}

/* Bytes that bear the mark of a point's owner; never 0. */
static unsigned char mark_for(int i)
{
    unsigned int owner = (unsigned int)i % nr_processes;

    return (unsigned char)(nr_processes * (1 + dice(255 / nr_processes - 2)) + owner);
}

/* ---- changing ---- */

static void do_map(int w)
{
    struct window *win = &windows[w];
    int prot = dice(3) ? RW : PROT_READ, flags = MAP_FIXED;
    size_t len = (point_page[POINTS - 1] + 1) * page_size;

    win->file = (int)dice(FILES + 1);
    win->shared = win->file != ANON_FILE && dice(3);
    flags |= win->shared ? MAP_SHARED : MAP_PRIVATE;
    if (win->file == ANON_FILE)
        flags |= MAP_ANONYMOUS;
    munmap(win->at[win->place], len);
    if (mmap(win->at[win->place], len, prot, flags, world->files[win->file].fd, 0) == MAP_FAILED)
        wrong("mmap", w, -1, -1, 0);
    for (int i = 0; i < POINTS; i++) {
        win->prot[i] = (short)prot;
        win->own[i] = NOTHING;
    }
    win->whole = true;
}

/* From one point to another, both included. */
static size_t range(int *from, int *to)
{
    *from = (int)dice(POINTS);
    *to = dice(2) ? *from + (int)dice((unsigned int)(POINTS - *from)) : *from;
    return (point_page[*to] + 1 - point_page[*from]) * page_size;
}

static void do_unmap(int w)
{
    struct window *win = &windows[w];
    int from, to;
    size_t len = range(&from, &to);

    if (munmap(point_at(win, from), len) != 0)
        wrong("munmap", w, from, -1, 0);
    for (int i = from; i <= to; i++)
        win->prot[i] = win->own[i] = NOTHING;
    win->whole = false;
}

static bool is_mapped(const struct window *win, int from, int to)
{
    for (int i = from; i <= to; i++)
        if (win->prot[i] == NOTHING)
            return false;
    return true;
}

static void do_protect(int w)
{
    static const int prots[] = {PROT_NONE, PROT_READ, RW, RW};
    struct window *win = &windows[w];
    int from, to, prot = prots[dice(4)];
    size_t len = range(&from, &to);

    if (!is_mapped(win, from, to))
        return;
    if (mprotect(point_at(win, from), len, prot) != 0)
        wrong("mprotect", w, from, -1, 0);
    for (int i = from; i <= to; i++)
        win->prot[i] = (short)prot;
    win->whole = false;
}

static void do_move(int w)
{
    struct window *win = &windows[w];
    size_t len = (point_page[POINTS - 1] + 1) * page_size;
    char *to = win->at[!win->place];

    if (!win->whole)
        return;
    if (sys_mremap(win->at[win->place], len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) != (long)to)
        wrong("mremap", w, -1, -1, 0);
    win->place = !win->place;
}

static void do_advise(int w)
{
    static const int advices[] = {MADV_DONTNEED, MADV_COLD, MADV_PAGEOUT, MADV_POPULATE_READ,
                                  MADV_WILLNEED, 0x5100,    0x5101,       MADV_DONTNEED};
    struct window *win = &windows[w];
    int from, to, advice = advices[dice(8)];
    size_t len = range(&from, &to);

    if (!is_mapped(win, from, to))
        return;
    if (madvise(point_at(win, from), len, advice) == 0 && advice == MADV_DONTNEED)
        for (int i = from; i <= to && !win->shared; i++)
            win->own[i] = NOTHING;
    win->whole = false; /* advice may cut an area */
}

/* Shared windows only: locking a private one copies its pages, and forbids to discard them. */
static void do_lock(int w)
{
    struct window *win = &windows[w];
    int from, to;
    size_t len = range(&from, &to);

    if (!win->shared || !is_mapped(win, from, to))
        return;
    if (dice(2))
        mlock(point_at(win, from), len);
    else
        munlock(point_at(win, from), len);
    win->whole = false;
}

/* A byte into a page: by the program, or by the kernel out of a pipe. */
static void store(int w, int i, unsigned char byte)
{
    char *at = point_at(&windows[w], i), c = (char)byte;

    if (dice(3)) {
        int got = share_store(at, c);

        if (got)
            wrong("a write", w, i, got, 0);
    } else if (write(pipe_fds[1], &c, 1) != 1 || read(pipe_fds[0], at, 1) != 1) {
        wrong("a read into memory", w, i, -1, 0);
    }
}

static void do_write(int w)
{
    struct window *win = &windows[w];

    for (int n = 1 + (int)dice(8); n > 0; n--) {
        int i = (int)dice(POINTS);
        unsigned char byte = mark_for(i);

        if (win->prot[i] != RW || is_outside(win, i)) {
            int got = win->prot[i] == RW ? -SIGBUS : -SIGSEGV, is;

            if (win->prot[i] == PROT_READ || win->prot[i] == PROT_NONE) {
                is = share_store(point_at(win, i), 'W');
                if (is != got)
                    wrong("a write that must fail", w, i, is, got);
            }
        } else if (!win->shared) {
            store(w, i, byte);
            win->own[i] = byte;
            win->taken[i] = atomic_load(&world->files[win->file].dropped[i]);
        } else if (is_mine(i) && !loose) {
            atomic_store(&world->files[win->file].byte[i], byte);
            store(w, i, byte);
        }
    }
}

/* One's own page of a file, not through memory: written, or made a hole. */
static void do_file(void)
{
    struct object *o = &world->files[dice(FILES)];
    int i = (int)(dice(POINTS / nr_processes) * nr_processes + me);
    off_t at = (off_t)(point_page[i] * page_size);
    unsigned char byte = mark_for(i), got = 0;

    if ((unsigned int)i >= o->size)
        return;
    if (dice(3) == 0) {
        atomic_store(&o->byte[i], 0);
        if (fallocate(o->fd, 3, at, (off_t)page_size) != 0) /* keep size, punch */
            wrong("fallocate", 0, i, -1, 0);
    } else {
        atomic_store(&o->byte[i], byte);
        if (pwrite(o->fd, &byte, 1, at) != 1)
            wrong("pwrite", 0, i, -1, 0);
    }
    if (pread(o->fd, &got, 1, at) != 1 || got != o->byte[i])
        wrong("pread", 0, i, got, o->byte[i]);
}

/* Called with the world to oneself. */
static void set_size(struct object *o, unsigned int size)
{
    size_t pages = size < POINTS ? point_page[size] : point_page[POINTS - 1] + 1;

    if (ftruncate(o->fd, (off_t)(pages * page_size)) != 0)
        wrong("ftruncate", 0, (int)size, -1, 0);
    for (unsigned int i = size; i < o->size; i++) {
        atomic_store(&o->byte[i], 0);
        atomic_fetch_add(&o->dropped[i], 1);
    }
    o->size = size;
}

static void do_truncate(void)
{
    struct object *o = &world->files[dice(FILES)];

    pthread_rwlock_unlock(&world->lock);
    pthread_rwlock_wrlock(&world->lock);
    set_size(o, dice(POINTS + 1));
    if (dice(3))
        set_size(o, POINTS);
    check_all();
}

/* The child has what the parent has at this moment; it waits for nobody, or the parent waits for
 * it. */
static void do_fork(void)
{
    bool beside = dice(2);
    pid_t pid = fork();

    if (pid < 0)
        return;
    if (pid == 0) {
        unsigned int before = atomic_load(&world->errors);

        if (beside) /* the parent's hold of it may end */
            pthread_rwlock_rdlock(&world->lock);
        loose = true;
        state = state * 31 + 7;
        if (pipe(pipe_fds) != 0) /* the parent uses the other one */
            _exit(1);
        if (dice(2))
            check_all();
        for (int k = 0; k < 6; k++) {
            int w = (int)dice(WINDOWS);

            switch (dice(5)) {
            case 0: do_unmap(w); break;
            case 1: do_protect(w); break;
            case 2: do_move(w); break;
            default: do_write(w); break;
            }
        }
        check_all();
        if (beside)
            pthread_rwlock_unlock(&world->lock);
        _exit(atomic_load(&world->errors) != before);
    }
    if (!beside)
        waitpid(pid, NULL, 0); /* what was wrong it has counted */
}

static void check_kernel(void)
{
    pthread_rwlock_unlock(&world->lock);
    pthread_rwlock_wrlock(&world->lock);
    if (share_violations() != 0)
        wrong("the kernel's walkers found violations, see its log", 0, -1, 1, 0);
}

static void one_step(void)
{
    int w = (int)dice(WINDOWS);
    unsigned int what = dice(100);

    if (what < 12)
        do_map(w);
    else if (what < 22)
        do_unmap(w);
    else if (what < 32)
        do_protect(w);
    else if (what < 38)
        do_move(w);
    else if (what < 48)
        do_advise(w);
    else if (what < 52)
        do_lock(w);
    else if (what < 72)
        do_write(w);
    else if (what < 80)
        do_file();
    else if (what < 82)
        do_truncate();
    else if (what < 88)
        do_fork();
    else
        for (int i = 0; i < POINTS; i++)
            check_point(w, i);
}

/* One process, until all steps are done or chance ends it. */
static void play(unsigned int id)
{
    me = id;
    loose = false;
    share_catch();
    if (pipe(pipe_fds) != 0)
        _exit(1);
    for (int w = 0; w < WINDOWS; w++)
        do_map(w);
    while (atomic_load(&world->errors) == 0) {
        unsigned int step = atomic_fetch_add(&world->steps, 1);

        if (step >= nr_steps)
            break;
        pthread_rwlock_rdlock(&world->lock);
        one_step();
        if (step % CHECK_EVERY == CHECK_EVERY - 1)
            check_kernel();
        pthread_rwlock_unlock(&world->lock);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            ;
        if (dice(200) == 0)
            _exit(RESTART);
    }
    while (wait(NULL) > 0)
        ;
    _exit(0);
}

/* ---- the whole ---- */

/* Points: the first pages, around the boundary of two tables, the last pages, some between. */
static void set_points(void)
{
    size_t span = share_span() / page_size;

    for (size_t i = 0; i < POINTS; i++)
        point_page[i] = i < 12   ? i
                        : i < 20 ? span / 2 + i
                        : i < 34 ? span - 27 + i
                                 : 2 * span - POINTS + i;
}

static bool make_world(void)
{
    pthread_rwlockattr_t attr;

    world = mmap(NULL, sizeof(*world), RW, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (world == MAP_FAILED)
        return false;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
    pthread_rwlock_init(&world->lock, &attr);
    set_points();
    for (int f = 0; f < FILES; f++) {
        world->files[f].fd = share_file((point_page[POINTS - 1] + 1) * page_size);
        world->files[f].size = POINTS;
    }
    world->files[ANON_FILE].fd = -1;
    world->files[ANON_FILE].size = POINTS;
    /* The same place in all processes for some windows, another one in each for the rest. */
    for (int w = 0; w < WINDOWS; w++)
        for (int k = 0; k < 2; k++)
            windows[w].at[k] = share_place(2 * share_span());
    return true;
}

static pid_t start(unsigned int id, unsigned int life)
{
    pid_t pid = fork();

    if (pid == 0) {
        state = seed * 0x9e3779b97f4a7c15ull + id * 0x2545f4914f6cdd1dull + life * 77 + 1;
        for (int w = 0; w < WINDOWS / 2; w++) { /* differs: by tables, and in one by a page */
            windows[w].at[0] += BIG * 64 * (id + 1) + (w == 0 ? id * page_size : 0);
            windows[w].at[1] += BIG * 64 * (id + 1) + (w == 0 ? id * page_size : 0);
        }
        play(id);
    }
    return pid;
}

static bool run(void)
{
    pid_t pids[MAX_PROCESSES];
    unsigned int life = 0, left = nr_processes;

    for (unsigned int i = 0; i < nr_processes; i++)
        pids[i] = start(i, life++);
    while (left) {
        int status = -1;
        pid_t pid = wait(&status);

        for (unsigned int i = 0; i < nr_processes; i++) {
            if (pids[i] != pid)
                continue;
            if (WIFEXITED(status) && WEXITSTATUS(status) == RESTART) {
                pids[i] = start(i, life++);
                continue;
            }
            left--;
            if (status != 0) {
                ktap_note("seed %llu: process %u ended with status 0x%x", (unsigned long long)seed,
                          i, status);
                atomic_fetch_add(&world->errors, 1);
            }
        }
        if (pid < 0)
            break;
    }
    ktap_note("%u processes one after the other", life);
    return atomic_load(&world->errors) == 0;
}

/* Tables that objects own and frames that are free, once everything is closed. */
static bool nothing_lost(long tables, long pages)
{
    bool ok = true;

    for (int f = 0; f < FILES; f++)
        close(world->files[f].fd);
    for (int i = 0; i < 50 && share_free_pages() < pages - 64; i++)
        usleep(10000); /* the last tasks are given back a little later */
    if (share_count("pt_share_alloc") - share_count("pt_share_free") != tables) {
        ktap_note("tables of objects: %ld, not %ld",
                  share_count("pt_share_alloc") - share_count("pt_share_free"), tables);
        ok = false;
    }
    if (share_free_pages() < pages - 64) {
        ktap_note("free pages: %ld, not %ld", share_free_pages(), pages);
        ok = false;
    }
    return ok && share_violations() == 0;
}

int main(int argc, char **argv)
{
    long tables, pages;
    bool ok;
    int opt;

    while ((opt = getopt(argc, argv, "n:r:p:")) != -1) {
        if (opt == 'n')
            nr_steps = (unsigned int)strtoul(optarg, NULL, 0);
        else if (opt == 'r')
            seed = strtoull(optarg, NULL, 0);
        else if (opt == 'p')
            nr_processes = (unsigned int)atoi(optarg) % (MAX_PROCESSES + 1);
        else
            return 2;
    }
    seed = seed ? seed : (uint64_t)time(NULL) * 1000003u + (uint64_t)getpid();
    nr_processes = nr_processes ? nr_processes : 1;
    printf("KTAP version 1\n1..1\n");
    ktap_note("%u operations of %u processes, seed %llu", nr_steps, nr_processes,
              (unsigned long long)seed);
    if (seed % 2) {
        char *huge = share_map(share_place(share_span()), share_span(), RW, ANON, -1, 0);

        prctl(PR_SET_THP_DISABLE, 0, 0, 0, 0);
        try_read(huge); /* the zero page stays, once it is made */
        munmap(huge, share_span());
    }
    tables = share_count("pt_share_alloc") - share_count("pt_share_free");
    pages = share_free_pages();
    ok = make_world() && run();
    ok = nothing_lost(tables, pages) && ok;
    ktap_note("pt_share_link %ld, pt_fork_share %ld", share_count("pt_share_link"),
              share_count("pt_fork_share"));
    printf("%sok 1 share_random\n", ok ? "" : "not ");
    return !ok;
}
