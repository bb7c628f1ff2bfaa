/* SPDX-License-Identifier: MIT */
/* Allocation that ends the program on failure, and growing strings. */
#include "lib.h"

#include <err.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void *xmalloc(size_t len)
{
    void *p = malloc(len ? len : 1);

    if (!p)
        err(1, "malloc of %zu bytes", len);
    return p;
}

void *xcalloc(size_t nr, size_t len)
{
    void *p = calloc(nr ? nr : 1, len ? len : 1);

    if (!p)
        err(1, "calloc of %zu x %zu bytes", nr, len);
    return p;
}

void *xrealloc(void *old, size_t len)
{
    void *p = realloc(old, len ? len : 1);

    if (!p)
        err(1, "realloc to %zu bytes", len);
    return p;
}

char *xstrndup(const char *text, size_t len)
{
    char *copy = xmalloc(len + 1);

    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

char *xstrdup(const char *text)
{
    return xstrndup(text, strlen(text));
}

char *xasprintf(const char *format, ...)
{
    va_list ap;
    char *text = NULL;

    va_start(ap, format);
    if (vasprintf(&text, format, ap) < 0)
        err(1, "asprintf");
    va_end(ap);
    return text;
}

void strbuf_add(struct strbuf *sb, const char *bytes, size_t len)
{
    if (sb->len + len + 1 > sb->cap) {
        sb->cap = (sb->len + len + 1) * 2;
        sb->text = xrealloc(sb->text, sb->cap);
    }
    memcpy(sb->text + sb->len, bytes, len);
    sb->len += len;
    sb->text[sb->len] = '\0';
}

void strbuf_addc(struct strbuf *sb, char c)
{
    strbuf_add(sb, &c, 1);
}

void strbuf_puts(struct strbuf *sb, const char *text)
{
    strbuf_add(sb, text, strlen(text));
}

void strbuf_free(struct strbuf *sb)
{
    free(sb->text);
    *sb = (struct strbuf){0};
}
