/* SPDX-License-Identifier: MIT */
/* tty.h: between the files of drivers/tty. */
#pragma once
#include <asm/errno.h>
#include <asm/termios.h>
#include <kernel/mutex.h>
#include <kernel/task.h>
#include <kernel/vfs.h>

#define TTY_LINE 4096 /* characters that wait to be read, power of two */

/* A waiting character: the byte, and whether a line ends behind it. */
#define CELL_END 0x100 /* last of a line */
#define CELL_EOF 0x200 /* ends a line, is itself not part of it */

struct tty;

/* The other end of the line: a console, or the master of a pseudo-terminal. */
struct tty_driver {
    /* Output, converted already; what there is no room for is lost. tty->lock held. */
    void (*write)(struct tty *t, const char *s, size_t n);
    /* Bytes that write takes now; read without a lock to wait, under it to be sure. */
    size_t (*room)(const struct tty *t);
    /* Characters were read: there is room for more input. tty->lock held. May be NULL. */
    void (*drained)(struct tty *t);
    /* What packet mode tells, TIOCPKT_*: @set replaces @clear. tty->lock held. May be NULL. */
    void (*event)(struct tty *t, u8 set, u8 clear);
    /* The last open file of the terminal is closed. tty->lock held. May be NULL. */
    void (*closed)(struct tty *t);
    /* The last reference is gone. NULL: there is always one. */
    void (*free)(struct tty *t);
};

struct tty {
    const struct tty_driver *driver;
    dev_t rdev;           /* as users know it */
    atomic_t refs;        /* open files, and the other end */
    struct mutex lock;    /* TTY: everything below but session and pgrp */
    unsigned int nr_open; /* files */
    bool hung;            /* the other end is gone, for good; nobody's controlling terminal */
    struct termios termios;
    struct winsize winsize;
    /* line[tail..canon) can be read, line[canon..head) is being typed; counters, taken modulo
     * TTY_LINE. */
    u16 line[TTY_LINE];
    u32 head, canon, tail;
    unsigned int column;          /* of the cursor, for tabs and erasing */
    unsigned int line_column;     /* where what is being typed begins */
    bool literal;                 /* ^V was typed */
    bool stopped;                 /* ^S was typed */
    struct wait_queue read_wait;  /* something to read */
    struct wait_queue write_wait; /* ^Q after ^S, room at the other end */
    /* Job control: TASKLIST guards both against processes that come and go; 0 = none. */
    pid_t session, pgrp;
};

static inline bool tty_has(const struct tty *t, tcflag_t local)
{
    return (t->termios.c_lflag & local) != 0;
}

static inline void tty_event(struct tty *t, u8 set, u8 clear)
{
    if (t->driver->event)
        t->driver->event(t, set, clear);
}

/* tty.c: what every terminal does. */
void tty_setup(struct tty *t, const struct tty_driver *driver, dev_t rdev);
static inline void tty_get(struct tty *t)
{
    atomic_inc(&t->refs);
}
void tty_put(struct tty *t);
/* @f becomes an open file of @t and takes the caller's reference over, unless it fails: -EIO when
 * the other end is gone. */
int tty_attach(struct tty *t, struct file *f);
void tty_release(struct file *f);
ssize_t tty_read(struct file *f, struct iov_iter *to, loff_t *pos);
ssize_t tty_write(struct file *f, struct iov_iter *from, loff_t *pos);
unsigned int tty_poll(struct file *f, struct poll_table *pt);
#define TTY_FOPS(opener)                                                                           \
    {                                                                                              \
        .open = opener, .release = tty_release, .read = tty_read, .write = tty_write,              \
        .poll = tty_poll, .ioctl = tty_ioctl                                                       \
    }

/* ldisc.c; tty->lock held. */
void ldisc_input(struct tty *t, u8 c);
void ldisc_reset(struct tty *t);
void ldisc_flush_input(struct tty *t);
/* ^S and ^Q by other means. */
void ldisc_stop(struct tty *t);
void ldisc_start(struct tty *t);
/* c_lflag changed from @old: what is half typed changes its meaning. */
void ldisc_mode_changed(struct tty *t, tcflag_t old);
/* Bytes that a read would get now: a line, or all there is. */
u32 ldisc_readable(const struct tty *t);
/* Would another character wait for a reader? Of a line too long for any it is lost instead. */
bool ldisc_is_full(const struct tty *t);
/* Takes up to @n bytes, at most one line in canonical mode. */
size_t ldisc_take(struct tty *t, u8 *buf, size_t n);
/* Output with the conversions of c_oflag. */
void tty_output(struct tty *t, const u8 *s, size_t n);

/* job.c */
/* Is current in the background of @t? Then signal @sig is sent to its group. 0: go on; else -EIO or
 * -ERESTARTSYS. */
int tty_check_background(struct tty *t, int sig);
void tty_signal_foreground(struct tty *t, int sig);
/* The terminal that controls current, with a reference, or NULL. */
struct tty *tty_get_controlling(void);
void tty_open_as_controlling(struct tty *t);
/* The other end of @t, which is hung, is gone: its session loses it and the leader is told. */
void tty_hangup_session(struct tty *t);
long tty_job_ioctl(struct tty *t, unsigned int cmd, unsigned long arg);

/* tty_ioctl.c */
long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg);
/* The same through the master of a pseudo-terminal: in no session's background. */
long tty_ioctl_from_master(struct tty *t, unsigned int cmd, unsigned long arg);

/* pty.c */
void pty_init(void);
/* console.c */
void console_tty_init(void);
