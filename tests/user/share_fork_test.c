/* SPDX-License-Identifier: MIT */
/*
 * fork of private memory that is large enough for a kernel to share its page tables copy-on-write:
 * parent and child must not notice. The numbers F1... are those of the list of tests that the
 * design of shared tables was made from.
 */
#include "fail_nth.h"
#include "share.h"

#include "../../include/uapi/dmatest.h"
#include <pthread.h>
#include <sys/ioctl.h>

#define ROUNDS (ktap_swept ? 2 : 20)

/* Several tables of private memory, written sparsely: enough for fork to share them. */
#define SPANS (ktap_swept ? 5u : 8u)
static size_t area_len;
#define STEP share_step()

static char *new_area(void)
{
    char *p;

    area_len = SPANS * share_span();
    p = share_map(share_place(area_len), area_len, RW, ANON, -1, 0);
    share_fill(p, area_len, STEP);
    return p;
}

/* F1: both write the same table at the same time, over and over. */
TEST(f1_both_write_at_once)
{
    struct share_mark mark = share_begin(SHARE_FORK);
    char *p = new_area();

    stage_new();
    for (unsigned int i = 0; i < (unsigned int)ROUNDS; i++) {
        pid_t pid = peer();
        char mine = pid == 0 ? 'c' : 'p';

        if (pid > 0 || pid == 0)
            stage_meet(0, 2 * (i + 1));
        for (size_t k = 0; k < 64; k++)
            p[k * page_size + 1] = (char)(mine + (char)k);
        for (size_t k = 0; k < 64; k++)
            CHECK_EQ(p[k * page_size + 1], (char)(mine + (char)k));
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        if (pid == 0)
            peer_end();
        CHECK_PEER(pid);
    }
    CHECK_FORK_SHARED(mark, ROUNDS);
}

/* Threads of the parent write while it forks: the child has each page of one moment. */
struct writer {
    pthread_t thread;
    char *p;
    atomic_bool stop;
};

static void *writes(void *arg)
{
    struct writer *w = arg;

    /* First a page of one table, then one of the next: at any moment they differ by one at most. */
    for (unsigned int i = 1; !atomic_load(&w->stop); i++) {
        *(volatile unsigned int *)w->p = i;
        atomic_thread_fence(memory_order_seq_cst);
        *(volatile unsigned int *)(w->p + share_span()) = i;
        atomic_thread_fence(memory_order_seq_cst);
    }
    return NULL;
}

TEST(f1_fork_beside_writers)
{
    struct writer w = {.p = new_area()};

    skip_race_under_sweep();
    *(unsigned int *)w.p = *(unsigned int *)(w.p + share_span()) = 0;
    CHECK_EQ(pthread_create(&w.thread, NULL, writes, &w), 0);
    for (int i = 0; i < ROUNDS; i++) {
        pid_t pid = peer();

        if (pid == 0) {
            volatile unsigned int *a = (volatile unsigned int *)w.p;
            volatile unsigned int *b = (volatile unsigned int *)(w.p + share_span());
            unsigned int first = *a, second = *b;

            CHECK(first - second <= 1);
            for (int k = 0; k < 1000; k++) { /* the parent goes on writing, not here */
                CHECK_EQ(*a, first);
                CHECK_EQ(*b, second);
                if (k == 500) {
                    *a = first;
                    *b = second;
                }
            }
            peer_end();
        }
        CHECK_PEER(pid);
    }
    atomic_store(&w.stop, true);
    pthread_join(w.thread, NULL);
}

/* F2: a page in the table is pinned by a device; it stays the parent's, the child has the bytes. */
TEST(f2_pinned_page_in_the_table)
{
    int device = open("/dev/dmatest", O_RDWR);
    struct dmatest_pin pin = {.len = page_size, .flags = DMATEST_WRITE};
    struct dmatest_access a = {.len = 1};
    char *p, c = 0;
    pid_t pid;

    if (device < 0)
        ktap_skip("no /dev/dmatest");
    stage_new();
    p = new_area();
    pin.addr = (uintptr_t)p + STEP * page_size;
    CHECK_OK(ioctl(device, DMATEST_PIN, &pin));
    a.region = pin.region;
    a.buffer = (uintptr_t)&c;
    pid = peer();
    if (pid == 0) {
        stage_wait(0, 1);
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        p[STEP * page_size] = 'c';
        stage_done(1);
        stage_wait(2, 1);
        CHECK_EQ(p[STEP * page_size], 'c');
        peer_end();
    }
    p[STEP * page_size] = 'p';
    CHECK_OK(ioctl(device, DMATEST_ACCESS, &a));
    CHECK_EQ(c, 'p');
    p[STEP * page_size] = (char)share_byte(STEP);
    /* The device writes: the parent sees it, the child does not. */
    stage_done(0);
    stage_wait(1, 1);
    c = 'd';
    a.flags = DMATEST_WRITE;
    CHECK_OK(ioctl(device, DMATEST_ACCESS, &a));
    CHECK_EQ(p[STEP * page_size], 'd');
    stage_done(2);
    CHECK_PEER(pid);
    p[STEP * page_size] = (char)share_byte(STEP);
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
}

/* F3: one table under two areas, with different permissions. */
TEST(f3_table_under_two_areas)
{
    char *p = new_area(), *cut = p + share_span() / 2;
    pid_t pid;

    CHECK_OK(mprotect(cut, share_span(), PROT_READ));
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        CHECK_EQ(try_write(cut), SIGSEGV);
        cut[-1] = 'c';
        CHECK_EQ(try_write(cut + share_span() - page_size), SIGSEGV);
        CHECK_OK(mprotect(cut, share_span(), RW));
        share_fill(cut + 1, share_span() - 1, 1);
        peer_end();
    }
    CHECK_EQ(try_write(cut), SIGSEGV);
    CHECK_PEER(pid);
    CHECK_EQ(cut[-1], 0);
    CHECK_EQ(try_write(cut), SIGSEGV);
    CHECK_OK(mprotect(cut, share_span(), RW));
    CHECK_EQ(cut[1], 0);
    cut[1] = 'w';
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
}

/* F4: three generations use a table, the middle one goes. */
TEST(f4_middle_generation_exits)
{
    struct share_mark mark = share_begin(SHARE_FORK);
    char *p;
    pid_t pid;

    stage_new();
    p = new_area();
    pid = peer();
    if (pid == 0) {
        if (peer() == 0) {
            stage_wait(0, 1); /* the middle is gone */
            CHECK_EQ(share_wrong(p, area_len, STEP), 0);
            p[1] = 'g';
            stage_done(1);
            stage_wait(2, 1);
            CHECK_EQ(p[1], 'g');
            CHECK_EQ(p[share_span() + 1], 0);
            stage->word[0] = (unsigned long)ktap_failures;
            stage_done(3);
            peer_end();
        }
        p[1] = 'm';
        p[share_span() + 1] = 'm';
        peer_end();
    }
    CHECK_PEER(pid);
    stage_done(0);
    stage_wait(1, 1);
    CHECK_EQ(p[1], 0);
    p[1] = 'p';
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
    stage_done(2);
    stage_wait(3, 1);
    CHECK_EQ(stage->word[0], 0);
    CHECK_FORK_SHARED(mark, 2);
}

/* F6: parts of a shared table are unmapped, on either side, up to its last user. */
TEST(f6_half_a_table_unmapped)
{
    char *p = new_area();
    size_t span = share_span();
    pid_t pid;

    stage_new();
    pid = peer();
    if (pid == 0) {
        CHECK_OK(munmap(p + span / 2, span)); /* halves of two tables */
        CHECK_EQ(try_read(p + span / 2), SIGSEGV);
        CHECK_EQ(share_wrong(p, span / 2, STEP), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ((unsigned char)p[3 * span], share_byte(3 * span / page_size));
        CHECK_EQ((unsigned char)p[4 * span - STEP * page_size],
                 share_byte(4 * span / page_size - STEP));
        share_map(p + span / 2, span, RW, ANON, -1, 0);
        CHECK_EQ(p[span], 0);
        peer_end();
    }
    stage_wait(0, 1);
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
    CHECK_OK(munmap(p + 3 * span, 2 * page_size));
    CHECK_OK(munmap(p + 4 * span - 2 * page_size, 4 * page_size));
    CHECK_EQ(try_read(p + 3 * span), SIGSEGV);
    stage_done(1);
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, 3 * span, STEP), 0);
}

/* ---- F7: the parent changes what the child has not looked at yet ---- */

struct change {
    const char *name;
    void (*run)(char *p, size_t len);
};

static void change_write(char *p, size_t len)
{
    for (size_t i = 0; i < len; i += STEP * page_size)
        p[i] = 'w';
}

static void change_unmap(char *p, size_t len)
{
    CHECK_OK(munmap(p, len));
}

static void change_protect(char *p, size_t len)
{
    CHECK_OK(mprotect(p, len, PROT_NONE));
}

static void change_dontneed(char *p, size_t len)
{
    CHECK_OK(madvise(p, len, MADV_DONTNEED));
}

static void change_free(char *p, size_t len)
{
    CHECK_OK(madvise(p, len, MADV_FREE));
}

static void change_move(char *p, size_t len)
{
    char *to = share_place(len);

    CHECK(sys_mremap(p, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to) == (long)to);
    CHECK_EQ((unsigned char)to[0], share_byte(0));
    to[0] = 'm';
}

static void change_replace(char *p, size_t len)
{
    share_map(p, len, RW, ANON, -1, 0);
    memset(p, 'r', page_size);
}

static void change_exec_like(char *p, size_t len)
{
    change_unmap(p, len / 3 / page_size * page_size);
    change_protect(p + len / 2 / page_size * page_size, 8 * page_size);
}

TEST(f7_parent_changes_first)
{
    static const struct change changes[] = {
        {"write", change_write},       {"munmap", change_unmap},    {"mprotect", change_protect},
        {"dontneed", change_dontneed}, {"free", change_free},       {"mremap", change_move},
        {"replace", change_replace},   {"parts", change_exec_like},
    };

    stage_new();
    for (unsigned int i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        char *p = new_area();
        int before = ktap_failures;
        pid_t pid = peer();

        if (pid == 0) {
            stage_wait(0, i + 1);
            CHECK_EQ(share_wrong(p, area_len, STEP), 0);
            p[0] = 'c';
            CHECK_EQ(share_wrong(p + STEP * page_size, 1, 1), share_byte(STEP) != share_byte(0));
            peer_end();
        }
        changes[i].run(p, area_len);
        stage_done(0);
        CHECK_PEER(pid);
        if (ktap_failures != before)
            ktap_note("  that was %s", changes[i].name);
        munmap(p, area_len);
    }
}

/* The child changes, the parent must not notice. */
TEST(f7_child_changes)
{
    static void (*const changes[])(char *, size_t) = {change_write,    change_unmap, change_protect,
                                                      change_dontneed, change_move,  change_replace,
                                                      change_free};
    char *p = new_area();

    for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
        pid_t pid = peer();

        if (pid == 0) {
            changes[i](p, area_len);
            peer_end();
        }
        CHECK_PEER(pid);
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        p[2] = (char)i;
    }
}

/* F8: a second and a third fork while the first child has not written anything yet. */
TEST(f8_forks_while_one_is_open)
{
    enum { NR = 4 };
    char *p = new_area();
    pid_t pids[NR];

    stage_new();
    for (unsigned int c = 0; c < NR; c++) {
        p[1] = (char)c;
        p[share_span() + 1] = (char)c;
        pids[c] = peer();
        if (pids[c])
            continue;
        stage_wait(0, 1);
        CHECK_EQ(p[1], (char)c);
        p[1] = (char)(100 + c);
        CHECK_EQ(p[share_span() + 1], (char)c);
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        CHECK_EQ(p[1], (char)(100 + c));
        peer_end();
    }
    p[1] = 'p';
    stage_done(0);
    for (int c = 0; c < NR; c++)
        CHECK_PEER(pids[c]);
    CHECK_EQ(p[1], 'p');
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
}

/* F9: children are killed while they write, that is copy. */
TEST(f9_killed_in_the_middle)
{
    char *p = new_area();

    skip_race_under_sweep();
    stage_new();
    for (unsigned int i = 0; i < (unsigned int)ROUNDS; i++) {
        pid_t pid = peer();

        if (pid == 0) {
            stage_done(0);
            for (;;)
                for (size_t k = 0; k < area_len; k += page_size)
                    p[k] = 'k';
        }
        stage_wait(0, i + 1);
        usleep(i * 37);
        REQUIRE(pid > 0);
        kill(pid, SIGKILL);
        CHECK_EQ(peer_wait(pid), SIGKILL);
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        p[1] = (char)i;
    }
}

/* ---- F5, F10: memory is lacking ---- */

static void open_nth(void)
{
    nth_fd = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
    if (nth_fd < 0)
        ktap_skip("no fault injection in this kernel (/proc/self/fail-nth)");
}

/* F10: fork fails at each of its allocations, and the parent is as before, its pages its own. */
TEST(f10_fork_fails_at_each_step)
{
    char *p = new_area();
    int failed = 0;
    pid_t pid;

    open_nth();
    for (int n = 1; n < 400; n += ktap_swept ? 3 : 1) {
        int err;

        fflush(stdout);
        arm(n);
        pid = (pid_t)syscall(SYS_fork); /* a C library does more */
        err = errno;
        if (pid == 0)
            _exit(share_wrong(p, area_len, STEP) != 0);
        arm(0);
        if (pid > 0) {
            CHECK_PEER(pid);
            break;
        }
        failed++;
        CHECK(err == ENOMEM || err == EAGAIN);
        CHECK_EQ(share_violations(), 0);
        p[1] = (char)n;
        p[share_span() + 1] = (char)n;
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
    }
    CHECK(failed > 5 && failed < 399);
}

/*
 * F5: no memory for the table or the page when a shared one is written. The write is done a little
 * later or the writer is ended, the other side has lost nothing.
 */
TEST(f5_no_memory_for_the_first_write)
{
    char *p = new_area();

    for (int n = 1; n <= 12; n += ktap_swept ? 4 : 1) {
        int status;
        pid_t pid = peer();

        if (pid == 0) {
            open_nth();
            arm(n);
            p[1] = 'c';
            p[3 * share_span()] = 'c';
            arm(0);
            CHECK_EQ(p[1], 'c');
            p[3 * share_span()] = (char)share_byte(3 * share_span() / page_size);
            CHECK_EQ(share_wrong(p, area_len, STEP), 0);
            peer_end();
        }
        status = peer_wait(pid);
        if (status == KTAP_STATUS_SKIP << 8)
            ktap_skip("no fault injection in this kernel (/proc/self/fail-nth)");
        CHECK(status == 0 || WIFSIGNALED(status));
        CHECK_EQ(share_violations(), 0);
        CHECK_EQ(p[1], 0);
        CHECK_EQ(share_wrong(p, area_len, STEP), 0);
        p[2] = (char)n;
    }
}

/* What an account says must not depend on who has the tables: fork and exit, and it is as before.
 */
TEST(accounts_return)
{
    char *p = new_area();
    long rss = file_field("/proc/self/status", "RssAnon"), dirty = smaps_field(p, "Private_Dirty");
    pid_t pid = peer();

    if (pid == 0) {
        long slack = 64 * (long)page_size / 1024, mine = file_field("/proc/self/status", "RssAnon");

        CHECK(mine >= rss - slack && mine <= rss + slack);
        CHECK_EQ(smaps_field(p, "Rss"), dirty);
        CHECK_EQ(smaps_field(p, "Shared_Dirty"), dirty);
        for (size_t i = 0; i < area_len; i += STEP * page_size)
            p[i]++;
        CHECK_EQ(smaps_field(p, "Private_Dirty"), dirty);
        CHECK_EQ(smaps_field(p, "Shared_Dirty"), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(smaps_field(p, "Private_Dirty"), dirty);
    CHECK_EQ(smaps_field(p, "Shared_Dirty"), 0);
    CHECK_EQ(share_wrong(p, area_len, STEP), 0);
}

KTAP_MAIN(CASE(f1_both_write_at_once), CASE(f1_fork_beside_writers),
          CASE(f2_pinned_page_in_the_table), CASE(f3_table_under_two_areas),
          CASE(f4_middle_generation_exits), CASE(f5_no_memory_for_the_first_write),
          CASE(f6_half_a_table_unmapped), CASE(f7_parent_changes_first), CASE(f7_child_changes),
          CASE(f8_forks_while_one_is_open), CASE(f9_killed_in_the_middle),
          CASE(f10_fork_fails_at_each_step), CASE(accounts_return))
