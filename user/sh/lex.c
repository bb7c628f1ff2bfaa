/* SPDX-License-Identifier: MIT */
/*
 * The lexer: characters to tokens. A word keeps its quotes; only its end is found here, which needs
 * the parser for "$(...)", because a ")" inside may belong to a case pattern or a comment.
 *
 * Invariants:
 * I1. p->text of a TOK_WORD is the exact source of the word (line continuations removed), so
 *     reserved words compare equal only when nothing in them is quoted.
 * I2. Offsets into src->buf stay valid while one command is parsed; pointers do not (refill).
 *
 * Read next: parse.c.
 */
#include "sh.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static int peek(struct parser *p)
{
    struct source *src = p->src;

    while (src->pos >= src->buf.len) {
        if (src->drained || !src->refill || !src->refill(src, src->continued)) {
            src->drained = true;
            return -1;
        }
    }
    return (unsigned char)src->buf.text[src->pos];
}

static int get(struct parser *p)
{
    int c = peek(p);

    if (c >= 0)
        p->src->pos++;
    if (c == '\n')
        p->src->line++;
    return c;
}

/* The character after the next one, without reading another line for it. */
static int peek_second(struct parser *p)
{
    if (peek(p) < 0 || p->src->pos + 1 >= p->src->buf.len)
        return -1;
    return (unsigned char)p->src->buf.text[p->src->pos + 1];
}

void parse_error(struct parser *p, const char *format, ...)
{
    va_list ap;

    if (p->failed)
        return;
    p->failed = true;
    p->tok = TOK_EOF;
    if (p->src->interrupted)
        return;
    fprintf(stderr, "%s: line %d: syntax error: ", p->src->name ? p->src->name : sh.name,
            p->src->line);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}

static void scan_until(struct parser *p, int end, const char *what)
{
    int c;

    while ((c = get(p)) != end) {
        if (c < 0) {
            parse_error(p, "end of file inside %s", what);
            return;
        }
        if (c == '\\' && end != '\'')
            get(p);
    }
}

static void scan_dollar(struct parser *p);

/* To the end of a string in double quotes, or of "${". Single quotes mean nothing in the first. */
static void scan_nested(struct parser *p, int end, const char *what)
{
    while (!p->failed) {
        int c = get(p);

        if (c == end)
            return;
        if (c < 0)
            parse_error(p, "end of file inside %s", what);
        else if (c == '\\')
            get(p);
        else if (c == '\'' && end != '"')
            scan_until(p, '\'', "'...'");
        else if (c == '"')
            scan_nested(p, '"', "\"...\"");
        else if (c == '$')
            scan_dollar(p);
        else if (c == '`')
            scan_until(p, '`', "`...`");
    }
}

/* After "$((": true when the parentheses balance and end in "))". */
static bool scan_arithmetic(struct parser *p)
{
    int depth = 2;

    while (depth > 0) {
        int c = get(p);

        if (c < 0)
            return false;
        if (c == '(')
            depth++;
        if (c == ')')
            depth--;
        if (depth == 1 && c == ')' && peek(p) != ')')
            return false;
    }
    return true;
}

static void scan_dollar(struct parser *p)
{
    struct parser inner = {.src = p->src, .arena = p->arena};
    size_t start;
    bool continued = p->src->continued;

    if (peek(p) == '{') {
        get(p);
        scan_nested(p, '}', "${...}");
        return;
    }
    if (peek(p) != '(')
        return;
    get(p);
    start = p->src->pos;
    p->src->continued = true;
    if (peek(p) == '(') {
        int line = p->src->line;

        get(p);
        if (scan_arithmetic(p)) {
            p->src->continued = continued;
            return;
        }
        p->src->pos = start;
        p->src->line = line;
    }
    parse_substitution(&inner);
    p->src->continued = continued;
    if (inner.failed) {
        p->failed = true;
        p->tok = TOK_EOF;
    }
}

static bool is_meta(int c)
{
    return c < 0 || (c && strchr(" \t\n;&|<>()", c));
}

static void scan_word(struct parser *p)
{
    size_t start = p->src->pos;
    char *text;
    size_t len = 0;

    while (!p->failed && !is_meta(peek(p))) {
        int c = get(p);

        if (c == '\\')
            get(p);
        else if (c == '\'')
            scan_until(p, '\'', "'...'");
        else if (c == '"')
            scan_nested(p, '"', "\"...\"");
        else if (c == '$')
            scan_dollar(p);
        else if (c == '`')
            scan_until(p, '`', "`...`");
    }
    text = arena_strndup(p->arena, p->src->buf.text + start, p->src->pos - start);
    /* A backslash before a newline joins lines, unless single quotes keep both. */
    for (char *at = text, quote = 0; *at; at++) {
        if (*at == '\'' && quote != '"')
            quote = quote ? 0 : '\'';
        else if (*at == '"' && quote != '\'')
            quote = quote ? 0 : '"';
        if (*at == '\\' && quote != '\'' && at[1] == '\n') {
            at++;
            continue;
        }
        text[len++] = *at;
        if (*at == '\\' && quote != '\'' && at[1])
            text[len++] = *++at;
    }
    text[len] = '\0';
    p->text = text;
    p->tok = TOK_WORD;
}

/* Takes the bodies of the here-documents that the line which just ended has announced. */
static void read_here_bodies(struct parser *p)
{
    bool continued = p->src->continued;

    p->src->continued = true;
    for (int i = 0; i < p->nr_here; i++) {
        struct redir *r = p->here[i];
        struct strbuf body = {0};
        bool ended = false;

        while (!ended && peek(p) >= 0) {
            struct strbuf line = {0};
            int c;

            while (r->strip_tabs && peek(p) == '\t')
                get(p);
            while ((c = get(p)) >= 0 && c != '\n')
                strbuf_addc(&line, (char)c);
            strbuf_add(&line, "", 0);
            ended = strcmp(line.text, r->target) == 0;
            if (!ended) {
                strbuf_puts(&body, line.text);
                strbuf_addc(&body, '\n');
            }
            strbuf_free(&line);
        }
        if (!ended)
            parse_error(p, "end of file inside a here-document (wants '%s')", r->target);
        r->body = arena_strdup(p->arena, body.text ? body.text : "");
        strbuf_free(&body);
    }
    p->nr_here = 0;
    p->src->continued = continued;
}

/* Takes the next character when it is @c. */
static bool accept(struct parser *p, int c)
{
    if (peek(p) != c)
        return false;
    get(p);
    return true;
}

static void set_redir(struct parser *p, enum redir_kind kind, int fd)
{
    p->tok = TOK_REDIR;
    p->redir.kind = kind;
    p->redir.strip_tabs = false;
    if (p->redir.fd < 0)
        p->redir.fd = fd;
}

static void lex_less(struct parser *p)
{
    if (accept(p, '<')) {
        set_redir(p, REDIR_HERE, 0);
        p->redir.strip_tabs = accept(p, '-');
    } else if (accept(p, '&')) {
        set_redir(p, REDIR_DUP, 0);
    } else {
        set_redir(p, accept(p, '>') ? REDIR_RDWR : REDIR_IN, 0);
    }
}

static void lex_greater(struct parser *p)
{
    if (accept(p, '>')) {
        set_redir(p, REDIR_APPEND, 1);
    } else if (accept(p, '&')) {
        set_redir(p, REDIR_DUP, 1);
    } else {
        (void)accept(p, '|');
        set_redir(p, REDIR_OUT, 1);
    }
}

static void lex_ampersand(struct parser *p)
{
    if (accept(p, '>'))
        set_redir(p, accept(p, '>') ? REDIR_BOTH_APP : REDIR_BOTH, 1);
    else
        p->tok = accept(p, '&') ? TOK_AND : TOK_AMP;
}

static void lex_operator(struct parser *p)
{
    switch (get(p)) {
    case '&': lex_ampersand(p); return;
    case '<': lex_less(p); return;
    case '>': lex_greater(p); return;
    case '(': p->tok = TOK_LPAREN; return;
    case ')': p->tok = TOK_RPAREN; return;
    case '|': p->tok = accept(p, '|') ? TOK_OR : TOK_PIPE; return;
    case ';': p->tok = accept(p, ';') ? TOK_DSEMI : TOK_SEMI; return;
    }
}

static void skip_blanks(struct parser *p)
{
    for (;;) {
        int c = peek(p);

        if (c == '\\' && peek_second(p) == '\n') {
            get(p);
            get(p);
        } else if (c == ' ' || c == '\t') {
            get(p);
        } else if (c == '#') {
            while (peek(p) >= 0 && peek(p) != '\n')
                get(p);
        } else {
            return;
        }
    }
}

/* Digits directly before < or > name the descriptor. */
static int lex_io_number(struct parser *p)
{
    struct source *src = p->src;
    size_t at = src->pos;

    while (at < src->buf.len && isdigit((unsigned char)src->buf.text[at]))
        at++;
    if (at == src->pos || at - src->pos > 3 || at >= src->buf.len ||
        (src->buf.text[at] != '<' && src->buf.text[at] != '>'))
        return -1;
    {
        int fd = atoi(src->buf.text + src->pos);

        src->pos = at;
        return fd;
    }
}

void lex_next(struct parser *p)
{
    int c;

    if (p->failed) {
        p->tok = TOK_EOF;
        return;
    }
    skip_blanks(p);
    p->tok_start = p->src->pos;
    c = peek(p);
    if (c < 0) {
        p->tok = TOK_EOF;
        return;
    }
    if (c == '\n') {
        get(p);
        p->tok = TOK_NEWLINE;
        read_here_bodies(p);
        return;
    }
    p->redir.fd = lex_io_number(p);
    if (p->redir.fd < 0 && !is_meta(c))
        scan_word(p);
    else
        lex_operator(p);
}
