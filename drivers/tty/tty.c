/* SPDX-License-Identifier: MIT */
/*
 * tty.c: what every terminal does, whatever is at its other end: reading, writing, waiting for
 * either, open files, and /dev/tty.
 *
 * Readers wait for a line, or for VMIN and VTIME; writers for ^Q and for room at the other end. A
 * terminal whose other end is gone is hung: readers that wait get EIO, later ones the end of the
 * file, writers EIO. Locks: tty->lock (TTY). Checked by tests/kernel/fs/tty_ktest.c and
 * tests/user/pty_test.c. Source: POSIX.1-2017 chapter 11. Read next: ldisc.c, console.c, pty.c.
 */
#include "tty.h"
#include <asm/poll.h>
#include <kernel/devices.h>
#include <kernel/printk.h>
#include <kernel/uaccess.h>

#define TTY_CHUNK   256
#define MAX_CONVERT 8 /* bytes that one becomes at most: a tab */

void tty_setup(struct tty *t, const struct tty_driver *driver, dev_t rdev)
{
    t->driver = driver;
    t->rdev = rdev;
    atomic_set(&t->refs, 1);
    mutex_init(&t->lock, LOCK_TTY);
    wait_queue_init(&t->read_wait);
    wait_queue_init(&t->write_wait);
    ldisc_reset(t);
}

void tty_put(struct tty *t)
{
    if (!atomic_dec_and_test(&t->refs))
        return;
    ASSERT(t->nr_open == 0 && t->session == 0);
    t->driver->free(t);
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
    ret = wait_event_timeout(&t->read_wait, ldisc_readable(t) > have || READ_ONCE(t->hung),
                             deadline);
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
        if (t->hung)
            return -EIO;
        ret = tty_check_background(t, SIGTTIN);
        if (ret)
            return ret;
    }
}

ssize_t tty_read(struct file *f, struct iov_iter *to, loff_t *pos)
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
    if (t->hung) {
        mutex_unlock(&t->lock);
        return 0;
    }
    ret = wait_readable(t, f, to->count);
    if (ret == 0)
        done = copy_available(t, to, &fault);
    mutex_unlock(&t->lock);
    if (ret)
        return ret;
    return done || !fault ? (ssize_t)done : -EFAULT;
}

/* ---- writing ---- */

/* Further output bytes that can be written now, before conversion; 0: wait for write_wait. */
static size_t tty_output_room(const struct tty *t)
{
    size_t room = t->driver->room(t);

    if (READ_ONCE(t->stopped))
        return 0;
    return t->termios.c_oflag & OPOST ? room / MAX_CONVERT : room;
}

/* Waits, unlocked, for room. 0, -EAGAIN, -ERESTARTSYS, -EIO. t->lock held. */
static int wait_writable(struct tty *t, const struct file *f)
{
    int ret = 0;

    while (ret == 0 && !t->hung && tty_output_room(t) == 0) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        mutex_unlock(&t->lock);
        if (wait_event_interruptible(&t->write_wait, tty_output_room(t) || READ_ONCE(t->hung)))
            ret = -ERESTARTSYS;
        mutex_lock(&t->lock);
    }
    return t->hung ? -EIO : ret;
}

/* Bytes of @buf written; an error when none. */
static ssize_t write_chunk(struct tty *t, const struct file *f, const u8 *buf, size_t n)
{
    size_t done = 0;
    int ret = 0;

    mutex_lock(&t->lock);
    while (done < n && (ret = wait_writable(t, f)) == 0) {
        size_t part = min(n - done, tty_output_room(t));

        tty_output(t, buf + done, part);
        done += part;
    }
    mutex_unlock(&t->lock);
    return done ? (ssize_t)done : ret;
}

ssize_t tty_write(struct file *f, struct iov_iter *from, loff_t *pos)
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
        size_t n = min(from->count, sizeof(buf)), got = copy_from_iter(buf, n, from);
        ssize_t ret = got ? write_chunk(t, f, buf, got) : -EFAULT;

        if (ret < 0)
            return done ? (ssize_t)done : ret;
        done += (size_t)ret;
        if ((size_t)ret < n)
            break;
        if (from->count && fatal_signal_pending())
            break;
    }
    return (ssize_t)done;
}

unsigned int tty_poll(struct file *f, struct poll_table *pt)
{
    struct tty *t = f->private;
    unsigned int mask = 0;
    u32 enough = 1;

    poll_wait(f, &t->read_wait, pt);
    poll_wait(f, &t->write_wait, pt);
    if (READ_ONCE(t->hung))
        return POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
    if (!tty_has(t, ICANON) && t->termios.c_cc[VTIME] == 0 && t->termios.c_cc[VMIN] > 1)
        enough = t->termios.c_cc[VMIN];
    if (ldisc_readable(t) >= enough)
        mask |= POLLIN | POLLRDNORM;
    if (tty_output_room(t))
        mask |= POLLOUT | POLLWRNORM;
    return mask;
}

/* ---- open files ---- */

int tty_attach(struct tty *t, struct file *f)
{
    bool hung;

    mutex_lock(&t->lock);
    hung = t->hung;
    t->nr_open += !hung;
    mutex_unlock(&t->lock);
    if (hung)
        return -EIO;
    f->private = t;
    f->f_mode |= FMODE_STREAM;
    return 0;
}

void tty_release(struct file *f)
{
    struct tty *t = f->private;

    mutex_lock(&t->lock);
    if (--t->nr_open == 0 && t->driver->closed)
        t->driver->closed(t);
    mutex_unlock(&t->lock);
    tty_put(t);
}

/* /dev/tty: whatever terminal controls the process. */
static int open_current(struct inode *i, struct file *f)
{
    struct tty *t = tty_get_controlling();
    int ret = t ? tty_attach(t, f) : -ENXIO;

    if (t && ret)
        tty_put(t);
    return ret;
}

static const struct file_ops current_fops = TTY_FOPS(open_current);

void tty_init(void)
{
    chrdev_register("tty", MKDEV(5, 0), 0666, &current_fops);
    console_tty_init();
    pty_init();
}
