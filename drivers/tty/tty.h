/* SPDX-License-Identifier: MIT */
/* tty.h: between the files of drivers/tty. */
#pragma once
#include <asm/errno.h>
#include <asm/termios.h>
#include <kernel/mutex.h>
#include <kernel/task.h>
#include <kernel/vfs.h>

#define TTY_LINE 4096 /* characters that wait to be read, power of two */
#define TTY_RAW  1024 /* bytes from the driver that wait for the line discipline */

/* A waiting character: the byte, and whether a line ends behind it. */
#define CELL_END 0x100 /* last of a line */
#define CELL_EOF 0x200 /* ends a line, is itself not part of it */

struct tty {
    struct mutex lock; /* TTY: everything below but raw */
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
    struct wait_queue write_wait; /* ^Q after ^S */
    /* Job control: TASKLIST guards both against processes that come and go; 0 = none. */
    pid_t session, pgrp;
    /* From the driver. */
    spinlock_t raw_lock; /* CONSOLE_IN */
    char raw[TTY_RAW];
    u32 raw_head, raw_tail;
    struct wait_queue raw_wait; /* the thread that feeds the line discipline */
};

extern struct tty console_tty;

static inline bool tty_has(const struct tty *t, tcflag_t local)
{
    return (t->termios.c_lflag & local) != 0;
}

/* ldisc.c; tty->lock held. */
void ldisc_input(struct tty *t, u8 c);
void ldisc_reset(struct tty *t);
void ldisc_flush_input(struct tty *t);
/* c_lflag changed from @old: what is half typed changes its meaning. */
void ldisc_mode_changed(struct tty *t, tcflag_t old);
/* Bytes that a read would get now: a line, or all there is. */
u32 ldisc_readable(const struct tty *t);
/* Takes up to @n bytes, at most one line in canonical mode. */
size_t ldisc_take(struct tty *t, u8 *buf, size_t n);
/* Output with the conversions of c_oflag. */
void tty_output(struct tty *t, const u8 *s, size_t n);

/* job.c */
/* Is current in the background of @t? Then signal @sig is sent to its group. 0: go on; else -EIO or
 * -ERESTARTSYS. */
int tty_check_background(struct tty *t, int sig);
void tty_signal_foreground(struct tty *t, int sig);
bool tty_is_controlling(const struct tty *t);
void tty_open_as_controlling(struct tty *t);
long tty_job_ioctl(struct tty *t, unsigned int cmd, unsigned long arg);

/* tty_ioctl.c */
long tty_ioctl(struct file *f, unsigned int cmd, unsigned long arg);
