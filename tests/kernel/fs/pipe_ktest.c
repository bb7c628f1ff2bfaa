/* SPDX-License-Identifier: MIT */
/* pipe_ktest.c: the ring of a pipe from inside, and two threads at its ends. */
#include "fs/pipe.h"
#include "tests/kernel/team.h"
#include <kernel/ktest.h>

static ssize_t put(struct pipe *p, const void *buf, size_t n)
{
    struct iov_iter it;
    struct iovec one;

    iov_iter_kernel(&it, &one, (void *)(unsigned long)buf, n);
    return pipe_write_iter(p, &it, PIPE_NONBLOCK | PIPE_NOSIGNAL);
}

static ssize_t get(struct pipe *p, void *buf, size_t n)
{
    struct iov_iter it;
    struct iovec one;

    iov_iter_kernel(&it, &one, buf, n);
    return pipe_read_iter(p, &it, true);
}

static struct pipe *make(void)
{
    struct pipe *p = pipe_alloc();

    if (p)
        p->readers = p->writers = 1;
    return p;
}

KTEST(pipe, bytes_share_a_page)
{
    struct pipe *p = make();
    char c;

    EXPECT_OR_RETURN(p);
    for (int n = 0; n < 5000; n++) {
        c = (char)n;
        EXPECT_EQ(put(p, &c, 1), 1);
    }
    EXPECT_EQ(p->head - p->tail, 2);
    EXPECT_EQ(pipe_bytes(p), 5000);
    for (int n = 0; n < 5000; n++) {
        EXPECT_EQ(get(p, &c, 1), 1);
        EXPECT_EQ(c, (char)n);
    }
    EXPECT_EQ(get(p, &c, 1), -EAGAIN);
    p->writers = 0;
    EXPECT_EQ(get(p, &c, 1), 0);
    p->readers = 0;
    EXPECT_EQ(put(p, &c, 1), -EPIPE);
    pipe_free(p);
}

KTEST(pipe, full_and_atomic)
{
    struct pipe *p = make();
    char *buf = kmalloc(KIB(80));

    EXPECT_OR_RETURN(p && buf);
    memset(buf, 7, KIB(80));
    EXPECT_EQ(put(p, buf, KIB(80)), KIB(64));
    EXPECT_EQ(put(p, buf, 1), -EAGAIN);
    /* A hole that is too small for the whole is no hole for a small write. */
    EXPECT_EQ(get(p, buf, 100), 100);
    EXPECT_EQ(put(p, buf, 1), -EAGAIN);
    EXPECT_EQ(get(p, buf, PAGE_SIZE - 100), (ssize_t)PAGE_SIZE - 100);
    EXPECT_EQ(put(p, buf, 3000), 3000);
    EXPECT_EQ(put(p, buf, 2000), -EAGAIN); /* not split between the last page and nothing */
    EXPECT_EQ(put(p, buf, 1096), 1096);
    EXPECT_EQ(pipe_bytes(p), KIB(64));
    pipe_free(p);
    kfree(buf);
}

KTEST(pipe, slots)
{
    struct pipe *p = make();
    struct pipe_slot s, t;
    char buf[16] = "0123456789";

    EXPECT_OR_RETURN(p);
    EXPECT_EQ(put(p, buf, 10), 10);
    EXPECT_EQ(pipe_take(p, 4, true, &s), 1);
    EXPECT_EQ(s.len, 4);
    EXPECT_EQ(put(p, "x", 1), 1); /* not into the page that the slot shares */
    EXPECT_EQ(p->head - p->tail, 2);
    EXPECT(pipe_peek(p, 1, 100, &t));
    EXPECT_EQ(t.len, 1);
    page_put(t.page);
    EXPECT(!pipe_peek(p, 2, 100, &t));
    pipe_unget(p, &s);
    EXPECT_EQ(get(p, buf, 16), 11);
    EXPECT_EQ(memcmp(buf, "0123456789x", 11), 0);
    pipe_free(p);
}

#define STREAM (300 * 1000u)

static void both_ends(struct team *team, unsigned int nr)
{
    struct pipe *p = team->arg;
    u8 buf[1500];
    u32 done = 0, seed = nr + 1;

    while (done < STREAM) {
        struct iov_iter it;
        struct iovec one;
        u32 n = min(1 + (seed = seed * 1103515245 + 12345) % (u32)sizeof(buf), STREAM - done);
        ssize_t got;

        if (nr == 0)
            for (u32 k = 0; k < n; k++)
                buf[k] = (u8)((done + k) * 7);
        iov_iter_kernel(&it, &one, buf, n);
        got = nr == 0 ? pipe_write_iter(p, &it, 0) : pipe_read_iter(p, &it, false);
        if (got <= 0) {
            ktest_fail(__FILE__, __LINE__, "transfer", got, nr);
            return;
        }
        for (ssize_t k = 0; nr == 1 && k < got; k++)
            if (buf[k] != (u8)((done + (u32)k) * 7)) {
                ktest_fail(__FILE__, __LINE__, "byte", (long)done + k, buf[k]);
                return;
            }
        done += (u32)got;
    }
}

KTEST(pipe, two_threads)
{
    struct team team = { .arg = NULL };
    struct pipe *p = make();

    EXPECT_OR_RETURN(p);
    team.arg = p;
    team_run(&team, 2, both_ends, false);
    EXPECT(pipe_empty(p));
    pipe_free(p);
}
