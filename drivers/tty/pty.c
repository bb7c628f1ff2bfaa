/* SPDX-License-Identifier: MIT */
/*
 * pty.c: pseudo-terminals: a terminal whose other end, the master, is a file of a program.
 *
 * Opening /dev/ptmx makes a pair. What is written to the master is typed at the slave, through the
 * line discipline; what the slave puts out, echo included, waits in a ring for the master to read.
 * The slave is a terminal like any other (tty.c). When the master is closed the slave is hung; when
 * the slave's last file is closed, reads from the master fail with EIO behind what is left, until
 * somebody opens the slave again.
 *
 * Locks: the slave's tty->lock (TTY) for the pair; pair_lock (LEAF) for inode->private. Invariants:
 * I1 out_head - out_tail <= PTY_OUT; I2 the master holds a reference on the slave until it is hung
 * and has lost its session. Checked by tests/user/pty_test.c. Source: pty(7), ioctl_tty(2), Linux's
 * drivers/tty/pty.c. Read next: fs/devpts/devpts.c.
 */
#include "tty.h"
#include <asm/poll.h>
#include <kernel/devpts.h>
#include <kernel/list.h>
#include <kernel/string.h>
#include <kernel/uaccess.h>
#include <mm/slab.h>

#define PTY_OUT   4096 /* bytes of output that wait for the master, power of two */
#define PTY_CHUNK 256

struct pty {
    struct tty tty; /* the slave */
    /* tty.lock: */
    u8 out[PTY_OUT];
    u32 out_head, out_tail;        /* counters, taken modulo PTY_OUT */
    bool locked;                   /* the slave cannot be opened: TIOCSPTLCK */
    bool slave_closed;             /* it was open, and is not any more */
    bool packet;                   /* each read begins with a byte that says what follows */
    u8 status;                     /* TIOCPKT_* that were not read yet; 0 unless packet */
    struct wait_queue master_wait; /* output, status, room for input, slave closed */
    struct inode *inode;           /* the slave's node; the master's reference */
};

static spinlock_t pair_lock = SPINLOCK_INIT(LOCK_LEAF);

static struct pty *pty_of(struct tty *t)
{
    return container_of(t, struct pty, tty);
}

/* ---- the slave's other end ---- */

static u32 out_bytes(const struct pty *p)
{
    return READ_ONCE(p->out_head) - READ_ONCE(p->out_tail);
}

static size_t slave_room(const struct tty *t)
{
    return PTY_OUT - out_bytes(container_of(t, const struct pty, tty));
}

static void slave_write(struct tty *t, const char *s, size_t n)
{
    struct pty *p = pty_of(t);

    lock_assert_held(&t->lock);
    n = min(n, slave_room(t));
    for (size_t k = 0; k < n; k++)
        p->out[(p->out_head + k) % PTY_OUT] = (u8)s[k];
    WRITE_ONCE(p->out_head, p->out_head + (u32)n);
    wake_up_all(&p->master_wait);
}

static void slave_drained(struct tty *t)
{
    wake_up_all(&pty_of(t)->master_wait);
}

static void slave_event(struct tty *t, u8 set, u8 clear)
{
    struct pty *p = pty_of(t);

    if (!p->packet)
        return;
    WRITE_ONCE(p->status, (u8)((p->status & ~clear) | set));
    wake_up_all(&p->master_wait);
}

static void slave_closed(struct tty *t)
{
    WRITE_ONCE(pty_of(t)->slave_closed, true);
    wake_up_all(&pty_of(t)->master_wait);
}

static void pty_free(struct tty *t)
{
    kfree(pty_of(t));
}

static const struct tty_driver pty_driver = {
    .write = slave_write,
    .room = slave_room,
    .drained = slave_drained,
    .event = slave_event,
    .closed = slave_closed,
    .free = pty_free,
};

/* ---- opening the slave ---- */

/* The pair of a node, with a reference on the slave; NULL when the master is gone. */
static struct pty *pty_get(struct inode *i)
{
    unsigned long flags = spin_lock_irqsave(&pair_lock);
    struct pty *p = i->private;

    if (p)
        tty_get(&p->tty);
    spin_unlock_irqrestore(&pair_lock, flags);
    return p;
}

static int open_unlocked(struct pty *p, struct file *f)
{
    int ret = READ_ONCE(p->locked) ? -EIO : tty_attach(&p->tty, f);

    if (ret == 0) {
        WRITE_ONCE(p->slave_closed, false);
        if (!(f->flags & O_NOCTTY))
            tty_open_as_controlling(&p->tty);
    }
    return ret;
}

static int slave_open(struct inode *i, struct file *f)
{
    struct pty *p = pty_get(i);
    int ret = p ? open_unlocked(p, f) : -EIO;

    if (p && ret)
        tty_put(&p->tty);
    return ret;
}

static const struct file_ops slave_fops = TTY_FOPS(slave_open);

/* ---- the master ---- */

static int master_open(struct inode *i, struct file *f)
{
    struct pty *p = kzalloc(sizeof(*p));

    if (!p)
        return -ENOMEM;
    wait_queue_init(&p->master_wait);
    tty_setup(&p->tty, &pty_driver, 0);
    p->tty.termios.c_cflag = B38400 | CS8 | CREAD;
    p->tty.termios.c_iflag &= ~(tcflag_t)IUTF8;
    p->tty.winsize = (struct winsize){0};
    p->locked = true;
    p->inode = devpts_add(&slave_fops, p);
    if (IS_ERR(p->inode)) {
        int ret = (int)PTR_ERR(p->inode);

        tty_put(&p->tty);
        return ret;
    }
    p->tty.rdev = p->inode->rdev;
    f->private = p;
    f->f_mode |= FMODE_STREAM;
    return 0;
}

static void master_release(struct file *f)
{
    struct pty *p = f->private;
    struct tty *t = &p->tty;
    unsigned long flags;

    flags = spin_lock_irqsave(&pair_lock);
    p->inode->private = NULL;
    spin_unlock_irqrestore(&pair_lock, flags);
    devpts_remove(p->inode);
    mutex_lock(&t->lock);
    WRITE_ONCE(t->hung, true);
    mutex_unlock(&t->lock);
    wake_up_all(&t->read_wait);
    wake_up_all(&t->write_wait);
    tty_hangup_session(t);
    tty_put(t);
}

/* Something to say: output, a status, or that there will be no more. */
static bool master_readable(const struct pty *p)
{
    return out_bytes(p) || READ_ONCE(p->status) || READ_ONCE(p->slave_closed);
}

/* Waits, unlocked, until there is something. 0, -EAGAIN, -ERESTARTSYS, -EIO. */
static int wait_for_output(struct pty *p, const struct file *f)
{
    int ret = 0;

    while (ret == 0 && !master_readable(p)) {
        if (f->flags & O_NONBLOCK)
            return -EAGAIN;
        mutex_unlock(&p->tty.lock);
        if (wait_event_interruptible(&p->master_wait, master_readable(p)))
            ret = -ERESTARTSYS;
        mutex_lock(&p->tty.lock);
    }
    return ret || out_bytes(p) || p->status ? ret : -EIO;
}

static ssize_t copy_byte(u8 byte, struct iov_iter *to)
{
    return copy_to_iter(&byte, 1, to) == 1 ? 1 : -EFAULT;
}

/* Output until @to is full or the ring empty. A byte that the user's memory refuses stays. */
static ssize_t copy_output(struct pty *p, struct iov_iter *to)
{
    size_t done = 0;

    while (to->count && out_bytes(p)) {
        u32 at = p->out_tail % PTY_OUT;
        size_t n = min(min(to->count, (size_t)out_bytes(p)), (size_t)(PTY_OUT - at));
        size_t got = copy_to_iter(p->out + at, n, to);

        WRITE_ONCE(p->out_tail, p->out_tail + (u32)got);
        done += got;
        if (got < n)
            break;
    }
    if (done)
        wake_up_all(&p->tty.write_wait);
    return done ? (ssize_t)done : -EFAULT;
}

/* In packet mode a status alone, or TIOCPKT_DATA and output. */
static ssize_t copy_packet(struct pty *p, struct iov_iter *to)
{
    ssize_t ret = copy_byte(p->status, to);

    if (ret < 0)
        return ret;
    if (p->status) {
        WRITE_ONCE(p->status, 0);
        return 1;
    }
    ret = to->count ? copy_output(p, to) : 0;
    return ret < 0 ? ret : ret + 1;
}

static ssize_t master_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    struct pty *p = f->private;
    ssize_t ret;

    if (to->count == 0)
        return 0;
    mutex_lock(&p->tty.lock);
    ret = wait_for_output(p, f);
    if (ret == 0)
        ret = p->packet ? copy_packet(p, to) : copy_output(p, to);
    mutex_unlock(&p->tty.lock);
    return ret;
}

/* Types @n characters, waiting for a reader when the line is full. How many; an error when none.
 */
static ssize_t type_chunk(struct pty *p, const struct file *f, const u8 *buf, size_t n)
{
    struct tty *t = &p->tty;
    size_t done = 0;
    int ret = 0;

    mutex_lock(&t->lock);
    while (done < n && ret == 0) {
        if (!ldisc_is_full(t)) {
            ldisc_input(t, buf[done++]);
        } else if (f->flags & O_NONBLOCK) {
            ret = -EAGAIN;
        } else {
            mutex_unlock(&t->lock);
            if (wait_event_interruptible(&p->master_wait, !ldisc_is_full(t)))
                ret = -ERESTARTSYS;
            mutex_lock(&t->lock);
        }
    }
    mutex_unlock(&t->lock);
    return done ? (ssize_t)done : ret;
}

static ssize_t master_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    struct pty *p = f->private;
    size_t done = 0;
    u8 buf[PTY_CHUNK];

    while (from->count) {
        size_t n = min(from->count, sizeof(buf)), got = copy_from_iter(buf, n, from);
        ssize_t ret = got ? type_chunk(p, f, buf, got) : -EFAULT;

        if (ret < 0)
            return done ? (ssize_t)done : ret;
        done += (size_t)ret;
        if ((size_t)ret < n)
            break;
    }
    return (ssize_t)done;
}

static unsigned int master_poll(struct file *f, struct poll_table *pt)
{
    struct pty *p = f->private;
    unsigned int mask = 0;

    poll_wait(f, &p->master_wait, pt);
    if (out_bytes(p) || READ_ONCE(p->status))
        mask |= POLLIN | POLLRDNORM;
    if (READ_ONCE(p->status))
        mask |= POLLPRI;
    if (!ldisc_is_full(&p->tty))
        mask |= POLLOUT | POLLWRNORM;
    if (READ_ONCE(p->slave_closed))
        mask |= POLLHUP;
    return mask;
}

/* ---- the master's ioctls ---- */

/* A descriptor of the slave, also where its name cannot be reached. */
static long open_peer(struct pty *p, unsigned long flags)
{
    struct file *f = devpts_open(p->inode, (unsigned int)flags);
    int fd;

    if (IS_ERR(f))
        return PTR_ERR(f);
    fd = fd_alloc_install(f, (unsigned int)flags & O_CLOEXEC);
    if (fd < 0)
        file_put(f);
    return fd;
}

static long set_packet(struct pty *p, const void __user *arg)
{
    u32 on;

    if (get_user_u32(&on, arg))
        return -EFAULT;
    mutex_lock(&p->tty.lock);
    if (!on || !p->packet)
        WRITE_ONCE(p->status, 0);
    p->packet = on != 0;
    mutex_unlock(&p->tty.lock);
    return 0;
}

static long set_lock(struct pty *p, const void __user *arg)
{
    u32 on;

    if (get_user_u32(&on, arg))
        return -EFAULT;
    WRITE_ONCE(p->locked, on != 0);
    return 0;
}

/* Linux's TIOCSIG: the keys' signals without typing them. */
static long send_signal(struct pty *p, unsigned long sig)
{
    if (sig != SIGINT && sig != SIGQUIT && sig != SIGTSTP)
        return -EINVAL;
    tty_signal_foreground(&p->tty, (int)sig);
    return 0;
}

/* What is to be read at the master is the slave's output. */
static long flush_master(struct pty *p, unsigned long which)
{
    struct tty *t = &p->tty;

    if (which > TCIOFLUSH)
        return -EINVAL;
    mutex_lock(&t->lock);
    if (which != TCOFLUSH) {
        WRITE_ONCE(p->out_tail, p->out_head);
        wake_up_all(&t->write_wait);
    }
    if (which != TCIFLUSH)
        ldisc_flush_input(t);
    mutex_unlock(&t->lock);
    return 0;
}

static long master_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct pty *p = f->private;
    void __user *u = (void __user *)arg;

    switch (cmd) {
    case TIOCGPTN: return put_user_u32(MINOR(p->tty.rdev), u);
    case TIOCSPTLCK: return set_lock(p, u);
    case TIOCGPTLCK: return put_user_u32(READ_ONCE(p->locked), u);
    case TIOCGPTPEER: return open_peer(p, arg);
    case TIOCPKT: return set_packet(p, u);
    case TIOCGPKT: return put_user_u32(READ_ONCE(p->packet), u);
    case TIOCSIG: return send_signal(p, arg);
    case TCFLSH: return flush_master(p, arg);
    case FIONREAD: return put_user_u32(out_bytes(p), u);
    default: return tty_ioctl_from_master(&p->tty, cmd, arg);
    }
}

void pty_init(void)
{
    static const struct file_ops master_fops = {
        .open = master_open,
        .release = master_release,
        .read = master_read,
        .write = master_write,
        .poll = master_poll,
        .ioctl = master_ioctl,
    };

    chrdev_register("ptmx", MKDEV(5, 2), 0666, &master_fops);
}
