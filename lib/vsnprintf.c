/* SPDX-License-Identifier: MIT */
/*
 * vsnprintf.c: formatted text for the log, /proc and tests.
 *
 * Conversions d i u x X o c s p % with flags - + blank # 0, width, precision and the lengths hh h l
 * ll z j t; %pS prints an address as symbol+offset/size. No floating point. No locks, no
 * allocation: any context. A plain %p shows the address in debug kernels and a scrambled number
 * otherwise, so that a log does not tell a user where things lie.
 * Source: ISO C 7.21.6.1. Checked by tests/kernel/lib/. Read next: kernel/printk.c.
 */
#include <kernel/kallsyms.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <arch/cpu.h>

struct out {
    char *buf;
    size_t size; /* of buf */
    size_t len;  /* what would be there with enough room */
};

struct spec {
    bool left, plus, blank, alt, zero, upper;
    int width;     /* 0 when not given */
    int precision; /* -1 when not given */
    int length;    /* bytes of the integer argument */
};

static void put(struct out *o, char c)
{
    if (o->len + 1 < o->size)
        o->buf[o->len] = c;
    o->len++;
}

static void pad(struct out *o, char c, int n)
{
    for (; n > 0; n--)
        put(o, c);
}

static void put_text(struct out *o, const struct spec *sp, const char *s, size_t n)
{
    int gap = sp->width - (int)n;

    if (!sp->left)
        pad(o, ' ', gap);
    for (size_t i = 0; i < n; i++)
        put(o, s[i]);
    if (sp->left)
        pad(o, ' ', gap);
}

static void put_string(struct out *o, const struct spec *sp, const char *s)
{
    if (!s)
        s = "(null)";
    put_text(o, sp, s, sp->precision >= 0 ? strnlen(s, (size_t)sp->precision) : strlen(s));
}

/* @prefix is the sign or the base's mark. */
static void put_number(struct out *o, const struct spec *sp, u64 v, unsigned int base,
                       const char *prefix)
{
    const char *digits = sp->upper ? "0123456789ABCDEF" : "0123456789abcdef";
    char text[24];
    int n = 0, zeros, gap;

    for (; v != 0; v /= base)
        text[n++] = digits[v % base];
    zeros = (sp->precision >= 0 ? sp->precision : 1) - n;
    if (zeros < 0)
        zeros = 0;
    gap = sp->width - n - zeros - (int)strlen(prefix);
    if (sp->zero && !sp->left && sp->precision < 0 && gap > 0) {
        zeros += gap;
        gap = 0;
    }
    if (!sp->left)
        pad(o, ' ', gap);
    for (; *prefix != '\0'; prefix++)
        put(o, *prefix);
    pad(o, '0', zeros);
    while (n > 0)
        put(o, text[--n]);
    if (sp->left)
        pad(o, ' ', gap);
}

static void put_symbol(struct out *o, const struct spec *sp, unsigned long addr)
{
    unsigned long offset, size;
    const char *name = kallsyms_lookup(addr, &offset, &size);
    char text[160];

    if (name)
        snprintf(text, sizeof(text), "%s+%#lx/%#lx", name, offset, size);
    else
        snprintf(text, sizeof(text), "%#lx", addr);
    put_string(o, sp, text);
}

#ifndef CONFIG_DEBUG
/* One-way enough for a log: a multiplicative mix with a key that differs from boot to boot. */
static u64 scramble(u64 v)
{
    static u64 key;

    if (key == 0)
        key = cycle_counter() | 1;
    v = (v ^ key) * 0x9e3779b97f4a7c15ULL;
    v = (v ^ (v >> 32)) * 0xd6e8feb86659fd93ULL;
    return v >> 32;
}
#endif

static void put_pointer(struct out *o, const struct spec *sp, const void *p)
{
    struct spec s = *sp;
    u64 v = (unsigned long)p;

#ifndef CONFIG_DEBUG
    v = scramble(v);
#endif
    s.precision = -1;
    put_number(o, &s, v, 16, "0x");
}

static u64 integer_argument(va_list *ap, int length, bool is_signed)
{
    if (length == 8)
        return va_arg(*ap, u64);

    unsigned int v = va_arg(*ap, unsigned int);

    switch (length) {
    case 1: return is_signed ? (u64)(signed char)v : (u64)(u8)v;
    case 2: return is_signed ? (u64)(short)v : (u64)(u16)v;
    default: return is_signed ? (u64)(int)v : (u64)v;
    }
}

static const char *parse_flags(const char *f, struct spec *sp)
{
    for (;; f++) {
        switch (*f) {
        case '-': sp->left = true; break;
        case '+': sp->plus = true; break;
        case ' ': sp->blank = true; break;
        case '#': sp->alt = true; break;
        case '0': sp->zero = true; break;
        default: return f;
        }
    }
}

static const char *parse_count(const char *f, va_list *ap, int *n)
{
    if (*f == '*') {
        *n = va_arg(*ap, int);
        return f + 1;
    }
    for (*n = 0; *f >= '0' && *f <= '9'; f++)
        *n = *n * 10 + (*f - '0');
    return f;
}

static const char *parse_length(const char *f, int *length)
{
    *length = sizeof(int);
    switch (*f) {
    case 'h':
        *length = f[1] == 'h' ? 1 : 2;
        return f[1] == 'h' ? f + 2 : f + 1;
    case 'l':
        *length = f[1] == 'l' ? (int)sizeof(long long) : (int)sizeof(long);
        return f[1] == 'l' ? f + 2 : f + 1;
    case 'z': case 't':
        *length = sizeof(size_t);
        return f + 1;
    case 'j':
        *length = sizeof(intmax_t);
        return f + 1;
    default:
        return f;
    }
}

static const char *parse_spec(const char *f, va_list *ap, struct spec *sp)
{
    f = parse_flags(f, sp);
    f = parse_count(f, ap, &sp->width);
    if (sp->width < 0) {
        sp->left = true;
        sp->width = -sp->width;
    }
    sp->precision = -1;
    if (*f == '.')
        f = parse_count(f + 1, ap, &sp->precision);
    return parse_length(f, &sp->length);
}

static void put_signed(struct out *o, const struct spec *sp, s64 v)
{
    const char *sign = v < 0 ? "-" : sp->plus ? "+" : sp->blank ? " " : "";

    put_number(o, sp, v < 0 ? -(u64)v : (u64)v, 10, sign);
}

/* One conversion; returns the format behind it. */
static const char *convert(struct out *o, const char *f, va_list *ap)
{
    struct spec sp = { 0 };
    char c;
    u64 v;

    f = parse_spec(f, ap, &sp);
    switch (*f) {
    case 'd': case 'i':
        put_signed(o, &sp, (s64)integer_argument(ap, sp.length, true));
        break;
    case 'u':
        put_number(o, &sp, integer_argument(ap, sp.length, false), 10, "");
        break;
    case 'o':
        v = integer_argument(ap, sp.length, false);
        put_number(o, &sp, v, 8, sp.alt && v != 0 ? "0" : "");
        break;
    case 'X':
        sp.upper = true;
        __fallthrough;
    case 'x':
        v = integer_argument(ap, sp.length, false);
        put_number(o, &sp, v, 16, sp.alt && v != 0 ? (sp.upper ? "0X" : "0x") : "");
        break;
    case 'c':
        c = (char)va_arg(*ap, int);
        put_text(o, &sp, &c, 1);
        break;
    case 's':
        put_string(o, &sp, va_arg(*ap, const char *));
        break;
    case 'p':
        if (f[1] == 'S') {
            put_symbol(o, &sp, (unsigned long)va_arg(*ap, void *));
            return f + 2;
        }
        put_pointer(o, &sp, va_arg(*ap, void *));
        break;
    case '\0':
        return f;
    default: /* '%' and what is no conversion: as it stands */
        put(o, *f);
        break;
    }
    return f + 1;
}

int vsnprintf(char *buf, size_t n, const char *fmt, va_list ap)
{
    struct out o = { buf, n, 0 };
    va_list args;

    va_copy(args, ap);
    while (*fmt != '\0') {
        if (*fmt == '%')
            fmt = convert(&o, fmt + 1, &args);
        else
            put(&o, *fmt++);
    }
    va_end(args);
    if (n > 0)
        buf[min(o.len, n - 1)] = '\0';
    return (int)o.len;
}

int snprintf(char *buf, size_t n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(buf, n, fmt, ap);
    va_end(ap);
    return len;
}

int scnprintf(char *buf, size_t n, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    int len = vsnprintf(buf, n, fmt, ap);
    va_end(ap);
    if (n == 0)
        return 0;
    return min(len, (int)n - 1);
}
