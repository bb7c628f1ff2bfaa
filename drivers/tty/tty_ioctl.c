/* SPDX-License-Identifier: MIT */
/*
 * tty_ioctl.c: settings of the terminal: termios, window size, flushing. Job control is in job.c.
 * Locks: tty->lock (TTY). Source: tty_ioctl(4). Read next: ldisc.c.
 */
#include "tty.h"
#include <kernel/uaccess.h>

/* A background process that changes settings is stopped, like one that writes with TOSTOP. */
static long set_termios(struct tty *t, const void __user *arg, bool flush)
{
    struct termios new;
    tcflag_t old;
    int ret = tty_check_background(t, SIGTTOU);

    if (ret)
        return ret;
    if (copy_from_user(&new, arg, sizeof(new)))
        return -EFAULT;
    mutex_lock(&t->lock);
    if (flush)
        ldisc_flush_input(t);
    old = t->termios.c_lflag;
    t->termios = new;
    ldisc_mode_changed(t, old);
    if (!(new.c_iflag & IXON) && t->stopped) {
        t->stopped = false;
        wake_up_all(&t->write_wait);
    }
    mutex_unlock(&t->lock);
    return 0;
}

static long get_termios(struct tty *t, void __user *arg)
{
    struct termios now;

    mutex_lock(&t->lock);
    now = t->termios;
    mutex_unlock(&t->lock);
    return copy_to_user(arg, &now, sizeof(now));
}

static long set_winsize(struct tty *t, const void __user *arg)
{
    struct winsize new;
    bool changed;

    if (copy_from_user(&new, arg, sizeof(new)))
        return -EFAULT;
    mutex_lock(&t->lock);
    changed = new.ws_row != t->winsize.ws_row || new.ws_col != t->winsize.ws_col;
    t->winsize = new;
    mutex_unlock(&t->lock);
    if (changed)
        tty_signal_foreground(t, SIGWINCH);
    return 0;
}

static long get_winsize(struct tty *t, void __user *arg)
{
    struct winsize now;

    mutex_lock(&t->lock);
    now = t->winsize;
    mutex_unlock(&t->lock);
    return copy_to_user(arg, &now, sizeof(now));
}

/* Output is on the wire when write returns; only input can be thrown away. */
static long flush_queues(struct tty *t, unsigned long which)
{
    if (which > TCIOFLUSH)
        return -EINVAL;
    if (which == TCIFLUSH || which == TCIOFLUSH) {
        mutex_lock(&t->lock);
        ldisc_flush_input(t);
        mutex_unlock(&t->lock);
    }
    return 0;
}

static long flow(struct tty *t, unsigned long action)
{
    if (action > TCION)
        return -EINVAL;
    mutex_lock(&t->lock);
    if (action == TCOOFF)
        t->stopped = true;
    if (action == TCOON && t->stopped) {
        t->stopped = false;
        wake_up_all(&t->write_wait);
    }
    mutex_unlock(&t->lock);
    return 0;
}

/* In canonical mode the bytes of the first line, as a read would return them. */
static long bytes_readable(struct tty *t, void __user *arg)
{
    u32 n = 0;

    mutex_lock(&t->lock);
    for (u32 at = t->tail; at != t->canon; at++) {
        u16 c = t->line[at % TTY_LINE];

        n += !(c & CELL_EOF);
    }
    mutex_unlock(&t->lock);
    return put_user_u32(n, arg);
}

long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct tty *t = f->private;
    void __user *p = (void __user *)arg;

    switch (cmd) {
    case TCGETS:
        return get_termios(t, p);
    case TCSETS:
    case TCSETSW:
        return set_termios(t, p, false);
    case TCSETSF:
        return set_termios(t, p, true);
    case TIOCGWINSZ:
        return get_winsize(t, p);
    case TIOCSWINSZ:
        return set_winsize(t, p);
    case TCFLSH:
        return flush_queues(t, arg);
    case TCXONC:
        return flow(t, arg);
    case TCSBRK:
    case TCSBRKP:
        return 0; /* nothing waits to be sent, and a break means nothing to the emulator */
    case FIONREAD:
        return bytes_readable(t, p);
    case TIOCOUTQ:
        return put_user_u32(0, p);
    default:
        return tty_job_ioctl(t, cmd, arg);
    }
}
