/* SPDX-License-Identifier: MIT */
/*
 * Expansion: the source text of a word to the fields that a command gets, in POSIX's order: tilde,
 * parameters, command substitution and arithmetic in one pass, then splitting at IFS, then
 * globbing.
 *
 * The pass builds characters with one attribute each, because splitting and globbing must know
 * where a character came from:
 *   LITERAL    written unquoted: may be a glob character, never splits
 *   EXPANDED   from an unquoted expansion: both
 *   QUOTED     neither
 *   BREAK      no character: "$@" begins a new field here
 *   WEAK_BREAK no character: $@ begins a new field here unless that would be empty
 *   NULL_MARK  no character: quotes around nothing make an empty field
 *
 * Errors (unset variable with -u, bad substitution) leave through expand_fail and longjmp to the
 * command that is being run; everything here lives in arenas, so nothing leaks.
 *
 * Read next: expand_param.c, glob.c, arith.c.
 */
#include "expand.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

void xbuf_addc(struct xbuf *x, char c, char attr)
{
    if (x->len + 1 >= x->cap) {
        size_t cap = x->cap ? x->cap * 2 : 64;
        char *chars = arena_alloc(x->arena, cap), *attrs = arena_alloc(x->arena, cap);

        if (x->len) {
            memcpy(chars, x->chars, x->len);
            memcpy(attrs, x->attrs, x->len);
        }
        x->chars = chars;
        x->attrs = attrs;
        x->cap = cap;
    }
    x->chars[x->len] = c;
    x->attrs[x->len++] = attr;
}

void xbuf_puts(struct xbuf *x, const char *text, char attr)
{
    while (*text)
        xbuf_addc(x, *text++, attr);
}

void expand_fail(const char *format, ...)
{
    va_list ap;

    fprintf(stderr, "%s: ", sh.name);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
    sh.status = 1;
    if (!sh.interactive || sh.subshell || !sh.abort)
        eval_exit(1);
    sh.unwind = UNWIND_ABORT;
    longjmp(*sh.abort, 1);
}

/* Runs text in a child and collects its output, without trailing newlines. */
static char *expand_command(const char *text, struct arena *a)
{
    struct strbuf out = {0};
    int fds[2], status;
    char buf[1024], *result;
    ssize_t got;
    pid_t pid;

    fflush(NULL);
    if (pipe(fds) < 0) {
        expand_fail("pipe: %s", strerror(errno));
        return NULL;
    }
    pid = job_fork(NULL, false);
    if (pid == 0) {
        close(fds[0]);
        if (fds[1] != STDOUT_FILENO) {
            dup2(fds[1], STDOUT_FILENO);
            close(fds[1]);
        }
        eval_exit(eval_string(text, NULL));
    }
    close(fds[1]);
    while ((got = read(fds[0], buf, sizeof(buf))) > 0 || (got < 0 && errno == EINTR)) {
        if (got > 0)
            strbuf_add(&out, buf, (size_t)got);
    }
    close(fds[0]);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    sh.nr_substitutions++;
    sh.status = pid < 0 ? 1 : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    while (out.len && out.text[out.len - 1] == '\n')
        out.text[--out.len] = '\0';
    result = arena_strdup(a, out.text ? out.text : "");
    strbuf_free(&out);
    return result;
}

/* The end of "$(...)" whose text starts at at: the lexer knows, so it is asked again. */
static size_t substitution_end(const char *text, size_t at)
{
    struct source src = {.pos = at};
    struct parser p = {.src = &src, .arena = arena_create()};
    size_t end;

    strbuf_puts(&src.buf, text);
    parse_substitution(&p);
    end = src.pos - 1;
    strbuf_free(&src.buf);
    arena_put(p.arena);
    return end;
}

/* "((" ... "))": the length of what is between, or 0 when it is no arithmetic. */
static size_t arithmetic_length(const char *text)
{
    int depth = 2;

    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '(')
            depth++;
        if (text[i] == ')' && --depth == 1 && text[i + 1] != ')')
            return 0;
        if (depth == 0)
            return i - 1;
    }
    return 0;
}

static size_t expand_paren(struct xbuf *x, const char *text, bool quoted)
{
    size_t len;
    char *value;

    if (text[2] == '(' && (len = arithmetic_length(text + 3)) > 0) {
        char *inside = arena_strndup(x->arena, text + 3, len);
        char number[32];

        snprintf(number, sizeof(number), "%ld", arith_eval(expand_here(inside, x->arena)));
        xbuf_puts(x, number, quoted ? QUOTED : EXPANDED);
        return len + 5;
    }
    len = substitution_end(text, 2) - 2;
    value = expand_command(arena_strndup(x->arena, text + 2, len), x->arena);
    xbuf_puts(x, value, quoted ? QUOTED : EXPANDED);
    return len + 3;
}

static size_t expand_backquote(struct xbuf *x, const char *text, bool quoted)
{
    struct strbuf inside = {0};
    size_t i = 1;

    for (; text[i] && text[i] != '`'; i++) {
        if (text[i] == '\\' && text[i + 1] && strchr("\\`$", text[i + 1]))
            i++;
        strbuf_addc(&inside, text[i]);
    }
    strbuf_add(&inside, "", 0);
    xbuf_puts(x, expand_command(inside.text, x->arena), quoted ? QUOTED : EXPANDED);
    strbuf_free(&inside);
    return text[i] ? i + 1 : i;
}

/* At a dollar or backquote: expands it and returns how many characters it took. */
static size_t expand_dollar(struct xbuf *x, const char *text, bool quoted)
{
    if (*text == '`')
        return expand_backquote(x, text, quoted);
    if (text[1] == '(')
        return expand_paren(x, text, quoted);
    return expand_parameter(x, text, quoted);
}

static size_t expand_double_quote(struct xbuf *x, const char *text)
{
    size_t before = x->len, i = 1;

    x->empty_at = false;
    while (text[i] && text[i] != '"') {
        if (text[i] == '\\' && text[i + 1] && strchr("$`\"\\", text[i + 1])) {
            xbuf_addc(x, text[i + 1], QUOTED);
            i += 2;
        } else if (text[i] == '$' || text[i] == '`') {
            i += expand_dollar(x, text + i, true);
        } else {
            xbuf_addc(x, text[i++], QUOTED);
        }
    }
    if (x->len == before && !x->empty_at)
        xbuf_addc(x, 0, NULL_MARK);
    return text[i] ? i + 1 : i;
}

static size_t expand_tilde(struct xbuf *x, const char *text)
{
    const char *home = var_get("HOME");

    if ((text[1] && text[1] != '/' && text[1] != ':') || !home)
        return 0;
    xbuf_puts(x, home, QUOTED);
    return 1;
}

/* text is unquoted source, quotes and dollars in place. */
void expand_raw(struct xbuf *x, const char *text)
{
    size_t i = 0;

    if (*text == '~')
        i = expand_tilde(x, text);
    while (text[i]) {
        if (text[i] == '\\') {
            if (text[i + 1])
                xbuf_addc(x, text[i + 1], QUOTED);
            i += text[i + 1] ? 2 : 1;
        } else if (text[i] == '\'') {
            size_t len = strcspn(text + i + 1, "'");

            for (size_t k = 0; k < len; k++)
                xbuf_addc(x, text[i + 1 + k], QUOTED);
            if (!len)
                xbuf_addc(x, 0, NULL_MARK);
            i += len + (text[i + 1 + len] ? 2 : 1);
        } else if (text[i] == '"') {
            i += expand_double_quote(x, text + i);
        } else if (text[i] == '$' || text[i] == '`') {
            i += expand_dollar(x, text + i, false);
        } else {
            xbuf_addc(x, text[i++], LITERAL);
        }
    }
}

static bool is_glob_char(char c)
{
    return c == '*' || c == '?' || c == '[';
}

/* Characters from..to as a glob pattern: quoted specials and backslashes are escaped. */
static char *make_pattern(const struct xbuf *x, size_t from, size_t to, bool *special)
{
    char *pattern = arena_alloc(x->arena, 2 * (to - from) + 1);
    size_t len = 0;

    for (size_t i = from; i < to; i++) {
        if (x->attrs[i] == NULL_MARK || x->attrs[i] == BREAK || x->attrs[i] == WEAK_BREAK)
            continue;
        if (x->attrs[i] == QUOTED && strchr("*?[]-!\\", x->chars[i]) && x->chars[i])
            pattern[len++] = '\\';
        else if (is_glob_char(x->chars[i]))
            *special = true;
        pattern[len++] = x->chars[i];
    }
    return pattern;
}

static char *make_text(const struct xbuf *x, size_t from, size_t to)
{
    char *text = arena_alloc(x->arena, to - from + 1);
    size_t len = 0;

    for (size_t i = from; i < to; i++) {
        if (x->attrs[i] == BREAK || x->attrs[i] == WEAK_BREAK)
            text[len++] = ' ';
        else if (x->attrs[i] != NULL_MARK)
            text[len++] = x->chars[i];
    }
    return text;
}

static void emit_field(struct xbuf *x, size_t from, size_t to, struct fields *out)
{
    bool special = false;
    char *pattern = make_pattern(x, from, to, &special);

    if (special && !sh.opt_noglob && glob_expand(pattern, out, x->arena))
        return;
    fields_add(out, x->arena, make_text(x, from, to));
}

static bool is_separator(const struct xbuf *x, size_t i, const char *ifs)
{
    return i < x->len && x->attrs[i] == EXPANDED && x->chars[i] && strchr(ifs, x->chars[i]);
}

/* White space around another IFS character belongs to it: the index of that one, or i. */
static size_t skip_to_hard_separator(const struct xbuf *x, size_t i, const char *ifs)
{
    size_t next = i + 1;

    while (is_separator(x, next, ifs) && isspace((unsigned char)x->chars[next]))
        next++;
    return is_separator(x, next, ifs) ? next : i;
}

/* Cuts at breaks and at IFS characters that came from expansions. */
static void split_fields(struct xbuf *x, struct fields *out)
{
    const char *ifs = var_get("IFS");
    size_t start = 0;
    bool pending = false; /* a field is open, even when it is empty */

    if (!ifs)
        ifs = " \t\n";
    for (size_t i = 0; i < x->len; i++) {
        char attr = x->attrs[i];
        bool soft = is_separator(x, i, ifs) && isspace((unsigned char)x->chars[i]);
        bool hard = attr == BREAK || (is_separator(x, i, ifs) && !soft);

        if (!hard && !soft && attr != WEAK_BREAK) {
            pending = true;
            continue;
        }
        if (pending || hard)
            emit_field(x, start, i, out);
        if (soft && pending)
            i = skip_to_hard_separator(x, i, ifs);
        start = i + 1;
        pending = attr == BREAK;
    }
    if (pending)
        emit_field(x, start, x->len, out);
}

void fields_add(struct fields *f, struct arena *a, char *text)
{
    if (f->nr + 1 >= f->cap) {
        char **items;

        f->cap = f->cap ? f->cap * 2 : 16;
        items = arena_alloc(a, f->cap * sizeof(*items));
        if (f->nr)
            memcpy(items, f->items, f->nr * sizeof(*items));
        f->items = items;
    }
    f->items[f->nr++] = text;
    f->items[f->nr] = NULL;
}

void expand_words(struct word *words, struct fields *out, struct arena *a)
{
    for (; words; words = words->next) {
        struct xbuf x = {.arena = a};

        expand_raw(&x, words->text);
        split_fields(&x, out);
    }
    if (!out->items) {
        out->items = arena_alloc(a, sizeof(*out->items));
        out->cap = 1;
    }
}

char *expand_single(const char *raw, struct arena *a)
{
    struct xbuf x = {.arena = a};

    expand_raw(&x, raw);
    return make_text(&x, 0, x.len);
}

char *expand_pattern(const char *raw, struct arena *a)
{
    struct xbuf x = {.arena = a};
    bool special = false;

    expand_raw(&x, raw);
    return make_pattern(&x, 0, x.len, &special);
}

char *expand_here(const char *body, struct arena *a)
{
    struct xbuf x = {.arena = a};
    size_t i = 0;

    while (body[i]) {
        if (body[i] == '\\' && body[i + 1] == '\n') {
            i += 2;
        } else if (body[i] == '\\' && body[i + 1] && strchr("$`\\", body[i + 1])) {
            xbuf_addc(&x, body[i + 1], QUOTED);
            i += 2;
        } else if (body[i] == '$' || body[i] == '`') {
            i += expand_dollar(&x, body + i, true);
        } else {
            xbuf_addc(&x, body[i++], QUOTED);
        }
    }
    return make_text(&x, 0, x.len);
}
