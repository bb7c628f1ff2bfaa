/* SPDX-License-Identifier: MIT */
/*
 * The bugs that Linux's sharing of hugetlb tables had between 2006 and 2026, one test each, on
 * whatever this kernel shares. H1 to H14 are the numbers of the list that the design of shared
 * tables was made from; H4, H9 and H11 are also T10, T11 and T12 of share_race_test.c, here with
 * the order of events of the report.
 */
#include "share.h"

#include <pthread.h>
#include <sys/uio.h>

#define ROUNDS (ktap_swept ? 2 : 16)

static long status_kib(const char *key)
{
    return file_field("/proc/self/status", key);
}

/* Accounts that make no sense: below zero (shown as huge numbers) or more than what is mapped. */
static void check_accounts(void)
{
    static const char *const keys[] = {"VmRSS", "RssAnon", "RssFile", "RssShmem", "VmLck",
                                       "VmPTE", "VmSize",  "VmData",  "VmPin"};

    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        long kib = status_kib(keys[i]);

        if (!CHECK(kib >= -1 && kib < (1l << 32)))
            ktap_note("  %s %ld", keys[i], kib);
    }
    CHECK(status_kib("VmRSS") <= status_kib("VmSize"));
}

/* H1 (2007): A faults, B unmaps last: who faulted is not who pays. */
TEST(h1_accounts_never_negative)
{
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    stage_new();
    pid = peer();
    if (pid == 0) {
        share_fill(p, len, 1); /* all faults are the peer's */
        stage_done(0);
        stage_wait(1, 1);
        CHECK_OK(munmap(p, len));
        check_accounts();
        stage_done(2);
        stage_wait(3, 1);
        check_accounts();
        peer_end();
    }
    stage_wait(0, 1);
    mlock(p, 16 * page_size);
    CHECK_EQ(share_wrong(p, len / 2, 1), 0);
    CHECK(status_kib("RssShmem") >= 16 * (long)page_size / 1024);
    stage_done(1);
    stage_wait(2, 1);
    CHECK_EQ(share_wrong(p, len, 1), 0);
    CHECK(status_kib("RssShmem") >= (long)(len / 1024));
    CHECK_OK(munmap(p, len));
    CHECK(status_kib("RssShmem") < (long)(len / 1024));
    CHECK_EQ(status_kib("VmLck"), 0);
    check_accounts();
    stage_done(3);
    CHECK_PEER(pid);
}

/* ---- H2, H3 (2008, 2018): fork copies entries into a table that it has just shared ---- */

/* Forks @nr children of a shared range, @rounds times, each with a new file; a lost reference
 * keeps the file's pages for ever. */
static void fork_rounds(int nr, int rounds)
{
    size_t len = share_span(), touched = 64;
    long before = -1, after;

    for (int i = 0; i < rounds; i++) {
        int fd;
        char *p = share_new(len, &fd);

        if (i == 1) /* what is made once has been made */
            before = share_free_pages();
        memset(p, 'f', touched * page_size);
        for (int c = 0; c < nr; c++) {
            pid_t pid = peer();

            if (pid == 0) {
                pid_t own = c % 2 ? peer() : -1;

                if (own == 0)
                    _exit(p[page_size] != 'f');
                _exit(p[(touched - 1) * page_size] != 'f' || (own > 0 && peer_wait(own) != 0));
            }
            if (c % 2 == 0)
                CHECK_PEER(pid);
        }
        while (wait(NULL) > 0)
            ;
        munmap(p, len);
        close(fd);
    }
    after = share_free_pages();
    if (before >= 0 && !ktap_swept && !CHECK(after > before - (long)touched * (rounds - 1) / 2))
        ktap_note("  %ld pages are lost", before - after);
}

TEST(h2_fork_leaks_no_reference)
{
    fork_rounds(1, ROUNDS);
}

TEST(h3_three_sharers_and_fork)
{
    fork_rounds(3, ROUNDS);
}

/* H5 (2016): two threads of one process make the same table at once; its count is one. */
struct toucher {
    pthread_t thread;
    char *p;
    size_t rounds, stride;
    unsigned int step;
};

static void *touches(void *arg)
{
    struct toucher *t = arg;

    for (size_t i = 0; i < t->rounds; i++) {
        stage_meet(t->step, 2 * (unsigned int)(i + 1));
        t->p[i * t->stride] = 't';
    }
    return NULL;
}

TEST(h5_two_threads_fault_first)
{
    size_t span = share_span(), rounds = ktap_swept ? 2 : 16, len = rounds * span;
    struct toucher a = {.rounds = rounds, .stride = span}, b;
    long before, most;
    int fd;

    stage_new();
    a.p = share_new(len, &fd);
    b = a;
    b.p += page_size;
    CHECK_EQ(pthread_create(&b.thread, NULL, touches, &b), 0);
    before = status_kib("VmPTE");
    touches(&a);
    pthread_join(b.thread, NULL);
    most = status_kib("VmPTE") - before;
    CHECK(most >= 0);
    CHECK_OK(munmap(a.p, len));
    CHECK(status_kib("VmPTE") <= before + 4 * (long)page_size / 1024);
    CHECK(status_kib("VmPTE") >= 0);
}

/* ---- H6 (2018): taking a page away reaches every user, though it is in one table only ---- */

TEST(h6_pages_leave_every_user)
{
    enum { NR = 5 };
    struct share_mark mark = share_begin(SHARE_PT);
    size_t len = share_span();
    pid_t pids[NR];
    int fd;
    char *p = share_new(len, &fd);

    stage_new();
    share_fill(p, len, 8);
    for (int c = 0; c < NR; c++) {
        pids[c] = peer();
        if (pids[c])
            continue;
        if (c == 1) { /* one of them elsewhere */
            munmap(p, len);
            p = share_map(share_place(len), len, RW, MAP_SHARED, fd, 0);
        }
        CHECK_EQ(share_wrong(p, len, 8), 0);
        if (c == 2) /* one cannot share for a while */
            mprotect(p + page_size, page_size, PROT_READ);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(p[0], 0); /* punched: it is a hole of the file */
        CHECK_EQ(p[8 * page_size], 0);
        CHECK_EQ((unsigned char)p[16 * page_size], share_byte(16));
        stage_done(2);
        stage_wait(3, 1);
        CHECK_EQ(try_read(p + len / 2), SIGBUS);
        CHECK_EQ(try_read(p + len - page_size), SIGBUS);
        CHECK_EQ((unsigned char)p[len / 2 - 8 * page_size], share_byte(len / 2 / page_size - 8));
        peer_end();
    }
    stage_wait(0, NR);
    CHECK_SHARED(mark, NR - 1);
    CHECK_OK(fallocate(fd, 3, 0, (off_t)(9 * page_size))); /* keep size, punch */
    stage_done(1);
    stage_wait(2, NR);
    CHECK_OK(ftruncate(fd, (off_t)(len / 2)));
    stage_done(3);
    for (int c = 0; c < NR; c++)
        CHECK_PEER(pids[c]);
}

/* ---- H7 (2021): a link is gone, but translations that it allowed are not ---- */

struct looker {
    pthread_t thread;
    char *p;
    size_t len;
    atomic_uint phase; /* 0: all is mapped, 1: nothing is, 2: read-only */
    atomic_bool stop;
    atomic_ulong bad;
};

static void *looks(void *arg)
{
    struct looker *l = arg;

    for (size_t i = 0; !atomic_load(&l->stop); i += 8 * page_size) {
        unsigned int phase = atomic_load(&l->phase);
        volatile char *at = l->p + i % l->len;
        int got = phase == 2 ? share_store(at + 1, 'S') : share_load(at);

        if (phase == atomic_load(&l->phase) && phase != 0 && got != -SIGSEGV)
            atomic_fetch_add(&l->bad, 1);
    }
    return NULL;
}

/* One other user; this process' thread has everything in its TLB when the link goes. */
TEST(h7_no_access_after_unshare)
{
    size_t len = share_span();
    struct looker l = {.len = len};
    int fd;
    pid_t pid;

    skip_race_under_sweep();
    share_catch();
    stage_new();
    l.p = share_new(len, &fd);
    share_fill(l.p, len, 8);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(l.p, len, 8), 0);
        stage_wait(0, 1);
        CHECK_EQ(share_wrong(l.p, len, 8), 0);
        peer_end();
    }
    CHECK_EQ(pthread_create(&l.thread, NULL, looks, &l), 0);
    for (int i = 0; i < ROUNDS; i++) {
        usleep(300);
        if (i % 2) {
            CHECK_OK(munmap(l.p, len));
            atomic_store(&l.phase, 1);
            usleep(300);
            atomic_store(&l.phase, 0);
            share_map(l.p, len, RW, MAP_SHARED, fd, 0);
        } else {
            CHECK_OK(mprotect(l.p, len, PROT_READ));
            atomic_store(&l.phase, 2);
            usleep(300);
            atomic_store(&l.phase, 0);
            CHECK_OK(mprotect(l.p, len, RW));
        }
    }
    atomic_store(&l.stop, true);
    pthread_join(l.thread, NULL);
    CHECK_EQ(l.bad, 0);
    stage_done(0);
    CHECK_PEER(pid);
}

/* ---- H8 (2020-22): a fault sleeps, meanwhile its table is another's ---- */

struct filler {
    pthread_t thread;
    char *p;
    size_t len;
    atomic_bool stop;
};

static void *fills(void *arg)
{
    struct filler *f = arg;

    while (!atomic_load(&f->stop))
        madvise(f->p, f->len, MADV_POPULATE_WRITE); /* may find nothing mapped */
    return NULL;
}

TEST(h8_fault_sleeps_while_unshared)
{
    size_t len = share_span();
    struct filler f = {.len = 64 * page_size};
    int fd;
    pid_t pid;

    skip_race_under_sweep();
    f.p = share_new(len, &fd);
    pid = peer();
    if (pid == 0) { /* makes holes, so that faults have pages to make */
        for (int i = 0; i < ROUNDS * 4; i++) {
            f.p[(size_t)(i % 64) * page_size] = 'x';
            fallocate(fd, 3, 0, (off_t)f.len);
        }
        peer_end();
    }
    CHECK_EQ(pthread_create(&f.thread, NULL, fills, &f), 0);
    for (int i = 0; i < ROUNDS; i++) {
        char *q;

        CHECK_OK(munmap(f.p, len));
        q = share_map(f.p, len, RW, ANON, -1, 0); /* what the fault must not fill with the file */
        for (size_t k = 0; k < 64; k++)
            CHECK_EQ(q[k * page_size], 0);
        memset(q, 'a', page_size);
        share_map(f.p, len, RW, MAP_SHARED, fd, 0);
    }
    atomic_store(&f.stop, true);
    pthread_join(f.thread, NULL);
    CHECK_PEER(pid);
    CHECK_OK(ftruncate(fd, 0));
    CHECK_OK(ftruncate(fd, (off_t)len));
    for (size_t k = 0; k < 64; k++)
        CHECK_EQ(f.p[k * page_size], 0);
}

/* H9 (2023): between unsharing for a cut and the cut, a fault shares again. */
TEST(h9_fault_between_unshare_and_cut)
{
    size_t len = share_span();
    struct filler f = {.len = len / 4};
    int fd;
    pid_t pid;

    skip_race_under_sweep();
    f.p = share_new(len, &fd);
    share_fill(f.p, len, 16);
    pid = peer();
    if (pid == 0) {
        for (int i = 0; i < ROUNDS; i++)
            CHECK_EQ(share_wrong(f.p, len, 16), 0);
        peer_end();
    }
    CHECK_EQ(pthread_create(&f.thread, NULL, fills, &f), 0);
    for (int i = 0; i < ROUNDS; i++) {
        CHECK_OK(munmap(f.p + len / 2, len / 2));
        share_map(f.p + len / 2, page_size, RW, ANON, -1, 0);
        f.p[len / 2] = 'a';
        CHECK_OK(munmap(f.p + len / 2, page_size));
        share_map(f.p + len / 2, len / 2, RW, MAP_SHARED, fd, len / 2);
        CHECK_EQ(share_wrong(f.p, len / 2, 16), 0);
    }
    atomic_store(&f.stop, true);
    pthread_join(f.thread, NULL);
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(f.p, len, 16), 0);
}

/* H10 (2024): somebody looks at pages and tables (references for a moment) while they are unshared.
 */
TEST(h10_references_for_a_moment)
{
    size_t len = share_span();
    atomic_uint *stop;
    pid_t pid, parent = getpid();
    long before = 0;

    skip_race_under_sweep();
    stage_new();
    stop = &stage->step[0];
    pid = peer();
    if (pid == 0) {
        char path[64], buf[4096];

        while (atomic_load(stop) == 0) {
            static const char *const files[] = {"smaps", "pagemap", "pagetable", "maps"};

            for (int i = 0; i < 4; i++) {
                int fd;

                snprintf(path, sizeof(path), "/proc/%d/%s", parent, files[i]);
                fd = open(path, O_RDONLY);
                if (i == 1)
                    lseek(fd, (off_t)(((uintptr_t)3 << 43) / page_size * 8), SEEK_SET);
                while (fd >= 0 && read(fd, buf, sizeof(buf)) > 0 && i != 1)
                    ;
                if (fd >= 0)
                    close(fd);
            }
        }
        peer_end();
    }
    for (int i = 0; i < ROUNDS; i++) {
        int fd;
        char *p = share_new(len, &fd);
        pid_t user;

        if (i == 1)
            before = share_free_pages();
        memset(p, 'r', 64 * page_size);
        user = peer();
        if (user == 0)
            _exit(p[page_size] != 'r');
        CHECK_OK(munmap(p + len / 2, page_size));
        CHECK_PEER(user);
        munmap(p, len);
        close(fd);
    }
    if (before > 0)
        CHECK(share_free_pages() > before - 64 * (ROUNDS - 1) / 2);
    atomic_store(stop, 1);
    CHECK_PEER(pid);
}

/* H12 (2025): leaving many shared tables costs one round to the other CPUs, not one per table. */
TEST(h12_one_round_per_exit)
{
    size_t span = share_span(), spans = share_span() > BIG / 128 ? 8 : 32, len = spans * span;
    struct share_mark mark = share_begin(SHARE_PT);
    long before, rounds;
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    stage_new();
    for (size_t i = 0; i < spans; i++)
        p[i * span] = 'i';
    pid = peer();
    if (pid == 0) {
        size_t bad = 0;

        for (size_t i = 0; i < spans; i++)
            bad += p[i * span] != 'i';
        stage->word[0] = (unsigned long)share_count("tlb_flush_rounds");
        _exit(bad != 0);
    }
    CHECK_PEER(pid);
    CHECK_SHARED(mark, 1);
    before = (long)stage->word[0];
    rounds = share_count("tlb_flush_rounds") - before;
    if (before >= 0 && !ktap_swept && !CHECK(rounds < (long)spans / 2))
        ktap_note("  %ld rounds", rounds);
    before = share_count("tlb_flush_rounds");
    CHECK_OK(munmap(p, len));
    if (before >= 0 && !ktap_swept)
        CHECK(share_count("tlb_flush_rounds") - before <= 1);
}

/* H13 (2025-26): everything that asks whether a page is shared gives the same answer. */
static void check_shared_view(const char *p, bool shared)
{
    long kib = (long)page_size / 1024;
    long as_shared = smaps_field(p, "Shared_Dirty") + smaps_field(p, "Shared_Clean");
    long as_private = smaps_field(p, "Private_Dirty") + smaps_field(p, "Private_Clean");

    CHECK_EQ(as_shared, shared ? 16 * kib : 0);
    CHECK_EQ(as_private, shared ? 0 : 16 * kib);
    CHECK_EQ(!(pagemap(p) & PAGEMAP_EXCLUSIVE), shared);
    CHECK_EQ(smaps_field(p, "Rss"), 16 * kib);
    CHECK_EQ(smaps_field(p, "Pss"), shared ? 8 * kib : 16 * kib);
}

TEST(h13_one_answer_to_is_it_shared)
{
    size_t len = share_span();
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    stage_new();
    memset(p, 'v', 16 * page_size);
    check_shared_view(p, false);
    pid = peer();
    if (pid == 0) {
        for (size_t i = 0; i < 16; i++)
            CHECK_EQ(p[i * page_size], 'v');
        check_shared_view(p, true);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_OK(munmap(p, len));
        stage_done(2);
        stage_wait(3, 1);
        peer_end();
    }
    stage_wait(0, 1);
    check_shared_view(p, true);
    stage_done(1);
    stage_wait(2, 1);
    check_shared_view(p, false);
    stage_done(3);
    CHECK_PEER(pid);
    check_shared_view(p, false);
}

/* H14 (2026): a loop that unshares must not step over every second table. */
TEST(h14_every_table_is_visited)
{
    size_t span = share_span(), spans = 8, len = spans * span;
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    for (size_t i = 0; i < len; i += span / 4)
        p[i] = 'v';
    for (int how = 0; how < 3; how++) {
        pid = peer();
        if (pid == 0) {
            size_t from = how == 2 ? span / 4 : page_size, end = len - span / 4 + page_size,
                   bad = 0;

            for (size_t i = 0; i < len; i += span / 4)
                bad += p[i] != 'v';
            CHECK_EQ(bad, 0);
            if (how == 0)
                CHECK_OK(munmap(p + from, end - from));
            else
                CHECK_OK(mprotect(p + from, end - from, how == 1 ? PROT_READ : PROT_NONE));
            for (size_t i = span / 4; i < len; i += span / 4)
                CHECK_EQ(how == 1 ? try_write(p + i) : try_read(p + i), SIGSEGV);
            CHECK_EQ(p[0], 'v');
            peer_end();
        }
        CHECK_PEER(pid);
    }
    for (size_t i = 0; i < len; i += span / 4)
        CHECK_EQ(p[i], 'v');
}

KTAP_MAIN(CASE(h1_accounts_never_negative), CASE(h2_fork_leaks_no_reference),
          CASE(h3_three_sharers_and_fork), CASE(h5_two_threads_fault_first),
          CASE(h6_pages_leave_every_user), CASE(h7_no_access_after_unshare),
          CASE(h8_fault_sleeps_while_unshared), CASE(h9_fault_between_unshare_and_cut),
          CASE(h10_references_for_a_moment), CASE(h12_one_round_per_exit),
          CASE(h13_one_answer_to_is_it_shared), CASE(h14_every_table_is_visited))
