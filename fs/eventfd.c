/* SPDX-License-Identifier: MIT */
/*
 * eventfd.c: eventfd(2): a counter that can be waited for. A write adds, a read takes all (or one,
 * as a semaphore). Locks: ctx->lock (LEAF). Source: eventfd(2). Read next: poll.c.
 */
#include "internal.h"
#include <asm/poll.h>
#include <kernel/syscall.h>

#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC   O_CLOEXEC
#define EFD_NONBLOCK  O_NONBLOCK
#define COUNT_MAX     (~0ULL - 1)

struct eventfd {
    spinlock_t lock;
    u64 count;
    bool semaphore;
    struct wait_queue wait;
};

/* Takes the value of one read: false when the counter is 0. */
static bool take(struct eventfd *e, u64 *v)
{
    unsigned long flags = spin_lock_irqsave(&e->lock);
    bool any = e->count > 0;

    *v = e->semaphore ? any : e->count;
    e->count -= *v;
    spin_unlock_irqrestore(&e->lock, flags);
    return any;
}

static bool add(struct eventfd *e, u64 v)
{
    unsigned long flags = spin_lock_irqsave(&e->lock);
    bool fits = v <= COUNT_MAX - e->count;

    if (fits)
        e->count += v;
    spin_unlock_irqrestore(&e->lock, flags);
    return fits;
}

static ssize_t eventfd_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct eventfd *e = f->private;
    u64 v;

    if (to->count < sizeof(v))
        return -EINVAL;
    while (!take(e, &v)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&e->wait, READ_ONCE(e->count) > 0))
            return -ERESTARTSYS;
    }
    if (wait_queue_active(&e->wait))
        wake_up_key(&e->wait, 0, POLLOUT);
    return copy_to_iter(&v, sizeof(v), to) == sizeof(v) ? (ssize_t)sizeof(v) : -EFAULT;
}

static ssize_t eventfd_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    struct eventfd *e = f->private;
    u64 v;

    if (from->count < sizeof(v))
        return -EINVAL;
    if (copy_from_iter(&v, sizeof(v), from) != sizeof(v))
        return -EFAULT;
    if (v == ~0ULL)
        return -EINVAL;
    while (!add(e, v)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        if (wait_event_interruptible(&e->wait, v <= COUNT_MAX - READ_ONCE(e->count)))
            return -ERESTARTSYS;
    }
    if (wait_queue_active(&e->wait))
        wake_up_key(&e->wait, 0, POLLIN);
    return sizeof(v);
}

static unsigned int eventfd_poll(struct file *f, struct poll_table *pt)
{
    struct eventfd *e = f->private;
    u64 n;

    poll_wait(f, &e->wait, pt);
    n = READ_ONCE(e->count);
    return (n > 0 ? POLLIN : 0) | (n < COUNT_MAX ? POLLOUT : 0);
}

static void eventfd_release(struct file *f)
{
    kfree(f->private);
}

static void eventfd_fdinfo(struct file *f, struct seq *s)
{
    const struct eventfd *e = f->private;

    seq_printf(s, "eventfd-count: %16llx\n", (unsigned long long)READ_ONCE(e->count));
}

static const struct file_ops eventfd_fops = {
    .read = eventfd_read,
    .write = eventfd_write,
    .poll = eventfd_poll,
    .release = eventfd_release,
    .show_fdinfo = eventfd_fdinfo,
};

static long do_eventfd(unsigned int count, int flags)
{
    struct eventfd *e;
    struct file *f;
    int fd;

    if (flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
        return -EINVAL;
    e = kzalloc(sizeof(*e));
    if (!e)
        return -ENOMEM;
    spin_init(&e->lock, LOCK_LEAF);
    wait_queue_init(&e->wait);
    e->count = count;
    e->semaphore = flags & EFD_SEMAPHORE;
    f = file_alloc_anon("anon_inode:[eventfd]", &eventfd_fops,
                        O_RDWR | (unsigned int)(flags & EFD_NONBLOCK), e);
    if (IS_ERR(f)) {
        kfree(e);
        return PTR_ERR(f);
    }
    f->f_mode |= FMODE_STREAM;
    fd = fd_alloc_install(f, (unsigned int)flags);
    if (fd < 0)
        file_put(f);
    return fd;
}

SYSCALL2(eventfd2, unsigned int, count, int, flags)
{
    return do_eventfd(count, flags);
}

SYSCALL1(eventfd, unsigned int, count)
{
    return do_eventfd(count, 0);
}
