/* SPDX-License-Identifier: MIT */
/*
 * Processes that map the same object, which lets a kernel share the page tables: who sees what when
 * mappings are made, cut, protected and mixed with others. The numbers T1... are those of the list
 * of tests that the design of shared tables was made from; races are in share_race_test.c.
 */
#include "share.h"

#include <sys/uio.h>

/* T1: two processes touch a span for the first time; both have the same frames. */
TEST(t1_first_touch_by_two)
{
    struct share_mark shared = share_begin(SHARE_PT);
    size_t len = share_span();
    const int looks = ktap_swept ? 8 : 1; /* at every so many of 64 */
    int fd;
    char *p;
    pid_t pid;

    stage_new();
    p = share_new(len, &fd);
    pid = peer();
    if (pid == 0) {
        stage_meet(0, 2);
        share_fill(p, len, 16);
        stage_done(1);
        stage_wait(2, 1);
        CHECK_EQ(share_wrong(p, len, 8), 0);
        for (int i = 0; i < 64; i += looks)
            stage->word[i] = pagemap(p + (size_t)i * 8 * page_size) & PAGEMAP_PFN;
        stage_done(3);
        stage_wait(4, 1);
        peer_end();
    }
    stage_meet(0, 2);
    for (size_t i = 8; i * page_size < len; i += 16) /* the peer has the pages between */
        p[i * page_size] = (char)share_byte(i);
    stage_wait(1, 1);
    CHECK_EQ(share_wrong(p, len, 8), 0);
    stage_done(2);
    stage_wait(3, 1);
    for (int i = 0; i < 64; i += looks)
        CHECK_EQ(pagemap(p + (size_t)i * 8 * page_size) & PAGEMAP_PFN, stage->word[i]);
    CHECK_SHARED(shared, 1);
    stage_done(4);
    CHECK_PEER(pid);
}

/* T1 for tables of tables: one file of many spans, another process maps it after it is full. */
TEST(t1_large_object)
{
    struct share_mark shared = share_begin(SHARE_PT);
    int fd;
    char *p;
    pid_t pid;

    stage_new();
    p = share_new(2 * BIG, &fd);
    share_fill(p, 2 * BIG, BIG / page_size / 32);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, 2 * BIG, BIG / page_size / 32), 0);
        p[BIG + 5] = 'c';
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(p[5], 'p');
        munmap(p + BIG, BIG);
        CHECK_EQ(try_read(p + BIG + 5), SIGSEGV);
        CHECK_EQ(p[5], 'p');
        peer_end();
    }
    stage_wait(0, 1);
    CHECK_EQ(p[BIG + 5], 'c');
    p[5] = 'p';
    stage_done(1);
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, 2 * BIG, BIG / page_size / 32), 0);
    CHECK_SHARED(shared, 1);
}

/* T3, found by Ray Bryant in 2006: children put private memory into the middle of what they share.
 */
TEST(t3_private_memory_in_the_middle)
{
    enum { NR = 4 };
    struct share_mark shared = share_begin(SHARE_PT);
    size_t span = share_span(), len = 3 * span;
    pid_t pids[NR];
    int fd;
    char *p;

    stage_new();
    p = share_new(len, &fd);
    share_fill(p, len, 64);
    for (int c = 0; c < NR; c++) {
        pids[c] = peer();
        if (pids[c])
            continue;
        CHECK_EQ(share_wrong(p, len, 64), 0);
        stage_meet(0, NR);
        CHECK_OK(munmap(p + span, span));
        share_map(p + span, span, RW, ANON, -1, 0);
        CHECK_EQ(p[span], 0);
        memset(p + span, 'A' + c, 16 * page_size);
        stage_meet(1, NR);
        for (size_t i = 0; i < 16 * page_size; i += page_size / 2)
            CHECK_EQ(p[span + i], 'A' + c);
        CHECK_EQ(p[2 * span - 1], 0);
        CHECK_EQ(share_wrong(p, span, 64), 0);
        peer_end();
    }
    for (int c = 0; c < NR; c++)
        CHECK_PEER(pids[c]);
    CHECK_EQ(share_wrong(p, len, 64), 0);
    CHECK_SHARED(shared, NR - 1);
}

/* ---- T4: ranges that begin and end one page beside every boundary of tables ---- */

enum change { UNMAP, PROTECT, DISCARD };

/* The peer changes [from, to) of its mapping; nobody else notices, and it sees what it should. */
static void change_range(char *p, size_t len, size_t from, size_t to, enum change how)
{
    pid_t pid = peer();

    if (pid == 0) {
        CHECK_EQ(share_wrong(p, len, 1), 0);
        if (how == UNMAP)
            CHECK_OK(munmap(p + from, to - from));
        else if (how == PROTECT)
            CHECK_OK(mprotect(p + from, to - from, PROT_READ));
        else
            CHECK_OK(madvise(p + from, to - from, MADV_DONTNEED));
        for (size_t i = 0; i < len; i += page_size) {
            bool inside = i >= from && i < to;

            if (inside && how == UNMAP)
                CHECK_EQ(try_read(p + i), SIGSEGV);
            else if (!CHECK_EQ((unsigned char)p[i], share_byte(i / page_size)))
                break;
            if (!inside || how == DISCARD)
                p[i + 1]++;
            else if (how == PROTECT)
                CHECK_EQ(try_write(p + i), SIGSEGV);
        }
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(share_wrong(p, len, 1), 0);
}

/* A window of a few pages on each side of the boundary at @b of a mapping is what is looked at. */
static void change_around(char *p, size_t b, enum change how)
{
    static const struct {
        int from, to;
    } ranges[] = {{-1, 1}, {-1, 0}, {0, 1}, {-2, -1}, {1, 2}, {-3, 3}, {-4, 1}, {0, 4}};
    char *window = p + b - 4 * page_size;

    share_fill(window, 8 * page_size, 1);
    for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
        change_range(window, 8 * page_size, (size_t)(4 + ranges[i].from) * page_size,
                     (size_t)(4 + ranges[i].to) * page_size, how);
}

static void change_at_boundaries(enum change how)
{
    struct share_mark shared = share_begin(SHARE_PT);
    size_t span = share_span();
    int fd;
    char *p = share_new(2 * BIG, &fd);

    change_around(p, span, how);
    if (!ktap_swept) /* most often this is but another boundary of spans */
        change_around(p, BIG / 4, how);
    change_around(p, BIG, how);
    CHECK_SHARED(shared, 1);
}

TEST(t4_munmap_at_boundaries)
{
    change_at_boundaries(UNMAP);
}

TEST(t4_mprotect_at_boundaries)
{
    change_at_boundaries(PROTECT);
}

TEST(t4_dontneed_at_boundaries)
{
    change_at_boundaries(DISCARD);
}

/* A whole table and a page of each neighbour. */
TEST(t4_one_table_and_its_neighbours)
{
    struct share_mark shared = share_begin(SHARE_PT);
    size_t span = share_span(), len = 4 * span, step = 16;
    size_t look = (ktap_swept ? 19 : 1) * page_size; /* 513 = 27 * 19: both neighbours, too */
    int fd;
    char *p = share_new(len, &fd);
    pid_t pid;

    share_fill(p, len, step);
    p[span - page_size] = 'l';
    p[2 * span] = 'r';
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p, span - page_size, step), 0);
        CHECK_EQ((unsigned char)p[3 * span], share_byte(3 * span / page_size));
        CHECK_OK(munmap(p + span - page_size, span + 2 * page_size));
        for (size_t i = span - page_size; i < 2 * span + page_size; i += look)
            if (!CHECK_EQ(try_read(p + i), SIGSEGV))
                break;
        CHECK_EQ(share_wrong(p, span - page_size, step), 0);
        CHECK_EQ((unsigned char)p[3 * span], share_byte(3 * span / page_size));
        peer_end();
    }
    CHECK_PEER(pid);
    CHECK_EQ(p[span - page_size], 'l');
    CHECK_EQ(p[2 * span], 'r');
    CHECK_EQ((unsigned char)p[span], share_byte(span / page_size));
    CHECK_SHARED(shared, 1);
}

/* ---- T5: something else comes into the span of a table that is shared ---- */

/* Half a span of a file, alone in its span, in this process and in a peer that stays. */
static char *half_span(int *fd, pid_t *pid)
{
    size_t span = share_span();
    char *p = share_place(span);

    *fd = share_file(span);
    share_map(p + span / 2, span / 2, RW, MAP_SHARED, *fd, span / 2);
    share_fill(p + span / 2, span / 2, 32);
    *pid = peer();
    if (*pid == 0) {
        CHECK_EQ(share_wrong(p + span / 2, span / 2, 32), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(share_wrong(p + span / 2, span / 2, 32), 0);
        CHECK_EQ(try_read(p), SIGSEGV);
        CHECK_EQ(try_read(p + span / 2 - page_size), SIGSEGV);
        peer_end();
    }
    stage_wait(0, 1);
    return p;
}

static void end_half_span(char *p, pid_t pid)
{
    CHECK_EQ(share_wrong(p + share_span() / 2, share_span() / 2, 32), 0);
    stage_done(1);
    CHECK_PEER(pid);
}

TEST(t5_map_fixed_into_the_span)
{
    int fd;
    pid_t pid;
    char *p;

    stage_new();
    p = half_span(&fd, &pid);
    share_map(p, 4 * page_size, RW, ANON, -1, 0);
    memset(p, 'f', 4 * page_size);
    CHECK_EQ(p[3 * page_size], 'f');
    end_half_span(p, pid);
}

/* A mapping grows into the span in place, and another is moved there. */
TEST(t5_mremap_into_the_span)
{
    size_t span = share_span();
    int fd;
    pid_t pid;
    char *p, *q;

    stage_new();
    p = half_span(&fd, &pid);
    q = share_map(p - page_size, page_size, RW, ANON, -1, 0);
    q[0] = 'q';
    CHECK(mremap(q, page_size, 4 * page_size, 0) == q);
    memset(q + page_size, 'g', 3 * page_size);
    q = share_map(share_place(span), 2 * page_size, RW, ANON, -1, 0);
    memset(q, 'm', 2 * page_size);
    CHECK(sys_mremap(q, 2 * page_size, 2 * page_size, MREMAP_MAYMOVE | MREMAP_FIXED,
                     p + span / 4) == (long)(p + span / 4));
    CHECK_EQ(p[span / 4 + page_size], 'm');
    CHECK_EQ(p[0], 'g');
    end_half_span(p, pid);
}

TEST(t5_stack_grows_into_the_span)
{
    size_t span = share_span();
    int fd;
    pid_t pid;
    char *p, *top;

    stage_new();
    p = share_place(span);
    fd = share_file(span);
    share_map(p, page_size, RW, MAP_SHARED, fd, 0);
    *p = 's';
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(*p, 's');
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(try_read(p + span - 2 * page_size), SIGSEGV);
        CHECK_EQ(*p, 's');
        peer_end();
    }
    stage_wait(0, 1);
    /* It begins above the span and grows across the boundary. */
    top = share_map(p + span, page_size, RW, ANON | MAP_GROWSDOWN, -1, 0);
    top[0] = 't';
    for (size_t i = 1; i < 16; i++)
        top[-(ptrdiff_t)(i * page_size)] = (char)i;
    for (size_t i = 1; i < 16; i++)
        CHECK_EQ(top[-(ptrdiff_t)(i * page_size)], (char)i);
    CHECK_EQ(*p, 's');
    stage_done(1);
    CHECK_PEER(pid);
}

TEST(t5_brk_grows_into_the_span)
{
    size_t span = share_span();
    uintptr_t end = (uintptr_t)syscall(SYS_brk, 0L);
    char *p = (char *)((end + span) & ~(span - 1)); /* the heap ends below it */
    int fd;
    pid_t pid;

    stage_new();
    fd = share_file(span);
    if (mmap(p + span / 2, span / 2, RW, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, (off_t)(span / 2)) ==
        MAP_FAILED)
        ktap_skip("something is mapped right above the heap");
    share_fill(p + span / 2, span / 2, 32);
    pid = peer();
    if (pid == 0) {
        CHECK_EQ(share_wrong(p + span / 2, span / 2, 32), 0);
        stage_done(0);
        stage_wait(1, 1);
        CHECK_EQ(share_wrong(p + span / 2, span / 2, 32), 0);
        CHECK_EQ(try_read(p), SIGSEGV);
        peer_end();
    }
    stage_wait(0, 1);
    CHECK_EQ(syscall(SYS_brk, p + span / 4), (long)(p + span / 4));
    memset(p, 'b', 8 * page_size);
    CHECK_EQ(p[8 * page_size - 1], 'b');
    end_half_span(p, pid);
}

KTAP_MAIN(CASE(t1_first_touch_by_two), CASE(t1_large_object), CASE(t3_private_memory_in_the_middle),
          CASE(t4_munmap_at_boundaries), CASE(t4_mprotect_at_boundaries),
          CASE(t4_dontneed_at_boundaries), CASE(t4_one_table_and_its_neighbours),
          CASE(t5_map_fixed_into_the_span), CASE(t5_mremap_into_the_span),
          CASE(t5_stack_grows_into_the_span), CASE(t5_brk_grows_into_the_span))
