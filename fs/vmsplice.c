/* SPDX-License-Identifier: MIT */
/*
 * vmsplice.c: between a process' memory and a pipe.
 *
 * Into the pipe without a copy: the pages themselves are pinned and become slots. The process keeps
 * them mapped, so what it writes before the reader comes is what the reader gets; munmap, exit and
 * fork change nothing for the pipe. The slots may be spliced and teed on; each holder has a pin. A
 * call puts in what fits, and sleeps only while nothing does. SPLICE_F_GIFT only promises that the
 * process will not write to the pages again; nothing here needs the promise. Out of the pipe the
 * bytes are copied.
 *
 * Locks: pipe->lock (PIPE) while pages are pinned and put in. Invariants: those of pipe.c.
 * Checked by tests/user/vmsplice_test.c. Source: vmsplice(2). Read next: mm/gup.c.
 */
#include "pipe.h"
#include <kernel/syscall.h>
#include <mm/gup.h>

#define BATCH 16

/* Pages of the front segment, as many as the ring has room for; there is some. Bytes, or -errno. */
static ssize_t add_pages(struct pipe *p, struct iov_iter *it)
{
    struct page *pages[BATCH];
    char *base;
    size_t n = iov_iter_piece(it, &base), off = (unsigned long)base & ~PAGE_MASK, done = 0;
    unsigned long room = min(p->nr_slots - (p->head - p->tail), (u32)BATCH);
    unsigned long nr = min((unsigned long)(PAGE_ALIGN(off + n) >> PAGE_SHIFT), room);
    long got = pin_user_pages_fast((vaddr_t)base, nr, GUP_LONGTERM, pages);

    for (long i = 0; i < got; i++, off = 0) {
        u32 len = (u32)min(n - done, PAGE_SIZE - off);

        *pipe_slot(p, p->head++) = (struct pipe_slot){
            .page = pages[i], .off = (u32)off, .len = len, .shared = true, .pinned = true};
        done += len;
    }
    if (got < 0)
        return got;
    iov_iter_advance(it, done);
    return (ssize_t)done;
}

/* Until the ring has room. 0, or -errno. */
static int wait_for_room(struct pipe *p, bool nonblock)
{
    for (;;) {
        int ret;

        if (p->readers == 0) {
            (void)signal_send_task(current, SIGPIPE, NULL);
            return -EPIPE;
        }
        if (!pipe_full(p))
            return 0;
        ret = nonblock ? -EAGAIN : pipe_wait_writable(p);
        if (ret)
            return ret;
    }
}

static ssize_t memory_to_pipe(struct pipe *p, struct iov_iter *it, bool nonblock)
{
    ssize_t done = 0, ret;

    if (it->count == 0)
        return 0;
    mutex_lock(&p->lock);
    ret = wait_for_room(p, nonblock);
    while (ret >= 0 && it->count && !pipe_full(p)) {
        ret = add_pages(p, it);
        if (ret > 0)
            done += ret;
    }
    mutex_unlock(&p->lock);
    pipe_wake_readers(p);
    return done ? done : ret;
}

static ssize_t do_vmsplice(struct file *f, const struct iovec __user *uvec, unsigned long nr,
                           bool nonblock)
{
    struct iovec fast[IOV_FAST], *v;
    struct iov_iter it;
    ssize_t n = iov_from_user(uvec, nr, fast, &v);

    if (n < 0)
        return n;
    it = (struct iov_iter){.iov = v, .nr = (unsigned int)nr, .count = (size_t)n};
    if (f->f_mode & FMODE_WRITE)
        n = memory_to_pipe(file_pipe(f), &it, nonblock);
    else
        n = pipe_read_iter(file_pipe(f), &it, nonblock);
    if (v != fast)
        kfree(v);
    return n;
}

SYSCALL4(vmsplice, int, fd, const struct iovec __user *, vec, unsigned long, nr, unsigned int,
         flags)
{
    struct fdref r = fdref_get(fd);
    ssize_t ret = -EBADF;

    if (r.file && (flags & ~SPLICE_F_ALL))
        ret = -EINVAL;
    else if (r.file && file_pipe(r.file))
        ret = do_vmsplice(r.file, vec, nr,
                          (flags & SPLICE_F_NONBLOCK) || (r.file->flags & O_NONBLOCK));
    if (r.file)
        fdref_put(r);
    return ret;
}
