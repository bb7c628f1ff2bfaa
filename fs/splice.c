/* SPDX-License-Identifier: MIT */
/*
 * splice.c: moving data between files inside the kernel: sendfile, splice, tee, copy_file_range.
 *
 * Between two pipes whole pages change hands; everything else is one copy through a buffer. Data
 * taken from a pipe and not accepted by the other side goes back to its front. Locks: none held
 * between the two sides, so that a pipe's lock is never held together with an inode's. Source:
 * sendfile(2), splice(2), tee(2), copy_file_range(2). Read next: vmsplice.c.
 */
#include "pipe.h"
#include <kernel/syscall.h>

#define BOUNCE KIB(16)

/* ---- file to file by copying ---- */

/* One piece; positions are advanced by what was written. Bytes or -errno. */
static ssize_t copy_piece(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, char *buf,
                          size_t n)
{
    struct iov_iter it;
    struct iovec one;
    loff_t from = *ipos;
    ssize_t got, put;

    iov_iter_kernel(&it, &one, buf, min(n, (size_t)BOUNCE));
    got = file_read_iter(in, &it, &from);
    if (got <= 0)
        return got;
    iov_iter_kernel(&it, &one, buf, (size_t)got);
    put = file_write_iter(out, &it, opos);
    if (put > 0)
        *ipos += put;
    return put;
}

static ssize_t copy_files(struct file *in, loff_t *ipos, struct file *out, loff_t *opos, size_t n)
{
    char *buf = kmalloc(BOUNCE);
    size_t done = 0;
    ssize_t ret = 0;

    if (!buf)
        return -ENOMEM;
    while (done < n) {
        size_t want = min(n - done, (size_t)BOUNCE);

        ret = copy_piece(in, ipos, out, opos, buf, want);
        if (ret <= 0)
            break;
        done += (size_t)ret;
        if (signal_pending()) {
            ret = -EINTR;
            break;
        }
    }
    kfree(buf);
    return done ? (ssize_t)done : ret;
}

/* A position in user memory (NULL: the file's own). */
static int pos_from_user(struct file *f, const loff_t __user *upos, loff_t *pos)
{
    *pos = f->f_mode & FMODE_STREAM ? 0 : f->pos;
    if (!upos)
        return 0;
    if (f->f_mode & FMODE_STREAM)
        return -ESPIPE;
    if (copy_from_user(pos, upos, sizeof(*pos)))
        return -EFAULT;
    return *pos < 0 ? -EINVAL : 0;
}

static int pos_to_user(struct file *f, loff_t __user *upos, loff_t pos)
{
    if (upos)
        return copy_to_user(upos, &pos, sizeof(pos));
    if (!(f->f_mode & FMODE_STREAM))
        f->pos = pos;
    return 0;
}

static ssize_t do_sendfile(struct file *out, struct file *in, loff_t __user *upos, size_t n)
{
    loff_t ipos, opos = out->pos;
    ssize_t ret = pos_from_user(in, upos, &ipos);

    if (ret)
        return ret;
    if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE))
        return -EBADF;
    if ((in->f_mode & FMODE_STREAM) || (out->flags & O_APPEND))
        return -EINVAL;
    ret = copy_files(in, &ipos, out, &opos, min(n, (size_t)MAX_RW_COUNT));
    if (ret >= 0) {
        (void)pos_to_user(out, NULL, opos);
        if (pos_to_user(in, upos, ipos))
            ret = -EFAULT;
    }
    return ret;
}

SYSCALL4(sendfile, int, out_fd, int, in_fd, loff_t __user *, upos, size_t, n)
{
    struct fdref in = fdref_get(in_fd), out = fdref_get(out_fd);
    ssize_t ret = in.file && out.file ? do_sendfile(out.file, in.file, upos, n) : -EBADF;

    if (in.file)
        fdref_put(in);
    if (out.file)
        fdref_put(out);
    return ret;
}

static ssize_t do_copy_range(struct file *in, loff_t __user *uin, struct file *out,
                             loff_t __user *uout, size_t n)
{
    loff_t ipos, opos;
    ssize_t ret;

    if (!(in->f_mode & FMODE_READ) || !(out->f_mode & FMODE_WRITE) || (out->flags & O_APPEND))
        return -EBADF;
    if (S_ISDIR(in->inode->mode) || S_ISDIR(out->inode->mode))
        return -EISDIR;
    if (!S_ISREG(in->inode->mode) || !S_ISREG(out->inode->mode))
        return -EINVAL;
    ret = pos_from_user(in, uin, &ipos);
    if (ret == 0)
        ret = pos_from_user(out, uout, &opos);
    if (ret)
        return ret;
    n = min(n, (size_t)MAX_RW_COUNT);
    if (in->inode == out->inode && ipos < opos + (loff_t)n && opos < ipos + (loff_t)n)
        return -EINVAL;
    ret = copy_files(in, &ipos, out, &opos, n);
    if (ret >= 0 && (pos_to_user(in, uin, ipos) || pos_to_user(out, uout, opos)))
        ret = -EFAULT;
    return ret;
}

SYSCALL6(copy_file_range, int, in_fd, loff_t __user *, uin, int, out_fd, loff_t __user *, uout,
         size_t, n, unsigned int, flags)
{
    struct fdref in = fdref_get(in_fd), out = fdref_get(out_fd);
    ssize_t ret = -EBADF;

    if (in.file && out.file)
        ret = flags ? -EINVAL : do_copy_range(in.file, uin, out.file, uout, n);
    if (in.file)
        fdref_put(in);
    if (out.file)
        fdref_put(out);
    return ret;
}

/* ---- splice ---- */

static ssize_t pipe_to_pipe(struct pipe *in, struct pipe *out, size_t n, bool nonblock)
{
    struct pipe_slot s;
    int ret = pipe_take(in, n, nonblock, &s);

    if (ret <= 0)
        return ret;
    ret = pipe_push(out, &s, nonblock);
    if (ret) {
        pipe_unget(in, &s);
        return ret;
    }
    return s.len;
}

static ssize_t pipe_to_file(struct pipe *in, struct file *out, loff_t *opos, size_t n,
                            bool nonblock)
{
    struct pipe_slot s;
    struct iov_iter it;
    struct iovec one;
    ssize_t put;
    int ret = pipe_take(in, n, nonblock, &s);

    if (ret <= 0)
        return ret;
    iov_iter_kernel(&it, &one, (char *)page_to_virt(s.page) + s.off, s.len);
    put = file_write_iter(out, &it, opos);
    if (put < (ssize_t)s.len) {
        u32 done = put > 0 ? (u32)put : 0;

        s.off += done;
        s.len -= done;
        pipe_unget(in, &s);
    } else {
        pipe_slot_put(&s);
    }
    return put;
}

static ssize_t file_to_pipe(struct file *in, loff_t *ipos, struct pipe *out, size_t n,
                            bool nonblock)
{
    struct pipe_slot s = {.page = page_alloc(PAGE_KERNEL, GFP_KERNEL)};
    loff_t from = *ipos;
    struct iov_iter it;
    struct iovec one;
    ssize_t got;
    int ret;

    if (!s.page)
        return -ENOMEM;
    iov_iter_kernel(&it, &one, page_to_virt(s.page), min(n, PAGE_SIZE));
    got = file_read_iter(in, &it, &from);
    if (got > 0) {
        s.len = (u32)got;
        ret = pipe_push(out, &s, nonblock);
        if (ret == 0) {
            *ipos = from;
            return got;
        }
        got = ret;
    }
    page_put(s.page);
    return got;
}

struct splice {
    struct file *in, *out;
    loff_t ipos, opos;
    bool nonblock;
};

static ssize_t splice_step(struct splice *s, size_t n)
{
    struct pipe *in = file_pipe(s->in), *out = file_pipe(s->out);

    if (in && out)
        return pipe_to_pipe(in, out, n, s->nonblock);
    if (in)
        return pipe_to_file(in, s->out, &s->opos, n, s->nonblock);
    return file_to_pipe(s->in, &s->ipos, out, n, s->nonblock);
}

static ssize_t do_splice(struct splice *s, size_t n)
{
    struct pipe *in = file_pipe(s->in), *out = file_pipe(s->out);
    size_t done = 0;
    ssize_t ret = 0;

    if (!(s->in->f_mode & FMODE_READ) || !(s->out->f_mode & FMODE_WRITE))
        return -EBADF;
    if ((!in && !out) || in == out || (s->out->flags & O_APPEND))
        return -EINVAL;
    if ((!in && !s->in->op->read) || (!out && !s->out->op->write))
        return -EINVAL;
    while (done < n) {
        ret = splice_step(s, n - done);
        if (ret <= 0)
            break;
        done += (size_t)ret;
        /* What is there now is enough: only the first byte is waited for. */
        s->nonblock = true;
    }
    return done ? (ssize_t)done : ret;
}

static ssize_t splice_files(struct file *in, loff_t __user *uin, struct file *out,
                            loff_t __user *uout, size_t n, unsigned int flags)
{
    struct splice s = {.in = in, .out = out};
    ssize_t ret;

    if ((file_pipe(in) && uin) || (file_pipe(out) && uout))
        return -ESPIPE;
    ret = pos_from_user(in, uin, &s.ipos);
    if (ret == 0)
        ret = pos_from_user(out, uout, &s.opos);
    if (ret)
        return ret;
    s.nonblock = (flags & SPLICE_F_NONBLOCK) || (file_pipe(in) && (in->flags & O_NONBLOCK)) ||
                 (file_pipe(out) && (out->flags & O_NONBLOCK));
    ret = do_splice(&s, min(n, (size_t)MAX_RW_COUNT));
    if (ret > 0 && (pos_to_user(in, uin, s.ipos) || pos_to_user(out, uout, s.opos)))
        ret = -EFAULT;
    return ret;
}

SYSCALL6(splice, int, in_fd, loff_t __user *, uin, int, out_fd, loff_t __user *, uout, size_t, n,
         unsigned int, flags)
{
    struct fdref in, out;
    ssize_t ret = -EBADF;

    if (n == 0)
        return 0;
    if (flags & ~SPLICE_F_ALL)
        return -EINVAL;
    in = fdref_get(in_fd);
    out = fdref_get(out_fd);
    if (in.file && out.file)
        ret = splice_files(in.file, uin, out.file, uout, n, flags);
    if (in.file)
        fdref_put(in);
    if (out.file)
        fdref_put(out);
    return ret;
}

/* ---- tee ---- */

static ssize_t do_tee(struct pipe *in, struct pipe *out, size_t n, bool nonblock)
{
    struct pipe_slot s;
    size_t done = 0;
    int ret;

    mutex_lock(&in->lock);
    ret = pipe_wait_readable(in, nonblock);
    mutex_unlock(&in->lock);
    if (ret <= 0)
        return ret;
    for (u32 nth = 0; done < n && pipe_peek(in, nth, n - done, &s); nth++) {
        ret = pipe_push(out, &s, nonblock || done);
        if (ret) {
            pipe_slot_put(&s);
            break;
        }
        done += s.len;
    }
    return done ? (ssize_t)done : ret < 0 ? ret : 0;
}

SYSCALL4(tee, int, in_fd, int, out_fd, size_t, n, unsigned int, flags)
{
    struct fdref in, out;
    ssize_t ret = -EBADF;

    if (flags & ~SPLICE_F_ALL)
        return -EINVAL;
    in = fdref_get(in_fd);
    out = fdref_get(out_fd);
    if (in.file && out.file && (in.file->f_mode & FMODE_READ) && (out.file->f_mode & FMODE_WRITE)) {
        struct pipe *i = file_pipe(in.file), *o = file_pipe(out.file);

        ret = i && o && i != o
                  ? do_tee(i, o, min(n, (size_t)MAX_RW_COUNT), flags & SPLICE_F_NONBLOCK)
                  : -EINVAL;
    }
    if (in.file)
        fdref_put(in);
    if (out.file)
        fdref_put(out);
    return ret;
}
