/* SPDX-License-Identifier: MIT */
/*
 * seq.c: text made by a function, read like a file. A read from position 0 makes the text anew,
 * later reads continue in what was made; so a reader in pieces sees one moment, and a second
 * pread(0) sees a new one.
 *
 * Locks: the pointer to an open file's present text is under seq_lock (LEAF); texts are counted, so
 * that a reader keeps the one that it copies from. Nothing is held while text is made. Checked by
 * tests/kernel/fs/seq_ktest.c. Read next: pseudo.c.
 */
#include "internal.h"
#include <mm/vmalloc.h>
#include <stdarg.h>

#define SEQ_FIRST       KIB(1)
#define SEQ_KMALLOC_MAX KIB(64)

static spinlock_t seq_lock = SPINLOCK_INIT(LOCK_LEAF);

struct seq_text {
    atomic_t refs;
    struct seq s;
};

static void buf_free(char *buf, size_t cap)
{
    if (cap > SEQ_KMALLOC_MAX)
        vfree(buf);
    else
        kfree(buf);
}

/* Room for @n more bytes. */
static bool seq_reserve(struct seq *s, size_t n)
{
    size_t cap = s->cap ? s->cap : SEQ_FIRST;
    char *buf;

    if (s->failed)
        return false;
    while (cap - s->len < n)
        cap *= 2;
    if (cap == s->cap)
        return true;
    buf = cap > SEQ_KMALLOC_MAX ? vmalloc(cap) : kmalloc(cap);
    if (!buf) {
        s->failed = true;
        return false;
    }
    if (s->len)
        memcpy(buf, s->buf, s->len);
    buf_free(s->buf, s->cap);
    s->buf = buf;
    s->cap = cap;
    return true;
}

void seq_write(struct seq *s, const void *data, size_t n)
{
    if (!seq_reserve(s, n))
        return;
    memcpy(s->buf + s->len, data, n);
    s->len += n;
}

void seq_puts(struct seq *s, const char *str)
{
    seq_write(s, str, strlen(str));
}

void seq_printf(struct seq *s, const char *fmt, ...)
{
    va_list ap;
    int n;

    if (!seq_reserve(s, 128))
        return;
    va_start(ap, fmt);
    n = vsnprintf(s->buf + s->len, s->cap - s->len, fmt, ap);
    va_end(ap);
    if ((size_t)n >= s->cap - s->len) {
        if (!seq_reserve(s, (size_t)n + 1))
            return;
        va_start(ap, fmt);
        n = vsnprintf(s->buf + s->len, s->cap - s->len, fmt, ap);
        va_end(ap);
    }
    s->len += (size_t)n;
}

void seq_free(struct seq *s)
{
    buf_free(s->buf, s->cap);
    *s = (struct seq){0};
}

/* ---- as a file ---- */

static void text_put(struct seq_text *t)
{
    if (t && atomic_dec_and_test(&t->refs)) {
        seq_free(&t->s);
        kfree(t);
    }
}

static struct seq_text *text_make(struct file *f, int (*make)(struct file *, struct seq *))
{
    struct seq_text *t = kzalloc(sizeof(*t));
    int ret;

    if (!t)
        return ERR_PTR(-ENOMEM);
    atomic_set(&t->refs, 1);
    ret = make(f, &t->s);
    if (ret == 0 && t->s.failed)
        ret = -ENOMEM;
    if (ret == 0)
        return t;
    text_put(t);
    return ERR_PTR(ret);
}

/* The text to read from, with a reference. */
static struct seq_text *text_get(struct file *f, bool fresh,
                                 int (*make)(struct file *, struct seq *))
{
    struct seq_text *t = NULL, *old;
    unsigned long flags;

    if (!fresh) {
        flags = spin_lock_irqsave(&seq_lock);
        t = f->private;
        if (t)
            atomic_inc(&t->refs);
        spin_unlock_irqrestore(&seq_lock, flags);
        if (t)
            return t;
    }
    t = text_make(f, make);
    if (IS_ERR(t))
        return t;
    atomic_inc(&t->refs); /* the file's */
    flags = spin_lock_irqsave(&seq_lock);
    old = f->private;
    f->private = t;
    spin_unlock_irqrestore(&seq_lock, flags);
    text_put(old);
    return t;
}

ssize_t seq_read_file(struct file *f, struct iov_iter *to, loff_t *pos,
                      int (*make)(struct file *, struct seq *))
{
    struct seq_text *t;
    size_t n, done;

    if (to->count == 0)
        return 0;
    t = text_get(f, *pos == 0, make);
    if (IS_ERR(t))
        return PTR_ERR(t);
    if ((u64)*pos >= t->s.len) {
        text_put(t);
        return 0;
    }
    n = min(to->count, t->s.len - (size_t)*pos);
    done = copy_to_iter(t->s.buf + *pos, n, to);
    text_put(t);
    *pos += (loff_t)done;
    return done ? (ssize_t)done : -EFAULT;
}

void seq_release(struct file *f)
{
    text_put(f->private);
}
