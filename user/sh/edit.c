/* SPDX-License-Identifier: MIT */
/*
 * The line editor: raw terminal modes, one line that scrolls sideways when it is longer than the
 * screen, history, search and completion. A character typed at the end is just written; any other
 * key redraws the whole line, which needs no more of the terminal than carriage return, "erase to
 * end of line" and "cursor right".
 *
 * Keys are bytes: a character of several bytes is kept whole in the line but moves byte by byte.
 *
 * Read next: complete.c, history.c.
 */
#include "sh.h"

#include <ctype.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#undef CTRL /* <sys/ttydefaults.h> has one too */
#define CTRL(c) ((c)&31)

enum key {
    KEY_EOF = -1,
    KEY_UP = 1000,
    KEY_DOWN,
    KEY_LEFT,
    KEY_RIGHT,
    KEY_HOME,
    KEY_END,
    KEY_DELETE,
    KEY_WORD_LEFT,
    KEY_WORD_RIGHT,
    KEY_UNKNOWN
};

struct editor {
    const char *prompt;
    struct strbuf line;
    size_t pos;   /* of the cursor, in bytes */
    size_t back;  /* history entry shown, counted from the newest + 1; 0 is the new line */
    char *draft;  /* the new line while a history entry is shown */
    char *killed; /* for Ctrl-Y */
    bool tabbed;  /* the last key was a tab that could not decide */
    bool drawn;   /* the prompt is on the screen */
    bool shown;   /* the screen shows the line as it is */
    bool done, eof;
};

static int read_byte(int timeout_ms)
{
    struct pollfd pfd = {.fd = STDIN_FILENO, .events = POLLIN};
    unsigned char c;
    ssize_t got;

    if (timeout_ms >= 0 && poll(&pfd, 1, timeout_ms) <= 0)
        return KEY_EOF;
    while ((got = read(STDIN_FILENO, &c, 1)) < 0 && errno == EINTR) {
        if (trap_is_pending())
            traps_run();
    }
    return got == 1 ? c : KEY_EOF;
}

/* "ESC [ n ~" and "ESC [ 1 ; 5 C" */
static int read_csi(void)
{
    int first = 0, modifier = 0, c = read_byte(50);

    while (c >= 0 && (isdigit(c) || c == ';')) {
        if (c == ';') {
            modifier = first;
            first = 0;
        } else {
            first = first * 10 + c - '0';
        }
        c = read_byte(50);
    }
    switch (c) {
    case 'A': return KEY_UP;
    case 'B': return KEY_DOWN;
    case 'C': return modifier ? KEY_WORD_RIGHT : KEY_RIGHT;
    case 'D': return modifier ? KEY_WORD_LEFT : KEY_LEFT;
    case 'H': return KEY_HOME;
    case 'F': return KEY_END;
    case '~': break;
    default: return KEY_UNKNOWN;
    }
    switch (first) {
    case 1:
    case 7: return KEY_HOME;
    case 4:
    case 8: return KEY_END;
    case 3: return KEY_DELETE;
    default: return KEY_UNKNOWN;
    }
}

static int read_key(void)
{
    int c = read_byte(-1);

    if (c != 27)
        return c;
    c = read_byte(50);
    switch (c) {
    case '[':
    case 'O': return read_csi();
    case 'b': return KEY_WORD_LEFT;
    case 'f': return KEY_WORD_RIGHT;
    default: return KEY_UNKNOWN;
    }
}

static size_t screen_width(void)
{
    struct winsize ws = {0};

    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &ws) < 0 || ws.ws_col < 8)
        return 80;
    return ws.ws_col;
}

static void redraw(struct editor *e, const char *prompt)
{
    size_t width = screen_width(), room, from = 0, shown;
    struct strbuf out = {0};
    char move[32];
    size_t prompt_len = strlen(prompt);

    if (prompt_len > width / 2)
        prompt += prompt_len - width / 2;
    room = width - strlen(prompt) - 1;
    if (e->pos > room)
        from = e->pos - room;
    shown = e->line.len - from < room ? e->line.len - from : room;
    /* The first time there may be output without a newline before the prompt: leave it. */
    strbuf_puts(&out, e->drawn ? "\r" : "");
    strbuf_puts(&out, prompt);
    strbuf_add(&out, e->line.text + from, shown);
    strbuf_puts(&out, e->drawn ? "\033[K" : "");
    e->drawn = true;
    if (e->pos < e->line.len) {
        snprintf(move, sizeof(move), "\r\033[%zuC", strlen(prompt) + e->pos - from);
        strbuf_puts(&out, move);
    }
    write_all(STDERR_FILENO, out.text, out.len);
    strbuf_free(&out);
}

static void set_line(struct editor *e, const char *text)
{
    e->line.len = 0;
    strbuf_add(&e->line, text, strlen(text));
    e->pos = e->line.len;
}

static void insert(struct editor *e, const char *text, size_t len)
{
    strbuf_add(&e->line, text, len); /* makes room */
    memmove(e->line.text + e->pos + len, e->line.text + e->pos, e->line.len - len - e->pos);
    memcpy(e->line.text + e->pos, text, len);
    e->pos += len;
}

static void erase(struct editor *e, size_t from, size_t to, bool keep)
{
    if (from >= to)
        return;
    if (keep) {
        free(e->killed);
        e->killed = xstrndup(e->line.text + from, to - from);
    }
    memmove(e->line.text + from, e->line.text + to, e->line.len - to + 1);
    e->line.len -= to - from;
    e->pos = from;
}

static void type_char(struct editor *e, char c)
{
    insert(e, &c, 1);
    if (e->pos < e->line.len || strlen(e->prompt) + e->line.len >= screen_width())
        return;
    write_all(STDERR_FILENO, &c, 1);
    e->shown = true;
}

static size_t word_left(const struct editor *e)
{
    size_t at = e->pos;

    while (at > 0 && e->line.text[at - 1] == ' ')
        at--;
    while (at > 0 && e->line.text[at - 1] != ' ')
        at--;
    return at;
}

static size_t word_right(const struct editor *e)
{
    size_t at = e->pos;

    while (at < e->line.len && e->line.text[at] == ' ')
        at++;
    while (at < e->line.len && e->line.text[at] != ' ')
        at++;
    return at;
}

static void show_history(struct editor *e, int step)
{
    size_t want = e->back + (size_t)step;

    if (step < 0 && e->back == 0)
        return;
    if (want > 0 && !history_get(want - 1))
        return;
    if (e->back == 0) {
        free(e->draft);
        e->draft = xstrdup(e->line.text);
    }
    e->back = want;
    set_line(e, want ? history_get(want - 1) : e->draft);
}

/* The newest entry from index on that contains text; its index + 1, or 0. */
static size_t search_history(const char *text, size_t index)
{
    for (const char *line; (line = history_get(index)); index++) {
        if (strstr(line, text))
            return index + 1;
    }
    return 0;
}

/* Ctrl-R: typing narrows, Ctrl-R again goes further back, any other key takes the line. */
static int search_mode(struct editor *e)
{
    struct strbuf text = {0};
    size_t found = 0;
    int key;

    strbuf_add(&text, "", 0);
    for (;;) {
        char *prompt = xasprintf("(search '%s') ", text.text);
        size_t next = found;

        redraw(e, prompt);
        free(prompt);
        key = read_key();
        if (key == CTRL('r')) {
            next = search_history(text.text, found);
        } else if (key == 127 || key == CTRL('h')) {
            if (text.len)
                text.text[--text.len] = '\0';
            next = search_history(text.text, 0);
        } else if (key >= 32 && key < 256) {
            strbuf_addc(&text, (char)key);
            next = search_history(text.text, found ? found - 1 : 0);
        } else {
            break;
        }
        if (next) {
            found = next;
            set_line(e, history_get(found - 1));
        }
    }
    strbuf_free(&text);
    if (key == CTRL('g'))
        set_line(e, "");
    return key == 27 || key == KEY_UNKNOWN || key == CTRL('g') ? 0 : key;
}

static void list_candidates(const struct fields *found)
{
    size_t width = 0, per_row;

    for (size_t i = 0; i < found->nr; i++) {
        if (strlen(found->items[i]) > width)
            width = strlen(found->items[i]);
    }
    per_row = screen_width() / (width + 2);
    fputc('\n', stderr);
    for (size_t i = 0; i < found->nr; i++) {
        bool last = per_row < 2 || (i + 1) % per_row == 0 || i + 1 == found->nr;

        fprintf(stderr, "%-*s%s", last ? 0 : (int)width + 2, found->items[i], last ? "\n" : "");
    }
}

/* Inserts what all candidates share; lists them at the second tab. */
static void complete(struct editor *e)
{
    struct arena *a = arena_create();
    struct fields found = {0};
    size_t start, common, typed;

    complete_word(e->line.text, e->pos, &start, &found, a);
    typed = e->pos - start;
    if (found.nr) {
        common = strlen(found.items[0]);
        for (size_t i = 1; i < found.nr; i++) {
            size_t same = 0;

            while (same < common && found.items[i][same] == found.items[0][same])
                same++;
            common = same;
        }
        if (common > typed)
            insert(e, found.items[0] + typed, common - typed);
        if (found.nr == 1 && found.items[0][common - 1] != '/')
            insert(e, " ", 1);
        if (found.nr > 1 && common == typed) {
            if (e->tabbed)
                list_candidates(&found);
            e->tabbed = true;
        }
    }
    arena_put(a);
}

static void interrupt(struct editor *e)
{
    fputs("^C\n", stderr);
    set_line(e, "");
    sh.interrupted = 1;
    e->done = true;
}

/* Keys that move or fetch. Returns false for any other. */
static bool handle_motion(struct editor *e, int key)
{
    switch (key) {
    case KEY_LEFT:
    case CTRL('b'): e->pos -= e->pos > 0; return true;
    case KEY_RIGHT:
    case CTRL('f'): e->pos += e->pos < e->line.len; return true;
    case KEY_HOME:
    case CTRL('a'): e->pos = 0; return true;
    case KEY_END:
    case CTRL('e'): e->pos = e->line.len; return true;
    case KEY_WORD_LEFT: e->pos = word_left(e); return true;
    case KEY_WORD_RIGHT: e->pos = word_right(e); return true;
    case KEY_UP:
    case CTRL('p'): show_history(e, 1); return true;
    case KEY_DOWN:
    case CTRL('n'): show_history(e, -1); return true;
    case CTRL('l'): fputs("\033[H\033[2J", stderr); return true;
    default: return false;
    }
}

/* Keys that change the line or end it. */
static void handle_edit(struct editor *e, int key)
{
    switch (key) {
    case '\r':
    case '\n':
        e->done = true;
        e->shown = e->pos == e->line.len;
        return;
    case CTRL('c'): interrupt(e); return;
    case KEY_EOF: e->eof = true; return;
    case CTRL('d'):
        if (e->line.len == 0)
            e->eof = true;
        else if (e->pos < e->line.len)
            erase(e, e->pos, e->pos + 1, false);
        return;
    case KEY_DELETE:
        if (e->pos < e->line.len)
            erase(e, e->pos, e->pos + 1, false);
        return;
    case 127:
    case CTRL('h'):
        if (e->pos > 0)
            erase(e, e->pos - 1, e->pos, false);
        return;
    case CTRL('k'): erase(e, e->pos, e->line.len, true); return;
    case CTRL('u'): erase(e, 0, e->pos, true); return;
    case CTRL('w'): erase(e, word_left(e), e->pos, true); return;
    case CTRL('y'):
        if (e->killed)
            insert(e, e->killed, strlen(e->killed));
        return;
    default:
        if (key >= 32 && key < 256)
            type_char(e, (char)key);
        return;
    }
}

static void handle_key(struct editor *e, int key)
{
    bool was_tab = e->tabbed;

    e->tabbed = false;
    if (key == CTRL('r')) {
        key = search_mode(e);
        if (!key)
            return;
    }
    if (key == '\t') {
        e->tabbed = was_tab;
        complete(e);
    } else if (!handle_motion(e, key)) {
        handle_edit(e, key);
    }
}

char *edit_line(const char *prompt)
{
    struct editor e = {.prompt = prompt};
    struct termios cooked, raw;
    char *line;

    if (tcgetattr(STDIN_FILENO, &cooked) < 0)
        return NULL;
    raw = cooked;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
    raw.c_iflag &= ~(tcflag_t)(IXON | ICRNL);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
    strbuf_add(&e.line, "", 0);
    while (!e.done && !e.eof) {
        if (!e.shown)
            redraw(&e, prompt);
        e.shown = false;
        handle_key(&e, read_key());
    }
    if (!sh.interrupted && !e.shown)
        redraw(&e, prompt);
    tcsetattr(STDIN_FILENO, TCSADRAIN, &cooked);
    if (!sh.interrupted)
        fputs("\n", stderr);
    line = e.eof ? NULL : xstrdup(e.line.text);
    strbuf_free(&e.line);
    free(e.draft);
    free(e.killed);
    return line;
}
