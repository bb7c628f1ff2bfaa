/* SPDX-License-Identifier: MIT */
/*
 * tty_ioctl.c: settings of the terminal: termios, window size, flushing. Job control is in job.c.
 * Locks: tty->lock (TTY). Source: tty_ioctl(4). Read next: ldisc.c.
 */
#include "tty.h"
#include <kernel/uaccess.h>

/* What packet mode tells of: does ^S stop output, and ^Q start it? */
static bool keys_stop_output(const struct termios *t)
{
    return (t->c_iflag & IXON) && t->c_cc[VSTOP] == ('S' & 31) && t->c_cc[VSTART] == ('Q' & 31);
}

/* A background process that changes settings is stopped, like one that writes with TOSTOP. */
static long set_termios(struct tty *t, const void __user *arg, bool flush, bool master)
{
    int ret = master ? 0 : tty_check_background(t, SIGTTOU);
    struct termios new, old;

    if (ret)
        return ret;
    if (copy_from_user(&new, arg, sizeof(new)))
        return -EFAULT;
    mutex_lock(&t->lock);
    if (flush)
        ldisc_flush_input(t);
    old = t->termios;
    t->termios = new;
    ldisc_mode_changed(t, old.c_lflag);
    if (!(new.c_iflag & IXON))
        ldisc_start(t);
    if (keys_stop_output(&new) && !keys_stop_output(&old))
        tty_event(t, TIOCPKT_DOSTOP, TIOCPKT_NOSTOP);
    if (!keys_stop_output(&new) && keys_stop_output(&old))
        tty_event(t, TIOCPKT_NOSTOP, TIOCPKT_DOSTOP);
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

/* Output is at the other end when write returns; only input can be thrown away. */
static long flush_queues(struct tty *t, unsigned long which)
{
    if (which > TCIOFLUSH)
        return -EINVAL;
    mutex_lock(&t->lock);
    if (which != TCOFLUSH)
        ldisc_flush_input(t);
    if (which != TCIFLUSH)
        tty_event(t, TIOCPKT_FLUSHWRITE, 0);
    mutex_unlock(&t->lock);
    return 0;
}

static long flow(struct tty *t, unsigned long action)
{
    if (action > TCION)
        return -EINVAL;
    mutex_lock(&t->lock);
    if (action == TCOOFF)
        ldisc_stop(t);
    if (action == TCOON)
        ldisc_start(t);
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

/* What means the same at either end. -ENOTTY: another one. */
static long common_ioctl(struct tty *t, unsigned int cmd, void __user *p, bool master)
{
    switch (cmd) {
    case TCGETS: return get_termios(t, p);
    case TCSETS:
    case TCSETSW: return set_termios(t, p, false, master);
    case TCSETSF: return set_termios(t, p, true, master);
    case TIOCGWINSZ: return get_winsize(t, p);
    case TIOCSWINSZ: return set_winsize(t, p);
    case TCSBRK:
    case TCSBRKP: return 0; /* nothing waits to be sent; a break means nothing to the other end */
    case TIOCOUTQ: return put_user_u32(0, p);
    default: return -ENOTTY;
    }
}

long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct tty *t = f->private;
    void __user *p = (void __user *)arg;
    long ret;

    if (READ_ONCE(t->hung))
        return cmd == TIOCSPGRP ? -ENOTTY : -EIO;
    ret = common_ioctl(t, cmd, p, false);
    if (ret != -ENOTTY)
        return ret;
    switch (cmd) {
    case TCFLSH: return flush_queues(t, arg);
    case TCXONC: return flow(t, arg);
    case FIONREAD: return bytes_readable(t, p);
    default: return tty_job_ioctl(t, cmd, arg);
    }
}

/* The master asks about the slave's session without being part of it. */
long tty_ioctl_from_master(struct tty *t, unsigned int cmd, unsigned long arg)
{
    void __user *p = (void __user *)arg;
    long ret = common_ioctl(t, cmd, p, true);

    if (ret != -ENOTTY)
        return ret;
    switch (cmd) {
    case TIOCGPGRP: return put_user_u32((u32)READ_ONCE(t->pgrp), p);
    case TIOCGSID: {
        pid_t sid = READ_ONCE(t->session);

        return sid ? put_user_u32((u32)sid, p) : -ENOTTY;
    }
    case TIOCSPGRP:
    case TIOCSCTTY: return tty_job_ioctl(t, cmd, arg);
    default: return -ENOTTY;
    }
}
