/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic for $((...)): C's operators on long, by precedence climbing. Names are variables, an
 * unset or empty one is 0. The text has no dollars left: expand.c has replaced them.
 */
#include "sh.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

struct arith {
    const char *at;
    bool skip; /* in the branch of && || ?: that is not taken: no assignment, no error */
};

static long parse_assignment(struct arith *s);

static void skip_space(struct arith *s)
{
    while (isspace((unsigned char)*s->at))
        s->at++;
}

static const struct {
    const char *text;
    int precedence;
} operators[] = {
    {"||", 1}, {"&&", 2}, {"|", 3}, {"^", 4}, {"&", 5}, {"==", 6}, {"!=", 6}, {"<=", 7}, {">=", 7},
    {"<<", 8}, {">>", 8}, {"<", 7}, {">", 7}, {"+", 9}, {"-", 9},  {"*", 10}, {"/", 10}, {"%", 10},
};

/* The longest operator at s->at, not counting assignments such as "+=". Returns its index or -1. */
static int find_operator(struct arith *s)
{
    int best = -1;
    size_t best_len = 0;

    skip_space(s);
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        size_t len = strlen(operators[i].text);

        if (strncmp(s->at, operators[i].text, len) == 0 && len > best_len) {
            best = (int)i;
            best_len = len;
        }
    }
    return best;
}

static long variable_value(const char *name)
{
    const char *value = var_get(name);

    if (!value || !*value) {
        if (!value && sh.opt_nounset)
            expand_fail("%s: parameter not set", name);
        return 0;
    }
    return arith_eval(value);
}

static long divide(struct arith *s, long left, long right, bool modulo)
{
    if (right == 0) {
        if (!s->skip)
            expand_fail("division by zero");
        return 0;
    }
    if (right == -1)
        return modulo ? 0 : (long)-(unsigned long)left;
    return modulo ? left % right : left / right;
}

static long apply(struct arith *s, const char *op, long left, long right)
{
    unsigned long l = (unsigned long)left, r = (unsigned long)right;

    if (op[1]) {
        switch (op[0]) {
        case '=': return left == right;
        case '!': return left != right;
        case '<': return op[1] == '=' ? left <= right : (long)(l << (r & 63));
        default: return op[1] == '=' ? left >= right : left >> (r & 63);
        }
    }
    switch (op[0]) {
    case '|': return left | right;
    case '^': return left ^ right;
    case '&': return left & right;
    case '<': return left < right;
    case '>': return left > right;
    case '+': return (long)(l + r);
    case '-': return (long)(l - r);
    case '*': return (long)(l * r);
    default: return divide(s, left, right, op[0] == '%');
    }
}

static long parse_name(struct arith *s)
{
    static const char *const assigns[] = {
        "=", "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "<<=", ">>="};
    char name[64], number[32];
    size_t len = 0;
    long value;

    while (isalnum((unsigned char)s->at[len]) || s->at[len] == '_')
        len++;
    snprintf(name, sizeof(name), "%.*s", (int)len, s->at);
    s->at += len;
    skip_space(s);
    for (size_t i = 0; i < sizeof(assigns) / sizeof(assigns[0]); i++) {
        size_t op_len = strlen(assigns[i]);
        char op[4];

        if (strncmp(s->at, assigns[i], op_len) != 0 || (op_len == 1 && s->at[1] == '='))
            continue;
        s->at += op_len;
        value = parse_assignment(s);
        snprintf(op, sizeof(op), "%.*s", (int)op_len - 1, assigns[i]);
        if (s->skip)
            return value;
        if (*op)
            value = apply(s, op, variable_value(name), value);
        snprintf(number, sizeof(number), "%ld", value);
        var_set(name, number);
        return value;
    }
    return s->skip ? 0 : variable_value(name);
}

static long parse_unary(struct arith *s)
{
    char c;
    long value;
    char *end;

    skip_space(s);
    c = *s->at;
    if (c == '(') {
        s->at++;
        value = parse_assignment(s);
        skip_space(s);
        if (*s->at != ')')
            expand_fail("arithmetic: ')' expected at '%s'", s->at);
        s->at++;
        return value;
    }
    if (c && strchr("!~+-", c)) {
        s->at++;
        value = parse_unary(s);
        return c == '!'   ? !value
               : c == '~' ? ~value
               : c == '-' ? (long)-(unsigned long)value
                          : value;
    }
    if (isdigit((unsigned char)c)) {
        value = (long)strtoul(s->at, &end, 0);
        s->at = end;
        return value;
    }
    if (isalpha((unsigned char)c) || c == '_')
        return parse_name(s);
    expand_fail("arithmetic: a number expected at '%s'", s->at);
    return 0;
}

static long parse_binary(struct arith *s, int min_precedence)
{
    long left = parse_unary(s);

    for (;;) {
        int op = find_operator(s);
        const char *text;
        bool skip = s->skip;
        long right;

        if (op < 0 || operators[op].precedence < min_precedence)
            return left;
        text = operators[op].text;
        s->at += strlen(text);
        if (strcmp(text, "&&") == 0 || strcmp(text, "||") == 0) {
            bool decided = text[0] == '&' ? !left : left != 0;

            s->skip = skip || decided;
            right = parse_binary(s, operators[op].precedence + 1);
            s->skip = skip;
            left = text[0] == '&' ? left && right : left || right;
            continue;
        }
        right = parse_binary(s, operators[op].precedence + 1);
        left = apply(s, text, left, right);
    }
}

static long parse_assignment(struct arith *s)
{
    long value = parse_binary(s, 1), yes, no;
    bool skip = s->skip;

    skip_space(s);
    if (*s->at != '?')
        return value;
    s->at++;
    s->skip = skip || !value;
    yes = parse_assignment(s);
    skip_space(s);
    if (*s->at != ':')
        expand_fail("arithmetic: ':' expected at '%s'", s->at);
    s->at++;
    s->skip = skip || value;
    no = parse_assignment(s);
    s->skip = skip;
    return value ? yes : no;
}

long arith_eval(const char *text)
{
    struct arith s = {.at = text};
    long value;

    skip_space(&s);
    if (!*s.at)
        return 0;
    value = parse_assignment(&s);
    skip_space(&s);
    if (*s.at)
        expand_fail("arithmetic: unexpected '%s'", s.at);
    return value;
}
