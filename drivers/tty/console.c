/* SPDX-License-Identifier: MIT */
/*
 * console.c: the console as a terminal: /dev/console and the machine's names for it.
 *
 * Bytes arrive in interrupt context and go into a ring; a thread takes them out and runs the line
 * discipline, which may sleep, echo and send signals. The console is never hung: when its session's
 * leader exits, the session loses it and gets SIGHUP (job.c).
 *
 * Locks: raw.lock (CONSOLE_IN) for the ring alone; tty->lock (TTY). Read next: tty.c.
 */
#include "tty.h"
#include <kernel/devices.h>
#include <kernel/printk.h>

#define RAW_BYTES 1024 /* from the driver, that wait for the line discipline */

static struct tty console_tty;
static struct {
    spinlock_t lock; /* CONSOLE_IN */
    char bytes[RAW_BYTES];
    u32 head, tail; /* counters, taken modulo RAW_BYTES */
    struct wait_queue wait; /* the thread that feeds the line discipline */
} raw = {.lock = SPINLOCK_INIT(LOCK_CONSOLE_IN), .wait = WAIT_QUEUE_INIT(raw.wait)};

/* ---- input ---- */

void console_input(char c)
{
    unsigned long flags = spin_lock_irqsave(&raw.lock);

    if (raw.head - raw.tail < RAW_BYTES)
        raw.bytes[raw.head++ % RAW_BYTES] = c;
    spin_unlock_irqrestore(&raw.lock, flags);
    wake_up(&raw.wait);
}

static size_t raw_take(u8 *buf, size_t n)
{
    unsigned long flags = spin_lock_irqsave(&raw.lock);
    size_t got = 0;

    while (got < n && raw.tail != raw.head)
        buf[got++] = (u8)raw.bytes[raw.tail++ % RAW_BYTES];
    spin_unlock_irqrestore(&raw.lock, flags);
    return got;
}

static int input_thread(void *arg)
{
    struct tty *t = arg;
    u8 buf[64];

    for (;;) {
        size_t n;

        wait_event(&raw.wait, READ_ONCE(raw.tail) != READ_ONCE(raw.head));
        n = raw_take(buf, sizeof(buf));
        mutex_lock(&t->lock);
        for (size_t i = 0; i < n; i++)
            ldisc_input(t, buf[i]);
        mutex_unlock(&t->lock);
    }
    return 0;
}

/* ---- output: on the wire when write returns ---- */

static void write_out(struct tty *t, const char *s, size_t n)
{
    console_write(s, n);
}

static size_t endless_room(const struct tty *t)
{
    return ~0UL;
}

static const struct tty_driver console_driver = {.write = write_out, .room = endless_room};

/* ---- opening ---- */

static int open_console(struct inode *i, struct file *f)
{
    tty_get(&console_tty);
    return tty_attach(&console_tty, f); /* never hung */
}

/* The names of a real terminal: a session leader without one gets it, unless it says O_NOCTTY. */
static int open_named(struct inode *i, struct file *f)
{
    int ret = open_console(i, f);

    if (ret == 0 && !(f->flags & O_NOCTTY))
        tty_open_as_controlling(&console_tty);
    return ret;
}

static const struct file_ops console_fops = TTY_FOPS(open_console);
static const struct file_ops named_fops = TTY_FOPS(open_named);

void console_tty_init(void)
{
    tty_setup(&console_tty, &console_driver, MKDEV(4, 64));
    chrdev_register("console", MKDEV(5, 1), 0600, &console_fops);
    chrdev_register("ttyS0", MKDEV(4, 64), 0660, &named_fops);
    chrdev_register("hvc0", MKDEV(229, 0), 0660, &named_fops);
    if (IS_ERR(kernel_thread(input_thread, &console_tty, "tty")))
        panic("tty: cannot start its thread");
}
