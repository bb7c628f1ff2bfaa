/* SPDX-License-Identifier: MIT */
/*
 * tty.c: the console as a terminal device: /dev/console, /dev/tty and the machine's names for it.
 *
 * Bytes arrive in interrupt context and go into a ring; a thread takes them out and runs the line
 * discipline, which may sleep, echo and send signals. Readers wait for a line, or for VMIN and
 * VTIME. There is one terminal and no hang-up of open files: when its session's leader exits, the
 * session loses it and gets SIGHUP (job.c).
 *
 * Locks: tty->lock (TTY); raw_lock (CONSOLE_IN) for the ring alone. Checked by
 * tests/kernel/fs/tty_ktest.c. Source: POSIX.1-2017 chapter 11. Read next: ldisc.c.
 */
#include "tty.h"
#include <asm/poll.h>
#include <kernel/devices.h>
#include <kernel/printk.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>

#define TTY_CHUNK 256

struct tty console_tty = {
    .read_wait = WAIT_QUEUE_INIT(console_tty.read_wait),
    .write_wait = WAIT_QUEUE_INIT(console_tty.write_wait),
    .raw_wait = WAIT_QUEUE_INIT(console_tty.raw_wait),
    .raw_lock = SPINLOCK_INIT(LOCK_CONSOLE_IN),
};

/* ---- input ---- */

void console_input(char c)
{
    struct tty *t = &console_tty;
    unsigned long flags = spin_lock_irqsave(&t->raw_lock);

    if (t->raw_head - t->raw_tail < TTY_RAW)
        t->raw[t->raw_head++ % TTY_RAW] = c;
    spin_unlock_irqrestore(&t->raw_lock, flags);
    wake_up(&t->raw_wait);
}

static size_t raw_take(struct tty *t, u8 *buf, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&t->raw_lock);
    size_t got = 0;

    while (got < n && t->raw_tail != t->raw_head)
        buf[got++] = (u8)t->raw[t->raw_tail++ % TTY_RAW];
    spin_unlock_irqrestore(&t->raw_lock, flags);
    return got;
}

static int input_thread(void *arg)
{
    struct tty *t = arg;
    u8 buf[64];

    for (;;) {
        size_t n;

        wait_event(&t->raw_wait, READ_ONCE(t->raw_tail) != READ_ONCE(t->raw_head));
        n = raw_take(t, buf, sizeof(buf));
        mutex_lock(&t->lock);
        for (size_t i = 0; i < n; i++)
            ldisc_input(t, buf[i]);
        mutex_unlock(&t->lock);
    }
    return 0;
}

/* ---- reading ---- */

static u64 vtime_ns(const struct tty *t)
{
    return t->termios.c_cc[VTIME] * (NSEC_PER_SEC / 10);
}

/* Copies what is there, up to a line; t->lock held. Returns bytes, *fault when the user's memory
 * gave out. */
static size_t copy_available(struct tty *t, struct iov_iter *to, bool *fault)
{
    size_t done = 0;
    u8 buf[TTY_CHUNK];

    while (to->count && t->tail != t->canon) {
        size_t n = ldisc_take(t, buf, min(to->count, sizeof(buf)));

        if (copy_to_iter(buf, n, to) != n) {
            *fault = true;
            break;
        }
        done += n;
        if (tty_has(t, ICANON) && n < sizeof(buf))
            break;
        if (tty_has(t, ICANON) && (t->line[(t->tail - 1) % TTY_LINE] & CELL_END))
            break;
    }
    return done;
}

/* Waits, unlocked, until more than @have bytes are there. 0, -EINTR, -ETIME. */
static int wait_for_more(struct tty *t, u32 have, u64 deadline)
{
    int ret;

    mutex_unlock(&t->lock);
    ret = wait_event_timeout(&t->read_wait, ldisc_readable(t) > have, deadline);
    mutex_lock(&t->lock);
    return ret;
}

/* Canonical: a line. Otherwise VMIN bytes, or as many as come before VTIME runs out. 0 or -errno.
 */
static int wait_readable(struct tty *t, struct file *f, size_t want)
{
    u64 deadline = 0;
    u32 have, enough;
    int ret;

    for (;;) {
        have = ldisc_readable(t);
        if (tty_has(t, ICANON)) {
            enough = 1;
        } else {
            enough = (u32)min((size_t)t->termios.c_cc[VMIN], want);
            if (t->termios.c_cc[VMIN] == 0) {
                if (have || vtime_ns(t) == 0)
                    return 0;
                enough = 1;
                if (!deadline)
                    deadline = clock_monotonic_ns() + vtime_ns(t);
            } else if (have && vtime_ns(t)) {
                deadline = clock_monotonic_ns() + vtime_ns(t); /* anew behind each byte */
            }
        }
        if (have >= enough)
            return 0;
        if (f->flags & O_NONBLOCK)
            return have && !tty_has(t, ICANON) ? 0 : -EAGAIN;
        ret = wait_for_more(t, have, deadline);
        if (ret == -ETIME)
            return 0;
        if (ret)
            return have && !tty_has(t, ICANON) ? 0 : -ERESTARTSYS;
        ret = tty_check_background(t, SIGTTIN);
        if (ret)
            return ret;
    }
}

static ssize_t tty_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct tty *t = f->private;
    bool fault = false;
    size_t done = 0;
    ssize_t ret;

    if (to->count == 0)
        return 0;
    ret = tty_check_background(t, SIGTTIN);
    if (ret)
        return ret;
    mutex_lock(&t->lock);
    ret = wait_readable(t, f, to->count);
    if (ret == 0)
        done = copy_available(t, to, &fault);
    mutex_unlock(&t->lock);
    if (ret)
        return ret;
    return done || !fault ? (ssize_t)done : -EFAULT;
}

/* ---- writing ---- */

static ssize_t tty_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    struct tty *t = f->private;
    size_t done = 0;
    u8 buf[TTY_CHUNK];

    if (tty_has(t, TOSTOP)) {
        int ret = tty_check_background(t, SIGTTOU);

        if (ret)
            return ret;
    }
    while (from->count) {
        size_t n = min(from->count, sizeof(buf)), got;

        if (READ_ONCE(t->stopped)) {
            if (f->flags & O_NONBLOCK)
                return done ? (ssize_t)done : -EAGAIN;
            if (wait_event_interruptible(&t->write_wait, !READ_ONCE(t->stopped)))
                return done ? (ssize_t)done : -ERESTARTSYS;
        }
        got = copy_from_iter(buf, n, from);
        mutex_lock(&t->lock);
        tty_output(t, buf, got);
        mutex_unlock(&t->lock);
        done += got;
        if (got < n)
            return done ? (ssize_t)done : -EFAULT;
        if (from->count && fatal_signal_pending())
            break;
    }
    return (ssize_t)done;
}

static unsigned int tty_poll(struct file *f, struct poll_table *pt)
{
    struct tty *t = f->private;
    unsigned int mask = 0;
    u32 enough = 1;

    poll_wait(f, &t->read_wait, pt);
    poll_wait(f, &t->write_wait, pt);
    if (!tty_has(t, ICANON) && t->termios.c_cc[VTIME] == 0 && t->termios.c_cc[VMIN] > 1)
        enough = t->termios.c_cc[VMIN];
    if (ldisc_readable(t) >= enough)
        mask |= POLLIN | POLLRDNORM;
    if (!READ_ONCE(t->stopped))
        mask |= POLLOUT | POLLWRNORM;
    return mask;
}

/* ---- opening ---- */

static int tty_open(struct inode *i, struct file *f)
{
    f->private = &console_tty;
    f->f_mode |= FMODE_STREAM;
    return 0;
}

/* The names of a real terminal: a session leader without one gets it, unless it says O_NOCTTY. */
static int tty_open_named(struct inode *i, struct file *f)
{
    (void)tty_open(i, f);
    if (!(f->flags & O_NOCTTY))
        tty_open_as_controlling(&console_tty);
    return 0;
}

/* /dev/tty: whatever terminal controls the process. */
static int tty_open_current(struct inode *i, struct file *f)
{
    return tty_is_controlling(&console_tty) ? tty_open(i, f) : -ENXIO;
}

#define TTY_FOPS(opener)                                                                           \
    {                                                                                              \
        .open = opener, .read = tty_read, .write = tty_write, .poll = tty_poll, .ioctl = tty_ioctl \
    }
static const struct file_ops console_fops = TTY_FOPS(tty_open);
static const struct file_ops named_fops = TTY_FOPS(tty_open_named);
static const struct file_ops current_fops = TTY_FOPS(tty_open_current);

void tty_init(void)
{
    mutex_init(&console_tty.lock, LOCK_TTY);
    ldisc_reset(&console_tty);
    chrdev_register("tty", MKDEV(5, 0), 0666, &current_fops);
    chrdev_register("console", MKDEV(5, 1), 0600, &console_fops);
    chrdev_register("ttyS0", MKDEV(4, 64), 0660, &named_fops);
    chrdev_register("hvc0", MKDEV(229, 0), 0660, &named_fops);
    if (IS_ERR(kernel_thread(input_thread, &console_tty, "tty")))
        panic("tty: cannot start its thread");
}
