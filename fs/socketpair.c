/* SPDX-License-Identifier: MIT */
/*
 * socketpair.c: socketpair(2) of AF_UNIX, streams and sequenced packets: two pipes, one for each
 * direction; send and receive on them, shutdown. A packet has at most a page (EMSGSIZE), and what a
 * receive has no room for of it is lost. There is no network and no other kind of socket: socket(2)
 * gives EAFNOSUPPORT. Ancillary data is not carried.
 *
 * Locks: each pipe's own. Invariants: I1 an end that is open holds one reader of its incoming pipe
 * and one writer of its outgoing one, until shutdown takes it away. Source: socketpair(2), unix(7).
 * Read next: pipe.c.
 */
#include "pipe.h"
#include <asm/ioctls.h>
#include <asm/poll.h>
#include <kernel/syscall.h>
#include <linux/net.h>

#define AF_UNIX        1
#define SOCK_STREAM    1 /* the same on all architectures here */
#define SOCK_SEQPACKET 5
#define SOCK_TYPE      0xf
#define SOCK_CLOEXEC   O_CLOEXEC
#define SOCK_NONBLOCK  O_NONBLOCK
#define MSG_DONTWAIT  0x40
#define MSG_NOSIGNAL  0x4000
#define SHUT_RD       0
#define SHUT_WR       1
#define SHUT_RDWR     2

/* Both ends. */
struct pair {
    atomic_t refs;
    struct pipe *pipe[2];
};

struct end {
    struct pair *pair;
    struct pipe *in, *out;
    bool rd_shut, wr_shut; /* pipe->lock of in, of out */
};

static void pair_put(struct pair *p)
{
    if (!atomic_dec_and_test(&p->refs))
        return;
    pipe_free(p->pipe[0]);
    pipe_free(p->pipe[1]);
    kfree(p);
}

static void wake_both(struct pipe *p)
{
    wake_up_all(&p->rd_wait);
    wake_up_all(&p->wr_wait);
}

/* One way is over: *@users of @p, which counts its readers or its writers, loses us, once. */
static void shut(struct pipe *p, u32 *users, bool *is_shut)
{
    mutex_lock(&p->lock);
    if (!*is_shut)
        --*users;
    *is_shut = true;
    mutex_unlock(&p->lock);
    wake_both(p);
}

static void shut_reading(struct end *e)
{
    shut(e->in, &e->in->readers, &e->rd_shut);
}

static void shut_writing(struct end *e)
{
    shut(e->out, &e->out->writers, &e->wr_shut);
}

static ssize_t sock_recv(struct file *f, struct iov_iter *to, bool nonblock)
{
    struct end *e = f->private;

    return READ_ONCE(e->rd_shut) ? 0 : pipe_read_iter(e->in, to, nonblock);
}

static ssize_t sock_send(struct file *f, struct iov_iter *from, unsigned int how)
{
    struct end *e = f->private;

    if (READ_ONCE(e->wr_shut)) {
        if (!(how & PIPE_NOSIGNAL))
            (void)signal_send_task(current, SIGPIPE, NULL);
        return -EPIPE;
    }
    return pipe_write_iter(e->out, from, how);
}

static ssize_t sock_read(struct file *f, struct iov_iter *to, loff_t *pos)
{
    return sock_recv(f, to, f->flags & O_NONBLOCK);
}

static ssize_t sock_write(struct file *f, struct iov_iter *from, loff_t *pos)
{
    return sock_send(f, from, f->flags & O_NONBLOCK ? PIPE_NONBLOCK : 0);
}

static unsigned int sock_poll(struct file *f, struct poll_table *pt)
{
    struct end *e = f->private;
    unsigned int mask = 0;
    bool no_writer, no_reader;

    poll_wait(f, &e->in->rd_wait, pt);
    poll_wait(f, &e->out->wr_wait, pt);
    no_writer = READ_ONCE(e->in->writers) == 0 || READ_ONCE(e->rd_shut);
    no_reader = READ_ONCE(e->out->readers) == 0;
    if (!pipe_empty(e->in))
        mask |= POLLIN | POLLRDNORM;
    if (no_writer)
        mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (no_writer && no_reader)
        mask |= POLLHUP;
    if (!pipe_full(e->out) || no_reader)
        mask |= POLLOUT | POLLWRNORM;
    return mask;
}

static long sock_ioctl(struct file *f, unsigned int cmd, unsigned long arg)
{
    struct end *e = f->private;

    return cmd == FIONREAD ? put_user_u32(pipe_bytes(e->in), (void __user *)arg) : -ENOTTY;
}

static void sock_release(struct file *f)
{
    struct end *e = f->private;

    shut_reading(e);
    shut_writing(e);
    pair_put(e->pair);
    kfree(e);
}

static const struct file_ops sock_fops = {
    .read = sock_read,
    .write = sock_write,
    .poll = sock_poll,
    .ioctl = sock_ioctl,
    .release = sock_release,
};

/* ---- making ---- */

static struct pair *pair_alloc(void)
{
    struct pair *p = kzalloc(sizeof(*p));

    if (!p)
        return NULL;
    p->pipe[0] = pipe_alloc();
    p->pipe[1] = p->pipe[0] ? pipe_alloc() : NULL;
    if (!p->pipe[1]) {
        if (p->pipe[0])
            pipe_free(p->pipe[0]);
        kfree(p);
        return NULL;
    }
    atomic_set(&p->refs, 1);
    for (int n = 0; n < 2; n++)
        p->pipe[n]->readers = p->pipe[n]->writers = 1;
    return p;
}

static struct file *end_open(struct pair *p, int side, unsigned int flags)
{
    struct inode *i = anon_inode_alloc(S_IFSOCK | 0777);
    struct end *e = i ? kzalloc(sizeof(*e)) : NULL;
    struct file *f;
    char name[32];

    if (!e) {
        inode_put(i);
        return ERR_PTR(-ENOMEM);
    }
    *e = (struct end){.pair = p, .in = p->pipe[side], .out = p->pipe[!side]};
    (void)scnprintf(name, sizeof(name), "socket:[%llu]", (unsigned long long)i->ino);
    f = file_on_anon(i, name, &sock_fops, O_RDWR | (flags & O_NONBLOCK), e);
    if (IS_ERR(f)) {
        inode_put(i);
        kfree(e);
        return f;
    }
    f->f_mode |= FMODE_STREAM;
    atomic_inc(&p->refs);
    return f;
}

static int pair_open(struct file *f[2], unsigned int flags)
{
    struct pair *p = pair_alloc();

    if (!p)
        return -ENOMEM;
    p->pipe[0]->packets = p->pipe[1]->packets = (flags & SOCK_TYPE) == SOCK_SEQPACKET;
    f[0] = end_open(p, 0, flags);
    f[1] = IS_ERR(f[0]) ? f[0] : end_open(p, 1, flags);
    pair_put(p);
    if (!IS_ERR(f[1]))
        return 0;
    if (!IS_ERR(f[0]))
        file_put(f[0]);
    return (int)PTR_ERR(f[1]);
}

SYSCALL4(socketpair, int, family, int, type, int, protocol, int __user *, fds)
{
    struct file *f[2];
    int ret;

    if (type & ~(SOCK_TYPE | SOCK_CLOEXEC | SOCK_NONBLOCK))
        return -EINVAL;
    if (family != AF_UNIX)
        return -EAFNOSUPPORT;
    if (protocol != 0 && protocol != AF_UNIX)
        return -EPROTONOSUPPORT;
    if ((type & SOCK_TYPE) != SOCK_STREAM && (type & SOCK_TYPE) != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    ret = pair_open(f, (unsigned int)type);
    return ret ? ret : fd_install_pair(f, fds, (unsigned int)type);
}

SYSCALL3(socket, int, family, int, type, int, protocol)
{
    return -EAFNOSUPPORT;
}

/* ---- calls on them ---- */

/* 0 or -EBADF, -ENOTSOCK; then put the reference. */
static int sock_get(int fd, struct fdref *r)
{
    *r = fdref_get(fd);
    if (!r->file)
        return -EBADF;
    if (r->file->op == &sock_fops)
        return 0;
    fdref_put(*r);
    return -ENOTSOCK;
}

SYSCALL2(shutdown, int, fd, int, how)
{
    struct fdref r;
    int ret = sock_get(fd, &r);

    if (ret)
        return ret;
    if (how < SHUT_RD || how > SHUT_RDWR)
        ret = -EINVAL;
    if (ret == 0 && how != SHUT_WR)
        shut_reading(r.file->private);
    if (ret == 0 && how != SHUT_RD)
        shut_writing(r.file->private);
    fdref_put(r);
    return ret;
}

SYSCALL6(sendto, int, fd, void __user *, buf, size_t, n, unsigned int, flags, const void __user *,
         addr, int, addr_len)
{
    struct iov_iter it;
    struct iovec one;
    struct fdref r;
    ssize_t ret = sock_get(fd, &r);

    if (ret)
        return ret;
    iov_iter_user(&it, &one, buf, min(n, (size_t)MAX_RW_COUNT));
    if (addr)
        ret = -EISCONN;
    else if (flags & ~(unsigned int)(MSG_DONTWAIT | MSG_NOSIGNAL))
        ret = -EOPNOTSUPP;
    else
        ret =
            sock_send(r.file, &it,
                      ((flags & MSG_DONTWAIT) || (r.file->flags & O_NONBLOCK) ? PIPE_NONBLOCK : 0) |
                          (flags & MSG_NOSIGNAL ? PIPE_NOSIGNAL : 0));
    fdref_put(r);
    return ret;
}

SYSCALL6(recvfrom, int, fd, void __user *, buf, size_t, n, unsigned int, flags, void __user *, addr,
         u32 __user *, addr_len)
{
    struct iov_iter it;
    struct iovec one;
    struct fdref r;
    ssize_t ret = sock_get(fd, &r);

    if (ret)
        return ret;
    iov_iter_user(&it, &one, buf, min(n, (size_t)MAX_RW_COUNT));
    if (flags & ~(unsigned int)MSG_DONTWAIT)
        ret = -EOPNOTSUPP;
    else
        ret = sock_recv(r.file, &it, (flags & MSG_DONTWAIT) || (r.file->flags & O_NONBLOCK));
    /* The peer has no name: an address of no bytes. */
    if (ret >= 0 && addr_len && put_user_u32(0, addr_len))
        ret = -EFAULT;
    fdref_put(r);
    return ret;
}

#ifdef __NR_send
SYSCALL4(send, int, fd, void __user *, buf, size_t, n, unsigned int, flags)
{
    return sys_sendto(fd, buf, n, flags, NULL, 0);
}

SYSCALL4(recv, int, fd, void __user *, buf, size_t, n, unsigned int, flags)
{
    return sys_recvfrom(fd, buf, n, flags, NULL, NULL);
}
#endif
