/* SPDX-License-Identifier: MIT */
/*
 * iov_iter.c: scattered memory, of a user or of the kernel, consumed from the front.
 *
 * A copy stops at the first byte that cannot be accessed and says how far it came. No locks; the
 * one-segment case, which read and write are, comes first everywhere. Source: readv(2). Read next:
 * read_write.c.
 */
#include "internal.h"
#include <linux/uio.h>

/* Bytes of the front segment, at most @n; passes over empty segments. */
static size_t front(struct iov_iter *it, size_t n, char **base)
{
    while (it->nr > 1 && it->off >= it->iov->iov_len) {
        it->iov++;
        it->nr--;
        it->off = 0;
    }
    *base = (char *)it->iov->iov_base + it->off;
    return min(n, (size_t)it->iov->iov_len - it->off);
}

size_t iov_iter_piece(struct iov_iter *it, char **base)
{
    return front(it, it->count, base);
}

unsigned long iov_iter_alignment(const struct iov_iter *it)
{
    struct iov_iter at = *it;
    unsigned long bits = 0;

    while (at.count > 0) {
        char *base;
        size_t n = front(&at, at.count, &base);

        bits |= (unsigned long)base | n;
        at.off += n;
        at.count -= n;
    }
    return bits;
}

/* What read and write are; no end of a segment comes before the end. */
static bool is_one_user_buffer(const struct iov_iter *it)
{
    return it->nr == 1 && !it->kernel;
}

static void consume(struct iov_iter *it, size_t n)
{
    it->off += n;
    it->count -= n;
}

void iov_iter_advance(struct iov_iter *it, size_t n)
{
    char *base;

    while (n > 0) {
        size_t part = front(it, n, &base);

        consume(it, part);
        n -= part;
    }
}

static __noinline size_t copy_to_segments(const void *src, size_t n, struct iov_iter *it)
{
    size_t done = 0;

    while (done < n) {
        char *base;
        size_t part = front(it, n - done, &base), left = 0;

        if (likely(!it->kernel))
            left = copy_to_user_partial(base, (const char *)src + done, part);
        else
            memcpy(base, (const char *)src + done, part);
        consume(it, part - left);
        done += part - left;
        if (unlikely(left))
            break;
    }
    return done;
}

size_t copy_to_iter(const void *src, size_t n, struct iov_iter *it)
{
    n = min(n, it->count);
    if (unlikely(!is_one_user_buffer(it)))
        return copy_to_segments(src, n, it);

    void __user *at = (char __user *)it->iov->iov_base + it->off;

    n -= copy_to_user_partial(at, src, n);
    consume(it, n);
    return n;
}

static __noinline size_t copy_from_segments(void *dst, size_t n, struct iov_iter *it)
{
    size_t done = 0;

    while (done < n) {
        char *base;
        size_t part = front(it, n - done, &base), left = 0;

        if (likely(!it->kernel))
            left = copy_from_user_partial((char *)dst + done, base, part);
        else
            memcpy((char *)dst + done, base, part);
        consume(it, part - left);
        done += part - left;
        if (unlikely(left))
            break;
    }
    return done;
}

size_t copy_from_iter(void *dst, size_t n, struct iov_iter *it)
{
    n = min(n, it->count);
    if (unlikely(!is_one_user_buffer(it)))
        return copy_from_segments(dst, n, it);

    void __user *at = (char __user *)it->iov->iov_base + it->off;

    n -= copy_from_user_partial(dst, at, n);
    consume(it, n);
    return n;
}

size_t zero_iter(size_t n, struct iov_iter *it)
{
    size_t done = 0;

    n = min(n, it->count);
    while (done < n) {
        char *base;
        size_t part = front(it, n - done, &base), left = 0;

        if (!it->kernel)
            left = clear_user_partial(base, part);
        else
            memset(base, 0, part);
        consume(it, part - left);
        done += part - left;
        if (left)
            break;
    }
    return done;
}

ssize_t iov_from_user(const struct iovec __user *uvec, unsigned long n, struct iovec *fast,
                      struct iovec **out)
{
    struct iovec *v = fast;
    size_t total = 0;

    *out = NULL;
    if (n > UIO_MAXIOV)
        return -EINVAL;
    if (n > IOV_FAST) {
        v = kmalloc(n * sizeof(*v));
        if (!v)
            return -ENOMEM;
    }
    *out = v;
    if (n && copy_from_user(v, uvec, n * sizeof(*v))) {
        if (v != fast)
            kfree(v);
        return -EFAULT;
    }
    for (unsigned long i = 0; i < n; i++) {
        if ((ssize_t)v[i].iov_len < 0) {
            if (v != fast)
                kfree(v);
            return -EINVAL;
        }
        if (!access_ok(v[i].iov_base, v[i].iov_len)) {
            if (v != fast)
                kfree(v);
            return -EFAULT;
        }
        v[i].iov_len = min((size_t)v[i].iov_len, MAX_RW_COUNT - total);
        total += v[i].iov_len;
    }
    return (ssize_t)total;
}
