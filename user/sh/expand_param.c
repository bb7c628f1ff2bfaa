/* SPDX-License-Identifier: MIT */
/*
 * Parameters: $name, ${name}, the special ones, and POSIX's operators in braces
 * (- = ? + with and without colon, # ## % %%, and ${#name}).
 */
#include "expand.h"

#include <ctype.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Length of the parameter's name at text; 0 when there is none. */
static size_t name_length(const char *text)
{
    size_t len = 0;

    if (isdigit((unsigned char)*text) || (*text && strchr("?$!#@*-", *text)))
        return 1;
    while (isalnum((unsigned char)text[len]) || text[len] == '_')
        len++;
    return len;
}

static char *option_letters(struct arena *a)
{
    char *text = arena_alloc(a, 8);
    size_t len = 0;

    if (sh.opt_errexit)
        text[len++] = 'e';
    if (sh.opt_noglob)
        text[len++] = 'f';
    if (sh.interactive)
        text[len++] = 'i';
    if (sh.job_control)
        text[len++] = 'm';
    if (sh.opt_nounset)
        text[len++] = 'u';
    if (sh.opt_xtrace)
        text[len++] = 'x';
    return text;
}

static char *number_text(struct arena *a, long value)
{
    char *text = arena_alloc(a, 24);

    snprintf(text, 24, "%ld", value);
    return text;
}

static char *join_params(struct arena *a)
{
    const char *ifs = var_get("IFS");
    char separator = ifs ? *ifs : ' ';
    struct strbuf sb = {0};
    char *text;

    for (int i = 0; i < sh.nr_params; i++) {
        if (i && separator)
            strbuf_addc(&sb, separator);
        strbuf_puts(&sb, sh.params[i]);
    }
    text = arena_strdup(a, sb.text ? sb.text : "");
    strbuf_free(&sb);
    return text;
}

/* The value of a parameter, or NULL when it is unset. */
static const char *parameter_value(const char *name, struct arena *a)
{
    if (isdigit((unsigned char)*name)) {
        long nr = strtol(name, NULL, 10);

        if (nr == 0)
            return sh.name;
        return nr <= sh.nr_params ? sh.params[nr - 1] : NULL;
    }
    switch (*name) {
    case '?': return number_text(a, sh.status);
    case '$': return number_text(a, sh.pid);
    case '!': return sh.last_background ? number_text(a, sh.last_background) : NULL;
    case '#': return number_text(a, sh.nr_params);
    case '-': return option_letters(a);
    case '@':
    case '*': return sh.nr_params ? join_params(a) : NULL;
    default: return var_get(name);
    }
}

/* $@ and $*: a break between parameters, except "$*", which joins them. */
static void expand_all_params(struct xbuf *x, bool quoted, bool at)
{
    if (quoted && !at) {
        xbuf_puts(x, join_params(x->arena), QUOTED);
        return;
    }
    if (sh.nr_params == 0)
        x->empty_at = true;
    for (int i = 0; i < sh.nr_params; i++) {
        if (i)
            xbuf_addc(x, 0, quoted ? BREAK : WEAK_BREAK);
        if (quoted && !*sh.params[i])
            xbuf_addc(x, 0, NULL_MARK);
        xbuf_puts(x, sh.params[i], quoted ? QUOTED : EXPANDED);
    }
}

static void emit_value(struct xbuf *x, const char *name, const char *value, bool quoted)
{
    if ((*name == '@' || *name == '*') && !name[1])
        expand_all_params(x, quoted, *name == '@');
    else
        xbuf_puts(x, value, quoted ? QUOTED : EXPANDED);
}

/* Index of the "}" that ends "${...", counted from text, which is after the "{". */
static size_t brace_end(const char *text)
{
    size_t i = 0;
    int depth = 1;

    for (; text[i]; i++) {
        if (text[i] == '\\' && text[i + 1]) {
            i++;
        } else if (text[i] == '\'') {
            i += 1 + strcspn(text + i + 1, "'");
            if (!text[i])
                break;
        } else if (text[i] == '"') {
            for (i++; text[i] && text[i] != '"'; i++)
                i += text[i] == '\\' && text[i + 1];
            if (!text[i])
                break;
        } else if (text[i] == '$' && text[i + 1] == '{') {
            depth++;
            i++;
        } else if (text[i] == '}' && --depth == 0) {
            break;
        }
    }
    return i;
}

/* Removes the shortest or longest match of a pattern at either end of value. */
static const char *strip_match(const char *value, const char *pattern, char end, bool longest,
                               struct arena *a)
{
    size_t len = strlen(value);

    for (size_t i = 0; i <= len; i++) {
        size_t cut = longest ? len - i : i;
        char *part = end == '#' ? arena_strndup(a, value, cut) : arena_strdup(a, value + len - cut);

        if (fnmatch(pattern, part, 0) == 0)
            return end == '#' ? value + cut : arena_strndup(a, value, len - cut);
    }
    return value;
}

/* Inside double quotes an operator's word keeps quoted semantics, outside it is ordinary source. */
static void expand_operand(struct xbuf *x, const char *word, bool quoted)
{
    if (quoted)
        xbuf_puts(x, expand_single(word, x->arena), QUOTED);
    else
        expand_raw(x, word);
}

/* ${name OP word} for - = ? + ; missing says that OP applies. */
static void expand_operator(struct xbuf *x, const char *name, char op, const char *word,
                            const char *value, bool missing, bool quoted)
{
    switch (op) {
    case '+':
        if (!missing)
            expand_operand(x, word, quoted);
        return;
    case '-':
        if (missing)
            expand_operand(x, word, quoted);
        else
            emit_value(x, name, value, quoted);
        return;
    case '=':
        if (missing) {
            value = expand_single(word, x->arena);
            if (!var_set(name, value))
                expand_fail("%s: cannot assign", name);
        }
        emit_value(x, name, value, quoted);
        return;
    default:
        if (missing)
            expand_fail("%s: %s", name,
                        *word ? expand_single(word, x->arena) : "parameter not set");
        emit_value(x, name, value, quoted);
        return;
    }
}

static void check_unset(const char *name, const char *value)
{
    if (!value && sh.opt_nounset && *name != '@' && *name != '*')
        expand_fail("%s: parameter not set", name);
}

static void expand_length(struct xbuf *x, const char *name, bool quoted)
{
    const char *value = parameter_value(name, x->arena);
    long len;

    check_unset(name, value);
    if (*name == '@' || *name == '*')
        len = sh.nr_params;
    else
        len = value ? (long)strlen(value) : 0;
    xbuf_puts(x, number_text(x->arena, len), quoted ? QUOTED : EXPANDED);
}

/* The inside of "${...}". */
static void expand_braces(struct xbuf *x, const char *text, bool quoted)
{
    size_t len = name_length(text);
    const char *name, *rest, *value;
    bool colon;

    if (*text == '#' && text[1] && name_length(text + 1) == strlen(text + 1)) {
        expand_length(x, text + 1, quoted);
        return;
    }
    while (isdigit((unsigned char)*text) && isdigit((unsigned char)text[len]))
        len++;
    name = arena_strndup(x->arena, text, len);
    rest = text + len;
    value = parameter_value(name, x->arena);
    colon = *rest == ':';
    if (!len || (*rest && !strchr(colon ? "-=?+" : "-=?+#%", rest[colon])))
        expand_fail("${%s}: bad substitution", text);
    if (!*rest) {
        check_unset(name, value);
        emit_value(x, name, value ? value : "", quoted);
    } else if (rest[0] == '#' || rest[0] == '%') {
        bool longest = rest[1] == rest[0];

        check_unset(name, value);
        value = strip_match(value ? value : "", expand_pattern(rest + 1 + longest, x->arena),
                            rest[0], longest, x->arena);
        xbuf_puts(x, value, quoted ? QUOTED : EXPANDED);
    } else {
        bool missing = !value || (colon && !*value);

        expand_operator(x, name, rest[colon], rest + colon + 1, value, missing, quoted);
    }
}

/* At a "$" that is not "$(": returns how many characters were taken. */
size_t expand_parameter(struct xbuf *x, const char *text, bool quoted)
{
    const char *name, *value;
    size_t len;

    if (text[1] == '{') {
        len = brace_end(text + 2);
        expand_braces(x, arena_strndup(x->arena, text + 2, len), quoted);
        return text[2 + len] ? len + 3 : len + 2;
    }
    len = name_length(text + 1);
    if (!len) {
        xbuf_addc(x, '$', quoted ? QUOTED : LITERAL);
        return 1;
    }
    name = arena_strndup(x->arena, text + 1, len);
    value = parameter_value(name, x->arena);
    check_unset(name, value);
    emit_value(x, name, value ? value : "", quoted);
    return len + 1;
}
