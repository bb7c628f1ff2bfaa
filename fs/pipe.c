/* SPDX-License-Identifier: MIT */
/*
 * pipe.c: pipes and fifos: a ring of pages between writers and readers.
 *
 * A slot of the ring is a page with a range of bytes. Small writes are appended to the last slot's
 * page while there is room, so that a stream of single bytes does not use a page each. Writes of up
 * to PIPE_BUF bytes are never split among other writers': they wait until they fit whole.
 *
 * Locks: pipe->lock (PIPE) for everything in it; dentry_lock for inode->pipe and users. A copy from
 * or to the user runs under pipe->lock. Invariants: I1 head - tail <= ring size; I2 a slot in
 * [tail, head) has len > 0 and a page reference; I3 readers and writers are the open ends. Checked
 * by tests/kernel/fs/pipe_ktest.c. Source: pipe(7), fifo(7). Read next: pipe_open.c, splice.c.
 */
#include "pipe.h"
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <kernel/syscall.h>
#include <linux/limits.h>

#define PIPE_SLOTS     16u
#define PIPE_MAX_SLOTS 256u /* 1 MiB: what anybody may ask for */

struct pipe *pipe_alloc(void)
{
    struct pipe *p = kzalloc(sizeof(*p));

    if (!p)
        return NULL;
    p->slots = kzalloc(PIPE_SLOTS * sizeof(*p->slots));
    if (!p->slots) {
        kfree(p);
        return NULL;
    }
    p->nr_slots = PIPE_SLOTS;
    mutex_init(&p->lock, LOCK_PIPE);
    wait_queue_init(&p->rd_wait);
    wait_queue_init(&p->wr_wait);
    wait_queue_init(&p->open_wait);
    return p;
}

void pipe_free(struct pipe *p)
{
    while (!pipe_empty(p))
        pipe_slot_put(pipe_slot(p, p->tail++));
    if (p->spare)
        page_put(p->spare);
    kfree(p->slots);
    kfree(p);
}

/* Is the only holder of the page this slot? Then its rest may be written, and it may be kept for
 * the next write. */
static bool slot_is_private(const struct pipe_slot *s)
{
    return !s->shared && page_refs(s->page) == 1;
}

/* pipe->lock held. */
static void pipe_drop_slot(struct pipe *p)
{
    struct pipe_slot *s = pipe_slot(p, p->tail);

    if (!p->spare && slot_is_private(s))
        p->spare = s->page;
    else
        pipe_slot_put(s);
    s->page = NULL;
    p->tail++;
}

/* ---- reading ---- */

static ssize_t read_slots(struct pipe *p, struct iov_iter *to)
{
    size_t done = 0;

    while (to->count && !pipe_empty(p)) {
        struct pipe_slot *s = pipe_slot(p, p->tail);
        size_t n = min((size_t)s->len, to->count);
        size_t got = copy_to_iter((char *)page_to_virt(s->page) + s->off, n, to);

        s->off += (u32)got;
        s->len -= (u32)got;
        done += got;
        if (s->len == 0 || p->packets)
            pipe_drop_slot(p);
        if (unlikely(got < n))
            return done ? (ssize_t)done : -EFAULT;
        if (p->packets)
            break;
    }
    return (ssize_t)done;
}

int pipe_wait_readable(struct pipe *p, bool nonblock)
{
    while (pipe_empty(p)) {
        int ret;

        if (p->writers == 0)
            return 0;
        if (nonblock)
            return -EAGAIN;
        mutex_unlock(&p->lock);
        ret = wait_event_interruptible(&p->rd_wait, !pipe_empty(p) || READ_ONCE(p->writers) == 0);
        mutex_lock(&p->lock);
        if (ret)
            return -ERESTARTSYS;
    }
    return 1;
}

ssize_t pipe_read_iter(struct pipe *p, struct iov_iter *to, bool nonblock)
{
    ssize_t ret;

    if (unlikely(to->count == 0))
        return 0;
    mutex_lock(&p->lock);
    ret = pipe_wait_readable(p, nonblock);
    if (likely(ret > 0)) {
        ret = read_slots(p, to);
        mutex_unlock(&p->lock);
        if (wait_queue_active(&p->wr_wait))
            wake_up_key(&p->wr_wait, 0, POLLOUT | POLLWRNORM);
        return ret;
    }
    mutex_unlock(&p->lock);
    return ret;
}

static ssize_t pipe_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return pipe_read_iter(f->private, to, f->flags & O_NONBLOCK);
}

/* ---- writing ---- */

/* Appends what fits to the last slot's page. Bytes, or -EFAULT. */
static ssize_t append(struct pipe *p, struct iov_iter *from)
{
    struct pipe_slot *s = pipe_slot(p, p->head - 1);
    size_t room, n, got;

    if (pipe_empty(p) || s->shared || p->packets)
        return 0;
    room = PAGE_SIZE - s->off - s->len;
    n = min(room, from->count);
    if (n == 0 || (n < from->count && from->count <= PIPE_BUF))
        return 0;
    got = copy_from_iter((char *)page_to_virt(s->page) + s->off + s->len, n, from);
    s->len += (u32)got;
    return got < n ? -EFAULT : (ssize_t)got;
}

/* A new slot with up to a page of bytes. Bytes, or -errno. */
static ssize_t add_slot(struct pipe *p, struct iov_iter *from)
{
    struct page *page = p->spare;
    size_t n = min(from->count, PAGE_SIZE), got;

    if (!page) {
        page = page_alloc(PAGE_KERNEL, GFP_KERNEL);
        if (!page)
            return -ENOMEM;
    }
    p->spare = NULL;
    got = copy_from_iter(page_to_virt(page), n, from);
    if (unlikely(got == 0 || (got < n && p->packets))) {
        p->spare = page;
        return -EFAULT;
    }
    *pipe_slot(p, p->head) = (struct pipe_slot){.page = page, .len = (u32)got};
    p->head++;
    return (ssize_t)got;
}

/* As much as fits now. Bytes written; *error says why it ended early. */
static size_t write_slots(struct pipe *p, struct iov_iter *from, int *error)
{
    size_t done = 0, before = from->count;
    ssize_t got = append(p, from);

    done = before - from->count;
    if (got < 0) {
        *error = (int)got;
        return done;
    }
    while (from->count && !pipe_full(p)) {
        got = add_slot(p, from);
        if (got < 0) {
            *error = (int)got;
            break;
        }
        done += (size_t)got;
    }
    return done;
}

void pipe_wake_readers(struct pipe *p)
{
    if (wait_queue_active(&p->rd_wait))
        wake_up_key(&p->rd_wait, 0, POLLIN | POLLRDNORM);
}

/* Sleeps until there is a free slot or nobody reads any more. Unlocks meanwhile. */
int pipe_wait_writable(struct pipe *p)
{
    int ret;

    mutex_unlock(&p->lock);
    pipe_wake_readers(p);
    ret = wait_event_interruptible(&p->wr_wait, !pipe_full(p) || READ_ONCE(p->readers) == 0);
    mutex_lock(&p->lock);
    return ret ? -ERESTARTSYS : 0;
}

static ssize_t write_locked(struct pipe *p, struct iov_iter *from, unsigned int how)
{
    size_t done = 0;
    int error = 0;

    for (;;) {
        if (unlikely(p->readers == 0)) {
            if (!(how & PIPE_NOSIGNAL))
                (void)signal_send_task(current, SIGPIPE, NULL);
            error = -EPIPE;
            break;
        }
        done += write_slots(p, from, &error);
        if (error || from->count == 0)
            break;
        if (how & PIPE_NONBLOCK) {
            error = -EAGAIN;
            break;
        }
        error = pipe_wait_writable(p);
        if (error)
            break;
    }
    return done ? (ssize_t)done : error;
}

ssize_t pipe_write_iter(struct pipe *p, struct iov_iter *from, unsigned int how)
{
    ssize_t ret;

    if (unlikely(from->count == 0))
        return 0;
    if (unlikely(p->packets && from->count > PAGE_SIZE))
        return -EMSGSIZE;
    mutex_lock(&p->lock);
    ret = write_locked(p, from, how);
    mutex_unlock(&p->lock);
    pipe_wake_readers(p);
    return ret;
}

static ssize_t pipe_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    return pipe_write_iter(f->private, from, f->flags & O_NONBLOCK ? PIPE_NONBLOCK : 0);
}

/* ---- poll, ioctl, size ---- */

static unsigned int pipe_poll(struct file *f, struct poll_table *pt)
{
    struct pipe *p = f->private;
    unsigned int mask = 0;

    if (f->f_mode & FMODE_READ) {
        poll_wait(f, &p->rd_wait, pt);
        if (!pipe_empty(p))
            mask |= POLLIN | POLLRDNORM;
        if (READ_ONCE(p->writers) == 0 && p->writer_opens != pipe_opens_seen(f))
            mask |= POLLHUP;
    }
    if (f->f_mode & FMODE_WRITE) {
        poll_wait(f, &p->wr_wait, pt);
        if (!pipe_full(p))
            mask |= POLLOUT | POLLWRNORM;
        if (READ_ONCE(p->readers) == 0)
            mask |= POLLERR;
    }
    return mask;
}

u32 pipe_bytes(struct pipe *p)
{
    u32 n = 0;

    mutex_lock(&p->lock);
    for (u32 i = p->tail; i != p->head; i++)
        n += pipe_slot(p, i)->len;
    mutex_unlock(&p->lock);
    return n;
}

static long pipe_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    if (cmd != FIONREAD)
        return -ENOTTY;
    return put_user_u32(pipe_bytes(f->private), (void __user *)arg);
}

long pipe_get_size(struct file *f)
{
    const struct pipe *p = file_pipe(f);

    return p ? (long)(p->nr_slots * PAGE_SIZE) : -EBADF;
}

long pipe_set_size(struct file *f, unsigned long bytes)
{
    struct pipe *p = file_pipe(f);
    struct pipe_slot *slots, *old;
    u32 nr = 1, used;

    if (!p)
        return -EBADF;
    if (bytes > PIPE_MAX_SLOTS * PAGE_SIZE)
        return has_capability() && bytes <= 0x80000000UL ? -ENOMEM
               : bytes > 0x80000000UL                    ? -EINVAL
                                                         : -EPERM;
    while (nr * PAGE_SIZE < bytes)
        nr *= 2;
    slots = kzalloc(nr * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    mutex_lock(&p->lock);
    used = p->head - p->tail;
    if (used > nr) {
        mutex_unlock(&p->lock);
        kfree(slots);
        return -EBUSY;
    }
    for (u32 i = 0; i < used; i++)
        slots[i] = *pipe_slot(p, p->tail + i);
    old = p->slots;
    p->slots = slots;
    p->nr_slots = nr;
    p->tail = 0;
    p->head = used;
    mutex_unlock(&p->lock);
    wake_up_all(&p->wr_wait);
    kfree(old);
    return (long)(nr * PAGE_SIZE);
}

const struct file_ops pipe_fops = {
    .open = pipe_open,
    .release = pipe_release,
    .read = pipe_read,
    .write = pipe_write,
    .poll = pipe_poll,
    .ioctl = pipe_ioctl,
};
