/* SPDX-License-Identifier: MIT */
/*
 * test and [: POSIX's expressions with ! ( ) -a -o, the file tests, -nt and -ot, and comparisons of
 * strings and integers.
 */
#include "sh.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct test {
    char **at, **end;
    bool bad;
};

static bool parse_or(struct test *t);

static bool file_test(char op, const char *path)
{
    struct stat st;

    switch (op) {
    case 'r': return access(path, R_OK) == 0;
    case 'w': return access(path, W_OK) == 0;
    case 'x': return access(path, X_OK) == 0;
    case 'h':
    case 'L': return lstat(path, &st) == 0 && S_ISLNK(st.st_mode);
    case 't': return isatty(atoi(path));
    default: break;
    }
    if (stat(path, &st) < 0)
        return false;
    switch (op) {
    case 'e': return true;
    case 'f': return S_ISREG(st.st_mode);
    case 'd': return S_ISDIR(st.st_mode);
    case 'c': return S_ISCHR(st.st_mode);
    case 'b': return S_ISBLK(st.st_mode);
    case 'p': return S_ISFIFO(st.st_mode);
    case 'S': return S_ISSOCK(st.st_mode);
    case 's': return st.st_size > 0;
    case 'u': return st.st_mode & S_ISUID;
    case 'g': return st.st_mode & S_ISGID;
    default: return st.st_mode & S_ISVTX;
    }
}

static bool is_unary(const char *text)
{
    return text[0] == '-' && text[1] && !text[2] && strchr("nzrwxhLtefdcbpSsugk", text[1]);
}

static long long integer(struct test *t, const char *text)
{
    char *end;
    long long value = strtoll(text, &end, 10);

    if (end == text || *end) {
        sh_warn("test: '%s' is no number", text);
        t->bad = true;
    }
    return value;
}

static bool newer(const char *a, const char *b)
{
    struct stat x, y;

    if (stat(a, &x) < 0)
        return false;
    if (stat(b, &y) < 0)
        return true;
    if (x.st_mtim.tv_sec != y.st_mtim.tv_sec)
        return x.st_mtim.tv_sec > y.st_mtim.tv_sec;
    return x.st_mtim.tv_nsec > y.st_mtim.tv_nsec;
}

static bool is_binary(const char *op)
{
    static const char *const ops[] = {"=",   "==",  "!=",  "<",   ">",   "-eq", "-ne",
                                      "-lt", "-le", "-gt", "-ge", "-nt", "-ot", "-ef"};

    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strcmp(op, ops[i]) == 0)
            return true;
    }
    return false;
}

static bool binary(struct test *t, const char *left, const char *op, const char *right)
{
    struct stat x, y;

    if (op[0] != '-') {
        int order = strcmp(left, right);

        return op[0] == '='   ? order == 0
               : op[0] == '!' ? order != 0
               : op[0] == '<' ? order < 0
                              : order > 0;
    }
    if (strcmp(op, "-nt") == 0)
        return newer(left, right);
    if (strcmp(op, "-ot") == 0)
        return newer(right, left);
    if (strcmp(op, "-ef") == 0)
        return stat(left, &x) == 0 && stat(right, &y) == 0 && x.st_dev == y.st_dev &&
               x.st_ino == y.st_ino;
    {
        long long a = integer(t, left), b = integer(t, right);

        switch (op[1]) {
        case 'e': return a == b;
        case 'n': return a != b;
        case 'l': return op[2] == 't' ? a < b : a <= b;
        default: return op[2] == 't' ? a > b : a >= b;
        }
    }
}

static bool parse_primary(struct test *t)
{
    size_t left = (size_t)(t->end - t->at);
    bool value;

    if (!left) {
        sh_warn("test: an expression is missing");
        t->bad = true;
        return false;
    }
    if (left >= 3 && is_binary(t->at[1])) {
        value = binary(t, t->at[0], t->at[1], t->at[2]);
        t->at += 3;
        return value;
    }
    if (strcmp(t->at[0], "!") == 0 && left > 1) {
        t->at++;
        return !parse_primary(t);
    }
    if (strcmp(t->at[0], "(") == 0 && left > 1) {
        t->at++;
        value = parse_or(t);
        if (t->at == t->end || strcmp(*t->at++, ")") != 0)
            t->bad = true;
        return value;
    }
    if (left >= 2 && is_unary(t->at[0])) {
        char op = t->at[0][1];
        const char *operand = t->at[1];

        t->at += 2;
        return op == 'n' ? *operand != '\0' : op == 'z' ? !*operand : file_test(op, operand);
    }
    return **t->at++ != '\0';
}

static bool parse_and(struct test *t)
{
    bool value = parse_primary(t);

    while (t->at < t->end && strcmp(*t->at, "-a") == 0) {
        t->at++;
        value = parse_primary(t) && value;
    }
    return value;
}

static bool parse_or(struct test *t)
{
    bool value = parse_and(t);

    while (t->at < t->end && strcmp(*t->at, "-o") == 0) {
        t->at++;
        value = parse_and(t) || value;
    }
    return value;
}

int builtin_test(int argc, char **argv)
{
    struct test t = {.at = argv + 1, .end = argv + argc};
    bool value;

    if (strcmp(argv[0], "[") == 0) {
        if (strcmp(argv[argc - 1], "]") != 0) {
            sh_warn("[: ']' expected");
            return 2;
        }
        t.end--;
    }
    if (t.at >= t.end)
        return 1;
    value = parse_or(&t);
    if (!t.bad && t.at < t.end) {
        sh_warn("test: unexpected '%s'", *t.at);
        t.bad = true;
    }
    return t.bad ? 2 : !value;
}
