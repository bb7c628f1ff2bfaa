/* SPDX-License-Identifier: MIT */
/*
 * ldisc.c: the line discipline: what typed characters mean, what is echoed, and when a reader may
 * have them.
 *
 * Canonical mode collects a line that can be edited (erase, word erase, kill, reprint, literal
 * next) and gives it out when it is ended; otherwise each character is there at once. Signal
 * characters go to the foreground group. Output conversion is here too, since echo needs the
 * cursor's column. Not known: parity, breaks, upper-case terminals, form-feed delays.
 *
 * Locks: tty->lock (TTY) held by all callers. Invariants: I1 tail <= canon <= head <= tail +
 * TTY_LINE; I2 in canonical mode a CELL_END or CELL_EOF stands at canon - 1 unless tail == canon or
 * the mode changed. Checked by tests/kernel/fs/tty_ktest.c. Source: POSIX.1-2017 chapter 11,
 * termios(3). Read next: tty.c, job.c.
 */
#include "tty.h"
#include <kernel/string.h>

#define CTRL(c) ((c)&31)

static u16 *cell(struct tty *t, u32 n)
{
    return &t->line[n % TTY_LINE];
}

static u8 cc(const struct tty *t, int which)
{
    return t->termios.c_cc[which];
}

/* Is @c the control character @which, which may be disabled (0)? */
static bool is_cc(const struct tty *t, u8 c, int which)
{
    return cc(t, which) != 0 && c == cc(t, which);
}

void ldisc_reset(struct tty *t)
{
    static const struct {
        u8 which, value;
    } chars[] = {
        {VINTR, CTRL('C')},    {VQUIT, 28},          {VERASE, 127},
        {VKILL, CTRL('U')},    {VEOF, CTRL('D')},    {VMIN, 1},
        {VSTART, CTRL('Q')},   {VSTOP, CTRL('S')},   {VSUSP, CTRL('Z')},
        {VREPRINT, CTRL('R')}, {VWERASE, CTRL('W')}, {VLNEXT, CTRL('V')},
    };

    memset(&t->termios, 0, sizeof(t->termios));
    t->termios.c_iflag = ICRNL | IXON | IUTF8;
    t->termios.c_oflag = OPOST | ONLCR;
    t->termios.c_cflag = B115200 | CS8 | CREAD | HUPCL | CLOCAL;
    t->termios.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    for (unsigned int n = 0; n < ARRAY_SIZE(chars); n++)
        t->termios.c_cc[chars[n].which] = chars[n].value;
    t->winsize = (struct winsize){.ws_row = 24, .ws_col = 80};
}

/* ---- output ---- */

static size_t convert(struct tty *t, u8 c, char out[8])
{
    tcflag_t o = t->termios.c_oflag;
    size_t n = 1;

    out[0] = (char)c;
    if (c == '\n') {
        if (o & ONLCR) {
            out[0] = '\r';
            out[1] = '\n';
            n = 2;
        }
        if (o & (ONLCR | ONLRET))
            t->column = 0;
    } else if (c == '\r') {
        if ((o & ONOCR) && t->column == 0)
            return 0;
        if (o & OCRNL)
            out[0] = '\n';
        t->column = 0;
    } else if (c == '\t') {
        size_t width = 8 - t->column % 8;

        if ((o & TABDLY) == TAB3) {
            memset(out, ' ', width);
            n = width;
        }
        t->column += (unsigned int)width;
    } else if (c == '\b') {
        t->column -= t->column > 0;
    } else if (c >= 32 && (c & 0xc0) != 0x80) { /* a continuation byte of UTF-8 takes no column */
        t->column++;
    }
    return n;
}

void tty_output(struct tty *t, const u8 *s, size_t n)
{
    char out[128];
    size_t len = 0;

    if (!(t->termios.c_oflag & OPOST)) {
        t->driver->write(t, (const char *)s, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (len > sizeof(out) - 8) {
            t->driver->write(t, out, len);
            len = 0;
        }
        len += convert(t, s[i], out + len);
    }
    if (len)
        t->driver->write(t, out, len);
}

/* ---- echo ---- */

static void put(struct tty *t, const char *s)
{
    tty_output(t, (const u8 *)s, strlen(s));
}

static bool shown_as_caret(const struct tty *t, u8 c)
{
    return tty_has(t, ECHOCTL) && (c < 32 || c == 127) && c != '\t' && c != '\n';
}

static void echo_char(struct tty *t, u8 c)
{
    if (shown_as_caret(t, c)) {
        u8 two[2] = {'^', c ^ 0x40};

        tty_output(t, two, 2);
    } else {
        tty_output(t, &c, 1);
    }
}

static void echo(struct tty *t, u8 c)
{
    if (tty_has(t, ECHO) || (c == '\n' && tty_has(t, ECHONL)))
        echo_char(t, c);
}

/* Columns that the characters of the line being typed take, up to @end. */
static unsigned int column_at(struct tty *t, u32 end)
{
    unsigned int col = t->line_column;

    for (u32 n = t->canon; n != end; n++) {
        u8 c = (u8)*cell(t, n);

        if (c == '\t')
            col += 8 - col % 8;
        else if (shown_as_caret(t, c))
            col += 2;
        else if (c >= 32 && (c & 0xc0) != 0x80)
            col++;
    }
    return col;
}

/* The screen loses what was typed behind @head. */
static void echo_erase_to(struct tty *t, u32 head, u8 key)
{
    unsigned int want;

    if (!tty_has(t, ECHO))
        return;
    if (!tty_has(t, ECHOE)) {
        echo_char(t, key);
        return;
    }
    want = column_at(t, head);
    while (t->column > want)
        put(t, "\b \b");
}

/* ---- editing ---- */

static bool is_continuation(struct tty *t, u32 n)
{
    return (t->termios.c_iflag & IUTF8) && (*cell(t, n) & 0xc0) == 0x80;
}

static u32 before_char(struct tty *t, u32 head)
{
    if (head == t->canon)
        return head;
    head--;
    while (head != t->canon && is_continuation(t, head))
        head--;
    return head;
}

static bool is_word_char(u8 c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c >= 128;
}

static u32 before_word(struct tty *t, u32 head)
{
    bool in_word = false;

    while (head != t->canon) {
        u32 prev = before_char(t, head);
        bool word = is_word_char((u8)*cell(t, prev));

        if (in_word && !word)
            break;
        in_word |= word;
        head = prev;
    }
    return head;
}

static void erase(struct tty *t, u8 key)
{
    u32 head = t->head;

    if (is_cc(t, key, VERASE))
        head = before_char(t, head);
    else if (is_cc(t, key, VWERASE))
        head = before_word(t, head);
    else
        head = t->canon;
    if (head == t->head)
        return;
    if (is_cc(t, key, VKILL) && !(tty_has(t, ECHOKE) && tty_has(t, ECHOE))) {
        echo(t, key);
        if (tty_has(t, ECHOK) && tty_has(t, ECHO))
            put(t, "\n");
        t->line_column = t->column;
    } else {
        echo_erase_to(t, head, key);
    }
    t->head = head;
}

static void reprint(struct tty *t, u8 key)
{
    echo(t, key);
    if (!tty_has(t, ECHO))
        return;
    put(t, "\n");
    t->line_column = t->column;
    for (u32 n = t->canon; n != t->head; n++)
        echo_char(t, (u8)*cell(t, n));
}

/* ---- storing ---- */

/* False when there is no room. In canonical mode one place is kept for the end of the line. */
static bool store(struct tty *t, u16 c)
{
    u32 room = TTY_LINE - (t->head - t->tail);

    if (room == 0 || (room == 1 && tty_has(t, ICANON) && !(c & (CELL_END | CELL_EOF)))) {
        if (t->termios.c_iflag & IMAXBEL)
            put(t, "\a");
        return false;
    }
    *cell(t, t->head++) = c;
    return true;
}

static void end_line(struct tty *t, u16 c)
{
    if (!store(t, c))
        return;
    t->canon = t->head;
    t->line_column = t->column;
    wake_up_all(&t->read_wait);
}

static void input_char(struct tty *t, u8 c)
{
    if (t->canon == t->head)
        t->line_column = t->column;
    if (!store(t, c))
        return;
    echo(t, c);
    if (!tty_has(t, ICANON)) {
        t->canon = t->head;
        wake_up_all(&t->read_wait);
    }
}

/* ---- meaning ---- */

void ldisc_stop(struct tty *t)
{
    if (!t->stopped)
        tty_event(t, TIOCPKT_STOP, TIOCPKT_START);
    t->stopped = true;
}

void ldisc_start(struct tty *t)
{
    if (!t->stopped)
        return;
    t->stopped = false;
    tty_event(t, TIOCPKT_START, TIOCPKT_STOP);
    wake_up_all(&t->write_wait);
}

static bool input_signal(struct tty *t, u8 c)
{
    int sig = is_cc(t, c, VINTR)   ? SIGINT
              : is_cc(t, c, VQUIT) ? SIGQUIT
              : is_cc(t, c, VSUSP) ? SIGTSTP
                                   : 0;

    if (sig == 0)
        return false;
    if (!tty_has(t, NOFLSH)) {
        ldisc_flush_input(t);
        tty_event(t, TIOCPKT_FLUSHWRITE, 0);
    }
    ldisc_start(t);
    echo(t, c);
    tty_signal_foreground(t, sig);
    return true;
}

/* ^S and ^Q. */
static bool input_flow(struct tty *t, u8 c)
{
    bool start = is_cc(t, c, VSTART), stop = is_cc(t, c, VSTOP);

    if (!(t->termios.c_iflag & IXON))
        return false;
    if (stop && !(start && t->stopped)) {
        ldisc_stop(t);
        return true;
    }
    if (start || (t->termios.c_iflag & IXANY))
        ldisc_start(t);
    return start;
}

static void input_canonical(struct tty *t, u8 c)
{
    bool extended = tty_has(t, IEXTEN);

    if (is_cc(t, c, VERASE) || is_cc(t, c, VKILL) || (extended && is_cc(t, c, VWERASE))) {
        erase(t, c);
    } else if (extended && is_cc(t, c, VLNEXT)) {
        t->literal = true;
        if (tty_has(t, ECHO) && tty_has(t, ECHOCTL))
            put(t, "^\b");
    } else if (extended && is_cc(t, c, VREPRINT)) {
        reprint(t, c);
    } else if (c == '\n') {
        echo(t, c);
        end_line(t, c | CELL_END);
    } else if (is_cc(t, c, VEOF)) {
        end_line(t, CELL_EOF);
    } else if (is_cc(t, c, VEOL) || (extended && is_cc(t, c, VEOL2))) {
        echo(t, c);
        end_line(t, c | CELL_END);
    } else {
        input_char(t, c);
    }
}

void ldisc_input(struct tty *t, u8 c)
{
    tcflag_t in = t->termios.c_iflag;

    if (t->literal) {
        t->literal = false;
        input_char(t, c);
        return;
    }
    if (in & ISTRIP)
        c &= 0x7f;
    if (input_flow(t, c))
        return;
    if (tty_has(t, ISIG) && input_signal(t, c))
        return;
    if (c == '\r') {
        if (in & IGNCR)
            return;
        if (in & ICRNL)
            c = '\n';
    } else if (c == '\n' && (in & INLCR)) {
        c = '\r';
    }
    if (tty_has(t, ICANON))
        input_canonical(t, c);
    else
        input_char(t, c);
}

void ldisc_flush_input(struct tty *t)
{
    t->head = t->canon = t->tail = 0;
    t->literal = false;
    tty_event(t, TIOCPKT_FLUSHREAD, 0);
    if (t->driver->drained)
        t->driver->drained(t);
}

void ldisc_mode_changed(struct tty *t, tcflag_t old)
{
    if (!((old ^ t->termios.c_lflag) & ICANON))
        return;
    /* What is there can be read as it is, in either direction. */
    t->canon = t->head;
    t->literal = false;
    wake_up_all(&t->read_wait);
}

/* ---- for readers ---- */

u32 ldisc_readable(const struct tty *t)
{
    return t->canon - t->tail;
}

bool ldisc_is_full(const struct tty *t)
{
    return t->head - t->tail >= TTY_LINE - 1 && t->canon != t->tail;
}

size_t ldisc_take(struct tty *t, u8 *buf, size_t n)
{
    bool lines = tty_has(t, ICANON);
    size_t got = 0;

    while (got < n && t->tail != t->canon) {
        u16 c = *cell(t, t->tail++);

        if (c & CELL_EOF) {
            if (lines)
                break;
            continue;
        }
        buf[got++] = (u8)c;
        if (lines && (c & CELL_END))
            break;
    }
    if (t->driver->drained)
        t->driver->drained(t);
    return got;
}
