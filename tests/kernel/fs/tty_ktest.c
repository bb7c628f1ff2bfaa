/* SPDX-License-Identifier: MIT */
/* tty_ktest.c: the line discipline of a terminal of its own, without echo. */
#include "drivers/tty/tty.h"
#include <kernel/ktest.h>
#include <kernel/string.h>
#include <mm/slab.h>

static void write_nowhere(struct tty *t, const char *s, size_t n)
{
}

static struct tty *make(void)
{
    static const struct tty_driver nowhere = {.write = write_nowhere};
    struct tty *t = kzalloc(sizeof(*t));

    if (!t)
        return NULL;
    tty_setup(t, &nowhere, 0);
    t->termios.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    return t;
}

static void type(struct tty *t, const char *s)
{
    for (; *s; s++)
        ldisc_input(t, (u8)*s);
}

/* The next read of up to 64 bytes. */
static bool gives(struct tty *t, const char *want)
{
    u8 buf[64];
    size_t n = ldisc_take(t, buf, sizeof(buf));

    return n == strlen(want) && memcmp(buf, want, n) == 0;
}

KTEST(tty, canonical)
{
    static const struct {
        const char *typed, *read;
    } table[] = {
        { "ls\n", "ls\n" },
        { "ls\r", "ls\n" },
        { "lz\177s\n", "ls\n" },
        { "\177\177ls\n", "ls\n" },
        { "one two\027three\n", "one three\n" },
        { "one two  \027\027x\n", "x\n" },
        { "garbage\025good\n", "good\n" },
        { "a\026\003b\n", "a\003b\n" }, /* ^V ^C */
        { "a\026\177\n", "a\177\n" },
        { "gr\303\274\177n\n", "grn\n" }, /* one character of two bytes */
        { "x\021y\n", "xy\n" }, /* ^Q */
    };
    struct tty *t = make();

    EXPECT_OR_RETURN(t);
    for (unsigned int n = 0; n < ARRAY_SIZE(table); n++) {
        type(t, table[n].typed);
        if (!gives(t, table[n].read))
            ktest_fail(__FILE__, __LINE__, table[n].read, n, 0);
    }
    kfree(t);
}

KTEST(tty, lines_and_end)
{
    struct tty *t = make();
    u8 c[2];

    EXPECT_OR_RETURN(t);
    type(t, "partial");
    EXPECT_EQ(ldisc_readable(t), 0);
    type(t, "\004"); /* ^D gives out what is there */
    EXPECT(gives(t, "partial"));
    type(t, "\004"); /* and alone it is the end */
    EXPECT_EQ(ldisc_readable(t), 1);
    EXPECT(gives(t, ""));
    EXPECT_EQ(ldisc_readable(t), 0);
    type(t, "one\ntwo\n");
    EXPECT(gives(t, "one\n"));
    EXPECT_EQ(ldisc_take(t, c, 2), 2); /* a line in pieces */
    EXPECT(c[0] == 't' && c[1] == 'w');
    EXPECT(gives(t, "o\n"));
    type(t, "typed\003"); /* ^C throws away */
    EXPECT_EQ(t->head, t->tail);
    kfree(t);
}

KTEST(tty, raw_and_back)
{
    struct tty *t = make();
    tcflag_t old;

    EXPECT_OR_RETURN(t);
    type(t, "half");
    old = t->termios.c_lflag;
    t->termios.c_lflag &= ~(tcflag_t)(ICANON | ISIG);
    ldisc_mode_changed(t, old);
    EXPECT(gives(t, "half"));
    type(t, "\003\177x");
    EXPECT(gives(t, "\003\177x"));
    t->termios.c_iflag &= ~(tcflag_t)ICRNL;
    type(t, "\r");
    EXPECT(gives(t, "\r"));
    kfree(t);
}

KTEST(tty, overflow)
{
    struct tty *t = make();
    u8 buf[64];
    size_t sum = 0, n;

    EXPECT_OR_RETURN(t);
    for (int i = 0; i < TTY_LINE + 100; i++)
        ldisc_input(t, 'a');
    EXPECT_EQ(t->head - t->tail, TTY_LINE - 1);
    ldisc_input(t, '\n'); /* always fits */
    EXPECT_EQ(ldisc_readable(t), TTY_LINE);
    while ((n = ldisc_take(t, buf, sizeof(buf))) > 0)
        sum += n;
    EXPECT_EQ(sum, TTY_LINE);
    type(t, "ok\n");
    EXPECT(gives(t, "ok\n"));
    kfree(t);
}
