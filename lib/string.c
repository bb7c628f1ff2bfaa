/* SPDX-License-Identifier: MIT */
/*
 * string.c: the C library's memory and string functions, and two number parsers.
 *
 * It does not know locales or characters beyond bytes. No locks, no state. The machine may bring
 * its own memcpy, memset and memmove (arch/ARCH/kernel/), since those three are where the time
 * goes.
 * Checked by tests/kernel/lib/. Read next: vsnprintf.c.
 */
#include <kernel/string.h>
#include <asm/errno.h>

int (memcmp)(const void *a, const void *b, size_t n)
{
    const u8 *x = a, *y = b;
    u64 v, w;

    /* Words until they differ, then the bytes say how. */
    for (; n >= sizeof(v); x += sizeof(v), y += sizeof(v), n -= sizeof(v)) {
        memcpy(&v, x, sizeof(v));
        memcpy(&w, y, sizeof(w));
        if (v != w)
            break;
    }
    for (; n > 0; x++, y++, n--)
        if (*x != *y)
            return *x - *y;
    return 0;
}

void *memchr(const void *s, int c, size_t n)
{
    for (const u8 *p = s; n > 0; p++, n--)
        if (*p == (u8)c)
            return (void *)p;
    return NULL;
}

size_t (strlen)(const char *s)
{
    const char *p = s;

    while (*p != '\0')
        p++;
    return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t n)
{
    size_t len = 0;

    while (len < n && s[len] != '\0')
        len++;
    return len;
}

int (strcmp)(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return (u8)*a - (u8)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
    for (; n > 0; a++, b++, n--) {
        if (*a != *b)
            return (u8)*a - (u8)*b;
        if (*a == '\0')
            break;
    }
    return 0;
}

char *strchr(const char *s, int c)
{
    for (;; s++) {
        if (*s == (char)c)
            return (char *)s;
        if (*s == '\0')
            return NULL;
    }
}

char *strrchr(const char *s, int c)
{
    const char *found = NULL;

    for (;; s++) {
        if (*s == (char)c)
            found = s;
        if (*s == '\0')
            return (char *)found;
    }
}

char *strstr(const char *s, const char *needle)
{
    size_t n = strlen(needle);

    for (; *s != '\0' || n == 0; s++)
        if (strncmp(s, needle, n) == 0)
            return (char *)s;
    return NULL;
}

ssize_t strscpy(char *d, const char *s, size_t n)
{
    size_t len = strnlen(s, n);

    if (n == 0)
        return -E2BIG;
    if (len == n) {
        memcpy(d, s, n - 1);
        d[n - 1] = '\0';
        return -E2BIG;
    }
    memcpy(d, s, len + 1);
    return (ssize_t)len;
}

static unsigned int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return (unsigned int)(c - '0');
    if (c >= 'a' && c <= 'z')
        return (unsigned int)(c - 'a') + 10;
    if (c >= 'A' && c <= 'Z')
        return (unsigned int)(c - 'A') + 10;
    return 255;
}

u64 parse_u64(const char *s, const char **end)
{
    unsigned int base = 10;
    u64 v = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X') && digit_value(s[2]) < 16) {
        base = 16;
        s += 2;
    } else if (s[0] == '0') {
        base = 8;
    }
    for (; digit_value(*s) < base; s++)
        v = v * base + digit_value(*s);
    if (end)
        *end = s;
    return v;
}

u64 parse_size(const char *s, const char **end)
{
    const char *p;
    u64 v = parse_u64(s, &p);

    switch (*p) {
    case 'g': case 'G':
        v <<= 30, p++;
        break;
    case 'm': case 'M':
        v <<= 20, p++;
        break;
    case 'k': case 'K':
        v <<= 10, p++;
        break;
    default:
        break;
    }
    if (end)
        *end = p;
    return v;
}
