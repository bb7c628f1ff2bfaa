/* SPDX-License-Identifier: MIT */
/*
 * Races of processes and threads that use one object: making and losing shared tables at the same
 * moment, faults beside cuts, lockless walkers beside both. T2, T7 to T12, T15 and T19 of the tests
 * of shared page tables (share_test.c). Rounds are short and many; wrong bytes are what is counted.
 */
#include "share.h"

#include <pthread.h>
#include <sys/uio.h>

#define ROUNDS (ktap_swept ? 2 : 16)

/* The process' page tables, in KiB, as the kernel accounts them: its own, or those that it links.
 */
static long table_kib(const char *key)
{
    return file_field("/proc/self/status", key);
}

/* T2: who loses the race for a table has nothing of it: all racers' accounts are the same. */
TEST(t2_losers_undo)
{
    enum { NR = 4 };
    struct share_mark mark = share_begin(SHARE_PT);
    size_t span = share_span(), rounds = ktap_swept ? 2 : 16, len = rounds * span;
    pid_t pids[NR];
    int fd;
    char *p = share_new(len, &fd);

    stage_new();
    for (unsigned int c = 0; c < NR; c++) {
        pids[c] = peer();
        if (pids[c])
            continue;
        for (size_t i = 0; i < rounds; i++) {
            stage_meet(0, NR * (unsigned int)(i + 1));
            p[i * span + c] = (char)c;
        }
        stage->word[c] = (unsigned long)(table_kib("VmPTE") + table_kib("VmPTEShared"));
        stage_meet(1, NR);
        peer_end();
    }
    for (int c = 0; c < NR; c++)
        CHECK_PEER(pids[c]);
    for (int c = 1; c < NR; c++)
        CHECK_EQ(stage->word[c], stage->word[0]);
    for (size_t i = 0; i < len; i += span)
        for (int c = 0; c < NR; c++)
            CHECK_EQ(p[i + (size_t)c], c);
    CHECK_SHARED(mark, NR - 1);
}

/* ---- T7: the pages go while another reads ---- */

/* Reads until told; whatever it sees must be 'k', a hole's zero, or a fault. */
static void read_only_k(char *p, size_t nr, unsigned int stop)
{
    size_t bad = 0;

    share_catch();
    for (size_t i = 0; atomic_load(&stage->step[stop]) == 0; i = (i + 1) % nr) {
        int got = share_load(p + i * page_size);

        bad += got != 'k' && got != 0 && got != -SIGBUS;
    }
    CHECK_EQ(bad, 0);
}

/* Takes pages from the allocator and fills them with what nobody may see. */
static void poison(size_t nr)
{
    char *q = map_pages(nr, RW);

    memset(q, 0xaa, nr * page_size);
    munmap(q, nr * page_size);
}

TEST(t7_truncate_under_readers)
{
    size_t nr = 16;
    int fd;
    char *p = share_new(share_span(), &fd);
    pid_t pids[2];

    skip_race_under_sweep();
    stage_new();
    memset(p, 'k', nr * page_size);
    for (int c = 0; c < 2; c++) {
        pids[c] = peer();
        if (pids[c] == 0) {
            read_only_k(p, nr, 0);
            for (size_t i = 0; i < nr; i++)
                CHECK_EQ(share_load(p + i * page_size), -SIGBUS);
            peer_end();
        }
    }
    for (int i = 0; i < ROUNDS / 2; i++) {
        CHECK_OK(ftruncate(fd, 0));
        poison(64);
        for (size_t j = 0; j < nr; j++)
            CHECK_EQ(pwrite(fd, "k", 1, (off_t)(j * page_size)), 1);
    }
    CHECK_OK(ftruncate(fd, 0));
    poison(64);
    stage_done(0);
    CHECK_PEER(pids[0]);
    CHECK_PEER(pids[1]);
}

/* ---- T8: one unlinks, another frees, the first one's second thread reads ---- */

struct reader {
    pthread_t thread;
    char *p;
    size_t nr;
    atomic_bool stop, unmapped;
    atomic_ulong bad;
};

static void *reads_all(void *arg)
{
    struct reader *r = arg;

    for (size_t i = 0; !atomic_load(&r->stop); i = (i + 1) % r->nr) {
        bool gone = atomic_load(&r->unmapped);
        int got = share_load(r->p + i * page_size);

        if (gone ? got != -SIGSEGV : got != 'k' && got != -SIGSEGV && got != -SIGBUS)
            atomic_fetch_add(&r->bad, 1);
    }
    return NULL;
}

/* This process unmaps; the peer frees the pages as soon as it may. */
static void unlink_round(void)
{
    int fd;
    size_t len = share_span();
    struct reader r = {.p = share_new(len, &fd), .nr = 16};
    pid_t pid;

    stage_new();
    memset(r.p, 'k', r.nr * page_size);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(r.p[0], 'k');
        stage_meet(0, 2);
        ftruncate(fd, 0);
        poison(64);
        peer_end();
    }
    CHECK_EQ(pthread_create(&r.thread, NULL, reads_all, &r), 0);
    usleep(500);
    stage_meet(0, 2);
    CHECK_OK(munmap(r.p, len));
    atomic_store(&r.unmapped, true);
    CHECK_PEER(pid);
    atomic_store(&r.stop, true);
    pthread_join(r.thread, NULL);
    CHECK_EQ(r.bad, 0);
    close(fd);
}

TEST(t8_second_thread_after_unlink)
{
    skip_race_under_sweep();
    share_catch();
    for (int i = 0; i < ROUNDS / 2; i++)
        unlink_round();
}

/* ---- T9: the last ones leave together ---- */

TEST(t9_last_users_exit_together)
{
    enum { NR = 4 };
    size_t len = share_span();
    pid_t pids[NR];

    stage_new();
    for (int i = 0; i < ROUNDS; i++) {
        int fd;
        char *p = share_new(len, &fd);

        for (int c = 0; c < NR; c++) {
            pids[c] = peer();
            if (pids[c])
                continue;
            p[(size_t)c * page_size] = 'x';
            p[len - 1] = 'x';
            if (c % 2)
                close(fd);
            stage_meet(0, (unsigned int)(NR * (i + 1)));
            _exit(0);
        }
        munmap(p, len);
        close(fd); /* the object is gone with the last of them, too */
        for (int c = 0; c < NR; c++)
            CHECK_PEER(pids[c]);
    }
}

/* ---- T10 and H4: somebody begins to share what an exiting process is just taking apart ---- */

TEST(t10_share_while_others_exit)
{
    enum { NR = 3 };
    struct share_mark mark = share_begin(SHARE_PT);
    size_t len = 2 * share_span();
    pid_t pids[NR];
    int fd;
    char *p = share_new(len, &fd);

    share_fill(p, len, 64);
    munmap(p, len);
    for (int c = 0; c < NR; c++) {
        pids[c] = peer();
        if (pids[c])
            continue;
        for (int i = 0; i < ROUNDS; i++) {
            pid_t pid = peer();

            if (pid == 0) {
                share_map(p, len, RW, MAP_SHARED, fd, 0);
                _exit(share_wrong(p, len, 64) != 0);
            }
            CHECK_PEER(pid);
        }
        peer_end();
    }
    for (int c = 0; c < NR; c++)
        CHECK_PEER(pids[c]);
    share_map(p, len, RW, MAP_SHARED, fd, 0);
    CHECK_EQ(share_wrong(p, len, 64), 0);
    CHECK_SHARED(mark, 1);
}

/* ---- T11 and H9: an area is cut in the middle of a table beside faults ---- */

struct cutter {
    pthread_t thread;
    char *p;
    size_t len;
    int fd;
    atomic_bool stop;
    atomic_ulong bad;
};

static void *cuts(void *arg)
{
    struct cutter *c = arg;
    char *middle = c->p + c->len / 2;

    for (unsigned int i = 0; !atomic_load(&c->stop); i++) {
        int bad;

        switch (i % 4) {
        case 0: bad = mprotect(middle, page_size, PROT_READ); break;
        case 1: bad = mprotect(middle, page_size, RW); break;
        case 2: bad = munmap(middle, 3 * page_size); break;
        default:
            bad = mmap(middle, 3 * page_size, RW, MAP_SHARED | MAP_FIXED, c->fd,
                       (off_t)(c->len / 2)) != middle;
            break;
        }
        if (bad)
            atomic_fetch_add(&c->bad, 1);
    }
    return NULL;
}

/* All but the middle is there all the time and holds what it should. */
static size_t faults_beside(char *p, size_t len, int rounds)
{
    size_t wrong = 0;

    for (int i = 0; i < rounds; i++) {
        madvise(p, len / 2, MADV_DONTNEED);
        wrong += share_wrong(p, len / 2, 32);
        p[1] = (char)i;
        madvise(p + len / 2 + 4 * page_size, len / 4, MADV_DONTNEED);
        for (size_t k = len / 2 + 32 * page_size; k < len; k += 32 * page_size)
            wrong += (unsigned char)p[k] != share_byte(k / page_size);
    }
    return wrong;
}

TEST(t11_cut_beside_faults)
{
    size_t len = share_span();
    struct cutter c = {.len = len};
    pid_t pid;

    skip_race_under_sweep();
    c.p = share_new(len, &c.fd);
    share_fill(c.p, len, 32);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(faults_beside(c.p, len, ROUNDS * 2), 0);
        peer_end();
    }
    CHECK_EQ(pthread_create(&c.thread, NULL, cuts, &c), 0);
    CHECK_EQ(faults_beside(c.p, len, ROUNDS * 2), 0);
    CHECK_PEER(pid);
    atomic_store(&c.stop, true);
    pthread_join(c.thread, NULL);
    CHECK_EQ(c.bad, 0);
    munmap(c.p, len);
    c.p = share_map(c.p, len, RW, MAP_SHARED, c.fd, 0);
    CHECK_EQ(share_wrong(c.p, len, 32), 0);
}

/* ---- T12 and H11: walkers without locks in a table that is left, given up and used anew ---- */

struct pinner {
    pthread_t thread;
    char *p;
    size_t nr;
    atomic_bool stop;
    atomic_ulong bad, seen;
};

/* A pipe takes the pages by such a walk; what comes out was there once. */
static void *pins(void *arg)
{
    struct pinner *w = arg;
    int fds[2];

    if (pipe(fds) != 0)
        return NULL;
    for (size_t i = 0; !atomic_load(&w->stop); i = (i + 1) % w->nr) {
        struct iovec v = {w->p + i * page_size, 8};
        char got[8];

        if (vmsplice(fds[1], &v, 1, 0) != 8)
            continue;
        if (read(fds[0], got, 8) != 8 || memcmp(got, "kkkkkkkk", 8) != 0)
            atomic_fetch_add(&w->bad, 1);
        atomic_fetch_add(&w->seen, 1);
    }
    close(fds[0]);
    close(fds[1]);
    return NULL;
}

TEST(t12_walker_beside_unshare)
{
    size_t len = share_span(), nr = 16;
    struct pinner w = {.nr = nr};
    int fd;
    pid_t pid;

    skip_race_under_sweep();
    w.p = share_new(len, &fd);
    memset(w.p, 'k', nr * page_size);
    CHECK_EQ(pthread_create(&w.thread, NULL, pins, &w), 0);
    for (int i = 0; i < ROUNDS; i++) {
        pid = peer();
        if (pid == 0) { /* the other user: it comes and goes */
            _exit(w.p[0] != 'k' || munmap(w.p, len) != 0);
        }
        CHECK_OK(munmap(w.p, len));
        poison(16); /* and needs page tables */
        share_map(w.p, len, RW, MAP_SHARED, fd, 0);
        CHECK_EQ(w.p[page_size], 'k');
        CHECK_PEER(pid);
    }
    atomic_store(&w.stop, true);
    pthread_join(w.thread, NULL);
    CHECK_EQ(w.bad, 0);
}

/* ---- T15: moved away and back while others fault in both places ---- */

TEST(t15_mremap_beside_faults)
{
    size_t len = share_span();
    struct reader r = {.nr = 16}, s = {.nr = 16};
    int fd;
    char *to = share_place(len);
    pid_t pid;

    skip_race_under_sweep();
    share_catch();
    r.p = share_new(len, &fd);
    s.p = to;
    memset(r.p, 'k', len / 4);
    pid = peer();
    if (pid == 0) {
        for (int i = 0; i < ROUNDS * 2; i++) {
            madvise(r.p, len, MADV_DONTNEED);
            CHECK_EQ(r.p[(size_t)(i % 16) * page_size], 'k');
        }
        peer_end();
    }
    CHECK_EQ(pthread_create(&r.thread, NULL, reads_all, &r), 0);
    CHECK_EQ(pthread_create(&s.thread, NULL, reads_all, &s), 0);
    for (int i = 0; i < ROUNDS; i++) {
        size_t part = i % 2 ? len : len / 8;

        CHECK(sys_mremap(r.p, part, part, MREMAP_MAYMOVE | MREMAP_FIXED, to) == (long)to);
        CHECK_EQ(to[part / 2], 'k' * (part < len));
        CHECK(sys_mremap(to, part, part, MREMAP_MAYMOVE | MREMAP_FIXED, r.p) == (long)r.p);
    }
    atomic_store(&r.stop, true);
    atomic_store(&s.stop, true);
    pthread_join(r.thread, NULL);
    pthread_join(s.thread, NULL);
    CHECK_EQ(r.bad + s.bad, 0);
    CHECK_PEER(pid);
    for (size_t i = 0; i < len / 4; i += page_size)
        CHECK_EQ(r.p[i], 'k');
}

/* ---- T19: very many users ---- */

/* Rounds of interrupts to other CPUs so far; -1: this kernel does not count them. */
static long flush_rounds(void)
{
    return share_count("tlb_flush_rounds");
}

TEST(t19_thousand_sharers)
{
    unsigned int want = ktap_swept ? 8 : 1000, nr = 0;
    struct share_mark mark = share_begin(SHARE_PT);
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd);
    long before;
    pid_t pid;

    stage_new();
    share_fill(p, len, 16);
    for (; nr < want && (pid = peer()) >= 0; nr++) {
        if (pid == 0) {
            unsigned int bad = share_wrong(p, len, 64) != 0;

            stage_done(0);
            stage_wait(1, 1);
            _exit(bad || try_read(p) != SIGBUS);
        }
    }
    if (nr < want)
        ktap_note("%u processes: %s", nr, strerror(errno));
    stage_wait(0, nr);
    CHECK_SHARED(mark, nr);
    before = flush_rounds();
    CHECK_OK(munmap(p + len / 2, page_size));
    if (before >= 0 && !ktap_swept)
        CHECK(flush_rounds() - before <= 1);
    before = flush_rounds();
    CHECK_OK(ftruncate(fd, 0)); /* for all of them */
    if (before >= 0 && mark.before >= 0 && !ktap_swept && !share_is_off("shared_pt=off"))
        CHECK(flush_rounds() - before <= 2);
    stage_done(1);
    for (unsigned int i = 0; i < nr; i++) {
        int status = -1;

        CHECK(wait(&status) > 0);
        CHECK_EQ(status, 0);
    }
}

KTAP_MAIN(CASE(t2_losers_undo), CASE(t7_truncate_under_readers),
          CASE(t8_second_thread_after_unlink), CASE(t9_last_users_exit_together),
          CASE(t10_share_while_others_exit), CASE(t11_cut_beside_faults),
          CASE(t12_walker_beside_unshare), CASE(t15_mremap_beside_faults),
          CASE(t19_thousand_sharers))
