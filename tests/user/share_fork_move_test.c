/* SPDX-License-Identifier: MIT */
/*
 * Pages move to other frames while several processes have the page table that maps them, since a
 * fork shared it: all of them must see the same bytes, whatever they do at that time. The same
 * holds where tables are copied at fork; where they are shared, the table must stay so.
 */
#include "share.h"

#include "../../include/uapi/dmatest.h"
#include <pthread.h>
#include <sys/ioctl.h>

#define MIGRATE "/sys/kernel/debug/migrate_pages"
#define COMPACT "/proc/sys/vm/compact_memory"
#define INPLACE "pt_fork_inplace"
#define SPANS   4
#define STEP    share_step()
#define DENSE   (STEP / (ktap_swept ? 2 : 4)) /* after that: more than before, filled holes */
#define MOVED   (ktap_swept ? 3u : 24u)       /* pages of each span that are moved, */
#define PAGES   (MOVED * STEP)                /* and the range in which they lie */

static size_t len;

static char *new_area(void)
{
    char *p;

    len = SPANS * share_span();
    p = share_map(share_place(len), len, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    madvise(p, len, MADV_NOHUGEPAGE);
    share_fill(p, len, STEP);
    return p;
}

static uint64_t frame(const void *at)
{
    return pagemap(at) & PAGEMAP_PFN;
}

/* Pages of each table get other frames. */
static void move_some(char *p)
{
    for (size_t at = 0; at < len; at += share_span())
        CHECK_OK(write_range(MIGRATE, p + at, PAGES * page_size));
}

/* What the counter says that was changed for all who have a table. */
#define CHECK_IN_PLACE(mark, n) CHECK_FORK_SHARED(mark, n)

static struct share_mark broken(void)
{
    return share_begin("pt_fork_break");
}

#define CHECK_NOT_BROKEN(mark)                                                                     \
    do {                                                                                           \
        if (share_forks() && !share_is_off("fork_share"))                                          \
            CHECK_EQ(share_count((mark).name), (mark).before);                                     \
    } while (0)

/* Readers have read each page before, so their TLBs know it; then it moves, and they read again. */
static void readers(unsigned int n)
{
    char *p = new_area();
    struct share_mark inplace = share_begin(INPLACE), breaks = broken();
    pid_t pids[8];
    uint64_t before = frame(p);

    stage_new();
    for (unsigned int i = 0; i < n; i++) {
        pids[i] = peer();
        if (pids[i] != 0)
            continue;
        for (unsigned int k = 0; k < 4; k++) {
            CHECK_EQ(share_wrong(p, len, STEP), 0);
            stage_meet(2 * k, n + 1);
            stage_meet(2 * k + 1, n + 1);
        }
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        peer_end();
    }
    for (unsigned int k = 0; k < 4; k++) {
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        stage_meet(2 * k, n + 1);
        move_some(p);
        stage_meet(2 * k + 1, n + 1);
    }
    CHECK_EQ(share_wrong(p, len, STEP), 0);
    for (unsigned int i = 0; i < n; i++)
        CHECK_PEER(pids[i]);
    CHECK(ktap_swept || frame(p) != before);
    CHECK_IN_PLACE(inplace, SPANS);
    CHECK_NOT_BROKEN(breaks);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

TEST(two_users)
{
    CHECK_OK(write_range(MIGRATE, new_area(), page_size)); /* or skip */
    readers(1);
}

TEST(nine_users)
{
    readers(8);
}

/* The frames that pages have left are filled with something else. */
static void use_free_frames(void)
{
    size_t bytes = 4 * MOVED * page_size;
    char *p = share_map(NULL, bytes, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    madvise(p, bytes, MADV_NOHUGEPAGE);
    memset(p, 0xee, bytes);
    munmap(p, bytes);
}

/* Each of three users is told, the eldest and the youngest too: they read all the time, without a
 * call of the kernel that might make a CPU forget by itself. */
TEST(each_user_forgets)
{
    char *p = new_area();
    pid_t pids[2];

    skip_race_under_sweep();
    stage_new();
    for (unsigned int i = 0; i < 2; i++) {
        pids[i] = peer();
        if (pids[i] != 0)
            continue;
        while (atomic_load(&stage->word[0]) == 0 && ktap_failures == 0)
            CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
        peer_end();
    }
    for (unsigned int i = 0; i < 30; i++) {
        CHECK_OK(write_range(MIGRATE, p, PAGES * page_size));
        use_free_frames();
        CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
    }
    atomic_store(&stage->word[0], 1);
    CHECK_PEER(pids[0]);
    CHECK_PEER(pids[1]);
}

/* The child is the one that asks. */
TEST(moved_through_the_child)
{
    char *p = new_area();
    struct share_mark inplace = share_begin(INPLACE), breaks = broken();
    uint64_t before = frame(p);
    pid_t pid = peer();

    if (pid == 0) {
        move_some(p);
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
    CHECK_IN_PLACE(inplace, SPANS);
    CHECK_NOT_BROKEN(breaks);
    if (share_forks() && !ktap_swept && !share_is_off("fork_share"))
        CHECK(frame(p) != before); /* the parent's too: it is one leaf */
    share_fill(p, len, DENSE);
    CHECK_EQ(share_wrong(p, len, DENSE), 0);
}

/* A page that is both in a shared table and in one that a child has left. */
TEST(some_have_left)
{
    char *p = new_area();
    pid_t pids[3];

    stage_new();
    for (unsigned int i = 0; i < 3; i++) {
        pids[i] = peer();
        if (pids[i] != 0)
            continue;
        if (i == 1)
            p[1] = 'x'; /* one table is its own, with the other pages still shared */
        stage_meet(0, 4);
        stage_meet(1, 4);
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        CHECK_EQ(p[1], i == 1 ? 'x' : 0);
        share_fill(p, len, DENSE);
        CHECK_EQ(share_wrong(p, len, DENSE), 0);
        peer_end();
    }
    stage_meet(0, 4);
    for (int i = 0; i < 4; i++)
        move_some(p);
    stage_meet(1, 4);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
    for (unsigned int i = 0; i < 3; i++)
        CHECK_PEER(pids[i]);
    CHECK_EQ(p[1], 0);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
}

/* ---- at the same time ---- */

#define ROUNDS 6

/* What the children do while their pages move. */
static void live(char *p, unsigned int i, unsigned int round)
{
    switch ((i + round) % 4) {
    case 0: /* reads */ CHECK_EQ(share_wrong(p, len, STEP), 0); break;
    case 1: /* writes: leaves each table */
        for (size_t at = 0; at < len; at += share_span())
            p[at + 1] = (char)i;
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        for (size_t at = 0; at < len; at += share_span())
            CHECK_EQ(p[at + 1], (char)i);
        break;
    case 2: { /* forks */
        pid_t pid = peer();

        if (pid == 0) {
            CHECK_EQ(share_wrong(p, len, STEP), 0);
            p[len / 2 + 2] = 'g';
            CHECK_EQ(share_wrong(p, len, STEP), 0);
            peer_end();
        }
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        CHECK_PEER(pid);
        break;
    }
    default: /* drops one table, cuts another */
        CHECK_OK(madvise(p, share_span(), MADV_DONTNEED));
        CHECK_OK(munmap(p + share_span() + PAGES / 2 * page_size, page_size));
        CHECK_EQ(p[0], 0);
        CHECK_EQ((unsigned char)p[share_span()], share_byte(share_span() / page_size));
        break;
    }
    _exit(ktap_failures != 0);
}

static void churn(unsigned int n, bool compact)
{
    char *p = new_area();
    struct share_mark inplace = share_begin(INPLACE);
    pid_t movers[2], pids[8];

    skip_race_under_sweep();
    stage_new();
    for (unsigned int i = 0; i < 2; i++) {
        movers[i] = peer(); /* each has the tables, too */
        if (movers[i] != 0)
            continue;
        while (atomic_load(&stage->word[0]) == 0) {
            move_some(p);
            if (compact && i == 0)
                write_text(COMPACT, "1");
            CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
        }
        peer_end();
    }
    for (unsigned int round = 0; round < ROUNDS && ktap_failures == 0; round++) {
        for (unsigned int i = 0; i < n; i++) {
            pids[i] = peer();
            if (pids[i] == 0)
                live(p, i, round);
        }
        CHECK_EQ(share_wrong(p, len, STEP), 0);
        for (unsigned int i = 0; i < n; i++)
            CHECK_PEER(pids[i]);
    }
    atomic_store(&stage->word[0], 1);
    CHECK_PEER(movers[0]);
    CHECK_PEER(movers[1]);
    CHECK_EQ(share_wrong(p, len, STEP), 0);
    CHECK_IN_PLACE(inplace, 1);
    share_fill(p, len, DENSE);
    CHECK_EQ(share_wrong(p, len, DENSE), 0);
}

TEST(while_two_live)
{
    churn(2, false);
}

TEST(while_eight_live)
{
    churn(8, false);
}

TEST(while_memory_is_compacted)
{
    churn(3, true);
}

/* Who reads a page that moves in this moment waits, and does not take its leaf for a hole. */
TEST(reading_does_not_leave)
{
    char *p = new_area();
    struct share_mark breaks = broken(), inplace = share_begin(INPLACE);
    pid_t mover;

    skip_race_under_sweep();
    stage_new();
    mover = peer();
    if (mover == 0) {
        for (int i = 0; i < 100; i++)
            CHECK_OK(write_range(MIGRATE, p, PAGES * page_size));
        atomic_store(&stage->word[0], 1);
        peer_end();
    }
    while (atomic_load(&stage->word[0]) == 0)
        CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
    CHECK_PEER(mover);
    CHECK_IN_PLACE(inplace, 1);
    CHECK_NOT_BROKEN(breaks);
}

static void *read_on(void *p)
{
    while (atomic_load(&stage->word[3]) == 0)
        CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
    return NULL;
}

/* Moves, until told to stop; then what it wrote is its own. */
static void move_and_overwrite(char *p)
{
    while (atomic_load(&stage->word[0]) == 0)
        CHECK_OK(write_range(MIGRATE, p, PAGES * page_size));
    for (size_t at = 0; at < PAGES * page_size; at += DENSE * page_size)
        p[at] = (char)~p[at];
    atomic_store(&stage->word[1], 1);
    while (atomic_load(&stage->word[2]) == 0)
        usleep(500);
}

/* A process leaves the table by a copy while its pages move and its other thread reads them: what
 * that has cached may be neither of the old frames nor of those that are another's by now. */
TEST(one_thread_leaves_another_reads)
{
    char *p = new_area();
    pthread_t reader;
    pid_t pid;

    skip_race_under_sweep();
    for (unsigned int round = 0; round < 2 * ROUNDS && ktap_failures == 0; round++) {
        stage_new();
        pid = peer();
        if (pid == 0) {
            move_and_overwrite(p);
            peer_end();
        }
        CHECK_EQ(pthread_create(&reader, NULL, read_on, p), 0);
        usleep(round * 100);
        p[1] = (char)round; /* leaves */
        atomic_store(&stage->word[0], 1);
        while (atomic_load(&stage->word[1]) == 0)
            usleep(500);
        CHECK_EQ(share_wrong(p, PAGES * page_size, STEP), 0);
        usleep(1000);
        atomic_store(&stage->word[3], 1);
        CHECK_EQ(pthread_join(reader, NULL), 0);
        atomic_store(&stage->word[2], 1);
        CHECK_PEER(pid);
    }
}

/* A device that has copies of a child's translations is told when the parent's pages move. */
TEST(a_device_of_another_user)
{
    int device = open("/dev/dmatest", O_RDWR);
    struct dmatest_window w = {.len = PAGES * page_size};
    struct dmatest_io io = {.len = 1};
    char *p = new_area(), c = 0;
    struct share_mark inplace = share_begin(INPLACE);
    pid_t pid;

    if (device < 0)
        ktap_skip("no /dev/dmatest");
    stage_new();
    pid = peer();
    if (pid == 0) {
        stage_meet(0, 2);
        for (int i = 0; i < 4; i++)
            move_some(p);
        stage_meet(1, 2);
        peer_end();
    }
    w.addr = (uintptr_t)p;
    CHECK_OK(ioctl(device, DMATEST_OPEN, &w));
    io.window = w.window;
    io.buffer = (uintptr_t)&c;
    for (unsigned int k = 0; k < 2; k++) {
        for (size_t i = 0; i < PAGES; i += STEP) {
            io.addr = (uintptr_t)(p + i * page_size);
            CHECK_OK(ioctl(device, DMATEST_IO, &io));
            CHECK_EQ((unsigned char)c, share_byte(i));
        }
        stage_meet(k, 2);
    }
    for (size_t i = 0; i < PAGES; i += STEP) {
        io.addr = (uintptr_t)(p + i * page_size);
        CHECK_OK(ioctl(device, DMATEST_IO, &io));
        CHECK_EQ((unsigned char)c, share_byte(i));
    }
    CHECK_PEER(pid);
    CHECK_IN_PLACE(inplace, 1);
    close(device);
}

KTAP_MAIN(CASE(two_users), CASE(nine_users), CASE(each_user_forgets), CASE(moved_through_the_child),
          CASE(some_have_left), CASE(while_two_live), CASE(while_eight_live),
          CASE(while_memory_is_compacted), CASE(reading_does_not_leave),
          CASE(one_thread_leaves_another_reads), CASE(a_device_of_another_user))
